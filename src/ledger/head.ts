/**
 * Finds the end of a chain by a bounded search over keys, reads it, checks its signature and its link to
 * the segment before it, and refuses anything odd.
 */
import { emptyHead, parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { equalBytes } from '../core/merkle.js';
import { MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import type { Segment } from '../core/segment.js';
import { loadSegment } from '../core/verify-segment.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import type { StoreReader } from '../storage/worm-store.js';
import { ChainHaltedError } from './errors.js';
import { segmentAt } from './segment-at.js';
import type { ChainTrust } from './trust.js';

/** Keys of one listing page: the segments that can start within 1,000 sequences. */
const PAGE = MAX_SEGMENT_ENTRIES;

export interface FoundHead {
  readonly head: ChainHead;
  /** Absent if the chain has no entry. */
  readonly last: Segment | undefined;
  /** What was met on the way and does not belong. */
  readonly odd: readonly Finding[];
}

/** @throws ChainHaltedError naming the object; StoreError */
export async function findHead(store: StoreReader, chainId: string, trust: ChainTrust): Promise<FoundHead> {
  const objects = new ObjectsOfChain(store, chainId, trust);
  const { odd } = objects;
  let sequence = await lastFirstSequence(store, chainId);
  // The highest name is the head, unless somebody without a key put it there: then only valid objects count.
  if (sequence !== undefined && (await objects.at(sequence)) === undefined) sequence = await lastValidSequence(objects);
  const found = sequence === undefined ? undefined : await objects.at(sequence);
  if (sequence === undefined || found === undefined) return { head: emptyHead(chainId), last: undefined, odd };
  const { bytes, segment } = found;
  if (sequence === 0) return { head: segment.after, last: loadSegment(bytes, segment), odd };

  const previous = await objects.covering(sequence - 1);
  if (previous === undefined) {
    throw new ChainHaltedError(chainId, segmentKey(chainId, sequence), `no object holds sequence ${sequence - 1}, which it continues`);
  }
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
  return { head: segment.after, last: loadSegment(bytes, segment), odd };
}

function sameHead(a: ChainHead, b: ChainHead): boolean {
  return (
    a.size === b.size &&
    equalBytes(a.lastEntryHash, b.lastEntryHash) &&
    a.frontier.hashes.length === b.frontier.hashes.length &&
    a.frontier.hashes.every((hash, i) => equalBytes(hash, b.frontier.hashes[i] as Uint8Array))
  );
}

interface ValidObject {
  readonly bytes: Uint8Array;
  readonly segment: VerifiedSegment;
}

/** The objects of one chain as one search meets them: junk is read once, and reported. */
class ObjectsOfChain {
  readonly store: StoreReader;
  readonly chainId: string;
  readonly odd: Finding[] = [];
  readonly #trust: ChainTrust;
  readonly #junk = new Set<number>();
  #last: { readonly firstSequence: number; readonly found: ValidObject } | undefined;

  constructor(store: StoreReader, chainId: string, trust: ChainTrust) {
    this.store = store;
    this.chainId = chainId;
    this.#trust = trust;
  }

  /** @throws ChainHaltedError, StoreError */
  async at(firstSequence: number): Promise<ValidObject | undefined> {
    if (this.#last?.firstSequence === firstSequence) return this.#last.found;
    if (this.#junk.has(firstSequence)) return undefined;
    const { chainId } = this;
    const at = await segmentAt(this.store, this.#trust, { chainId, firstSequence });
    this.odd.push(...at.odd);
    if (at.outcome === 'damaged') throw new ChainHaltedError(chainId, segmentKey(chainId, firstSequence), at.fault);
    if (at.outcome !== 'entry') {
      this.#junk.add(firstSequence);
      return undefined;
    }
    this.#last = { firstSequence, found: at };
    return at;
  }

  /** The first valid object at or behind `sequence`. */
  async firstValidFrom(sequence: number): Promise<number | undefined> {
    for (let from = sequence; ; ) {
      const page = await segmentsFrom(this.store, this.chainId, from, PAGE);
      for (const first of page.sequences) if ((await this.at(first)) !== undefined) return first;
      const last = page.sequences.at(-1);
      if (!page.more || last === undefined) return undefined;
      from = last + 1;
    }
  }

  async covering(sequence: number): Promise<ValidObject | undefined> {
    // What was junk at the first look may have been written over since.
    this.#junk.clear();
    for (const first of await firstSequencesCovering(this.store, this.chainId, sequence)) {
      const found = await this.at(first);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** The start of the last valid segment: like {@link lastFirstSequence}, where names alone can not be believed. */
async function lastValidSequence(objects: ObjectsOfChain): Promise<number | undefined> {
  let low = await objects.firstValidFrom(0);
  if (low === undefined) return undefined;
  let high = Number.MAX_SAFE_INTEGER;
  for (let step = PAGE; low + step < high; step *= 2) {
    const found = await objects.firstValidFrom(low + step);
    if (found === undefined) {
      high = low + step;
      break;
    }
    low = found;
  }
  // There is a valid segment at `low` and none at or behind `high`.
  while (high - low > PAGE) {
    const middle: number = low + Math.floor((high - low) / 2);
    const found = await objects.firstValidFrom(middle);
    if (found === undefined) high = middle;
    else low = found;
  }
  for (const first of await firstSequencesCovering(objects.store, objects.chainId, high - 1)) {
    if (first > low && (await objects.at(first)) !== undefined) return first;
  }
  return low;
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

/** Where the segment that holds `sequence` may start, the most likely first: at most 999 before, one listing page. */
export async function firstSequencesCovering(store: StoreReader, chainId: string, sequence: number, mayBeStale = false): Promise<readonly number[]> {
  const { sequences } = await segmentsFrom(store, chainId, Math.max(0, sequence - MAX_SEGMENT_ENTRIES + 1), PAGE, mayBeStale);
  return sequences.filter((first) => first <= sequence).reverse();
}

async function segmentsFrom(
  store: StoreReader,
  chainId: string,
  sequence: number,
  limit: number,
  mayBeStale = false,
): Promise<{ readonly sequences: readonly number[]; readonly more: boolean }> {
  for (let from = segmentKey(chainId, sequence); ; ) {
    const page = await store.list(segmentPrefix(chainId), { from, limit, mayBeStale });
    const sequences = page.keys.flatMap((key) => parseSegmentKey(key)?.firstSequence ?? []);
    const last = page.keys.at(-1);
    // Names that are no segment's, however many, must not hide those that are.
    if (sequences.length > 0 || !page.more || last === undefined) return { sequences, more: page.more };
    from = `${last}-`;
  }
}
