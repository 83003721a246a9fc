/** …/entries: append, read a range, read one, ask whether an id is there. */
import { appendItemSchema, jsonSchemaOf } from '../core/event.js';
import { LedgerError } from '../ledger/errors.js';
import type { Ledger } from '../ledger/ledger.js';
import { StoreError } from '../storage/worm-store.js';
import { BATCH_ROUTE, ENTRIES_ROUTE } from './append.js';
import type { AppendHandlers } from './append.js';
import { acceptable, JSON_TYPE, NDJSON_TYPE } from './media.js';
import { chainIdParameter, entryIdParameter, integerParameter, optional, sequenceParameter, withDefault } from './parameters.js';
import { entryText, runs } from './reading.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, entryIdSchema, objectOf, ref, sequenceSchema } from './schemas.js';

const MAX_PAGE_ENTRIES = 1_000;
/** A page ends early when it holds this many characters: entries may be 64 KiB each. */
const MAX_PAGE_LENGTH = 8_388_608;

const TYPES = [JSON_TYPE, NDJSON_TYPE] as const;

const idempotencyKey = optional({
  ...entryIdParameter,
  description: 'The producer\'s own id for the entry, in place of `entryId` in the body. Bare or in double quotes.',
  problem: 'header_invalid',
});

const INTAKE_PROBLEMS = [
  'json_syntax', 'json_encoding', 'json_too_large', 'json_too_deep', 'json_duplicate_member', 'json_lone_surrogate',
  'json_number_not_exact', 'json_negative_zero', 'event_field_unknown', 'event_field_missing', 'event_field_invalid',
  'occurred_in_future', 'chain_reserved', 'header_invalid', 'not_acceptable', 'entry_id_conflict', 'entry_too_large',
  'length_required', 'body_too_large', 'media_type_unsupported', 'charset_unsupported', 'content_encoding_unsupported',
  'queue_full', 'shutting_down', 'signer_unavailable', 'view_behind', 'store_unavailable', 'chain_halted',
] as const;

export const CHAIN_READ_PROBLEMS = ['chain_not_found', 'chain_halted', 'store_unavailable', 'shutting_down'] as const;

