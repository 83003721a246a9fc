/** Reads objects for a verification: tries again where that can help, and says what was found otherwise. */
import { segmentKey } from '../core/chain.js';
import { StoreError } from '../storage/worm-store.js';
import type { StoreReader } from '../storage/worm-store.js';

export type ObjectRead =
  | { readonly outcome: 'read'; readonly bytes: Uint8Array }
  | { readonly outcome: 'absent' }
  /** Something else lies under the key: a link, a folder, a device, a file too large for any object. */
  | { readonly outcome: 'not_a_file'; readonly reason: string }
  /** It is there, and could not be read. */
  | { readonly outcome: 'failed'; readonly reason: string };

/** Before the second try and the third. */
const RETRY_AFTER_MS = [50, 250];

export async function readSegment(store: StoreReader, chainId: string, firstSequence: number): Promise<ObjectRead> {
  const key = segmentKey(chainId, firstSequence);
  for (let attempt = 0; ; attempt++) {
    try {
      const bytes = await store.read(key);
      return bytes === undefined ? { outcome: 'absent' } : { outcome: 'read', bytes };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if ((error.cause as Error | undefined)?.name === 'NotAPlainFile') return { outcome: 'not_a_file', reason: error.message };
      const wait = RETRY_AFTER_MS[attempt];
      if (wait === undefined) return { outcome: 'failed', reason: error.message };
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
