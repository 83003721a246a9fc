/** A chain on which others write, too. At stake: callers that wait for ever, and one that was told "not stored" and is. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { PublicKey } from '#indelible/core/note.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Signer } from '#indelible/signing/signer.js';
import type { WormStore } from '#indelible/storage/worm-store.js';
import { auditChain } from '../support/audit.js';
import { MemoryIndex } from '../support/memory-index.js';
import { MemoryStore } from '../support/memory-store.js';

const CHAIN = 'orders';
const DEPLOYMENT = 'turns.test';
const KEYS = generateKeyPairSync('ed25519');
const PUBLIC_KEY: PublicKey = { algorithm: 'ed25519', spki: KEYS.publicKey.export({ format: 'der', type: 'spki' }) };
const SIGNER: Signer = { kind: 'local', publicKey: PUBLIC_KEY, sign: (message) => Promise.resolve(sign(null, message, KEYS.privateKey)) };
const ANSWER_MS = 400;

let disk: MemoryStore;
/** Calls of the slower one that came to the store. */
let creates: number;
let faster: Ledger;
let slower: Ledger;
/** The other one is first each time. */
let always: boolean;

function open(store: WormStore, writerId: string): Ledger {
  return new Ledger({
    store,
    signer: SIGNER,
    trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]),
    index: new MemoryIndex(),
    host: systemHost,
    writerId,
    limits: { maxQueuedEntries: 100, maxQueuedBytes: 1_000_000, answerWithinMs: ANSWER_MS, callTimeoutMs: 200 },
    retention: () => ({ mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' }),
    onCommitted: () => undefined,
    onTrouble: () => undefined,
    onFinding: () => undefined,
  });
}

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
  const behind: WormStore = {
    kind: disk.kind,
    location: disk.location,
    versioned: disk.versioned,
    async create(key, bytes, retention) {
      creates += 1;
      if (always) await append(faster, `faster-${creates}`);
      return disk.create(key, bytes, retention);
    },
    read: (key, version) => disk.read(key, version),
    versions: (key) => disk.versions(key),
    list: (prefix, options) => disk.list(prefix, options),
    strays: (prefix) => disk.strays(prefix),
    settle: (prefix) => disk.settle(prefix),
    close: () => disk.close(),
  };
  slower = open(behind, 'slower');
});

describe('a writer that loses each race', () => {
  it('answers its callers when their time is over, and nothing of theirs is appended then or later', async () => {
    const began = performance.now();
    const answers = await Promise.allSettled(Array.from({ length: 5 }, (_, n) => append(slower, `slower-${n}`)));
    const took = performance.now() - began;
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable', message: expect.stringContaining('repeat with the same id') as string } });
    expect(took).toBeGreaterThanOrEqual(ANSWER_MS);
    // Beyond it, at most one turn and one commit.
    expect(took).toBeLessThan(ANSWER_MS + 2_000);
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
