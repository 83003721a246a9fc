/** Segments of a chain one after another, each checked and joined to the one before; one in memory at a time. */
import { segmentKey } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import { verifySegment } from '../core/verify-segment.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import { ChainHaltedError } from '../ledger/errors.js';
import { firstSequenceCovering } from '../ledger/head.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';

export interface StreamedSegment {
  readonly bytes: Uint8Array;
  readonly segment: VerifiedSegment;
}

/**
 * From the segment that holds `from` on, until the consumer stops or the chain ends.
 * @throws ChainHaltedError naming the object and what is wrong; StoreError
 */
export async function* segmentsFrom(store: StoreReader, trust: ChainTrust, chainId: string, from: number): AsyncGenerator<StreamedSegment> {
  let first = await firstSequenceCovering(store, chainId, from);
  if (first === undefined) return;
  let before: ChainHead | undefined;
  for (;;) {
    const key = segmentKey(chainId, first);
    const bytes = await store.read(key);
    if (bytes === undefined) return;
    const expected = { deployment: trust.deployment, chainId, firstSequence: first, ...(before === undefined ? {} : { before }) };
    const segment = verifySegment(bytes, expected, trust.keysOf(chainId));
    if (segment.outcome === 'invalid') throw new ChainHaltedError(chainId, key, `${segment.fault.code}: ${segment.fault.detail}`);
    yield { bytes, segment };
    before = segment.after;
    first = segment.after.size;
  }
}
