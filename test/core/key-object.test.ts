import { describe, expect, test } from 'vitest';
import { fingerprintOf, followKeys, KeyFormatError, parseKeyObject, rootKey } from '#indelible/core/key-object.js';
import type { KeyStatement } from '#indelible/core/key-object.js';
import { TEST_DEPLOYMENT, TestKey } from '../support/chain-builder.js';
import { delegated, rootObject, rotated } from '../support/certified-keys.js';

const [root, second, third, session, forger] = [1, 2, 3, 4, 5].map((seed) => new TestKey(seed)) as [TestKey, TestKey, TestKey, TestKey, TestKey];
const FROM = '2026-01-01T00:00:00.000000Z';
const TO = '2026-01-02T00:00:00.000000Z';

function follow(texts: readonly string[], roots = [root], deployment = TEST_DEPLOYMENT): { trusted: string[]; reasons: string[] } {
  const statements: KeyStatement[] = texts.map(parseKeyObject);
  const { trusted, refused } = followKeys(deployment, roots.map((key) => rootKey(key.publicKey, statements)), statements);
  return { trusted: trusted.map(({ fingerprint }) => fingerprint), reasons: refused.map(({ reason }) => reason) };
}
const prints = (...keys: TestKey[]): string[] => keys.map(({ publicKey }) => fingerprintOf(publicKey));

describe('key objects', () => {
  test('are followed from a root over rotations to a delegated key, in whatever order they lie', () => {
    const texts = [delegated(third, session, FROM, TO), rotated(second, third), rootObject(root), rotated(root, second)];
    for (const order of [texts, [...texts].reverse()]) expect(follow(order)).toEqual({ trusted: prints(root, second, third, session), reasons: [] });
    // From a later key on, those before it are not vouched for.
    expect(follow(texts, [second]).trusted).toEqual(prints(second, third, session));
    const statements = texts.map(parseKeyObject);
    const { trusted } = followKeys(TEST_DEPLOYMENT, [rootKey(root.publicKey)], statements);
    expect(trusted.at(-1)).toMatchObject({ purpose: 'delegated', publicKey: { validity: { notBefore: FROM, notAfter: TO } } });
  });

  test.each([
    ['without a certificate', rootObject(forger), /no certificate/],
    ['with one of a key nobody vouches for', rotated(forger, second), /no key of this log/],
    ['with one by itself', rotated(forger, forger), /no key of this log/],
    ['with one signed by another than it names', rotated(forger, second, { certifiedBy: fingerprintOf(root.publicKey) }), /not signed by/],
    ['with one for another deployment', rotated(root, second, { deployment: 'elsewhere' }), /deployment elsewhere/],
  ])('%s are refused', (_, text, reason) => {
    const { trusted, reasons } = follow([rootObject(root), text]);
    expect(trusted).toEqual(prints(root));
    expect(reasons).toEqual([expect.stringMatching(reason)]);
  });

  test('of a delegated key certify nobody, neither within its time nor behind it', () => {
    const texts = [rootObject(root), delegated(root, session, FROM, TO), rotated(session, forger), delegated(session, third, FROM, TO)];
    const { trusted, reasons } = follow(texts);
    expect(trusted).toEqual(prints(root, session));
    expect(reasons).toEqual([expect.stringMatching(/delegated key, which may not certify/), expect.stringMatching(/delegated key, which may not certify/)]);
    // Nor when it is itself what was given from outside.
    const statements = texts.map(parseKeyObject);
    const given = rootKey({ ...session.publicKey, validity: { notBefore: FROM, notAfter: TO } });
    expect(followKeys(TEST_DEPLOYMENT, [given], statements).trusted).toHaveLength(1);
  });

  test('of keys that vouch for each other, and for no root, are refused', () => {
    expect(follow([rotated(second, third), rotated(third, second)]).trusted).toEqual(prints(root));
  });

  test.each([
    ['rotation', rotated(root, second)],
    ['delegated', delegated(root, second, FROM, TO)],
  ])('of purpose %s: no changed byte is let pass', (_, text) => {
    const bytes = Buffer.from(text);
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [1, 2, 0x20, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= change;
        try {
          const { trusted } = follow([new TextDecoder('utf-8', { fatal: true }).decode(changed)]);
          expect(trusted, `byte ${at} ^ ${change}`).toEqual(prints(root));
        } catch (error) {
          expect(error instanceof KeyFormatError || error instanceof TypeError, String(error)).toBe(true);
        }
        refused += 1;
      }
    }
    expect(refused).toBe(4 * bytes.length);
    expect(follow([text]).trusted).toEqual(prints(root, second));
  });

  test.each([
    ['white space', (text: string) => text.replace(',', ', ')],
    ['a member more', (text: string) => text.replace('{', '{"a":1,')],
    ['a member less', (text: string) => text.replace(/"purpose":"[a-z]+",/, '')],
    ['a window on a rotation', (text: string) => text.replace('"purpose":"rotation"', '"notAfter":"x","notBefore":"y","purpose":"rotation"')],
    ['another purpose', (text: string) => text.replace('rotation', 'any')],
    ['no window on a delegated key', (text: string) => text.replace('rotation', 'delegated')],
    ['another version', (text: string) => text.replace('key/v2', 'key/v3')],
    ['a name that is no deployment', (text: string) => text.replace(TEST_DEPLOYMENT, 'a b')],
  ])('with %s are no key objects', (_, change) => {
    const text = rotated(root, second);
    expect(change(text)).not.toBe(text);
    expect(() => parseKeyObject(change(text))).toThrow(KeyFormatError);
  });

  test('with a window that ends before it begins, or of another form, are none', () => {
    for (const [from, to] of [[TO, FROM], ['2026-01-01T00:00:00Z', TO], [FROM, '2026-13-01T00:00:00.000000Z']] as const) {
      expect(() => parseKeyObject(delegated(root, second, from, to))).toThrow(/notBefore/);
    }
  });

  test('that are not JSON, or hostile, throw what they should', () => {
    for (const text of ['', '[]', 'null', '{}', '{"format":"indelible/key/v2"}', '{"__proto__":1}', '"x"', '['.repeat(200)]) {
      expect(() => parseKeyObject(text)).toThrow(KeyFormatError);
    }
  });
});
