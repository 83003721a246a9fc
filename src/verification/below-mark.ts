/**
 * What lies beside the part of a chain that a mark stands for, in a store whose keys hold versions. The mark says that
 * the entries were right, and nobody can have taken one away since; but somebody may have hidden or put over them, and
 * an incremental verification must not be the way not to hear of it. One listing of a thousand keys is one request.
 */
import { parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import { FINDING_CODES } from '../core/findings.js';
import type { Finding } from '../core/findings.js';
import { judgeVersions } from '../ledger/segment-at.js';
import type { SegmentTrust } from '../ledger/segment-at.js';
import { isContested } from '../storage/worm-store.js';
import type { StoreReader } from '../storage/worm-store.js';
import { beside } from './chain-walk.js';
import { retried } from './object-reader.js';
import type { RestsOnMark } from './report.js';

/** By how much the clocks of the store and of who verified may differ. */
const SKEW_MS = 300_000;

/** @throws StoreError if the store can't be listed */
export async function* besideMarked(store: StoreReader, trust: SegmentTrust, chainId: string, { size, verifiedAt }: RestsOnMark): AsyncGenerator<Finding> {
  const end = segmentKey(chainId, size);
  // An object that was there when the mark was made was judged then.
  const since = Date.parse(verifiedAt) - SKEW_MS;
  for await (const { key, versions } of store.eachKey?.(segmentPrefix(chainId)) ?? []) {
    if (key >= end) return;
    const firstSequence = parseSegmentKey(key)?.firstSequence;
    if (firstSequence === undefined) {
      yield { code: 'foreign_object', chainId, key, detail: 'not an object of the chain, by its name' };
      continue;
    }
    if (!isContested(versions) && Date.parse(versions[0]?.storedAt ?? '') < since) continue;
    const at = await retried(() => judgeVersions(store, trust, { chainId, firstSequence }, versions));
    if (at.outcome === 'not_a_file' || at.outcome === 'failed') {
      yield { code: 'unverified_range', chainId, sequence: firstSequence, key, detail: at.reason };
      continue;
    }
    yield* at.odd.map(beside);
    if (at.outcome === 'damaged') {
      const code = FINDING_CODES.find((candidate) => at.fault.startsWith(`${candidate}:`)) ?? 'missing_object';
      yield { code, chainId, sequence: firstSequence, key, detail: at.fault };
    }
  }
}
