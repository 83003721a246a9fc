/**
 * Finds the end of a chain by a bounded search over keys, reads it, checks its signature and its link to
 * the segment before it, and refuses anything odd.
 */
import { emptyHead, parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import { equalBytes } from '../core/merkle.js';
import { MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import { loadSegment, verifySegment } from '../core/verify-segment.js';
import type { Segment } from '../core/segment.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import type { StoreReader } from '../storage/worm-store.js';
import { ChainHaltedError } from './errors.js';
import type { ChainTrust } from './trust.js';

/** Keys of one listing page: the segments that can start within 1,000 sequences. */
const PAGE = MAX_SEGMENT_ENTRIES;

export interface FoundHead {
  readonly head: ChainHead;
  /** Absent if the chain has no entry. */
  readonly last: Segment | undefined;
}

/** @throws ChainHaltedError naming the object; StoreError */
export async function findHead(store: StoreReader, chainId: string, trust: ChainTrust): Promise<FoundHead> {
  const sequence = await lastFirstSequence(store, chainId);
  if (sequence === undefined) return { head: emptyHead(chainId), last: undefined };
  const { bytes, segment } = await readVerified(store, chainId, sequence, trust);
  if (sequence === 0) return { head: segment.after, last: loadSegment(bytes, segment) };

  const beforeFirst = await firstSequenceCovering(store, chainId, sequence - 1);
  if (beforeFirst === undefined) {
    throw new ChainHaltedError(chainId, segmentKey(chainId, sequence), `no object holds sequence ${sequence - 1}, which it continues`);
  }
  const previous = await readVerified(store, chainId, beforeFirst, trust);
  const { after } = previous.segment;
  if (after.size !== sequence) {
    throw new ChainHaltedError(chainId, segmentKey(chainId, sequence), `the segment before it ends at ${after.size}`);
  }
  if (!sameHead(after, segment.before)) {
    throw new ChainHaltedError(chainId, segmentKey(chainId, sequence), 'it does not continue the segment before it');
  }
  if (segment.firstReceivedAt < after.lastReceivedAt) {
    throw new ChainHaltedError(chainId, segmentKey(chainId, sequence), 'its time runs backwards');
  }
  return { head: segment.after, last: loadSegment(bytes, segment) };
}

function sameHead(a: ChainHead, b: ChainHead): boolean {
  return (
    a.size === b.size &&
    equalBytes(a.lastEntryHash, b.lastEntryHash) &&
    a.frontier.hashes.length === b.frontier.hashes.length &&
    a.frontier.hashes.every((hash, i) => equalBytes(hash, b.frontier.hashes[i] as Uint8Array))
  );
}

async function readVerified(
  store: StoreReader,
  chainId: string,
  firstSequence: number,
  trust: ChainTrust,
): Promise<{ bytes: Uint8Array; segment: VerifiedSegment }> {
  const key = segmentKey(chainId, firstSequence);
  const bytes = await store.read(key);
  if (bytes === undefined) throw new ChainHaltedError(chainId, key, 'listed, but it can not be read');
  const segment = verifySegment(bytes, { deployment: trust.deployment, chainId, firstSequence }, trust.keysOf(chainId));
  if (segment.outcome === 'invalid') throw new ChainHaltedError(chainId, key, `${segment.fault.code}: ${segment.fault.detail}`);
  return { bytes, segment };
}

/** The highest segment key, by doubling and then halving the distance: about 2·log2(n/1,000) listings. */
export async function lastFirstSequence(store: StoreReader, chainId: string): Promise<number | undefined> {
  let low = await firstAtOrAfter(store, chainId, 0);
  if (low === undefined) return undefined;
  let high = Number.MAX_SAFE_INTEGER;
  for (let step = PAGE; low + step < high; step *= 2) {
    const found = await firstAtOrAfter(store, chainId, low + step);
    if (found === undefined) {
      high = low + step;
      break;
    }
    low = found;
  }
  while (high - low > PAGE) {
    const middle: number = low + Math.floor((high - low) / 2);
    const found = await firstAtOrAfter(store, chainId, middle);
    if (found === undefined) high = middle;
    else low = found;
  }
  // Another writer may have gone on since the search began: follow pages to the end.
  for (;;) {
    const page = await segmentsFrom(store, chainId, low, PAGE);
    const last = page.sequences.at(-1);
    if (last === undefined || (last === low && !page.more)) return low;
    low = last;
    if (!page.more) return low;
  }
}

async function firstAtOrAfter(store: StoreReader, chainId: string, sequence: number): Promise<number | undefined> {
  // A few keys, so that one that is no segment's does not hide the next that is.
  const { sequences } = await segmentsFrom(store, chainId, sequence, 10);
  return sequences[0];
}

/** The segment that holds `sequence` starts at most 999 before it: one listing page. */
export async function firstSequenceCovering(store: StoreReader, chainId: string, sequence: number, mayBeStale = false): Promise<number | undefined> {
  const { sequences } = await segmentsFrom(store, chainId, Math.max(0, sequence - MAX_SEGMENT_ENTRIES + 1), PAGE, mayBeStale);
  return sequences.findLast((first) => first <= sequence);
}

async function segmentsFrom(
  store: StoreReader,
  chainId: string,
  sequence: number,
  limit: number,
  mayBeStale = false,
): Promise<{ readonly sequences: readonly number[]; readonly more: boolean }> {
  const page = await store.list(segmentPrefix(chainId), { from: segmentKey(chainId, sequence), limit, mayBeStale });
  return { sequences: page.keys.flatMap((key) => parseSegmentKey(key)?.firstSequence ?? []), more: page.more };
}
