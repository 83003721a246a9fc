/** Long work that a client starts, watches and fetches the result of: so much at once, so much remembered. */
import { randomUUID } from 'node:crypto';

export interface JobLimits {
  /** At work at the same time. Default 2. */
  readonly running?: number;
  /** Waiting for their turn. Default 20. */
  readonly queued?: number;
  /** How long a finished job is remembered. Default one hour. */
  readonly keepMs?: number;
  /** Finished jobs remembered at most; the oldest go first. Default 100. */
  readonly kept?: number;
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Job<TRequest, TProgress, TResult> {
  readonly id: string;
  readonly state: JobState;
  readonly request: TRequest;
  /** RFC 3339 UTC. */
  readonly createdAt: string;
  readonly finishedAt?: string;
  readonly progress?: TProgress;
  readonly result?: TResult;
  /** Why it failed. */
  readonly error?: Error;
}

/** As many jobs wait as may: another must end first. */
export class TooManyJobsError extends Error {
  override readonly name = 'TooManyJobsError';
}

interface Entry<TRequest, TProgress, TResult> {
  job: Job<TRequest, TProgress, TResult>;
  readonly abort: AbortController;
  readonly done: Promise<void>;
  readonly settle: () => void;
}

export type JobWork<TRequest, TProgress, TResult> = (
  request: TRequest,
  context: { readonly id: string; readonly signal: AbortSignal; readonly onProgress: (progress: TProgress) => void },
) => Promise<TResult>;

export class JobBoard<TRequest, TProgress, TResult> {
  readonly #work: JobWork<TRequest, TProgress, TResult>;
  readonly #limits: Required<JobLimits>;
  readonly #now: () => Date;
  /** Called with jobs that are forgotten, to clear away what belongs to them. */
  readonly #onForgotten: (job: Job<TRequest, TProgress, TResult>) => void;
  /** In order of creation. */
  readonly #entries = new Map<string, Entry<TRequest, TProgress, TResult>>();
  #closed = false;

  constructor(
    work: JobWork<TRequest, TProgress, TResult>,
    options: JobLimits & { readonly now?: () => Date; readonly onForgotten?: (job: Job<TRequest, TProgress, TResult>) => void } = {},
  ) {
    this.#work = work;
    this.#limits = { running: options.running ?? 2, queued: options.queued ?? 20, keepMs: options.keepMs ?? 3_600_000, kept: options.kept ?? 100 };
    this.#now = options.now ?? ((): Date => new Date());
    this.#onForgotten = options.onForgotten ?? ((): void => undefined);
  }

  /** @throws TooManyJobsError */
  start(request: TRequest): Job<TRequest, TProgress, TResult> {
    this.#forgetOld();
    const waiting = this.#inState('queued').length;
    if (this.#closed || waiting >= this.#limits.queued) throw new TooManyJobsError(this.#closed ? 'shutting down' : `${waiting} jobs wait already`);
    let settle = (): void => undefined;
    const done = new Promise<void>((resolve) => (settle = resolve));
    const job: Job<TRequest, TProgress, TResult> = { id: randomUUID(), state: 'queued', request, createdAt: this.#now().toISOString() };
    this.#entries.set(job.id, { job, abort: new AbortController(), done, settle });
    this.#next();
    return this.get(job.id) ?? job;
  }

  get(id: string): Job<TRequest, TProgress, TResult> | undefined {
    this.#forgetOld();
    return this.#entries.get(id)?.job;
  }

  /** Newest first. */
  list(): readonly Job<TRequest, TProgress, TResult>[] {
    this.#forgetOld();
    return [...this.#entries.values()].map((entry) => entry.job).reverse();
  }

  /** Resolves when the job is over, however it ended; at once if there is no such job. */
  async finished(id: string): Promise<void> {
    await this.#entries.get(id)?.done;
  }

  /** False if there is no such job, or it is over. */
  cancel(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || (entry.job.state !== 'queued' && entry.job.state !== 'running')) return false;
    entry.abort.abort(new Error('cancelled'));
    if (entry.job.state === 'queued') this.#finish(entry, { state: 'cancelled' });
    return true;
  }

  /** Cancels everything and waits for it to end. */
  async close(): Promise<void> {
    this.#closed = true;
    const entries = [...this.#entries.values()];
    for (const { job } of entries) this.cancel(job.id);
    await Promise.all(entries.map((entry) => entry.done));
  }

  #inState(state: JobState): Entry<TRequest, TProgress, TResult>[] {
    return [...this.#entries.values()].filter((entry) => entry.job.state === state);
  }

  #next(): void {
    if (this.#closed || this.#inState('running').length >= this.#limits.running) return;
    const entry = this.#inState('queued')[0];
    if (entry === undefined) return;
    entry.job = { ...entry.job, state: 'running' };
    const { id, request } = entry.job;
    const onProgress = (progress: TProgress): void => {
      if (entry.job.state === 'running') entry.job = { ...entry.job, progress };
    };
    // The executor turns a synchronous throw into a rejection too.
    void new Promise<TResult>((resolve, reject) => {
      this.#work(request, { id, signal: entry.abort.signal, onProgress }).then(resolve, reject);
    }).then(
      (result) => this.#finish(entry, { state: 'done', result }),
      (error: unknown) => {
        if (entry.abort.signal.aborted) this.#finish(entry, { state: 'cancelled' });
        else this.#finish(entry, { state: 'failed', error: error instanceof Error ? error : new Error(String(error)) });
      },
    );
    this.#next();
  }

  #finish(entry: Entry<TRequest, TProgress, TResult>, end: Partial<Job<TRequest, TProgress, TResult>>): void {
    entry.job = { ...entry.job, ...end, finishedAt: this.#now().toISOString() };
    entry.settle();
    this.#next();
  }

  #forgetOld(): void {
    const finished = [...this.#entries.values()].filter(({ job }) => job.finishedAt !== undefined);
    const before = this.#now().getTime() - this.#limits.keepMs;
    const surplus = finished.length - this.#limits.kept;
    for (const [i, { job }] of finished.entries()) {
      if (i >= surplus && Date.parse(job.finishedAt ?? '') > before) continue;
      this.#entries.delete(job.id);
      this.#onForgotten(job);
    }
  }
}

/** A job as clients see it. */
export interface JobStatus {
  readonly id: string;
  readonly chainId: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  /** Sequences, both inclusive; `to` is absent until it is known. */
  readonly from: number;
  readonly to?: number;
  readonly entriesDone: number;
  readonly entriesTotal?: number;
  readonly createdAt: string;
  readonly finishedAt?: string;
  /** Why it failed. */
  readonly error?: string;
}

/** What all kinds of jobs over a range of a chain have in common. */
export function statusOf<TProgress, TResult>(
  { id, state, request, createdAt, finishedAt, error }: Job<{ readonly chainId: string; readonly from?: number; readonly to?: number }, TProgress, TResult>,
  done: { readonly entries: number; readonly totalEntries?: number } | undefined,
): JobStatus {
  return {
    id,
    chainId: request.chainId,
    state: state === 'cancelled' ? 'failed' : state,
    from: request.from ?? 0,
    ...(request.to === undefined ? {} : { to: request.to }),
    entriesDone: done?.entries ?? 0,
    ...(done?.totalEntries === undefined ? {} : { entriesTotal: done.totalEntries }),
    createdAt,
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(state === 'cancelled' ? { error: 'cancelled' } : error === undefined ? {} : { error: error.message }),
  };
}
