import { beforeEach, describe, expect, it } from 'vitest';
import { StoreError } from '#indelible/storage/worm-store.js';
import { FaultyStore, type Fault } from './faulty-store.js';
import { MemoryStore } from './memory-store.js';

const retention = { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' } as const;
const bytes = Buffer.from('x');

describe('the faulty store', () => {
  let inner: MemoryStore;
  let store: FaultyStore;
  const failing = (fault: Fault): FaultyStore => new FaultyStore(inner, [{ operation: 'create', call: 2, fault }]);
  const isStored = (key: string): boolean => inner.snapshot().has(key);

  beforeEach(() => {
    inner = new MemoryStore();
  });

  it.each([
    ['not-stored', 'no', false],
    ['disk-full', 'no', false],
    ['unknown-not-stored', 'unknown', false],
    ['unknown-stored', 'unknown', true],
  ] as const)('%s: the call says stored: %s, and the object is there: %s', async (fault, stored, there) => {
    store = failing(fault);
    await store.create('a', bytes, retention);
    await expect(store.create('b', bytes, retention)).rejects.toMatchObject({ name: 'StoreError', operation: 'create', key: 'b', stored });
    expect(isStored('b')).toBe(there);
    expect((await store.create('c', bytes, retention)).outcome).toBe('created');
    expect(store.calls).toEqual([
      { operation: 'create', key: 'a', fault: undefined },
      { operation: 'create', key: 'b', fault },
      { operation: 'create', key: 'c', fault: undefined },
    ]);
  });

  it.each([
    ['hang', false],
    ['hang-stored', true],
  ] as const)('%s: no answer until released; stored before: %s', async (fault, before) => {
    store = failing(fault);
    await store.create('a', bytes, retention);
    let answer: unknown;
    const hung = store.create('b', bytes, retention).then((outcome) => (answer = outcome));
    await new Promise((resolve) => setImmediate(resolve));
    expect(answer).toBeUndefined();
    expect(isStored('b')).toBe(before);
    expect(store.waiting).toBe(1);
    await store.release();
    expect(await hung).toMatchObject({ outcome: 'created' });
    expect(isStored('b')).toBe(true);
  });

  it('late: lands at release, with the bytes of the call', async () => {
    store = failing('late');
    await store.create('a', bytes, retention);
    const changing = Buffer.from('old');
    await expect(store.create('b', changing, retention)).rejects.toMatchObject({ stored: 'unknown' });
    changing.fill('n');
    expect(isStored('b')).toBe(false);
    await store.release();
    expect(Buffer.from((await inner.read('b')) ?? []).toString()).toBe('old');
    expect(store.landed).toEqual([{ key: 'b', outcome: 'created' }]);
  });

  it('late: lands right before a later call, and may lose', async () => {
    store = new FaultyStore(inner, [
      { operation: 'create', call: 1, fault: 'late', lands: { operation: 'create', call: 3 } },
    ]);
    await expect(store.create('a', Buffer.from('late'), retention)).rejects.toThrow(StoreError);
    await store.create('a', Buffer.from('early'), retention);
    await store.create('b', bytes, retention);
    expect(store.landed).toEqual([{ key: 'a', outcome: 'exists' }]);
  });

  it('counts calls of one key alone if asked to, and fails other operations too', async () => {
    store = new FaultyStore(inner, [
      { operation: 'read', call: 2, key: /^b/, fault: 'unknown-not-stored' },
      { operation: 'list', call: 1, fault: 'not-stored' },
    ]);
    for (const key of ['a', 'b', 'a', 'a']) expect(await store.read(key)).toBeUndefined();
    await expect(store.read('b')).rejects.toMatchObject({ stored: 'no' });
    await expect(store.list('', { limit: 1 })).rejects.toThrow(StoreError);
    expect(await store.list('', { limit: 1 })).toEqual({ keys: [], more: false });
  });
});
