/**
 * Many callers, one write: what is handed over while a write is under way goes out together with the next one, and two
 * writes begin at least `spacingMs` apart. So a busy log costs few large writes, and an idle one is not kept waiting.
 */
import type { Host } from './host.js';
import { sleep } from './host.js';

export interface GroupedWritesOptions<T> {
  readonly host: Host;
  /** Between the beginnings of two writes. */
  readonly spacingMs: number;
  /** Of all items of a write, at most; one item may be larger. */
  readonly maxEntries: number;
  readonly entriesIn: (item: T) => number;
  /** Takes all of them, in order, or throws. */
  readonly write: (items: readonly T[]) => Promise<void>;
}

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class GroupedWrites<T> {
  readonly #options: GroupedWritesOptions<T>;
  #waiting: Waiting<T>[] = [];
  #running = false;

  constructor(options: GroupedWritesOptions<T>) {
    this.#options = options;
  }

  /** @throws what the write throws that the item was part of */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    const { host, spacingMs, write } = this.#options;
    this.#running = true;
    while (this.#waiting.length > 0) {
      const next = host.micros() + spacingMs * 1_000;
      const group = this.#take();
      try {
        await write(group.map(({ item }) => item));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
      // Also with nothing waiting: what comes until then is part of the next write.
      const rest = (next - host.micros()) / 1_000;
      // Who was answered just now may have more: else two halves would take turns, each waiting for the other.
      await (rest > 0 ? sleep(host, Math.min(rest, spacingMs)) : host.turn());
    }
    this.#running = false;
  }

  #take(): Waiting<T>[] {
    const { maxEntries, entriesIn } = this.#options;
    let entries = 0;
    let count = 0;
    for (const { item } of this.#waiting) {
      entries += entriesIn(item);
      if (count > 0 && entries > maxEntries) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
