/** The published vectors, made by an independent implementation, against the core. */
import { readFileSync } from 'node:fs';
import { createPrivateKey, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { emptyHead } from '#indelible/core/chain.js';
import type { ChainHead } from '#indelible/core/chain.js';
import { openCheckpoint, parseCheckpointText } from '#indelible/core/checkpoint.js';
import { formatPayload, readPayload } from '#indelible/core/entry.js';
import { consistencyProof, frontierAt, inclusionProof, rootAt, verifyConsistency, verifyInclusion } from '#indelible/core/merkle.js';
import { TreeExtension } from '#indelible/core/tree-extension.js';
import { formatVkey, noteKey, noteSigners, parseNote, parseVkey } from '#indelible/core/note.js';
import type { NoteKey } from '#indelible/core/note.js';
import { verifyReceiptText } from '#indelible/core/receipt.js';
import { draftSegment } from '#indelible/core/segment.js';
import { verifySegment } from '#indelible/core/verify-segment.js';
import { readTrust } from '#indelible/ledger/trust.js';
import { openMark } from '#indelible/verification/mark.js';
import { parsePublicKeys } from '#indelible/verification/trust.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import { verifyBundle } from '#indelible/evidence/verify-bundle.js';
import { hex, unhex } from '../support/bytes.js';
import { canonicalize } from '#indelible/core/canonical.js';
import type { JsonValue } from '#indelible/core/json.js';
import { storeOf } from '../support/stores.js';
import { leafReader } from '../support/merkle-reference.js';

interface KeyVector {
  readonly algorithm: 'ed25519' | 'ecdsa-p256';
  readonly seed?: string;
  readonly publicKey: string;
  readonly keyId: string;
  readonly vkey: string;
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the shape is what the README of the vectors promises
function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

describe('merkle.json', () => {
  const vectors = load<{
    leaves: string[];
    leafHashes: string[];
    roots: string[];
    frontiers: string[][];
    inclusion: { size: number; index: number; proof: string[] }[];
    consistency: { from: number; to: number; proof: string[] }[];
  }>('merkle');
  const leaves = vectors.leafHashes.map(unhex);
  const reader = leafReader(leaves);

  test('roots and frontiers of every size', () => {
    for (const [size, root] of vectors.roots.entries()) {
      expect(hex(rootAt(reader, size))).toBe(root);
      expect(frontierAt(reader, size).hashes.map(hex)).toEqual(vectors.frontiers[size]);
    }
  });

  test('inclusion proofs of every leaf in every tree', () => {
    for (const { size, index, proof } of vectors.inclusion) {
      expect(inclusionProof(reader, index, size).map(hex)).toEqual(proof);
      expect(verifyInclusion(leaves[index]!, index, size, proof.map(unhex), unhex(vectors.roots[size]!))).toBe(true);
    }
  });

  test('consistency proofs between every two trees', () => {
    for (const { from, to, proof } of vectors.consistency) {
      expect(consistencyProof(reader, from, to).map(hex)).toEqual(proof);
      expect(verifyConsistency(from, to, unhex(vectors.roots[from]!), unhex(vectors.roots[to]!), proof.map(unhex))).toBe(true);
    }
  });
});

describe('note.json', () => {
  const vectors = load<{
    notes: { name: string; why: string; vkeys: string[]; note: string; valid: boolean; signedBy: string[] }[];
    checkpoints: { name: string; text: string; valid: boolean; checkpoint?: { origin: string; size: number; root: string } }[];
    vkeys: { name: string; why: string; vkey: string; valid: boolean; algorithm?: string; keyName?: string; publicKey?: string }[];
  }>('note');

  test.each(vectors.notes)('note $name: $why', ({ vkeys, note, valid, signedBy }) => {
    const opened = attempt(() => noteSigners(parseNote(note), vkeys.map(parseVkey)).map(formatVkey)) ?? [];
    expect(opened).toEqual(valid ? signedBy : []);
  });

  test.each(vectors.checkpoints)('checkpoint $name', ({ text, valid, checkpoint }) => {
    const parsed = attempt(() => parseCheckpointText(text));
    expect(parsed === undefined ? undefined : { ...parsed, root: hex(parsed.root) }).toEqual(valid ? checkpoint : undefined);
  });

  test.each(vectors.vkeys)('vkey $name: $why', ({ vkey, valid, algorithm, keyName, publicKey }) => {
    const key = attempt(() => parseVkey(vkey));
    if (!valid) { expect(key).toBeUndefined(); return; }
    expect(key).toMatchObject({ name: keyName, publicKey: { algorithm } });
    expect(Buffer.from(key!.publicKey.spki).toString('base64')).toBe(publicKey);
    expect(formatVkey(key!)).toBe(vkey);
  });
});

interface ChainVector {
  readonly deployment: string;
  readonly chainId: string;
  readonly origin: string;
  readonly keys: KeyVector[];
  readonly entries: { sequence: number; entryId: string; receivedAt: string; writerId: string; event: JsonValue; payload: string; prevHash: string; entryHash: string; leafHash: string; frontier: string[]; root: string }[];
  readonly segments: { key: string; firstSequence: number; count: number; text: string }[];
  readonly mark: string;
}

function noteKeyOf(origin: string, { algorithm, publicKey }: KeyVector): NoteKey {
  return noteKey(origin, { algorithm, spki: Buffer.from(publicKey, 'base64') });
}

const chains = load<{ chains: ChainVector[] }>('chain').chains;

describe.each(chains)('chain.json: $origin', (chain) => {
  const keys = chain.keys.map((key) => noteKeyOf(chain.origin, key));

  test('keys have the stated IDs and vkeys', () => {
    expect(keys.map((key) => [key.keyId, formatVkey(key)])).toEqual(chain.keys.map((key) => [key.keyId, key.vkey]));
  });

  test('entries give the stated payloads, and payloads are read back', () => {
    for (const { sequence, entryId, receivedAt, writerId, event, payload } of chain.entries) {
      const envelope = { chainId: chain.chainId, sequence, entryId, receivedAt, writerId, event: canonicalize(event) };
      expect(formatPayload(envelope)).toBe(payload);
      expect(readPayload(payload)).toEqual(envelope);
    }
  });

  test('segments verify one after another and lead to the stated hashes', () => {
    let before: ChainHead = emptyHead(chain.chainId);
    for (const { text, firstSequence, count } of chain.segments) {
      const segment = verifySegment(Buffer.from(text), { deployment: chain.deployment, chainId: chain.chainId, firstSequence, before }, keys);
      if (segment.outcome !== 'valid') throw new Error(segment.fault.detail);
      for (let i = 0; i < count; i++) {
        const entry = chain.entries[firstSequence + i]!;
        expect(hex(segment.entryHashes.subarray(32 * i, 32 * (i + 1)))).toBe(entry.entryHash);
        expect(hex(segment.leafHashes.subarray(32 * i, 32 * (i + 1)))).toBe(entry.leafHash);
        const tree = new TreeExtension(before.frontier, segment.leafHashes.subarray(0, 32 * (i + 1)));
        expect([hex(tree.root), tree.frontier().hashes.map(hex)]).toEqual([entry.root, entry.frontier]);
      }
      before = segment.after;
    }
    expect(before.size).toBe(chain.entries.length);
  });

  test('a writer makes the same bytes', () => {
    let head: ChainHead = emptyHead(chain.chainId);
    for (const { text, firstSequence, count } of chain.segments) {
      const entries = chain.entries.slice(firstSequence, firstSequence + count);
      const last = entries.at(-1)!;
      const draft = draftSegment(head, entries.map((entry) => entry.payload), last.receivedAt, last.writerId, keys[0]!);
      const signature = signatureOf(chain.keys[0]!, draft.checkpointText) ?? parseNote(text.slice(text.indexOf('\n\n') + 2)).signatures[0]!.signature;
      const segment = draft.seal(signature);
      const made = Buffer.from(segment.bytes).toString();
      // The third chain has a second signature line, which no writer of ours makes.
      expect(text.startsWith(made)).toBe(true);
      if (keys.length === 1) expect(made).toBe(text);
      head = segment.head;
    }
  });

  test('the mark opens', () => {
    const last = chain.entries.at(-1)!;
    const opened = openMark(chain.mark, keys);
    expect(opened?.mark).toMatchObject({ origin: chain.origin, size: chain.entries.length, receivedAt: last.receivedAt });
    expect([hex(opened!.mark.root), hex(opened!.mark.entryHash)]).toEqual([last.root, last.entryHash]);
  });
});

/** Ed25519 alone: ECDSA signatures of the vectors have a nonce that Node does not choose. */
function signatureOf({ seed }: KeyVector, text: string): Uint8Array | undefined {
  if (seed === undefined) return undefined;
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), unhex(seed)]);
  return sign(null, Buffer.from(text), createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

describe('receipt.json', () => {
  const vectors = load<{
    deployment: string;
    chainId: string;
    keys: string[];
    valid: { name: string; keys: string[]; text: string }[];
    invalid: { name: string; why: string; text: string }[];
  }>('receipt');

  test.each(vectors.valid)('valid: $name', ({ keys, text }) => {
    expect(verifyReceiptText(text, () => keys.map(parseVkey))).toMatchObject({ valid: true });
  });

  test.each(vectors.invalid)('invalid: $name: $why', ({ text }) => {
    const keys = vectors.keys.map(parseVkey);
    const origin = `${vectors.deployment}/${vectors.chainId}`;
    expect(verifyReceiptText(text, (name) => (name === origin ? keys : []))).toMatchObject({ valid: false });
  });
});

describe('bundle.json', () => {
  const vectors = load<{
    deployment: string;
    chainId: string;
    keys: KeyVector[];
    valid: { name: string; from: number; to: number; checkpointSize: number; text: string }[];
    invalid: { name: string; why: string; text: string }[];
  }>('bundle');
  const trustedKeys = vectors.keys.map((key) => ({ publicKey: noteKeyOf('', key).publicKey }));

  test.each(vectors.valid)('valid: $name', async ({ from, to, checkpointSize, text }) => {
    const facts = { valid: true, range: { from, to }, checkpoint: { size: checkpointSize } };
    expect(await verifyBundle(chunk(text), { trustedKeys })).toMatchObject({ ...facts, trust: 'given' });
    expect(await verifyBundle(chunk(text))).toMatchObject({ ...facts, trust: 'bundle' });
  });

  test.each(vectors.invalid)('invalid: $name: $why', async ({ text }) => {
    expect(await verifyBundle(chunk(text), { trustedKeys, deployment: vectors.deployment })).toMatchObject({ valid: false });
  });

  test('bundle.txt is the first valid one', () => {
    expect(readFileSync(new URL('../vectors/bundle.txt', import.meta.url), 'utf8')).toBe(vectors.valid[0]!.text);
  });
});

async function* chunk(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

test('a checkpoint of the vectors opens with its keys', () => {
  const chain = chains[0]!;
  const note = chain.segments[0]!.text.split('\n\n').slice(1).join('\n\n');
  expect(openCheckpoint(note, chain.keys.map((key) => noteKeyOf(chain.origin, key)))?.checkpoint.origin).toBe(chain.origin);
});

describe('keys.json', () => {
  interface Stored { readonly key: string; readonly text: string }
  const vectors = load<{
    deployment: string;
    chainId: string;
    root: string;
    segments: Stored[];
    stores: { name: string; objects: Stored[]; trusted: string[]; foreign: string[]; verdict: string; firstBadSequence: number | null }[];
  }>('keys');

  test.each(vectors.stores.map((store) => [store.name, store] as const))('%s', async (_, { objects, trusted, foreign, verdict, firstBadSequence }) => {
    const store = storeOf(new Map([...objects, ...vectors.segments].map(({ key, text }) => [key, Buffer.from(text)])));
    expect((await readTrust(store))!.keys.map(({ fingerprint }) => fingerprint)).toEqual(trusted);
    for (const trust of [undefined, { keys: parsePublicKeys(vectors.root) }]) {
      const report = await verifyChain({ store, chainId: vectors.chainId, ...(trust !== undefined && { trust }) });
      // A key that nobody vouches for is a finding of the chain here, too.
      expect(report.verdict).toBe(verdict);
      expect(report.firstBadSequence ?? null).toBe(firstBadSequence);
      expect(report.findings.flatMap(({ code, key }) => (code === 'foreign_object' ? [key] : [])).sort()).toEqual(foreign);
    }
  });
});