export function entryRoutes(appends: AppendHandlers): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: ENTRIES_ROUTE,
      operationId: 'appendEntry',
      summary: 'Append one event',
      description:
        'Answers when the entry is durable. Sent again with the same id and the same event, it answers 200 with the first receipt, for ever. ' +
        'After 503 `store_unavailable` it is not known whether the entry was stored: send it again with the same id.',
      tag: 'Entries',
      access: 'append',
      pathParameters: { chainId: chainIdParameter },
      queryParameters: {},
      headerParameters: { 'Idempotency-Key': idempotencyKey },
      body: { required: true, content: { [JSON_TYPE]: ref('AppendItem') } },
      answers: {
        201: { description: 'Appended.', content: { [JSON_TYPE]: ref('Receipt') }, headers: { Location: 'The entry.' } },
        200: { description: 'The chain held the entry already; this is its first receipt.', content: { [JSON_TYPE]: ref('Receipt') }, headers: { Location: 'The entry.' } },
      },
      problems: [...INTAKE_PROBLEMS, 'idempotency_key_mismatch'],
      handle: ({ exchange, path }) => appends.single(exchange, path.chainId),
    }),
    defineRoute({
      method: 'POST',
      path: BATCH_ROUTE,
      operationId: 'appendBatch',
      summary: 'Append up to 1,000 events, all or none',
      tag: 'Entries',
      access: 'append',
      pathParameters: { chainId: chainIdParameter },
      queryParameters: {},
      body: {
        required: true,
        content: {
          [JSON_TYPE]: { type: 'array', items: ref('AppendItem'), minItems: 1, maxItems: 1_000 },
          [NDJSON_TYPE]: { type: 'string', description: 'One AppendItem a line. Empty lines are passed over.' },
        },
      },
      answers: {
        201: { description: 'Appended, in the order given.', content: { [JSON_TYPE]: ref('Receipts') } },
        200: { description: 'The chain held all of them already.', content: { [JSON_TYPE]: ref('Receipts') } },
      },
      problems: [...INTAKE_PROBLEMS, 'batch_invalid', 'batch_too_large'],
      handle: ({ exchange, path }) => appends.batch(exchange, path.chainId),
    }),
    defineRoute({
      method: 'GET',
      path: ENTRIES_ROUTE,
      operationId: 'listEntries',
      summary: 'Entries in order, a page at a time',
      description: 'As NDJSON, exactly the stored payloads, a line each: the bytes that are hashed.',
      tag: 'Entries',
      access: 'read',
      pathParameters: { chainId: chainIdParameter },
      queryParameters: {
        from: withDefault(sequenceParameter('First sequence.'), 0),
        limit: withDefault(integerParameter('Entries at most. A page of large entries may hold fewer.', 1, MAX_PAGE_ENTRIES), 100),
      },
      answers: {
        200: {
          description: 'A page. `next`, and the link with relation `next`, are where to go on; `null` at the end of the chain.',
          content: { [JSON_TYPE]: ref('EntryPage'), [NDJSON_TYPE]: { type: 'string' } },
          headers: { Link: 'The next page, if there is one now.' },
        },
      },
      problems: [...CHAIN_READ_PROBLEMS, 'entry_not_found', 'not_acceptable'],
      async handle({ exchange, path: { chainId }, query: { from, limit }, deps: { ledger, replica } }) {
        const type = acceptable(exchange.req.headers.accept, TYPES);
        const { size, isEnd } = await sizeFor(ledger, chainId, from);
        const replicated = replica?.replicatedThrough(chainId) ?? 0;
        const texts: string[] = [];
        let length = 0;
        let next = from;
        reading: for await (const { segment, at, count } of runs(ledger, chainId, from, Math.min(size, from + limit))) {
          for (let i = at; i < at + count; i++) {
            const text = type === JSON_TYPE ? entryText(segment, i, replicated) : (segment.payloads[i] as string);
            if (texts.length > 0 && length + text.length > MAX_PAGE_LENGTH) break reading;
            length += text.length + 1;
            texts.push(text);
            next += 1;
          }
        }
        const more = next < size || !isEnd;
        const link = more ? ['link', `</v1/chains/${chainId}/entries?from=${next}&limit=${limit}>; rel="next"`] : [];
        if (type === JSON_TYPE) {
          exchange.json(200, `{"chainId":"${chainId}","entries":[${texts.join(',')}],"next":${more ? next : 'null'}}`, link);
        } else {
          exchange.send(200, ['content-type', NDJSON_TYPE, 'cache-control', 'no-store', ...link], texts.map((text) => `${text}\n`).join(''));
        }
      },
    }),
  ];
}

/**
 * How far a page may go. While the store does not answer, entries that are known to be in the chain can still be
 * read from elsewhere; but nobody can say then that they are all, so the page is not the last.
 */
async function sizeFor(ledger: Ledger, chainId: string, from: number): Promise<{ readonly size: number; readonly isEnd: boolean }> {
  try {
    return { size: (await ledger.chain(chainId)).head.size, isEnd: true };
  } catch (error) {
    const known = ledger.knownSize(chainId);
    if (from >= known || !isStoreTrouble(error)) throw error;
    return { size: known, isEnd: false };
  }
}

function isStoreTrouble(error: unknown): boolean {
  return error instanceof StoreError || (error instanceof LedgerError && error.code === 'store_unavailable');
}

