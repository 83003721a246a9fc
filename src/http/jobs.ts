/** What HTTP asks of verification and export jobs, in its own terms. */
import { createReadStream } from 'node:fs';
import { LedgerError } from '../ledger/errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ExportJobs, ExportJob as ExportBoardJob } from '../evidence/exports.js';
import { JobBoardFullError } from '../verification/job-board.js';
import type { VerificationJob as VerificationBoardJob, VerificationJobs } from '../verification/jobs.js';
import { TooManyJobsError } from './deps.js';
import type { ExportJob, ExportService, Job, SequenceRange, VerificationJob, VerificationService } from './deps.js';

export function verificationService(ledger: Ledger, jobs: VerificationJobs): VerificationService {
  return {
    async verifyRange(chainId, { from, to }) {
      await checkRange(ledger, chainId, { from, to });
      return jobs.verifyRange(chainId, from, to);
    },
    async start(chainId, { from, to, incremental }) {
      await checkRange(ledger, chainId, { ...(from !== undefined && { from }), ...(to !== undefined && { to }) });
      const request = { chainId, ...(from !== undefined && { from }), ...(to !== undefined && { to }), ...(incremental === true && { incremental }) };
      return verificationJob(full(() => jobs.start(request)));
    },
    get(id) {
      const job = jobs.get(id);
      return job === undefined ? undefined : verificationJob(job);
    },
  };
}

export function exportService(ledger: Ledger, jobs: ExportJobs): ExportService {
  return {
    async start(chainId, range) {
      await checkRange(ledger, chainId, range);
      return exportJob(full(() => jobs.start({ chainId, ...range })));
    },
    get(id) {
      const job = jobs.get(id);
      return job === undefined ? undefined : exportJob(job);
    },
    download(id) {
      const result = jobs.get(id)?.result;
      if (result === undefined) return Promise.resolve(undefined);
      return Promise.resolve({ fileName: result.fileName, bytes: result.bytes, stream: createReadStream(result.path) });
    },
  };
}

/** @throws LedgerError chain_not_found, range_invalid */
async function checkRange(ledger: Ledger, chainId: string, { from = 0, to }: SequenceRange): Promise<void> {
  const { head } = await ledger.chain(chainId);
  if (from > (to ?? head.size - 1) || (to ?? from) >= head.size) {
    throw new LedgerError('range_invalid', `expected from ≤ to ≤ ${head.size - 1}, got from ${from}${to === undefined ? '' : `, to ${to}`}`);
  }
}

function full<T>(start: () => T): T {
  try {
    return start();
  } catch (error) {
    throw error instanceof JobBoardFullError ? new TooManyJobsError(error.message, { cause: error }) : error;
  }
}

function common(
  { id, state, createdAt, finishedAt, error, request }: VerificationBoardJob | ExportBoardJob,
  entriesDone: number,
  entriesTotal: number | undefined,
): Job {
  return {
    id,
    chainId: request.chainId,
    state: state === 'cancelled' ? 'failed' : state,
    from: request.from ?? 0,
    ...(request.to !== undefined && { to: request.to }),
    entriesDone,
    ...(entriesTotal !== undefined && { entriesTotal }),
    createdAt,
    ...(finishedAt !== undefined && { finishedAt }),
    ...(error !== undefined && { error: error.message }),
  };
}

function verificationJob(job: VerificationBoardJob): VerificationJob {
  const { progress, result } = job;
  return {
    ...common(job, result?.entriesChecked ?? progress?.entries ?? 0, progress?.totalEntries),
    ...(result !== undefined && { report: result }),
  };
}

function exportJob(job: ExportBoardJob): ExportJob {
  const { progress, result } = job;
  return {
    ...common(job, progress?.entries ?? 0, progress?.totalEntries),
    ...(result !== undefined && { bytes: result.bytes }),
  };
}
