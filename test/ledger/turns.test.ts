/** A chain on which others write, too. At stake: callers that wait for ever, and one that was told "not stored" and is. */
import { beforeEach, describe, expect, it } from 'vitest';
import { segmentKey } from '#indelible/core/chain.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { Ledger } from '#indelible/ledger/ledger.js';
import type { WormStore } from '#indelible/storage/worm-store.js';
import { auditChain } from '../support/audit.js';
import { DEPLOYMENT, openMemoryLedger, PUBLIC_KEY, storeWith } from '../support/memory-ledger.js';
import { MemoryStore } from '../support/memory-store.js';

const CHAIN = 'orders';
const ANSWER_MS = 2_000;

let disk: MemoryStore;
/** Calls of the slower one that came to the store. */
let creates: number;
let faster: Ledger;
let slower: Ledger;
/** The other one is first each time. */
let always: boolean;

const open = (store: WormStore, writerId: string, host = systemHost): Ledger => openMemoryLedger(store, writerId, { answerWithinMs: ANSWER_MS, callTimeoutMs: 1_500 }, host);

const append = (ledger: Ledger, entryId: string): Promise<unknown> => ledger.append(CHAIN, [{ entryId, event: `{"action":"a","actor":{"id":"${entryId}","type":"t"}}` }]);

async function ids(): Promise<string[]> {
  const { envelopes } = await auditChain((key) => disk.read(key), { deployment: DEPLOYMENT, chainId: CHAIN, publicKey: PUBLIC_KEY });
  return envelopes.map(({ entryId }) => entryId);
}

beforeEach(() => {
  disk = new MemoryStore();
  creates = 0;
  always = true;
  faster = open(disk, 'faster');
  const behind = storeWith(disk, {
    async create(key, bytes, retention) {
      creates += 1;
      if (always) await append(faster, `faster-${creates}`);
      return disk.create(key, bytes, retention);
    },
  });
  slower = open(behind, 'slower');
});

describe('a writer that loses each race', () => {
  it('answers its callers when their time is over, and nothing of theirs is appended then or later', async () => {
    const began = performance.now();
    const answers = await Promise.allSettled(Array.from({ length: 5 }, (_, n) => append(slower, `slower-${n}`)));
    const took = performance.now() - began;
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable', message: expect.stringContaining('repeat with the same id') as string } });
    expect(took).toBeGreaterThanOrEqual(ANSWER_MS);
    expect(creates).toBeGreaterThan(1);
    always = false;
    await append(slower, 'later');
    expect((await ids()).filter((id) => !id.startsWith('faster-'))).toEqual(['later']);
  });

  it('appends the same ids once when it is let in, and says at once that it is known', async () => {
    await Promise.allSettled([append(slower, 'a'), append(slower, 'b')]);
    always = false;
    await Promise.all([append(slower, 'a'), append(slower, 'b'), append(slower, 'a')]);
    expect((await ids()).filter((id) => !id.startsWith('faster-')).sort()).toEqual(['a', 'b']);
  });

  it('gathers who comes meanwhile: after the race it loses, all of them are in one segment', async () => {
    const first = append(slower, 'first');
    while (creates < 2) await new Promise((resolve) => setImmediate(resolve));
    const others = Array.from({ length: 20 }, (_, n) => append(slower, `other-${n}`));
    always = false;
    const before = creates;
    await Promise.all([first, ...others]);
    expect(creates - before).toBeLessThanOrEqual(2);
    expect(await ids()).toContain('other-19');
  });

  it('closes while it waits for its turn, with its callers answered', async () => {
    const waiting = append(slower, 'a');
    waiting.catch(() => undefined);
    while (creates < 1) await new Promise((resolve) => setImmediate(resolve));
    await slower.close(Promise.resolve());
    await expect(waiting).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});

describe('a chain that a process has just met', () => {
  const SEGMENTS = 30;
  let blocked: boolean;
  /** Times that the process waited for its index before it answered. */
  let waits: number;
  let release: () => void;
  let newcomer: Ledger;

  beforeEach(async () => {
    always = false;
    for (let n = 0; n < SEGMENTS; n++) await append(faster, `old-${n}`);
    blocked = false;
    waits = 0;
    const held = new Promise<void>((resolve) => (release = resolve));
    newcomer = open(
      storeWith(disk, {
        // One that only the index needs.
        read: async (key, version) => {
          if (blocked && key === segmentKey(CHAIN, 7)) await held;
          return disk.read(key, version);
        },
      }),
      'newcomer',
      {
        ...systemHost,
        after: (ms, callback) => {
          if (ms === 1_000) waits += 1;
          return systemHost.after(ms, callback);
        },
      },
    );
  });

  it('takes an id of the producer\'s own at once, and knows one that is there', async () => {
    await Promise.all([append(newcomer, 'new'), append(newcomer, 'old-3')]);
    expect((await ids()).filter((id) => id === 'new' || id === 'old-3')).toEqual(['old-3', 'new']);
  });

  it('and of which the index takes long lets nobody wait for it twice, nor who has no id at all', async () => {
    blocked = true;
    await expect(append(newcomer, 'new')).rejects.toMatchObject({ code: 'view_behind' });
    expect(waits).toBe(1);
    await expect(append(newcomer, 'new')).rejects.toMatchObject({ code: 'view_behind' });
    await newcomer.append(CHAIN, [{ event: '{"action":"a","actor":{"id":"u","type":"t"}}' }]);
    expect(waits).toBe(1);
    release();
    while (await append(newcomer, 'new').then(() => false, () => true)) await new Promise((resolve) => setImmediate(resolve));
    expect((await ids()).filter((id) => id === 'new')).toEqual(['new']);
  });
});
