/**
 * Writes a bundle (docs/format.md §8): entries as committed, and what ties them to a signed checkpoint. One
 * segment is in memory at a time, however long the range.
 */
import { createHash } from 'node:crypto';
import { sha256, utf8Encode } from '#platform';
import { openCheckpoint } from '../core/checkpoint.js';
import type { Checkpoint } from '../core/checkpoint.js';
import { fingerprintOf } from '../core/key-object.js';
import { consistencyProof, frontierRoot, HASH_BYTES, verifyConsistency } from '../core/merkle.js';
import { TreeExtension } from '../core/tree-extension.js';
import type { Frontier, HashReader } from '../core/merkle.js';
import { ChainHaltedError, LedgerError } from '../ledger/errors.js';
import { findHead } from '../ledger/head.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';
import { formatHeader, formatManifest } from './bundle.js';
import { segmentsFrom } from './segment-stream.js';
import type { StreamedSegment } from './segment-stream.js';
import { ConsistencyCollector } from './subtrees.js';

export interface WriteBundleOptions {
  readonly store: StoreReader;
  readonly trust: ChainTrust;
  readonly chainId: string;
  readonly from: number;
  /** Inclusive. Default: the last entry. */
  readonly to?: number;
  /** RFC 3339. */
  readonly createdAt: string;
  /**
   * A signed checkpoint of the chain, of size ≥ to + 1, to tie the range to. Default: that of the segment
   * that holds `to`. `hashes` are those of the tree; without them the segments up to the checkpoint are read.
   */
  readonly checkpoint?: { readonly note: string; readonly hashes?: HashReader };
  /** Entries written so far. */
  readonly onProgress?: (entries: number) => void;
}

/**
 * The file, chunk by chunk. All that is written was verified. If it throws, what was written before is no
 * bundle (it lacks its manifest).
 * @throws LedgerError `range_invalid`, `entry_not_found`, `chain_halted`; StoreError
 */
export async function* writeBundle(options: WriteBundleOptions): AsyncGenerator<Uint8Array> {
  const { store, trust, chainId, from } = options;
  const to = options.to ?? (await findHead(store, chainId, trust)).head.size - 1;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from) {
    throw new LedgerError('range_invalid', `expected 0 ≤ from ≤ to, got from ${from}, to ${to}`);
  }
  const given = options.checkpoint === undefined ? undefined : openGiven(options.checkpoint.note, trust, chainId, to);

  const entries = createHash('sha256');
  let headerSha256: Uint8Array | undefined;
  let last: StreamedSegment | undefined;
  const segments = segmentsFrom(store, trust, chainId, from);
  for await (const streamed of segments) {
    const { segment } = streamed;
    if (headerSha256 === undefined) {
      if (from >= segment.after.size) break;
      const header = utf8Encode(`${headerOf(options, to, streamed, await signersOf(options, to))}\n`);
      headerSha256 = sha256(header);
      yield header;
    }
    const lines = payloadLines(streamed, from, to);
    entries.update(lines);
    yield lines;
    options.onProgress?.(Math.min(segment.after.size, to + 1) - from);
    last = streamed;
    if (segment.after.size > to) break;
  }
  if (headerSha256 === undefined || last === undefined || last.segment.after.size <= to) {
    throw new LedgerError('entry_not_found', `chain ${chainId} has no entry ${last === undefined ? from : to}`);
  }

  const range = stateAt(last.segment, to + 1);
  const rangeRoot = frontierRoot(range.frontier);
  const { note, checkpoint, proof } = await tie(options, given, last, range.frontier);
  if (!verifyConsistency(to + 1, checkpoint.size, rangeRoot, checkpoint.root, proof)) {
    throw new LedgerError('view_behind', `chain ${chainId}: the hashes at hand do not lead to the checkpoint of size ${checkpoint.size}`);
  }
  const manifest = { checkpoint: note, consistencyProof: proof, entriesSha256: entries.digest(), headerSha256, lastEntryHash: range.lastEntryHash, rangeRoot };
  yield utf8Encode(`${formatManifest(manifest)}\n`);
}

