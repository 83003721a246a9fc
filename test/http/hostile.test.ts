/**
 * Requests meant to confuse, overload or slip past the service, each with the answer it must get. At the
 * end: no 500 was ever sent, nothing was stored but what was acknowledged, byte for byte, and the service is
 * well.
 */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemCode } from '#indelible/http/problem-codes.js';
import { PROBLEMS } from '#indelible/http/problem-codes.js';
import { generator } from '../simulation/world.js';
import { raw } from './support/raw.js';
import type { Piece, RawAnswer } from './support/raw.js';
import { BATCH, bytes, chunked, ENTRIES, HOSTILE_CHAIN, withMember, withMetadata } from './support/requests.js';
import { TestServer, TOKEN } from './support/server.js';

const EVENT = '{"action":"a","actor":{"id":"1","type":"user"}}';
const NDJSON = { 'content-type': 'application/x-ndjson' };
const KIB = 1_024;

/** The problem that must be the answer, or the canonical text of each event that must be stored. */
type Expected = ProblemCode | { readonly stored: readonly string[]; readonly status?: 200 | 201 };

interface Row {
  readonly name: string;
  readonly pieces: readonly Piece[];
  readonly expected: Expected;
  /** Of the problem. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly answers?: number;
  /** Whatever stands behind the first request is not taken for one. */
  readonly nothingBehind?: boolean;
}

function row(name: string, pieces: readonly Piece[], expected: Expected, members?: Readonly<Record<string, unknown>>): Row {
  return { name, pieces, expected, ...(members !== undefined && { members }) };
}

function stored(...events: string[]): Expected {
  return { stored: events };
}

function from(name: string, body: string | Uint8Array, expected: Expected, members?: Readonly<Record<string, unknown>>): Row {
  return row(name, bytes(body), expected, members);
}

function utf16(text: string, bigEndian: boolean, mark: boolean): Buffer {
  const buffer = Buffer.from(mark ? `\ufeff${text}` : text, 'utf16le');
  return bigEndian ? buffer.swap16() : buffer;
}

/** A request, and in what a careless reader takes for its end or its body, another one. */
function smuggled(headers: Readonly<Record<string, string>>, lines: readonly string[]): Piece[] {
  const inner = bytes(withMember('"reason":"smuggled"'))[0] as Buffer;
  return bytes(Buffer.concat([Buffer.from('0\r\n\r\n'), inner]), { headers, lines });
}

/** An event whose metadata is nested so that the whole is `levels` deep. */
function nested(levels: number): string {
  return withMetadata(`${'{"a":'.repeat(levels - 2)}{}${'}'.repeat(levels - 2)}`);
}

function inHours(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString();
}

const NOT_JSON: Row[] = [
  ['nothing', ''], ['white space', ' \r\n\t '], ['half an object', '{"action":"a"'], ['two values', `${EVENT}{}`], ['a trailing comma', `${EVENT.slice(0, -1)},}`],
  ['a comment', `${EVENT.slice(0, -1)}/* x */}`], ['a line comment', `// x\n${EVENT}`], ['single quotes', EVENT.replaceAll('"', '\'')], ['a name without quotes', EVENT.replace('"action"', 'action')],
  ['NaN', withMetadata('{"n":NaN}')], ['Infinity', withMetadata('{"n":-Infinity}')], ['undefined', withMetadata('{"n":undefined}')], ['True', withMetadata('{"n":True}')],
  ['a hexadecimal number', withMetadata('{"n":0x10}')], ['a number with a plus', withMetadata('{"n":+1}')], ['a leading zero', withMetadata('{"n":01}')],
  ['a number without digits before the point', withMetadata('{"n":.5}')], ['a number without digits behind the point', withMetadata('{"n":1.}')], ['digit separators', withMetadata('{"n":1_000}')],
  ['a raw tab in a string', withMetadata('{"n":"\t"}')], ['a raw NUL in a string', withMetadata('{"n":"\u0000"}')], ['an escape that JSON has not', withMetadata('{"n":"\\x41"}')], ['half an escape', withMetadata('{"n":"\\u12"}')],
  ['a form feed as white space', `\f${EVENT}`], ['a no-break space as white space', `\u00a0${EVENT}`], ['a NUL at the end', `${EVENT}\u0000`], ['a form', 'action=a&actor=1'], ['XML', '<event/>'],
].map(([name = '', body = '']) => from(`JSON: ${name}`, body, 'json_syntax'));

