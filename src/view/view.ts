/**
 * The replica's local view of the store: ids, positions, Merkle tiles and searchable metadata in one SQLite
 * file. Derived and disposable: delete the file while no process uses it, and it is built again. Several
 * processes may share the file: each adds what it sees, and whatever is there already is left alone.
 */
import { ViewError, asViewError, attempt } from './errors.js';
import type { Replacement, Sqlite } from './database.js';
import { inodeOf, openOrRemake, openReadonly } from './database.js';
import type { HashReader } from '../core/merkle.js';
import type { ViewSegment } from './segment.js';
import { ZERO_HASH, checkSegment, entryIdOf } from './segment.js';
import type { ChainRow, Statements } from './statements.js';
import { prepareStatements } from './statements.js';
import { TileTable } from './tiles.js';
import { searchDocument } from '../search/document.js';
import type { SearchDocument } from '../search/search-index.js';
import type { ChainOfDocuments } from '../search/sqlite-documents.js';
import { DocumentTable } from '../search/sqlite-documents.js';

export type { ViewSegment } from './segment.js';

/**
 * - `added`: its entries are in the view now. - `already`: they were.
 * - `gap`: entries before it are missing, nothing was written. Also the answer when the view turned out to
 *   hold another history: that has been forgotten, so `through` says 0 and the chain must be fed again.
 */
export type AddOutcome = 'added' | 'already' | 'gap';

export interface Through {
  /** Number of leading entries in the view. */
  readonly size: number;
  /** Of the last one, as 64 hexadecimal digits; zeros for size 0. */
  readonly lastEntryHash: string;
}

/** What somebody who operates the service would want to know. */
export interface ViewNote {
  readonly kind: 'remade' | 'forgotten' | 'unreadable_payload';
  readonly message: string;
  readonly chainId?: string;
}

export interface ViewOptions {
  /** Another process or thread writes; this one only looks up. The file must exist. Default false. */
  readonly readonly?: boolean;
  /** Told of what the view decided on its own. Default: nobody. */
  readonly onNote?: (note: ViewNote) => void;
  /** A view found to be damaged (its `inode`), to open a new one instead; and what was wrong. */
  readonly replace?: Replacement;
}

/** Rows of a forgotten chain deleted in one step: some tens of milliseconds of write lock. */
const PURGE_STEP = 2_000;

export class View {
  /** Identifies the file behind the path; `undefined` for `:memory:`. For `ViewOptions.replace`. */
  readonly inode: number | undefined;
  readonly #db: Sqlite;
  readonly #tiles: TileTable;
  readonly #documents: DocumentTable;
  readonly #statements: Statements;
  readonly #onNote: (note: ViewNote) => void;

  /**
   * Opens the view at `file`, or a private one for `:memory:`. A file that is damaged or of another version
   * is deleted and made anew, with a `remade` note.
   * @throws ViewError `io`, `full`, `busy`; with `readonly` also `corrupt`
   */
  static open(file: string, options: ViewOptions = {}): View {
    if (options.readonly === true) return openReadonly(file, (db) => new View(db, inodeOf(file), options));
    return openOrRemake(
      file,
      (db, remade) => {
        const view = new View(db, inodeOf(file), options);
        if (remade !== undefined) options.onNote?.({ kind: 'remade', message: `${file} was made anew: ${remade}` });
        return view;
      },
      options.replace,
    );
  }

  private constructor(db: Sqlite, inode: number | undefined, options: ViewOptions) {
    this.inode = inode;
    this.#db = db;
    this.#tiles = new TileTable(db);
    this.#documents = new DocumentTable(db);
    this.#statements = prepareStatements(db);
    this.#onNote = options.onNote ?? (() => undefined);
  }

  through(chainId: string): Through {
    return attempt(() => {
      const row = this.#statements.chain.get(chainId);
      return { size: row?.size ?? 0, lastEntryHash: row?.lastEntryHash ?? ZERO_HASH };
    });
  }

