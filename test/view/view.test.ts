import { describe, expect, it } from 'vitest';
import type { ViewNote, ViewSegment } from '#indelible/view/view.js';
import { View } from '#indelible/view/view.js';
import { historyOf } from './history.js';

const ZEROS = '0'.repeat(64);

function memoryView(): { view: View; notes: ViewNote[] } {
  const notes: ViewNote[] = [];
  return { view: View.open(':memory:', { onNote: (note) => notes.push(note) }), notes };
}

describe('a view', () => {
  it('is empty at first', () => {
    const { view } = memoryView();
    expect(view.through('orders')).toEqual({ size: 0, lastEntryHash: ZEROS });
    expect(view.chains()).toEqual([]);
    expect(view.sequenceOf('orders', 'x')).toBeUndefined();
    expect(view.segmentCovering('orders', 0)).toBeUndefined();
    expect(view.ids('orders')).toEqual([]);
    expect(view.indexed('orders')).toBe(0);
    expect(() => view.hashes('orders').subtree(0, 0)).toThrow(RangeError);
  });

  it('knows each entry by its id, and the segment it is in', () => {
    const { view } = memoryView();
    const { segments, entryIds } = historyOf('orders', [1, 4, 1, 7]);
    for (const segment of segments) expect(view.addSegment(segment)).toBe('added');
    expect(view.through('orders')).toEqual({ size: 13, lastEntryHash: segments.at(-1)!.lastEntryHash });
    expect(view.chains()).toEqual(['orders']);
    for (const [sequence, entryId] of entryIds.entries()) expect(view.sequenceOf('orders', entryId)).toBe(sequence);
    const covering = Array.from({ length: 13 }, (_, sequence) => view.segmentCovering('orders', sequence)?.firstSequence);
    expect(covering).toEqual([0, 1, 1, 1, 1, 5, 6, 6, 6, 6, 6, 6, 6]);
    expect(view.segmentCovering('orders', 6)).toEqual({ firstSequence: 6, count: 7 });
    expect(view.segmentCovering('orders', 13)).toBeUndefined();
  });

  it('takes an id by its exact text, within its chain', () => {
    const { view } = memoryView();
    view.addSegment(historyOf('orders', [3]).segments[0]!);
    view.addSegment(historyOf('invoices', [2]).segments[0]!);
    expect(view.sequenceOf('orders', 'id-2')).toBe(2);
    expect(view.sequenceOf('invoices', 'id-2')).toBeUndefined();
    for (const other of ['ID-2', 'id-2 ', 'id-', 'id-02', '', "' OR 1", 'id-%']) expect(view.sequenceOf('orders', other)).toBeUndefined();
    expect(view.sequenceOf('order', 'id-2')).toBeUndefined();
  });

  it('gives all ids of a chain in pages', () => {
    const { view } = memoryView();
    const { segments, entryIds } = historyOf('orders', [500, 523]);
    view.addSegments(segments, 'later');
    view.addSegment(historyOf('other', [5]).segments[0]!);
    const seen: string[] = [];
    for (let page = view.ids('orders', '', 100); page.length > 0; page = view.ids('orders', page.at(-1), 100)) seen.push(...page);
    expect(seen).toEqual(entryIds.toSorted());
  });

  it('leaves alone what is there, and refuses what lies behind a hole', () => {
    const { view, notes } = memoryView();
    const { segments } = historyOf('orders', [3, 2, 4]);
    expect(view.addSegment(segments[1]!)).toBe('gap');
    expect(view.addSegment(segments[0]!)).toBe('added');
    expect(view.addSegment(segments[2]!)).toBe('gap');
    expect(view.addSegment(segments[0]!)).toBe('already');
    expect(view.addSegments([segments[0]!, segments[1]!, segments[1]!, segments[2]!, segments[0]!], 'now')).toEqual([
      'already',
      'added',
      'already',
      'added',
      'already',
    ]);
    expect(view.through('orders').size).toBe(9);
    expect(notes).toEqual([]);
  });

  it('holds an id that the store holds twice as its first entry', () => {
    const { view } = memoryView();
    const { segments } = historyOf('orders', [2]);
    const twice = segments[0]!.payloads.map((payload) => payload.replace('"id-1"', '"id-0"'));
    view.addSegment({ ...segments[0]!, payloads: twice });
    expect(view.sequenceOf('orders', 'id-0')).toBe(0);
  });

  it('adds nothing of a transaction that fails', () => {
    const { view } = memoryView();
    const { segments } = historyOf('orders', [3, 2]);
    const broken = { ...segments[1]!, payloads: ['not an entry', '{}'] };
    expect(() => view.addSegments([segments[0]!, broken], 'now')).toThrow(RangeError);
    expect(view.through('orders').size).toBe(0);
    expect(view.indexed('orders')).toBe(0);
    expect(view.addSegments(segments, 'now')).toEqual(['added', 'added']);
  });

  it.each<[string, Partial<ViewSegment>]>([
    ['firstSequence', { firstSequence: -1 }],
    ['firstSequence', { firstSequence: 0.5 }],
    ['payloads', { payloads: [] }],
    ['leafHashes', { leafHashes: new Uint8Array(33) }],
    ['prevHash', { prevHash: 'x' }],
    ['prevHash', { prevHash: 'ab'.repeat(32) }],
    ['lastEntryHash', { lastEntryHash: 'AB'.repeat(32) }],
  ])('refuses a segment that contradicts itself: %s', (name, wrong) => {
    const { view } = memoryView();
    const { segments } = historyOf('orders', [3]);
    expect(() => view.addSegment({ ...segments[0]!, ...wrong })).toThrow(name);
    expect(view.through('orders').size).toBe(0);
  });

  it('makes an entry it cannot read findable by its position', () => {
    const { view, notes } = memoryView();
    const { segments } = historyOf('orders', [3]);
    const payloads = segments[0]!.payloads.with(1, '{"chainId":"orders","entryId":"id-1","event":');
    expect(view.addSegment({ ...segments[0]!, payloads })).toBe('added');
    expect(view.indexed('orders')).toBe(3);
    expect(view.sequenceOf('orders', 'id-1')).toBe(1);
    expect(notes.map((note) => note.kind)).toEqual(['unreadable_payload']);
  });
});