const NOT_UTF8: Row[] = [
  from('encoding: a byte-order mark', `\ufeff${EVENT}`, 'json_encoding'),
  from('encoding: Latin-1', Buffer.from(withMetadata('{"n":"é"}'), 'latin1'), 'json_encoding'),
  from('encoding: a continuation byte alone', Buffer.concat([Buffer.from(EVENT), Buffer.of(0x80)]), 'json_encoding'),
  from('encoding: an overlong slash', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xc0, 0xaf), Buffer.from('"}')]), 'json_encoding'),
  from('encoding: a surrogate in UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"}')]), 'json_encoding'),
  from('encoding: above U+10FFFF', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xf4, 0x90, 0x80, 0x80), Buffer.from('"}')]), 'json_encoding'),
  from('encoding: a character cut off at the end', Buffer.concat([Buffer.from(EVENT), Buffer.of(0xe2, 0x82)]), 'json_encoding'),
  from('encoding: UTF-16 with its mark, little-endian', utf16(EVENT, false, true), 'json_encoding'),
  from('encoding: UTF-16 with its mark, big-endian', utf16(EVENT, true, true), 'json_encoding'),
  from('encoding: UTF-16 without a mark', utf16(EVENT, false, false), 'json_syntax'),
];

const NOT_EXACT: Row[] = [
  from('two members of one name', withMetadata('{"a":1,"a":2}'), 'json_duplicate_member', { pointer: '/metadata/a' }),
  from('two members of one name, one escaped', withMetadata('{"a":1,"\\u0061":2}'), 'json_duplicate_member', { pointer: '/metadata/a' }),
  from('two actions', withMember('"action":"b"'), 'json_duplicate_member', { pointer: '/action' }),
  from('two __proto__', withMetadata('{"__proto__":1,"__proto__":2}'), 'json_duplicate_member', { pointer: '/metadata/__proto__' }),
  from('a lone high surrogate', withMetadata('{"n":"\\ud800"}'), 'json_lone_surrogate', { pointer: '/metadata/n' }),
  from('surrogates in the wrong order', withMetadata('{"n":"\\udc00\\ud800"}'), 'json_lone_surrogate'),
  from('a lone surrogate in a name', withMetadata('{"\\ud800":1}'), 'json_lone_surrogate'),
  from('2^53 + 1', withMetadata('{"n":9007199254740993}'), 'json_number_not_exact', { pointer: '/metadata/n' }),
  from('1e400', withMetadata('{"n":1e400}'), 'json_number_not_exact'),
  from('1e-400', withMetadata('{"n":1e-400}'), 'json_number_not_exact'),
  from('more digits than a double has', withMetadata('{"n":0.1234567890123456789}'), 'json_number_not_exact'),
  from('an exponent of a million digits', withMetadata(`{"n":1e${'9'.repeat(1_000_000)}}`), 'json_number_not_exact'),
  from('negative zero', withMetadata('{"n":-0}'), 'json_negative_zero'),
  from('negative zero in disguise', withMetadata('{"n":-0.0e5}'), 'json_negative_zero'),
  from('33 levels', nested(33), 'json_too_deep'),
  from('a million brackets', '['.repeat(1_000_000), 'json_too_deep'),
  from('a hundred thousand objects', '{"a":'.repeat(100_000), 'json_too_deep'),
];

