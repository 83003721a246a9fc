/**
 * A commit in a store whose keys hold versions (S3 with Object Lock), where somebody who may write to it, and has no
 * key to sign with, hides, puts over and puts ahead: nothing acknowledged is lost, the chain goes on, and it is said.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { segmentKey } from '#indelible/core/chain.js';
import type { Finding } from '#indelible/core/findings.js';
import { noteKey } from '#indelible/core/note.js';
import type { PublicKey } from '#indelible/core/note.js';
import { originOf } from '#indelible/core/chain.js';
import { receiptOf } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { verifySegment } from '#indelible/core/verify-segment.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Signer } from '#indelible/signing/signer.js';
import { auditChain } from '../support/audit.js';
import type { AuditedChain } from '../support/audit.js';
import { FaultyStore } from '../support/faulty-store.js';
import type { Fault, PlannedFault } from '../support/faulty-store.js';
import { MemoryIndex } from '../support/memory-index.js';
import { VersionedStore } from '../support/versioned-store.js';

const CHAIN = 'orders';
const DEPLOYMENT = 'audit.example.com';
const KEYS = generateKeyPairSync('ed25519');
const PUBLIC_KEY: PublicKey = { algorithm: 'ed25519', spki: KEYS.publicKey.export({ format: 'der', type: 'spki' }) };
const SIGNER: Signer = { kind: 'local', publicKey: PUBLIC_KEY, sign: (message) => Promise.resolve(sign(null, message, KEYS.privateKey)) };
const JUNK = Buffer.from('{"format":"indelible/segment/v1"}\n');

let bucket: VersionedStore;
let receipts: Receipt[];
let findings: Finding[];
beforeEach(() => {
  bucket = new VersionedStore();
  receipts = [];
  findings = [];
});

function open(plan: readonly PlannedFault[] = []): { ledger: Ledger; store: FaultyStore } {
  const store = new FaultyStore(bucket, plan);
  const ledger = new Ledger({
    store,
    signer: SIGNER,
    trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]),
    index: new MemoryIndex(),
    host: systemHost,
    writerId: 'writer',
    limits: { maxQueuedEntries: 100, maxQueuedBytes: 1_000_000, answerWithinMs: 200, callTimeoutMs: 60 },
    retention: () => ({ mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' }),
    onCommitted: () => undefined,
    onTrouble: () => undefined,
    onFinding: (finding) => void findings.push(finding),
  });
  return { ledger, store };
}

async function append(ledger: Ledger, entryId: string): Promise<Receipt> {
  for (let attempt = 0; ; attempt++) {
    try {
      const [entry] = await ledger.append(CHAIN, [{ entryId, event: `{"action":"a","actor":{"id":"${entryId}","type":"t"}}` }]);
      const receipt = receiptOf(entry!.segment, entry!.at);
      receipts.push(receipt);
      return receipt;
    } catch (error) {
      if (!(error instanceof LedgerError) || !['store_unavailable', 'view_behind'].includes(error.code) || attempt > 1_500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** By the rule alone, with none of the ledger's code: of a key's versions the oldest that is valid. */
async function entryOf(key: string): Promise<Uint8Array | undefined> {
  const note = noteKey(originOf(DEPLOYMENT, CHAIN), PUBLIC_KEY);
  for (const { versionId, deleteMarker } of await bucket.versions(key)) {
    const bytes = deleteMarker ? undefined : await bucket.read(key, versionId);
    const firstSequence = Number(/(\d+)\.ndjson$/.exec(key)?.[1]);
    if (bytes !== undefined && verifySegment(bytes, { deployment: DEPLOYMENT, chainId: CHAIN, firstSequence }, [note]).outcome === 'valid') return bytes;
  }
  return undefined;
}

function audit(): Promise<AuditedChain> {
  return auditChain(entryOf, { deployment: DEPLOYMENT, chainId: CHAIN, publicKey: PUBLIC_KEY }, receipts);
}

async function ids(): Promise<string[]> {
  return (await audit()).envelopes.map(({ entryId }) => entryId);
}

const key = (sequence: number): string => segmentKey(CHAIN, sequence);
const codes = (): string[] => [...new Set(findings.map(({ code }) => code))].sort();

const FAULTS: readonly Fault[] = ['not-stored', 'unknown-not-stored', 'unknown-stored', 'hang', 'hang-stored', 'late'];

