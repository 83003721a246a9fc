/**
 * Search over Elasticsearch. The alias is what people and this code search; behind it stands one index, and a
 * rebuild fills another one and moves the alias to it in one step, while the old one goes on answering.
 */
import { randomBytes } from 'node:crypto';
import type { Client } from '@elastic/elasticsearch';
import type { Host } from '../ledger/host.js';
import { BulkWriter } from './elasticsearch-bulk.js';
import { asking, connect, SearchIndexError, statusOf } from './elasticsearch-client.js';
import type { ElasticsearchConnection } from './elasticsearch-client.js';
import { MAPPING_VERSION, PROPERTIES } from './elasticsearch-documents.js';
import { Generation } from './elasticsearch-generation.js';
import type { IndexNote } from './elasticsearch-generation.js';
import { createIndex, IndexProgress, orMissing } from './elasticsearch-progress.js';
import { checkQuery } from './query.js';
import type { SearchDocument, SearchIndex, SearchPage, SearchQuery } from './search-index.js';

export interface ElasticsearchOptions extends ElasticsearchConnection {
  /** Name of the alias. */
  readonly index: string;
  readonly host: Host;
  readonly onNote?: (note: IndexNote) => void;
}

/** How long what stands behind the alias is remembered: a rebuild by another process is seen after it. */
const REMEMBER_MS = 1_000;

export class ElasticsearchIndex implements SearchIndex {
  readonly kind = 'elasticsearch';
  readonly #alias: string;
  readonly #client: Client;
  readonly #host: Host;
  readonly #progress: IndexProgress;
  readonly #writer: BulkWriter;
  readonly #onNote: (note: IndexNote) => void;
  #generation: { readonly found: Generation; readonly at: number } | undefined;

  /** Connects when it is first used. @throws SearchIndexError for a file that can not be read */
  constructor(options: ElasticsearchOptions) {
    this.#alias = options.index;
    this.#client = connect(options);
    this.#host = options.host;
    this.#progress = new IndexProgress(this.#client, this.#alias);
    this.#writer = new BulkWriter(this.#client, options.host);
    this.#onNote = options.onNote ?? ((): void => undefined);
  }

  async add(documents: readonly SearchDocument[]): Promise<void> {
    if (documents.length === 0) return;
    await this.#with(async (generation) => generation.add(documents), 'make');
  }

