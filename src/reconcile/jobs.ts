/** Reconciliations on behalf of HTTP clients, as jobs. */
import { JobBoard } from '../verification/job-board.js';
import type { Job, JobLimits } from '../verification/job-board.js';
import { reconcile } from './reconcile.js';
import type { ReconcileOptions, ReconcileProgress, ReconcileReport } from './reconcile.js';

export interface ReconciliationRequest {
  readonly chainId?: string;
  readonly backfill?: boolean;
}

export interface ReconciliationJob extends ReconciliationRequest {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  readonly createdAt: string;
  readonly finishedAt?: string;
  /** Over all chains and copies. */
  readonly entriesCompared: number;
  /** What is compared now. */
  readonly at?: Omit<ReconcileProgress, 'entriesCompared'>;
  readonly report?: ReconcileReport;
  /** Why it failed. */
  readonly error?: string;
}

type Board = JobBoard<ReconciliationRequest, ReconcileProgress, ReconcileReport>;

export class ReconciliationJobs {
  readonly #board: Board;

  /** One at a time: two would repair each other's findings. */
  constructor(options: Pick<ReconcileOptions, 'ledger' | 'host' | 'copies' | 'onDiscrepancy'>, limits: JobLimits = {}) {
    this.#board = new JobBoard((request, { signal, onProgress }) => reconcile({ ...options, ...request, signal, onProgress }), { running: 1, ...limits });
  }

  /** @throws TooManyJobsError */
  start(request: ReconciliationRequest): ReconciliationJob {
    return jobOf(this.#board.start(request));
  }

  get(id: string): ReconciliationJob | undefined {
    const job = this.#board.get(id);
    return job === undefined ? undefined : jobOf(job);
  }

  close(): Promise<void> {
    return this.#board.close();
  }
}

function jobOf({ id, state, request, createdAt, finishedAt, progress, result, error }: Job<ReconciliationRequest, ReconcileProgress, ReconcileReport>): ReconciliationJob {
  const { entriesCompared = 0, ...at } = progress ?? {};
  return {
    id,
    ...request,
    state: state === 'cancelled' ? 'failed' : state,
    createdAt,
    ...(finishedAt !== undefined && { finishedAt }),
    entriesCompared: result?.entriesCompared ?? entriesCompared,
    ...(progress !== undefined && state === 'running' && { at: at as Omit<ReconcileProgress, 'entriesCompared'> }),
    ...(result !== undefined && { report: result }),
    ...(state === 'cancelled' ? { error: 'cancelled' } : error !== undefined && { error: error.message }),
  };
}
