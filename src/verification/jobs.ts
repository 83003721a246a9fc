/** Verifications on behalf of HTTP clients: bounded ones at once, long ones as jobs. */
import { LedgerError } from '../ledger/errors.js';
import type { Signer } from '../signing/signer.js';
import type { StoreReader } from '../storage/worm-store.js';
import type { Evidence } from './evidence.js';
import { WorkerPool } from './executor.js';
import { JobBoard, statusOf } from './job-board.js';
import type { Job, JobLimits, JobStatus } from './job-board.js';
import type { LeafHints } from './localise.js';
import { signMark } from './mark.js';
import type { MarkFolder } from './mark.js';
import type { VerificationProgress, VerificationReport } from './report.js';
import type { StoreConfig } from './store-config.js';
import type { GivenTrust } from './trust.js';
import { verifyChain } from './verify-chain.js';
import type { VerifyChainOptions } from './verify-chain.js';

export interface VerificationRequest {
  readonly from?: number;
  readonly to?: number;
  /** Begin where the last one ended, if it left a mark. */
  readonly incremental?: boolean;
  readonly against?: readonly Evidence[];
}

export interface VerificationJob extends JobStatus {
  readonly report?: VerificationReport;
}

type ChainRequest = VerificationRequest & { readonly chainId: string };

export interface VerificationJobsOptions extends JobLimits {
  readonly store: StoreReader;
  /** For worker threads; without it verification runs on this thread. */
  readonly config?: StoreConfig;
  /** Default: the keys in the store. A service gives its own. */
  readonly trust?: GivenTrust;
  readonly hints?: LeafHints;
  /** Where marks are kept, and who signs them. Without them there is no incremental verification. */
  readonly marks?: { readonly folder: MarkFolder; readonly signer: Signer };
  /** Threads for all jobs together. Default 1: a service has other things to do. */
  readonly workers?: number;
  /** Told of each report, whoever asked for it. */
  readonly onReport?: (report: VerificationReport) => void;
  /** Entries a synchronous verification may ask for. Default 100,000. */
  readonly maxSynchronous?: number;
}

const MAX_SYNCHRONOUS = 100_000;

export class VerificationJobs {
  readonly maxSynchronous: number;
  readonly #options: VerificationJobsOptions;
  readonly #pool: WorkerPool | undefined;
  readonly #board: JobBoard<ChainRequest, VerificationProgress, VerificationReport>;

  constructor(options: VerificationJobsOptions) {
    this.#options = options;
    this.maxSynchronous = options.maxSynchronous ?? MAX_SYNCHRONOUS;
    this.#pool = options.config === undefined || options.workers === 0 ? undefined : new WorkerPool(options.config, options.workers ?? 1);
    this.#board = new JobBoard((request, context) => this.#run(request, context), options);
  }

  /** @throws TooManyJobsError; LedgerError `range_invalid` */
  async start(chainId: string, request: VerificationRequest = {}): Promise<VerificationJob> {
    const { from = 0, to = Number.MAX_SAFE_INTEGER, incremental = false } = request;
    if (from > to) throw new LedgerError('range_invalid', `expected from ≤ to, got from ${from}, to ${to}`);
    if (incremental && (request.from !== undefined || request.to !== undefined)) {
      throw new LedgerError('range_invalid', 'an incremental verification goes from the last mark to the end: expected neither from nor to');
    }
    return Promise.resolve(jobOf(this.#board.start({ ...request, chainId })));
  }

  get(id: string): VerificationJob | undefined {
    const job = this.#board.get(id);
    return job === undefined ? undefined : jobOf(job);
  }

  list(): readonly VerificationJob[] {
    return this.#board.list().map(jobOf);
  }

  /** The job ends with the verdict incomplete and what was verified by then. False if it is over, or unknown. */
  cancel(id: string): boolean {
    return this.#board.cancel(id);
  }

  finished(id: string): Promise<void> {
    return this.#board.finished(id);
  }

  /**
   * At once, for a request that waits: at most `maxSynchronous` entries.
   * @throws LedgerError `range_invalid`; StoreError
   */
  async verifyRange(chainId: string, range: { readonly from: number; readonly to: number }, signal?: AbortSignal): Promise<VerificationReport> {
    const { from, to } = range;
    if (!(from <= to && to - from < this.maxSynchronous)) {
      throw new LedgerError('range_invalid', `expected from ≤ to and at most ${this.maxSynchronous} entries, got from ${from}, to ${to}; a verification job has no limit`);
    }
    const report = await verifyChain({ ...this.#common(), chainId, from, to, ...(signal === undefined ? {} : { signal }) });
    this.#options.onReport?.(report);
    return report;
  }

  async close(): Promise<void> {
    await this.#board.close();
    await this.#pool?.close();
  }

  async #run(
    { chainId, from, to, incremental, against }: ChainRequest,
    { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (progress: VerificationProgress) => void },
  ): Promise<VerificationReport> {
    const { marks } = this.#options;
    const mark = incremental === true ? await marks?.folder.read(chainId) : undefined;
    const report = await verifyChain({
      ...this.#common(),
      chainId,
      signal,
      onProgress,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(mark === undefined ? {} : { mark }),
      ...(against === undefined ? {} : { against }),
    });
    this.#options.onReport?.(report);
    const whole = from === undefined && to === undefined;
    if (marks !== undefined && whole && report.verdict === 'intact') await marks.folder.write(chainId, await signMark(marks.signer, report));
    return report;
  }

  #common(): Pick<VerifyChainOptions, 'store' | 'trust' | 'hints' | 'pool'> {
    const { store, trust, hints } = this.#options;
    return {
      store,
      ...(trust === undefined ? {} : { trust }),
      ...(hints === undefined ? {} : { hints }),
      ...(this.#pool === undefined ? {} : { pool: this.#pool }),
    };
  }
}

function jobOf(job: Job<ChainRequest, VerificationProgress, VerificationReport>): VerificationJob {
  const { result, progress } = job;
  if (result === undefined) return statusOf(job, progress);
  const { entriesChecked: entries, range } = result;
  return { ...statusOf(job, { entries, totalEntries: entries }), from: range.from, to: Math.max(range.from, range.to), report: result };
}
