/** Which keys a writer believes: what an attacker loses who can write to the store and has no key. */
import { describe, expect, test } from 'vitest';
import { fingerprintOf } from '#indelible/core/key-object.js';
import { certifyKey } from '#indelible/ledger/certify.js';
import { establishTrust, readTrust } from '#indelible/ledger/trust.js';
import type { RefusedKey } from '#indelible/ledger/trust.js';
import { StoreError } from '#indelible/storage/worm-store.js';
import { storeObjects, TEST_DEPLOYMENT, TestKey } from '../support/chain-builder.js';
import { delegated, keyName, rootedDeployment, rootObject, rotated } from '../support/certified-keys.js';
import { MemoryStore } from '../support/memory-store.js';
import { storeOf } from '../support/stores.js';

const [root, second, third, forger] = [1, 2, 3, 9].map((seed) => new TestKey(seed)) as [TestKey, TestKey, TestKey, TestKey];
const now = '2026-01-01T00:00:00.000000Z';
const retention = { mode: 'governance', retainUntil: '2026-02-01T00:00:00Z' } as const;
const settings = { deployment: undefined, now, retention } as const;

function rooted(...others: readonly (readonly [TestKey, string])[]): MemoryStore {
  const objects = new Map([['deployment.json', rootedDeployment(root)], [keyName(root), rootObject(root)], ...others.map(([key, text]) => [keyName(key), text] as const)]);
  return storeOf(new Map([...objects].map(([key, text]) => [key, Buffer.from(text)])));
}

describe('a writer', () => {
  test('makes its own key the root of a new store, and starts again with it', async () => {
    const store = new MemoryStore();
    const trust = await establishTrust(store, root, { ...settings, deployment: TEST_DEPLOYMENT });
    expect(trust.keys).toMatchObject([{ purpose: 'root', fingerprint: fingerprintOf(root.publicKey) }]);
    const stated = JSON.parse(Buffer.from((await store.read('deployment.json'))!).toString()) as unknown;
    expect(stated).toEqual({ createdAt: now, deployment: TEST_DEPLOYMENT, format: 'indelible/deployment/v2', rootKey: fingerprintOf(root.publicKey) });
    expect((await establishTrust(store, root, settings)).publicKeys).toEqual([root.publicKey]);
    await expect(establishTrust(store, second, settings)).rejects.toThrow(/is not a key of this store/);
  });

  test('goes on where its first start ended between the two objects', async () => {
    const store = storeOf(new Map([['deployment.json', Buffer.from(rootedDeployment(root))]]));
    await expect(establishTrust(store, second, settings)).rejects.toThrow(/is not a key of this store/);
    expect((await establishTrust(store, root, settings)).publicKeys).toEqual([root.publicKey]);
  });

  test('neither believes nor is stopped by keys that somebody without a key has put there', async () => {
    const store = rooted([forger, rootObject(forger)], [second, rotated(forger, second)]);
    store.tamper('keys/readme.txt', Buffer.from('x'));
    store.tamper(`keys/${'0'.repeat(64)}.json`, Buffer.from('{"junk":true}'));
    store.tamper(`keys/${'1'.repeat(64)}.json`, Buffer.from(rotated(root, third)));
    const refused: RefusedKey[] = [];
    const trust = await establishTrust(store, root, { ...settings, onRefused: (one) => refused.push(one) });
    expect(trust.publicKeys).toEqual([root.publicKey]);
    expect(refused.map(({ key }) => key).sort()).toEqual(['keys/readme.txt', `keys/${'0'.repeat(64)}.json`, `keys/${'1'.repeat(64)}.json`, keyName(forger), keyName(second)].sort());
    await trust.refresh();
    expect(refused).toHaveLength(5);
    for (const key of [forger, second]) await expect(establishTrust(store, key, settings)).rejects.toThrow(/is not a key of this store/);
  });

  test('of an older store, which names no root, believes each key without a certificate as before', async () => {
    const store = storeOf(storeObjects([], TEST_DEPLOYMENT, [root, second]));
    store.tamper(keyName(third), Buffer.from(rotated(second, third)));
    store.tamper(keyName(forger), Buffer.from(rotated(forger, forger)));
    const trust = await establishTrust(store, second, settings);
    expect(trust.keys.map(({ purpose }) => purpose)).toEqual(['root', 'root', 'rotation']);
    expect(trust.find(forger.publicKey)).toBeUndefined();
  });

  test('does not start with a key that was only delegated', async () => {
    const store = rooted([second, delegated(root, second, now, '2027-01-01T00:00:00.000000Z')]);
    await expect(establishTrust(store, second, settings)).rejects.toThrow(/delegated key/);
  });

  test('sees keys certified while it runs, also those asked for by several at once', async () => {
    const store = rooted();
    const [writer, other] = [(await readTrust(store))!, (await readTrust(store))!];
    const before = writer.keysOf('orders');
    expect(await writer.refresh()).toBe(false);
    const known = await certifyKey(store, other, root, second.publicKey, { now, retention });
    expect(known).toMatchObject({ purpose: 'rotation', fingerprint: fingerprintOf(second.publicKey) });
    // Each of them judged by the keys of before: each has to hear that there are more.
    expect(await Promise.all([writer.refresh(), writer.refresh(), writer.refresh()])).toEqual([true, true, true]);
    expect(await writer.refresh()).toBe(false);
    expect(writer.keysOf('orders')).toHaveLength(before.length + 1);
    expect(await certifyKey(store, other, root, second.publicKey, { now, retention })).toEqual(known);
    await expect(certifyKey(store, other, forger, third.publicKey, { now, retention })).rejects.toThrow(/may certify others/);
    expect((await certifyKey(store, writer, second, third.publicKey, { now, retention })).purpose).toBe('rotation');
  });

  test('hears of a store that does not answer, and looks again the next time', async () => {
    const store = rooted();
    const trust = (await readTrust(store))!;
    await certifyKey(store, (await readTrust(store))!, root, second.publicKey, { now, retention });
    const list = store.list.bind(store);
    store.list = () => Promise.reject(new StoreError('list', 'keys/', 'no', 'down'));
    await expect(trust.refresh()).rejects.toThrow('down');
    store.list = list;
    expect(await trust.refresh()).toBe(true);
  });

  test('believes more than a thousand keys, and reads each once', async () => {
    const sessions = Array.from({ length: 240 }, (_, i) => new TestKey(i + 10));
    const texts = sessions.flatMap((key) => [[key, delegated(root, key, now, '2026-01-02T00:00:00.000000Z')] as const]);
    const store = rooted(...texts);
    for (let i = 0; i < 1_000; i++) store.tamper(`keys/${'f'.repeat(60)}${i.toString(16).padStart(4, '0')}.json`, Buffer.from('junk'));
    let reads = 0;
    const read = store.read.bind(store);
    store.read = (key, version) => {
      reads += 1;
      return read(key, version);
    };
    const trust = (await readTrust(store))!;
    expect(trust.publicKeys).toHaveLength(241);
    expect(reads).toBe(1 + 241 + 1_000);
    await trust.refresh();
    expect(reads).toBe(1 + 241 + 1_000);
  });
});
