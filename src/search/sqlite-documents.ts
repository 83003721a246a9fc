/**
 * Documents and their inverted index in the view's SQLite file.
 *
 * Filters are terms too: a B-tree a filter would cost more than everything else together when writing, and
 * the full-text index intersects terms well. A filter term is a tag, which no word can begin with, and a
 * short hash of the exact value; so a hit may be a collision and is compared with the document itself.
 */
import type { Sqlite } from '../view/database.js';
import { targetId } from './document.js';
import { EXACT_FIELDS } from './query.js';
import type { CheckedQuery } from './query.js';
import type { SearchDocument, SearchQuery } from './search-index.js';
import { foldText } from './words.js';

/** Entries of a chain a view can hold; with the chain's number before it, an id stays a safe integer. */
export const MAX_SEQUENCE = 2 ** 33 - 1;
const MAX_CHAIN = 2 ** 20 - 1;

/** Tags are C1 controls: the tokenizer keeps them, folded text never holds them. */
const TARGET_TAG = '\u0080';
const TAGS = EXACT_FIELDS.map((field, index) => [field, String.fromCharCode(0x81 + index)] as const);

export interface ChainOfDocuments {
  readonly number: number;
  readonly chainId: string;
  /** Leading entries that can be found. */
  readonly indexed: number;
  readonly firstReceived: string;
  readonly lastReceived: string;
}

interface Row {
  readonly id: number;
  readonly received_at: string;
  readonly document: string;
}

export class DocumentTable {
  readonly #insert;
  readonly #insertTerms;
  readonly #deleteTerms;
  readonly #advance;
  readonly #receivedAt;
  readonly #chain;
  readonly #chains;
  readonly #some;
  readonly #remove;
  readonly #iterate;

  constructor(db: Sqlite) {
    this.#insert = db.prepare<[number, string, string]>('INSERT INTO documents (id, received_at, document) VALUES (?, ?, ?)');
    this.#insertTerms = db.prepare<[number, string]>('INSERT INTO terms (rowid, term) VALUES (?, ?)');
    this.#deleteTerms = db.prepare<[number, string]>(`INSERT INTO terms (terms, rowid, term) VALUES ('delete', ?, ?)`);
    this.#advance = db.prepare<[number, string, string, number]>(
      'UPDATE chains SET indexed = ?, first_received = ?, last_received = ? WHERE number = ?',
    );
    this.#receivedAt = db.prepare<[number], string>('SELECT received_at FROM documents WHERE id = ?').pluck();
    const columns = 'number, chain_id AS chainId, indexed, first_received AS firstReceived, last_received AS lastReceived';
    this.#chain = db.prepare<[string], ChainOfDocuments>(`SELECT ${columns} FROM chains WHERE chain_id = ?`);
    this.#chains = db.prepare<[], ChainOfDocuments>(`SELECT ${columns} FROM chains WHERE chain_id IS NOT NULL`);
    this.#some = db.prepare<[string, number], number>('SELECT rowid FROM terms WHERE terms MATCH ? LIMIT ?').pluck();
    this.#remove = db.prepare<[number, number, number], Row>(
      'DELETE FROM documents WHERE id IN (SELECT id FROM documents WHERE id BETWEEN ? AND ? LIMIT ?) RETURNING *',
    );
    // CROSS JOIN fixes the order of the loops: terms, in rowid order, first. A sort would read every match.
    const matching = `SELECT d.id, d.received_at, d.document FROM terms CROSS JOIN documents d ON d.id = terms.rowid
      WHERE terms MATCH ? AND terms.rowid BETWEEN ? AND ? ORDER BY terms.rowid`;
    const all = 'SELECT id, received_at, document FROM documents WHERE id BETWEEN ? AND ? ORDER BY id';
    this.#iterate = {
      matching: { oldest: matching, newest: `${matching} DESC` },
      all: { oldest: all, newest: `${all} DESC` },
      db,
    };
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
    for (const document of documents) {
      if (document.sequence < indexed) continue;
      if (document.sequence > indexed) throw new RangeError(`"sequence" expected ${indexed}, got ${document.sequence}`);
      const id = idOf(chain.number, indexed);
      this.#insert.run(id, document.receivedAt, encode(document));
      this.#insertTerms.run(id, termsOf(document));
      if (indexed === 0) firstReceived = document.receivedAt;
      lastReceived = document.receivedAt;
      indexed++;
    }
    this.#advance.run(indexed, firstReceived, lastReceived, chain.number);
  }

  /** Deletes up to `limit` documents of a chain. Returns how many there were. Within the caller's transaction. */
  purge(chain: number, limit: number): number {
    const rows = this.#remove.all(idOf(chain, 0), idOf(chain, MAX_SEQUENCE), limit);
    for (const row of rows) this.#deleteTerms.run(row.id, termsOf(decode(row, '')));
    return rows.length;
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

  /** Documents of the chain with a sequence of `from` … `to − 1` that hold all the terms, in the order asked for. */
  *scan(
    chain: ChainOfDocuments,
    match: string | undefined,
    from: number,
    to: number,
    order: SearchQuery['order'],
  ): Generator<SearchDocument> {
    const { db, matching, all } = this.#iterate;
    const [low, high] = [idOf(chain.number, from), idOf(chain.number, to - 1)];
    // A statement of its own for each scan: better-sqlite3 lets a statement run only once at a time.
    const rows =
      match === undefined
        ? db.prepare<[number, number], Row>(all[order]).iterate(low, high)
        : db.prepare<[string, number, number], Row>(matching[order]).iterate(match, low, high);
    for (const row of rows) yield decode(row, chain.chainId);
  }

  /** The numbers of the chains that may hold a match; `undefined` if there are `limit` matches or more. */
  chainsMatching(match: string, limit: number): Set<number> | undefined {
    const ids = this.#some.all(match, limit);
    return ids.length === limit ? undefined : new Set(ids.map((id) => Math.floor(id / (MAX_SEQUENCE + 1))));
  }
}

