/** Cuts the objects of a chain into ranges while listing them: no more than a range of keys is ever held. */
import { parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import { everyKey } from '../storage/worm-store.js';
import type { StoredVersion, StoreReader } from '../storage/worm-store.js';

/** Some hundred milliseconds of work: little enough to share out evenly, enough not to talk about. */
const RANGE_KEYS = 256;
const RANGE_ENTRIES = 20_000;

/** How much one range holds at most; what is found does not depend on it. */
export interface RangeLimits {
  /** Objects. Default 256. */
  readonly keys?: number;
  /** Entries, about. Default 20,000. */
  readonly entries?: number;
}

export interface PlannedRange {
  readonly firsts: readonly number[];
  /** What each of these keys holds, oldest first; absent for a store whose keys hold no versions. */
  readonly versions: readonly (readonly StoredVersion[])[] | undefined;
  /** First sequence of the object listed behind the range. */
  readonly following: number | undefined;
}

/**
 * @param from first sequence of the object to begin with; absent: the very first object
 * @param onForeign told of names that are no segment's
 * @param to the last sequence of interest
 */
export async function* planRanges(
  store: StoreReader,
  chainId: string,
  from: number | undefined,
  to: number | undefined,
  onForeign: (key: string) => void,
  limits: RangeLimits = {},
): AsyncGenerator<PlannedRange> {
  const { keys: maxKeys = RANGE_KEYS, entries: maxEntries = RANGE_ENTRIES } = limits;
  let firsts: number[] = [];
  let held: (readonly StoredVersion[])[] | undefined;
  const range = (following: number | undefined): PlannedRange => ({ firsts, versions: held, following });
  for await (const { key, versions } of keysOf(store, chainId, from)) {
    const first = parseSegmentKey(key)?.firstSequence;
    if (first === undefined) {
      onForeign(key);
      continue;
    }
    if (firsts.length === maxKeys || first - (firsts[0] ?? first) >= maxEntries) {
      yield range(first);
      firsts = [];
      held = undefined;
    }
    if (to !== undefined && first > to) {
      if (firsts.length > 0) yield range(first);
      return;
    }
    firsts.push(first);
    if (versions !== undefined) (held ??= []).push(versions);
  }
  if (firsts.length > 0) yield range(undefined);
}

/** The keys with what they hold, where one key can hold several versions: then whoever reads says which. */
async function* keysOf(store: StoreReader, chainId: string, from: number | undefined): AsyncGenerator<{ readonly key: string; readonly versions?: readonly StoredVersion[] }> {
  const prefix = segmentPrefix(chainId);
  const start = from === undefined ? undefined : segmentKey(chainId, from);
  if (store.eachKey !== undefined) yield* store.eachKey(prefix, start);
  else for await (const key of everyKey(store, prefix, start)) yield { key, ...(store.versioned && { versions: await store.versions(key, { retention: false }) }) };
}

/**
 * Where to begin so that `sequence` is covered: the object that should hold it, and the one before that, whose
 * end it must continue. A segment holds at most 1,000 entries, so both lie close. `undefined` if no object
 * begins at or before it.
 */
export async function objectsBefore(
  store: StoreReader,
  chainId: string,
  sequence: number,
  reach: number,
): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const key of everyKey(store, segmentPrefix(chainId), segmentKey(chainId, Math.max(0, sequence - reach)))) {
    const first = parseSegmentKey(key)?.firstSequence;
    if (first === undefined) continue;
    if (first > sequence) break;
    found.push(first);
  }
  return found;
}
