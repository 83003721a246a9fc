/** The circuit breaker round a signer that is a service. At stake: appends that wait for a dead KMS, or never come back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakSigner } from '#indelible/signing/breaker.js';
import type { BrokenSigner } from '#indelible/signing/breaker.js';
import { SignerError } from '#indelible/signing/signer.js';
import { until } from '../support/until.js';

const MESSAGE = Buffer.from('a checkpoint');
const SIGNATURE = new Uint8Array([1, 2, 3]);
const TIMEOUT_MS = 50;

let mood: 'well' | 'hangs' | 'fails';
let signed: string[];
let broken: BrokenSigner;
beforeEach(() => {
  mood = 'well';
  signed = [];
  broken = breakSigner(
    {
      kind: 'kms',
      publicKey: { algorithm: 'ed25519', spki: new Uint8Array(44) },
      sign: (message) => {
        signed.push(Buffer.from(message).toString());
        if (mood === 'hangs') return new Promise(() => undefined);
        return mood === 'fails' ? Promise.reject(new SignerError('KMS: ThrottlingException')) : Promise.resolve(SIGNATURE);
      },
    },
    TIMEOUT_MS,
  );
});
afterEach(() => broken.circuit.close());

const attempt = (): Promise<unknown> => broken.signer.sign(MESSAGE).catch((error: unknown) => error);

describe('a signer behind a breaker', () => {
  it('signs as before, and keeps its key', async () => {
    expect(await broken.signer.sign(MESSAGE)).toBe(SIGNATURE);
    expect([broken.signer.kind, broken.signer.publicKey.algorithm]).toEqual(['kms', 'ed25519']);
    await broken.probe();
    // What a probe signs is nothing that a verifier would take for a checkpoint or a mark.
    expect(signed).toEqual(['a checkpoint', 'indelible: is the signer there?\n']);
  });

  it.each(['hangs', 'fails'] as const)('that %s is given up, then not called at all, and is back by itself', async (how) => {
    mood = how;
    for (let i = 0; i < 3; i++) {
      expect(await attempt()).toBeInstanceOf(SignerError);
    }
    signed = [];
    expect(await attempt()).toMatchObject({ name: 'SignerError', message: expect.stringContaining('3 times in a row') as string });
    expect(signed).toEqual([]);
    mood = 'well';
    await until(() => broken.circuit.state === 'closed');
    expect(signed).toEqual(['indelible: is the signer there?\n']);
    expect(await broken.signer.sign(MESSAGE)).toBe(SIGNATURE);
  });
});
