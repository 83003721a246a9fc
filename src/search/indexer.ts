/** The role `indexer`: writes what becomes part of the chains to the search index, and goes on where it ended. */
import type { Segment } from '../core/segment.js';
import { ChainFollower } from '../ledger/follower.js';
import { GroupedWrites } from '../ledger/grouped-writes.js';
import type { Host } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import { searchDocument } from './document.js';
import type { SearchDocument, SearchIndex } from './search-index.js';

/**
 * What is written is made visible (a refresh), and then progress is recorded and made visible, too, however little it is.
 * Elasticsearch itself makes writes visible once a second.
 */
const WRITE_SPACING_MS = 250;
const WRITE_ENTRIES = 8_000;
/** At all chains of the store, which finds what nothing told. */
const LOOK_EVERY_MS = 30_000;

export interface IndexerOptions {
  readonly index: Pick<SearchIndex, 'add' | 'through'>;
  readonly ledger: Ledger;
  readonly host: Host;
  /** See FollowerOptions. */
  readonly othersWithinMs?: number | undefined;
  readonly onTrouble: (chainId: string | undefined, error: unknown) => void;
}

export class Indexer {
  readonly #ledger: Ledger;
  readonly #follower: ChainFollower;

  constructor({ index, ledger, host, othersWithinMs, onTrouble }: IndexerOptions) {
    this.#ledger = ledger;
    const writes = new GroupedWrites<readonly SearchDocument[]>({
      host,
      spacingMs: WRITE_SPACING_MS,
      maxEntries: WRITE_ENTRIES,
      entriesIn: (documents) => documents.length,
      write: (groups) => index.add(groups.flat()),
    });
    this.#follower = new ChainFollower({
      ledger,
      host,
      copy: {
        through: (chainId) => index.through(chainId),
        add: (_chainId, segments) => writes.add(segments.flatMap(documentsOf)),
      },
      othersWithinMs,
      lookEveryMs: LOOK_EVERY_MS,
      onTrouble,
    });
  }

  /** Entries that chains are known to have and the index is not known to hold. */
  get lag(): number {
    return this.#follower.lag();
  }

  /** Of a chain whose last try failed. */
  get failure(): unknown {
    return this.#follower.failure;
  }

  /** The index is another one now, or has lost something: each chain's place in it is asked for anew. */
  startOver(): void {
    this.#follower.lose();
    for (const { chainId, head } of this.#ledger.open()) if (head !== undefined) this.#follower.wake(chainId, head.size);
  }

  close(): Promise<void> {
    return this.#follower.close();
  }
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
