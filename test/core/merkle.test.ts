import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { consistencyProof, EMPTY_FRONTIER, EMPTY_ROOT, equalBytes, frontierAt, frontierLength, frontierRoot, inclusionProof, rootAt, verifyConsistency, verifyInclusion } from '#indelible/core/merkle.js';
import { TreeExtension } from '#indelible/core/tree-extension.js';
import { ConsistencyCollector } from '#indelible/evidence/subtrees.js';
import { concat, hex, unhex } from '../support/bytes.js';
import { leafReader, referenceConsistency, referencePath, referenceRoot, someLeaves } from '../support/merkle-reference.js';

const MAX = 200;
const leaves = someLeaves(MAX);
const reader = leafReader(leaves);
const size = fc.integer({ min: 0, max: MAX });
/** A size, and one not above it. */
const twoSizes = fc.tuple(size, size).map(([a, b]): [number, number] => (a < b ? [a, b] : [b, a]));

describe('a tree read from stored hashes', () => {
  test('has the root of RFC 6962 §2.1 at every size', () => {
    for (let n = 0; n <= MAX; n++) expect(hex(rootAt(reader, n))).toBe(hex(referenceRoot(leaves.slice(0, n))));
  });

  test('has as many frontier hashes as its size has bits, and they lead to the root', () => {
    for (let n = 0; n <= MAX; n++) {
      const frontier = frontierAt(reader, n);
      expect(frontier.hashes).toHaveLength(n.toString(2).replaceAll('0', '').length);
      expect(frontierLength(n)).toBe(frontier.hashes.length);
      expect(hex(frontierRoot(frontier))).toBe(hex(referenceRoot(leaves.slice(0, n))));
    }
    expect(frontierLength(2 ** 53 - 1)).toBe(53);
  });

  test('proves inclusion by the path of §2.1.1', () => {
    fc.assert(fc.property(twoSizes, ([index, n]) => {
      fc.pre(index < n);
      expect(inclusionProof(reader, index, n).map(hex)).toEqual(referencePath(index, leaves.slice(0, n)).map(hex));
    }), { numRuns: 300 });
  });

  test('proves consistency by the path of §2.1.2', () => {
    fc.assert(fc.property(twoSizes, ([older, newer]) => {
      expect(consistencyProof(reader, older, newer).map(hex)).toEqual(referenceConsistency(older, leaves.slice(0, newer)).map(hex));
    }), { numRuns: 300 });
  });

  test.each([[-1, 3], [3, 3], [0, 0], [1.5, 3]])('refuses to prove leaf %s of %s', (index, n) => {
    expect(() => inclusionProof(reader, index, n)).toThrow(RangeError);
  });

  test('refuses to prove that a larger tree lies in a smaller one', () => {
    expect(() => consistencyProof(reader, 4, 3)).toThrow(RangeError);
  });
});