const NO_EVENT: Row[] = [
  from('event: an array', '[]', 'event_field_invalid', { pointer: '' }),
  from('event: null', 'null', 'event_field_invalid'),
  from('event: a string', '"x"', 'event_field_invalid'),
  from('event: an empty object', '{}', 'event_field_missing'),
  from('event: no actor', '{"action":"a"}', 'event_field_missing', { pointer: '/actor' }),
  from('event: action a number', '{"action":1,"actor":{"id":"1","type":"user"}}', 'event_field_invalid', { pointer: '/action' }),
  from('event: action empty', '{"action":"","actor":{"id":"1","type":"user"}}', 'event_field_invalid'),
  from('event: a line feed in action', '{"action":"a\\nb","actor":{"id":"1","type":"user"}}', 'event_field_invalid'),
  from('event: a terminal escape in the actor', '{"action":"a","actor":{"id":"\\u001b[2J","type":"user"}}', 'event_field_invalid', { pointer: '/actor/id' }),
  from('event: action too long', `{"action":"${'a'.repeat(257)}","actor":{"id":"1","type":"user"}}`, 'event_field_invalid'),
  from('event: actor a string', '{"action":"a","actor":"me"}', 'event_field_invalid'),
  from('event: an unknown member', withMember('"severity":"high"'), 'event_field_unknown', { pointer: '/severity' }),
  from('event: a member __proto__', withMember('"__proto__":{"outcome":"success"}'), 'event_field_unknown', { pointer: '/__proto__' }),
  from('event: a member constructor', withMember('"constructor":{"prototype":{}}'), 'event_field_unknown', { pointer: '/constructor' }),
  from('event: a member toString', withMember('"toString":"x"'), 'event_field_unknown', { pointer: '/toString' }),
  from('event: the service\'s own members', withMember('"sequence":0'), 'event_field_unknown'),
  from('event: __proto__ in the actor', '{"action":"a","actor":{"id":"1","type":"user","__proto__":{}}}', 'event_field_unknown', { pointer: '/actor/__proto__' }),
  from('event: the actor by way of __proto__', '{"action":"a","__proto__":{"actor":{"id":"1","type":"user"}}}', 'event_field_missing'),
  from('event: outcome in capitals', withMember('"outcome":"SUCCESS"'), 'event_field_invalid', { pointer: '/outcome' }),
  from('event: an address that is none', withMember('"context":{"ip":"999.1.1.1"}'), 'event_field_invalid', { pointer: '/context/ip' }),
  from('event: __proto__ in the context, no string', withMember('"context":{"__proto__":{}}'), 'event_field_invalid', { pointer: '/context/__proto__' }),
  from('event: metadata an array', withMetadata('[]'), 'event_field_invalid', { pointer: '/metadata' }),
  from('event: 100,000 targets', withMember(`"targets":[${Array(100_000).fill('1').join(',')}]`), 'event_field_invalid', { pointer: '/targets' }),
  from('event: an entry id with a slash', withMember('"entryId":"a/b"'), 'event_field_invalid', { pointer: '/entryId' }),
  from('event: an entry id with a NUL', withMember('"entryId":"a\\u0000"'), 'event_field_invalid'),
  from('event: an entry id that is a number', withMember('"entryId":1'), 'event_field_invalid'),
  ...[
    '2026-02-30T00:00:00Z', '2025-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '0000-01-01T00:00:00Z', '1969-12-31T23:59:59Z', '10000-01-01T00:00:00Z', '+002026-01-01T00:00:00Z',
    '2026-01-01T24:00:00Z', '2026-01-01T00:00:60Z', '2026-01-01T00:00:00+99:99', '2026-01-01T00:00:00', '2026-01-01', '2026-01-01T00:00:00z', '2026-01-01 00:00:00Z', '1e9', '',
    '2026-01-01T00:00:00.1234567891Z', '２０２６-01-01T00:00:00Z',
  ].map((date) => from(`date: ${JSON.stringify(date)}`, withMember(`"occurredAt":"${date}"`), 'event_field_invalid', { pointer: '/occurredAt' })),
  from('date: a number', withMember('"occurredAt":1767225600'), 'event_field_invalid'),
  from('date: 25 hours ahead', withMember(`"occurredAt":"${inHours(25)}"`), 'occurred_in_future', { pointer: '/occurredAt' }),
  from('date: the year 9999', withMember('"occurredAt":"9999-12-31T23:59:59Z"'), 'occurred_in_future'),
];

const SIZES: Row[] = [
  from('size: an entry over 64 KiB', withMetadata(`{"n":"${'x'.repeat(65_400)}"}`), 'entry_too_large'),
  from('size: an entry over 64 KiB in bytes, not in characters', withMetadata(`{"n":"${'é'.repeat(33_000)}"}`), 'entry_too_large'),
  from('size: an event over 1 MiB', withMetadata(`{"n":"${'x'.repeat(KIB * KIB)}"}`), 'body_too_large'),
  row('size: an exabyte announced', bytes(EVENT, { headers: { 'content-length': '1000000000000000000' } }), 'body_too_large'),
  row('size: over 1 MiB in chunks', bytes(chunked('x'.repeat(700_000), 'x'.repeat(700_000)), { headers: { 'content-length': null, 'transfer-encoding': 'chunked' } }), 'body_too_large'),
  row('batch: over 8 MiB', bytes(`[${' '.repeat(8_388_608)}]`, { target: BATCH }), 'body_too_large'),
  row('batch: 1,001 events', bytes(`[${Array(1_001).fill(EVENT).join(',')}]`, { target: BATCH }), 'batch_too_large'),
  row('batch: 1,001 lines', bytes(`${EVENT}\n`.repeat(1_001), { target: BATCH, headers: NDJSON }), 'batch_too_large'),
  row('batch: a million empty objects', bytes(`[${Array(1_000_000).fill('{}').join(',')}]`, { target: BATCH }), 'batch_too_large'),
  row('batch: empty', bytes('[]', { target: BATCH }), 'batch_invalid'),
  row('batch: only empty lines', bytes('\n\n\n', { target: BATCH, headers: NDJSON }), 'batch_invalid'),
  row('batch: one event, no array', bytes(EVENT, { target: BATCH }), 'batch_invalid'),
  row('batch: an array of arrays', bytes(`[[${EVENT}]]`, { target: BATCH }), 'event_field_invalid', { item: 0, pointer: '/0' }),
  row('batch: the last event bad', bytes(`[${EVENT},${EVENT},{}]`, { target: BATCH }), 'event_field_missing', { item: 2 }),
  row('batch: 34 levels with the array', bytes(`[${EVENT},${nested(33)}]`, { target: BATCH }), 'json_too_deep'),
  row('batch: an array sent as lines', bytes(`[${EVENT}]`, { target: BATCH, headers: NDJSON }), 'event_field_invalid', { line: 1 }),
  row('batch: lines sent as JSON', bytes(`${EVENT}\n${EVENT}`, { target: BATCH }), 'json_syntax'),
  row('batch: an event over two lines', bytes('{"action":"a",\n"actor":{}}', { target: BATCH, headers: NDJSON }), 'json_syntax', { line: 1 }),
  row('batch: a date ahead in line 2', bytes(`${EVENT}\n${withMember(`"occurredAt":"${inHours(30)}"`)}`, { target: BATCH, headers: NDJSON }), 'occurred_in_future', { line: 2, item: 1 }),
];

