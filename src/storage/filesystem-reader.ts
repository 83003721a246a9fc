/**
 * Reads a filesystem store without writing to it. For verifiers: their evidence may lie on a read-only
 * disk, and opening it must not change it (`FilesystemStore.open` makes folders and tries links).
 */
import { realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lstat, readWhole } from './filesystem-files.js';
import { Listing } from './filesystem-listing.js';
import { assertKey, assertLimit, assertPrefix, StoreError } from './worm-store.js';
import type { KeyPage, ListOptions, StoredVersion, StoreReader } from './worm-store.js';

export class FilesystemReader implements StoreReader {
  readonly kind = 'filesystem';
  readonly versioned = false;
  readonly location: string;
  readonly #listing: Listing;

  private constructor(root: string) {
    this.location = root;
    // Without a clock of the file system no reading of a folder is ever old enough to be remembered; a
    // walk over pages (`continues`) does not need that.
    this.#listing = new Listing(root, { clock: () => Promise.resolve(0n), linksCountFolders: false });
  }

  /** @throws StoreError if there is no such folder */
  static async open(root: string): Promise<FilesystemReader> {
    const path = resolve(root);
    try {
      const real = await realpath(path);
      if (!(await stat(real)).isDirectory()) throw new Error('it is not a folder');
      return new FilesystemReader(real);
    } catch (error) {
      throw new StoreError('open', path, 'no', error);
    }
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return reading('read', key, () => readWhole(join(this.location, key)));
  }

  async versions(key: string): Promise<readonly StoredVersion[]> {
    assertKey(key);
    const status = await reading('versions', key, () => lstat(join(this.location, key)));
    if (status === undefined) return [];
    return [{ versionId: 'null', deleteMarker: false, size: status.size, storedAt: status.mtime.toISOString(), retention: 'unknown' }];
  }

  async list(prefix: string, options: ListOptions): Promise<KeyPage> {
    assertPrefix(prefix);
    assertLimit(options.limit);
    return (await reading('list', prefix, () => this.#listing.page(prefix, options))) ?? { keys: [], more: false };
  }

  async *strays(prefix: string): AsyncGenerator<string> {
    assertPrefix(prefix);
    try {
      yield* this.#listing.strays(prefix);
    } catch (error) {
      throw new StoreError('strays', prefix, 'no', error);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Undefined if nothing is there. */
async function reading<T>(operation: string, key: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new StoreError(operation, key, 'no', error);
  }
}