describe('a commit in a bucket with versions', () => {
  it('is confirmed by a look at the key before anybody is answered', async () => {
    const { ledger, store } = open();
    await append(ledger, 'a');
    expect(store.calls.slice(store.calls.findIndex(({ operation }) => operation === 'create')).map(({ operation }) => operation)).toEqual(['create', 'versions']);
  });

  for (const fault of FAULTS) {
    for (const operation of ['create', 'versions', 'read'] as const) {
      it(`loses and doubles nothing: ${fault} at any ${operation}`, async () => {
        for (let call = 1; call <= 6; call++) {
          bucket = new VersionedStore();
          receipts = [];
          const { ledger } = open([{ operation, call, fault, ...(fault === 'late' ? { lands: { operation: 'create', call: call + 2 } as const } : {}) }]);
          for (const id of ['a', 'b', 'c']) {
            await append(ledger, id);
            await audit();
          }
          expect(await ids(), `call ${call}`).toEqual(['a', 'b', 'c']);
        }
      });
    }
  }
});

describe('a delete marker, and a write on top of it', () => {
  it('by another writer loses: the entry stays the one that was acknowledged, and the attack is named', async () => {
    const first = open();
    await append(first.ledger, 'a');
    bucket.attack.mark(key(0));
    // This one looks while the marker hides the entry, and its conditional write succeeds.
    const second = open();
    await append(second.ledger, 'b');
    expect(await ids()).toEqual(['a', 'b']);
    await append(first.ledger, 'c');
    expect(await ids()).toEqual(['a', 'b', 'c']);
    expect(codes()).toContain('delete_marker');
  });

  it('right before the write of the head loses as well, and raises shadow_version', async () => {
    const first = open();
    const second = open();
    await append(first.ledger, 'a');
    await append(first.ledger, 'b');
    // The first knows the head, and of no other writer it would look for. The second commits 'c' at key 2; then it is
    // hidden, and the first writes its 'd' there.
    await append(second.ledger, 'c');
    bucket.attack.mark(key(2));
    await append(first.ledger, 'd');
    expect(await ids()).toEqual(['a', 'b', 'c', 'd']);
    expect(codes()).toEqual(expect.arrayContaining(['delete_marker', 'shadow_version']));
  });

  it('of junk changes nothing for who starts anew', async () => {
    const { ledger } = open();
    for (const id of ['a', 'b', 'c']) await append(ledger, id);
    for (const sequence of [0, 1, 2]) {
      bucket.attack.mark(key(sequence));
      bucket.attack.put(key(sequence), JUNK);
    }
    const restarted = open();
    await append(restarted.ledger, 'd');
    expect(await ids()).toEqual(['a', 'b', 'c', 'd']);
    expect((await restarted.ledger.receipt(CHAIN, 1)).entryId).toBe('b');
    expect(codes()).toEqual(expect.arrayContaining(['delete_marker', 'shadow_version']));
  });
});

describe('junk by somebody without the signing key', () => {
  it('at the next key is written over, on condition, and reported', async () => {
    const { ledger } = open();
    await append(ledger, 'a');
    bucket.attack.put(key(1), JUNK);
    await append(ledger, 'b');
    expect(await ids()).toEqual(['a', 'b']);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'foreign_object', key: key(1) }));
    await append(open().ledger, 'c');
    expect(await ids()).toEqual(['a', 'b', 'c']);
  });

  it('again and again under the writer, with the same bytes, does not get two writers to believe they won', async () => {
    const writers = [open(), open(), open()];
    await append(writers[0]!.ledger, 'first');
    let size = 1;
    for (let round = 0; round < 20; round++) {
      bucket.attack.put(key(size), JUNK);
      await Promise.all([
        ...writers.map(({ ledger }, i) => append(ledger, `r${round}-${i}`)),
        Promise.resolve().then(() => bucket.attack.put(key(size), JUNK)),
        Promise.resolve().then(() => bucket.attack.put(key(size + 1), JUNK)),
      ]);
      size = (await audit()).envelopes.length;
    }
    expect(new Set(await ids()).size).toBe(61);
  });

  it('far ahead, in numbers, is neither followed nor stops a start', async () => {
    const { ledger } = open();
    for (const id of ['a', 'b']) await append(ledger, id);
    for (let i = 0; i < 50; i++) bucket.attack.put(key(1_000 + i * 977), Buffer.from(`junk ${i}`));
    bucket.attack.put(key(Number.MAX_SAFE_INTEGER - 1), JUNK);
    bucket.attack.put(`chains/${CHAIN}/segments/0`, JUNK);
    for (let i = 0; i < 30; i++) bucket.attack.put(`chains/${CHAIN}/segments/a${i}`, JUNK);
    const restarted = open();
    await append(restarted.ledger, 'c');
    expect(await ids()).toEqual(['a', 'b', 'c']);
    expect(codes()).toContain('foreign_object');
  });

  it('in a chain that has no entry yet does not keep it from beginning', async () => {
    bucket.attack.put(key(0), JUNK);
    bucket.attack.put(key(7), JUNK);
    await append(open().ledger, 'a');
    expect(await ids()).toEqual(['a']);
  });

  it('that is a real segment of another place is not taken for the entry', async () => {
    const { ledger } = open();
    for (const id of ['a', 'b']) await append(ledger, id);
    bucket.attack.put(key(2), (await entryOf(key(1)))!);
    bucket.attack.put(key(3), (await entryOf(key(0)))!);
    await append(open().ledger, 'c');
    expect(await ids()).toEqual(['a', 'b', 'c']);
  });

  it('between the keys of a segment does not hide its entries', async () => {
    const { ledger } = open();
    await ledger.append(CHAIN, Array.from({ length: 10 }, (_, i) => ({ entryId: `e${i}`, event: '{"action":"a","actor":{"id":"1","type":"t"}}' })));
    for (let sequence = 1; sequence < 10; sequence++) bucket.attack.put(key(sequence), JUNK);
    expect((await open().ledger.receipt(CHAIN, 7)).entryId).toBe('e7');
    await append(open().ledger, 'next');
    expect((await ids()).length).toBe(11);
  });
});

