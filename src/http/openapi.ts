/** The OpenAPI 3.1 document, made from the routes and the schemas beside them. */
import type { JsonObject } from '../core/json.js';
import { chainSchemas } from './chains.js';
import { entrySchemas } from './entries.js';
import { exportSchemas } from './exports.js';
import { JSON_TYPE } from './media.js';
import { operationSchemas } from './operations.js';
import type { Parameter } from './parameters.js';
import { PROBLEMS, problemKind } from './problem-codes.js';
import type { ProblemCode } from './problem-codes.js';
import { proofSchemas } from './proofs.js';
import { reconciliationSchemas } from './reconciliations.js';
import { defineRoute } from './route.js';
import type { Answer, Route } from './route.js';
import { objectOf, ref } from './schemas.js';
import { searchSchemas } from './search.js';
import { verificationSchemas } from './verification.js';

const PROBLEM_TYPE = 'application/problem+json';

/** What any request can meet, whatever it asks for. */
const ANYWHERE: readonly ProblemCode[] = [
  'http_malformed', 'host_missing', 'path_invalid', 'query_parameter_unknown', 'query_parameter_invalid', 'query_parameter_repeated',
  'request_timeout', 'expectation_failed', 'headers_too_large', 'internal_error',
];

const problemSchema: JsonObject = {
  ...objectOf(
    {
      type: { type: 'string', format: 'uri' },
      title: { type: 'string' },
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: { type: 'string' },
      code: { enum: Object.keys(PROBLEMS), description: 'Stable: branch on this.' },
      instance: { type: 'string', format: 'uri', description: 'Holds the request id, as does X-Request-Id.' },
      pointer: { type: 'string', description: 'JSON Pointer into the body; for NDJSON into the line.' },
      field: { type: 'string', description: 'The query parameter, path parameter or header to blame.' },
      rule: { type: 'string', description: 'What was expected and what was got.' },
      item: { type: 'integer', minimum: 0, description: 'Position of the event within a batch, from 0.' },
      line: { type: 'integer', minimum: 1, description: 'Line of NDJSON, from 1.' },
    },
    ['pointer', 'field', 'rule', 'item', 'line'],
  ),
  additionalProperties: true,
};

export function openapiRoute(routes: readonly Route[], version: string): Route {
  let text = '';
  const route: Route = defineRoute({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'getOpenApi',
    summary: 'This document',
    tag: 'Service',
    access: 'public',
    pathParameters: {},
    queryParameters: {},
    answers: { 200: { description: 'OpenAPI 3.1.', content: { [JSON_TYPE]: { type: 'object' } } } },
    problems: [],
    handle: ({ exchange }) => exchange.json(200, text),
  });
  text = JSON.stringify(openapiDocument([...routes, route], version));
  return route;
}

export function openapiDocument(routes: readonly Route[], version: string): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Indelible',
      version,
      description: 'An immutable, hash-chained, signed audit log. Every GET route takes HEAD too; every answer carries X-Request-Id.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: ['Entries', 'Proofs', 'Verification', 'Search and export', 'Service'].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token has the scopes append, read, or both.' } },
      schemas: {
        ...entrySchemas,
        ...proofSchemas,
        ...verificationSchemas,
        ...searchSchemas,
        ...exportSchemas,
        ...reconciliationSchemas,
        ...chainSchemas,
        ...operationSchemas,
        Problem: problemSchema,
      } as JsonObject,
    },
  };
}

function operation(route: Route): JsonObject {
  const { operationId, summary, description, tag, access, body } = route;
  const parameters = [
    ...Object.entries(route.pathParameters).map(([name, parameter]) => parameterObject('path', name, parameter)),
    ...Object.entries(route.queryParameters).map(([name, parameter]) => parameterObject('query', name, parameter)),
    ...Object.entries(route.headerParameters ?? {}).map(([name, parameter]) => parameterObject('header', name, parameter)),
  ];
  const responses: Record<string, JsonObject> = {};
  for (const [status, answer] of Object.entries(route.answers)) responses[status] = answerObject(answer);
  for (const [status, codes] of byStatus(problemsOf(route))) {
    responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${problemKind(code).title}.`).join('\n\n'),
      content: { [PROBLEM_TYPE]: { schema: { allOf: [ref('Problem'), { properties: { code: { enum: codes } } }] } } },
    };
  }
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    // Scopes of an http scheme may be listed since 3.1.
    security: access === 'public' ? [] : [{ token: [access] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: body.required, content: contentObject(body.content) } }),
    responses,
  };
}

export function problemsOf(route: Route): readonly ProblemCode[] {
  const codes = new Set<ProblemCode>([...ANYWHERE, ...route.problems]);
  if (route.access !== 'public') for (const code of ['role_not_served', 'token_missing', 'token_invalid', 'scope_missing'] as const) codes.add(code);
  for (const parameter of Object.values(route.pathParameters)) codes.add(parameter.problem);
  if (Object.values(route.queryParameters).some((parameter) => parameter.required)) codes.add('query_parameter_missing');
  return [...codes];
}

function byStatus(codes: readonly ProblemCode[]): Map<string, ProblemCode[]> {
  const grouped = new Map<string, ProblemCode[]>();
  for (const code of codes) {
    const status = String(problemKind(code).status);
    grouped.set(status, [...(grouped.get(status) ?? []), code]);
  }
  return grouped;
}

function parameterObject(where: 'path' | 'query' | 'header', name: string, { description, required, schema }: Parameter<unknown>): JsonObject {
  return { name, in: where, description, required: where === 'path' || required, schema };
}

function answerObject({ description, content, headers }: Answer): JsonObject {
  return {
    description,
    ...(headers !== undefined && {
      headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }])),
    }),
    content: contentObject(content),
  };
}

function contentObject(content: Readonly<Record<string, JsonObject>>): JsonObject {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));
}
