import type { View } from '../view/view.js';
import type { ChainOfDocuments, DocumentTable } from './sqlite-documents.js';
import { matchOf } from './sqlite-documents.js';
import type { CheckedQuery } from './query.js';
import { checkQuery, matchesExactly, writeCursor } from './query.js';
import type { SearchDocument, SearchIndex, SearchPage, SearchQuery } from './search-index.js';

/** Matches to look at before all chains are asked one by one: see `#candidates`. */
const FEW_MATCHES = 1_000;

/**
 * Search over the local view: what the embedded default uses. Hits are ordered by (receivedAt, chainId,
 * sequence), newest or oldest first.
 *
 * The view's writer feeds the documents; `add` is for a view that is open for writing and has none.
 * Errors of the file come out as ViewError, a query that is not acceptable as SearchQueryError.
 */
export class SqliteSearchIndex implements SearchIndex {
  readonly kind = 'sqlite';
  readonly #view: () => View;

  /** @param view asked at each call, because a damaged view is replaced. The caller closes it. */
  constructor(view: () => View) {
    this.#view = view;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the contract is asynchronous; throws become rejections
  async add(documents: readonly SearchDocument[]): Promise<void> {
    this.#view().addDocuments(documents);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async through(chainId: string): Promise<number> {
    return this.#view().indexed(chainId);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async search(query: SearchQuery): Promise<SearchPage> {
    const checked = checkQuery(query);
    return this.#view().readDocuments((documents) => searchPage(documents, checked));
  }

  async close(): Promise<void> {
    // The view belongs to whoever opened it.
  }
}

function searchPage(documents: DocumentTable, checked: CheckedQuery): SearchPage {
  const { query } = checked;
  const chains = chainsOf(documents, query);
  const match = matchOf(checked);
  const before = query.order === 'newest' ? isNewer : isOlder;
  // One more than asked for: it tells whether there is a next page.
  const wanted = query.limit + 1;
  let hits: SearchDocument[] = [];
  for (const chain of nearestFirst(candidates(documents, chains, match), query)) {
    const worst = hits.length < wanted ? undefined : hits.at(-1);
    // The chains that follow have nothing better either: they are ordered by their best entry.
    if (worst !== undefined && !reaches(chain, worst, query)) break;
    const found: SearchDocument[] = [];
    const [from, to] = range(documents, chain, checked);
    if (from >= to) continue;
    for (const hit of documents.scan(chain, match, from, to, query.order)) {
      if (!matchesExactly(query, hit)) continue;
      if (worst !== undefined && !before(hit, worst)) break;
      found.push(hit);
      if (found.length === wanted) break;
    }
    hits = hits.length === 0 ? found : merged(hits, found, before).slice(0, wanted);
  }
  const last = hits[query.limit - 1];
  return {
    hits: hits.slice(0, query.limit),
    ...(hits.length === wanted && last !== undefined && { next: writeCursor(query, last) }),
    completeThrough: Object.fromEntries(
      query.chainId === undefined
        ? chains.map((chain) => [chain.chainId, chain.indexed])
        : [[query.chainId, chains[0]?.indexed ?? 0]],
    ),
  };
}

function chainsOf(documents: DocumentTable, query: SearchQuery): ChainOfDocuments[] {
  if (query.chainId === undefined) return documents.chains();
  const chain = documents.chain(query.chainId);
  return chain === undefined ? [] : [chain];
}

/** A rare term among thousands of chains: finding its few matches tells which chains to ask. */
function candidates(documents: DocumentTable, chains: ChainOfDocuments[], match: string | undefined): ChainOfDocuments[] {
  if (match === undefined || chains.length < 8) return chains;
  const numbers = documents.chainsMatching(match, FEW_MATCHES);
  return numbers === undefined ? chains : chains.filter((chain) => numbers.has(chain.number));
}

/** By the best entry each chain can offer. */
function nearestFirst(chains: ChainOfDocuments[], { order }: SearchQuery): ChainOfDocuments[] {
  return order === 'newest'
    ? chains.toSorted((a, b) => compare(b.lastReceived, a.lastReceived))
    : chains.toSorted((a, b) => compare(a.firstReceived, b.firstReceived));
}

function reaches(chain: ChainOfDocuments, worst: SearchDocument, { order }: SearchQuery): boolean {
  return order === 'newest' ? chain.lastReceived >= worst.receivedAt : chain.firstReceived <= worst.receivedAt;
}

/** The sequences of the chain that lie within the times asked for and behind the cursor: `from` … `to − 1`. */
function range(documents: DocumentTable, chain: ChainOfDocuments, checked: CheckedQuery): [from: number, to: number] {
  let from = 0;
  let to = chain.indexed;
  const { receivedFrom, receivedTo, after, query } = checked;
  if (receivedFrom !== undefined) from = documents.sequenceAt(chain, receivedFrom, false);
  if (receivedTo !== undefined) to = documents.sequenceAt(chain, receivedTo, false);
  if (after !== undefined) {
    const { receivedAt, chainId, sequence } = after;
    if (query.order === 'oldest') {
      const next = chain.chainId === chainId ? sequence + 1 : documents.sequenceAt(chain, receivedAt, chain.chainId < chainId);
      from = Math.max(from, next);
    } else {
      const end = chain.chainId === chainId ? sequence : documents.sequenceAt(chain, receivedAt, chain.chainId < chainId);
      to = Math.min(to, end);
    }
  }
  return [from, to];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isOlder(a: SearchDocument, b: SearchDocument): boolean {
  return (compare(a.receivedAt, b.receivedAt) || compare(a.chainId, b.chainId) || a.sequence - b.sequence) < 0;
}

function isNewer(a: SearchDocument, b: SearchDocument): boolean {
  return isOlder(b, a);
}

function merged(
  left: readonly SearchDocument[],
  right: readonly SearchDocument[],
  before: (a: SearchDocument, b: SearchDocument) => boolean,
): SearchDocument[] {
  return [...left, ...right].sort((a, b) => (before(a, b) ? -1 : 1));
}