const TYPES: Row[] = [
  row('type: none', bytes(EVENT, { headers: { 'content-type': null } }), 'media_type_unsupported'),
  row('type: text/plain', bytes(EVENT, { headers: { 'content-type': 'text/plain' } }), 'media_type_unsupported'),
  row('type: a form', bytes('action=a', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 'media_type_unsupported'),
  row('type: NDJSON for one event', bytes(EVENT, { headers: NDJSON }), 'media_type_unsupported'),
  row('type: two types', bytes(EVENT, { lines: ['content-type: text/plain'] }), 'media_type_unsupported'),
  row('type: charset UTF-16', bytes(EVENT, { headers: { 'content-type': 'application/json; charset=utf-16' } }), 'charset_unsupported'),
  row('type: charset Latin-1, then UTF-8', bytes(EVENT, { headers: { 'content-type': 'application/json; charset=latin1; charset=utf-8' } }), 'charset_unsupported'),
  row('coding: a gzip bomb', bytes(gzipSync(Buffer.alloc(20_000_000)), { headers: { 'content-encoding': 'gzip' } }), 'content_encoding_unsupported'),
  row('coding: br', bytes(EVENT, { headers: { 'content-encoding': 'br' } }), 'content_encoding_unsupported'),
  row('coding: identity and gzip', bytes(EVENT, { lines: ['content-encoding: identity', 'content-encoding: gzip'] }), 'content_encoding_unsupported'),
  row('coding: gzip as transfer coding', bytes(chunked(EVENT), { headers: { 'content-length': null, 'transfer-encoding': 'gzip, chunked' } }), 'content_encoding_unsupported'),
  row('accept: only HTML', bytes(EVENT, { headers: { accept: 'text/html' } }), 'not_acceptable'),
];

const FRAMING: Row[] = [
  row('framing: no length', bytes(EVENT, { headers: { 'content-length': null } }), 'length_required'),
  row('framing: two different lengths', bytes(EVENT, { lines: ['content-length: 5'] }), 'http_malformed'),
  row('framing: the same length twice', bytes(EVENT, { lines: [`content-length: ${EVENT.length}`] }), 'http_malformed'),
  row('framing: a length and chunks', bytes(chunked(EVENT), { headers: { 'transfer-encoding': 'chunked' } }), 'http_malformed'),
  row('framing: chunks and a length', bytes(chunked(EVENT), { headers: { 'content-length': null }, lines: ['transfer-encoding: chunked', 'content-length: 5'] }), 'http_malformed'),
  ...['-1', '+5', '1e3', '0x10', '5 5', '5,5', ' ', '99999999999999999999999'].map((length) => row(`framing: length ${JSON.stringify(length)}`, bytes(EVENT, { headers: { 'content-length': length } }), 'http_malformed')),
  row('framing: xchunked', bytes(chunked(EVENT), { headers: { 'content-length': null, 'transfer-encoding': 'xchunked' } }), 'content_encoding_unsupported'),
  row('framing: chunked, then identity', bytes(chunked(EVENT), { headers: { 'content-length': null, 'transfer-encoding': 'chunked, identity' } }), 'http_malformed'),
  row('framing: a chunk size that is no number', bytes('zz\r\nx\r\n0\r\n\r\n', { headers: { 'content-length': null, 'transfer-encoding': 'chunked' } }), 'http_malformed'),
  row('framing: a negative chunk size', bytes('-1\r\nx\r\n0\r\n\r\n', { headers: { 'content-length': null, 'transfer-encoding': 'chunked' } }), 'http_malformed'),
  ...[
    ['two lengths', { 'content-length': '0' }, [`content-length: ${EVENT.length}`]],
    ['a length and chunks', { 'content-length': '5', 'transfer-encoding': 'chunked' }, []],
    ['xchunked', { 'content-length': null, 'transfer-encoding': 'xchunked' }, []],
  ].map(([name, headers, lines]) => ({
    // Answers: 2, so that a second one would be seen; what it stored would be seen at the end.
    ...row(`framing: no request is found behind ${name as string}`, smuggled(headers as Record<string, string>, lines as string[]), name === 'xchunked' ? 'content_encoding_unsupported' : 'http_malformed'),
    answers: 2,
    nothingBehind: true,
  })),
  row('framing: a length ahead of a second request', bytes(`POST ${ENTRIES} HTTP/1.1\r\n`, { headers: { 'content-length': '0' } }), 'json_syntax'),
  row('headers: none', [`POST ${ENTRIES} HTTP/1.1\r\n\r\n`], 'host_missing'),
  row('headers: two hosts and no token', bytes(EVENT, { headers: { authorization: null }, lines: ['host: evil'] }), 'token_missing'),
  row('headers: a space before the colon', bytes(EVENT, { lines: ['x-a : 1'] }), 'http_malformed'),
  row('headers: no colon', bytes(EVENT, { lines: ['nonsense'] }), 'http_malformed'),
  row('headers: folded', bytes(EVENT, { lines: ['x-a: 1', ' 2'] }), 'http_malformed'),
  row('headers: a NUL', bytes(EVENT, { lines: ['x-a: \u0000'] }), 'http_malformed'),
  row('headers: a bare carriage return', bytes(EVENT, { lines: ['x-a: 1\r2'] }), 'http_malformed'),
  row('headers: one of 20 KiB', bytes(EVENT, { headers: { 'x-a': 'x'.repeat(20 * KIB) } }), 'headers_too_large'),
  row('headers: two thousand', bytes(EVENT, { lines: Array.from({ length: 2_000 }, (_, n) => `x-${n}: aaaaaaa`) }), 'headers_too_large'),
  row('headers: an expectation that nobody knows', bytes(EVENT, { headers: { expect: '200-ok' } }), 'expectation_failed'),
  row('headers: 100-continue without a token', bytes('', { headers: { expect: '100-continue', authorization: null, 'content-length': '50' } }), 'token_missing'),
  row('headers: 100-continue for too much', bytes('', { headers: { expect: '100-continue', 'content-length': '5000000' } }), 'body_too_large'),
  row('start line: not HTTP', ['hello\r\n\r\n'], 'http_malformed'),
  row('start line: no version', bytes(EVENT, { version: '' }), 'http_malformed'),
  row('start line: HTTP/2.0', bytes(EVENT, { version: 'HTTP/2.0' }), 'http_malformed'),
  row('start line: the preface of HTTP/2', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], 'http_malformed'),
  row('start line: TLS', [Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03)], 'http_malformed'),
  row('start line: a method in small letters', bytes(EVENT, { method: 'post' }), 'http_malformed'),
  row('start line: a space in the address', bytes(EVENT, { target: `${ENTRIES} x` }), 'http_malformed'),
  row('start line: an address of 20 KiB', bytes(EVENT, { target: `${ENTRIES}?${'x'.repeat(20 * KIB)}` }), 'headers_too_large'),
];

