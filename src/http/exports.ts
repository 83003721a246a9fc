/** /v1/exports: a range of a chain as one file that can be checked with nothing else at hand. */
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { isChainId } from '../core/chain.js';
import { CHAIN_ID_RULE } from './append.js';
import { CHAIN_READ_PROBLEMS } from './entries.js';
import { JSON_BODY_PROBLEMS, readJson } from './json-body.js';
import { acceptable, JSON_TYPE } from './media.js';
import { jobIdParameter } from './parameters.js';
import { Problem } from './problem.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { hashSchema, objectOf, ref, sequenceSchema } from './schemas.js';
import { checkRange, jobMembers, OPTIONAL_JOB_MEMBERS, present, sequenceBody } from './verification.js';

const BUNDLE_TYPE = 'application/vnd.indelible.bundle';

const exportBody = z.strictObject(
  {
    chainId: z.string({ error: CHAIN_ID_RULE }).refine(isChainId, { error: CHAIN_ID_RULE }),
    from: sequenceBody.optional(),
    to: sequenceBody.optional(),
  },
  { error: 'expected an object with the members chainId, from, to' },
);

export const exportRoutes: Route[] = [
  defineRoute({
    method: 'POST',
    path: '/v1/exports',
    operationId: 'startExport',
    summary: 'Start to export a range of a chain',
    tag: 'Search and export',
    access: 'read',
    pathParameters: {},
    queryParameters: {},
    body: { required: true, content: { [JSON_TYPE]: ref('ExportRequest') } },
    answers: { 202: { description: 'Started.', content: { [JSON_TYPE]: ref('ExportJob') }, headers: { Location: 'The job.' } } },
    problems: [...CHAIN_READ_PROBLEMS, ...JSON_BODY_PROBLEMS, 'range_invalid', 'too_many_jobs', 'not_acceptable'],
    async handle({ exchange, deps: { ledger, exports } }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const { chainId, ...rest } = await readJson(exchange, exportBody);
      const range = present(rest);
      if ((await checkRange(ledger, chainId, range)) === undefined) throw new Problem('chain_halted', `chain ${chainId} is halted: what can't be proven is not exported`);
      const job = await exports.start(chainId, range);
      exchange.json(202, JSON.stringify(job), ['location', `/v1/exports/${job.id}`]);
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/exports/{jobId}',
    operationId: 'getExport',
    summary: 'Progress of an export',
    tag: 'Search and export',
    access: 'read',
    pathParameters: { jobId: jobIdParameter },
    queryParameters: {},
    answers: { 200: { description: 'The job.', content: { [JSON_TYPE]: ref('ExportJob') } } },
    problems: ['job_not_found', 'not_acceptable'],
    handle({ exchange, path: { jobId }, deps: { exports } }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const job = exports.get(jobId);
      if (job === undefined) throw new Problem('job_not_found', `there is no export ${jobId}`);
      exchange.json(200, JSON.stringify(job));
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/exports/{jobId}/download',
    operationId: 'downloadExport',
    summary: 'The file of an export that is done',
    tag: 'Search and export',
    access: 'read',
    pathParameters: { jobId: jobIdParameter },
    queryParameters: {},
    answers: { 200: { description: 'The bundle, docs/format.md §8.', content: { [BUNDLE_TYPE]: { type: 'string' } } } },
    problems: ['job_not_found', 'export_not_ready', 'not_acceptable'],
    async handle({ exchange, path: { jobId }, deps: { exports } }) {
      acceptable(exchange.req.headers.accept, [BUNDLE_TYPE]);
      const job = exports.get(jobId);
      if (job === undefined) throw new Problem('job_not_found', `there is no export ${jobId}`);
      if (job.state === 'failed') throw new Problem('job_not_found', `export ${jobId} failed: ${job.error ?? 'no reason given'}`);
      const file = job.state === 'done' ? await exports.download(jobId) : undefined;
      if (file === undefined) throw new Problem('export_not_ready', `export ${jobId} is ${job.state}`);
      const { res, req } = exchange;
      // Names are ours, yet a quote in one must not end the parameter.
      const name = file.fileName.replaceAll(/[^A-Za-z0-9._-]/g, '_');
      exchange.begin(200, [
        'content-type', BUNDLE_TYPE,
        'content-length', String(file.bytes),
        'content-disposition', `attachment; filename="${name}"`,
        'cache-control', 'no-store',
      ]);
      if (req.method === 'HEAD') {
        file.stream.destroy();
        res.end();
        return;
      }
      // A client that goes away in the middle is no failure of ours.
      await pipeline(file.stream, res).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
      });
    },
  }),
];

export const exportSchemas = {
  ExportRequest: z.toJSONSchema(exportBody),
  ExportJob: { ...objectOf({ ...jobMembers, bytes: sequenceSchema, sha256: hashSchema }, [...OPTIONAL_JOB_MEMBERS, 'bytes', 'sha256']), additionalProperties: true },
};
