/**
 * What an entry's document looks like in Elasticsearch: names of the Elastic Common Schema where it has one for the
 * thing, `indelible.*` where not (docs/search.md has the table). The mapping is strict: a field that is not
 * listed is refused, so nothing gets into the index that was not meant to be there.
 */
import { isDeepStrictEqual } from 'node:util';
import { targetId } from './document.js';
import type { EXACT_FIELDS } from './query.js';
import type { SearchDocument } from './search-index.js';
import { wordsOf } from './words.js';

/** Of mapping and meaning: an index of another version has to be rebuilt. */
export const MAPPING_VERSION = 1;

const keyword = { type: 'keyword' } as const;
/** Found, never sorted or counted by. */
const searched = { type: 'keyword', doc_values: false } as const;
/** Only shown. */
const shown = { type: 'keyword', index: false, doc_values: false } as const;

export const PROPERTIES = {
  '@timestamp': { type: 'date', format: 'strict_date_optional_time_nanos' },
  event: {
    properties: {
      id: keyword,
      sequence: { type: 'long' },
      action: keyword,
      outcome: keyword,
      category: keyword,
      // As the producer wrote it, any offset and precision: what can't be read as a date is kept and not searched.
      start: { type: 'date', format: 'strict_date_optional_time_nanos', ignore_malformed: true },
    },
  },
  user: { properties: { id: keyword, name: keyword } },
  // `address` is the exact text that is searched; `ip` is for ranges of networks.
  source: { properties: { address: keyword, ip: { type: 'ip', ignore_malformed: true } } },
  http: { properties: { request: { properties: { id: searched } } } },
  trace: { properties: { id: searched } },
  message: shown,
  indelible: {
    properties: {
      chain_id: keyword,
      // `@timestamp` knows milliseconds only; this decides order and ranges.
      received_micros: { type: 'long' },
      actor_type: keyword,
      targets: keyword,
      target_ids: searched,
      // Folded words of the text, each as one term: what a word is, is decided by words.ts for every index alike.
      words: searched,
    },
  },
} as const;

export const CHAIN_ID = 'indelible.chain_id';
export const SEQUENCE = 'event.sequence';
export const RECEIVED = 'indelible.received_micros';
export const WORDS = 'indelible.words';
export const TARGETS = 'indelible.targets';
export const TARGET_IDS = 'indelible.target_ids';

/** The field of each exact filter. */
export const FIELD_OF: Readonly<Record<(typeof EXACT_FIELDS)[number], string>> = {
  action: 'event.action',
  actorType: 'indelible.actor_type',
  actorId: 'user.id',
  outcome: 'event.outcome',
  category: 'event.category',
  ip: 'source.address',
  requestId: 'http.request.id',
  traceId: 'trace.id',
};

export type Source = Readonly<Record<string, unknown>>;

export function documentId({ chainId, sequence }: Pick<SearchDocument, 'chainId' | 'sequence'>): string {
  return `${chainId}:${sequence}`;
}

export function encode(document: SearchDocument): Source {
  const { chainId, sequence, entryId, receivedAt, occurredAt, action, actorType, actorId, actorName, outcome, category } = document;
  const { ip, requestId, traceId, targets, text } = document;
  return {
    '@timestamp': receivedAt,
    event: {
      id: entryId,
      sequence,
      action,
      ...(occurredAt !== undefined && { start: occurredAt }),
      ...(outcome !== undefined && { outcome }),
      ...(category !== undefined && { category }),
    },
    user: { id: actorId, ...(actorName !== undefined && { name: actorName }) },
    ...(ip !== undefined && { source: { address: ip, ip } }),
    ...(requestId !== undefined && { http: { request: { id: requestId } } }),
    ...(traceId !== undefined && { trace: { id: traceId } }),
    message: text,
    indelible: {
      chain_id: chainId,
      received_micros: microsOf(receivedAt),
      actor_type: actorType,
      targets,
      target_ids: [...new Set(targets.map(targetId))],
      words: wordsOf(text),
    },
  };
}

/**
 * The reverse of `encode`. What is in the index is a claim, not the truth: somebody may have put it there. A
 * document that does not say which entry it is of is none; anything else that is missing is empty.
 */
export function decode(source: unknown): SearchDocument | undefined {
  const event = members(at(source, 'event'));
  const own = members(at(source, 'indelible'));
  const user = members(at(source, 'user'));
  const sequence = event['sequence'];
  const chainId = own['chain_id'];
  if (typeof chainId !== 'string' || typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 0) return undefined;
  const optional = {
    occurredAt: event['start'],
    actorName: user['name'],
    outcome: event['outcome'],
    category: event['category'],
    ip: at(at(source, 'source'), 'address'),
    requestId: at(at(at(source, 'http'), 'request'), 'id'),
    traceId: at(at(source, 'trace'), 'id'),
  };
  return {
    chainId,
    sequence,
    entryId: text(event['id']),
    receivedAt: text(at(source, '@timestamp')),
    action: text(event['action']),
    actorType: text(own['actor_type']),
    actorId: text(user['id']),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => typeof value === 'string')),
    targets: Array.isArray(own['targets']) ? own['targets'].map(text) : [],
    text: text(at(source, 'message')),
  };
}

/** Whether what is stored is exactly what belongs there. */
export function holds(source: unknown, document: SearchDocument): boolean {
  return isDeepStrictEqual(source, encode(document));
}

/**
 * Microseconds since the epoch, as decimal digits: over the years 0–9999 they don't fit a JavaScript number. A
 * time that is none is passed on as it is: Elasticsearch refuses the document, and it is set aside with the reason.
 */
export function microsOf(receivedAt: string): string {
  const milliseconds = Date.parse(`${receivedAt.slice(0, 23)}Z`);
  if (Number.isNaN(milliseconds) || !/^\d{3}Z$/.test(receivedAt.slice(23))) return receivedAt;
  return String(BigInt(milliseconds) * 1_000n + BigInt(receivedAt.slice(23, 26)));
}

function at(value: unknown, name: string): unknown {
  return members(value)[name];
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
