/** What operators and their tools ask: is it alive, is it ready, how busy is it. */
import type { Readiness } from './deps.js';
import { JSON_TYPE } from './media.js';
import { Problem } from './problem.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, objectOf, ref } from './schemas.js';

const PROMETHEUS_TYPE = 'text/plain';

export const operationRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/healthz',
    operationId: 'getHealth',
    summary: 'Whether the process answers',
    description: 'Asks nothing of the store: a restart does not mend a store that is away.',
    tag: 'Service',
    access: 'public',
    pathParameters: {},
    queryParameters: {},
    answers: { 200: { description: 'It does.', content: { [JSON_TYPE]: ref('Health') } } },
    problems: [],
    handle: ({ exchange }) => exchange.json(200, '{"status":"ok"}'),
  }),
  defineRoute({
    method: 'GET',
    path: '/readyz',
    operationId: 'getReadiness',
    summary: 'Whether appends would be taken',
    description: '`degraded`: they would; something derived from the store is behind or away.',
    tag: 'Service',
    access: 'public',
    pathParameters: {},
    queryParameters: {},
    answers: { 200: { description: 'Ready, perhaps degraded.', content: { [JSON_TYPE]: ref('Readiness') } } },
    problems: ['not_ready'],
    async handle({ exchange, deps }) {
      const { ready, checks } = await deps.readiness();
      if (!ready) throw new Problem('not_ready', reasons(checks), { extra: { checks } });
      const status = checks.every((check) => check.status === 'ok') ? 'ready' : 'degraded';
      exchange.json(200, JSON.stringify({ status, checks }));
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/metrics',
    operationId: 'getMetrics',
    summary: 'Metrics for Prometheus',
    tag: 'Service',
    access: 'public',
    pathParameters: {},
    queryParameters: {},
    answers: { 200: { description: 'Prometheus text format.', content: { [PROMETHEUS_TYPE]: { type: 'string' } } } },
    problems: [],
    async handle({ exchange, deps: { metrics } }) {
      const { registry } = metrics;
      exchange.send(200, ['content-type', registry.contentType, 'cache-control', 'no-store'], await registry.metrics());
    },
  }),
];

function reasons(checks: Readiness['checks']): string {
  return checks.flatMap(({ name, status, detail }) => (status === 'ok' ? [] : [`${name}: ${detail ?? status}`])).join('; ');
}

export const operationSchemas = {
  Health: objectOf({ status: { const: 'ok' } }, []),
  Readiness: objectOf(
    {
      status: { enum: ['ready', 'degraded'] },
      checks: arrayOf(objectOf({ name: { type: 'string' }, status: { enum: ['ok', 'degraded', 'failed'] }, detail: { type: 'string' } }, ['detail'])),
    },
    [],
  ),
};
