/** The clients that follow chains live: how many there are, and what wakes them. */
import type { Segment } from '../core/segment.js';
import type { Ledger } from '../ledger/ledger.js';
import type { HttpLimits } from './deps.js';
import { Problem } from './problem.js';

interface Watch {
  readonly listeners: Set<(segment: Segment) => void>;
  readonly end: () => void;
}

export class StreamHub {
  readonly #ledger: Ledger;
  readonly #limits: HttpLimits;
  readonly #watches = new Map<string, Watch>();
  readonly #enders = new Set<() => void>();
  #closed = false;

  constructor(ledger: Ledger, limits: HttpLimits) {
    this.#ledger = ledger;
    this.#limits = limits;
  }

  get size(): number {
    return this.#enders.size;
  }

  /**
   * Counts a stream in. `grown` is called with each segment that becomes part of the chain from now on, `end`
   * when the service wants the stream to end. The result counts it out.
   * @throws Problem too_many_streams, shutting_down
   */
  join(chainId: string, grown: (segment: Segment) => void, end: () => void): () => void {
    if (this.#closed) throw new Problem('shutting_down', 'the service is shutting down');
    if (this.size >= this.#limits.maxStreams) throw new Problem('too_many_streams', `${this.size} streams are open`);
    const watch = this.#watches.get(chainId) ?? this.#watch(chainId);
    watch.listeners.add(grown);
    this.#enders.add(end);
    return () => {
      this.#enders.delete(end);
      watch.listeners.delete(grown);
      if (watch.listeners.size > 0 || this.#watches.get(chainId) !== watch) return;
      watch.end();
      this.#watches.delete(chainId);
    };
  }

  close(): void {
    this.#closed = true;
    for (const end of [...this.#enders]) end();
  }

  #watch(chainId: string): Watch {
    const listeners = new Set<(segment: Segment) => void>();
    const unsubscribe = this.#ledger.subscribe(chainId, (segment) => {
      for (const grown of listeners) grown(segment);
    });
    // What other processes append is seen only by looking; looking tells the ledger's listeners, so us.
    const timer = setInterval(() => void this.#ledger.chain(chainId).catch(() => undefined), this.#limits.streamPollMs);
    const watch = {
      listeners,
      end: () => {
        clearInterval(timer);
        unsubscribe();
      },
    };
    this.#watches.set(chainId, watch);
    return watch;
  }
}
