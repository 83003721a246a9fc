/**
 * Work whose result is good for everyone who asked before it began: a flush of a folder, a reading of one.
 * Callers that arrive while it runs share the next run, as the running one may have missed what they did.
 */
export class SharedRun<T> {
  readonly #work: () => Promise<T>;
  #running: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  /** The result of a run that begins after this call. */
  fresh(): Promise<T> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running
      .catch(() => undefined) // reported to those who waited for it
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  /** The result of a run that has not ended yet, whenever it began. */
  current(): Promise<T> {
    return this.#running ?? this.#start();
  }

  /** True if nothing runs or waits. */
  get idle(): boolean {
    return this.#running === undefined && this.#next === undefined;
  }

  #start(): Promise<T> {
    const run = this.#work().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }
}
