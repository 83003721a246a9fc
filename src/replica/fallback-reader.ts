/**
 * SegmentSource segments from either bucket: from the first, and where that fails, lacks the object or holds something
 * that is not signed, from the second. Everything handed out was checked against a signature, wherever it came from.
 *
 * For who reads entries of which it is known that they are in the chain. Whoever appends asks the first bucket alone.
 */
import type { Segment } from '../core/segment.js';
import type { SegmentSource } from '../ledger/ledger.js';

export class FallbackReader implements SegmentSource {
  readonly #first: SegmentSource;
  readonly #second: SegmentSource;
  readonly #onFallback: (segment: Segment, cause: unknown) => void;

  /** `onFallback`: told of each segment that had to come from the second, and why; no cause: the first lacks it. */
  constructor(first: SegmentSource, second: SegmentSource, onFallback: (segment: Segment, cause: unknown) => void) {
    this.#first = first;
    this.#second = second;
    this.#onFallback = onFallback;
  }

  at(chainId: string, firstSequence: number): Promise<Segment | undefined> {
    return this.#either((reader) => reader.at(chainId, firstSequence));
  }

  covering(chainId: string, sequence: number, hint?: number): Promise<Segment | undefined> {
    return this.#either((reader) => reader.covering(chainId, sequence, hint));
  }

  chains(): AsyncIterable<string> {
    return this.#first.chains();
  }

  async #either(read: (reader: SegmentSource) => Promise<Segment | undefined>): Promise<Segment | undefined> {
    let failed = false;
    let cause: unknown;
    try {
      const segment = await read(this.#first);
      if (segment !== undefined) return segment;
    } catch (error) {
      [failed, cause] = [true, error];
    }
    // That the second has no answer either says nothing new: the first's stands.
    const segment = await read(this.#second).catch(() => undefined);
    if (segment !== undefined) this.#onFallback(segment, cause);
    else if (failed) throw cause;
    return segment;
  }
}
