/** The role `indexer`: writes what becomes part of the chains to the search index, and goes on where it ended. */
import type { Segment } from '../core/segment.js';
import { ChainFollower } from '../ledger/follower.js';
import type { Host } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import { searchDocument } from './document.js';
import type { SearchDocument, SearchIndex } from './search-index.js';

export interface IndexerOptions {
  readonly index: Pick<SearchIndex, 'add' | 'through'>;
  readonly ledger: Ledger;
  readonly host: Host;
  /** Between two looks at all chains of the store, which find what nothing told. Default 30,000. */
  readonly lookEveryMs?: number;
  readonly onTrouble: (chainId: string | undefined, error: unknown) => void;
}

export class Indexer {
  readonly #ledger: Ledger;
  readonly #follower: ChainFollower;

  constructor({ index, ledger, host, lookEveryMs = 30_000, onTrouble }: IndexerOptions) {
    this.#ledger = ledger;
    this.#follower = followIndex({ index, ledger, host, lookEveryMs, onTrouble });
  }

  /** Entries that chains are known to have and the index is not known to hold. */
  get lag(): number {
    return this.#follower.lag;
  }

  /** The last try's error, until one succeeds. */
  get failure(): unknown {
    return this.#follower.failure;
  }

  /** Another source (the mirror) has seen the chain grow. */
  wake(chainId: string, size: number): void {
    this.#follower.wake(chainId, size);
  }

  /** The index is another one now, or has lost something: each chain's place in it is asked for anew. */
  startOver(): void {
    this.#follower.forget();
    for (const { chainId, head } of this.#ledger.open()) if (head !== undefined) this.#follower.wake(chainId, head.size);
  }

  close(): Promise<void> {
    return this.#follower.close();
  }
}

/** A follower whose copy is the index. */
export function followIndex({ index, ledger, host, lookEveryMs = 30_000, onTrouble }: IndexerOptions): ChainFollower {
  const copy = {
    through: (chainId: string): Promise<number> => index.through(chainId),
    add: (_chainId: string, segments: readonly Segment[]): Promise<void> => index.add(segments.flatMap(documentsOf)),
  };
  return new ChainFollower({ name: 'index', ledger, host, copy, lookEveryMs, onTrouble });
}

export function documentsOf({ chainId, firstSequence, payloads }: Segment): SearchDocument[] {
  return payloads.map((payload, i) => documentOf(chainId, firstSequence + i, payload));
}

/**
 * What can't be read must not stop the entries behind it: a document without a time is refused by the index, and
 * so set aside and reported.
 */
export function documentOf(chainId: string, sequence: number, payload: string): SearchDocument {
  try {
    return searchDocument(payload);
  } catch {
    return { chainId, sequence, entryId: '', receivedAt: 'unreadable', action: '', actorType: '', actorId: '', targets: [], text: '' };
  }
}
