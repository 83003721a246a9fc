/**
 * Checks of a search query and its cursor, the same for every index: a query arrives from outside.
 */
import type { SearchDocument, SearchQuery } from './search-index.js';
import { targetId } from './document.js';
import { wordsOf } from './words.js';

/** A member of the query is not acceptable. `field` names it; the message says what was expected. */
export class SearchQueryError extends Error {
  override readonly name = 'SearchQueryError';
  readonly code = 'search_query_invalid';
  readonly field: keyof SearchQuery;

  constructor(field: keyof SearchQuery, expected: string) {
    super(`"${field}" expected ${expected}`);
    this.field = field;
  }
}

/** Filters that are one exact value of the document. */
export const EXACT_FIELDS = [
  'action',
  'actorType',
  'actorId',
  'outcome',
  'category',
  'ip',
  'requestId',
  'traceId',
] as const;

const STRING_FIELDS = [...EXACT_FIELDS, 'chainId', 'target', 'receivedFrom', 'receivedTo', 'text', 'cursor'] as const;
const MAX_LIMIT = 1_000;
/** UTF-16 units of one filter. No value an entry can hold is longer. */
const MAX_VALUE = 65_535;
const MAX_TEXT = 1_000;
const MAX_WORDS = 32;

/** Where a page ended: the place of its last hit in the order (receivedAt, chainId, sequence). */
export interface Position {
  readonly receivedAt: string;
  readonly chainId: string;
  readonly sequence: number;
}

/** A query in which everything has been checked and brought to one form. */
export interface CheckedQuery {
  readonly query: SearchQuery;
  /** Folded words, each once; all must occur, at word starts. */
  readonly words: readonly string[];
  /** 27 characters, comparable as text with `receivedAt`. */
  readonly receivedFrom?: string;
  readonly receivedTo?: string;
  readonly after?: Position;
}

/** @throws SearchQueryError naming the first member that is not acceptable */
export function checkQuery(query: SearchQuery): CheckedQuery {
  for (const field of STRING_FIELDS) {
    const value: unknown = query[field];
    if (value === undefined) continue;
    if (typeof value !== 'string') throw new SearchQueryError(field, 'a text');
    if (value.length > MAX_VALUE) throw new SearchQueryError(field, `at most ${MAX_VALUE} characters`);
  }
  if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > MAX_LIMIT) {
    throw new SearchQueryError('limit', `an integer of 1–${MAX_LIMIT}`);
  }
  const order: unknown = query.order;
  if (order !== 'newest' && order !== 'oldest') throw new SearchQueryError('order', '"newest" or "oldest"');
  return {
    query,
    words: query.text === undefined ? [] : checkedWords(query.text),
    ...(query.receivedFrom !== undefined && { receivedFrom: checkedTime('receivedFrom', query.receivedFrom) }),
    ...(query.receivedTo !== undefined && { receivedTo: checkedTime('receivedTo', query.receivedTo) }),
    ...(query.cursor !== undefined && { after: readCursor(query, query.cursor) }),
  };
}

function checkedWords(text: string): string[] {
  if (text.length > MAX_TEXT) throw new SearchQueryError('text', `at most ${MAX_TEXT} characters`);
  const words = wordsOf(text);
  if (words.length === 0) throw new SearchQueryError('text', 'at least one letter or digit');
  if (words.length > MAX_WORDS) throw new SearchQueryError('text', `at most ${MAX_WORDS} words`);
  return words;
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)$/;

/** RFC 3339 with any offset and up to six decimals, as the 27 characters `receivedAt` has. */
function checkedTime(field: 'receivedFrom' | 'receivedTo', value: string): string {
  const match = TIME.exec(value.toUpperCase());
  const milliseconds = match === null ? NaN : Date.parse(`${match[1] ?? ''}${match[3] ?? ''}`);
  if (match === null || Number.isNaN(milliseconds)) {
    throw new SearchQueryError(field, 'an RFC 3339 time with at most microseconds, such as 2026-11-23T20:52:07Z');
  }
  const utc = new Date(milliseconds).toISOString();
  if (utc.length !== 24) throw new SearchQueryError(field, 'a year of 0000–9999');
  return `${utc.slice(0, 19)}.${(match[2] ?? '').padEnd(6, '0')}Z`;
}

/** True if the document has each exact value asked for. Words and times are not looked at. */
export function matchesExactly(query: SearchQuery, document: SearchDocument): boolean {
  for (const field of EXACT_FIELDS) {
    if (query[field] !== undefined && query[field] !== document[field]) return false;
  }
  const { target } = query;
  return target === undefined || document.targets.some((it) => it === target || targetId(it) === target);
}

/**
 * A cursor is a position and a fingerprint of the query it belongs to. It holds no state of the index, so it
 * stays good while entries are added, on every replica, and after a rebuild.
 */
export function writeCursor(query: SearchQuery, at: Position): string {
  const fields = [CURSOR_VERSION, fingerprint(query), at.receivedAt, at.chainId, at.sequence];
  return Buffer.from(JSON.stringify(fields), 'utf8').toString('base64url');
}

const CURSOR_VERSION = 1;

function readCursor(query: SearchQuery, cursor: string): Position {
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw new SearchQueryError('cursor', 'the "next" of an earlier page');
  }
  if (!Array.isArray(fields) || fields.length !== 5) throw new SearchQueryError('cursor', 'the "next" of an earlier page');
  const [version, print, receivedAt, chainId, sequence] = fields as unknown[];
  if (
    version !== CURSOR_VERSION ||
    typeof receivedAt !== 'string' ||
    !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(receivedAt) ||
    typeof chainId !== 'string' ||
    !/^_?[a-z0-9][a-z0-9._-]{0,99}$/.test(chainId) ||
    !Number.isSafeInteger(sequence) ||
    (sequence as number) < 0
  ) {
    throw new SearchQueryError('cursor', 'the "next" of an earlier page');
  }
  if (print !== fingerprint(query)) throw new SearchQueryError('cursor', 'the "next" of a page of this same query');
  return { receivedAt, chainId, sequence: sequence as number };
}

/** Everything that decides which hits follow: all members but the cursor and the page size. */
function fingerprint(query: SearchQuery): string {
  const decisive = STRING_FIELDS.filter((field) => field !== 'cursor').map((field) => query[field] ?? null);
  return hash53(JSON.stringify([query.order, ...decisive]));
}

/** A 53-bit hash in base 36, for telling queries apart; a collision costs a less clear answer. */
function hash53(text: string): string {
  let a = 0x9e3779b9;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca6b);
    b = Math.imul(b ^ unit, 0xc2b2ae35);
  }
  a = Math.imul(a ^ (a >>> 16), 0x2c1b3c6d) ^ Math.imul(b ^ (b >>> 13), 0x297a2d39);
  b = Math.imul(b ^ (b >>> 16), 0x2c1b3c6d) ^ Math.imul(a ^ (a >>> 13), 0x297a2d39);
  return (4294967296 * (b & 0x1fffff) + (a >>> 0)).toString(36);
}
