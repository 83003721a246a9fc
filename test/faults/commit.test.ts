/**
 * Every call of the store failing, once as "not stored" and once as "stored", with a full audit after each
 * step. What is at stake: an acknowledged entry that is not there, or one that is there twice.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { PublicKey } from '#indelible/core/note.js';
import { receiptOf } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import type { SequencerLimits } from '#indelible/ledger/sequencer.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Signer } from '#indelible/signing/signer.js';
import { auditChain } from '../support/audit.js';
import type { AuditedChain } from '../support/audit.js';
import { FaultyStore } from '../support/faulty-store.js';
import type { Fault, PlannedFault } from '../support/faulty-store.js';
import { MemoryIndex } from '../support/memory-index.js';
import { MemoryStore } from '../support/memory-store.js';

const CHAIN = 'orders';
const DEPLOYMENT = 'test';
const PRIVATE_KEY = createPrivateKey({
  key: Buffer.from('302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'),
  format: 'der',
  type: 'pkcs8',
});
const PUBLIC_KEY: PublicKey = { algorithm: 'ed25519', spki: createPublicKey(PRIVATE_KEY).export({ format: 'der', type: 'spki' }) };
const SIGNER: Signer = { kind: 'local', publicKey: PUBLIC_KEY, sign: (message) => Promise.resolve(sign(null, message, PRIVATE_KEY)) };

let disk: MemoryStore;
let receipts: Receipt[];
beforeEach(() => {
  disk = new MemoryStore();
  receipts = [];
});

function open(plan: readonly PlannedFault[], limits: Partial<SequencerLimits> = {}, signer = SIGNER): { ledger: Ledger; store: FaultyStore } {
  const store = new FaultyStore(disk, plan);
  const ledger = new Ledger({
    store,
    signer,
    trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]),
    index: new MemoryIndex(),
    host: systemHost,
    writerId: 'writer',
    limits: { maxQueuedEntries: 100, maxQueuedBytes: 1_000_000, answerWithinMs: 200, callTimeoutMs: 60, ...limits },
    retention: () => ({ mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' }),
    onCommitted: () => undefined,
    onTrouble: () => undefined,
    onFinding: () => undefined,
  });
  return { ledger, store };
}

async function append(ledger: Ledger, entryId: string): Promise<void> {
  const [entry] = await ledger.append(CHAIN, [{ entryId, event: `{"action":"a","actor":{"id":"${entryId}","type":"t"}}` }]);
  receipts.push(receiptOf(entry!.segment, entry!.at));
}

/** What a producer does: 503 means try again with the same id. */
async function appendPatiently(ledger: Ledger, entryId: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await append(ledger, entryId);
      return;
    } catch (error) {
      if (!(error instanceof LedgerError) || !['store_unavailable', 'view_behind'].includes(error.code) || attempt > 1_500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function audit(): Promise<AuditedChain> {
  return auditChain((key) => disk.read(key), { deployment: DEPLOYMENT, chainId: CHAIN, publicKey: PUBLIC_KEY }, receipts);
}

const CREATE_FAULTS: readonly Fault[] = ['not-stored', 'disk-full', 'unknown-not-stored', 'unknown-stored', 'hang', 'hang-stored', 'late'];
const READ_FAULTS: readonly Fault[] = ['not-stored', 'hang'];

describe('a create that fails', () => {
  for (const fault of CREATE_FAULTS) {
    for (const call of [1, 2, 3]) {
      it(`loses and doubles nothing: ${fault} at create ${call}`, async () => {
        const { ledger } = open([{ operation: 'create', call, fault, ...(fault === 'late' ? { lands: { operation: 'create', call: call + 2 } as const } : {}) }]);
        for (const id of ['a', 'b', 'c', 'd']) {
          await appendPatiently(ledger, id);
          await audit();
        }
        const { envelopes } = await audit();
        expect(envelopes.map((envelope) => envelope.entryId)).toEqual(['a', 'b', 'c', 'd']);
      });
    }
  }

  it('that is certainly not stored is answered 503 at once, and the next append is accepted', async () => {
    const { ledger } = open([{ operation: 'create', call: 1, fault: 'disk-full' }]);
    await expect(append(ledger, 'a')).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await audit()).envelopes).toHaveLength(0);
    await append(ledger, 'b');
    expect((await audit()).envelopes.map((envelope) => envelope.entryId)).toEqual(['b']);
  });

  it('two failures in a row, the second in the repair of the first: nothing lost, nothing twice', async () => {
    for (const first of CREATE_FAULTS) {
      for (const second of CREATE_FAULTS) {
        disk = new MemoryStore();
        receipts = [];
        const lands = { operation: 'create', call: 4 } as const;
        const { ledger } = open([
          { operation: 'create', call: 1, fault: first, ...(first === 'late' ? { lands } : {}) },
          { operation: 'create', call: 2, fault: second, ...(second === 'late' ? { lands } : {}) },
          { operation: 'read', call: 1, fault: 'not-stored' },
        ]);
        for (const id of ['a', 'b']) await appendPatiently(ledger, id);
        expect((await audit()).envelopes.map((envelope) => envelope.entryId), `${first}, ${second}`).toEqual(['a', 'b']);
      }
    }
  });
});