it('a segment of ours that was damaged is not junk: nothing is written over entries that may have been acknowledged', async () => {
  const { ledger } = open();
  await append(ledger, 'a');
  const damaged = Buffer.from((await entryOf(key(0)))!);
  damaged[damaged.indexOf('"action":"a"') + 10]! ^= 1;
  const other = new VersionedStore();
  other.attack.put(key(0), damaged);
  bucket = other;
  receipts = [];
  await expect(append(open().ledger, 'b')).rejects.toMatchObject({ code: 'chain_halted' });
  expect((await bucket.versions(key(0))).length).toBe(1);
});

describe('a segment that came by another way than the store', () => {
  async function segments(count: number): Promise<Uint8Array[]> {
    const { ledger } = open();
    for (let i = 0; i < count; i++) await append(ledger, `e${i}`);
    return Promise.all(Array.from({ length: count }, async (_, i) => (await entryOf(key(i)))!));
  }

  it('is taken in without reading it from the store, and confirmed before the first append', async () => {
    const [, second, third] = await segments(3);
    const { ledger, store } = open();
    // Begins where the store stands; so cut the store of this replica off after its start.
    await ledger.chain(CHAIN);
    const written = open();
    await append(written.ledger, 'e3');
    const calls = store.calls.length;
    await ledger.offer(CHAIN, 3, (await entryOf(key(3)))!);
    expect(store.calls.length).toBe(calls);
    expect((await ledger.entry(CHAIN, 3)).segment.firstSequence).toBe(3);
    await ledger.offer(CHAIN, 1, second!);
    await ledger.offer(CHAIN, 2, third!);
    await append(ledger, 'e4');
    expect(await ids()).toEqual(['e0', 'e1', 'e2', 'e3', 'e4']);
  });

  it('and is not in the store stops the chain here instead of forking it', async () => {
    await segments(2);
    const { ledger } = open();
    await ledger.chain(CHAIN);
    // Signed by our key, and never stored: what a mirror could hold that somebody else writes to.
    const elsewhere = bucket;
    bucket = new VersionedStore();
    for (const sequence of [0, 1]) bucket.attack.put(key(sequence), (await elsewhere.read(key(sequence)))!);
    await append(open().ledger, 'never-stored');
    const stray = (await bucket.read(key(2)))!;
    bucket = elsewhere;
    receipts.pop();
    await ledger.offer(CHAIN, 2, stray);
    await expect(append(ledger, 'x')).rejects.toMatchObject({ code: 'chain_halted', message: expect.stringContaining('fork') as string });
    expect(await ids()).toEqual(['e0', 'e1']);
  });

  it('and was not signed by us, or does not continue the chain, is refused and changes nothing', async () => {
    await segments(2);
    const { ledger } = open();
    await ledger.chain(CHAIN);
    await expect(ledger.offer(CHAIN, 2, JUNK)).rejects.toMatchObject({ code: 'chain_halted' });
    await append(ledger, 'e2');
    expect(await ids()).toEqual(['e0', 'e1', 'e2']);
  });
});
