import { describe, expect, it } from 'vitest';
import { SqliteSearchIndex } from '#indelible/search/sqlite.js';
import { View } from '#indelible/view/view.js';
import { historyOf } from '../view/history.js';
import { searchIndexContract } from './contract.js';

searchIndexContract('SQLite', () => {
  const view = View.open(':memory:');
  const index = new SqliteSearchIndex(() => view);
  const close = index.close.bind(index);
  index.close = async () => {
    await close();
    view.close();
  };
  return Promise.resolve(index);
});

describe('search over a view fed with segments', () => {
  it('finds what the payloads say, with the documents of the payloads', async () => {
    const view = View.open(':memory:');
    const { segments } = historyOf('orders', [3, 1, 5]);
    for (const segment of segments) view.addSegment(segment);
    const index = new SqliteSearchIndex(() => view);
    const page = await index.search({ text: 'entry 7', order: 'oldest', limit: 10 });
    expect(page.hits.map((hit) => hit.sequence)).toEqual([7]);
    expect(page.completeThrough).toEqual({ orders: 9 });
    view.close();
  });

  it('is complete up to the documents, not up to the ids, while documents wait', async () => {
    const view = View.open(':memory:');
    const index = new SqliteSearchIndex(() => view);
    const { segments } = historyOf('orders', [2, 2, 2]);
    view.addSegments(segments, 'later');
    const ask = async (): Promise<[number, number | undefined]> => {
      const { hits, completeThrough } = await index.search({ order: 'newest', limit: 10 });
      return [hits.length, completeThrough['orders']];
    };
    expect(view.through('orders').size).toBe(6);
    expect(await ask()).toEqual([0, 0]);
    expect(view.maintain(1)).toBe(true);
    expect(await ask()).toEqual([2, 2]);
    // A segment that comes while others wait waits behind them.
    const more = historyOf('orders', [2, 2, 2, 1]).segments.at(-1)!;
    expect(view.addSegment(more)).toBe('added');
    expect(await ask()).toEqual([2, 2]);
    while (view.maintain(1));
    expect(await ask()).toEqual([7, 7]);
    view.close();
  });

  it('goes through several shards of the index, each hit once', async () => {
    const view = View.open(':memory:');
    const index = new SqliteSearchIndex(() => view);
    // 140,000 entries: two full shards and a bit, in two chains that take turns.
    const [a, b] = ['a', 'b'].map((chainId) => historyOf(chainId, new Array<number>(70).fill(1_000), { terse: true }).segments);
    for (let i = 0; i < 70; i++) {
      view.addSegment(a![i]!);
      view.addSegment(b![i]!);
    }
    for (const order of ['newest', 'oldest'] as const) {
      for (const query of [{ action: 'rare' }, { action: 'rare', chainId: 'b' }]) {
        const seen = new Set<string>();
        let page = await index.search({ ...query, order, limit: 11 });
        const hits = [...page.hits];
        while (page.next !== undefined) {
          page = await index.search({ ...query, order, limit: 11, cursor: page.next });
          hits.push(...page.hits);
        }
        for (const hit of hits) seen.add(`${hit.chainId}:${hit.sequence}`);
        expect(hits.length).toBe('chainId' in query ? 70 : 140);
        expect(seen.size).toBe(hits.length);
        const times = hits.map((hit) => hit.receivedAt);
        expect(times).toEqual(order === 'oldest' ? times.toSorted() : times.toSorted().reverse());
      }
    }
    // Merging full shards changes no answer.
    const before = await index.search({ text: 'r', order: 'newest', limit: 50 });
    while (view.maintain(1_000));
    expect(await index.search({ text: 'r', order: 'newest', limit: 50 })).toEqual(before);
    view.close();
  });
});
