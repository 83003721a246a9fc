/** A checked query as Elasticsearch's own. Values and words are always terms, never syntax. */
import type { estypes } from '@elastic/elasticsearch';
import { CHAIN_ID, FIELD_OF, microsOf, RECEIVED, SEQUENCE, TARGET_IDS, TARGETS, WORDS } from './elasticsearch-documents.js';
import { EXACT_FIELDS } from './query.js';
import type { CheckedQuery } from './query.js';

/** `undefined`: nothing can match (a text that is not Unicode is in no entry, and can't be sent). */
export function searchRequest({ query, words, receivedFrom, receivedTo, after }: CheckedQuery): estypes.SearchRequest | undefined {
  const filter: estypes.QueryDslQueryContainer[] = [];
  const exact = EXACT_FIELDS.flatMap((field) => (query[field] === undefined ? [] : [[FIELD_OF[field], query[field]] as const]));
  if (query.chainId !== undefined) exact.push([CHAIN_ID, query.chainId]);
  if ([...exact.map(([, value]) => value), query.target ?? ''].some((value) => LONE_SURROGATE.test(value) || Buffer.byteLength(value) > MAX_TERM_BYTES)) return undefined;
  for (const [field, value] of exact) filter.push({ term: { [field]: { value } } });
  if (query.target !== undefined) {
    const value = query.target;
    filter.push({ bool: { should: [{ term: { [TARGETS]: { value } } }, { term: { [TARGET_IDS]: { value } } }], minimum_should_match: 1 } });
  }
  for (const value of words) filter.push({ prefix: { [WORDS]: { value } } });
  if (receivedFrom !== undefined || receivedTo !== undefined) {
    filter.push({
      range: {
        [RECEIVED]: {
          ...(receivedFrom !== undefined && { gte: microsOf(receivedFrom) }),
          ...(receivedTo !== undefined && { lt: microsOf(receivedTo) }),
        },
      },
    });
  }
  const order = query.order === 'newest' ? 'desc' : 'asc';
  return {
    query: { bool: { filter } },
    sort: [{ [RECEIVED]: { order } }, { [CHAIN_ID]: { order } }, { [SEQUENCE]: { order } }],
    ...(after !== undefined && { search_after: [microsOf(after.receivedAt), after.chainId, after.sequence] }),
    // One more than asked for: it tells whether there is a next page.
    size: query.limit + 1,
    track_total_hits: false,
    // What a part of the index did not answer would be missing without a word.
    allow_partial_search_results: false,
    _source: { excludes: [WORDS, TARGET_IDS] },
  };
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Lucene holds no longer term, and no entry has one. */
const MAX_TERM_BYTES = 32_766;
