/**
 * What appending does to a Merkle tree (merkle.ts) of which only the frontier is kept. Writing and verifying
 * spend much of their time here, so hashes stay strings of bytes (`sha256Binary`) until somebody asks.
 */
import { allocate, binaryBytes, binaryInto, binarySlice, hexEncode, quick, sha256Binary } from '#platform';
import { EMPTY_ROOT, HASH_BYTES } from './merkle.js';
import type { Frontier } from './merkle.js';

interface Level {
  /** Index, within the level, of the first hash held. */
  readonly base: number;
  readonly count: number;
  /** Strings of bytes, one behind the other. */
  readonly hashes: string;
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

  /** `leafHashes`: the new leaves' hashes, 32 bytes each one after another, as bytes or as a string of bytes. */
  constructor(before: Frontier, leafHashes: Uint8Array | string) {
    let fresh = typeof leafHashes === 'string' ? leafHashes : binarySlice(quick(leafHashes), 0, leafHashes.length);
    this.size = before.size + fresh.length / HASH_BYTES;
    // The smallest is at the end, and is needed first: levels are built upwards.
    let carries = before.hashes.length;
    let oldNodes = before.size;
    for (;;) {
      const carried = oldNodes % 2 === 1 ? before.hashes[--carries] : undefined;
      const hashes = carried === undefined ? fresh : binarySlice(quick(carried), 0, HASH_BYTES) + fresh;
      const count = hashes.length / HASH_BYTES;
      const base = carried === undefined ? oldNodes : oldNodes - 1;
      this.#levels.push({ base, count, hashes, hex: undefined });
      if (base + count <= 1 && oldNodes <= 1) break;
      fresh = parents(hashes, count);
      oldNodes = Math.floor(oldNodes / 2);
    }
    const top = this.#levels[this.#levels.length - 1];
    this.root = top === undefined || top.count === 0 ? EMPTY_ROOT : bytesAt(top, 0);
  }

  frontier(): Frontier {
    const hashes: Uint8Array[] = [];
    let nodes = this.size;
    for (const level of this.#levels) {
      if (nodes % 2 === 1) hashes.unshift(bytesAt(level, nodes - 1 - level.base));
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

const PAIR_BYTES = 1 + 2 * HASH_BYTES;
/** 0x01 ‖ left ‖ right, and behind it a level: bytes move within one buffer in a third of the time. */
let scratch = allocate(PAIR_BYTES + 1_024 * HASH_BYTES);
let pair = pairOf(scratch);

function pairOf(bytes: Uint8Array): Uint8Array {
  bytes[0] = 0x01;
  return bytes.subarray(0, PAIR_BYTES);
}

/** The nodes above; the first of the hashes is a left child, and a last one alone goes up as it is. */
function parents(hashes: string, count: number): string {
  if (scratch.length < PAIR_BYTES + hashes.length) {
    scratch = allocate(PAIR_BYTES + 2 * hashes.length);
    pair = pairOf(scratch);
  }
  binaryInto(hashes, scratch, PAIR_BYTES);
  const above: string[] = [];
  const end = PAIR_BYTES + HASH_BYTES * (count - (count % 2));
  for (let at = PAIR_BYTES; at < end; at += 2 * HASH_BYTES) {
    scratch.copyWithin(1, at, at + 2 * HASH_BYTES);
    above.push(sha256Binary(pair));
  }
  if (count % 2 === 1) above.push(hashes.slice(-HASH_BYTES));
  return above.join('');
}

function bytesAt(level: Level, at: number): Uint8Array {
  return binaryBytes(level.hashes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}

/** Proofs of one segment share most of their nodes: each is turned into text once. */
function hexAt(level: Level, at: number): string {
  level.hex ??= new Array<string | undefined>(level.count);
  return (level.hex[at] ??= hexEncode(bytesAt(level, at)));
}