  /** Ids of the chains of which the view holds anything, in ascending order. */
  chains(): string[] {
    return attempt(() => this.#statements.chainIds.all());
  }

  /** The position of an entry; `undefined` if none of the entries `through` counts has the id. */
  sequenceOf(chainId: string, entryId: string): number | undefined {
    return attempt(() => this.#statements.sequenceOf.get(chainId, entryId));
  }

  segmentCovering(chainId: string, sequence: number): { firstSequence: number; count: number } | undefined {
    return attempt(() => {
      const row = this.#statements.segment.get(chainId, sequence);
      return row !== undefined && sequence < row.firstSequence + row.count ? row : undefined;
    });
  }

  /** Up to `limit` entry ids of the chain in ascending order, behind `after`. To go through all of them in pages. */
  ids(chainId: string, after = '', limit = 10_000): string[] {
    return attempt(() => this.#statements.ids.all(chainId, after, limit));
  }

  /**
   * Hashes of the chain's tree up to `through`. Ask anew for each proof: what the reader has computed is kept
   * here, and a chain that was forgotten since needs another reader.
   * @throws RangeError (by the reader) if the view does not hold the whole subtree
   */
  hashes(chainId: string): HashReader {
    const chain = attempt(() => this.#statements.chain.get(chainId));
    const reader = this.#tiles.reader(chain?.number ?? 0);
    return { subtree: (level, index) => attempt(() => reader.subtree(level, index)) };
  }

  /** @throws ViewError; RangeError if the segment contradicts itself */
  addSegment(segment: ViewSegment): AddOutcome {
    const [outcome] = this.addSegments([segment], 'now');
    if (outcome === undefined) throw new RangeError('no outcome');
    return outcome;
  }

  /**
   * Adds segments, in this order, in one transaction: all outcomes hold, or an error is thrown and none does.
   * @param documents when they become searchable: in this transaction, or by `maintain`, which takes three
   *   times as long as everything else
   */
  addSegments(segments: readonly ViewSegment[], documents: 'now' | 'later'): AddOutcome[] {
    segments.forEach(checkSegment);
    return attempt(() => {
      // Of the processes that share the file one adds a segment; the others should not take the lock for it.
      if (segments.every((segment) => this.#isAlready(segment))) return segments.map(() => 'already' as const);
      return this.#db.transaction(() => segments.map((segment) => this.#add(segment, documents))).immediate();
    });
  }

  #isAlready(segment: ViewSegment): boolean {
    const chain = this.#statements.chain.get(segment.chainId);
    return chain !== undefined && segment.firstSequence + segment.payloads.length <= chain.size && this.#isHeld(chain, segment);
  }

  /** A leaf hash stands for the entry and all before it: equal last leaves, equal histories. */
  #isHeld(chain: ChainRow, segment: ViewSegment): boolean {
    const held = this.#tiles.leafHash(chain.number, segment.firstSequence + segment.payloads.length - 1);
    return held !== undefined && Buffer.compare(held, segment.leafHashes.subarray(-32)) === 0;
  }

  #add(segment: ViewSegment, documents: 'now' | 'later'): AddOutcome {
    const { chainId, firstSequence, payloads } = segment;
    let chain = this.#statements.chain.get(chainId);
    const size = chain?.size ?? 0;
    const end = firstSequence + payloads.length;
    if (firstSequence > size) return 'gap';
    if (chain !== undefined) {
      if (end <= size && this.#isHeld(chain, segment)) return 'already';
      if (firstSequence !== size || segment.prevHash !== chain.lastEntryHash) {
        this.#forget(chainId, `entry ${firstSequence} of the store does not continue what the view holds`);
        chain = undefined;
        if (firstSequence !== 0) return 'gap';
      }
    }
    const number = chain?.number ?? this.#newChain(chainId);
    payloads.forEach((payload, i) => {
      this.#statements.addId.run(number, entryIdOf(payload), firstSequence + i);
    });
    this.#tiles.append(number, firstSequence, segment.leafHashes);
    this.#statements.addSegment.run(number, firstSequence, payloads.length);
    this.#statements.extend.run(end, segment.lastEntryHash, number);
    // Documents come in order: behind pending ones these are pending too.
    if (documents === 'later' || this.#documents.chain(chainId)?.indexed !== firstSequence) {
      this.#statements.addPending.run(number, firstSequence, payloads.join('\n'));
    } else {
      this.#index(chainId, firstSequence, payloads);
    }
    return 'added';
  }

  #newChain(chainId: string): number {
    return Number(this.#statements.addChain.run(chainId, ZERO_HASH).lastInsertRowid);
  }

  /** Drops all the view holds of the chain; it will be fed again from its first entry. Takes no time: see `maintain`. */
  forget(chainId: string): void {
    attempt(() => this.#db.transaction(() => this.#forget(chainId, 'asked to')).immediate());
  }

  #forget(chainId: string, why: string): void {
    if (this.#statements.orphan.run(chainId).changes > 0) {
      this.#onNote({ kind: 'forgotten', chainId, message: `chain ${chainId} is dropped from the view: ${why}` });
    }
  }

  /**
   * Does one step of the work that nobody waits for: makes up to about `entries` more entries searchable, 
   * purges some of what was forgotten, or merges some of the search index. Returns false when there is nothing left to do.
   */
  maintain(entries: number): boolean {
    return attempt(() => {
      if (this.#statements.somePending.get() !== undefined) {
        this.#db.transaction(() => this.#indexPending(entries)).immediate();
        return true;
      }
      const orphan = this.#statements.someOrphan.get();
      if (orphan !== undefined) {
        this.#db.transaction(() => this.#purge(orphan)).immediate();
        return true;
      }
      if (!this.#documents.shards.isMergeDue) return false;
      return this.#db.transaction(() => this.#documents.shards.merge()).immediate();
    });
  }

  #indexPending(entries: number): void {
    for (let done = 0; done < entries; ) {
      const row = this.#statements.nextPending.get();
      if (row === undefined) return;
      const payloads = row.payloads.split('\n');
      this.#index(row.chainId, row.first, payloads);
      this.#statements.dropPending.run(row.id);
      done += payloads.length;
    }
  }

  #index(chainId: string, first: number, payloads: readonly string[]): void {
    const chain = this.#documents.chain(chainId);
    if (chain === undefined) return;
    const documents = payloads.map((payload, i) => this.#document(payload, chain, first + i));
    this.#documents.append(chain, documents);
  }

  /** What cannot be read is still there and must not stop the entries behind it from being found. */
  #document(payload: string, chain: ChainOfDocuments, sequence: number): SearchDocument {
    try {
      return searchDocument(payload);
    } catch (cause) {
      const { chainId, lastReceived } = chain;
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#onNote({ kind: 'unreadable_payload', chainId, message: `entry ${sequence} of ${chainId} can be found by position only: ${why}` });
      const entryId = entryIdOf(payload);
      return { chainId, sequence, entryId, receivedAt: lastReceived, action: '', actorType: '', actorId: '', targets: [], text: '' };
    }
  }

  #purge(chain: number): void {
    if (this.#documents.purge(chain, PURGE_STEP) > 0) return;
    const { purge, dropChain } = this.#statements;
    if (purge.some((statement) => statement.run(chain, PURGE_STEP).changes > 0)) return;
    dropChain.run(chain);
  }

  /** Number of leading entries of the chain that can be searched for; follows `through`. */
  indexed(chainId: string): number {
    return attempt(() => this.#documents.chain(chainId)?.indexed ?? 0);
  }

  /** SearchIndex.add. @throws RangeError at a gap; then nothing is written */
  addDocuments(documents: readonly SearchDocument[]): void {
    const chainIds = new Set(documents.map((document) => document.chainId));
    attempt(() =>
      this.#db.transaction(() => {
        for (const chainId of chainIds) {
          if (this.#documents.chain(chainId) === undefined) this.#newChain(chainId);
          const chain = this.#documents.chain(chainId);
          if (chain !== undefined) this.#documents.append(chain, documents.filter((document) => document.chainId === chainId));
        }
      }).immediate(),
    );
  }

  /** Runs `read` on one consistent state of the documents. */
  readDocuments<T>(read: (documents: DocumentTable) => T): T {
    return attempt(() => this.#db.transaction(() => read(this.#documents)).deferred());
  }

  /** Bytes of the file, or of memory. */
  get bytes(): number {
    return attempt(() => Number(this.#db.pragma('page_count', { simple: true })) * Number(this.#db.pragma('page_size', { simple: true })));
  }

  close(): void {
    try {
      if (this.#db.open && !this.#db.readonly) {
        // So that no large log stays beside the file; unless others are using it.
        this.#db.pragma('busy_timeout = 0');
        this.#db.pragma('wal_checkpoint(TRUNCATE)');
      }
    } catch (cause) {
      // Nothing is lost: the log is read when the file is opened again.
      if (!(asViewError(cause) instanceof ViewError)) throw cause;
    } finally {
      this.#db.close();
    }
  }
}
