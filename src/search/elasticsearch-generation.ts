/**
 * One index in Elasticsearch, from its creation to its deletion; a rebuild makes another one. Progress is
 * recorded after the documents are stored and visible on all copies, never before: so what it says can be found.
 */
import type { Client, estypes } from '@elastic/elasticsearch';
import { isChainId } from '../core/chain.js';
import type { Host } from '../ledger/host.js';
import { formatMicros } from '../ledger/host.js';
import type { BulkWriter } from './elasticsearch-bulk.js';
import { asking, SEARCH_TIMEOUT_MS, SearchIndexError } from './elasticsearch-client.js';
import { CHAIN_ID, decode, documentId, holds, SEQUENCE } from './elasticsearch-documents.js';
import type { Source } from './elasticsearch-documents.js';
import type { IndexProgress, Raise, RecordedProgress } from './elasticsearch-progress.js';
import { searchRequest } from './elasticsearch-query.js';
import type { CheckedQuery } from './query.js';
import { writeCursor } from './query.js';
import type { SearchDocument, SearchPage } from './search-index.js';

/** What somebody who operates the service would want to know. */
export interface IndexNote {
  /**
   * `set_aside`: documents the index will not take. `differs`: one that is there is not what the log says.
   * `hole`: documents that were there are gone. `excess`: there are more than entries. `unreadable`: one that
   * does not say which entry it is of.
   */
  readonly kind: 'set_aside' | 'differs' | 'hole' | 'excess' | 'unreadable';
  readonly chainId?: string;
  readonly message: string;
}

/** A document as it lies in the index. */
export interface StoredDocument {
  readonly id: string;
  readonly sequence: number | undefined;
  readonly source: Source;
}

const PAGE = 1_000;
const MGET = 500;
const KEEP_ALIVE = '2m';

export class Generation {
  readonly name: string;
  readonly uuid: string;
  readonly progress: IndexProgress;
  readonly #client: Client;
  readonly #host: Host;
  readonly #writer: BulkWriter;
  readonly #onNote: (note: IndexNote) => void;
  #refreshing: Promise<void> | undefined;
  #refreshNext: Promise<void> | undefined;

  constructor(
    { name, uuid }: { readonly name: string; readonly uuid: string },
    { client, host, writer, progress, onNote }: { client: Client; host: Host; writer: BulkWriter; progress: IndexProgress; onNote: (note: IndexNote) => void },
  ) {
    this.name = name;
    this.uuid = uuid;
    this.progress = progress;
    this.#client = client;
    this.#host = host;
    this.#writer = writer;
    this.#onNote = onNote;
  }

  /** Documents go through it: where the index is gone, it is gone too, and nothing is made by accident. */
  get writeAlias(): string {
    return `${this.name}-write`;
  }

  /** SearchIndex.add, for one index. */
  async add(documents: readonly SearchDocument[]): Promise<void> {
    const chains = [...byChain(documents)];
    const recorded = await this.progress.readAll(this.uuid, chains.map(([chainId]) => chainId));
    const todo = chains.flatMap(([chainId, ofChain], i) => {
      const read = recorded[i] as RecordedProgress;
      const fresh = following(chainId, ofChain, read.progress.through);
      return fresh.length === 0 ? [] : [{ chainId, read, fresh, through: read.progress.through + fresh.length }];
    });
    if (todo.length === 0) return;
    const fresh = todo.flatMap((chain) => chain.fresh);
    const { present, rejected } = await this.#writer.write('create', this.writeAlias, fresh);
    await this.#compare(present.map((at) => fresh[at] as SearchDocument));
    await this.#setAside(rejected.map(({ at, reason }) => ({ document: fresh[at] as SearchDocument, reason })));
    await this.refresh();
    const refused = new Set(rejected.map(({ at }) => (fresh[at] as SearchDocument).chainId));
    const raises: Raise[] = [];
    for (const { chainId, read, through } of todo) {
      const setAside = refused.has(chainId) ? await this.progress.countSetAside(this.uuid, chainId, through) : read.progress.setAside;
      raises.push({ chainId, read, to: { through, setAside } });
    }
    await this.progress.raise(this.uuid, raises);
  }