describe('a store that does not answer', () => {
  it('is answered 503 within the time set, to waiting callers and to new ones', async () => {
    const hangs = Array.from({ length: 6 }, (_, i) => ({ operation: 'create', call: i + 1, fault: 'hang' }) as const);
    const { ledger, store } = open(hangs);
    const first = append(ledger, 'a');
    const queued = new Promise((resolve) => setTimeout(resolve, 20)).then(() => append(ledger, 'b'));
    await expect(queued).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(append(ledger, 'c')).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(first).rejects.toMatchObject({ code: 'store_unavailable' });
    // All of that while the store still hangs.
    await store.release();
    await appendPatiently(ledger, 'd');
    const { envelopes } = await audit();
    // Only what was in flight may have been stored; what waited behind it was not.
    expect(envelopes.map((envelope) => envelope.entryId)).toEqual(['a', 'd']);
  });

  it('fails to read or list: the append waits or is refused, and is in the chain once in the end', async () => {
    for (const operation of ['list', 'read', 'settle'] as const) {
      for (const fault of READ_FAULTS) {
        for (const call of [1, 2, 3]) {
          disk = new MemoryStore();
          receipts = [];
          for (const id of ['a', 'b']) await append(open([]).ledger, id).catch(() => undefined);
          const { ledger } = open([{ operation, call, fault }]);
          for (const id of ['b', 'c']) await appendPatiently(ledger, id);
          expect((await audit()).envelopes.map((envelope) => envelope.entryId), `${operation} ${fault} ${call}`).toEqual(['a', 'b', 'c']);
        }
      }
    }
  });
});

describe('a head that is odd', () => {
  it('refuses to append, naming the object, when the last segment was changed', async () => {
    for (const id of ['a', 'b']) await appendPatiently(open([]).ledger, id);
    const [key] = [...disk.snapshot().keys()].sort().slice(-1);
    const bytes = Buffer.from((await disk.read(key!))!);
    bytes[bytes.length - 10]! ^= 1;
    disk.tamper(key!, bytes);
    await expect(append(open([]).ledger, 'c')).rejects.toMatchObject({ code: 'chain_halted', message: expect.stringContaining(key!) as string });
  });

  it('refuses to append over bytes that are no segment of ours at the next key', async () => {
    const { ledger } = open([]);
    await append(ledger, 'a');
    disk.tamper('chains/orders/segments/00000000000000000001.ndjson', Buffer.from('junk'));
    await expect(append(ledger, 'b')).rejects.toMatchObject({ code: 'chain_halted' });
    await expect(append(open([]).ledger, 'b')).rejects.toMatchObject({ code: 'chain_halted' });
  });

  it('refuses to append when the segment before the last is gone', async () => {
    for (const id of ['a', 'b', 'c']) await appendPatiently(open([]).ledger, id);
    disk.tamper('chains/orders/segments/00000000000000000001.ndjson', undefined);
    await expect(append(open([]).ledger, 'd')).rejects.toMatchObject({ code: 'chain_halted' });
  });

  it('refuses to append when the store holds less than the replica has indexed: a tail that was cut off', async () => {
    const { ledger, store } = open([]);
    for (const id of ['a', 'b']) await append(ledger, id);
    disk.tamper('chains/orders/segments/00000000000000000001.ndjson', undefined);
    // Whatever makes the replica look again.
    store.plan({ operation: 'create', call: 3, fault: 'unknown-not-stored' });
    await expect(append(ledger, 'c').then(() => append(ledger, 'd'))).resolves.toBeUndefined();
    const restarted = new Ledger({
      store: disk,
      signer: SIGNER,
      trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]),
      index: witness(5),
      host: systemHost,
      writerId: 'writer',
      limits: { maxQueuedEntries: 100, maxQueuedBytes: 1_000_000, answerWithinMs: 200, callTimeoutMs: 60 },
      retention: () => ({ mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' }),
      onCommitted: () => undefined,
      onTrouble: () => undefined,
      onFinding: () => undefined,
    });
    await expect(append(restarted, 'e')).rejects.toMatchObject({ code: 'chain_halted', message: expect.stringContaining('truncated_tail') as string });
  });
});

/** An index that says it has seen `size` entries. */
function witness(size: number): MemoryIndex {
  const index = new MemoryIndex();
  index.through = () => ({ size, lastEntryHash: 'f'.repeat(64) });
  return index;
}

describe('the signer', () => {
  it('that fails appends nothing, and the next append is accepted', async () => {
    let failing = true;
    const signer: Signer = { ...SIGNER, sign: (message) => (failing ? Promise.reject(new Error('away')) : SIGNER.sign(message)) };
    const { ledger } = open([], {}, signer);
    await expect(append(ledger, 'a')).rejects.toMatchObject({ code: 'signer_unavailable' });
    failing = false;
    await append(ledger, 'a');
    expect((await audit()).envelopes).toHaveLength(1);
  });
});

