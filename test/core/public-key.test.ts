import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { publicKeyFault, readPublicKey } from '#indelible/core/public-key.js';

const PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function edKey(raw: Uint8Array): { readonly algorithm: 'ed25519'; readonly spki: Uint8Array } {
  return { algorithm: 'ed25519', spki: Buffer.concat([PREFIX, raw]) };
}

describe('public keys', () => {
  test('made by a library pass', () => {
    for (let i = 0; i < 20; i++) {
      const ed = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
      const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ format: 'der', type: 'spki' });
      expect(readPublicKey(ed)).toEqual({ algorithm: 'ed25519', spki: ed });
      expect(readPublicKey(ec)).toEqual({ algorithm: 'ecdsa-p256', spki: ec });
    }
  });

  test('of small order do not: anything could be signed under them', () => {
    // Every point times the prime order of the group is one of the eight.
    const seen = new Set<string>();
    for (let i = 0; seen.size < 8; i++) {
      const raw = Buffer.alloc(32);
      raw.writeUInt32LE(i);
      let point;
      try {
        point = ed25519.Point.fromBytes(raw);
      } catch {
        continue;
      }
      const small = point.multiplyUnsafe(ed25519.Point.Fn.ORDER - 1n).add(point);
      seen.add(small.toHex());
      expect(publicKeyFault(edKey(small.toBytes()))).toMatch(/small order/);
    }
  });

  test('that are no point of the curve do not pass, exactly where the library says so', () => {
    for (let i = 0; i < 200; i++) {
      const raw = Buffer.alloc(32, i);
      raw[31]! &= 0x7f;
      raw.writeUInt32LE(i * 7919 + 13);
      let valid = true;
      try {
        ed25519.Point.fromBytes(raw);
      } catch {
        valid = false;
      }
      expect(publicKeyFault(edKey(raw)) === undefined).toBe(valid);
    }
  });

  test.each([
    ['an Ed25519 key with y not below p', edKey(Buffer.concat([Buffer.from('ee', 'hex'), Buffer.alloc(30, 0xff), Buffer.from('7f', 'hex')]))],
    ['one that is too short', edKey(Buffer.alloc(31, 5))],
    ['one under the name of the other algorithm', { algorithm: 'ecdsa-p256', spki: edKey(Buffer.alloc(32, 5)).spki } as const],
    ['nothing', { algorithm: 'ed25519', spki: new Uint8Array(0) } as const],
  ])('%s does not pass', (_, key) => {
    expect(publicKeyFault(key)).toBeTypeOf('string');
  });

  test('of another curve or in compressed form do not pass', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    expect(readPublicKey(publicKey.export({ format: 'der', type: 'spki' }))).toBeTypeOf('string');
    const { publicKey: p256 } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const spki = p256.export({ format: 'der', type: 'spki' });
    const off = Buffer.from(spki);
    off[90]! ^= 1;
    expect(readPublicKey(off)).toMatch(/not a point/);
    expect(() => createPublicKey({ key: off, format: 'der', type: 'spki' })).toThrow();
  });
});