function openGiven(note: string, trust: ChainTrust, chainId: string, to: number): Checkpoint {
  const opened = openCheckpoint(note, trust.keysOf(chainId));
  if (opened === undefined) throw new LedgerError('range_invalid', 'the checkpoint is not signed by a key of the deployment');
  if (opened.checkpoint.size <= to) throw new LedgerError('range_invalid', `expected a checkpoint of size ${to + 1} at least, got ${opened.checkpoint.size}`);
  return opened.checkpoint;
}

/** Fingerprints of the delegated keys among those that sign the bundle's checkpoint: thousands of others did not. */
async function signersOf({ store, trust, chainId, checkpoint }: WriteBundleOptions, to: number): Promise<ReadonlySet<string>> {
  if (trust.keys.every(({ purpose }) => purpose !== 'delegated')) return new Set();
  let note = checkpoint?.note;
  if (note === undefined) for await (const { segment } of segmentsFrom(store, trust, chainId, to)) {
    note = segment.checkpoint;
    break;
  }
  const signers = note === undefined ? [] : (openCheckpoint(note, trust.keysOf(chainId))?.signers ?? []);
  return new Set(signers.map(({ publicKey }) => fingerprintOf(publicKey)));
}

function headerOf({ trust, chainId, from, createdAt }: WriteBundleOptions, to: number, { segment }: StreamedSegment, signers: ReadonlySet<string>): string {
  const { deployment, roots: publicKeys } = trust;
  const { lastEntryHash, frontier } = stateAt(segment, from);
  const certified = trust.keys.flatMap(({ purpose, fingerprint, statement }) => (purpose === 'rotation' || signers.has(fingerprint) ? (statement?.certificate === undefined ? [] : [statement]) : []));
  return formatHeader({ chainId, deployment, createdAt, from, to, prevHash: lastEntryHash, frontier: frontier.hashes, publicKeys, certified });
}

/** The chain of `size` entries, which ends within the segment or right before it. */
function stateAt({ firstSequence, before, leafHashes, entryHashes }: StreamedSegment['segment'], size: number): { readonly lastEntryHash: Uint8Array; readonly frontier: Frontier } {
  if (size === firstSequence) return before;
  const end = (size - firstSequence) * HASH_BYTES;
  return {
    lastEntryHash: entryHashes.subarray(end - HASH_BYTES, end),
    frontier: new TreeExtension(before.frontier, leafHashes.subarray(0, end)).frontier(),
  };
}

/** Payload lines stand in the segment just as in the bundle: each with its line feed, one behind the other. */
function payloadLines({ bytes, segment }: StreamedSegment, from: number, to: number): Uint8Array {
  const { firstSequence, count, starts, ends } = segment;
  const start = starts[Math.max(0, from - firstSequence)] as number;
  const end = ends[Math.min(count - 1, to - firstSequence)] as number;
  return bytes.subarray(start, end + 1);
}

/** The checkpoint and the proof that the range lies in it. */
async function tie(
  { store, trust, chainId, checkpoint: wanted }: WriteBundleOptions,
  given: Checkpoint | undefined,
  last: StreamedSegment,
  range: Frontier,
): Promise<{ readonly note: string; readonly checkpoint: Checkpoint; readonly proof: readonly Uint8Array[] }> {
  const { segment } = last;
  if (given === undefined || wanted === undefined) {
    const collector = new ConsistencyCollector(range, segment.after.size);
    collector.add(segment.firstSequence, segment.leafHashes);
    const { size, root } = segment.tree;
    return { note: segment.checkpoint, checkpoint: { origin: '', size, root }, proof: collector.proof() };
  }
  if (wanted.hashes !== undefined) return { note: wanted.note, checkpoint: given, proof: consistencyProof(wanted.hashes, range.size, given.size) };
  const collector = new ConsistencyCollector(range, given.size);
  let end = range.size;
  for await (const { segment: next } of segmentsFrom(store, trust, chainId, range.size - 1)) {
    collector.add(next.firstSequence, next.leafHashes);
    end = next.after.size;
    if (end >= given.size) break;
  }
  if (end < given.size) throw new ChainHaltedError(chainId, `size ${given.size}`, `the checkpoint is newer than the chain, which ends at ${end}`);
  return { note: wanted.note, checkpoint: given, proof: collector.proof() };
}
