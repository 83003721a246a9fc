/** One query, two indexes, one answer: what is asked of Elasticsearch must mean what it means to SQLite. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemHost } from '#indelible/ledger/host.js';
import { ElasticsearchIndex } from '#indelible/search/elasticsearch.js';
import { SearchQueryError } from '#indelible/search/query.js';
import type { SearchDocument, SearchIndex, SearchQuery } from '#indelible/search/search-index.js';
import { SqliteSearchIndex } from '#indelible/search/sqlite.js';
import { View } from '#indelible/view/view.js';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';

let server: Awaited<ReturnType<typeof elasticsearch.start>>;
let view: View;
let both: readonly [SearchIndex, SearchIndex];

const TEXTS = [
  'plain words', 'ÀÉÎ õü', 'ß ẞ ﬁ Ⅷ ½', '日本語 テスト', 'ɐɯ ʇǝxʇ', '\u202egnp.exe', 'a\u0000b', '😀 emoji 👩‍👩‍👧', '<script>alert(1)</script>', "Robert'); DROP TABLE documents;--",
  '{"match_all":{}}', '* ? ~ ^ : \\ /', 'AND OR NOT', 'x'.repeat(8_000), '１２３ 123', 'Ǆ ǅ ǆ', 'İstanbul ıstanbul', 'ﷺ', '한국어 각', '\u0300\u0301 combining', 'हिन्दी ไทย',
];

beforeAll(async () => {
  server = await elasticsearch.start();
  view = View.open(':memory:');
  both = [new SqliteSearchIndex(() => view), new ElasticsearchIndex({ url: server.endpoint, index: `alike-${randomBytes(4).toString('hex')}`, host: systemHost })];
  const documents = TEXTS.map((text, sequence): SearchDocument => ({
    chainId: 'a', sequence, entryId: `e-${sequence}`, receivedAt: `2026-11-23T20:00:00.0000${String(sequence).padStart(2, '0')}Z`,
    action: text.slice(0, 100), actorType: 'user', actorId: text.slice(0, 50), targets: [`file:${text.slice(0, 50)}`], requestId: text.slice(0, 200), text,
  }));
  for (const index of both) await index.add(documents);
});
afterAll(async () => {
  await both[1].close();
  view.close();
  await server.dispose();
});

async function answer(index: SearchIndex, query: Partial<SearchQuery>): Promise<unknown> {
  try {
    const { hits, next, completeThrough } = await index.search({ order: 'oldest', limit: 100, ...query });
    return { hits, next, completeThrough };
  } catch (error) {
    if (error instanceof SearchQueryError) return { refused: error.field, message: error.message };
    throw error;
  }
}

const HOSTILE = [
  ...TEXTS, ...TEXTS.map((text) => text.slice(0, 3)), ...TEXTS.map((text) => text.toUpperCase()), '\ud800', 'a\udfff', '\u0000', ' ', '"', '*', 'x'.repeat(999), 'é'.repeat(1_000), 'x'.repeat(60_000),
  '{"query":{"match_all":{}}}', '../../_all/_search', 'a:0', '[[1]]', '𝔞𝔟𝔠', '1e309', '-1', 'null', '__proto__',
];

it('hostile texts and values mean the same to both', async () => {
  for (const value of HOSTILE) {
    for (const field of ['text', 'action', 'actorId', 'target', 'requestId', 'chainId', 'ip'] as const) {
      const [sqlite, elastic] = [await answer(both[0], { [field]: value }), await answer(both[1], { [field]: value })];
      expect(elastic, `${field} ${JSON.stringify(value.slice(0, 60))}`).toEqual(sqlite);
    }
  }
});

it.each([
  { receivedFrom: '0000-01-01T00:00:00Z' }, { receivedFrom: '9999-12-31T23:59:59.999999Z' }, { receivedTo: '0000-01-01T00:00:00Z' }, { receivedTo: '9999-12-31T23:59:59Z' },
  { receivedFrom: '1969-12-31T23:59:59.999999Z', receivedTo: '2262-04-12T00:00:00Z' }, { receivedFrom: '2026-11-23T20:00:00.000007Z', receivedTo: '2026-11-23T20:00:00.000009Z' },
])('so do times at the ends of the calendar: %j', async (query) => {
  expect(await answer(both[1], query)).toEqual(await answer(both[0], query));
});

it('a page of one index is followed by the next page of the other', async () => {
  const seen: number[] = [];
  for (let cursor: string | undefined, turn = 0; ; turn++) {
    const page = await both[turn % 2]!.search({ order: 'newest', limit: 2, ...(cursor !== undefined && { cursor }) });
    seen.push(...page.hits.map(({ sequence }) => sequence));
    cursor = page.next;
    if (cursor === undefined) break;
  }
  expect(seen).toEqual(TEXTS.map((_, i) => TEXTS.length - 1 - i));
});