  /**
   * SearchIndex.through: what is recorded, held against what is there. Where documents are gone it falls back to
   * the first hole, so that whoever feeds the index fills it.
   */
  async through(chainId: string): Promise<number> {
    const { through } = await this.progress.progress(this.uuid, chainId);
    if (through === 0) return 0;
    const surplus = await this.#surplus(chainId, through);
    if (surplus === 0) return through;
    if (surplus > 0) {
      this.#onNote({ kind: 'excess', chainId, message: `the index holds ${surplus} documents too many of chain ${chainId}: run a reconciliation` });
      return through;
    }
    // The smallest prefix with something missing: everything before `whole` is there.
    let whole = 0;
    let short = through;
    while (short - whole > 1) {
      const middle = Math.floor((whole + short) / 2);
      if ((await this.#surplus(chainId, middle)) < 0) short = middle;
      else whole = middle;
    }
    this.#onNote({ kind: 'hole', chainId, message: `documents of chain ${chainId} are gone from the index: it is filled again from entry ${whole}` });
    await this.progress.record(this.uuid, chainId, { through: whole, setAside: await this.progress.countSetAside(this.uuid, chainId, whole) });
    return whole;
  }

  /** Documents too many (or, negative, too few) for the first `size` entries. */
  async #surplus(chainId: string, size: number): Promise<number> {
    const filter = [{ term: { [CHAIN_ID]: chainId } }, { range: { [SEQUENCE]: { gte: 0, lt: size } } }];
    const { count, _shards } = await asking('counting documents', () => this.#client.count({ index: this.name, query: { bool: { filter } } }));
    if (_shards.failed > 0) throw new SearchIndexError('counting documents: a part of the index does not answer');
    return count + (await this.progress.countSetAside(this.uuid, chainId, size)) - size;
  }

  async search(checked: CheckedQuery): Promise<SearchPage> {
    const { query } = checked;
    // Before the hits are asked for: what is complete now still is so then.
    const all =
      query.chainId === undefined
        ? await this.progress.allProgress(this.uuid)
        : new Map([[query.chainId, isChainId(query.chainId) ? await this.progress.visibleProgress(this.uuid, query.chainId) : { through: 0, setAside: 0 }]]);
    const request = searchRequest(checked);
    const found: SearchDocument[] = [];
    let hits: readonly estypes.SearchHit[] = [];
    if (request !== undefined) {
      const answer = await asking('searching', () =>
        this.#client.search({ index: this.name, timeout: `${SEARCH_TIMEOUT_MS}ms`, ...request }, { requestTimeout: SEARCH_TIMEOUT_MS }),
      );
      if (answer.timed_out) throw new SearchIndexError('searching: Elasticsearch did not finish in time');
      ({ hits } = answer.hits);
    }
    for (const { _id, _source } of hits.slice(0, query.limit)) {
      const document = decode(_source);
      if (document === undefined) this.#onNote({ kind: 'unreadable', message: `the document ${JSON.stringify(_id)} of the index does not say which entry it is of: run a reconciliation` });
      else found.push(document);
    }
    const last = found.at(-1);
    const setAside = [...all].filter(([, progress]) => progress.setAside > 0);
    return {
      hits: found,
      ...(hits.length > query.limit && last !== undefined && { next: writeCursor(query, last) }),
      completeThrough: Object.fromEntries([...all].map(([chainId, { through }]) => [chainId, through])),
      ...(setAside.length > 0 && { setAside: Object.fromEntries(setAside.map(([chainId, progress]) => [chainId, progress.setAside])) }),
    };
  }

  /** Makes what was written visible, on all copies. Calls at the same time share one refresh. */
  async refresh(): Promise<void> {
    if (this.#refreshing === undefined) return this.#refresh();
    // The one under way may have begun before the caller's documents were stored.
    this.#refreshNext ??= this.#refreshing.catch(() => undefined).then(() => {
      this.#refreshNext = undefined;
      return this.#refresh();
    });
    return this.#refreshNext;
  }

  #refresh(): Promise<void> {
    this.#refreshing = asking('refreshing the index', () => this.#client.indices.refresh({ index: this.name }))
      .then(({ _shards }) => {
        if ((_shards?.failed ?? 0) > 0) throw new SearchIndexError('refreshing the index: a part of it does not answer');
      })
      .finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  /** Everything the index holds of the chain, by sequence; without a chain, what belongs to none of `known`. */
  async *documents(chainId: string | undefined, known: readonly string[] = []): AsyncGenerator<StoredDocument> {
    await this.refresh();
    const opened = await asking('reading the index', () => this.#client.openPointInTime({ index: this.name, keep_alive: KEEP_ALIVE }));
    let { id } = opened;
    const query: estypes.QueryDslQueryContainer =
      chainId === undefined ? { bool: { must_not: [{ terms: { [CHAIN_ID]: [...known] } }] } } : { term: { [CHAIN_ID]: chainId } };
    try {
      for (let after: estypes.SortResults | undefined; ; ) {
        const answer = await asking('reading the index', () =>
          this.#client.search<Source>({
            pit: { id, keep_alive: KEEP_ALIVE },
            query,
            sort: [{ [SEQUENCE]: { order: 'asc', missing: '_last' } }, { _shard_doc: 'asc' }],
            size: PAGE,
            track_total_hits: false,
            allow_partial_search_results: false,
            ...(after !== undefined && { search_after: after }),
          }),
        );
        id = answer.pit_id ?? id;
        for (const { _id, _source } of answer.hits.hits) yield { id: _id ?? '', sequence: decode(_source)?.sequence, source: _source ?? {} };
        after = answer.hits.hits.at(-1)?.sort;
        if (answer.hits.hits.length < PAGE) return;
      }
    } finally {
      // It would go by itself; a failure to say so is none of the reader's.
      await this.#client.closePointInTime({ id }).catch(() => undefined);
    }
  }

