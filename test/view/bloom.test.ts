import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { BloomFilter } from '#indelible/view/bloom.js';

const id = (n: number): string => `0199${n.toString(16).padStart(8, '0')}-7abc-8def-0123456789ab`;

describe('a Bloom filter of entry ids', () => {
  it('never says no to an id that was added', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 300 }),
        fc.integer(),
        fc.integer({ min: 1, max: 50 }),
        (ids, seed, initialCapacity) => {
          const filter = new BloomFilter({ seed, initialCapacity });
          for (const [chainId, entryId] of ids) {
            filter.markFilled(chainId);
            filter.add(chainId, entryId);
          }
          expect(ids.every(([chainId, entryId]) => filter.mayContain(chainId, entryId))).toBe(true);
        },
      ),
    );
  });

  it('says maybe for a chain until it is filled, and again when it is not any more', () => {
    const filter = new BloomFilter({ seed: 1 });
    filter.add('a', id(1));
    expect(filter.isFilled('a')).toBe(false);
    expect(filter.mayContain('a', id(2))).toBe(true);
    filter.markFilled('a');
    expect(filter.mayContain('a', id(1))).toBe(true);
    expect(filter.mayContain('a', id(2))).toBe(false);
    expect(filter.mayContain('b', id(2))).toBe(true);
    filter.markUnfilled('a');
    expect(filter.mayContain('a', id(2))).toBe(true);
  });

  it('tells chains apart', () => {
    const filter = new BloomFilter({ seed: 7 });
    for (const chainId of ['a', 'b']) filter.markFilled(chainId);
    for (let n = 0; n < 1_000; n++) filter.add('a', id(n));
    let wrong = 0;
    for (let n = 0; n < 1_000; n++) if (filter.mayContain('b', id(n))) wrong++;
    expect(wrong).toBeLessThan(30);
  });

  // One layer just filled, several layers, and the worst moment of each: when the newest layer is full.
  it.each([
    [1_000_000, 1_000_000],
    [65_536, 65_536 * 15],
    [1_000, 1_000 * 1_023],
  ])('that began with room for %i says a wrong "maybe" to at most one unknown id in a hundred at %i ids', (initialCapacity, count) => {
    const filter = new BloomFilter({ seed: 0x12345678, initialCapacity });
    filter.markFilled('orders');
    for (let n = 0; n < count; n++) filter.add('orders', id(n));
    const probes = 200_000;
    let wrong = 0;
    for (let n = 0; n < probes; n++) if (filter.mayContain('orders', id(0x4000_0000 + n))) wrong++;
    expect(wrong / probes).toBeLessThan(0.01);
    // Near the target, not far below it: memory is not wasted.
    expect(wrong / probes).toBeGreaterThan(0.0005);
    expect(filter.bytes / count).toBeLessThan(4);
  });

  it('depends on its seed', () => {
    const answers = [1, 2].map((seed) => {
      const filter = new BloomFilter({ seed, initialCapacity: 100, falsePositiveRate: 0.5 });
      filter.markFilled('a');
      for (let n = 0; n < 100; n++) filter.add('a', id(n));
      return Array.from({ length: 500 }, (_, n) => filter.mayContain('a', id(1_000 + n)));
    });
    expect(answers[0]).not.toEqual(answers[1]);
  });

  it('refuses a rate or a size that makes no sense', () => {
    for (const falsePositiveRate of [0, 1, -1, NaN]) expect(() => new BloomFilter({ seed: 1, falsePositiveRate })).toThrow(RangeError);
    for (const initialCapacity of [0, NaN]) expect(() => new BloomFilter({ seed: 1, initialCapacity })).toThrow(RangeError);
  });
});
