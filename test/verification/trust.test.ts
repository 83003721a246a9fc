import { describe, expect, test } from 'vitest';
import { formatVkey, noteKey } from '#indelible/core/note.js';
import { parsePublicKeys } from '#indelible/verification/trust.js';
import { buildSegments, storeObjects, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';
import { storeOf } from '../support/stores.js';
import { chainId, objects, size, verify } from './orders.js';

describe('trust', () => {
  const forger = new TestKey(99);
  const forged = buildSegments({ chainId, counts: [4, 1, 7], key: forger });

  test('given from outside sees what keys in the store hide', async () => {
    // The attacker signs everything anew and puts the key where the store's keys lie.
    const store = storeOf(storeObjects([forged], TEST_DEPLOYMENT, [forger]));
    const blind = await verify(store);
    expect(blind).toMatchObject({ verdict: 'intact', trust: { source: 'store' } });
    expect(blind.statements.join()).toMatch(/not that they are the right ones/);
    const report = await verify(store, { trust: { keys: [{ publicKey: TEST_KEY.publicKey }] } });
    expect(report).toMatchObject({ verdict: 'tampered', trust: { source: 'given', keyIds: [] }, firstBadSequence: 0 });
    expect(report.findings.map(({ code }) => code)).toEqual(['signature_invalid', 'signature_invalid', 'signature_invalid']);
    expect(report.statements.join()).not.toMatch(/not that they are the right ones/);
  });

  test('may be given as a vkey, PEM, base64 or key object', async () => {
    const key = noteKey(`${TEST_DEPLOYMENT}/${chainId}`, TEST_KEY.publicKey);
    const base64 = Buffer.from(TEST_KEY.publicKey.spki).toString('base64');
    const pem = `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`;
    const object = Buffer.from([...objects].find(([name]) => name.startsWith('keys/'))![1]).toString();
    for (const text of [formatVkey(key), base64, pem, object, `${base64}\n\n${formatVkey(key)}\n`]) {
      expect(await verify(storeOf(objects), { trust: { keys: parsePublicKeys(text) } })).toMatchObject({ verdict: 'intact', trust: { source: 'given' } });
    }
    for (const text of ['', 'nonsense', '{"a":1}', '{', '-----BEGIN PUBLIC KEY-----', base64.slice(4), formatVkey(key).replace(key.keyId, '00000000')]) {
      expect(() => parsePublicKeys(text)).toThrow(/key/);
    }
  });

  test('in a vkey speaks for its own chain alone', async () => {
    const other = noteKey(`${TEST_DEPLOYMENT}/payments`, TEST_KEY.publicKey);
    const report = await verify(storeOf(objects), { trust: { keys: [{ publicKey: other.publicKey, name: other.name }] } });
    expect(report).toMatchObject({ verdict: 'indeterminate', trust: { source: 'none' } });
  });

  test('without any key nothing is said', async () => {
    const bare = new Map([...objects].filter(([key]) => !key.startsWith('keys/')));
    expect(await verify(storeOf(bare))).toMatchObject({ verdict: 'indeterminate', entriesChecked: 0, trust: { source: 'none', keyIds: [] } });
    const empty = await verify(storeOf(new Map()));
    expect(empty).toMatchObject({ verdict: 'indeterminate', findings: [] });
    expect(empty.statements.join()).toMatch(/which deployment/);
  });

  test('with a key and a name from outside the store needs neither', async () => {
    const bare = storeOf(new Map([...objects].filter(([key]) => key.startsWith('chains/'))));
    const keys = [{ publicKey: TEST_KEY.publicKey }];
    expect(await verify(bare, { trust: { keys } })).toMatchObject({ verdict: 'indeterminate' });
    expect(await verify(bare, { trust: { keys, deployment: TEST_DEPLOYMENT } })).toMatchObject({ verdict: 'intact' });
    expect(await verify(bare, { trust: { keys: [{ ...keys[0]!, name: `${TEST_DEPLOYMENT}/${chainId}` }] } })).toMatchObject({ verdict: 'intact' });
  });

  test.each<[string, string, (text: string) => string, string]>([
    ['deployment.json cut short', 'deployment.json', (text) => text.slice(0, -1), 'unknown_format'],
    ['deployment.json with a space', 'deployment.json', (text) => text.replace(',', ', '), 'unknown_format'],
    ['a key object with another key', 'keys/', (text) => text.replace(/.{44}"\}$/, `${'A'.repeat(44)}"}`), 'unknown_format'],
    ['a key object of another algorithm', 'keys/', (text) => text.replace('ed25519', 'ecdsa-p256'), 'unknown_format'],
  ])('%s is found', async (_, prefix, change, code) => {
    const store = storeOf(objects);
    const [key, bytes] = [...objects].find(([name]) => name.startsWith(prefix))!;
    store.tamper(key, Buffer.from(change(Buffer.from(bytes).toString())));
    expect(await verify(store)).toMatchObject({ verdict: 'tampered', findings: [{ code, key }] });
    // With a key from outside the entries are judged all the same.
    const trust = { keys: [{ publicKey: TEST_KEY.publicKey }], deployment: TEST_DEPLOYMENT };
    expect(await verify(store, { trust })).toMatchObject({ verdict: 'tampered', entriesChecked: size, findings: [{ code, key }] });
  });

  test('a deployment other than the one expected, and a foreign file among the keys, are found', async () => {
    const store = storeOf(objects);
    store.tamper('keys/readme.txt', Buffer.from('x'));
    expect(await verify(store)).toMatchObject({ verdict: 'tampered', entriesChecked: size, findings: [{ code: 'foreign_object', key: 'keys/readme.txt' }] });
    const trust = { keys: [{ publicKey: TEST_KEY.publicKey }], deployment: 'elsewhere' };
    const report = await verify(storeOf(objects), { trust });
    expect(report.findings.map(({ code }) => code)).toContain('foreign_object');
    expect(report.verdict).toBe('tampered');
  });
});
