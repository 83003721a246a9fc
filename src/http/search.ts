/** /v1/search: metadata of entries, from the search index; with `verified`, each held against the log. */
import { acceptable, JSON_TYPE } from './media.js';
import { chainIdParameter, choiceParameter, integerParameter, optional, textParameter, withDefault } from './parameters.js';
import type { Parameter } from './parameters.js';
import { Problem } from './problem.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, entryIdSchema, objectOf, ref, sequenceSchema, timeSchema } from './schemas.js';
import { verifyHits } from './verified-hits.js';

/** Each may cost the reading of a segment. */
const MAX_VERIFIED = 100;

function filter(description: string): Parameter<string | undefined> {
  return optional(textParameter(description, 2_048));
}

const parameters = {
  chainId: optional(chainIdParameter),
  action: filter('Exactly this action.'),
  actorType: filter('Exactly this type of actor.'),
  actorId: filter('Exactly this actor.'),
  target: filter('A target, as `type:id` or by its id alone.'),
  outcome: optional(choiceParameter('Outcome.', ['success', 'failure', 'denied'])),
  category: optional(choiceParameter('Category.', ['user', 'system', 'financial'])),
  ip: filter('Exactly this address in the context.'),
  requestId: filter('Exactly this request id in the context.'),
  traceId: filter('Exactly this trace id in the context.'),
  receivedFrom: filter('Received at this instant or later. RFC 3339.'),
  receivedTo: filter('Received before this instant. RFC 3339.'),
  text: optional(textParameter('Words, all of which must occur, each at the start of a word. No query syntax.', 1_000)),
  order: withDefault(choiceParameter('By the time of receipt.', ['newest', 'oldest']), 'newest'),
  limit: withDefault(integerParameter('Hits at most.', 1, 1_000), 50),
  cursor: filter('`next` of the page before, with the same filters.'),
  verified: withDefault(
    choiceParameter(`\`true\`: hold each hit against the log and give its receipt; what the log contradicts is reported apart. At most ${MAX_VERIFIED} hits.`, ['true', 'false']),
    'false',
  ),
};

export const searchRoute: Route = defineRoute({
  method: 'GET',
  path: '/v1/search',
  operationId: 'search',
  summary: 'Find entries by their metadata',
  description: 'All filters given must hold. `completeThrough` says, for each chain, how many of its leading entries are in the index: later ones can\'t be found yet. `setAside` says how many of these the index would not take.',
  tag: 'Search and export',
  access: 'read',
  pathParameters: {},
  queryParameters: parameters,
  answers: { 200: { description: 'A page of hits.', content: { [JSON_TYPE]: ref('SearchPage') } } },
  problems: ['search_unavailable', 'chain_halted', 'store_unavailable', 'shutting_down', 'not_acceptable'],
  async handle({ exchange, query, deps: { search, ledger } }) {
    acceptable(exchange.req.headers.accept, [JSON_TYPE]);
    const { limit, order, verified, ...filters } = query;
    if (verified === 'true' && limit > MAX_VERIFIED) {
      throw new Problem('query_parameter_invalid', `limit: expected at most ${MAX_VERIFIED} with verified=true`, { field: 'limit', rule: `expected at most ${MAX_VERIFIED} with verified=true` });
    }
    const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
    const page = await search.search({ limit, order, ...given });
    exchange.json(200, JSON.stringify(verified === 'true' ? { ...page, ...(await verifyHits(ledger, page.hits)) } : page));
  },
});

const text = { type: 'string' };

export const searchSchemas = {
  SearchHit: objectOf(
    {
      chainId: chainIdSchema,
      sequence: sequenceSchema,
      entryId: entryIdSchema,
      receivedAt: timeSchema,
      occurredAt: timeSchema,
      action: text,
      actorType: text,
      actorId: text,
      actorName: text,
      outcome: text,
      category: text,
      ip: text,
      requestId: text,
      traceId: text,
      targets: arrayOf(text),
      text: { type: 'string', description: 'The free text that is searched.' },
      receipt: { ...ref('Receipt'), description: 'With `verified` only: the entry as the log has it, with its proof.' },
    },
    ['receipt', 'occurredAt', 'actorName', 'outcome', 'category', 'ip', 'requestId', 'traceId'],
  ),
  SearchPage: objectOf(
    {
      hits: arrayOf(ref('SearchHit')),
      next: { type: 'string', description: 'Cursor of the next page; absent on the last.' },
      completeThrough: { type: 'object', additionalProperties: sequenceSchema },
      setAside: { type: 'object', additionalProperties: sequenceSchema, description: 'Entries of each chain that the index would not take, so that they can not be found.' },
      contradicted: {
        ...arrayOf(objectOf({ chainId: { type: 'string' }, sequence: sequenceSchema, reason: { type: 'string' } }, [])),
        description: 'With `verified` only: what the index claims and the log does not. They are not among the hits.',
      },
    },
    ['next', 'setAside', 'contradicted'],
  ),
};
