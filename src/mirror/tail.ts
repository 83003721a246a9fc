/** Follows all partitions of a topic from its end on: what is committed from now on, as soon as it is. */
import type { Host } from '../ledger/host.js';
import { kafkaErrorType } from './kafka.js';
import type { PartitionReader, TopicRecord } from './partition-reader.js';

export interface TailOptions {
  readonly reader: PartitionReader;
  readonly topic: string;
  readonly host: Host;
  /** Of one partition, in order. */
  readonly onRecords: (records: readonly TopicRecord[]) => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
}

const WAIT_MS = 500;
const PAUSE_MS = 1_000;
/** Partitions may be added. */
const COUNT_EVERY_MS = 60_000;

export class TopicTail {
  readonly #options: TailOptions;
  readonly #positions = new Map<number, number>();
  readonly #running: Promise<void>;
  #countedAt = -Infinity;
  #failure: unknown = new Error('not connected yet');
  #closed = false;
  #endPause: () => void = () => undefined;

  constructor(options: TailOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** The last try's error, until a try succeeds. */
  get failure(): unknown {
    return this.#failure;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#endPause();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { reader, topic, onRecords, onTrouble } = this.#options;
    while (!this.#isClosed()) {
      try {
        if (this.#now() - this.#countedAt > COUNT_EVERY_MS) await this.#count();
        const found = await reader.fetch(topic, this.#positions, WAIT_MS);
        this.#failure = undefined;
        for (const { partition, records, next } of found) {
          if (records.length > 0) await onRecords(records);
          this.#positions.set(partition, next);
        }
      } catch (error) {
        if (this.#isClosed()) return;
        this.#failure = error;
        onTrouble(error);
        // The topic may be another one, with other offsets.
        this.#countedAt = -Infinity;
        if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') await this.#pause();
      }
    }
  }

  async #count(): Promise<void> {
    const { reader, topic } = this.#options;
    const partitions = Array.from({ length: await reader.partitions(topic) }, (_, partition) => partition);
    const first = this.#positions.size === 0;
    for (const [partition, { start, end }] of await reader.extents(topic, partitions)) {
      const at = this.#positions.get(partition) ?? (first ? end : start);
      // Behind its end: it was created again. Before its start: what was there is gone.
      this.#positions.set(partition, at > end || at < start ? start : at);
    }
    this.#countedAt = this.#now();
  }

  #now(): number {
    return this.#options.host.micros() / 1_000;
  }

  async #pause(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.host.after(PAUSE_MS, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
