import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../support/memory-store.js';
import { VersionedStore } from '../support/versioned-store.js';
import { wormStoreContract } from './contract.js';

wormStoreContract('the in-memory store', () => {
  const store = new MemoryStore();
  return Promise.resolve({ store, another: () => Promise.resolve(store.another()), dispose: () => store.close() });
});

describe('the in-memory store', () => {
  const retention = { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' } as const;

  it('answers in microtasks, so that a simulation decides what happens when', async () => {
    const store = new MemoryStore();
    const order: string[] = [];
    setImmediate(() => order.push('event loop'));
    await store.create('a', Buffer.from('x'), retention);
    await store.list('', { limit: 1 });
    order.push('answered');
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['answered', 'event loop']);
  });

  it('stores what the bytes were at the call', async () => {
    const store = new MemoryStore();
    const bytes = Buffer.from('before');
    const created = store.create('a', bytes, retention);
    bytes.fill('x');
    await created;
    expect(Buffer.from((await store.read('a')) ?? []).toString()).toBe('before');
  });

  it('takes its time from outside', async () => {
    const store = new MemoryStore({ now: () => Date.UTC(2026, 0, 2) });
    await store.create('a', Buffer.from('x'), retention);
    expect((await store.versions('a'))[0]).toMatchObject({ storedAt: '2026-01-02T00:00:00.000Z', retention });
  });
});

wormStoreContract('the bucket in memory', () => {
  const store = new VersionedStore();
  return Promise.resolve({ store, another: () => Promise.resolve(store.another()), dispose: () => store.close() });
});
