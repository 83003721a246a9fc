/**
 * Metadata search. Derived from the WORM store, never the truth: an answer says up to which sequence of
 * each chain it is complete, and each hit names the entry to fetch and verify.
 */
export interface SearchIndex {
  readonly kind: 'sqlite' | 'elasticsearch';

  /**
   * Adds documents. Idempotent: a document already there (same chain and sequence) is left alone.
   * Documents of a chain come in sequence order; a gap is refused (RangeError), so `through` is true.
   */
  add(documents: readonly SearchDocument[]): Promise<void>;

  /** Number of leading entries of the chain that are indexed: entries 0 … n−1 can be found. */
  through(chainId: string): Promise<number>;

  search(query: SearchQuery): Promise<SearchPage>;

  close(): Promise<void>;
}

/** What is searchable of an entry. Free text is taken from action, reason, names, ids and metadata strings. */
export interface SearchDocument {
  readonly chainId: string;
  readonly sequence: number;
  readonly entryId: string;
  readonly receivedAt: string;
  readonly occurredAt?: string;
  readonly action: string;
  readonly actorType: string;
  readonly actorId: string;
  readonly actorName?: string;
  readonly outcome?: string;
  readonly category?: string;
  readonly ip?: string;
  readonly requestId?: string;
  readonly traceId?: string;
  /** `type:id` of each target. */
  readonly targets: readonly string[];
  /** Free text, already joined by spaces; at most 8 KiB. */
  readonly text: string;
}

/** All given filters must hold. Times are inclusive `from`, exclusive `to`. */
export interface SearchQuery {
  readonly chainId?: string;
  readonly action?: string;
  readonly actorType?: string;
  readonly actorId?: string;
  /** `type:id` or a bare id. */
  readonly target?: string;
  readonly outcome?: string;
  readonly category?: string;
  readonly ip?: string;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly receivedFrom?: string;
  readonly receivedTo?: string;
  /** Words (words.ts says what one is), all of which must occur; matched case-insensitively at word starts. No query syntax. */
  readonly text?: string;
  readonly order: 'newest' | 'oldest';
  /** 1–1,000. */
  readonly limit: number;
  /** From an earlier page's `next`; opaque. */
  readonly cursor?: string;
}

export interface SearchPage {
  readonly hits: readonly SearchDocument[];
  readonly next?: string;
  /** chainId → number of leading entries indexed, for each chain the query can touch. */
  readonly completeThrough: Readonly<Record<string, number>>;
  /**
   * chainId → how many of those entries the index would not take, so that a search can not find them. Only
   * chains that have any; absent if none has.
   */
  readonly setAside?: Readonly<Record<string, number>>;
}
