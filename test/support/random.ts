/** Seeded randomness: the same seed makes the same choices, on any machine. */
export class Random {
  readonly seed: string;
  #state: number;

  constructor(seed: string) {
    this.seed = seed;
    // FNV-1a, so that seeds that differ little do not make choices that differ little.
    this.#state = 0x811c9dc5;
    for (const byte of Buffer.from(seed)) this.#state = Math.imul(this.#state ^ byte, 0x01000193);
  }

  /** mulberry32: in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [low, high]. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.int(0, 255)));
  }

  /** Runs of a test, each with a seed of its own that is named if it fails. */
  static async each(seed: string, runs: number, run: (random: Random) => Promise<void>): Promise<void> {
    for (let i = 0; i < runs; i++) {
      const random = new Random(`${seed}:${i}`);
      try {
        await run(random);
      } catch (error) {
        throw new Error(`seed ${JSON.stringify(random.seed)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
  }
}
