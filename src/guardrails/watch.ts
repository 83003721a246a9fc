/**
 * The check beside a service: soon after its start, then every hour. Nothing waits for it, and whatever it finds or
 * fails at, the service goes on: what must keep a service from starting is tried by the store's self-test.
 */
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { canonicalize } from '../core/canonical.js';
import { checkGuardrails } from './check.js';
import { countOf, reportOf } from './report.js';
import type { GuardrailCheck, GuardrailReport } from './report.js';

export interface WatchOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Adds an event to the service's own chain. Absent: it has none. */
  readonly record?: (event: string) => Promise<unknown>;
  readonly writerId: string;
  readonly startAfterMs?: number;
  readonly everyMs?: number;
  readonly withinMs?: number;
  /** What looks; replaced by tests. */
  readonly check?: typeof checkGuardrails;
}

/** The requests of a start come first. */
const START_AFTER_MS = 1_000;
const EVERY_MS = 3_600_000;
const WITHIN_MS = 120_000;

export class GuardrailWatch {
  readonly #options: WatchOptions;
  readonly #ending = new AbortController();
  #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();
  #last: GuardrailReport | undefined;
  /** What was recorded last: the same again says nothing new. */
  #recorded = '';

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timer = this.#in(options.startAfterMs ?? START_AFTER_MS);
  }

  /** Checks with that outcome; not a number before the first are through, so that a start looks like no change. */
  count(protection: 'unprotected' | 'weak' | 'unknown'): number {
    return this.#last === undefined ? Number.NaN : countOf(this.#last, protection);
  }

  /** Ends what is under way, and waits for no answer. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#ending.abort();
    await this.#running;
  }

  #in(ms: number): NodeJS.Timeout {
    // What waits for it must not keep the process from ending.
    return setTimeout(() => {
      this.#running = this.#look().finally(() => {
        if (!this.#ending.signal.aborted) this.#timer = this.#in(this.#options.everyMs ?? EVERY_MS);
      });
    }, ms).unref();
  }

  async #look(): Promise<void> {
    const { config, log, withinMs = WITHIN_MS, check = checkGuardrails } = this.#options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), withinMs).unref();
    const ended = new Promise<'ended'>((resolve) => this.#ending.signal.addEventListener('abort', () => resolve('ended'), { once: true }));
    try {
      const signal = AbortSignal.any([this.#ending.signal, late.signal]);
      const work = collected(check(config, { signal, log, verification: false }));
      // Whoever left it goes on; its failure is nobody's then.
      work.catch(() => undefined);
      const checks = await Promise.race([work, ended]);
      if (checks === 'ended' || this.#ending.signal.aborted) return;
      this.#last = reportOf(checks, new Date());
      this.#say(this.#last);
      await Promise.race([this.#record(this.#last), ended]);
    } catch (error) {
      log.warn({ err: error }, 'the guardrails could not be checked; it is tried again');
    } finally {
      clearTimeout(timer);
    }
  }

  #say(report: GuardrailReport): void {
    const { log } = this.#options;
    for (const { subject, name, protection, detail, advice } of report.checks) {
      if (protection !== 'protected') log.warn({ subject, guardrail: name, protection, advice }, `guardrail ${protection}: ${subject}: ${detail}`);
    }
    log.info({ protection: report.protection, checks: report.checks.length }, 'guardrails checked');
  }

  /** Counts and names: what a check says in words may name a principal or a host. */
  async #record(report: GuardrailReport): Promise<void> {
    const { record, writerId } = this.#options;
    if (record === undefined) return;
    const found = {
      protection: report.protection,
      protected: countOf(report, 'protected'),
      weak: countOf(report, 'weak'),
      unprotected: countOf(report, 'unprotected'),
      unknown: countOf(report, 'unknown'),
      notProtected: report.checks.filter(({ protection }) => protection !== 'protected').map(({ subject, name, protection }) => ({ subject, name, protection })),
    };
    const text = canonicalize(found);
    if (text === this.#recorded) return;
    await record(canonicalize({ action: 'guardrails.checked', actor: { type: 'service', id: writerId }, category: 'system', occurredAt: report.at, metadata: found }));
    this.#recorded = text;
  }
}

async function collected(checks: AsyncIterable<GuardrailCheck>): Promise<readonly GuardrailCheck[]> {
  const found: GuardrailCheck[] = [];
  for await (const check of checks) found.push(check);
  return found;
}
