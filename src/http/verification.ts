/** …/verify and …/verifications: whether a chain is what it was, at once for a part, as a job for all of it. */
import { z } from 'zod';
import { FINDING_CODES } from '../core/findings.js';
import { LedgerError } from '../ledger/errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { SequenceRange } from './deps.js';
import { CHAIN_READ_PROBLEMS } from './entries.js';
import { JSON_BODY_PROBLEMS, readJson } from './json-body.js';
import { acceptable, JSON_TYPE } from './media.js';
import { chainIdParameter, jobIdParameter, optional, sequenceParameter, withDefault } from './parameters.js';
import { Problem } from './problem.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, objectOf, ref, sequenceSchema, timeSchema } from './schemas.js';

export const sequenceBody = z.int({ error: 'expected a whole number from 0 to 2^53-1' }).min(0, { error: 'expected a whole number from 0 to 2^53-1' });

const verificationBody = z.strictObject(
  {
    from: sequenceBody.optional(),
    to: sequenceBody.optional(),
    incremental: z.boolean({ error: 'expected true or false' }).optional(),
  },
  { error: 'expected an object with the members from, to, incremental' },
);

/**
 * The range within the chain, or why it is none. A halted chain has no size to hold it against, and is the
 * one that most needs to be verified: then only what contradicts itself is refused.
 */
export async function checkRange(ledger: Ledger, chainId: string, { from = 0, to }: SequenceRange): Promise<number | undefined> {
  const size = await ledger.chain(chainId).then(
    ({ head }) => head.size,
    (error: unknown) => {
      if (error instanceof LedgerError && error.code === 'chain_halted') return undefined;
      throw error;
    },
  );
  const last = to ?? (size === undefined ? from : size - 1);
  if (from > last || (size !== undefined && last >= size)) {
    throw new Problem('range_invalid', `expected 0 ≤ from ≤ to${size === undefined ? '' : ` ≤ ${size - 1}`}, got from ${from}, to ${last}`);
  }
  return size;
}

export const verificationRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/v1/chains/{chainId}/verify',
    operationId: 'verifyRange',
    summary: 'Verify a part of a chain now',
    description: 'Answers 200 whatever the verdict is: look at `verdict`.',
    tag: 'Verification',
    access: 'read',
    pathParameters: { chainId: chainIdParameter },
    queryParameters: {
      from: withDefault(sequenceParameter('First sequence.'), 0),
      to: optional(sequenceParameter('Last sequence, inclusive. Default: the last of the chain.')),
    },
    answers: { 200: { description: 'The report.', content: { [JSON_TYPE]: ref('VerificationReport') } } },
    problems: [...CHAIN_READ_PROBLEMS, 'range_invalid', 'range_too_large', 'too_many_jobs', 'not_acceptable'],
    async handle({ exchange, path: { chainId }, query: { from, to }, deps: { ledger, verification }, limits }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const size = await checkRange(ledger, chainId, { from, ...(to !== undefined && { to }) });
      const last = to ?? (size === undefined ? undefined : size - 1);
      if (last === undefined) throw new Problem('chain_halted', `chain ${chainId} is halted: give "to", or start a verification of all of it`);
      if (last - from >= limits.maxVerifyEntries) {
        throw new Problem(
          'range_too_large',
          `one call verifies at most ${limits.maxVerifyEntries} entries, this is ${last - from + 1}: POST /v1/chains/${chainId}/verifications starts a job`,
        );
      }
      const gone = new AbortController();
      exchange.res.once('close', () => gone.abort());
      exchange.json(200, JSON.stringify(await verification.verifyRange(chainId, { from, to: last }, gone.signal)));
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/chains/{chainId}/verifications',
    operationId: 'startVerification',
    summary: 'Start to verify a chain',
    tag: 'Verification',
    access: 'read',
    pathParameters: { chainId: chainIdParameter },
    queryParameters: {},
    body: { required: false, content: { [JSON_TYPE]: ref('VerificationRequest') } },
    answers: { 202: { description: 'Started.', content: { [JSON_TYPE]: ref('VerificationJob') }, headers: { Location: 'The job.' } } },
    problems: [...CHAIN_READ_PROBLEMS, ...JSON_BODY_PROBLEMS, 'range_invalid', 'too_many_jobs', 'not_acceptable'],
    async handle({ exchange, path: { chainId }, deps: { ledger, verification } }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const body = present(await readJson(exchange, verificationBody, {}));
      if (body.incremental === true && (body.from !== undefined || body.to !== undefined)) {
        throw new Problem('body_field_invalid', '/incremental: expected it without from and to', { pointer: '/incremental', rule: 'expected it without from and to' });
      }
      await checkRange(ledger, chainId, body);
      const job = await verification.start(chainId, body);
      exchange.json(202, JSON.stringify(job), ['location', `/v1/chains/${chainId}/verifications/${job.id}`]);
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/chains/{chainId}/verifications/{jobId}',
    operationId: 'getVerification',
    summary: 'Progress and result of a verification',
    description: 'Jobs are kept in memory: one from before a restart is not found.',
    tag: 'Verification',
    access: 'read',
    pathParameters: { chainId: chainIdParameter, jobId: jobIdParameter },
    queryParameters: {},
    answers: { 200: { description: 'The job; with the report, once done.', content: { [JSON_TYPE]: ref('VerificationJob') } } },
    problems: ['job_not_found', 'not_acceptable'],
    handle({ exchange, path: { chainId, jobId }, deps: { verification } }) {
      acceptable(exchange.req.headers.accept, [JSON_TYPE]);
      const job = verification.get(jobId);
      if (job?.chainId !== chainId) throw new Problem('job_not_found', `chain ${chainId} has no verification ${jobId}`);
      exchange.json(200, JSON.stringify(job));
    },
  }),
];

/** Without the members that are there and undefined: zod's optional and ours differ in that. */
export function present<T extends object>(value: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never;
}

export const jobMembers = {
  id: { type: 'string' },
  chainId: chainIdSchema,
  state: { enum: ['queued', 'running', 'done', 'failed'] },
  from: sequenceSchema,
  to: sequenceSchema,
  entriesDone: sequenceSchema,
  entriesTotal: sequenceSchema,
  createdAt: timeSchema,
  finishedAt: timeSchema,
  error: { type: 'string' },
};
export const OPTIONAL_JOB_MEMBERS = ['to', 'entriesTotal', 'finishedAt', 'error'];

export const verificationSchemas = {
  VerificationRequest: z.toJSONSchema(verificationBody),
  Finding: objectOf(
    { code: { enum: FINDING_CODES }, chainId: chainIdSchema, sequence: sequenceSchema, lastSequence: sequenceSchema, key: { type: 'string' }, detail: { type: 'string' } },
    ['sequence', 'lastSequence', 'key'],
  ),
  VerificationReport: {
    ...objectOf(
      {
        verdict: { enum: ['intact', 'tampered', 'incomplete', 'indeterminate'] },
        chainId: chainIdSchema,
        entriesChecked: sequenceSchema,
        firstBadSequence: sequenceSchema,
        findings: arrayOf(ref('Finding')),
        heldAgainst: { type: 'array', description: 'The checkpoints from outside the store it was held against.' },
      },
      ['firstBadSequence'],
    ),
    additionalProperties: true,
  },
  VerificationJob: { ...objectOf({ ...jobMembers, report: ref('VerificationReport') }, [...OPTIONAL_JOB_MEMBERS, 'report']), additionalProperties: true },
};
