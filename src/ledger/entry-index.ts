/**
 * What the ledger needs of the replica's view: which ids a chain holds, and the hashes of its tree.
 * Derived from the store and disposable; `src/view/` keeps it in SQLite, a simulation in memory.
 */
import type { HashReader } from '../core/merkle.js';

export interface EntryIndex {
  /**
   * Leading entries of the chain that were added, and the entry hash (hex) of the last of them. It may
   * fall back to a lower size at any time: the view was lost, or could not be written.
   */
  through(chainId: string): { readonly size: number; readonly lastEntryHash: string };

  /**
   * Adds entries that start at or before `through`; what is there already is left alone. They can be found
   * at once. Never throws for want of space or the like: `through` tells.
   * @throws RangeError if there is a gap before the segment
   */
  add(segment: IndexedSegment): void;

  /** `unknown`: the view does not hold all that was added, so "not found" means nothing. */
  sequenceOf(chainId: string, entryId: string): number | undefined | 'unknown';

  /** First sequence of the segment that holds `sequence`, if known. A hint: the caller checks. */
  segmentCovering(chainId: string, sequence: number): number | undefined;

  /** Hashes of the chain's tree up to `through`; durable part only, so it may lag behind `through`. */
  hashes(chainId: string): { readonly size: number; readonly reader: HashReader };

  /** Drops what is known of a chain: it turned out to be of another history. */
  forget(chainId: string): Promise<void>;

  /** Resolves once a backlog of additions is small enough to go on; `undefined` if it is. */
  caughtUp(): Promise<void> | undefined;
}

export interface IndexedSegment {
  readonly chainId: string;
  readonly firstSequence: number;
  readonly payloads: readonly string[];
  readonly entryIds: readonly string[];
  /** 32 bytes an entry. */
  readonly leafHashes: Uint8Array;
  readonly prevHash: Uint8Array;
  readonly lastEntryHash: Uint8Array;
}
