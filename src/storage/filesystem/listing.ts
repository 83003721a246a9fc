/** Listings of a filesystem store: keys in byte order across folders, and names that are no keys. */
import type { BigIntStats } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { absent, lstatExact } from './files.js';
import { NO_NAMES, readNames, type Names } from './names.js';
import { SharedRun } from './shared-run.js';
import { isKey, type KeyPage, type ListOptions } from '../worm-store.js';

/** The folder of unfinished objects. Its name is no key part, so nothing in it is ever a key. */
export const TEMP = '.tmp';

/** Names remembered in all, about 40 bytes each. */
const MAX_REMEMBERED = 2_000_000;
interface Reading {
  /** The folder's change stamps before it was read; undefined if they don't vouch for the reading. */
  readonly stamp: string | undefined;
  readonly names: Names;
}

interface Search {
  readonly prefix: string;
  readonly from: string;
  readonly wanted: number;
  readonly keys: string[];
  /** The folders the walk is in, as they were when it came to them. */
  readonly walk: Map<string, Names>;
  readonly mayBeStale: boolean;
}

export interface ListingOptions {
  /**
   * True if a change that the file system stamped so (nanoseconds) lies so far back that any change from
   * now on gets another stamp. False where there is no telling.
   */
  readonly isOver: (stamp: bigint) => Promise<boolean>;
  /** A folder with two links (its name and its own '.') certainly has no folder inside. */
  readonly linksCountFolders: boolean;
}

export class Listing {
  readonly #root: string;
  readonly #options: ListingOptions;
  readonly #remembered = new Map<string, Reading>();
  #rememberedNames = 0;
  readonly #readings = new Map<string, SharedRun<Reading>>();
  readonly #walks = new WeakMap<KeyPage, Map<string, Names>>();

  constructor(root: string, options: ListingOptions) {
    this.#root = root;
    this.#options = options;
  }