describe('a view of another history', () => {
  it.each<[string, readonly number[], number]>([
    ['is dropped when the first segment differs', [3], 0],
    ['is dropped when an earlier segment differs', [3, 2, 2], 1],
    ['is dropped when the next segment does not continue it', [3, 2, 2, 5], 3],
    ['is dropped when segments are cut elsewhere', [3, 3, 4], 1],
  ])('%s', (_, counts, at) => {
    const { view, notes } = memoryView();
    const held = historyOf('orders', [3, 2, 2]);
    for (const segment of held.segments) view.addSegment(segment);
    const other = historyOf('orders', counts, { salt: 'x' });
    expect(view.addSegment(other.segments[at]!)).toBe(at === 0 ? 'added' : 'gap');
    expect(notes.map((note) => note.kind)).toEqual(['forgotten']);
    expect(view.through('orders').size).toBe(at === 0 ? 3 : 0);
    expect(view.sequenceOf('orders', 'id-0')).toBeUndefined();
    for (const segment of other.segments) view.addSegment(segment);
    expect(view.through('orders')).toEqual({ size: other.entryIds.length, lastEntryHash: other.segments.at(-1)!.lastEntryHash });
    expect(view.ids('orders')).toEqual(other.entryIds.toSorted());
  });

  it('leaves nothing behind once it is purged, and other chains as they were', () => {
    const { view } = memoryView();
    const kept = historyOf('kept', [10]);
    for (const segment of historyOf('orders', [600, 300]).segments) view.addSegment(segment);
    view.addSegments(historyOf('later', [5]).segments, 'later');
    for (const segment of kept.segments) view.addSegment(segment);
    view.forget('orders');
    view.forget('later');
    view.forget('unknown');
    expect(view.chains()).toEqual(['kept']);
    expect(view.through('orders').size).toBe(0);
    while (view.maintain(100));
    expect(view.indexed('kept')).toBe(10);
    expect(view.ids('kept')).toEqual(kept.entryIds.toSorted());
    const counts = view.readDocuments((documents) => {
      const [shard] = documents.shards.all();
      return documents.shards.allMatches(shard!.shard, '"entry"*').length;
    });
    expect(counts).toBe(10);
    for (const segment of historyOf('orders', [4]).segments) expect(view.addSegment(segment)).toBe('added');
    expect(view.indexed('orders')).toBe(4);
  });
});
