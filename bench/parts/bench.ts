/** What every part of the benchmark is handed. */
import type { LoadGenerator } from '../load/phase.js';
import type { Options } from '../options.js';
import type { NaivePeer } from '../peers/naive.js';
import type { TesseraPeer } from '../peers/tessera.js';
import type { Report } from '../report.js';

export interface Bench {
  readonly options: Options;
  readonly report: Report;
  readonly generator: LoadGenerator;
  readonly folder: string;
  readonly cores: number;
  /** Only the contestants that were asked for and could be started. */
  readonly naive: NaivePeer | undefined;
  readonly tessera: TesseraPeer | undefined;
  readonly serviceIsBuilt: boolean;
}

/**
 * Counters handed to load phases: 10¹⁰ apart, so that no two phases send the same event and a log
 * that deduplicates gains nothing.
 */
export class Counters {
  private next = 0;

  take(): number {
    this.next += 10_000_000_000;
    return this.next;
  }
}

export function say(text: string): void {
  console.log(text);
}
