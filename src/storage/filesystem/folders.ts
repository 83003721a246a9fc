/**
 * The folders of a filesystem store: made durably, held open, and flushed so that several creates in one
 * folder share a flush.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SharedRun } from './shared-run.js';

const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const mkdir = promisify(fs.mkdir);
const lstat = promisify(fs.lstat);
const fstat = promisify(fs.fstat);

/** O_NOFOLLOW: a symbolic link in place of a folder would lead the writer out of the store. */
const OPEN_FOLDER = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
/** Handles kept open. A create into a folder whose handle is open saves an open, a close and its parents' flush. */
const MAX_OPEN = 128;

/** The folder at a path is no longer the one we hold open: what was flushed is not what is visible. */
export class FolderReplaced extends Error {
  override readonly name = 'FolderReplaced';
}

export interface OpenFolder {
  readonly fd: number;
  readonly path: string;
  readonly inode: bigint;
}

/**
 * Names are created by path, the flush goes by handle. If somebody has put another folder in this place (a
 * restored backup, a remount), the flush would vouch for names that lie elsewhere.
 * @param now what the path names now
 * @throws FolderReplaced
 */
export function assertInPlace({ path, inode }: OpenFolder, now: fs.BigIntStats): void {
  if (now.ino !== inode) throw new FolderReplaced(`${path} was replaced while it was in use`);
}

export class Folder {
  readonly path: string;
  readonly #fd: number;
  readonly #inode: bigint;
  #users = 0;
  #retired = false;
  readonly #flushes = new SharedRun(() => this.#flush());

  constructor(path: string, fd: number, inode: bigint) {
    this.path = path;
    this.#fd = fd;
    this.#inode = inode;
  }

  /**
   * Returns when every name that was in the folder before the call survives power loss.
   *
   * All callers that arrive during one flush share the next.
   *
   * Known hole: after a flush that failed, Linux may report the next one as successful although the names
   * of the first are lost. On ext4, XFS and btrfs a folder that can't be written stops the journal, and
   * every later flush fails too, so for folders (unlike for file data) the error stays.
   */
  sync(): Promise<void> {
    return this.#flushes.fresh();
  }

  async #flush(): Promise<void> {
    // The look costs nothing: it runs beside the flush.
    const [now] = await Promise.all([lstat(this.path, { bigint: true }), fsync(this.#fd)]);
    assertInPlace(this.handle, now);
  }

  /** For `createHere`; good while it is in use. */
  get handle(): OpenFolder {
    return { fd: this.#fd, path: this.path, inode: this.#inode };
  }

  /** False if the handle is being given up: acquire the folder again. */
  use(): boolean {
    if (this.#retired) return false;
    this.#users++;
    return true;
  }

  /** Ends a `use`. */
  async release(): Promise<void> {
    this.#users--;
    await this.#closeIfIdle();
  }

  /** No further `use` will come; the handle closes with the last one. */
  async retire(): Promise<void> {
    if (this.#retired) return;
    this.#retired = true;
    await this.#closeIfIdle();
  }

  async #closeIfIdle(): Promise<void> {
    if (this.#retired && this.#users === 0) await close(this.#fd);
  }
}

export class Folders {
  readonly #root: string;
  /** By path below the root, '' for the root; in order of last use. */
  readonly #open = new Map<string, Promise<Folder>>();

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * The folder, made if it isn't there, its name and those of its parents durable. The caller `release`s it.
   */
  async acquire(name: string): Promise<Folder> {
    for (;;) {
      const found = this.#open.get(name) ?? this.#make(name);
      this.#open.delete(name);
      this.#open.set(name, found);
      try {
        const folder = await found;
        if (!folder.use()) continue;
        this.#shrink();
        return folder;
      } catch (error) {
        if (this.#open.get(name) === found) this.#open.delete(name);
        throw error;
      }
    }
  }

  async #make(name: string): Promise<Folder> {
    const path = join(this.#root, name);
    if (name === '') return openFolder(path);
    const slash = name.lastIndexOf('/');
    const parent = await this.acquire(name.slice(0, Math.max(slash, 0)));
    try {
      let folder: Folder;
      try {
        folder = await openFolder(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        await mkdir(path).catch((reason: unknown) => {
          if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw reason;
        });
        folder = await openFolder(path);
      }
      // Also if it was there: its maker may be another process that has not flushed it yet, and an object
      // in a folder whose name is lost is lost.
      await parent.sync();
      return folder;
    } finally {
      await parent.release();
    }
  }

  #shrink(): void {
    if (this.#open.size <= MAX_OPEN) return;
    for (const name of this.#open.keys()) {
      this.#retire(name);
      if (this.#open.size <= MAX_OPEN) return;
    }
  }

  #retire(name: string): void {
    const folder = this.#open.get(name);
    this.#open.delete(name);
    folder?.then(
      (opened) => opened.retire(),
      () => undefined, // whoever acquires it is told
    );
  }

  /** Forgets all handles; the next use opens, and flushes, everything anew. */
  async forget(): Promise<void> {
    const folders = [...this.#open.values()];
    this.#open.clear();
    for (const outcome of await Promise.allSettled(folders)) {
      if (outcome.status === 'fulfilled') await outcome.value.retire();
    }
  }
}

async function openFolder(path: string): Promise<Folder> {
  const fd = await open(path, OPEN_FOLDER);
  try {
    return new Folder(path, fd, (await fstat(fd, { bigint: true })).ino);
  } catch (error) {
    await close(fd);
    throw error;
  }
}