export const entryRoute: Route = defineRoute({
  method: 'GET',
  path: '/v1/chains/{chainId}/entries/{sequence}',
  operationId: 'getEntry',
  summary: 'One entry',
  description: 'As NDJSON, exactly the stored payload and a line feed.',
  tag: 'Entries',
  access: 'read',
  pathParameters: { chainId: chainIdParameter, sequence: sequenceParameter('Position in the chain, from 0.') },
  queryParameters: {},
  answers: { 200: { description: 'The entry.', content: { [JSON_TYPE]: ref('ChainEntry'), [NDJSON_TYPE]: { type: 'string' } } } },
  problems: [...CHAIN_READ_PROBLEMS, 'entry_not_found', 'not_acceptable'],
  async handle({ exchange, path: { chainId, sequence }, deps: { ledger, replica } }) {
    const type = acceptable(exchange.req.headers.accept, TYPES);
    const { segment, at } = await ledger.entry(chainId, sequence);
    const replicated = replica?.replicatedThrough(chainId) ?? 0;
    if (type === JSON_TYPE) exchange.json(200, `{"chainId":"${chainId}",${entryText(segment, at, replicated).slice(1)}`);
    else exchange.send(200, ['content-type', NDJSON_TYPE, 'cache-control', 'no-store'], `${segment.payloads[at] as string}\n`);
  },
});

export const existsRoute: Route = defineRoute({
  method: 'GET',
  path: '/v1/chains/{chainId}/exists/{entryId}',
  operationId: 'entryExists',
  summary: 'Whether the chain holds an entry id, and where',
  tag: 'Entries',
  access: 'read',
  pathParameters: { chainId: chainIdParameter, entryId: entryIdParameter },
  queryParameters: {},
  answers: { 200: { description: 'The answer, either way.', content: { [JSON_TYPE]: ref('Exists') } } },
  problems: [...CHAIN_READ_PROBLEMS, 'view_behind'],
  async handle({ exchange, path: { chainId, entryId }, deps: { ledger } }) {
    const sequence = await ledger.sequenceOf(chainId, entryId);
    exchange.json(200, JSON.stringify({ chainId, entryId, exists: sequence !== undefined, sequence }));
  },
});

const hash = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const entryMembers = {
  sequence: sequenceSchema,
  entryId: entryIdSchema,
  receivedAt: { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$' },
  entryHash: hash,
  prevHash: hash,
};
const readMembers = {
  ...entryMembers,
  state: { enum: ['durable', 'replicated'], description: '`replicated`: known to be in the second bucket, too. `durable` says nothing about the second bucket.' },
};

export const entrySchemas = {
  AppendItem: jsonSchemaOf(appendItemSchema),
  Envelope: objectOf(
    {
      chainId: chainIdSchema,
      entryId: entryIdSchema,
      event: { type: 'object' },
      format: { const: 'indelible/entry/v1' },
      receivedAt: entryMembers.receivedAt,
      sequence: sequenceSchema,
      writerId: { type: 'string', pattern: '^[a-z0-9]{1,32}$' },
    },
    [],
  ),
  Receipt: objectOf(
    {
      format: { const: 'indelible/receipt/v1' },
      chainId: chainIdSchema,
      ...entryMembers,
      payload: { type: 'string', description: 'The exact payload, as text.' },
      checkpoint: { type: 'string', description: 'Signed note.' },
      inclusionProof: { type: 'array', items: hash, description: 'From the leaf up.' },
    },
    [],
  ),
  Receipts: objectOf({ receipts: arrayOf(ref('Receipt')) }, []),
  Entry: objectOf({ ...readMembers, entry: ref('Envelope') }, []),
  ChainEntry: objectOf({ chainId: chainIdSchema, ...readMembers, entry: ref('Envelope') }, []),
  EntryPage: objectOf({ chainId: chainIdSchema, entries: arrayOf(ref('Entry')), next: { type: ['integer', 'null'] } }, []),
  Exists: objectOf({ chainId: chainIdSchema, entryId: entryIdSchema, exists: { type: 'boolean' }, sequence: sequenceSchema }, ['sequence']),
};
