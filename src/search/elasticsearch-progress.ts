/**
 * What is kept beside an index: for each chain, how many of its leading entries are dealt with, and the documents the
 * index would not take. Both name the index by its UUID, which a deleted and re-created index does not share:
 * so neither can speak of another one than it was written for.
 */
import type { Client, estypes } from '@elastic/elasticsearch';
import { asking, errorTypeOf, SearchIndexError, statusOf } from './elasticsearch-client.js';
import type { SearchDocument } from './search-index.js';

export interface ChainProgress {
  /** Leading entries that are in the index, or set aside. */
  readonly through: number;
  /** Of these, how many are set aside. */
  readonly setAside: number;
}

export interface SetAside {
  readonly document: Pick<SearchDocument, 'chainId' | 'sequence' | 'entryId' | 'receivedAt'>;
  readonly reason: string;
}

/** A version of a document, by which it is replaced only if nobody else did. */
interface RecordedVersion {
  readonly if_seq_no: number;
  readonly if_primary_term: number;
}

/** Progress, and the version of the document that says so; none if there is none. */
export interface RecordedProgress {
  readonly progress: ChainProgress;
  readonly version: RecordedVersion | undefined;
}

export interface Raise {
  readonly chainId: string;
  readonly read: RecordedProgress;
  readonly to: ChainProgress;
}

const NONE: ChainProgress = { through: 0, setAside: 0 };
const NOTHING: RecordedProgress = { progress: NONE, version: undefined };
const PAGE = 1_000;

const keyword = { type: 'keyword' } as const;
const PROGRESS = { index_uuid: keyword, chain_id: keyword, through: { type: 'long' }, set_aside: { type: 'long' } } as const;
const REJECTED = {
  index_uuid: keyword,
  chain_id: keyword,
  sequence: { type: 'long' },
  entry_id: keyword,
  received_at: { type: 'date', ignore_malformed: true },
  rejected_at: { type: 'date' },
  reason: { type: 'keyword', index: false, doc_values: false },
} as const;

export class IndexProgress {
  readonly #client: Client;
  /** Aliases: what is written needs one, so that a deleted index is not made anew by a write. */
  readonly #progress: string;
  readonly #rejected: string;

  constructor(client: Client, alias: string) {
    this.#client = client;
    this.#progress = `${alias}-progress`;
    this.#rejected = `${alias}-rejected`;
  }

