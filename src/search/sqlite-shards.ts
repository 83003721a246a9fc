/**
 * The inverted index of the view: which documents hold a term. Cut into shards by the time of indexing, each
 * a full-text table of its own. A word asked for by its beginning makes SQLite collect all its postings
 * before the first one comes out: within a shard that is milliseconds, within everything it would be seconds.
 * And a shard that is full is merged once and never written again.
 */
import type { Statement } from 'better-sqlite3';
import type { Sqlite } from '../view/database.js';

/** Documents in a shard, about: the last batch may go beyond. */
const SHARD_SIZE = 65_536;
/** Pages (4 KiB) merged in one step: some tens of milliseconds. */
const MERGE_PAGES = 200;

/**
 * No content, positions or sizes: only "which documents hold this term". `automerge`: pieces merged into one at
 * a time; with the default of 4 each posting is rewritten more often than it pays while a shard is filling.
 */
const DDL = (table: string): string => `
  CREATE VIRTUAL TABLE ${table} USING fts5 (term, content='', columnsize=0, detail=none, tokenize='ascii');
  INSERT INTO ${table} (${table}, rank) VALUES ('automerge', 64), ('crisismerge', 192);
`;

export interface Shard {
  readonly shard: number;
  readonly documents: number;
  /** The earliest and latest `receivedAt` in it. */
  readonly oldest: string;
  readonly newest: string;
}

export class TermShards {
  readonly #db: Sqlite;
  readonly #last;
  readonly #all;
  readonly #ofChain;
  readonly #create;
  readonly #grow;
  readonly #extend;
  readonly #shardOf;
  readonly #unmerged;
  readonly #merged;
  #writer: { readonly shard: number; readonly insert: Statement<[number, string]> } | undefined;

  constructor(db: Sqlite) {
    this.#db = db;
    const columns = 'shard, documents, oldest, newest';
    this.#last = db.prepare<[], Shard>(`SELECT ${columns} FROM shards ORDER BY shard DESC LIMIT 1`);
    this.#all = db.prepare<[], Shard>(`SELECT ${columns} FROM shards`);
    this.#ofChain = db.prepare<[number, number, number], Shard>(
      `SELECT ${columns} FROM extents JOIN shards USING (shard) WHERE chain = ? AND last >= ? AND first < ?`,
    );
    this.#create = db.prepare(`INSERT INTO shards (documents, oldest, newest, merged) VALUES (0, '~', '', 0)`);
    this.#grow = db.prepare<[number, string, string, number]>(
      'UPDATE shards SET documents = documents + ?, oldest = min(oldest, ?), newest = max(newest, ?) WHERE shard = ?',
    );
    this.#extend = db.prepare<[number, number, number, number]>(
      `INSERT INTO extents (chain, shard, first, last) VALUES (?, ?, ?, ?)
       ON CONFLICT (chain, shard) DO UPDATE SET last = excluded.last`,
    );
    this.#shardOf = db
      .prepare<[number, number], number>('SELECT shard FROM extents WHERE chain = ? AND ? BETWEEN first AND last')
      .pluck();
    this.#unmerged = db
      .prepare<[number], number>('SELECT shard FROM shards WHERE merged = 0 AND documents >= ? LIMIT 1')
      .pluck();
    this.#merged = db.prepare<[number]>('UPDATE shards SET merged = 1 WHERE shard = ?');
  }

  /**
   * Adds the terms of documents that follow each other in a chain; `ids` ascend. Within the caller's transaction.
   */
  append(chain: number, added: readonly TermsOfDocument[]): void {
    const [first, last] = [added[0], added.at(-1)];
    if (first === undefined || last === undefined) return;
    const shard = this.#current();
    if (this.#writer?.shard !== shard) {
      this.#writer = { shard, insert: this.#db.prepare(`INSERT INTO terms_${shard} (rowid, term) VALUES (?, ?)`) };
    }
    for (const { id, terms } of added) this.#writer.insert.run(id, terms);
    this.#grow.run(added.length, first.receivedAt, last.receivedAt, shard);
    this.#extend.run(chain, shard, first.sequence, last.sequence);
  }

  #current(): number {
    const last = this.#last.get();
    if (last !== undefined && last.documents < SHARD_SIZE) return last.shard;
    const shard = Number(this.#create.run().lastInsertRowid);
    this.#db.exec(DDL(`terms_${shard}`));
    return shard;
  }

  /** Takes a document out again: its terms must be the ones that were added. Within the caller's transaction. */
  remove(chain: number, sequence: number, id: number, terms: string): void {
    const shard = this.#shardOf.get(chain, sequence);
    if (shard === undefined) return;
    const table = `terms_${shard}`;
    this.#db.prepare<[number, string]>(`INSERT INTO ${table} (${table}, rowid, term) VALUES ('delete', ?, ?)`).run(id, terms);
  }

  all(): Shard[] {
    return this.#all.all();
  }

  /** Shards that may hold documents of the chain with a sequence of `from` … `to − 1`. */
  ofChain(chain: number, from: number, to: number): Shard[] {
    return this.#ofChain.all(chain, from, to);
  }

  /** Ids between `low` and `high` that hold all the terms, in order. Read on demand. */
  *matches(shard: number, match: string, low: number, high: number, descending: boolean): Generator<number> {
    const table = `terms_${shard}`;
    const order = descending ? 'DESC' : 'ASC';
    // A statement for each call: better-sqlite3 lets a statement run only once at a time. And a generator: its
    // iterator blocks writes from the moment it is made, and the caller may never come to it.
    yield* this.#db
      .prepare<[string, number, number], number>(
        `SELECT rowid FROM ${table} WHERE ${table} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid ${order}`,
      )
      .pluck()
      .iterate(match, low, high);
  }

  /** All ids that hold all the terms, ascending. */
  allMatches(shard: number, match: string): number[] {
    const table = `terms_${shard}`;
    return this.#db
      .prepare<[string], number>(`SELECT rowid FROM ${table} WHERE ${table} MATCH ? ORDER BY rowid`)
      .pluck()
      .all(match);
  }

  /** Does one step of merging full shards; false when there is nothing to merge. Within the caller's transaction. */
  merge(): boolean {
    const shard = this.#unmerged.get(SHARD_SIZE);
    if (shard === undefined) return false;
    const table = `terms_${shard}`;
    const changes = this.#db.prepare<[], number>('SELECT total_changes()').pluck();
    const before = changes.get() ?? 0;
    // A negative number asks for one piece in the end, whatever is there (FTS5, "merge"); less than two changes
    // mean there was nothing to do.
    this.#db.exec(`INSERT INTO ${table} (${table}, rank) VALUES ('merge', ${-MERGE_PAGES})`);
    if ((changes.get() ?? 0) - before < 2) this.#merged.run(shard);
    return true;
  }

  /** Whether `merge` has something to do. */
  get isMergeDue(): boolean {
    return this.#unmerged.get(SHARD_SIZE) !== undefined;
  }
}

export interface TermsOfDocument {
  readonly id: number;
  readonly sequence: number;
  readonly receivedAt: string;
  readonly terms: string;
}
