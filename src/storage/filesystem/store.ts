/**
 * The write-once store in a plain folder: an object is the file at `<root>/<key>`.
 *
 * A folder can't stop its owner or root from changing a file. What it does give: a name is created once,
 * by one process of many (link(2) fails if the name is taken), with all its bytes on disk before the name
 * appears; and a change is found by verification.
 *
 * Retention is noted by the convention of NetApp SnapLock and Isilon SmartLock: the file is read-only and
 * its access time is the moment until which it must be kept. On such a file system the note is enforced;
 * on any other it is a note (`mode: 'recorded'`). Reading through this class leaves it alone; a mount with
 * `strictatime` lets other programs overwrite it by reading.
 */
import type { Stats } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createElsewhere } from './create-threads.js';
import { absent, kindOf, lstat, NotAPlainFile, readWhole, readWholeHere } from './files.js';
import { Folders } from './folders.js';
import { Listing, TEMP, type ListingOptions } from './listing.js';
import { fileSystemTime, isOver, linksCountFolders, makeRoot, removeDebris, tryFileSystem, uniqueName } from './open.js';
import {
  assertKey,
  assertLimit,
  assertPrefix,
  retainUntilMs,
  StoreError,
  type CreateOutcome,
  type KeyPage,
  type ListOptions,
  type Retention,
  type StoredVersion,
  type StorePromise,
  type WormStore,
} from '../worm-store.js';

/**
 * A file has one version, and nothing about a file proves which: inode and times can be put back by
 * whoever replaces it, and they change when a backup is restored. So the only version gets the name
 * that S3 gives to the version of an object in a bucket without versions.
 */
const ONLY_VERSION = 'null';

export class FilesystemStore implements WormStore {
  readonly kind = 'filesystem';
  readonly versioned = false;
  readonly location: string;
  readonly #readOnly: boolean;
  readonly #blocking: boolean;
  /** Begins the name of every unfinished file of this store. */
  readonly #writer = uniqueName('object');
  readonly #folders: Folders;
  readonly #listing: Listing;
  #created = 0;
  #closed = false;

  private constructor(root: string, options: ListingOptions & { readonly readOnly: boolean; readonly blocking: boolean }) {
    this.location = root;
    this.#readOnly = options.readOnly;
    this.#blocking = options.blocking;
    this.#folders = new Folders(root);
    this.#listing = new Listing(root, options);
  }

  /**
   * Opens the store, makes its folder if there is none, and tries what it lives by: links that fail when
   * the name is taken, and folders that can be flushed. With `readOnly` it needs none of this and writes
   * nothing at all (an auditor's copy, a read-only mount, a snapshot). With `blocking`, `read` holds the
   * thread until it is done: for a worker thread that has nothing else to do. @throws StoreError
   */
  static async open(root: string, options: { readonly readOnly?: boolean; readonly blocking?: boolean } = {}): Promise<FilesystemStore> {
    const path = resolve(root);
    const readOnly = options.readOnly ?? false;
    try {
      if (!readOnly) await makeRoot(path);
      const real = await realpath(path);
      const temp = join(real, TEMP);
      if (!readOnly) {
        await makeRoot(temp);
        await tryFileSystem(real, temp);
        await removeDebris(temp, Number((await fileSystemTime(temp)) / 1_000_000n));
      }
      return new FilesystemStore(real, {
        readOnly,
        blocking: options.blocking ?? false,
        linksCountFolders: await linksCountFolders(real),
        isOver: async (stamp) => !readOnly && (await isOver(stamp, temp)),
      });
    } catch (error) {
      throw error instanceof StoreError ? error : new StoreError('open', path, 'no', error);
    }
  }

  async create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    const accessTime = retainUntilMs(retention);
    const path = join(this.location, key);
    const temp = join(this.location, TEMP, `${this.#writer}-${this.#created++}`);
    let stored: 'no' | 'unknown' = 'no';
    try {
      this.#assertOpen();
      if (this.#readOnly) throw new Error('the store was opened for reading only');
      // A crash here leaves empty folders. The next create goes on from there; createHere says the rest.
      const folder = await this.#folders.acquire(key.slice(0, Math.max(key.lastIndexOf('/'), 0)));
      try {
        const created = await createElsewhere({ temp, path, bytes, accessTime, folder: folder.handle });
        if (created.outcome === 'failed') {
          stored = created.stored;
          throw Object.assign(new Error(created.message), { code: created.code });
        }
        // Should giving the folder back fail, the object is there all the same.
        stored = 'unknown';
        return created.outcome === 'created' ? { outcome: 'created', versionId: ONLY_VERSION } : { outcome: 'exists' };
      } finally {
        await folder.release();
      }
    } catch (error) {
      // Something else may lie where a handle was opened: open all anew rather than trust any of them.
      await this.#folders.forget();
      throw new StoreError('create', key, stored, error);
    }
  }

