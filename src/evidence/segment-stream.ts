/** Segments of a chain one after another, each checked and joined to the one before; one in memory at a time. */
import { segmentKey } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import { ChainHaltedError } from '../ledger/errors.js';
import { firstSequencesCovering } from '../ledger/head.js';
import { segmentAt } from '../ledger/segment-at.js';
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
  let before: ChainHead | undefined;
  for (const first of await firstSequencesCovering(store, chainId, from)) {
    for (let next = first; ; ) {
      const at = await segmentAt(store, trust, { chainId, firstSequence: next, before });
      if (at.outcome === 'damaged') throw new ChainHaltedError(chainId, segmentKey(chainId, next), at.fault);
      if (at.outcome !== 'entry') break;
      yield { bytes: at.bytes, segment: at.segment };
      before = at.segment.after;
      next = before.size;
    }
    // Else what stands there is not of the chain: the segment starts further before.
    if (before !== undefined) return;
  }
}
