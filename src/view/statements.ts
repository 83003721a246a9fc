/** The SQL of the view, but for tiles and documents. */
import type { Statement } from 'better-sqlite3';
import type { Sqlite } from './database.js';

export interface ChainRow {
  readonly number: number;
  readonly size: number;
  readonly lastEntryHash: string;
}

export interface PendingRow {
  readonly id: number;
  readonly chainId: string;
  readonly first: number;
  readonly payloads: string;
}

export interface Statements {
  readonly chain: Statement<[chainId: string], ChainRow>;
  readonly chainIds: Statement<[], string>;
  readonly addChain: Statement<[chainId: string, lastEntryHash: string]>;
  readonly extend: Statement<[size: number, lastEntryHash: string, number: number]>;
  readonly orphan: Statement<[chainId: string]>;
  readonly someOrphan: Statement<[], number>;
  readonly dropChain: Statement<[number: number]>;
  readonly sequenceOf: Statement<[chainId: string, entryId: string], number>;
  readonly ids: Statement<[chainId: string, after: string, limit: number], string>;
  readonly segment: Statement<[chainId: string, sequence: number], { firstSequence: number; count: number }>;
  readonly addId: Statement<[chain: number, entryId: string, sequence: number]>;
  readonly addSegment: Statement<[chain: number, first: number, count: number]>;
  readonly addPending: Statement<[chain: number, first: number, payloads: string]>;
  readonly somePending: Statement<[], number>;
  readonly nextPending: Statement<[], PendingRow>;
  readonly dropPending: Statement<[id: number]>;
  /** Each deletes up to so many rows of a forgotten chain from one table. */
  readonly purge: readonly Statement<[chain: number, limit: number]>[];
}

export function prepareStatements(db: Sqlite): Statements {
  const numberOf = '(SELECT number FROM chains WHERE chain_id = ?)';
  return {
    chain: db.prepare('SELECT number, size, last_entry_hash AS lastEntryHash FROM chains WHERE chain_id = ?'),
    chainIds: db.prepare<[], string>('SELECT chain_id FROM chains WHERE chain_id IS NOT NULL ORDER BY chain_id').pluck(),
    addChain: db.prepare('INSERT INTO chains (chain_id, last_entry_hash) VALUES (?, ?)'),
    extend: db.prepare('UPDATE chains SET size = ?, last_entry_hash = ? WHERE number = ?'),
    orphan: db.prepare('UPDATE chains SET chain_id = NULL WHERE chain_id = ?'),
    someOrphan: db.prepare<[], number>('SELECT number FROM chains WHERE chain_id IS NULL LIMIT 1').pluck(),
    dropChain: db.prepare('DELETE FROM chains WHERE number = ?'),
    sequenceOf: db.prepare<[string, string], number>(`SELECT sequence FROM ids WHERE chain = ${numberOf} AND entry_id = ?`).pluck(),
    ids: db
      .prepare<[string, string, number], string>(`SELECT entry_id FROM ids WHERE chain = ${numberOf} AND entry_id > ? ORDER BY entry_id LIMIT ?`)
      .pluck(),
    segment: db.prepare(
      `SELECT first AS firstSequence, count FROM segments WHERE chain = ${numberOf} AND first <= ? ORDER BY first DESC LIMIT 1`,
    ),
    // A chain holds an id once. Should a store ever hold it twice, the first stays the answer.
    addId: db.prepare('INSERT OR IGNORE INTO ids (chain, entry_id, sequence) VALUES (?, ?, ?)'),
    addSegment: db.prepare('INSERT INTO segments (chain, first, count) VALUES (?, ?, ?)'),
    addPending: db.prepare('INSERT INTO pending (chain, first, payloads) VALUES (?, ?, ?)'),
    somePending: db.prepare<[], number>('SELECT 1 FROM pending JOIN chains ON number = chain WHERE chain_id IS NOT NULL LIMIT 1').pluck(),
    nextPending: db.prepare(
      `SELECT id, chain_id AS chainId, first, payloads FROM pending JOIN chains ON number = chain
       WHERE chain_id IS NOT NULL ORDER BY id LIMIT 1`,
    ),
    dropPending: db.prepare('DELETE FROM pending WHERE id = ?'),
    purge: [
      'DELETE FROM pending WHERE id IN (SELECT id FROM pending WHERE chain = ? LIMIT ?)',
      'DELETE FROM extents WHERE (chain, shard) IN (SELECT chain, shard FROM extents WHERE chain = ? LIMIT ?)',
      'DELETE FROM segments WHERE (chain, first) IN (SELECT chain, first FROM segments WHERE chain = ? LIMIT ?)',
      'DELETE FROM tiles WHERE rowid IN (SELECT rowid FROM tiles WHERE chain = ? LIMIT ?)',
      'DELETE FROM ids WHERE (chain, entry_id) IN (SELECT chain, entry_id FROM ids WHERE chain = ? LIMIT ?)',
    ].map((sql) => db.prepare(sql)),
  };
}