  async through(chainId: string): Promise<number> {
    return (await this.#with((generation) => generation.through(chainId), 'none')) ?? 0;
  }

  /** What `through` was last recorded to be, whatever has become of the documents. @throws SearchIndexError */
  async recorded(chainId: string): Promise<number> {
    return (await this.#with(async ({ uuid }) => (await this.#progress.progress(uuid, chainId)).through, 'none')) ?? 0;
  }

  async search(query: SearchQuery): Promise<SearchPage> {
    const checked = checkQuery(query);
    const page = await this.#with((generation) => generation.search(checked), 'none');
    // An answer without hits would read as if there were none.
    if (page === undefined) throw new SearchIndexError(`there is no index behind the alias ${this.#alias} yet`);
    return page;
  }

  /** Documents that the index would not take. @throws SearchIndexError */
  async setAside(): Promise<number> {
    return (await this.#with(({ uuid }) => this.#progress.countSetAside(uuid), 'none')) ?? 0;
  }

  /** Which index stands behind the alias now; `undefined` if none does. Another one starts from nothing. @throws SearchIndexError */
  async identity(): Promise<IndexIdentity | undefined> {
    this.#generation = undefined;
    return this.#current('none');
  }

  /** The index behind the alias, for who looks at each document. @throws SearchIndexError if there is none */
  async current(): Promise<Generation> {
    return (await this.#current('make')) as Generation;
  }

  /** Another, empty index, which becomes the one behind the alias when it is full. */
  async startRebuild(): Promise<Rebuild> {
    await this.#progress.ensure();
    const generation = await this.#make(`${this.#alias}-${randomBytes(6).toString('hex')}`, false);
    return {
      generation,
      finish: async () => {
        const old = await this.#behindAlias();
        await asking('moving the alias', () =>
          this.#client.indices.updateAliases({
            actions: [
              ...old.map((index) => ({ remove: { index, alias: this.#alias } })),
              { add: { index: generation.name, alias: this.#alias } },
            ],
          }),
        );
        this.#generation = undefined;
        return async () => {
          for (const index of old) await this.#delete(index);
        };
      },
      abandon: () => this.#delete(generation.name),
    };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #with<T>(work: (generation: Generation) => Promise<T>, ifNone: 'make' | 'none'): Promise<T | undefined> {
    for (let tries = 0; ; tries++) {
      const generation = await this.#current(ifNone);
      if (generation === undefined) return undefined;
      try {
        return await work(generation);
      } catch (error) {
        // A rebuild may have taken its place meanwhile.
        if (statusOf(error) !== 404) throw error;
        this.#generation = undefined;
        if (tries > 0) throw error;
        if (ifNone === 'make') await this.#progress.ensure();
      }
    }
  }

  async #current(ifNone: 'make' | 'none'): Promise<Generation | undefined> {
    const known = this.#generation;
    if (known !== undefined && performance.now() - known.at < REMEMBER_MS) return known.found;
    let found = await this.#find();
    if (found === undefined && ifNone === 'make') {
      await this.#progress.ensure();
      // By a name that all processes agree on: of any number of them one makes it.
      found = await this.#make(`${this.#alias}-first`, true);
      if (found.uuid === '') throw new SearchIndexError(`there is an index ${this.#alias}-first, and the alias ${this.#alias} does not name it: run rebuild-index`);
    }
    this.#generation = found === undefined ? undefined : { found, at: performance.now() };
    return found;
  }

  async #find(): Promise<Generation | undefined> {
    const found = await orMissing({}, () => this.#client.indices.get({ index: this.#alias, features: ['aliases', 'mappings', 'settings'] }));
    const entries = Object.entries(found);
    const [entry] = entries;
    if (entry === undefined) return undefined;
    const [name, state] = entry;
    if (name === this.#alias) throw new SearchIndexError(`${this.#alias} is an index and not an alias: INDELIBLE_ELASTICSEARCH_INDEX must name something of its own`);
    if (entries.length > 1) throw new SearchIndexError(`the alias ${this.#alias} names ${entries.length} indexes: run rebuild-index`);
    const version: unknown = state.mappings?._meta?.['version'];
    if (version !== MAPPING_VERSION) throw new SearchIndexError(`the index ${name} was not made by this version: run rebuild-index`);
    return this.#generationOf(name, state.settings?.index?.uuid ?? state.settings?.uuid ?? '');
  }

  async #make(name: string, withAlias: boolean): Promise<Generation> {
    await createIndex(this.#client, {
      index: name,
      aliases: { [`${name}-write`]: {}, ...(withAlias && { [this.#alias]: {} }) },
      mappings: { dynamic: 'strict', _meta: { version: MAPPING_VERSION }, properties: PROPERTIES },
      // Made visible by us, after each write and before progress is recorded: nobody else needs it sooner.
      settings: { refresh_interval: '-1', auto_expand_replicas: '0-1' },
    });
    if (withAlias) {
      const found = await this.#find();
      return found ?? this.#generationOf(name, '');
    }
    const state = (await asking('reading the index', () => this.#client.indices.getSettings({ index: name })))[name];
    return this.#generationOf(name, state?.settings?.index?.uuid ?? state?.settings?.uuid ?? '');
  }

  #generationOf(name: string, uuid: string): Generation {
    return new Generation({ name, uuid }, { client: this.#client, host: this.#host, writer: this.#writer, progress: this.#progress, onNote: this.#onNote });
  }

  async #behindAlias(): Promise<string[]> {
    return Object.keys(await orMissing({}, () => this.#client.indices.getAlias({ name: this.#alias })));
  }

  async #delete(name: string): Promise<void> {
    const settings = await orMissing(undefined, () => this.#client.indices.getSettings({ index: name }));
    const uuid = settings?.[name]?.settings?.index?.uuid;
    await orMissing(undefined, () => this.#client.indices.delete({ index: name }));
    if (uuid !== undefined) await this.#progress.drop(uuid);
  }
}

/** A deleted and re-created index has the name it had, and another UUID. */
export interface IndexIdentity {
  readonly name: string;
  readonly uuid: string;
}

export interface Rebuild {
  /** To be filled. */
  readonly generation: Generation;
  /** Moves the alias to it. What it gives deletes the old one: to be called once the new one has caught up. */
  finish(): Promise<() => Promise<void>>;
  /** Deletes it again. */
  abandon(): Promise<void>;
}
