/** /v1/reconciliations: whether what was derived from the log (search index, mirror) still says what the log says. */
import { z } from 'zod';
import { isChainId } from '../core/chain.js';
import { DIFFERENCES } from '../reconcile/reconcile.js';
import { CHAIN_ID_RULE } from './append.js';
import { CHAIN_READ_PROBLEMS } from './entries.js';
import { JSON_BODY_PROBLEMS, readJson } from './json-body.js';
import { acceptable, JSON_TYPE } from './media.js';
import { jobIdParameter } from './parameters.js';
import { Problem } from './problem.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, objectOf, ref, sequenceSchema, timeSchema } from './schemas.js';
import { present } from './verification.js';

const reconciliationBody = z.strictObject(
  {
    chainId: z.string({ error: CHAIN_ID_RULE }).refine(isChainId, { error: CHAIN_ID_RULE }).optional(),
    backfill: z.boolean({ error: 'expected true or false' }).optional(),
  },
  { error: 'expected an object with the members chainId, backfill' },
);

export const reconciliationRoutes: Route[] = [
  defineRoute({
    method: 'POST',
    path: '/v1/reconciliations',
    operationId: 'startReconciliation',
    summary: 'Start to compare what was derived from the log with the log',
    description: 'Of one chain, or of all. With `backfill`, what is missing or wrong in the search index is put right; nothing of the log is ever changed.',
    tag: 'Verification',
    access: 'read',
    pathParameters: {},
    queryParameters: {},
    body: { required: false, content: { [JSON_TYPE]: ref('ReconciliationRequest') } },
    answers: { 202: { description: 'Started.', content: { [JSON_TYPE]: ref('ReconciliationJob') }, headers: { Location: 'The job.' } } },
    problems: [...CHAIN_READ_PROBLEMS, ...JSON_BODY_PROBLEMS, 'too_many_jobs', 'not_acceptable'],
    async handle({ exchange, deps: { ledger, reconciliation } }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const request = present(await readJson(exchange, reconciliationBody, {}));
      if (request.chainId !== undefined) await ledger.chain(request.chainId);
      const job = reconciliation.start(request);
      exchange.json(202, JSON.stringify(job), ['location', `/v1/reconciliations/${job.id}`]);
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/reconciliations/{jobId}',
    operationId: 'getReconciliation',
    summary: 'Progress and result of a reconciliation',
    description: 'Jobs are kept in memory: one from before a restart is not found.',
    tag: 'Verification',
    access: 'read',
    pathParameters: { jobId: jobIdParameter },
    queryParameters: {},
    answers: { 200: { description: 'The job; with the report, once done.', content: { [JSON_TYPE]: ref('ReconciliationJob') } } },
    problems: ['job_not_found', 'not_acceptable'],
    handle({ exchange, path: { jobId }, deps: { reconciliation } }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const job = reconciliation.get(jobId);
      if (job === undefined) throw new Problem('job_not_found', `there is no reconciliation ${jobId}`);
      exchange.json(200, JSON.stringify(job));
    },
  }),
];

const copySchema = { enum: ['index', 'mirror'] };

export const reconciliationSchemas = {
  ReconciliationRequest: z.toJSONSchema(reconciliationBody),
  ReconciliationReport: objectOf(
    {
      verdict: {
        enum: ['equal', 'incomplete', 'different'],
        description: '`different`: a copy held what the log does not say, whether or not it was put right. `incomplete`: entries are still lacking, or a chain could not be read.',
      },
      entriesCompared: sequenceSchema,
      chains: arrayOf(
        objectOf(
          {
            copy: copySchema,
            chainId: chainIdSchema,
            size: sequenceSchema,
            found: objectOf(Object.fromEntries(DIFFERENCES.map((kind) => [kind, sequenceSchema])), []),
            repaired: sequenceSchema,
          },
          [],
        ),
      ),
      discrepancies: arrayOf(
        objectOf(
          { copy: copySchema, kind: { enum: [...DIFFERENCES] }, chainId: chainIdSchema, sequence: sequenceSchema, lastSequence: sequenceSchema, id: { type: 'string' } },
          ['chainId', 'sequence', 'lastSequence', 'id'],
        ),
      ),
      discrepanciesLeftOut: sequenceSchema,
      unread: arrayOf(objectOf({ chainId: chainIdSchema, reason: { type: 'string' } }, [])),
    },
    [],
  ),
  ReconciliationJob: objectOf(
    {
      id: { type: 'string' },
      chainId: chainIdSchema,
      backfill: { type: 'boolean' },
      state: { enum: ['queued', 'running', 'done', 'failed'] },
      createdAt: timeSchema,
      finishedAt: timeSchema,
      entriesCompared: sequenceSchema,
      at: objectOf({ copy: copySchema, chainId: chainIdSchema, entries: sequenceSchema, size: sequenceSchema }, []),
      report: ref('ReconciliationReport'),
      error: { type: 'string' },
    },
    ['chainId', 'backfill', 'finishedAt', 'at', 'report', 'error'],
  ),
};