const ADDRESSES: Row[] = [
  row('address: two slashes', bytes(EVENT, { target: `/${ENTRIES}` }), 'route_not_found'),
  row('address: two slashes within', bytes(EVENT, { target: '/v1/chains//entries' }), 'route_not_found'),
  row('address: a slash at the end', bytes(EVENT, { target: `${ENTRIES}/` }), 'route_not_found'),
  row('address: dots', bytes(EVENT, { target: '/v1/chains/x/../hostile/entries' }), 'route_not_found'),
  row('address: escaped dots', bytes(EVENT, { target: '/v1/chains/%2e%2e/entries' }), 'chain_id_invalid'),
  row('address: an escaped slash', bytes(EVENT, { target: '/v1/chains/a%2fb/entries' }), 'chain_id_invalid'),
  row('address: an escaped NUL', bytes(EVENT, { target: '/v1/chains/a%00/entries' }), 'chain_id_invalid'),
  row('address: escaped twice', bytes(EVENT, { target: '/v1/chains/%2561/entries' }), 'chain_id_invalid'),
  row('address: escapes that are no UTF-8', bytes(EVENT, { target: '/v1/chains/%c3%28/entries' }), 'path_invalid'),
  row('address: half an escape', bytes(EVENT, { target: '/v1/chains/%e/entries' }), 'path_invalid'),
  row('address: a backslash', bytes(EVENT, { target: '/v1/chains/a\\b/entries' }), 'chain_id_invalid'),
  row('address: a chain in capitals', bytes(EVENT, { target: '/v1/chains/Hostile/entries' }), 'chain_id_invalid'),
  row('address: a chain of 101 characters', bytes(EVENT, { target: `/v1/chains/${'a'.repeat(101)}/entries` }), 'chain_id_invalid'),
  row('address: __proto__', bytes(EVENT, { target: '/v1/chains/__proto__/entries' }), 'chain_id_invalid'),
  row('address: constructor is a chain like any other, and nothing is there', bytes('', { method: 'GET', target: '/v1/chains/constructor/entries' }), 'chain_not_found'),
  row('address: a chain of the service\'s own', bytes(EVENT, { target: '/v1/chains/_system/entries' }), 'chain_reserved'),
  row('address: the words in capitals', bytes(EVENT, { target: '/V1/Chains/hostile/Entries' }), 'route_not_found'),
  row('address: a parameter that is not known', bytes(EVENT, { target: `${ENTRIES}?dryRun=true` }), 'query_parameter_unknown'),
  row('address: an array as parameter', bytes('', { method: 'GET', target: `${ENTRIES}?from[]=1` }), 'query_parameter_unknown'),
  row('address: a sequence over 2^53', bytes('', { method: 'GET', target: `${ENTRIES}/9007199254740993` }), 'sequence_invalid'),
  row('method: PUT', bytes(EVENT, { method: 'PUT' }), 'method_not_allowed'),
  row('method: DELETE', bytes('', { method: 'DELETE', target: `${ENTRIES}/0` }), 'method_not_allowed'),
  row('method: PATCH', bytes(EVENT, { method: 'PATCH', target: `${ENTRIES}/0` }), 'method_not_allowed'),
  row('method: PROPFIND', bytes('', { method: 'PROPFIND' }), 'method_not_allowed'),
  row('method: CONNECT', bytes('', { method: 'CONNECT', target: 'example.com:443' }), 'method_not_allowed'),
];

