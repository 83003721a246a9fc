/** The two hosts of the core give the same answers: Node's crypto here, the noble libraries as in a browser. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as browser from '#indelible/core/platform/browser.js';
import * as node from '#indelible/core/platform/node.js';

const bytes = fc.uint8Array({ maxLength: 300 });

describe('both platforms', () => {
  test('export the same functions', () => {
    expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort());
  });

  test('hash alike', () => {
    fc.assert(fc.property(bytes, fc.nat({ max: 9 }), (data, offset) => {
      expect(Buffer.from(browser.sha256(data))).toEqual(Buffer.from(node.sha256(data)));
      expect(browser.sha256Hex(data)).toBe(node.sha256Hex(data));
      const [a, b] = [browser.allocate(50), node.allocate(50)];
      browser.sha256Into(data, a, offset);
      node.sha256Into(data, b, offset);
      expect(Buffer.from(a)).toEqual(Buffer.from(b));
    }));
  });

  test('encode and decode alike', () => {
    fc.assert(fc.property(bytes, (data) => {
      expect(browser.hexEncode(data)).toBe(node.hexEncode(data));
      expect(browser.base64Encode(data)).toBe(node.base64Encode(data));
      expect(Buffer.from(browser.base64Decode(node.base64Encode(data)))).toEqual(Buffer.from(data));
      expect(Buffer.from(browser.hexDecode(node.hexEncode(data)))).toEqual(Buffer.from(data));
    }));
  });

  test('read UTF-8 alike, and refuse what is not', () => {
    const decode = (platform: typeof node, data: Uint8Array): string | undefined => {
      try {
        return platform.utf8Decode(data);
      } catch {
        return undefined;
      }
    };
    fc.assert(fc.property(fc.oneof(bytes, fc.string({ unit: 'binary' }).map((text) => new TextEncoder().encode(text))), (data) => {
      expect(decode(browser, data)).toBe(decode(node, data));
    }));
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(Buffer.from(browser.utf8Encode(text))).toEqual(Buffer.from(node.utf8Encode(text)));
      expect(browser.utf8Length(text)).toBe(node.utf8Length(text));
      const [a, b] = [browser.allocate(500), node.allocate(500)];
      expect(browser.utf8Into(text, a, 3)).toBe(node.utf8Into(text, b, 3));
      expect(Buffer.from(a)).toEqual(Buffer.from(b));
    }));
  });

  test('verify signatures alike', () => {
    for (const [algorithm, pair, digest] of [
      ['ed25519', generateKeyPairSync('ed25519'), null],
      ['ecdsa-p256', generateKeyPairSync('ec', { namedCurve: 'prime256v1' }), 'sha256'],
    ] as const) {
      const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
      const message = Buffer.from('message');
      for (let i = 0; i < 30; i++) {
        const signature = sign(digest, message, pair.privateKey);
        const wrong = Buffer.from(signature);
        wrong[i % wrong.length]! ^= 1 << (i % 8);
        for (const [with_, expected] of [[signature, true], [wrong, false], [signature.subarray(1), false], [Buffer.alloc(0), false]] as const) {
          expect(node.verifySignature(algorithm, spki, message, with_)).toBe(expected);
          expect(browser.verifySignature(algorithm, spki, message, with_)).toBe(expected);
        }
        expect(node.verifySignature(algorithm, spki, Buffer.from('other'), signature)).toBe(false);
        expect(browser.verifySignature(algorithm, spki, Buffer.from('other'), signature)).toBe(false);
      }
      for (const platform of [node, browser]) {
        expect(platform.verifySignature(algorithm, Buffer.alloc(44), message, Buffer.alloc(64))).toBe(false);
        expect(platform.verifySignature(algorithm === 'ed25519' ? 'ecdsa-p256' : 'ed25519', spki, message, sign(digest, message, pair.privateKey))).toBe(false);
      }
    }
  });
});

describe('the core as a browser loads it', () => {
  test('says the same of the published vectors', () => {
    const script = fileURLToPath(new URL('browser-core.mjs', import.meta.url));
    const run = (...conditions: string[]): string => execFileSync(process.execPath, [...conditions, script], { encoding: 'utf8' });
    const inBrowser = run('--conditions=browser');
    expect(JSON.parse(inBrowser)).toMatchObject({ platform: 'browser', failed: [] });
    expect({ ...JSON.parse(run()) as object, platform: 'browser' }).toEqual(JSON.parse(inBrowser));
  });
});
