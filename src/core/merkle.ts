/**
 * The Merkle tree of RFC 6962 §2.1 over a chain's leaves. Sizes and indices are safe integers, so no
 * 32-bit operators here.
 */
import { allocate, hexEncode, sha256, sha256Into } from '#platform';

export const HASH_BYTES = 32;

/** RFC 6962 §2.1: the root of no leaves is SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

/**
 * What must be kept of a tree to append to it: the roots of the perfect subtrees its leaves split into,
 * largest first, one for each bit set in `size`.
 */
export interface Frontier {
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0, hashes: [] };

/** Reads hashes of a tree that is stored elsewhere. */
export interface HashReader {
  /** Root of the perfect subtree of 2^level leaves that is the index-th of its level. 32 bytes. */
  subtree(level: number, index: number): Uint8Array;
}

const pair = allocate(1 + 2 * HASH_BYTES);
pair[0] = 0x01;

/** RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right) */
export function hashChildren(left: Uint8Array, right: Uint8Array): Uint8Array {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return sha256(pair);
}

/** Number of bits set: how many hashes the frontier of a tree of `size` leaves has. */
export function frontierLength(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

export function frontierRoot(frontier: Frontier): Uint8Array {
  let root: Uint8Array | undefined;
  for (let i = frontier.hashes.length - 1; i >= 0; i--) {
    const left = frontier.hashes[i] as Uint8Array;
    root = root === undefined ? left : hashChildren(left, root);
  }
  return root ?? EMPTY_ROOT;
}

interface Level {
  /** Index, within the level, of the first hash held. */
  readonly base: number;
  readonly count: number;
  readonly hashes: Uint8Array;
  hex: (string | undefined)[] | undefined;
}

/**
 * A tree of `before.size` leaves, of which only the frontier is known, extended by some leaves. Knows
 * the new root, the new frontier and the inclusion proof of each new leaf: every left sibling of a new
 * leaf's path lies either in the extension or is a node of the old frontier.
 */
export class TreeExtension {
  readonly size: number;
  readonly root: Uint8Array;
  readonly #levels: Level[] = [];

  /** `leafHashes`: the new leaves' hashes, 32 bytes each, one after another. */
  constructor(before: Frontier, leafHashes: Uint8Array) {
    const added = leafHashes.length / HASH_BYTES;
    this.size = before.size + added;
    // Smallest first, because levels are built upwards.
    const old = [...before.hashes].reverse();
    let oldNodes = before.size;
    let below: Level | undefined;
    for (;;) {
      const carried = oldNodes % 2 === 1 ? old.shift() : undefined;
      const level = nextLevel(below, leafHashes, carried, oldNodes);
      this.#levels.push(level);
      if (level.base + level.count <= 1 && oldNodes <= 1) break;
      below = level;
      oldNodes = Math.floor(oldNodes / 2);
    }
    const top = this.#levels[this.#levels.length - 1] as Level;
    this.root = top.count === 0 ? EMPTY_ROOT : top.hashes.slice(0, HASH_BYTES);
  }

  frontier(): Frontier {
    const hashes: Uint8Array[] = [];
    let nodes = this.size;
    for (const level of this.#levels) {
      if (nodes % 2 === 1) {
        const at = (nodes - 1 - level.base) * HASH_BYTES;
        hashes.unshift(level.hashes.slice(at, at + HASH_BYTES));
      }
      nodes = Math.floor(nodes / 2);
    }
    return { size: this.size, hashes };
  }

  /** Audit path (RFC 6962 §2.1.1) of a new leaf to this tree, from the leaf up, in hexadecimal. */
  inclusionProof(index: number): string[] {
    const path: string[] = [];
    let node = index;
    for (const level of this.#levels) {
      const at = (node % 2 === 0 ? node + 1 : node - 1) - level.base;
      // No sibling: the last node of an odd level goes up unchanged.
      if (at >= 0 && at < level.count) path.push(hexAt(level, at));
      node = Math.floor(node / 2);
    }
    return path;
  }
}

function nextLevel(
  below: Level | undefined,
  leafHashes: Uint8Array,
  carried: Uint8Array | undefined,
  oldNodes: number,
): Level {
  const lead = carried === undefined ? 0 : 1;
  const fresh = below === undefined ? leafHashes.length / HASH_BYTES : Math.ceil(below.count / 2);
  const hashes = allocate((lead + fresh) * HASH_BYTES);
  if (carried !== undefined) hashes.set(carried);
  if (below === undefined) {
    hashes.set(leafHashes, lead * HASH_BYTES);
  } else {
    const pairs = Math.floor(below.count / 2);
    for (let i = 0; i < pairs; i++) {
      const from = 2 * i * HASH_BYTES;
      pair.set(below.hashes.subarray(from, from + 2 * HASH_BYTES), 1);
      sha256Into(pair, hashes, (lead + i) * HASH_BYTES);
    }
    if (fresh > pairs) hashes.set(below.hashes.subarray(2 * pairs * HASH_BYTES), (lead + pairs) * HASH_BYTES);
  }
  return { base: oldNodes - lead, count: lead + fresh, hashes, hex: undefined };
}

/** Proofs of one segment share most of their nodes: each is turned into text once. */
function hexAt(level: Level, at: number): string {
  level.hex ??= new Array<string | undefined>(level.count);
  return (level.hex[at] ??= hexEncode(level.hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)));
}