const TOKENS: Row[] = [
  row('token: none', bytes(EVENT, { headers: { authorization: null } }), 'token_missing'),
  row('token: another', bytes(EVENT, { headers: { authorization: 'Bearer ind_0000000000000000000000000000000000000000000' } }), 'token_invalid'),
  row('token: empty', bytes(EVENT, { headers: { authorization: 'Bearer ' } }), 'token_invalid'),
  row('token: in the address', bytes(EVENT, { headers: { authorization: null }, target: `${ENTRIES}?access_token=${TOKEN}` }), 'token_missing'),
  row('token: in a cookie', bytes(EVENT, { headers: { authorization: null, cookie: `token=${TOKEN}` } }), 'token_missing'),
  row('token: two, the right one first', bytes(EVENT, { lines: ['authorization: Bearer other'] }), 'token_invalid'),
  row('token: as a basic password', bytes(EVENT, { headers: { authorization: `Basic ${Buffer.from(`admin:${TOKEN}`).toString('base64')}` } }), 'token_invalid'),
  row('id: Idempotency-Key twice', bytes(EVENT, { lines: ['idempotency-key: a', 'idempotency-key: b'] }), 'header_invalid'),
  row('id: Idempotency-Key and another entryId', bytes(withMember('"entryId":"a"'), { headers: { 'idempotency-key': 'b' } }), 'idempotency_key_mismatch'),
];

const SLOW: Row[] = [
  row('slow: a body that stops', bytes('{', { headers: { 'content-length': '1000' } }), 'request_timeout'),
  row('slow: a body a byte at a time', [...bytes('', { headers: { 'content-length': '1000' } }), ...Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? 50 : ' '))], 'request_timeout'),
  row('slow: headers that stop', [`POST ${ENTRIES} HTTP/1.1\r\nhost: x\r\nx-a: `], 'request_timeout'),
  row('slow: headers a line at a time', [`POST ${ENTRIES} HTTP/1.1\r\n`, ...Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? 50 : `x-${n}: 1\r\n`))], 'request_timeout'),
];

