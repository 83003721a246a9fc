/**
 * Verifies every chain again and again, one chain after another, so that what no policy forbids is found without
 * anybody asking. A round reads what is new since the last mark, and lists all keys with their versions; every 24th
 * reads everything, since what was read before may have been changed below the mark. Either is held against the mark,
 * so a chain that was cut or is gone is found by who verified it before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { chainIds } from '../ledger/reader.js';
import type { StoreReader } from '../storage/worm-store.js';
import { readEvidence } from './evidence.js';
import type { VerificationJobs } from './jobs.js';
import type { MarkFolder } from './mark.js';
import type { VerificationReport } from './report.js';

export interface VerificationRoundsOptions {
  readonly jobs: Pick<VerificationJobs, 'start' | 'finished' | 'get' | 'cancel'>;
  /** Its chains are verified, also those that no request has named yet. */
  readonly store: StoreReader;
  /** So are those of which only the mark is left. */
  readonly marks: MarkFolder;
  /** From the end of one round to the beginning of the next. */
  readonly everyMs: number;
  /** What is not `intact`; told again each round for as long as it is so. */
  readonly onBroken: (report: VerificationReport) => void;
  /** A chain, or the list of them, that could not be verified now. It is tried again in the next round. */
  readonly onTrouble: (chainId: string | undefined, error: unknown) => void;
}

/** Once a day, where a round is made each hour. */
const FULL_EVERY = 24;

export class VerificationRounds {
  readonly #options: VerificationRoundsOptions;
  readonly #wait = new AbortController();
  readonly #going: Promise<void>;
  #job: string | undefined;

  /** Begins after one interval: a start has other things to do. */
  constructor(options: VerificationRoundsOptions) {
    this.#options = options;
    this.#going = this.#goOn();
  }

  /** Ends the verification that is under way. */
  async close(): Promise<void> {
    this.#wait.abort();
    if (this.#job !== undefined) this.#options.jobs.cancel(this.#job);
    await this.#going;
  }

  async #goOn(): Promise<void> {
    for (let round = 1; await this.#interval(); round++) {
      try {
        for (const chainId of await this.#chains()) {
          if (this.#wait.signal.aborted) return;
          await this.#verify(chainId, round % FULL_EVERY !== 0).catch((error: unknown) => this.#options.onTrouble(chainId, error));
        }
      } catch (error) {
        this.#options.onTrouble(undefined, error);
      }
    }
  }

  async #chains(): Promise<ReadonlySet<string>> {
    const chains = new Set(await this.#options.marks.chains());
    for await (const chainId of chainIds(this.#options.store)) chains.add(chainId);
    return chains;
  }

  async #verify(chainId: string, incremental: boolean): Promise<void> {
    const { jobs, marks, onBroken, onTrouble } = this.#options;
    const mark = await marks.read(chainId);
    const against = mark === undefined ? [] : [readEvidence(Buffer.from(mark), 'the mark of the verification before')];
    const { id } = await jobs.start(chainId, { incremental, against });
    this.#job = id;
    if (this.#wait.signal.aborted) jobs.cancel(id);
    await jobs.finished(id);
    this.#job = undefined;
    const job = jobs.get(id);
    if (this.#wait.signal.aborted) return;
    if (job?.report === undefined) onTrouble(chainId, new Error(job?.error ?? 'the verification left no report'));
    else if (job.report.verdict !== 'intact') onBroken(job.report);
  }

  /** Whether to go on. Keeps no process from ending. */
  #interval(): Promise<boolean> {
    return sleep(this.#options.everyMs, true, { signal: this.#wait.signal, ref: false }).catch(() => false);
  }
}
