/** What a load phase is asked for, and what it saw: the same for every generator and contestant. */

export interface LoadTarget {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body is `head` + 12-digit counter + `tail`; a null tail means that `head` is the whole body. */
  readonly head: string;
  readonly tail: string | null;
}

export interface LoadPhase {
  readonly target: LoadTarget;
  readonly clients: number;
  readonly seconds: number;
  /** First value of the counter; phases on one log must not overlap. */
  readonly firstCounter: number;
}

export interface LoadResult {
  /** Answers in the 2xx range received by the client, over the whole phase. */
  readonly acknowledged: number;
  /** Requests that failed in any way: other statuses, resets, timeouts. */
  readonly failed: number;
  /**
   * Requests the generator may have cut off unanswered when time was up. The log may hold up to this
   * many entries more than were acknowledged; never fewer.
   */
  readonly cutOff: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LoadGenerator {
  readonly name: string;
  run(phase: LoadPhase): Promise<LoadResult>;
}