function idOf(chain: number, sequence: number): number {
  if (chain > MAX_CHAIN || sequence > MAX_SEQUENCE) {
    throw new RangeError(`"sequence" of a view expected at most ${MAX_SEQUENCE}, and ${MAX_CHAIN} chains, got ${sequence}, ${chain}`);
  }
  return chain * (MAX_SEQUENCE + 1) + sequence;
}

/** All terms of a document, for the tokenizer `ascii`. */
function termsOf(document: SearchDocument): string {
  let terms = '';
  for (const [field, tag] of TAGS) {
    const value = document[field];
    if (value !== undefined) terms += `${tag}${valueTerm(value)} `;
  }
  for (const target of document.targets) {
    terms += `${TARGET_TAG}${valueTerm(target)} ${TARGET_TAG}${valueTerm(targetId(target))} `;
  }
  return terms + foldText(document.text);
}

/**
 * The terms a query asks for in FTS5's syntax; `undefined` if it asks for none. A word is made of letters
 * and digits and is quoted, so nothing a user types is ever syntax.
 */
export function matchOf({ query, words }: CheckedQuery): string | undefined {
  const terms: string[] = [];
  for (const [field, tag] of TAGS) {
    const value = query[field];
    if (value !== undefined) terms.push(`"${tag}${valueTerm(value)}"`);
  }
  if (query.target !== undefined) terms.push(`"${TARGET_TAG}${valueTerm(query.target)}"`);
  for (const word of words) terms.push(`"${word}"*`);
  return terms.length === 0 ? undefined : terms.join(' AND ');
}

/**
 * A value as a term of seven letters: 32 bits of hash. A term that other values share costs a document read in
 * vain. Not by toString(36), which takes longer than all the rest.
 */
function valueTerm(value: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return String.fromCharCode(
    letter(hash),
    letter(hash >>> 5),
    letter(hash >>> 10),
    letter(hash >>> 15),
    letter(hash >>> 20),
    letter(hash >>> 25),
    letter(hash >>> 30),
  );
}

/** Five bits as one of a–z and 2–7. */
function letter(bits: number): number {
  const value = bits & 31;
  return value < 26 ? 97 + value : 24 + value;
}

/** A document without what its row says already, by position: a third shorter than with member names. */
function encode(document: SearchDocument): string {
  return JSON.stringify([
    document.entryId,
    document.occurredAt,
    document.action,
    document.actorType,
    document.actorId,
    document.actorName,
    document.outcome,
    document.category,
    document.ip,
    document.requestId,
    document.traceId,
    document.targets,
    document.text,
  ]);
}

type Encoded = [
  entryId: string,
  occurredAt: string | null,
  action: string,
  actorType: string,
  actorId: string,
  actorName: string | null,
  outcome: string | null,
  category: string | null,
  ip: string | null,
  requestId: string | null,
  traceId: string | null,
  targets: string[],
  text: string,
];

function decode(row: Row, chainId: string): SearchDocument {
  const [entryId, occurredAt, action, actorType, actorId, actorName, outcome, category, ip, requestId, traceId, targets, text] =
    JSON.parse(row.document) as Encoded;
  return {
    chainId,
    sequence: row.id % (MAX_SEQUENCE + 1),
    entryId,
    receivedAt: row.received_at,
    ...(occurredAt !== null && { occurredAt }),
    action,
    actorType,
    actorId,
    ...(actorName !== null && { actorName }),
    ...(outcome !== null && { outcome }),
    ...(category !== null && { category }),
    ...(ip !== null && { ip }),
    ...(requestId !== null && { requestId }),
    ...(traceId !== null && { traceId }),
    targets,
    text,
  };
}
