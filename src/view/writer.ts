/**
 * Feeds the view from a worker thread, so that the thread that answers requests only pays for handing a
 * segment over.
 */
import { Worker } from 'node:worker_threads';
import { ViewError } from './errors.js';
import type { ViewErrorCode } from './errors.js';
import type { ViewFeed, ViewFeedNote } from './feed.js';
import { behindError } from './feed.js';
import { checkSegment } from './segment.js';
import type { ViewNote, ViewSegment } from './view.js';
import { View } from './view.js';

export interface ViewWriterOptions {
  readonly onNote?: (note: ViewFeedNote) => void;
  /** Entries of backlog above which segments are dropped. Default 200,000, some 150 MB. */
  readonly maxBacklog?: number;
}

/** Main thread to worker. */
export type ToWorker =
  /** The payloads as lines of one text: it crosses to the worker at a third of the cost of an array. */
  | { readonly kind: 'segment'; readonly segment: Omit<ViewSegment, 'payloads'>; readonly lines: string }
  | { readonly kind: 'remake'; readonly id: number; readonly reason: string }
  | { readonly kind: 'close' };

/** Worker to main thread. */
export type FromWorker =
  | { readonly kind: 'open' }
  /** `posted` segments with `entries` entries are dealt with; sizes of the chains they belong to. */
  | {
      readonly kind: 'settled';
      readonly entries: number;
      readonly chains: readonly { readonly chainId: string; readonly posted: number; readonly size: number; readonly gap: boolean }[];
    }
  | { readonly kind: 'failing'; readonly code: ViewErrorCode; readonly message: string }
  | { readonly kind: 'recovered' }
  | { readonly kind: 'remade'; readonly id: number | undefined }
  | { readonly kind: 'note'; readonly note: ViewNote }
  | { readonly kind: 'closed' };

interface Waiter {
  readonly size: number;
  readonly resolve: () => void;
  readonly reject: (error: ViewError) => void;
}

interface ChainState {
  /** Segments under way. */
  posted: number;
  size: number;
  waiters: Waiter[];
}

const RESTART_DELAY = 1_000;

export class ViewWriter implements ViewFeed {
  readonly #file: string;
  readonly #options: ViewWriterOptions;
  readonly #maxBacklog: number;
  readonly #chains = new Map<string, ChainState>();
  readonly #remakes = new Map<number, () => void>();
  #below: { readonly entries: number; readonly resolve: () => void }[] = [];
  /** `undefined` while a dead one has not been replaced yet. */
  #worker: Worker | undefined;
  #view: View;
  #backlog = 0;
  #failure: ViewError | undefined;
  #nextRemake = 0;
  #closed: Promise<void> | undefined;
  #stopped: () => void = () => undefined;

  /** Starts the worker; it opens, or makes, the view. @throws ViewError when that is not possible */
  static async open(file: string, options: ViewWriterOptions = {}): Promise<ViewWriter> {
    if (file === ':memory:') throw new RangeError('"file" expected a path: threads cannot share a view in memory');
    const worker = await startWorker(file);
    return new ViewWriter(file, options, worker);
  }

  private constructor(file: string, options: ViewWriterOptions, worker: Worker) {
    this.#file = file;
    this.#options = options;
    this.#maxBacklog = options.maxBacklog ?? 200_000;
    this.#view = View.open(file, { readonly: true });
    this.#worker = worker;
    this.#listen(worker);
  }

  get view(): View {
    return this.#view;
  }

  get backlog(): number {
    return this.#backlog;
  }

  get failure(): ViewError | undefined {
    return this.#failure;
  }

