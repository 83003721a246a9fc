/**
 * The ledger's index over the view: what was handed to the writer thread is found at once, what is
 * certainly new costs no lookup (Bloom filter), and what the view lost is admitted rather than denied.
 */
import { hexEncode } from '#platform';
import type { HashReader } from '../core/merkle.js';
import type { EntryIndex, IndexedSegment } from '../ledger/entry-index.js';
import { BloomFilter } from './bloom.js';
import { ViewError } from './errors.js';
import type { ViewFeed } from './feed.js';

/** Entries handed over and not yet in the view, above which appends wait for the writer thread. */
const MAX_BACKLOG = 30_000;
const RESUME_BACKLOG = 20_000;
/** Ids read at a time to fill the filter; some milliseconds. */
const FILL_PAGE = 5_000;

interface ChainState {
  size: number;
  lastEntryHash: string;
  /** Ids handed over and not yet in the view. */
  readonly recent: Map<string, number>;
  /** Entries known to be in the view. */
  settled: number;
}

export class ViewIndex implements EntryIndex {
  readonly #feed: ViewFeed;
  readonly #bloom: BloomFilter;
  readonly #chains = new Map<string, ChainState>();

  /** `seed`: random, 32 bits; see BloomFilter. */
  constructor(feed: ViewFeed, seed: number) {
    this.#feed = feed;
    this.#bloom = new BloomFilter({ seed });
  }

  through(chainId: string): { readonly size: number; readonly lastEntryHash: string } {
    return this.#chains.get(chainId) ?? this.#open(chainId);
  }

  add(segment: IndexedSegment): void {
    const { chainId, firstSequence, entryIds } = segment;
    const chain = this.#chains.get(chainId) ?? this.#open(chainId);
    if (firstSequence > chain.size) throw new RangeError(`chain ${chainId}: expected a segment at ${chain.size}, got ${firstSequence}`);
    for (const entryId of entryIds) this.#bloom.add(chainId, entryId);
    const size = firstSequence + entryIds.length;
    // Another process that shares the view was faster.
    if (size <= chain.size) return;
    const lastEntryHash = hexEncode(segment.lastEntryHash);
    const { payloads, leafHashes } = segment;
    if (this.#feed.post({ chainId, firstSequence, payloads, leafHashes, prevHash: hexEncode(segment.prevHash), lastEntryHash }) === 'behind') {
      this.#fallBack(chainId);
      return;
    }
    for (const [i, entryId] of entryIds.entries()) chain.recent.set(entryId, firstSequence + i);
    chain.size = size;
    chain.lastEntryHash = lastEntryHash;
    this.#feed.drained(chainId, size).then(
      () => {
        chain.settled = size;
        for (const entryId of entryIds) chain.recent.delete(entryId);
      },
      () => this.#fallBack(chainId),
    );
  }

  sequenceOf(chainId: string, entryId: string): number | undefined | 'unknown' {
    if (!this.#bloom.mayContain(chainId, entryId)) return undefined;
    const chain = this.#chains.get(chainId) ?? this.#open(chainId);
    const recent = chain.recent.get(entryId);
    if (recent !== undefined) return recent;
    try {
      const sequence = this.#feed.view.sequenceOf(chainId, entryId);
      if (sequence !== undefined) return sequence;
      if (this.#feed.view.through(chainId).size >= chain.settled) return undefined;
    } catch (error) {
      if (!(error instanceof ViewError)) throw error;
    }
    // The view was remade, or can't be read.
    this.#fallBack(chainId);
    return 'unknown';
  }

  segmentCovering(chainId: string, sequence: number): number | undefined {
    try {
      return this.#feed.view.segmentCovering(chainId, sequence)?.firstSequence;
    } catch (error) {
      if (error instanceof ViewError) return undefined;
      throw error;
    }
  }

  hashes(chainId: string): { readonly size: number; readonly reader: HashReader } {
    const { view } = this.#feed;
    try {
      return { size: view.through(chainId).size, reader: view.hashes(chainId) };
    } catch (error) {
      if (!(error instanceof ViewError)) throw error;
      return { size: 0, reader: { subtree: () => { throw error; } } };
    }
  }

  async forget(chainId: string): Promise<void> {
    // The whole view: what was wrong about one chain is no reason to believe the others.
    await this.#feed.remake(`chain ${chainId} is of another history`);
    this.#chains.clear();
  }

  caughtUp(): Promise<void> | undefined {
    return this.#feed.backlog > MAX_BACKLOG ? this.#feed.whenBelow(RESUME_BACKLOG) : undefined;
  }

  #open(chainId: string): ChainState {
    let through = { size: 0, lastEntryHash: '0'.repeat(64) };
    try {
      through = this.#feed.view.through(chainId);
    } catch (error) {
      if (!(error instanceof ViewError)) throw error;
    }
    const chain: ChainState = { ...through, recent: new Map(), settled: through.size };
    this.#chains.set(chainId, chain);
    if (!this.#bloom.isFilled(chainId)) void this.#fill(chainId);
    return chain;
  }

  /** Until it is done, the filter answers "maybe", and each own id costs a lookup. */
  async #fill(chainId: string): Promise<void> {
    try {
      for (let after = ''; ; ) {
        const ids = this.#feed.view.ids(chainId, after, FILL_PAGE);
        for (const entryId of ids) this.#bloom.add(chainId, entryId);
        after = ids.at(-1) ?? '';
        if (ids.length < FILL_PAGE) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.#bloom.markFilled(chainId);
    } catch (error) {
      if (!(error instanceof ViewError)) throw error;
    }
  }

  /** Forgets what this process thought the view holds; `through` asks the view again. */
  #fallBack(chainId: string): void {
    this.#chains.delete(chainId);
  }
}
