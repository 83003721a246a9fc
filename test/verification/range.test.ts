import { describe, expect, test } from 'vitest';
import { segmentKey } from '#indelible/core/chain.js';
import { buildSegments } from '../support/chain-builder.js';
import type { MemoryStore } from '../support/memory-store.js';
import { storeOf } from '../support/stores.js';
import { chainId, objects, segments, size, verify } from './orders.js';

describe('a part of a chain', () => {
  test('is verified in whole segments, and the report says which entries that were', async () => {
    for (let from = 0; from < size; from++) {
      for (let to = from; to < size; to++) {
        const first = segments.findLast(({ firstSequence }) => firstSequence <= from)!;
        const last = segments.findLast(({ firstSequence }) => firstSequence <= to)!;
        const report = await verify(storeOf(objects), { from, to });
        expect(report).toMatchObject({
          verdict: 'intact',
          range: { from: first.firstSequence, to: last.head.size - 1 },
          entriesChecked: last.head.size - first.firstSequence,
        });
        expect(report.head).toBeUndefined();
      }
    }
  });

  test('does not see what lies outside it, but for the link to what comes before', async () => {
    const changed = (at: number): MemoryStore => {
      const store = storeOf(objects);
      store.tamper(segments[at]!.key, Buffer.from('junk'));
      return store;
    };
    const { firstSequence, head } = segments[3]!;
    const range = { from: firstSequence, to: head.size - 1 };
    expect(await verify(changed(1), range)).toMatchObject({ verdict: 'intact' });
    expect(await verify(changed(4), range)).toMatchObject({ verdict: 'intact' });
    expect(await verify(changed(3), range)).toMatchObject({ verdict: 'tampered', firstBadSequence: firstSequence });
    expect(await verify(changed(2), range)).toMatchObject({ verdict: 'tampered', firstBadSequence: segments[2]!.firstSequence, entriesChecked: 2 });
    const store = storeOf(objects);
    store.tamper(segments[2]!.key, undefined);
    expect(await verify(store, range)).toMatchObject({ verdict: 'tampered', findings: [{ code: 'missing_object', sequence: 5, lastSequence: 11 }] });
    for (const { key } of segments.slice(0, 3)) store.tamper(key, undefined);
    expect(await verify(store, range)).toMatchObject({ verdict: 'tampered', findings: [{ code: 'missing_object', lastSequence: 11 }] });
  });

  test('finds a fork at its beginning', async () => {
    const [other] = buildSegments({ chainId, counts: [7], after: segments[1]!.head, event: () => '{"action":"other","actor":{"id":"a","type":"user"}}' });
    const store = storeOf(objects);
    store.tamper(segments[2]!.key, other!.bytes);
    expect(await verify(store, { from: 12, to: 13 })).toMatchObject({ verdict: 'tampered', findings: [{ code: 'fork', sequence: 12, lastSequence: 13 }] });
  });

  test('is not misled by an object that stands within a segment', async () => {
    const store = storeOf(objects);
    store.tamper(segmentKey(chainId, 7), segments[0]!.bytes);
    const report = await verify(store, { from: 8, to: 9 });
    expect(report).toMatchObject({ verdict: 'tampered', range: { from: 5, to: 11 }, findings: [{ code: 'foreign_object', key: segmentKey(chainId, 7) }] });
  });

  test('behind the end of the chain could not be read', async () => {
    expect(await verify(storeOf(objects), { from: 3, to: size + 5 })).toMatchObject({
      verdict: 'incomplete', range: { from: 0, to: size - 1 }, findings: [{ code: 'unverified_range', sequence: size, lastSequence: size + 5 }],
    });
    expect(await verify(storeOf(objects), { from: size + 3, to: size + 5 })).toMatchObject({ verdict: 'incomplete' });
  });

  test('up to the end reaches the end', async () => {
    expect(await verify(storeOf(objects), { from: 9 })).toMatchObject({ verdict: 'intact', range: { from: 5, to: size - 1 }, head: { size } });
  });
});
