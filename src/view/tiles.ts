/**
 * Merkle hash tiles in the C2SP tlog-tiles layout: a tile is up to 256 hashes of 32 bytes; level 0 holds leaf
 * hashes, level l + 1 the roots of full tiles of level l. The partial tile at the right edge is kept and
 * extended. Any proof reads two tiles a level at most, so four or so for a billion entries.
 */
import { allocate, sha256Into } from '#platform';
import type { HashReader } from '../core/merkle.js';
import type { Sqlite } from './database.js';

const HASH = 32;
const WIDTH = 256;
/** Kept for each chain a proof was asked of; 16 KiB each. */
const CACHED_TILES = 64;
const CACHED_READERS = 32;

export class TileTable {
  readonly #get;
  readonly #put;
  readonly #readers = new Map<number, TileReader>();

  constructor(db: Sqlite) {
    this.#get = db
      .prepare<[number, number, number], Buffer>('SELECT hashes FROM tiles WHERE chain = ? AND level = ? AND tile = ?')
      .pluck();
    this.#put = db.prepare<[number, number, number, Uint8Array]>(
      'INSERT INTO tiles (chain, level, tile, hashes) VALUES (?, ?, ?, ?) ' +
        'ON CONFLICT (chain, level, tile) DO UPDATE SET hashes = excluded.hashes',
    );
  }

  /** The hashes of one tile, fewer than 256 at the right edge; `undefined` if there is none. */
  tile(chain: number, level: number, index: number): Buffer | undefined {
    return this.#get.get(chain, level, index);
  }

  leafHash(chain: number, sequence: number): Uint8Array | undefined {
    const tile = this.tile(chain, 0, Math.floor(sequence / WIDTH));
    const at = (sequence % WIDTH) * HASH;
    return tile === undefined || tile.length < at + HASH ? undefined : tile.subarray(at, at + HASH);
  }

  /** Adds leaves behind the first `size` ones, and the roots of the tiles they fill. Within the caller's transaction. */
  append(chain: number, size: number, leafHashes: Uint8Array): void {
    let hashes = leafHashes;
    let position = size;
    for (let level = 0; hashes.length > 0; level++) {
      const roots: Uint8Array[] = [];
      const above = Math.floor(position / WIDTH);
      for (let offset = 0; offset < hashes.length; ) {
        const index = Math.floor(position / WIDTH);
        const used = position % WIDTH;
        const taken = Math.min(WIDTH - used, (hashes.length - offset) / HASH);
        const added = hashes.subarray(offset, offset + taken * HASH);
        const tile = used === 0 ? added : Buffer.concat([this.#edge(chain, level, index, used), added]);
        this.#put.run(chain, level, index, tile);
        if (used + taken === WIDTH) roots.push(rootOfFullTile(tile));
        offset += taken * HASH;
        position += taken;
      }
      hashes = roots.length === 0 ? new Uint8Array(0) : Buffer.concat(roots);
      position = above;
    }
  }

  #edge(chain: number, level: number, index: number, used: number): Buffer {
    const tile = this.tile(chain, level, index);
    if (tile?.length !== used * HASH) {
      throw new RangeError(`tile ${level}/${index} expected ${used} hashes, got ${(tile?.length ?? 0) / HASH}`);
    }
    return tile;
  }

  /** @throws RangeError (by the reader) if the view does not hold the whole subtree */
  reader(chain: number): HashReader {
    const reader = this.#readers.get(chain) ?? new TileReader(this, chain);
    keep(this.#readers, chain, reader, CACHED_READERS);
    return reader;
  }
}

/** Computes subtrees within tiles and keeps the last few tiles; what it has computed never changes. */
class TileReader implements HashReader {
  readonly #table: TileTable;
  readonly #chain: number;
  readonly #tiles = new Map<string, TileNodes>();

  constructor(table: TileTable, chain: number) {
    this.#table = table;
    this.#chain = chain;
  }

  subtree(level: number, index: number): Uint8Array {
    if (!Number.isSafeInteger(level) || !Number.isSafeInteger(index) || level < 0 || level > 52 || index < 0) {
      throw new RangeError(`"subtree" expected a level of 0–52 and an index, got ${level}/${index}`);
    }
    const tileLevel = Math.floor(level / 8);
    const height = level % 8;
    const first = index * 2 ** height;
    const nodes = this.#load(tileLevel, Math.floor(first / WIDTH), (first % WIDTH) + 2 ** height);
    if (nodes === undefined) throw new RangeError(`subtree ${level}/${index} is not complete in the view`);
    return nodes.node(height, (first % WIDTH) / 2 ** height);
  }

  /** The tile, if it holds at least `needed` hashes. A cached partial one may have grown since. */
  #load(level: number, index: number, needed: number): TileNodes | undefined {
    const key = `${level}/${index}`;
    const cached = this.#tiles.get(key);
    if (cached !== undefined && cached.width >= needed) {
      keep(this.#tiles, key, cached, CACHED_TILES);
      return cached;
    }
    const hashes = this.#table.tile(this.#chain, level, index);
    if (hashes === undefined || hashes.length < needed * HASH) return undefined;
    const nodes = new TileNodes(hashes);
    keep(this.#tiles, key, nodes, CACHED_TILES);
    return nodes;
  }
}

/** Puts the value last and drops the first, which has not been used for longest, when there are too many. */
function keep<K, V>(cache: Map<K, V>, key: K, value: V, limit: number): void {
  cache.delete(key);
  cache.set(key, value);
  if (cache.size <= limit) return;
  const [first] = cache.keys();
  if (first !== undefined) cache.delete(first);
}

/** The hashes of one tile and, once asked for, the inner nodes above them. */
class TileNodes {
  readonly width: number;
  readonly #levels: (Uint8Array | undefined)[];
  readonly #known: Uint8Array[] = [];

  constructor(hashes: Uint8Array) {
    this.width = hashes.length / HASH;
    this.#levels = [hashes];
  }

  node(height: number, index: number): Uint8Array {
    const at = index * HASH;
    if (height > 0) {
      const known = (this.#known[height] ??= new Uint8Array(WIDTH >> height));
      const level = (this.#levels[height] ??= allocate((WIDTH >> height) * HASH));
      if (known[index] === 0) {
        nodeHashInto(this.node(height - 1, 2 * index), this.node(height - 1, 2 * index + 1), level, at);
        known[index] = 1;
      }
    }
    const level = this.#levels[height];
    if (level === undefined) throw new RangeError(`tile has no height ${height}`);
    return level.subarray(at, at + HASH);
  }
}

function rootOfFullTile(hashes: Uint8Array): Uint8Array {
  const work = allocate(WIDTH * HASH);
  work.set(hashes);
  for (let width = WIDTH; width > 1; width /= 2) {
    for (let i = 0; i < width / 2; i++) {
      nodeHashInto(
        work.subarray(2 * i * HASH, (2 * i + 1) * HASH),
        work.subarray((2 * i + 1) * HASH, (2 * i + 2) * HASH),
        work,
        i * HASH,
      );
    }
  }
  return work.subarray(0, HASH);
}

const nodeInput = allocate(1 + 2 * HASH);
nodeInput[0] = 0x01;

/** RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right). The input is copied first, so the target may overlap it. */
function nodeHashInto(left: Uint8Array, right: Uint8Array, target: Uint8Array, offset: number): void {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH);
  sha256Into(nodeInput, target, offset);
}
