/** The hashes a consistency proof needs, gathered while leaves stream by: no stored tree, little memory. */
import { consistencyProof, EMPTY_FRONTIER, frontierRoot, HASH_BYTES } from '../core/merkle.js';
import { TreeExtension } from '../core/tree-extension.js';
import type { Frontier, HashReader } from '../core/merkle.js';

interface Subtree {
  /** First leaf, and one past the last. */
  readonly from: number;
  readonly to: number;
  tree: Frontier;
}

/**
 * Proves that the tree of `older.size` leaves, of which the frontier is known, lies in one of `newer`. Feed it
 * all leaves from `older.size` to `newer` in order, then ask for the proof.
 */
export class ConsistencyCollector {
  readonly #older: number;
  readonly #newer: number;
  /** By `level:index`. To the left of `older` a proof uses nothing but nodes of its frontier. */
  readonly #known = new Map<string, Uint8Array>();
  readonly #wanted: Subtree[] = [];
  #next: number;

  constructor(older: Frontier, newer: number) {
    this.#older = older.size;
    this.#newer = newer;
    this.#next = older.size;
    let from = 0;
    for (const hash of older.hashes) {
      const width = largestPower(older.size - from);
      this.#known.set(nameOf(Math.log2(width), from / width), hash);
      from += width;
    }
    // A dry run tells which subtrees to the right are asked for.
    const recorder: HashReader = {
      subtree: (level, index) => {
        const width = 2 ** level;
        if (index * width >= older.size) this.#wanted.push({ from: index * width, to: (index + 1) * width, tree: EMPTY_FRONTIER });
        return new Uint8Array(HASH_BYTES);
      },
    };
    consistencyProof(recorder, older.size, newer);
    this.#wanted.sort((a, b) => a.from - b.from);
  }

  /** The next leaves, 32 bytes each. Leaves before `older` and behind `newer` are left out. */
  add(firstIndex: number, leafHashes: Uint8Array): void {
    const end = firstIndex + leafHashes.length / HASH_BYTES;
    if (firstIndex > this.#next) throw new RangeError(`"firstIndex" expected ${this.#next} at most, got ${firstIndex}`);
    for (const subtree of this.#wanted) {
      const from = Math.max(subtree.from + subtree.tree.size, firstIndex);
      const to = Math.min(subtree.to, end);
      if (from >= to) continue;
      subtree.tree = new TreeExtension(subtree.tree, leafHashes.subarray((from - firstIndex) * HASH_BYTES, (to - firstIndex) * HASH_BYTES)).frontier();
      const width = subtree.to - subtree.from;
      if (to === subtree.to) this.#known.set(nameOf(Math.log2(width), subtree.from / width), frontierRoot(subtree.tree));
    }
    this.#next = Math.max(this.#next, end);
  }

  /** @throws RangeError if not all leaves were added */
  proof(): Uint8Array[] {
    return consistencyProof({ subtree: (level, index) => this.#subtree(level, index) }, this.#older, this.#newer);
  }

  #subtree(level: number, index: number): Uint8Array {
    const hash = this.#known.get(nameOf(level, index));
    if (hash === undefined) throw new RangeError(`leaves ${index * 2 ** level} to ${(index + 1) * 2 ** level - 1} were not added`);
    return hash;
  }
}

function nameOf(level: number, index: number): string {
  return `${level}:${index}`;
}

/** The largest power of two not above n; n ≥ 1. */
function largestPower(n: number): number {
  let power = 1;
  while (power * 2 <= n) power *= 2;
  return power;
}