describe('a reader', () => {
  it('gets what is certain while a commit can not be settled, and is not kept waiting', async () => {
    const { ledger, store } = open([]);
    for (const id of ['a', 'b']) await append(ledger, id);
    store.plan(...Array.from({ length: 50 }, (_, i) => ({ operation: 'create', call: i + 1, fault: 'hang' }) as const));
    await expect(append(ledger, 'c')).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await ledger.entry(CHAIN, 1)).segment.firstSequence).toBe(1);
    expect((await ledger.chain(CHAIN)).head.size).toBe(2);
    await expect(ledger.entry(CHAIN, 2)).rejects.toMatchObject({ code: 'entry_not_found' });
    await ledger.close(Promise.resolve());
    await store.release();
    await audit();
  });

  it('that came before the commit stuck is told so in time', async () => {
    const { ledger, store } = open([], { callTimeoutMs: 10_000 });
    await append(ledger, 'a');
    store.plan({ operation: 'create', call: 1, fault: 'hang' });
    const stuck = append(ledger, 'b');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(ledger.chain(CHAIN)).rejects.toMatchObject({ message: expect.stringContaining('200 ms') as string });
    await store.release();
    await stuck;
    expect((await audit()).envelopes).toHaveLength(2);
  });
});

describe('limits and ids', () => {
  it('a full queue is answered at once, and what was accepted is in the chain', async () => {
    const { ledger, store } = open([{ operation: 'create', call: 1, fault: 'hang' }], { maxQueuedEntries: 10, callTimeoutMs: 5_000, answerWithinMs: 5_000 });
    const waiting = Array.from({ length: 10 }, (_, i) => append(ledger, `a${i}`));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const more = Array.from({ length: 15 }, (_, i) => append(ledger, `b${i}`).then(() => 'stored', (error: unknown) => (error as LedgerError).code));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await store.release();
    await Promise.all(waiting);
    const answers = await Promise.all(more);
    expect(answers.filter((answer) => answer === 'queue_full').length).toBeGreaterThanOrEqual(5);
    expect((await audit()).envelopes).toHaveLength(10 + answers.filter((answer) => answer === 'stored').length);
  });

  it('the same id with other content is refused, and the batch around it is not stored', async () => {
    const { ledger } = open([]);
    await append(ledger, 'a');
    const event = '{"action":"other","actor":{"id":"x","type":"t"}}';
    await expect(ledger.append(CHAIN, [{ entryId: 'n', event }, { entryId: 'a', event }])).rejects.toMatchObject({ code: 'entry_id_conflict', item: 1 });
    await expect(ledger.append(CHAIN, [{ entryId: 'm', event }, { entryId: 'm', event: event.replace('other', 'third') }])).rejects.toMatchObject({ code: 'entry_id_conflict' });
    expect((await audit()).envelopes.map((envelope) => envelope.entryId)).toEqual(['a']);
  });

  it('the same id twice in one batch, or in two at the same time, is one entry with one receipt', async () => {
    const { ledger } = open([]);
    const event = '{"action":"a","actor":{"id":"x","type":"t"}}';
    const answers = await Promise.all([
      ledger.append(CHAIN, [{ entryId: 'n', event }, { entryId: 'n', event }]),
      ledger.append(CHAIN, [{ entryId: 'n', event }]),
    ]);
    expect(answers.flat().map((entry) => receiptOf(entry.segment, entry.at).sequence)).toEqual([0, 0, 0]);
    expect(answers.flat().filter((entry) => !entry.replayed)).toHaveLength(1);
    expect((await audit()).envelopes).toHaveLength(1);
  });

  it('time never runs backwards, even if the clock does', async () => {
    const times = [3_000_000, 1_000_000, 2_000_000, 4_000_000];
    const host = { ...systemHost, micros: () => 1_700_000_000_000_000 + (times.shift() ?? 0) };
    const ledger = new Ledger({
      store: disk, signer: SIGNER, trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]), index: new MemoryIndex(), host, writerId: 'writer',
      limits: { maxQueuedEntries: 100, maxQueuedBytes: 1_000_000, answerWithinMs: 200, callTimeoutMs: 60 },
      retention: () => ({ mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' }),
      onCommitted: () => undefined, onTrouble: () => undefined, onFinding: () => undefined,
    });
    for (const id of ['a', 'b', 'c']) await append(ledger, id);
    const received = (await audit()).envelopes.map((envelope) => envelope.receivedAt);
    expect([...received].sort()).toEqual(received);
  });

  it('what was accepted before a shutdown is stored; what comes after is refused', async () => {
    const { ledger } = open([]);
    const accepted = Array.from({ length: 20 }, (_, i) => append(ledger, `a${i}`));
    const closing = ledger.close(new Promise(() => undefined));
    await expect(append(ledger, 'late')).rejects.toMatchObject({ code: 'shutting_down' });
    await Promise.all(accepted);
    await closing;
    expect((await audit()).envelopes).toHaveLength(20);
  });
});