/** Odd, and right: taken, and kept as it is. */
const TAKEN: Row[] = [
  from('taken: white space around', ` \r\n\t${EVENT}\n`, stored(EVENT)),
  from('taken: members in another order', '{"actor":{"type":"user","id":"1"},"action":"a"}', stored(EVENT)),
  from('taken: names and values escaped', '{"\\u0061ction":"\\u0061","actor":{"id":"1","type":"user"}}', stored(EVENT)),
  from('taken: prototype names in metadata', withMetadata('{"__proto__":{"x":1},"constructor":null,"toString":"t","hasOwnProperty":[]}'), stored(withMetadata('{"__proto__":{"x":1},"constructor":null,"hasOwnProperty":[],"toString":"t"}'))),
  from('taken: __proto__ in a change and in the context', '{"action":"a","actor":{"id":"1","type":"user"},"changes":[{"after":{"__proto__":null},"field":"f"}],"context":{"__proto__":"c"}}', stored('{"action":"a","actor":{"id":"1","type":"user"},"changes":[{"after":{"__proto__":null},"field":"f"}],"context":{"__proto__":"c"}}')),
  from('taken: numbers that are exact', withMetadata('{"a":1.50,"b":1E2,"c":9007199254740991,"d":0.1,"e":1e21,"f":5e-324}'), stored(withMetadata('{"a":1.5,"b":100,"c":9007199254740991,"d":0.1,"e":1e+21,"f":5e-324}'))),
  from('taken: 32 levels', nested(32), stored(nested(32))),
  from('taken: an empty name, a NUL, a line separator', withMetadata('{"":"\\u0000\u2028\\u007f"}'), stored(withMetadata('{"":"\\u0000\u2028\u007f"}'))),
  from('taken: a pair of surrogates as escapes', withMetadata('{"n":"\\ud83d\\ude00"}'), stored(withMetadata('{"n":"😀"}'))),
  from('taken: two names that look the same', withMetadata('{"\u00e9":1,"e\u0301":2}'), stored(withMetadata('{"e\u0301":2,"\u00e9":1}'))),
  from('taken: a date 23 hours ahead, with nine digits and an offset', withMember(`"occurredAt":"2026-01-01T23:59:59.123456789+23:59"`), stored(withMember('"occurredAt":"2026-01-01T23:59:59.123456789+23:59"'))),
  row('taken: a capital charset, a parameter nobody knows', bytes(EVENT, { headers: { 'content-type': 'Application/JSON; v=1; CHARSET="UTF-8"' } }), stored(EVENT)),
  row('taken: chunks of one byte', bytes(chunked(...Array.from(EVENT)), { headers: { 'content-length': null, 'transfer-encoding': 'chunked' } }), stored(EVENT)),
  row('taken: a body in pieces', [...bytes('', { headers: { 'content-length': String(EVENT.length) } }), 20, EVENT.slice(0, 9), 20, EVENT.slice(9)], stored(EVENT)),
  row('taken: 100-continue', bytes(EVENT, { headers: { expect: '100-continue' } }), stored(EVENT)),
  row('taken: an absolute address of another host', bytes(EVENT, { target: `http://evil.example${ENTRIES}` }), stored(EVENT)),
  row('taken: an address with escapes', bytes(EVENT, { target: '/v1/chains/%68ostile/entries' }), stored(EVENT)),
  row('taken: HTTP/1.0 without a host', bytes(EVENT, { version: 'HTTP/1.0', headers: { host: null } }), stored(EVENT)),
  row('taken: a method override is not looked at', bytes(EVENT, { headers: { 'x-http-method-override': 'DELETE' } }), stored(EVENT)),
  row('taken: a batch of one', bytes(`[${EVENT}]`, { target: BATCH }), stored(EVENT)),
  row('taken: a last line without a line feed', bytes(`${EVENT}\n${EVENT}`, { target: BATCH, headers: NDJSON }), stored(EVENT, EVENT)),
  { ...row('taken: three requests in one packet', [Buffer.concat([bytes(EVENT), bytes('{}'), bytes(withMember('"reason":"third"'))].flat() as Buffer[])], stored(EVENT, withMember('"reason":"third"'))), answers: 3 },
  row('taken: a producer\'s own id', bytes(withMember('"entryId":"own:1@a=b+c~d"')), stored(EVENT)),
  row('taken: the same again', bytes(withMember('"entryId":"own:1@a=b+c~d"')), { stored: [], status: 200 }),
  row('refused: the same id and other content', bytes('{"action":"b","actor":{"id":"1","type":"user"},"entryId":"own:1@a=b+c~d"}'), 'entry_id_conflict'),
];

const TABLE = [...NOT_JSON, ...NOT_UTF8, ...NOT_EXACT, ...NO_EVENT, ...SIZES, ...TYPES, ...FRAMING, ...ADDRESSES, ...TOKENS, ...SLOW, ...TAKEN];