describe('an extension', () => {
  test('has the root, the frontier and the proofs of the whole tree', () => {
    fc.assert(fc.property(twoSizes, ([before, after]) => {
      const extension = new TreeExtension(frontierAt(reader, before), concat(leaves.slice(before, after)));
      expect(extension.size).toBe(after);
      expect(hex(extension.root)).toBe(hex(referenceRoot(leaves.slice(0, after))));
      expect(extension.frontier().hashes.map(hex)).toEqual(frontierAt(reader, after).hashes.map(hex));
      for (let i = before; i < after; i++) expect(extension.inclusionProof(i)).toEqual(referencePath(i, leaves.slice(0, after)).map(hex));
    }), { numRuns: 60 });
  });

  test('may be cut into any pieces', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 7 }), (pieces) => {
      let frontier = EMPTY_FRONTIER;
      for (const piece of pieces) frontier = new TreeExtension(frontier, concat(leaves.slice(frontier.size, frontier.size + piece))).frontier();
      expect(frontier.hashes.map(hex)).toEqual(frontierAt(reader, frontier.size).hashes.map(hex));
    }));
  });

  test('of nothing by nothing is the empty tree', () => {
    expect(new TreeExtension(EMPTY_FRONTIER, new Uint8Array(0)).root).toEqual(EMPTY_ROOT);
    expect(hex(EMPTY_ROOT)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  test('stays right where sizes do not fit 32 bits', () => {
    // A tree of 2^40 − 3 leaves, of which only the frontier is known, extended past 2^40.
    const hashes = someLeaves(frontierLength(2 ** 40 - 3));
    const extension = new TreeExtension({ size: 2 ** 40 - 3, hashes }, concat(leaves.slice(0, 5)));
    const proof = extension.inclusionProof(2 ** 40 - 2).map(unhex);
    expect(verifyInclusion(leaves[1]!, 2 ** 40 - 2, 2 ** 40 + 2, proof, extension.root)).toBe(true);
    expect(verifyInclusion(leaves[1]!, 2 ** 40 - 1, 2 ** 40 + 2, proof, extension.root)).toBe(false);
  });
});

/** Each way to spoil a proof. */
const spoil = fc.constantFrom('flip', 'drop', 'add', 'swap', 'index', 'leaf', 'root', 'short');

describe('a proof that was changed', () => {
  test('of inclusion fails', () => {
    fc.assert(fc.property(twoSizes, spoil, fc.nat(), ([index, n], how, at) => {
      fc.pre(index < n);
      const proof = inclusionProof(reader, index, n);
      const root = rootAt(reader, n);
      expect(verifyInclusion(leaves[index]!, index, n, proof, root)).toBe(true);
      const i = proof.length === 0 ? 0 : at % proof.length;
      const leaf = leaves[index]!;
      const changed = {
        flip: () => proof.length > 0 && verifyInclusion(leaf, index, n, proof.with(i, flipped(proof[i]!, at)), root),
        drop: () => proof.length > 0 && verifyInclusion(leaf, index, n, proof.toSpliced(i, 1), root),
        add: () => verifyInclusion(leaf, index, n, proof.toSpliced(i, 0, leaves[at % MAX]!), root),
        swap: () => proof.length > 1 && verifyInclusion(leaf, index, n, proof.with(i, proof[(i + 1) % proof.length]!), root),
        index: () => n > 1 && verifyInclusion(leaf, (index + 1 + (at % (n - 1))) % n, n, proof, root),
        leaf: () => verifyInclusion(flipped(leaf, at), index, n, proof, root),
        root: () => verifyInclusion(leaf, index, n, proof, flipped(root, at)),
        short: () => proof.length > 0 && verifyInclusion(leaf, index, n, proof.with(i, proof[i]!.subarray(0, 31)), root),
      }[how]();
      expect(changed).toBe(false);
    }), { numRuns: 600 });
  });

  test('of consistency fails', () => {
    fc.assert(fc.property(twoSizes, spoil, fc.nat(), ([older, newer], how, at) => {
      fc.pre(older > 0 && older < newer);
      const proof = consistencyProof(reader, older, newer);
      const [olderRoot, newerRoot] = [rootAt(reader, older), rootAt(reader, newer)];
      expect(verifyConsistency(older, newer, olderRoot, newerRoot, proof)).toBe(true);
      const i = at % proof.length;
      const changed = {
        flip: () => verifyConsistency(older, newer, olderRoot, newerRoot, proof.with(i, flipped(proof[i]!, at))),
        drop: () => verifyConsistency(older, newer, olderRoot, newerRoot, proof.toSpliced(i, 1)),
        add: () => verifyConsistency(older, newer, olderRoot, newerRoot, proof.toSpliced(i, 0, leaves[at % MAX]!)),
        swap: () => proof.length > 1 && verifyConsistency(older, newer, olderRoot, newerRoot, proof.with(i, proof[(i + 1) % proof.length]!)),
        index: () => verifyConsistency(older, newer, flipped(olderRoot, at), newerRoot, proof),
        leaf: () => verifyConsistency(newer, older, newerRoot, olderRoot, proof),
        root: () => verifyConsistency(older, newer, olderRoot, flipped(newerRoot, at), proof),
        short: () => verifyConsistency(older, newer, olderRoot, newerRoot, proof.with(i, proof[i]!.subarray(0, 31))),
      }[how]();
      expect(changed).toBe(false);
    }), { numRuns: 600 });
  });

  test.each([[Number.NaN, 3], [0, Number.NaN], [0.5, 3], [-1, 3], [3, 3], [2 ** 60, 2 ** 61]])('with index %s and size %s is false, not an error', (index, n) => {
    expect(verifyInclusion(leaves[0]!, index, n, [], leaves[0]!)).toBe(false);
    if (index !== n) expect(verifyConsistency(index, n, leaves[0]!, leaves[0]!, [leaves[1]!])).toBe(false);
  });
});

describe('a consistency proof gathered from streaming leaves', () => {
  test('is that of the stored tree, however the leaves are cut', () => {
    fc.assert(fc.property(twoSizes, fc.integer({ min: 1, max: 40 }), fc.nat({ max: 20 }), ([older, newer], step, early) => {
      fc.pre(older > 0);
      const collector = new ConsistencyCollector(frontierAt(reader, older), newer);
      for (let at = Math.max(0, older - early); at < newer; at += step) collector.add(at, concat(leaves.slice(at, Math.min(MAX, at + step))));
      expect(collector.proof().map(hex)).toEqual(consistencyProof(reader, older, newer).map(hex));
    }), { numRuns: 200 });
  });

  test('is refused while leaves are missing', () => {
    const collector = new ConsistencyCollector(frontierAt(reader, 5), 9);
    collector.add(5, concat(leaves.slice(5, 8)));
    expect(() => collector.proof()).toThrow(RangeError);
    expect(() => collector.add(9, leaves[9]!)).toThrow(RangeError);
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[at % bytes.length]! ^= 1 << (at % 8);
  expect(equalBytes(changed, bytes)).toBe(false);
  return changed;
}
