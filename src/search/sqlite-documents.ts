/** The documents in the view's SQLite file, each a row, and the index that finds them. */
import type { Sqlite } from '../view/database.js';
import type { SearchDocument } from './search-index.js';
import type { TermsOfDocument } from './sqlite-shards.js';
import { TermShards } from './sqlite-shards.js';
import { decode, encode, termsOf } from './sqlite-terms.js';

/** Entries of a chain a view can hold; with the chain's number before it, an id stays a safe integer. */
export const MAX_SEQUENCE = 2 ** 33 - 1;
const MAX_CHAIN = 2 ** 20 - 1;

export interface ChainOfDocuments {
  readonly number: number;
  readonly chainId: string;
  /** Leading entries that can be found. */
  readonly indexed: number;
  readonly firstReceived: string;
  readonly lastReceived: string;
}

interface Row {
  readonly receivedAt: string;
  readonly document: string;
}

export class DocumentTable {
  readonly shards: TermShards;
  readonly #insert;
  readonly #advance;
  readonly #receivedAt;
  readonly #get;
  readonly #chain;
  readonly #chains;
  readonly #remove;

  constructor(db: Sqlite) {
    this.shards = new TermShards(db);
    this.#insert = db.prepare<[number, string, string]>('INSERT INTO documents (id, received_at, document) VALUES (?, ?, ?)');
    this.#advance = db.prepare<[number, string, string, number]>(
      'UPDATE chains SET indexed = ?, first_received = ?, last_received = ? WHERE number = ?',
    );
    this.#receivedAt = db.prepare<[number], string>('SELECT received_at FROM documents WHERE id = ?').pluck();
    this.#get = db.prepare<[number], Row>('SELECT received_at AS receivedAt, document FROM documents WHERE id = ?');
    const columns = 'number, chain_id AS chainId, indexed, first_received AS firstReceived, last_received AS lastReceived';
    this.#chain = db.prepare<[string], ChainOfDocuments>(`SELECT ${columns} FROM chains WHERE chain_id = ?`);
    this.#chains = db.prepare<[], ChainOfDocuments>(`SELECT ${columns} FROM chains WHERE chain_id IS NOT NULL`);
    this.#remove = db.prepare<[number, number, number], Row & { readonly id: number }>(
      `DELETE FROM documents WHERE id IN (SELECT id FROM documents WHERE id BETWEEN ? AND ? LIMIT ?)
       RETURNING id, received_at AS receivedAt, document`,
    );
  }

  chain(chainId: string): ChainOfDocuments | undefined {
    return this.#chain.get(chainId);
  }

  chains(): ChainOfDocuments[] {
    return this.#chains.all();
  }

  /**
   * Adds documents at the end of what is indexed of the chain; those that are there are left alone. Within the
   * caller's transaction. @throws RangeError at a gap
   */
  append(chain: ChainOfDocuments, documents: readonly SearchDocument[]): void {
    let { indexed, firstReceived, lastReceived } = chain;
    const added: TermsOfDocument[] = [];
    for (const document of documents) {
      const { sequence, receivedAt } = document;
      if (sequence < indexed) continue;
      if (sequence > indexed) throw new RangeError(`"sequence" expected ${indexed}, got ${sequence}`);
      const id = idOf(chain.number, sequence);
      this.#insert.run(id, receivedAt, encode(document));
      added.push({ id, sequence, receivedAt, terms: termsOf(document) });
      if (indexed === 0) firstReceived = receivedAt;
      lastReceived = receivedAt;
      indexed++;
    }
    if (added.length === 0) return;
    this.shards.append(chain.number, added);
    this.#advance.run(indexed, firstReceived, lastReceived, chain.number);
  }

  /** Deletes up to `limit` documents of a chain. Returns how many there were. Within the caller's transaction. */
  purge(chain: number, limit: number): number {
    const rows = this.#remove.all(idOf(chain, 0), idOf(chain, MAX_SEQUENCE), limit);
    for (const { id, receivedAt, document } of rows) {
      const sequence = sequenceOf(id);
      this.shards.remove(chain, sequence, id, termsOf(decode(document, '', sequence, receivedAt)));
    }
    return rows.length;
  }

  get(chain: ChainOfDocuments, sequence: number): SearchDocument | undefined {
    const row = this.#get.get(idOf(chain.number, sequence));
    return row === undefined ? undefined : decode(row.document, chain.chainId, sequence, row.receivedAt);
  }

  /**
   * The first of the `indexed` leading sequences received at `time` or later (`after`: later). Right because
   * `receivedAt` never runs backwards within a chain.
   */
  sequenceAt(chain: ChainOfDocuments, time: string, after: boolean): number {
    const isLater = (received: string): boolean => received > time || (!after && received === time);
    if (chain.indexed === 0 || isLater(chain.firstReceived)) return 0;
    if (!isLater(chain.lastReceived)) return chain.indexed;
    let earlier = 0;
    let later = chain.indexed - 1;
    while (later - earlier > 1) {
      const middle = Math.floor((earlier + later) / 2);
      if (isLater(this.#receivedAt.get(idOf(chain.number, middle)) ?? '')) later = middle;
      else earlier = middle;
    }
    return later;
  }
}

/** Sorts by chain, then by sequence. */
export function idOf(chain: number, sequence: number): number {
  if (chain > MAX_CHAIN || sequence > MAX_SEQUENCE) {
    throw new RangeError(`a view holds at most ${MAX_CHAIN} chains of ${MAX_SEQUENCE} entries, got chain ${chain}, entry ${sequence}`);
  }
  return chain * (MAX_SEQUENCE + 1) + sequence;
}

export function chainOf(id: number): number {
  return Math.floor(id / (MAX_SEQUENCE + 1));
}

export function sequenceOf(id: number): number {
  return id % (MAX_SEQUENCE + 1);
}