  /** Puts documents as they should be, whatever is there. Gives how many the index took. */
  async replace(documents: readonly SearchDocument[]): Promise<number> {
    const { rejected } = await this.#writer.write('index', this.writeAlias, documents);
    const refused = new Set(rejected.map(({ at }) => at));
    await this.#setAside(rejected.map(({ at, reason }) => ({ document: documents[at] as SearchDocument, reason })));
    for (const [chainId, taken] of byChain(documents.filter((_, at) => !refused.has(at)))) {
      await this.progress.takeBack(this.uuid, chainId, taken.map(({ sequence }) => sequence));
    }
    await this.refresh();
    return documents.length - refused.size;
  }

  /** Removes documents that should not be there. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const operations = ids.map((_id) => ({ delete: { _id } }));
    await asking('removing documents', () => this.#client.bulk({ index: this.writeAlias, require_alias: true, refresh: true, operations }));
  }

  /** Records how far the chain goes after repairs, as far as its documents are really there. */
  async settle(chainId: string, size: number): Promise<void> {
    if ((await this.#surplus(chainId, size)) !== 0) return;
    await this.progress.record(this.uuid, chainId, { through: size, setAside: await this.progress.countSetAside(this.uuid, chainId, size) });
  }

  async #compare(documents: readonly SearchDocument[]): Promise<void> {
    for (let from = 0; from < documents.length; from += MGET) {
      const part = documents.slice(from, from + MGET);
      const { docs } = await asking('reading the index', () => this.#client.mget<Source>({ index: this.name, ids: part.map(documentId) }));
      for (const [i, document] of part.entries()) {
        const stored = docs[i];
        if (stored !== undefined && '_source' in stored && holds(stored._source, document)) continue;
        const { chainId, sequence } = document;
        this.#onNote({ kind: 'differs', chainId, message: `the index holds another document for entry ${sequence} of chain ${chainId} than the log: run a reconciliation with backfill` });
      }
    }
  }

  async #setAside(rejected: readonly { readonly document: SearchDocument; readonly reason: string }[]): Promise<void> {
    await this.progress.setAside(this.uuid, rejected, formatMicros(this.#host.micros()));
    for (const { document: { chainId, sequence }, reason } of rejected) {
      this.#onNote({ kind: 'set_aside', chainId, message: `entry ${sequence} of chain ${chainId} can not be searched for: ${reason}` });
    }
  }
}

/** What comes behind the first `size` entries. @throws RangeError if there is a hole */
function following(chainId: string, documents: readonly SearchDocument[], size: number): SearchDocument[] {
  const fresh: SearchDocument[] = [];
  for (const document of documents) {
    const next = size + fresh.length;
    if (document.sequence < next) continue;
    if (document.sequence > next) throw new RangeError(`"sequence" expected ${next} of chain ${chainId}, got ${document.sequence}`);
    fresh.push(document);
  }
  return fresh;
}

function byChain(documents: readonly SearchDocument[]): Map<string, SearchDocument[]> {
  const chains = new Map<string, SearchDocument[]>();
  for (const document of documents) {
    const ofChain = chains.get(document.chainId);
    if (ofChain === undefined) chains.set(document.chainId, [document]);
    else ofChain.push(document);
  }
  return chains;
}
