/**
 * The commit: the one place where an entry could be lost.
 *
 *   1. The key of a segment is `firstSequence`, and the store creates a key at most once. So the key is
 *      the fence: of any number of writers that plan a segment for it, one wins.
 *   2. `created`: ours, durable. Callers may be answered.
 *   3. `exists`: read what is there. The same bytes: an earlier try of ours succeeded. Other bytes: lost.
 *      The loser adopts the winner's entries and plans anew for the next key.
 *   4. A failure that may have stored something leaves the key *unsettled*. Until it is settled the only
 *      thing ever sent to that key is the same bytes: then a late write can only bring about what we
 *      are waiting for, or lose to another writer.
 *   5. A failure that certainly stored nothing settles the key, unless an earlier try is still open.
 *
 * A crash leaves: before `create` nothing; during it either nothing or the whole segment (the store is
 * atomic); after it the whole segment, unanswered. In each case the next start finds a valid head, and a
 * producer that repeats its id gets the receipt of the entry that is there. So there is no recovery code.
 */
import { equalBytes } from '../core/merkle.js';
import type { Segment } from '../core/segment.js';
import { StoreError } from '../storage/worm-store.js';
import type { Retention, WormStore } from '../storage/worm-store.js';
import { sleep } from './host.js';
import type { Host } from './host.js';

export type CommitOutcome =
  | { readonly outcome: 'won' }
  /** Another writer's bytes are at the key. */
  | { readonly outcome: 'lost'; readonly winner: Uint8Array }
  /** Certainly not stored, now or later. */
  | { readonly outcome: 'refused'; readonly cause: unknown }
  /** Given up while unsettled (shutdown): it may be stored now or later. */
  | { readonly outcome: 'abandoned'; readonly cause: unknown };

export interface CommitOptions {
  /** Each call of which is bounded in time; what a late one does is covered by rule 4. */
  readonly store: WormStore;
  readonly host: Host;
  readonly retention: Retention;
  /** Told at each failed try, so that callers are not kept waiting and new ones are turned away. */
  readonly onUnsettled: (cause: unknown) => void;
  /** True once the process must end. */
  readonly givenUp: () => boolean;
}

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 1_000;

/** Settles the segment's key. Never throws for what the store does. */
export async function commitSegment(segment: Segment, options: CommitOptions): Promise<CommitOutcome> {
  const { store, host, retention } = options;
  let open = false;
  for (let retry = 0; ; retry++) {
    try {
      const { outcome } = await store.create(segment.key, segment.bytes, retention);
      if (outcome === 'created') return { outcome: 'won' };
      const stored = await store.read(segment.key);
      // `exists`, and yet not to be read: the store contradicts itself, so the key is not settled.
      if (stored === undefined) throw new StoreError('read', segment.key, 'unknown', 'the key exists but can not be read');
      return equalBytes(stored, segment.bytes) ? { outcome: 'won' } : { outcome: 'lost', winner: stored };
    } catch (error) {
      if (error instanceof StoreError && error.operation === 'create' && error.stored === 'no' && !open) {
        return { outcome: 'refused', cause: error };
      }
      open = true;
      if (options.givenUp()) return { outcome: 'abandoned', cause: error };
      options.onUnsettled(error);
    }
    // Full jitter, so that replicas do not return to a struggling store in step.
    await sleep(host, host.random() * Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(retry, 10)));
  }
}
