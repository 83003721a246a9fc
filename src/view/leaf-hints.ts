/** The view as a witness: leaf hashes as they were when written, to name the entry that was changed since. */
import { HASH_BYTES } from '../core/merkle.js';
import type { View } from './view.js';

export interface LeafHashes {
  leafHashes(chainId: string, firstSequence: number, count: number): Uint8Array | undefined;
}

export function leafHints(feed: { readonly view: View }): LeafHashes {
  return {
    leafHashes(chainId, firstSequence, count) {
      try {
        const { view } = feed;
        if (view.through(chainId).size < firstSequence + count) return undefined;
        const reader = view.hashes(chainId);
        const hashes = new Uint8Array(count * HASH_BYTES);
        for (let i = 0; i < count; i++) hashes.set(reader.subtree(0, firstSequence + i), i * HASH_BYTES);
        return hashes;
      } catch {
        // A view that can't be read gives no hint; the finding stays as wide as the segment.
        return undefined;
      }
    },
  };
}
