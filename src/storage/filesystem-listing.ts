/** Listings of a filesystem store: keys in byte order across folders, and names that are no keys. */
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isKey, type KeyPage, type ListOptions } from './worm-store.js';

const readdir = promisify(fs.readdir);
const lstat = promisify(fs.lstat);

/** Folders with fewer names are read each time; remembering them would cost more than reading. */
const WORTH_REMEMBERING = 256;
/** Names remembered in all; about 100 bytes each. */
const MAX_REMEMBERED = 2_000_000;
/**
 * How much older than the reading a folder's last change must be for the reading to be remembered. File
 * systems stamp changes by a clock that ticks (4 ms on Linux, 2 s on FAT): a change in the same tick as the
 * reading leaves the stamp as it was, and would never be seen. (git knows this as the racy index.)
 */
const SAFE_AGE_NS = 3_000_000_000n;

/** The names in one folder in the byte order of the keys they lead to: a folder's ends with '/'. */
type Names = readonly string[];

interface Remembered {
  readonly stamp: string;
  readonly names: Names;
}

interface Search {
  readonly prefix: string;
  readonly from: string;
  readonly wanted: number;
  readonly keys: string[];
  readonly walk: Map<string, Names>;
}

export class Listing {
  readonly #root: string;
  readonly #fileSystemClock: () => Promise<bigint>;
  readonly #remembered = new Map<string, Remembered>();
  #count = 0;
  /** What a walk has read so far, so that its next pages need not read it again. */
  readonly #walks = new WeakMap<KeyPage, Map<string, Names>>();

  /** `fileSystemClock` is the time the root's file system would stamp on a change now, in nanoseconds. */
  constructor(root: string, fileSystemClock: () => Promise<bigint>) {
    this.#root = root;
    this.#fileSystemClock = fileSystemClock;
  }

