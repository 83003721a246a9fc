import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { HashReader } from '#indelible/core/merkle.js';
import { consistencyProof, inclusionProof, rootAt } from '#indelible/core/merkle.js';
import { View } from '#indelible/view/view.js';
import { historyOf, sha256 } from './history.js';

/** RFC 6962 §2.1 as it is written: the tree is split at the largest power of two below its size. */
function bruteRoot(leaves: readonly Uint8Array[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return Buffer.from(only);
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return sha256(Buffer.concat([Buffer.of(1), bruteRoot(leaves.slice(0, k)), bruteRoot(leaves.slice(k))]));
}

function leavesOf(leafHashes: Uint8Array): Uint8Array[] {
  return Array.from({ length: leafHashes.length / 32 }, (_, i) => leafHashes.subarray(32 * i, 32 * (i + 1)));
}

/** Every complete subtree of the first `size` leaves is right, and each incomplete one is refused. */
function expectAllSubtrees(reader: HashReader, leaves: readonly Uint8Array[]): void {
  for (let level = 0; 2 ** level <= 2 * leaves.length; level++) {
    const width = 2 ** level;
    const complete = Math.floor(leaves.length / width);
    for (let index = 0; index < complete; index++) {
      const expected = bruteRoot(leaves.slice(index * width, (index + 1) * width));
      expect(Buffer.compare(reader.subtree(level, index), expected), `subtree ${level}/${index} of ${leaves.length}`).toBe(0);
    }
    expect(() => reader.subtree(level, complete), `subtree ${level}/${complete} of ${leaves.length}`).toThrow(RangeError);
  }
}

describe('Merkle tiles', () => {
  it('give the right hash of each complete subtree, at each size from 1 to 600', () => {
    const view = View.open(':memory:');
    const { segments, leafHashes } = historyOf('orders', new Array<number>(600).fill(1), { terse: true });
    const leaves = leavesOf(leafHashes);
    // The reader is kept while the tree grows, and checked against the definition where it pays.
    const reader = (): HashReader => view.hashes('orders');
    for (const [i, segment] of segments.entries()) {
      view.addSegment(segment);
      const size = i + 1;
      expect(Buffer.compare(rootAt(reader(), size), bruteRoot(leaves.slice(0, size))), `root of ${size}`).toBe(0);
      if (size < 20 || size % 64 < 2 || size === 600) expectAllSubtrees(reader(), leaves.slice(0, size));
    }
    view.close();
  });

  it('are the same however the entries are cut into segments', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 }), fc.boolean(), (counts, together) => {
        const view = View.open(':memory:');
        const { segments, leafHashes } = historyOf('orders', counts, { terse: true });
        if (together) view.addSegments(segments, 'later');
        else for (const segment of segments) view.addSegments([segment], 'later');
        const leaves = leavesOf(leafHashes);
        expectAllSubtrees(view.hashes('orders'), leaves);
        view.close();
      }),
      { numRuns: 12 },
    );
  });

  it('reach over more than one level of tiles', () => {
    const view = View.open(':memory:');
    const size = 66_000;
    const leafHashes = Buffer.concat(Array.from({ length: size }, (_, i) => sha256(Buffer.from(String(i)))));
    const hash = 'ab'.repeat(32);
    const payload = (i: number): string => `{"chainId":"c","entryId":"i${i}"}`;
    for (let first = 0; first < size; first += 1_000) {
      view.addSegments(
        [
          {
            chainId: 'c',
            firstSequence: first,
            payloads: Array.from({ length: 1_000 }, (_, i) => payload(first + i)),
            leafHashes: leafHashes.subarray(32 * first, 32 * (first + 1_000)),
            prevHash: first === 0 ? '0'.repeat(64) : hash,
            lastEntryHash: hash,
          },
        ],
        'later',
      );
    }
    const leaves = leavesOf(leafHashes);
    const reader = view.hashes('c');
    for (const at of [1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, size]) {
      expect(Buffer.compare(rootAt(reader, at), bruteRoot(leaves.slice(0, at))), `root of ${at}`).toBe(0);
    }
    expect(inclusionProof(reader, 0, size)).toHaveLength(17);
    expect(consistencyProof(reader, 257, size).length).toBeGreaterThan(8);
    expect(() => reader.subtree(16, 1)).toThrow(RangeError);
    view.close();
  });

  it('refuse what is no subtree', () => {
    const view = View.open(':memory:');
    view.addSegment(historyOf('orders', [3]).segments[0]!);
    const reader = view.hashes('orders');
    for (const [level, index] of [[-1, 0], [0, -1], [0.5, 0], [0, NaN], [60, 0], [0, 2 ** 60]] as const) {
      expect(() => reader.subtree(level, index)).toThrow(RangeError);
    }
    view.close();
  });
});
