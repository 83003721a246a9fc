/**
 * The commit: the one place where an entry could be lost.
 *
 *   1. The key of a segment is `firstSequence`, and the store creates a key at most once. So the key is
 *      the fence: of any number of writers that plan a segment for it, one wins.
 *   2. `created`: durable. Where a key holds one object for ever, it is ours: callers may be answered. Where it
 *      can hold versions (S3), a delete marker is enough for the condition to hold over an entry that is there:
 *      so the key's versions are looked at before anybody is answered. The oldest valid one is the entry.
 *   3. `exists`: read what is there. The same bytes: an earlier try of ours succeeded. Other bytes: lost.
 *      The loser adopts the winner's entries and plans anew for the next key. Nothing valid (debris, see
 *      segment-at.ts): written over, on the condition that it is still the newest version.
 *   4. A failure that may have stored something leaves the key *unsettled*. Until it is settled the only
 *      thing ever sent to that key is the same bytes: then a late write can only bring about what we
 *      are waiting for, or lose to another writer.
 *   5. A failure that certainly stored nothing settles the key, unless an earlier try is still open.
 *
 * A crash leaves: before `create` nothing; during it either nothing or the whole segment (the store is
 * atomic); after it the whole segment, unanswered. In each case the next start finds a valid head, and a
 * producer that repeats its id gets the receipt of the entry that is there. So there is no recovery code.
 */
import type { ChainHead } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { equalBytes } from '../core/merkle.js';
import type { Segment } from '../core/segment.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import { StoreError } from '../storage/worm-store.js';
import type { Retention, StoredVersion, WormStore } from '../storage/worm-store.js';
import { ChainHaltedError } from './errors.js';
import { sleep } from './host.js';
import type { Host } from './host.js';
import { judgeVersions, segmentAt } from './segment-at.js';
import type { ChainTrust } from './trust.js';

export type CommitOutcome =
  | { readonly outcome: 'won' }
  /** Another writer's segment is at the key. */
  | { readonly outcome: 'lost'; readonly winner: Uint8Array; readonly segment: VerifiedSegment }
  /** Certainly not stored, now or later. */
  | { readonly outcome: 'refused'; readonly cause: unknown }
  /** Given up while unsettled (shutdown): it may be stored now or later. */
  | { readonly outcome: 'abandoned'; readonly cause: unknown };

export interface CommitOptions {
  /** Each call of which is bounded in time; what a late one does is covered by rule 4. */
  readonly store: WormStore;
  readonly trust: ChainTrust;
  readonly host: Host;
  readonly retention: Retention;
  /** Told at each failed try, so that callers are not kept waiting and new ones are turned away. */
  readonly onUnsettled: (cause: unknown) => void;
  /** Told of what lies at the key and does not belong there. */
  readonly onFinding: (finding: Finding) => void;
  /** True once the process must end. */
  readonly givenUp: () => boolean;
}

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 1_000;

/**
 * Settles the segment's key. What the store does never makes it throw.
 * @throws ChainHaltedError when what is at the key is neither ours, nor a winner's, nor debris
 */
export async function commitSegment(segment: Segment, before: ChainHead, options: CommitOptions): Promise<CommitOutcome> {
  const { host } = options;
  let open = false;
  let over: StoredVersion | undefined;
  for (let retry = 0; ; retry++) {
    try {
      const settled = await tryOnce(segment, before, over, options);
      if (settled.outcome !== 'debris') return settled;
      over = settled.latest;
    } catch (error) {
      if (error instanceof ChainHaltedError) throw error;
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

type Settled = Extract<CommitOutcome, { outcome: 'won' | 'lost' }> | { readonly outcome: 'debris'; readonly latest: StoredVersion | undefined };

/** @throws ChainHaltedError, StoreError */
async function tryOnce(segment: Segment, before: ChainHead, over: StoredVersion | undefined, options: CommitOptions): Promise<Settled> {
  const { store, trust, retention } = options;
  const { key, bytes } = segment;
  // Over a delete marker the plain condition holds, and the other one has nothing to compare.
  const created =
    over === undefined || over.deleteMarker || store.createOver === undefined
      ? await store.create(key, bytes, retention)
      : await store.createOver(key, over, bytes, retention);
  if (created.outcome === 'created' && !store.versioned) return { outcome: 'won' };

  const place = { chainId: segment.chainId, firstSequence: segment.firstSequence, before };
  const versions = store.versioned ? await store.versions(key, { retention: false }) : undefined;
  const [only] = versions ?? [];
  // The usual case, without reading back what was just written.
  if (created.outcome === 'created' && versions?.length === 1 && only?.versionId === created.versionId) return { outcome: 'won' };

  const at = versions === undefined ? await segmentAt(store, trust, place) : await judgeVersions(store, trust, place, versions);
  for (const finding of at.odd) options.onFinding(finding);
  switch (at.outcome) {
    case 'entry':
      return equalBytes(at.bytes, bytes) ? { outcome: 'won' } : { outcome: 'lost', winner: at.bytes, segment: at.segment };
    case 'debris':
      return at;
    case 'damaged':
      throw new ChainHaltedError(segment.chainId, key, at.fault);
    case 'absent':
      // Something is there, and yet nothing is to be read: the store contradicts itself, so the key is not settled.
      throw new StoreError('read', key, 'unknown', 'the key exists but can not be read');
  }
}