  async page(prefix: string, { from = '', limit, continues }: ListOptions): Promise<KeyPage> {
    const walk = (continues === undefined ? undefined : this.#walks.get(continues)) ?? new Map<string, Names>();
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    // One more than asked for tells whether there are more.
    const search: Search = { prefix, from: from > prefix ? from : prefix, wanted: limit + 1, keys: [], walk };
    await this.#collect(folder, search);
    const more = search.keys.length > limit;
    const page = { keys: more ? search.keys.slice(0, limit) : search.keys, more };
    if (more) this.#walks.set(page, walk);
    return page;
  }

  /** Adds the keys in and below `folder` ('' or ending with '/') to `search.keys`. False: no later name can match. */
  async #collect(folder: string, search: Search): Promise<boolean> {
    const { prefix, from, wanted, keys, walk } = search;
    const names = walk.get(folder) ?? (await this.#names(folder));
    walk.set(folder, names);
    for (let i = firstFrom(names, from.startsWith(folder) ? from.slice(folder.length) : ''); i < names.length; i++) {
      if (keys.length === wanted) return false;
      const name = folder + (names[i] ?? '');
      if (name.endsWith('/')) {
        const matches = name.startsWith(prefix) || prefix.startsWith(name);
        if (!matches && name > prefix) return false;
        if (matches && (name >= from || from.startsWith(name)) && !(await this.#collect(name, search))) return false;
      } else if (name.startsWith(prefix)) {
        if (name >= from) keys.push(name);
      } else if (name > prefix) {
        return false;
      }
    }
    return true;
  }

  /** Folders at and below the one that holds all keys with this prefix, without a trailing '/'; '' is the root. */
  async *folders(prefix: string): AsyncGenerator<string> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield folder.slice(0, -1);
    const walk = async function* (this: Listing, parent: string): AsyncGenerator<string> {
      // Two links (its name and '.') mean no folder inside, on file systems that count them at all; that
      // spares reading a million names to find none.
      const status = await lstat(join(this.#root, parent)).catch(absent);
      if (status === undefined || status.nlink === 2) return;
      for (const name of await this.#names(parent)) {
        if (!name.endsWith('/') || !(parent + name).startsWith(prefix)) continue;
        yield parent + name.slice(0, -1);
        yield* walk.call(this, parent + name);
      }
    };
    yield* walk.call(this, folder);
  }

  /** See WormStore.strays. Yields paths below the root. */
  async *strays(prefix: string): AsyncGenerator<string> {
    const walk = async function* (this: Listing, folder: string): AsyncGenerator<string> {
      for (const entry of await this.#entries(folder)) {
        const name = folder + entry.name;
        const path = Buffer.from(name, 'latin1').toString('utf8');
        if (!name.startsWith(prefix) && !prefix.startsWith(`${name}/`)) continue;
        if (!isKey(name) || !(entry.isFile() || entry.isDirectory())) yield path;
        else if (entry.isDirectory()) yield* walk.call(this, `${name}/`);
      }
    };
    yield* walk.call(this, prefix.slice(0, prefix.lastIndexOf('/') + 1));
  }

  /**
   * What is in a folder now; nothing if there is no such folder.
   *
   * A reading is remembered under the folder's change stamps, and used again while they are the same. They
   * change with every name made or removed, by any process, so a remembered reading is as good as a fresh
   * one, provided that the last change was safely over when the reading began: the clock asked is that of
   * the file system, as ours may run ahead of it.
   */
  async #names(folder: string): Promise<Names> {
    const path = join(this.#root, folder);
    const before = await lstat(path, { bigint: true }).catch(absent);
    if (before === undefined || !before.isDirectory()) return [];
    const stamp = `${before.dev}:${before.ino}:${before.mtimeNs}:${before.ctimeNs}`;
    const known = this.#remembered.get(folder);
    if (known?.stamp === stamp) return known.names;
    this.#forget(folder);
    const clock = await this.#fileSystemClock();
    const names = sortNames(folder, await this.#entries(folder));
    const changed = before.mtimeNs > before.ctimeNs ? before.mtimeNs : before.ctimeNs;
    // Should the folder change during the reading, its stamp is another one from then on, and what is
    // remembered under the old stamp is never used.
    if (names.length >= WORTH_REMEMBERING && clock - changed >= SAFE_AGE_NS) {
      this.#remember(folder, { stamp, names });
    }
    return names;
  }

  async #entries(folder: string): Promise<fs.Dirent[]> {
    // Latin-1 gives one character a byte: nothing is lost of a name that is not UTF-8, and the order of
    // the strings is the order of the bytes.
    const options = { withFileTypes: true, encoding: 'latin1' } as const;
    const entries = (await readdir(join(this.#root, folder), options).catch(absent)) ?? [];
    return folder === '' ? entries.filter((entry) => entry.name !== TEMP) : entries;
  }

  #remember(folder: string, reading: Remembered): void {
    this.#remembered.set(folder, reading);
    this.#count += reading.names.length;
    for (const oldest of this.#remembered.keys()) {
      if (this.#count <= MAX_REMEMBERED) return;
      this.#forget(oldest);
    }
  }

  #forget(folder: string): void {
    this.#count -= this.#remembered.get(folder)?.names.length ?? 0;
    this.#remembered.delete(folder);
  }
}

/** The folder of unfinished objects. Its name is no key part, so nothing in it is ever a key. */
export const TEMP = '.tmp';

/** Index of the first name that is, or as a folder may hold, something from `from` on. */
function firstFrom(sorted: Names, from: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < from) low = middle + 1;
    else high = middle;
  }
  // 'sub/' sorts before 'sub/x', and is the only name before it that can hold it.
  return low > 0 && from.startsWith(sorted[low - 1] ?? '') && (sorted[low - 1] ?? '').endsWith('/') ? low - 1 : low;
}

function absent(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}

function sortNames(folder: string, entries: readonly fs.Dirent[]): Names {
  const sorted: string[] = [];
  for (const entry of entries) {
    if (!isKey(folder + entry.name)) continue;
    // Anything but a folder is listed, a symbolic link too: whoever reads it is told what it is, while a
    // name left out would look like the end of a chain.
    sorted.push(entry.isDirectory() ? `${entry.name}/` : entry.name);
  }
  return sorted.sort();
}
