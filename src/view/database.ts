/**
 * The view's file: its tables, and opening it. The file is derived, so one that is damaged or of another
 * version is deleted and made anew; nothing in it is worth a repair.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { ViewError, asViewError } from './errors.js';

export type Sqlite = Database.Database;

/** "Indv" as a 32-bit number: tells our file from any other SQLite database. */
const APPLICATION_ID = 0x496e6476;
/** Raise it with every change to a table *or* to how documents become terms; older files are made anew. */
const SCHEMA_VERSION = 1;
/** Milliseconds to wait for another process's write; it holds the lock for one batch, some tens of milliseconds. */
const BUSY_TIMEOUT = 10_000;
/** Readers wait only while a process recovers or closes the file; and they hold up requests. */
const READER_TIMEOUT = 1_000;
/** Pages (of 4 KiB) in the write-ahead log before it is copied into the file: few, large, synced copies. */
const CHECKPOINT_PAGES = 16_384;

/**
 * `chains.number` stands for the chain in all other tables, so that forgetting a chain is one update: the
 * row loses its name, and its rows, now unreachable, are purged in slices. AUTOINCREMENT: never used twice.
 *
 * `pending` holds the payloads of segments whose documents are not searchable yet: ids, positions and tiles
 * are what appends wait for, the search index is worked off behind them.
 *
 * `documents.id` is number × 2^33 + sequence. `shards` are the parts of the inverted index, each with a table
 * `terms_<shard>` made when it is begun; `extents` say which sequences of a chain a shard holds.
 */
const SCHEMA = `
  CREATE TABLE chains (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chain_id TEXT UNIQUE,
    size INTEGER NOT NULL DEFAULT 0,
    last_entry_hash TEXT NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0,
    first_received TEXT NOT NULL DEFAULT '',
    last_received TEXT NOT NULL DEFAULT ''
  );
  CREATE TABLE segments (
    chain INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (chain, first)
  ) WITHOUT ROWID;
  CREATE TABLE ids (
    chain INTEGER NOT NULL, entry_id TEXT NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (chain, entry_id)
  ) WITHOUT ROWID;
  CREATE TABLE tiles (
    chain INTEGER NOT NULL, level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL,
    PRIMARY KEY (chain, level, tile)
  );
  CREATE TABLE pending (
    id INTEGER PRIMARY KEY, chain INTEGER NOT NULL, first INTEGER NOT NULL, payloads TEXT NOT NULL
  );
  CREATE TABLE documents (id INTEGER PRIMARY KEY, received_at TEXT NOT NULL, document TEXT NOT NULL);
  CREATE TABLE shards (
    shard INTEGER PRIMARY KEY, documents INTEGER NOT NULL, oldest TEXT NOT NULL, newest TEXT NOT NULL,
    merged INTEGER NOT NULL
  );
  CREATE TABLE extents (
    chain INTEGER NOT NULL, shard INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (chain, shard)
  ) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** A view found to be damaged: which file that was, and what was wrong with it. */
export interface Replacement {
  readonly inode: number | undefined;
  readonly reason: string;
}

/**
 * Opens `file` for reading and writing and gives it to `use`; what `use` returns is returned. If the file, or
 * `use`, shows that it is damaged or of another version, it is deleted and both run once more on a new one,
 * with the reason. `:memory:` is always new.
 *
 * @param replace a file known to be damaged: it is deleted first, unless another process already did that.
 * @throws ViewError `io`, `full` or `busy`
 */
export function openOrRemake<T>(
  file: string,
  use: (db: Sqlite, remade: string | undefined) => T,
  replace?: Replacement,
): T {
  if (file === ':memory:') return use(prepared(new Database(file)), replace?.reason);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ViewError('io', `cannot make the folder of ${file}`, cause);
  }
  // Between looking at the file and replacing it nobody else may open it: a process that opened the old
  // file and the new file's write-ahead log would damage both.
  return exclusively(file, () => {
    let reason: string | undefined;
    if (replace !== undefined && inodeOf(file) === replace.inode) {
      removeFile(file);
      reason = replace.reason;
    }
    try {
      return tryOpen(file, (db) => use(db, reason));
    } catch (cause) {
      if (!(cause instanceof ViewError) || cause.code !== 'corrupt') throw cause;
      removeFile(file);
      return tryOpen(file, (db) => use(db, cause.message));
    }
  });
}

/** Opens an existing view for reading only. @throws ViewError */
export function openReadonly<T>(file: string, use: (db: Sqlite) => T): T {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true, timeout: READER_TIMEOUT });
    return closingOnError(db, () => {
      checkVersion(db);
      return use(db);
    });
  } catch (cause) {
    throw asViewError(cause);
  }
}

/** Which file the path names now; a new file of the same name has another number. */
export function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

function tryOpen<T>(file: string, use: (db: Sqlite) => T): T {
  try {
    const db = new Database(file, { timeout: BUSY_TIMEOUT });
    return closingOnError(db, () => use(prepared(db)));
  } catch (cause) {
    // Our statements are fixed: if one cannot even be prepared, the tables are of another shape.
    if (cause instanceof Database.SqliteError && cause.code === 'SQLITE_ERROR') {
      throw new ViewError('corrupt', cause.message, cause);
    }
    throw asViewError(cause);
  }
}

function closingOnError<T>(db: Sqlite, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    db.close();
    throw cause;
  }
}

function prepared(db: Sqlite): Sqlite {
  db.pragma('journal_mode = WAL');
  // NORMAL, not OFF: an answer "this id is not in the chain" must be true also after a power cut, and with
  // OFF the file may then have lost pages without showing it. With large checkpoints it costs little.
  db.pragma('synchronous = NORMAL');
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.pragma('journal_size_limit = 134217728');
  db.pragma('cache_size = -65536');
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
  if (tables === 0) db.transaction(() => db.exec(SCHEMA)).immediate();
  checkVersion(db);
  return db;
}

function checkVersion(db: Sqlite): void {
  const application = db.pragma('application_id', { simple: true });
  const version = db.pragma('user_version', { simple: true });
  if (application !== APPLICATION_ID || version !== SCHEMA_VERSION) {
    throw new ViewError('corrupt', `schema expected ${SCHEMA_VERSION}, got ${String(version)} of application ${String(application)}`);
  }
}

function removeFile(file: string): void {
  try {
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  } catch (cause) {
    throw new ViewError('io', `cannot delete ${file}`, cause);
  }
}

/** A mutex between processes that a crash releases: an exclusive SQLite lock on an empty file beside the view. */
function exclusively<T>(file: string, work: () => T): T {
  const lockFile = `${file}.lock`;
  let lock: Sqlite | undefined;
  try {
    lock = new Database(lockFile, { timeout: 30_000 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock?.close();
    throw asViewError(cause);
  }
  try {
    return work();
  } finally {
    lock.close();
  }
}