/** Root of the tree of `size` leaves. */
export function rootAt(reader: HashReader, size: number): Uint8Array {
  return size === 0 ? EMPTY_ROOT : rangeHash(reader, 0, size);
}

export function frontierAt(reader: HashReader, size: number): Frontier {
  const hashes: Uint8Array[] = [];
  let nodes = size;
  for (let level = 0; nodes > 0; level++) {
    if (nodes % 2 === 1) hashes.unshift(reader.subtree(level, nodes - 1));
    nodes = Math.floor(nodes / 2);
  }
  return { size, hashes };
}

/** RFC 6962 §2.1.1 PATH(index, D[size]), from the leaf up. @throws RangeError unless 0 ≤ index < size */
export function inclusionProof(reader: HashReader, index: number, size: number): Uint8Array[] {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) throw new RangeError(`"index" expected 0..${size - 1}, got ${index}`);
  const path: Uint8Array[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const split = from + largestPowerBelow(to - from);
    if (index < split) {
      path.unshift(rangeHash(reader, split, to));
      to = split;
    } else {
      path.unshift(rangeHash(reader, from, split));
      from = split;
    }
  }
  return path;
}

/** RFC 6962 §2.1.2 PROOF(older, D[newer]). @throws RangeError unless 0 ≤ older ≤ newer */
export function consistencyProof(reader: HashReader, older: number, newer: number): Uint8Array[] {
  if (!(older >= 0 && older <= newer)) throw new RangeError(`"older" expected 0..${newer}, got ${older}`);
  if (older === 0 || older === newer) return [];
  const path: Uint8Array[] = [];
  let from = 0;
  let to = newer;
  // RFC's flag b: whether the subtree at hand is still the whole older tree, which the verifier knows.
  let whole = true;
  while (older !== to) {
    const split = from + largestPowerBelow(to - from);
    if (older <= split) {
      path.unshift(rangeHash(reader, split, to));
      to = split;
    } else {
      path.unshift(rangeHash(reader, from, split));
      from = split;
      whole = false;
    }
  }
  if (!whole) path.unshift(rangeHash(reader, from, to));
  return path;
}

/** MTH(D[from:to]); `from` is a multiple of every power of two not above `to - from`. */
function rangeHash(reader: HashReader, from: number, to: number): Uint8Array {
  const count = to - from;
  const power = largestPowerBelow(count + 1);
  if (power === count) return reader.subtree(Math.log2(count), from / count);
  return hashChildren(rangeHash(reader, from, from + power), rangeHash(reader, from + power, to));
}

/** The largest power of two smaller than n; n ≥ 2. */
function largestPowerBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** RFC 9162 §2.1.3.2. Never throws on hostile input: false. */
export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (node % 2 === 1 || node === last) {
      hash = hashChildren(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = hashChildren(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(hash, root);
}

/** RFC 9162 §2.1.4.2; from size 0 everything follows, with an empty proof. Never throws: false. */
export function verifyConsistency(
  older: number,
  newer: number,
  olderRoot: Uint8Array,
  newerRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(older) || !Number.isSafeInteger(newer) || older < 0 || older > newer) return false;
  if (proof.some((hash) => hash.length !== HASH_BYTES)) return false;
  if (older === newer) return proof.length === 0 && equalBytes(olderRoot, newerRoot);
  if (older === 0) return proof.length === 0 && equalBytes(olderRoot, EMPTY_ROOT);
  let node = older - 1;
  let last = newer - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  // A power of two: its root is itself the first node of the path, and is not sent.
  const path = node === 0 ? [olderRoot, ...proof] : proof;
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let fromOlder = first;
  let fromNewer = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      fromOlder = hashChildren(sibling, fromOlder);
      fromNewer = hashChildren(sibling, fromNewer);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      fromNewer = hashChildren(fromNewer, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(fromOlder, olderRoot) && equalBytes(fromNewer, newerRoot);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