  async read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    if (versionId !== undefined && versionId !== ONLY_VERSION) return undefined;
    const path = join(this.location, key);
    return this.#reading('read', key, () => (this.#blocking ? new Promise((done) => done(readWholeHere(path))) : readWhole(path)));
  }

  async versions(key: string): Promise<readonly StoredVersion[]> {
    assertKey(key);
    const status = await this.#reading('versions', key, async () => {
      const found = await lstat(join(this.location, key));
      if (!found.isFile()) throw new NotAPlainFile(`there is ${kindOf(found)} where a plain file was expected`);
      return found;
    });
    if (status === undefined) return [];
    const storedAt = status.mtime.toISOString();
    return [{ versionId: ONLY_VERSION, deleteMarker: false, size: status.size, storedAt, retention: retentionOf(status) }];
  }

  async list(prefix: string, options: ListOptions): Promise<KeyPage> {
    assertPrefix(prefix);
    assertLimit(options.limit);
    return (await this.#reading('list', prefix, () => this.#listing.page(prefix, options))) ?? { keys: [], more: false };
  }

  async *strays(prefix: string): AsyncGenerator<string> {
    assertPrefix(prefix);
    try {
      this.#assertOpen();
      yield* this.#listing.strays(prefix);
    } catch (error) {
      throw new StoreError('strays', prefix, 'no', error);
    }
  }

  async settle(prefix: string): Promise<void> {
    assertPrefix(prefix);
    try {
      this.#assertOpen();
      for await (const name of this.#listing.folders(prefix)) await this.#settleFolder(name);
    } catch (error) {
      await this.#folders.forget();
      throw new StoreError('settle', prefix, 'no', error);
    }
  }

  async #settleFolder(name: string): Promise<void> {
    // Acquiring makes the folder if it is missing, and settling must write nothing: look first.
    const status = await lstat(join(this.location, name)).catch(absent);
    if (status?.isDirectory() !== true) return;
    const folder = await this.#folders.acquire(name);
    try {
      await folder.sync();
    } finally {
      await folder.release();
    }
  }

  promises(): Promise<readonly StorePromise[]> {
    return Promise.resolve(FOLDER_PROMISES);
  }

  async scratch(): Promise<{ readonly store: WormStore; dispose(): Promise<void> }> {
    const path = join(this.location, TEMP, `${this.#writer}-scratch${this.#created++}`);
    const store = await FilesystemStore.open(path);
    return {
      store,
      dispose: async () => {
        await store.close();
        await rm(path, { recursive: true, force: true });
      },
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#folders.forget();
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('the store is closed');
  }

  /** Undefined if nothing is there. */
  async #reading<T>(operation: string, key: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      this.#assertOpen();
      return await work().catch(absent);
    } catch (error) {
      throw new StoreError(operation, key, 'no', error);
    }
  }
}

function retentionOf(status: Stats): StoredVersion['retention'] {
  // A file that may be written to is not committed, whatever its times are.
  if ((status.mode & 0o222) !== 0) return 'none';
  // Not later than the last change: an ordinary access time, of a file that came here by other ways.
  if (status.atimeMs <= status.mtimeMs) return 'unknown';
  return { mode: 'recorded', retainUntil: status.atime.toISOString() };
}

const FOLDER_PROMISES: readonly StorePromise[] = [
  {
    promise: 'nobody can change or delete an object before its retention ends',
    kept: 'no',
    detail:
      'a folder is not WORM storage: root, the owner of the files and whoever has the disk can change them. ' +
      'Verification finds a change; nothing prevents it. Use a bucket with Object Lock where that is required.',
  },
  {
    promise: 'loss of newest objects or of a whole chain is found',
    kept: 'unknown',
    detail: 'a folder keeps no trace of what was removed: only checkpoints, receipts or a mirror kept elsewhere show it.',
  },
  {
    promise: 'the retention of an object is recorded with it',
    kept: 'yes',
    detail: 'read-only file, access time = retain until (enforced by SnapLock and SmartLock file systems, by no other).',
  },
];