  post(segment: ViewSegment): 'accepted' | 'behind' {
    checkSegment(segment);
    const isDown = this.#closed !== undefined || this.#worker === undefined;
    if (isDown || this.#backlog >= this.#maxBacklog) return 'behind';
    const { chainId } = segment;
    const chain = this.#chains.get(chainId) ?? { posted: 0, size: this.#sizeOf(chainId), waiters: [] };
    this.#chains.set(chainId, chain);
    chain.posted++;
    this.#backlog += segment.payloads.length;
    const { payloads, ...rest } = segment;
    this.#send({ kind: 'segment', segment: rest, lines: payloads.join('\n') });
    return 'accepted';
  }

  drained(chainId: string, size: number): Promise<void> {
    const chain = this.#chains.get(chainId);
    if ((chain?.size ?? 0) >= size) return Promise.resolve();
    if (this.#closed !== undefined) return Promise.reject(closedError());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (chain === undefined || chain.posted === 0) {
      // Perhaps another process brought it.
      return this.#sizeOf(chainId) >= size ? Promise.resolve() : Promise.reject(behindError(chainId, size));
    }
    return new Promise((resolve, reject) => chain.waiters.push({ size, resolve, reject }));
  }

  whenBelow(entries: number): Promise<void> {
    if (this.#backlog < entries || this.#failure !== undefined || this.#closed !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#below.push({ entries, resolve }));
  }

  remake(reason: string): Promise<void> {
    if (this.#closed !== undefined || this.#worker === undefined) return Promise.reject(this.#failure ?? closedError());
    const id = this.#nextRemake++;
    return new Promise((resolve) => {
      this.#remakes.set(id, resolve);
      this.#send({ kind: 'remake', id, reason });
    });
  }

  close(): Promise<void> {
    this.#closed ??= new Promise<void>((resolve) => {
      this.#stopped = resolve;
      if (this.#worker === undefined) resolve();
      else this.#send({ kind: 'close' });
    }).then(() => {
      this.#loseAll(closedError());
      this.#view.close();
    });
    return this.#closed;
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  /** 0 if the view cannot say: then the worker's answer will. */
  #sizeOf(chainId: string): number {
    try {
      return this.#view.through(chainId).size;
    } catch (error) {
      if (error instanceof ViewError) return 0;
      throw error;
    }
  }

  #listen(worker: Worker): void {
    let cause: unknown;
    worker.on('message', (message: FromWorker) => {
      this.#receive(message);
    });
    worker.on('error', (error) => {
      cause = error;
    });
    // An error is followed by the exit.
    worker.on('exit', (code) => {
      this.#worker = undefined;
      if (this.#closed !== undefined) this.#stopped();
      else this.#restart(new ViewError('io', `the worker stopped with code ${code}`, cause));
    });
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'open':
      case 'closed':
        return;
      case 'settled':
        { this.#settle(message.entries, message.chains); return; }
      case 'failing':
        this.#fail(new ViewError(message.code, message.message));
        return;
      case 'recovered':
        this.#failure = undefined;
        this.#note({ kind: 'recovered', message: 'the view can be written again' });
        return;
      case 'remade':
        this.#failure = undefined;
        this.#reopen();
        if (message.id !== undefined) this.#remakes.get(message.id)?.();
        if (message.id !== undefined) this.#remakes.delete(message.id);
        return;
      case 'note':
        this.#note(message.note);
        return;
    }
  }

  #settle(entries: number, chains: Extract<FromWorker, { kind: 'settled' }>['chains']): void {
    this.#backlog -= entries;
    for (const { chainId, posted, size, gap } of chains) {
      const chain = this.#chains.get(chainId);
      if (chain === undefined) continue;
      chain.posted -= posted;
      chain.size = size;
      if (gap) this.#note({ kind: 'gap', chainId, message: `the view of chain ${chainId} ends at ${size}; later entries must be read from the store` });
      const waiting = chain.waiters;
      chain.waiters = waiting.filter((waiter) => waiter.size > size);
      for (const waiter of waiting) if (waiter.size <= size) waiter.resolve();
      if (chain.posted === 0) this.#giveUp(chain, chainId);
    }
    this.#wakeBelow();
  }

  /** Nothing more is under way for the chain: who still waits would wait for ever. */
  #giveUp(chain: ChainState, chainId: string): void {
    const waiting = chain.waiters;
    chain.waiters = [];
    for (const waiter of waiting) waiter.reject(behindError(chainId, waiter.size));
  }

  #fail(failure: ViewError): void {
    this.#failure = failure;
    this.#note({ kind: 'failing', message: failure.message });
    for (const chain of this.#chains.values()) {
      for (const waiter of chain.waiters) waiter.reject(failure);
      chain.waiters = [];
    }
    this.#wakeBelow();
  }

  #wakeBelow(): void {
    const isReady = (entries: number): boolean => this.#backlog < entries || this.#failure !== undefined || this.#closed !== undefined;
    const waiting = this.#below;
    this.#below = waiting.filter((waiter) => !isReady(waiter.entries));
    for (const waiter of waiting) if (isReady(waiter.entries)) waiter.resolve();
  }

  /** The old view stays until the new one is open: its lookups fail or are outdated, but they answer. */
  #reopen(): void {
    for (const chain of this.#chains.values()) chain.size = 0;
    try {
      const fresh = View.open(this.#file, { readonly: true });
      this.#view.close();
      this.#view = fresh;
    } catch (cause) {
      if (!(cause instanceof ViewError)) throw cause;
      this.#fail(cause);
      setTimeout(() => {
        if (this.#closed === undefined) this.#receive({ kind: 'remade', id: undefined });
      }, RESTART_DELAY);
    }
  }

  /** What was under way is lost with the worker. */
  #loseAll(error: ViewError): void {
    for (const chain of this.#chains.values()) for (const waiter of chain.waiters) waiter.reject(error);
    this.#chains.clear();
    this.#backlog = 0;
    for (const resolve of this.#remakes.values()) resolve();
    this.#remakes.clear();
    this.#wakeBelow();
  }

  #restart(failure: ViewError): void {
    if (this.#failure === undefined) this.#fail(failure);
    this.#failure = failure;
    this.#loseAll(failure);
    setTimeout(() => {
      if (this.#closed === undefined) void this.#startAgain(failure);
    }, RESTART_DELAY);
  }

  async #startAgain(failure: ViewError): Promise<void> {
    try {
      const worker = await startWorker(this.#file);
      this.#worker = worker;
      this.#listen(worker);
      this.#failure = undefined;
      this.#reopen();
      this.#note({ kind: 'restarted', message: `the worker was started again: ${failure.message}` });
      // Closed while it started.
      if (this.#closed !== undefined) this.#send({ kind: 'close' });
    } catch (cause) {
      this.#restart(cause instanceof ViewError ? cause : new ViewError('io', String(cause), cause));
    }
  }

  #note(note: ViewFeedNote): void {
    this.#options.onNote?.(note);
  }
}

/** Resolves when the worker has opened the view. */
function startWorker(file: string): Promise<Worker> {
  const worker = new Worker(new URL('./writer-worker.js', import.meta.url), { workerData: { file } });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', function first(message: FromWorker) {
      if (message.kind === 'open') {
        worker.off('message', first);
        worker.off('error', reject);
        resolve(worker);
      } else if (message.kind === 'failing') {
        reject(new ViewError(message.code, message.message));
      }
    });
  });
}

function closedError(): ViewError {
  return new ViewError('closed', 'the writer has been closed');
}
