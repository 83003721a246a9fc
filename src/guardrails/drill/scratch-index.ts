/** The scratch index, behind an alias of its own. Each thing an attack can do to it names an index, and only its own will do. */
import type { Client } from '@elastic/elasticsearch';
import type { Logger } from 'pino';
import type { SearchParts } from '../../compose/search.js';
import { openSearch } from '../../compose/search.js';
import type { Config } from '../../config.js';
import type { ReconciledCopy } from '../../reconcile/copies.js';
import { connect, statusOf } from '../../search/elasticsearch-client.js';
import { documentId } from '../../search/elasticsearch-documents.js';
import { answerTo } from './answer.js';
import type { Answer } from './answer.js';
import type { Rights } from './attack.js';
import { assertScratch } from './guard.js';
import { ScratchError } from './scratch-bucket.js';
import type { ScratchLedger } from './scratch-ledger.js';

export interface IndexHands {
  delete(index: string): Promise<Answer>;
  edit(index: string, id: string, change: Readonly<Record<string, unknown>>): Promise<Answer>;
  drop(index: string, id: string): Promise<Answer>;
}

export class ScratchIndex {
  readonly alias: string;
  readonly copy: ReconciledCopy;
  readonly #search: SearchParts;
  readonly #clients: Readonly<Record<Rights, Client>>;

  private constructor(alias: string, search: SearchParts, copy: ReconciledCopy, clients: Readonly<Record<Rights, Client>>) {
    this.alias = alias;
    this.#search = search;
    this.copy = copy;
    this.#clients = clients;
  }

  /** @param configs of each of the rights, with the scratch alias in them @throws ScratchError if the name is taken */
  static async open(configs: Readonly<Record<Rights, Config>>, ledger: ScratchLedger, log: Logger): Promise<ScratchIndex> {
    const { elasticsearchIndex: alias } = configs.writer;
    const clients = { writer: connectAs(configs.writer), administrator: connectAs(configs.administrator) };
    const search = await openSearch(configs.writer, ledger.view, log);
    const index = new ScratchIndex(alias, search, search.copy({ ledger: ledger.ledger, index: ledger.index }), clients);
    try {
      const taken = await index.#all();
      if (taken.length > 0) throw new ScratchError(`there is an index ${taken.join(', ')} already, and it is not this drill's: leave it alone and start the drill again`);
      return index;
    } catch (error) {
      await index.close();
      throw error;
    }
  }

  /** Until the index holds all of the log; `work` is the wait for it. Nothing feeds it afterwards. */
  async filled(ledger: ScratchLedger, work: () => Promise<void>): Promise<void> {
    const following = this.#search.follow(ledger.ledger);
    try {
      await work();
    } finally {
      await following.close();
    }
  }

  /** The index behind the alias. */
  async behind(): Promise<string> {
    const [name] = Object.keys(await this.#clients.administrator.indices.getAlias({ name: this.alias }));
    if (name === undefined) throw new Error(`no index stands behind the alias ${this.alias}`);
    return name;
  }

  hands(rights: Rights): IndexHands {
    const client = this.#clients[rights];
    return {
      delete: (index) => this.#send(`DELETE /${index}`, index, () => client.indices.delete({ index })),
      edit: (index, id, doc) => this.#send(`POST /${index}/_update/${id}`, index, () => client.update({ index, id, doc, refresh: true })),
      drop: (index, id) => this.#send(`DELETE /${index}/_doc/${id}`, index, () => client.delete({ index, id, refresh: true })),
    };
  }

  /** The document of an entry, by the administrator's rights; `undefined`: it, or the whole index, is not there. */
  async document(index: string, chainId: string, sequence: number): Promise<string | undefined> {
    try {
      const { _source } = await this.#clients.administrator.get({ index, id: documentId({ chainId, sequence }) });
      return JSON.stringify(_source);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Removes the indexes. Gives the names of those that stay. */
  async remove(): Promise<readonly string[]> {
    for (const index of await this.#all()) await this.#clients.administrator.indices.delete({ index }).catch(() => undefined);
    return this.#all();
  }

  async close(): Promise<void> {
    await this.#search.close();
    for (const client of Object.values(this.#clients)) await client.close();
  }

  /** A generation is called after its alias, which no other index begins with: it ends with random digits. */
  #send(request: string, index: string, send: () => Promise<unknown>): Promise<Answer> {
    return answerTo(request, () => {
      if (!index.startsWith(`${this.alias}-`) || /[*,]/.test(index)) assertScratch('index', index, this.alias);
      return send();
    });
  }

  async #all(): Promise<string[]> {
    const found = await this.#clients.administrator.indices.get({ index: `${this.alias}*`, allow_no_indices: true, features: ['aliases'] });
    return Object.keys(found);
  }
}

function connectAs({ elasticsearchUrl = '', elasticsearchApiKey, elasticsearchTlsCaFile }: Config): Client {
  return connect({ url: elasticsearchUrl, apiKey: elasticsearchApiKey, tlsCaFile: elasticsearchTlsCaFile });
}
