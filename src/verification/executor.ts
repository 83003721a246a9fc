/** Who judges ranges: worker threads, one a core, or this thread where starting them would not pay. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { StoreReader } from '../storage/worm-store.js';
import { runRange } from './range-task.js';
import type { RangeResult, RangeTask } from './range-task.js';
import type { FromWorker } from './range-worker.js';
import type { StoreConfig } from './store-config.js';

export type OnProgress = (entries: number, segments: number) => void;

export interface Executor {
  /** How many ranges it works on at a time. */
  readonly width: number;
  run(task: RangeTask, onProgress: OnProgress, signal: AbortSignal | undefined): Promise<RangeResult>;
}

export function inlineExecutor(store: StoreReader): Executor {
  return { width: 1, run: (task, onProgress, signal) => runRange(store, task, onProgress, signal) };
}

interface Job {
  readonly task: RangeTask;
  readonly onProgress: OnProgress;
  readonly resolve: (result: RangeResult) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Worker threads with one queue. May serve several verifications of one store at once. Threads start with
 * the first task, and the process does not wait for idle ones.
 */
export class WorkerPool implements Executor {
  readonly width: number;
  readonly #config: StoreConfig;
  readonly #queue: Job[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  #closed = false;

  /** `width`: number of threads. Default: one a core. */
  constructor(config: StoreConfig, width = availableParallelism()) {
    if (!Number.isSafeInteger(width) || width < 1) throw new RangeError(`"width" expected at least 1, got ${width}`);
    this.#config = config;
    this.width = width;
  }

  run(task: RangeTask, onProgress: OnProgress, signal: AbortSignal | undefined): Promise<RangeResult> {
    const result = new Promise<RangeResult>((resolve, reject) => {
      this.#queue.push({ task, onProgress, resolve, reject });
    });
    this.#assign();
    return signal === undefined ? result : this.#orAbort(result, task, signal);
  }

  /** Ends the threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const workers = [...this.#idle, ...this.#busy.keys()];
    for (const job of [...this.#queue.splice(0), ...this.#busy.values()]) job.reject(new Error('the verification was closed'));
    this.#busy.clear();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #assign(): void {
    while (this.#queue.length > 0 && !this.#closed) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.width ? this.#start() : undefined);
      const job = worker === undefined ? undefined : this.#queue.shift();
      if (worker === undefined || job === undefined) return;
      this.#busy.set(worker, job);
      worker.ref();
      worker.postMessage(job.task);
    }
  }

  #start(): Worker {
    const worker = new Worker(new URL('./range-worker.js', import.meta.url), { workerData: this.#config });
    worker.on('message', (message: FromWorker) => {
      const job = this.#busy.get(worker);
      if (message.kind === 'progress') return job?.onProgress(message.entries, message.segments);
      this.#busy.delete(worker);
      if (this.#closed) return;
      worker.unref();
      this.#idle.push(worker);
      if (message.kind === 'done') job?.resolve(message.result);
      else job?.reject(message.error);
      this.#assign();
    });
    worker.on('error', (error) => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      job?.reject(new Error(`a verification thread died: ${error instanceof Error ? error.message : String(error)}`, { cause: error }));
      this.#assign();
    });
    return worker;
  }

  /** A range under way is left to end by itself (some tens of milliseconds); nobody waits for its result. */
  #orAbort(result: Promise<RangeResult>, task: RangeTask, signal: AbortSignal): Promise<RangeResult> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        const at = this.#queue.findIndex((job) => job.task === task);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(new Error('aborted', { cause: signal.reason }));
      };
      if (signal.aborted) { abort(); return; }
      signal.addEventListener('abort', abort, { once: true });
      result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }
}
