/** Short-lived keys: when one is made, which one signs, and what happens when none can be had. */
import { describe, expect, test } from 'vitest';
import { certificateText, followKeys, parseKeyObject, rootKey } from '#indelible/core/key-object.js';
import { isSignatureBy } from '#indelible/core/signature.js';
import { DelegatedSigner } from '#indelible/signing/delegated.js';
import { SignerError, type Signer } from '#indelible/signing/signer.js';
import { TEST_DEPLOYMENT, TEST_KEY } from '../support/chain-builder.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 5, 1);
const text = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

class World {
  now = START;
  kmsUp = true;
  storeUp = true;
  certified = 0;
  readonly stated: string[] = [];
  readonly troubles: SignerError[] = [];
  readonly certifier: Signer = {
    kind: 'kms',
    publicKey: TEST_KEY.publicKey,
    sign: (message) => {
      if (!this.kmsUp) return Promise.reject(new SignerError('KMS did not sign'));
      this.certified += 1;
      return TEST_KEY.sign(message);
    },
  };
  readonly signer = new DelegatedSigner({
    certifier: this.certifier,
    deployment: TEST_DEPLOYMENT,
    hours: 4,
    now: () => this.now,
    random: () => 0.5,
    state: (object) => {
      if (!this.storeUp) return Promise.reject(new Error('the store is down'));
      this.stated.push(object);
      return Promise.resolve();
    },
    onTrouble: (error) => this.troubles.push(error),
  });

  /** The key a segment of this time is signed with, checked as a verifier would. */
  async sign(receivedAt = this.now): Promise<string> {
    const key = await this.signer.keyFor(text(receivedAt));
    const statements = this.stated.map(parseKeyObject);
    const { trusted } = followKeys(TEST_DEPLOYMENT, [rootKey(TEST_KEY.publicKey)], statements);
    const known = trusted.find(({ publicKey }) => Buffer.from(publicKey.spki).equals(Buffer.from(key.publicKey.spki)));
    const { notBefore, notAfter } = known!.publicKey.validity!;
    expect(key.publicKey.validity).toEqual(known!.publicKey.validity);
    expect(notBefore <= text(receivedAt) && text(receivedAt) <= notAfter).toBe(true);
    const message = Buffer.from('a checkpoint');
    expect(isSignatureBy(key.publicKey, message, await key.sign(message))).toBe(true);
    return known!.fingerprint;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('a delegating signer', () => {
  test('signs thousands of segments with one call to the key that certifies, and states the key first', async () => {
    const world = new World();
    const keys = await Promise.all(Array.from({ length: 200 }, () => world.sign()));
    expect(new Set(keys).size).toBe(1);
    expect([world.certified, world.stated.length]).toEqual([1, 1]);
    const { certificate, createdAt, publicKey } = parseKeyObject(world.stated[0]!);
    expect(certificate).toMatchObject({ purpose: 'delegated', validity: { notBefore: text(START - 600_000), notAfter: text(START + 4 * HOUR) } });
    expect(certificateText({ ...certificate!, createdAt, publicKey })).toMatch(/^indelible\/key\/v2\n\{"algorithm":"ed25519"/);
    expect(world.stated[0]).not.toMatch(/PRIVATE|privateKey/);
  });

  test('renews its key before the end, beside the appends, with an overlap', async () => {
    const world = new World();
    const first = await world.sign();
    world.now += 2.7 * HOUR;
    expect(await world.sign()).toBe(first);
    await settle();
    expect(world.stated).toHaveLength(1);
    world.now += 0.2 * HOUR;
    expect(await world.sign()).toBe(first);
    await settle();
    const second = await world.sign();
    expect(second).not.toBe(first);
    // An append that waited is within the new key's time, too; of an older time, the old key signs.
    expect(await world.sign(world.now - 500_000)).toBe(second);
    expect(await world.sign(START)).toBe(first);
  });

  test('goes on with the old key while KMS is down, stops at its end, and recovers by itself', async () => {
    const world = new World();
    const first = await world.sign();
    world.kmsUp = false;
    for (let i = 0; i < 30; i++) {
      world.now = START + 2.9 * HOUR + i * 120_000;
      expect(await world.sign()).toBe(first);
      await settle();
    }
    expect(world.troubles.length).toBeGreaterThan(3);
    expect(world.troubles.length).toBeLessThanOrEqual(30);
    world.now = START + 4 * HOUR + 1;
    await expect(world.signer.keyFor(text(world.now))).rejects.toBeInstanceOf(SignerError);
    world.kmsUp = true;
    expect(await world.sign()).not.toBe(first);
  });

  test('does not ask again at once after a failure, however many append', async () => {
    const world = new World();
    await world.sign();
    world.kmsUp = false;
    world.now += 3 * HOUR;
    for (let i = 0; i < 100; i++) {
      await world.sign();
      await settle();
    }
    expect(world.troubles).toHaveLength(1);
  });

  test('uses no key that is not stated', async () => {
    const world = new World();
    world.storeUp = false;
    await expect(world.signer.keyFor(text(world.now))).rejects.toThrow(/could not be stated in the store: the store is down/);
    world.storeUp = true;
    await world.sign();
    expect(world.certified).toBe(2);
  });

  test('signs for a chain that is ahead of this clock, or behind it, with a key of that time', async () => {
    const world = new World();
    const here = await world.sign();
    const ahead = await world.sign(START + 72 * HOUR);
    const justAhead = await world.sign(START + HOUR);
    expect(justAhead).toBe(here);
    const behind = await world.sign(START - 48 * HOUR);
    expect(new Set([here, ahead, behind]).size).toBe(3);
    expect(await world.sign(START + 72 * HOUR)).toBe(ahead);
    const mixed = await Promise.all([world.sign(START - 200 * HOUR), world.sign(START + 200 * HOUR)]);
    expect(new Set(mixed).size).toBe(2);
  });

  test('signs what is no segment with the key that certifies', async () => {
    const world = new World();
    const message = Buffer.from('a mark');
    expect(isSignatureBy(world.signer.publicKey, message, await world.signer.sign(message))).toBe(true);
    expect(world.signer.publicKey).toEqual(TEST_KEY.publicKey);
  });
});
