/**
 * The circuit breakers round the store. At stake: a refused call that is taken for a stored one or the other way round
 * (an entry lost or twice), callers who each wait for a time-out of a dead store, and a store that is back and not used.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiptOf } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { Ledger } from '#indelible/ledger/ledger.js';
import { breakCalls } from '#indelible/storage/breaker.js';
import type { BrokenStore } from '#indelible/storage/breaker.js';
import { boundCalls } from '#indelible/storage/bounded.js';
import type { CreateOutcome, StoreError, StorePromise, WormStore } from '#indelible/storage/worm-store.js';
import { aroundCalls } from '#indelible/storage/around.js';
import { auditChain } from '../support/audit.js';
import { DEPLOYMENT, openMemoryLedger, PUBLIC_KEY } from '../support/memory-ledger.js';
import { MemoryStore } from '../support/memory-store.js';
import { moodyStore } from '../support/moody-store.js';
import type { Moods } from '../support/moody-store.js';
import { until } from '../support/until.js';

const RETENTION = { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' } as const;
const PROBE = 'deployment.json';
const CALL_MS = 60;
const BYTES = Buffer.from('x');

let disk: MemoryStore;
let mood: Moods;
let sent: string[];
let broken: BrokenStore;
beforeEach(() => {
  disk = new MemoryStore();
  mood = { create: 'well', others: 'well' };
  sent = [];
  broken = breakCalls(boundCalls(moodyStore(disk, mood, (call) => sent.push(call)), (ms, callback) => systemHost.after(ms, callback), CALL_MS), PROBE);
});
afterEach(() => broken.close());

const create = (key: string): Promise<unknown> => broken.store.create(key, BYTES, RETENTION).catch((error: unknown) => error);
const read = (key: string): Promise<unknown> => broken.store.read(key).catch((error: unknown) => error);

describe('a store that fails again and again', () => {
  it('is no longer called: creates are refused at once, and say truly that nothing was stored', async () => {
    mood.create = 'hangs';
    for (const key of ['a', 'b', 'c']) expect(await create(key)).toMatchObject({ name: 'StoreError', stored: 'unknown' });
    expect(broken.writing.state).toBe('open');
    sent = [];
    for (let i = 0; i < 100; i++) expect(await create(`d${i}`)).toMatchObject({ name: 'StoreError', operation: 'create', stored: 'no' });
    expect(sent).toEqual([]);
    expect(broken.writing.refused).toBe(100);
  });

  it('is still read, where reading works', async () => {
    await disk.create('a', BYTES, RETENTION);
    mood.create = 'resets';
    for (const key of ['b', 'c', 'd']) await create(key);
    expect([broken.writing.state, broken.reading.state]).toEqual(['open', 'closed']);
    expect(await read('a')).toEqual(new Uint8Array(BYTES));
  });

  it('two failures, or failures between successes, close nothing off', async () => {
    mood.create = 'resets';
    await create('a');
    await create('b');
    mood.create = 'well';
    await create('c');
    mood.create = 'resets';
    await create('d');
    await create('e');
    expect(broken.writing.state).toBe('closed');
  });

  it('an answer that comes at once is not a failure of the store: the next caller is not turned away for it', async () => {
    mood.create = 'refuses';
    for (let i = 0; i < 10; i++) expect(await create(`a${i}`)).toMatchObject({ stored: 'no' });
    expect(broken.writing.state).toBe('closed');
    expect(sent).toHaveLength(10);
  });

  it('reads fail at once, and begin again by themselves without any caller', async () => {
    mood.others = 'hangs';
    for (let i = 0; i < 3; i++) await read('a');
    sent = [];
    expect(await read('a')).toMatchObject({ name: 'StoreError', operation: 'read', stored: 'no' });
    expect(sent.filter((call) => call !== `read ${PROBE}`)).toEqual([]);
    mood.others = 'well';
    await until(() => broken.reading.state === 'closed');
    expect(sent).toEqual([`read ${PROBE}`]);
  });

  it('one call is let through after a second; while it fails, others are still refused', async () => {
    mood.create = 'resets';
    for (const key of ['a', 'b', 'c']) await create(key);
    await until(() => broken.writing.state === 'half-open');
    sent = [];
    const results = await Promise.all(['d', 'e', 'f'].map(create));
    expect(sent).toEqual(['create d']);
    expect(results.map((error) => (error as StoreError).stored)).toEqual(['unknown', 'no', 'no']);
    expect(broken.writing.state).toBe('open');
    mood.create = 'well';
    await until(() => broken.writing.state === 'half-open');
    expect(await create('g')).toMatchObject({ outcome: 'created' });
    expect(broken.writing.state).toBe('closed');
  });
});

const openLedger = (store: WormStore): Ledger => openMemoryLedger(store, 'writer', { answerWithinMs: 200, callTimeoutMs: CALL_MS });

async function append(ledger: Ledger, chainId: string, entryId: string): Promise<Receipt> {
  const [entry] = await ledger.append(chainId, [{ entryId, event: `{"action":"a","actor":{"id":"${entryId}","type":"t"}}` }]);
  return receiptOf(entry!.segment, entry!.at);
}

describe('under the ledger', () => {
  it.each(['hangs', 'hangs-and-stores', 'resets'] as const)(
    'an unsettled commit (store that %s) goes on through the open circuit and settles by itself',
    async (how) => {
      const ledger = openLedger(broken.store);
      const receipts = [await append(ledger, 'one', 'before')];
      mood.create = how;
      // Its outcome is unknown: refused creates that follow must not make it "certainly not stored".
      await expect(append(ledger, 'one', 'during')).rejects.toMatchObject({ code: 'store_unavailable' });
      await until(() => broken.writing.state === 'open');
      const refusedBefore = broken.writing.refused;
      await until(() => broken.writing.refused > refusedBefore);
      expect([...ledger.open()].map(({ unsettled }) => unsettled)).toEqual([true]);
      mood.create = 'well';
      // No caller: the tries of the commit are what closes the circuit.
      await until(() => [...ledger.open()].every(({ unsettled }) => !unsettled));
      expect(broken.writing.state).toBe('closed');
      const sentToKey = sent.filter((call) => call.startsWith('create chains/one/') && call.includes('00000000000000000001'));
      expect(sentToKey.length).toBeGreaterThanOrEqual(2);
      receipts.push(await append(ledger, 'one', 'during'), await append(ledger, 'one', 'after'));
      expect(receipts.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
      await auditChain((key) => disk.read(key), { deployment: DEPLOYMENT, chainId: 'one', publicKey: PUBLIC_KEY }, receipts);
      await ledger.close(Promise.resolve());
    },
  );

  it('the other chains are answered at once, are not unsettled, and go on with other entries when the store is back', async () => {
    const ledger = openLedger(broken.store);
    const chains = ['a', 'b', 'c', 'd', 'e'];
    for (const chain of chains) await append(ledger, chain, 'first');
    mood.create = 'hangs';
    await Promise.allSettled(['a', 'b', 'c'].map((chain) => append(ledger, chain, 'second')));
    expect(broken.writing.state).toBe('open');
    await expect(append(ledger, 'd', 'given up')).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(sent.filter((call) => /^create chains\/d\//.test(call))).toHaveLength(1);
    expect([...ledger.open()].filter(({ unsettled }) => unsettled).map(({ chainId }) => chainId)).toEqual(['a', 'b', 'c']);
    mood.create = 'well';
    await until(() => broken.writing.state === 'closed' && [...ledger.open()].every(({ unsettled }) => !unsettled));
    // "Certainly not stored" was true: another entry takes the place, and the given-up one is nowhere.
    const receipt = await append(ledger, 'd', 'another');
    expect(receipt.sequence).toBe(1);
    const { payloads } = await auditChain((key) => disk.read(key), { deployment: DEPLOYMENT, chainId: 'd', publicKey: PUBLIC_KEY }, [receipt]);
    expect(payloads).toHaveLength(2);
    await ledger.close(Promise.resolve());
  });

  it('readers of a store that hangs are told so, soon at first and then at once', async () => {
    const ledger = openLedger(broken.store);
    await append(ledger, 'one', 'before');
    mood.others = 'hangs';
    for (let i = 0; i < 3; i++) await ledger.chain('one').catch(() => undefined);
    sent = [];
    await expect(ledger.chain('one')).rejects.toThrow(/store: read/);
    expect(sent.filter((call) => call !== `read ${PROBE}`)).toEqual([]);
    mood.others = 'well';
    await until(() => broken.reading.state === 'closed');
    expect((await ledger.chain('one')).head.size).toBe(1);
    await ledger.close(Promise.resolve());
  });
});

describe('something round each call', () => {
  it('leaves the store as it is, with what only some stores have', async () => {
    class Rich extends MemoryStore {
      promises(): Promise<readonly StorePromise[]> {
        return Promise.resolve([{ promise: 'p', kept: 'yes', detail: this.location }]);
      }

      createOver(): Promise<CreateOutcome> {
        return Promise.resolve({ outcome: 'created', versionId: this.location });
      }
    }
    const inner = new Rich();
    const seen: string[] = [];
    const store = aroundCalls(inner, (operation, key, call) => {
      seen.push(`${operation} ${key}`);
      return call();
    });
    await store.create('a/b', BYTES, RETENTION);
    expect(await store.read('a/b')).toEqual(new Uint8Array(BYTES));
    expect(await store.list('a/', { limit: 10 })).toMatchObject({ keys: ['a/b'] });
    await store.versions('a/b');
    await store.settle('a/');
    await (store.createOver as (key: string) => Promise<unknown>)('a/c');
    expect(await store.promises()).toHaveLength(1);
    expect([store.kind, store.location, store.versioned]).toEqual([inner.kind, inner.location, inner.versioned]);
    expect(seen).toEqual(['create a/b', 'read a/b', 'list a/', 'versions a/b', 'settle a/', 'create a/c']);
    await store.close();
  });
});