  /** Makes what is not there yet. */
  async ensure(): Promise<void> {
    for (const [alias, properties] of [[this.#progress, PROGRESS], [this.#rejected, REJECTED]] as const) {
      await createIndex(this.#client, { index: `${alias}-1`, aliases: { [alias]: {} }, mappings: { dynamic: 'strict', properties }, settings: SETTINGS });
    }
  }

  async progress(uuid: string, chainId: string): Promise<ChainProgress> {
    return (await this.#read(uuid, chainId)).progress;
  }

  /** Of these chains, in one request, in their order; to be raised by `raise`. */
  async readAll(uuid: string, chainIds: readonly string[]): Promise<RecordedProgress[]> {
    const ids = chainIds.map((chainId) => progressId(uuid, chainId));
    const { docs } = await asking('reading the progress of the index', () => this.#client.mget<Record<string, unknown>>({ index: this.#progress, ids }));
    return chainIds.map((_, i) => {
      const found = docs[i];
      if (found !== undefined && 'error' in found) {
        if (found.error.type === 'index_not_found_exception') return NOTHING;
        throw new SearchIndexError(`reading the progress of the index: Elasticsearch answered ${found.error.type}`);
      }
      return recorded(found);
    });
  }

  async #read(uuid: string, chainId: string, { realtime = true } = {}): Promise<RecordedProgress> {
    return recorded(await orMissing(undefined, () => this.#client.get<Record<string, unknown>>({ index: this.#progress, id: progressId(uuid, chainId), realtime })));
  }

  /** As `allProgress` says it of the chain: of two searches the later one must not know less. */
  async visibleProgress(uuid: string, chainId: string): Promise<ChainProgress> {
    return (await this.#read(uuid, chainId, { realtime: false })).progress;
  }

  /** Of every chain. Visible to all as soon as `record` returned. */
  async allProgress(uuid: string): Promise<Map<string, ChainProgress>> {
    const all = new Map<string, ChainProgress>();
    for (let after: estypes.SortResults | undefined; ; ) {
      const page = await orMissing(undefined, () =>
        this.#client.search<Record<string, unknown>>({
          index: this.#progress,
          query: { term: { index_uuid: uuid } },
          sort: [{ chain_id: 'asc' }],
          size: PAGE,
          track_total_hits: false,
          allow_partial_search_results: false,
          ...(after !== undefined && { search_after: after }),
        }),
      );
      const hits = page?.hits.hits ?? [];
      for (const { _source } of hits) all.set(String(_source?.['chain_id']), progressOf(_source));
      after = hits.at(-1)?.sort;
      if (hits.length < PAGE) return all;
    }
  }

  /**
   * Says that the chains are dealt with through `to.through`, by who has added what follows `read`. Never lowers what
   * another process has recorded meanwhile. @throws RangeError if it has been lowered: there is a hole
   */
  async raise(uuid: string, raises: readonly Raise[]): Promise<void> {
    const operations = raises.flatMap(({ chainId, read: { version }, to }) => {
      const _id = progressId(uuid, chainId);
      return [version === undefined ? { create: { _id } } : { index: { _id, ...version } }, progressDocument(uuid, chainId, to)];
    });
    const { items } = await asking('writing the progress of the index', () => this.#client.bulk({ index: this.#progress, require_alias: true, refresh: true, operations }));
    for (const [i, raise] of raises.entries()) {
      const { status } = Object.values(items[i] ?? {})[0] ?? { status: 0 };
      // Whatever was the matter, the other way says so, or finds that it no longer is.
      if (status < 200 || status > 299) await this.#raiseOne(uuid, raise);
    }
  }

  async #raiseOne(uuid: string, { chainId, read, to }: Raise): Promise<void> {
    for (;;) {
      const now = await this.#read(uuid, chainId);
      if (now.progress.through >= to.through) return;
      if (now.progress.through < read.progress.through) {
        throw new RangeError(`"sequence" expected ${now.progress.through} of chain ${chainId}, got ${read.progress.through}`);
      }
      if (await this.#write(uuid, chainId, to, now.version ?? { op_type: 'create' })) return;
    }
  }

  /** Sets it, also lower. */
  async record(uuid: string, chainId: string, progress: ChainProgress): Promise<void> {
    await this.#write(uuid, chainId, progress, {});
  }

  /** False if the condition did not hold. */
  async #write(uuid: string, chainId: string, progress: ChainProgress, unchanged: Partial<RecordedVersion> | { readonly op_type: 'create' }): Promise<boolean> {
    try {
      await asking('writing the progress of the index', () =>
        this.#client.index({
          index: this.#progress,
          require_alias: true,
          id: progressId(uuid, chainId),
          document: progressDocument(uuid, chainId, progress),
          refresh: true,
          ...unchanged,
        }),
      );
      return true;
    } catch (error) {
      if (statusOf(error) === 409) return false;
      throw error;
    }
  }

  /** Before progress is recorded beyond them: so none is passed over without a trace. */
  async setAside(uuid: string, rejected: readonly SetAside[], now: string): Promise<void> {
    if (rejected.length === 0) return;
    const operations = rejected.flatMap(({ document: { chainId, sequence, entryId, receivedAt }, reason }) => [
      { index: { _id: rejectedId(uuid, chainId, sequence) } },
      { index_uuid: uuid, chain_id: chainId, sequence, entry_id: entryId, received_at: receivedAt, rejected_at: now, reason },
    ]);
    for (let tries = 0; ; tries++) {
      const answer = await asking('setting documents aside', () => this.#client.bulk({ index: this.#rejected, require_alias: true, refresh: true, operations }));
      const refused = answer.items.find(({ index }) => index?.error !== undefined)?.index?.error;
      if (refused === undefined) return;
      if (tries > 0 || refused.type !== 'index_not_found_exception') {
        throw new Error(`setting documents aside: Elasticsearch did not take all of them: ${refused.type}: ${refused.reason ?? ''}`);
      }
      // The index was there before this one was, or somebody deleted this one alone.
      await this.ensure();
    }
  }

  /** They are in the index after all. */
  async takeBack(uuid: string, chainId: string, sequences: readonly number[]): Promise<void> {
    if (sequences.length === 0) return;
    const operations = sequences.map((sequence) => ({ delete: { _id: rejectedId(uuid, chainId, sequence) } }));
    await asking('taking documents back', () => this.#client.bulk({ index: this.#rejected, require_alias: true, refresh: true, operations }));
  }

  /** How many of the chain's first `size` entries are set aside; without a chain, how many there are at all. */
  async countSetAside(uuid: string, chainId?: string, size?: number): Promise<number> {
    const filter: estypes.QueryDslQueryContainer[] = [{ term: { index_uuid: uuid } }];
    if (chainId !== undefined) filter.push({ term: { chain_id: chainId } });
    if (size !== undefined) filter.push({ range: { sequence: { lt: size } } });
    return (await orMissing(undefined, () => this.#client.count({ index: this.#rejected, query: { bool: { filter } } })))?.count ?? 0;
  }

  /** Forgets an index that is gone. */
  async drop(uuid: string): Promise<void> {
    for (const index of [this.#progress, this.#rejected]) {
      for (;;) {
        const page = await orMissing(undefined, () => this.#client.search({ index, query: { term: { index_uuid: uuid } }, size: PAGE, _source: false }));
        const operations = (page?.hits.hits ?? []).map(({ _id }) => ({ delete: { _id: _id ?? '' } }));
        if (operations.length === 0) break;
        await asking('tidying up', () => this.#client.bulk({ index, require_alias: true, refresh: true, operations }));
      }
    }
  }
}

/** One copy where there is another node; nothing else an operator could not set by an index template. */
const SETTINGS = { auto_expand_replicas: '0-1' } as const;

/** Makes the index; one that is there already is left as it is. */
export async function createIndex(client: Client, request: estypes.IndicesCreateRequest): Promise<void> {
  try {
    await asking('making the index', () => client.indices.create(request));
  } catch (error) {
    if (errorTypeOf(error) !== 'resource_already_exists_exception') throw error;
  }
}

/** What the call gives, or `missing` if there is no such thing. */
export async function orMissing<T, M>(missing: M, call: () => Promise<T>): Promise<T | M> {
  try {
    return await asking('reading the index', call);
  } catch (error) {
    if (statusOf(error) === 404) return missing;
    throw error;
  }
}

function progressId(uuid: string, chainId: string): string {
  return `${uuid}/${chainId}`;
}

function progressDocument(uuid: string, chainId: string, { through, setAside }: ChainProgress): Record<string, unknown> {
  return { index_uuid: uuid, chain_id: chainId, through, set_aside: setAside };
}

function rejectedId(uuid: string, chainId: string, sequence: number): string {
  return `${uuid}/${chainId}:${sequence}`;
}

function recorded(found: { readonly _source?: Record<string, unknown>; readonly _seq_no?: number; readonly _primary_term?: number } | undefined): RecordedProgress {
  if (found?._source === undefined || found._seq_no === undefined || found._primary_term === undefined) return NOTHING;
  return { progress: progressOf(found._source), version: { if_seq_no: found._seq_no, if_primary_term: found._primary_term } };
}

function progressOf(source: Readonly<Record<string, unknown>> | undefined): ChainProgress {
  const { through, set_aside: setAside } = source ?? {};
  return typeof through === 'number' && typeof setAside === 'number' ? { through, setAside } : NONE;
}
