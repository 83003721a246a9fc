/** /v1/search: metadata of entries, from the search index. The entry itself is fetched and verified apart. */
import { acceptable, JSON_TYPE } from './media.js';
import { chainIdParameter, choiceParameter, integerParameter, optional, textParameter, withDefault } from './parameters.js';
import type { Parameter } from './parameters.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, entryIdSchema, objectOf, ref, sequenceSchema, timeSchema } from './schemas.js';

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
};

export const searchRoute: Route = defineRoute({
  method: 'GET',
  path: '/v1/search',
  operationId: 'search',
  summary: 'Find entries by their metadata',
  description: 'All filters given must hold. `completeThrough` says, for each chain, how many of its leading entries are in the index: later ones can\'t be found yet.',
  tag: 'Search and export',
  access: 'read',
  pathParameters: {},
  queryParameters: parameters,
  answers: { 200: { description: 'A page of hits.', content: { [JSON_TYPE]: ref('SearchPage') } } },
  problems: ['search_unavailable', 'not_acceptable'],
  async handle({ exchange, query, deps: { search } }) {
    acceptable(exchange.req.headers.accept, [JSON_TYPE]);
    const { limit, order, ...filters } = query;
    const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
    exchange.json(200, JSON.stringify(await search.search({ limit, order, ...given })));
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
    },
    ['occurredAt', 'actorName', 'outcome', 'category', 'ip', 'requestId', 'traceId'],
  ),
  SearchPage: objectOf(
    {
      hits: arrayOf(ref('SearchHit')),
      next: { type: 'string', description: 'Cursor of the next page; absent on the last.' },
      completeThrough: { type: 'object', additionalProperties: sequenceSchema },
    },
    ['next'],
  ),
};
