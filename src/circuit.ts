/**
 * A circuit breaker round the calls to one outside service: after some failures in a row it is not called any more, and
 * callers are refused at once instead of each waiting for a time-out of its own. A second later one call is let
 * through; the circuit closes if it succeeds.
 *
 * Failures in a row, not a share of the calls of a while: when a busy store dies, the thousands of calls that succeeded
 * before would hide for many seconds that none does any more.
 */
import CircuitBreaker from 'opossum';

const FAILURES_IN_A_ROW = 3;
const OPEN_MS = 1_000;

export type CircuitState = 'closed' | 'half-open' | 'open';

export interface CircuitOptions {
  readonly name: string;
  /** A call that takes longer counts as failed. Without it the call must be bounded by itself. */
  readonly timeoutMs?: number;
  /** Failures that say nothing against the service, since they are its answer. */
  readonly isAnswer?: (error: unknown) => boolean;
  /** Called when the circuit lets one call through: makes that call, where no caller is certain to come. */
  readonly probe?: () => Promise<unknown>;
}

/** The call was not made. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError';
}

export class Circuit {
  readonly name: string;
  readonly #breaker: CircuitBreaker<[() => Promise<unknown>]>;
  #failures = 0;
  #refused = 0;

  constructor({ name, timeoutMs, isAnswer, probe }: CircuitOptions) {
    this.name = name;
    this.#breaker = new CircuitBreaker((work: () => Promise<unknown>) => work(), {
      name,
      timeout: timeoutMs ?? false,
      resetTimeout: OPEN_MS,
      // Its own rule, a share of the calls, is never reached; it opens below.
      volumeThreshold: Number.MAX_SAFE_INTEGER,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      ...(isAnswer !== undefined && { errorFilter: isAnswer }),
    });
    this.#breaker.on('success', () => (this.#failures = 0));
    this.#breaker.on('failure', () => {
      if (++this.#failures >= FAILURES_IN_A_ROW) this.#breaker.open();
    });
    // What comes of it is the breaker's to judge.
    if (probe !== undefined) this.#breaker.on('halfOpen', () => void this.run(probe).catch(() => undefined));
  }

  get state(): CircuitState {
    if (this.#breaker.halfOpen) return 'half-open';
    return this.#breaker.opened ? 'open' : 'closed';
  }

  /** Calls that were not made. */
  get refused(): number {
    return this.#refused;
  }

  /** @throws CircuitOpenError if the call was not made; else what it throws, or an error after the time-out */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return (await this.#breaker.fire(work)) as T;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EOPENBREAKER') throw error;
      this.#refused += 1;
      throw new CircuitOpenError(`${this.name}: failed ${FAILURES_IN_A_ROW} times in a row; tried again every ${OPEN_MS} ms`);
    }
  }

  close(): void {
    this.#breaker.shutdown();
  }
}