let server: TestServer;
/** Gives requests little time; the other gives them what is usual, so that none is cut off because this machine is slow. */
let impatient: TestServer;
const seen: RawAnswer[] = [];
const mustBeStored: string[] = [];
beforeAll(async () => {
  server = await TestServer.start();
  impatient = await TestServer.start({ limits: { requestTimeoutMs: 1_000, headersTimeoutMs: 1_000, timeoutCheckMs: 50 } });
});
afterAll(async () => {
  await impatient.close();
  await server.close();
});

describe(`the table of ${TABLE.length} hostile requests`, () => {
  it.each(TABLE)('$name', async (row) => {
    const { pieces, expected, members, answers: count = 1, nothingBehind = false } = row;
    const answers = await raw((SLOW.includes(row) ? impatient : server).port, pieces, count);
    seen.push(...answers);
    if (nothingBehind) expect(answers.slice(1).filter(({ code }) => code !== 'http_malformed')).toEqual([]);
    if (typeof expected === 'string') {
      const [answer] = answers;
      expect(answer?.code).toBe(expected);
      expect(answer?.status).toBe(PROBLEMS[expected].status);
      const problem = JSON.parse(answer!.body) as Record<string, unknown>;
      expect(problem).toMatchObject({ type: `urn:indelible:problem:${expected}`, title: PROBLEMS[expected].title, status: PROBLEMS[expected].status, ...members });
      expect(answer!.head.toLowerCase()).toContain('x-request-id: ');
      expect(answer!.body).not.toContain(TOKEN);
    } else {
      mustBeStored.push(...expected.stored);
      expect(answers.filter(({ status }) => status === (expected.status ?? 201)).length).toBeGreaterThan(0);
    }
  });

  it('holds more than sixty requests', () => {
    expect(TABLE.length).toBeGreaterThanOrEqual(60);
    expect(new Set(TABLE.map(({ name }) => name)).size).toBe(TABLE.length);
  });
});

describe('random bytes', () => {
  const random = generator(4_711);
  const below = (n: number): number => Math.floor(random() * n);
  const start = Buffer.from(bytes(withMetadata('{"n":1}'), { target: '/v1/chains/random/entries' })[0] as Buffer);

  it('put, taken or doubled anywhere in a good request never end in a 500', async () => {
    for (let round = 0; round < 300; round++) {
      let request = Buffer.from(start);
      for (let changes = 1 + below(3); changes > 0; changes--) {
        const at = below(request.length);
        const kind = below(4);
        if (kind === 0) request[at] = below(256);
        else if (kind === 1) request = Buffer.concat([request.subarray(0, at), request.subarray(at + 1 + below(8))]);
        else if (kind === 2) request = Buffer.concat([request.subarray(0, at), Buffer.of(below(256)), request.subarray(at)]);
        else request = Buffer.concat([request.subarray(0, at), request.subarray(Math.max(0, at - below(40)))]);
      }
      // An incomplete request would wait for its time to run out: the end of the connection ends it.
      const answers = await Promise.race([raw(server.port, [request]), new Promise<RawAnswer[]>((resolve) => setTimeout(() => resolve([]), 100))]);
      seen.push(...answers);
      for (const { status } of answers) expect(status, JSON.stringify(request.toString('latin1'))).toBeLessThan(500);
    }
  });
});

describe('after all of it', () => {
  it('no 500 was ever sent, and none is in the log', () => {
    expect(seen.length).toBeGreaterThan(TABLE.length);
    expect(seen.filter(({ status }) => status >= 500)).toEqual([]);
    for (const { logged } of [server, impatient]) expect(logged.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it('the service is well', async () => {
    expect((await server.send('GET', '/healthz')).status).toBe(200);
    expect((await server.send('GET', '/readyz')).status).toBe(200);
    expect((await server.send('POST', '/v1/chains/well/entries', { body: EVENT })).status).toBe(201);
  });

  it('the chain is whole, and holds what was acknowledged, as it was sent, and nothing else', async () => {
    const { envelopes } = await server.audit(HOSTILE_CHAIN);
    expect(envelopes.map(({ event }) => event)).toEqual(mustBeStored);
    const { json } = await server.send('GET', '/v1/chains');
    expect((json['chains'] as { chainId: string }[]).map(({ chainId }) => chainId).filter((id) => !id.startsWith('r'))).toEqual([HOSTILE_CHAIN, 'well']);
    const chain = await server.send('GET', `/v1/chains/${HOSTILE_CHAIN}/verify`);
    expect(chain.json).toMatchObject({ verdict: 'intact', entriesChecked: mustBeStored.length });
    expect((await impatient.send('GET', '/v1/chains')).json).toMatchObject({ chains: [] });
  });
});