  async page(prefix: string, { from = '', limit, continues, mayBeStale = false }: ListOptions): Promise<KeyPage> {
    const walk = new Map(continues === undefined ? undefined : this.#walks.get(continues));
    const start = from > prefix ? from : prefix;
    // One more than asked for tells whether there are more.
    const search: Search = { prefix, from: start, wanted: limit + 1, keys: [], walk, mayBeStale };
    await this.#collect(folderOf(prefix), search);
    const more = search.keys.length > limit;
    const page = { keys: more ? search.keys.slice(0, limit) : search.keys, more };
    if (more) this.#walks.set(page, walk);
    return page;
  }

  /** Adds the keys in and below `folder` ('' or ending with '/') to `search.keys`. False: the search is over. */
  async #collect(folder: string, search: Search): Promise<boolean> {
    const { prefix, from, wanted, keys, walk } = search;
    const names = walk.get(folder) ?? (await this.#names(folder, search.mayBeStale));
    walk.set(folder, names);
    for (let i = firstFrom(names, from.startsWith(folder) ? from.slice(folder.length) : ''); i < names.length; i++) {
      const name = folder + names.at(i);
      if (name.endsWith('/')) {
        const holdsMatches = name.startsWith(prefix) || prefix.startsWith(name);
        if (!holdsMatches && name > prefix) return false;
        if (holdsMatches && (name >= from || from.startsWith(name)) && !(await this.#collect(name, search))) return false;
      } else if (!name.startsWith(prefix)) {
        if (name > prefix) return false;
      } else if (name >= from) {
        keys.push(name);
        if (keys.length === wanted) return false;
      }
    }
    walk.delete(folder);
    return true;
  }

  /** Folders at and below the one that holds all keys with this prefix, without the trailing '/'; '' is the root. */
  async *folders(prefix: string): AsyncGenerator<string> {
    yield folderOf(prefix).slice(0, -1);
    yield* this.#foldersIn(folderOf(prefix), prefix);
  }

  async *#foldersIn(folder: string, prefix: string): AsyncGenerator<string> {
    // Spares reading a million names to find no folder among them.
    if (this.#options.linksCountFolders && (await this.#status(folder))?.nlink === 2n) return;
    const names = await this.#names(folder, false);
    for (let i = 0; i < names.length; i++) {
      const name = folder + names.at(i);
      if (!name.endsWith('/') || !name.startsWith(prefix)) continue;
      yield name.slice(0, -1);
      yield* this.#foldersIn(name, prefix);
    }
  }

  /** See WormStore.strays. Yields paths below the root. */
  strays(prefix: string): AsyncGenerator<string> {
    return this.#straysIn(folderOf(prefix), prefix);
  }

  async *#straysIn(folder: string, prefix: string): AsyncGenerator<string> {
    // Piece by piece: the order doesn't matter here, and a large folder doesn't hold up other work.
    const entries = await opendir(join(this.#root, folder), { encoding: 'latin1', bufferSize: 512 }).catch(absent);
    if (entries === undefined) return;
    for await (const entry of entries) {
      const name = folder + entry.name;
      if (name === TEMP || (!name.startsWith(prefix) && !prefix.startsWith(`${name}/`))) continue;
      if (!isKey(name) || !(entry.isFile() || entry.isDirectory())) yield Buffer.from(name, 'latin1').toString('utf8');
      else if (entry.isDirectory()) yield* this.#straysIn(`${name}/`, prefix);
    }
  }

  /** What is in a folder, now or (`mayBeStale`) at some time in the past; nothing if there is no such folder. */
  async #names(folder: string, mayBeStale: boolean): Promise<Names> {
    const known = this.#remembered.get(folder);
    if (known !== undefined && mayBeStale) return known.names;
    if (known?.stamp !== undefined && known.stamp === stampOf(await this.#status(folder))) return known.names;
    let readings = this.#readings.get(folder);
    if (readings === undefined) {
      readings = new SharedRun(() => this.#read(folder));
      this.#readings.set(folder, readings);
    }
    try {
      return (await (mayBeStale ? readings.current() : readings.fresh())).names;
    } finally {
      if (readings.idle && this.#readings.get(folder) === readings) this.#readings.delete(folder);
    }
  }

  /**
   * Reads a folder, and remembers the reading under the folder's change stamps. They change with every name
   * made or removed, by any process, so while they stay a remembered reading is as good as a new one,
   * provided that the last change was over when the reading began: a change in the same tick of the file
   * system's clock leaves the stamp as it was, and would never be seen. (git knows this as the racy
   * index.) A folder that changes during the reading has another stamp from then on.
   */
  async #read(folder: string): Promise<Reading> {
    const status = await this.#status(folder);
    if (status?.isDirectory() !== true) {
      this.#forget(folder);
      return { stamp: undefined, names: NO_NAMES };
    }
    const changed = status.mtimeNs > status.ctimeNs ? status.mtimeNs : status.ctimeNs;
    const stamp = (await this.#options.isOver(changed)) ? stampOf(status) : undefined;
    const names = (await readNames(join(this.#root, folder), folder, Number(status.size)).catch(absent)) ?? NO_NAMES;
    const reading = { stamp, names };
    this.#remember(folder, reading);
    return reading;
  }

  async #status(folder: string): Promise<BigIntStats | undefined> {
    return lstatExact(join(this.#root, folder)).catch(absent);
  }

  #remember(folder: string, reading: Reading): void {
    this.#forget(folder);
    this.#remembered.set(folder, reading);
    this.#rememberedNames += costOf(reading);
    for (const oldest of this.#remembered.keys()) {
      if (this.#rememberedNames <= MAX_REMEMBERED) return;
      this.#forget(oldest);
    }
  }

  #forget(folder: string): void {
    const known = this.#remembered.get(folder);
    if (known !== undefined) this.#rememberedNames -= costOf(known);
    this.#remembered.delete(folder);
  }
}

function costOf({ names }: Reading): number {
  return names.length + 1;
}

/** The innermost folder that holds all keys with this prefix: '' or ending with '/'. */
function folderOf(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf('/') + 1);
}

function stampOf(status: BigIntStats | undefined): string | undefined {
  return status && `${status.dev}:${status.ino}:${status.mtimeNs}:${status.ctimeNs}`;
}

/** Index of the first name that is, or as a folder may hold, something from `from` on. */
function firstFrom(names: Names, from: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names.at(middle) < from) low = middle + 1;
    else high = middle;
  }
  // 'sub/' sorts before 'sub/x', and is the only name before it that can hold it.
  const before = low > 0 ? names.at(low - 1) : '';
  return before.endsWith('/') && from.startsWith(before) ? low - 1 : low;
}
