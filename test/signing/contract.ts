/** What every Signer promises. Each adapter's test file calls this with a way to make one. */
import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNote, noteKey, noteSigners, parseNote } from '#indelible/core/note.js';
import { verifySignature as verifyInBrowser } from '#indelible/core/platform/browser.js';
import { verifySignature as verifyInNode } from '#indelible/core/platform/node.js';
import { isSignatureBy } from '#indelible/core/signature.js';
import type { Signer } from '#indelible/signing/signer.js';

export interface MadeSigner {
  readonly signer: Signer;
  /** The same key, opened anew: another process, or the next start. */
  readonly reopen: () => Promise<Signer>;
  readonly dispose?: () => Promise<void>;
}

export function signerContract(name: string, make: () => Promise<MadeSigner>): void {
  describe(`${name} keeps the contract of a signer`, () => {
    let made: MadeSigner;
    let signer: Signer;
    beforeAll(async () => {
      made = await make();
      signer = made.signer;
    });
    afterAll(() => made.dispose?.());

    const check = (message: Uint8Array, signature: Uint8Array, { publicKey } = signer): readonly boolean[] =>
      [verifyInNode, verifyInBrowser].map((verifies) => verifies(publicKey.algorithm, publicKey.spki, message, signature));

    it('has a public key that is DER SubjectPublicKeyInfo of its algorithm', () => {
      const key = createPublicKey({ key: Buffer.from(signer.publicKey.spki), format: 'der', type: 'spki' });
      expect(key.asymmetricKeyType).toBe(signer.publicKey.algorithm === 'ed25519' ? 'ed25519' : 'ec');
      expect(signer.publicKey.spki.length).toBe(signer.publicKey.algorithm === 'ed25519' ? 44 : 91);
    });

    it.each([1, 32, 200, 4096])('signs %d bytes so that Node and noble both agree', async (length) => {
      const message = Uint8Array.from({ length }, (_, i) => i % 251);
      const signature = await signer.sign(message);
      expect(check(message, signature)).toEqual([true, true]);
      if (signer.publicKey.algorithm === 'ed25519') expect(signature.length).toBe(64);
      else expect(signature[0]).toBe(0x30);
    });

    it('makes ECDSA signatures in their one form', async () => {
      for (let i = 0; i < 20; i++) expect(isSignatureBy(signer.publicKey, Buffer.from(`m${i}`), await signer.sign(Buffer.from(`m${i}`)))).toBe(true);
    });

    it('signs what OpenSSL alone accepts too', async () => {
      const message = Buffer.from('a checkpoint');
      const key = createPublicKey({ key: Buffer.from(signer.publicKey.spki), format: 'der', type: 'spki' });
      const digest = signer.publicKey.algorithm === 'ed25519' ? null : 'sha256';
      expect(verify(digest, message, key, await signer.sign(message))).toBe(true);
    });

    it('makes signatures that hold for nothing else', async () => {
      const signature = await signer.sign(Buffer.from('one'));
      expect(check(Buffer.from('two'), signature)).toEqual([false, false]);
      const changed = new Uint8Array(signature);
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
      expect(check(Buffer.from('one'), changed)).toEqual([false, false]);
    });

    it('signs many messages at once', async () => {
      const messages = Array.from({ length: 50 }, (_, i) => Buffer.from(`message ${i}`));
      const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
      messages.forEach((message, i) => expect(check(message, signatures[i] ?? new Uint8Array())).toEqual([true, true]));
    });

    it('signs notes that the log accepts', async () => {
      const key = noteKey('test/chain', signer.publicKey);
      const text = 'test/chain\n1\nAAAA\n';
      const note = formatNote(text, [{ name: key.name, keyId: key.keyId, signature: await signer.sign(Buffer.from(text)) }]);
      expect(noteSigners(parseNote(note), [key])).toEqual([key]);
    });

    it('is the same key after a restart', async () => {
      const again = await made.reopen();
      expect(again.publicKey).toEqual(signer.publicKey);
      const message = Buffer.from('before and after');
      expect(check(message, await again.sign(message))).toEqual([true, true]);
    });

    it('keeps no hold of the message', async () => {
      const message = Buffer.from('signed as it was');
      const signing = signer.sign(message);
      const signature = await signing;
      message.fill(0);
      expect(check(Buffer.from('signed as it was'), signature)).toEqual([true, true]);
    });
  });
}
