/**
 * The Merkle tree of RFC 6962 §2.1 over a chain's leaves. Sizes and indices are safe integers, so no
 * 32-bit operators here.
 */
import { allocate, sha256 } from '#platform';

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
