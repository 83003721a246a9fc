import type { View } from '../view/view.js';
import { checkQuery } from './query.js';
import type { SearchDocument, SearchIndex, SearchPage, SearchQuery } from './search-index.js';
import { SqliteSearch } from './sqlite-search.js';

/** Milliseconds a search may hold the thread before others get a turn. */
const TURN = 5;

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

  async search(query: SearchQuery): Promise<SearchPage> {
    const checked = checkQuery(query);
    const view = this.#view();
    const search = view.readDocuments((documents) => new SqliteSearch(documents, checked));
    // SQLite answers on this thread. Entries are only ever added behind those the search began with, so it
    // may pause between two shards and go on as if nothing had happened.
    let turn = performance.now();
    while (view.readDocuments(() => search.step())) {
      if (performance.now() - turn < TURN) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turn = performance.now();
    }
    return search.page();
  }

  async close(): Promise<void> {
    // The view belongs to whoever opened it.
  }
}
