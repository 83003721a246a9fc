/** A segment goes into messages and comes out as the same bytes; what does not fit is not put together. */
import { expect, test } from 'vitest';
import fc from 'fast-check';
import { applyCursor, areWhole, formatCursor, formatPosition, noCursors, sumOf } from '#indelible/mirror/cursors.js';
import { messageBytes, messagesOf, readEntryRecord, SegmentAssembler } from '#indelible/mirror/messages.js';
import type { AssembledSegment, EntryRecord } from '#indelible/mirror/messages.js';
import { partitionOf } from '#indelible/mirror/kafka.js';
import { Ranges } from '#indelible/mirror/ranges.js';
import { MAX_BATCH_BYTES } from '#indelible/mirror/topics.js';
import { buildSegments } from '../support/chain-builder.js';

const segments = buildSegments({ chainId: 'trades', counts: [1, 2, 40, 3] });

function records(): EntryRecord[] {
  return segments.flatMap((segment) =>
    Array.from(messagesOf(segment), ({ message: { key, value, headers } }) => readEntryRecord({ key: Buffer.from(key), value, headers }) as EntryRecord),
  );
}

function assemble(all: readonly EntryRecord[]): AssembledSegment[] {
  const assembler = new SegmentAssembler();
  return all.flatMap((record) => assembler.take(record) ?? []);
}

test('the exact segments come out, also when messages come twice', () => {
  const twice = records().flatMap((record, i) => (i % 3 === 1 ? [record, record] : [record]));
  for (const all of [records(), twice]) {
    expect(assemble(all).map(({ firstSequence, bytes }) => ({ firstSequence, same: Buffer.from(bytes).equals(segments.find((one) => one.firstSequence === firstSequence)?.bytes ?? Buffer.alloc(0)) }))).toEqual(
      [0, 1, 3, 43].map((firstSequence) => ({ firstSequence, same: true })),
    );
  }
});

test('a segment of which a message is missing is left out, the next one is whole again', () => {
  for (const missing of [3, 20, 42]) expect(assemble(records().filter((_, i) => i !== missing)).map(({ firstSequence }) => firstSequence)).toEqual([0, 1, 43]);
});

test('one message of the largest entry, with the longest headers, fits a batch', () => {
  const largest = buildSegments({ chainId: 'x'.repeat(100), counts: [1], event: () => `{"action":"a","actor":{"id":"${'x'.repeat(65_100)}","type":"user"}}` });
  const sizes = largest.flatMap((segment) => Array.from(messagesOf(segment), ({ message }) => messageBytes(message)));
  expect(sizes).toHaveLength(1);
  expect(sizes[0]).toBeGreaterThan(65_000);
  expect(sizes[0]).toBeLessThan(MAX_BATCH_BYTES / 10);
});

test('the partition of a chain is the one other clients compute', () => {
  // From Kafka's own Utils.murmur2 tests: murmur2("foobar") = -790332482, murmur2("21") = -973932308.
  expect(partitionOf('foobar', 1_000)).toBe((-790_332_482 & 0x7fffffff) % 1_000);
  expect(partitionOf('21', 12)).toBe((-973_932_308 & 0x7fffffff) % 12);
});

test('ranges hold what was added and nothing else, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40)), (sequences) => {
      const ranges = new Ranges();
      for (const sequence of sequences) ranges.add(sequence);
      const held = new Set(sequences);
      for (let i = 0; i <= 41; i++) expect(ranges.has(i)).toBe(held.has(i));
      expect(ranges.list.every(([from, to], i) => from < to && (i === 0 || (ranges.list[i - 1]?.[1] ?? Infinity) < from))).toBe(true);
      let leading = 0;
      while (held.has(leading)) leading += 1;
      expect(ranges.absorb(0)).toBe(leading);
      expect(ranges.has(0)).toBe(false);
    }),
  );
});

test('cursors come back as they were written; one that can not be read makes all unknown until it is written again', () => {
  const cursors = noCursors();
  const put = (key: string, value: string): void => applyCursor(cursors, { offset: 0, key: Buffer.from(key), value: Buffer.from(value), headers: {} });
  put('a', formatCursor({ next: 7, held: new Ranges([[9, 12]]) }));
  put('#', formatPosition({ start: 3, offset: 40, digest: 'ff' }, { chains: 1, entries: 7 }));
  expect(cursors.chains.get('a')?.next).toBe(7);
  expect(cursors.chains.get('a')?.held.list).toEqual([[9, 12]]);
  expect(cursors.position).toEqual({ start: 3, offset: 40, digest: 'ff' });
  expect(areWhole(cursors)).toBe(true);
  put('a', '{"next":-1}');
  put('../nobody', 'x');
  expect([...cursors.damaged]).toEqual(['a']);
  put('a', '{"next":8}');
  expect(cursors.damaged.size).toBe(0);
  for (const bad of ['', 'null', '{}', '{"start":0}', '[1]', '{"start":3,"offset":40,"digest":"ff"}']) {
    put('#', bad);
    expect(cursors.position).toBeUndefined();
    expect(areWhole(cursors)).toBe(false);
  }
});

test('cursors of which some are gone, or stand where they stood before, are not whole', () => {
  const written = new Map([['a', 7], ['b', 5], ['c', 0]].map(([chainId, next]) => [String(chainId), { next: Number(next), held: new Ranges() }]));
  const read = (lost: (chainId: string, next: number) => number | undefined): boolean => {
    const cursors = noCursors();
    const put = (key: string, value: string): void => applyCursor(cursors, { offset: 0, key: Buffer.from(key), value: Buffer.from(value), headers: {} });
    for (const [chainId, cursor] of written) {
      const next = lost(chainId, cursor.next);
      if (next !== undefined) put(chainId, formatCursor({ ...cursor, next }));
    }
    put('#', formatPosition({ start: 0, offset: 11, digest: 'ff' }, sumOf(written)));
    return areWhole(cursors);
  };
  expect(read((_, next) => next)).toBe(true);
  for (const one of written.keys()) expect(read((chainId, next) => (chainId === one ? undefined : next)), one).toBe(false);
  expect(read((chainId, next) => (chainId === 'b' ? next - 1 : next))).toBe(false);
  expect(read(() => undefined)).toBe(false);
});
