/** Sequences as ranges `[from, to)`, in order and apart from each other. */
export type Range = readonly [from: number, to: number];

export class Ranges {
  #ranges: Range[];

  constructor(ranges: readonly Range[] = []) {
    this.#ranges = [...ranges];
  }

  get list(): readonly Range[] {
    return this.#ranges;
  }

  has(sequence: number): boolean {
    return this.#ranges.some(([from, to]) => sequence >= from && sequence < to);
  }

  add(sequence: number): void {
    const last = this.#ranges.at(-1);
    // Almost always the next one.
    if (last?.[1] === sequence) {
      this.#ranges[this.#ranges.length - 1] = [last[0], sequence + 1];
      return;
    }
    if (this.has(sequence)) return;
    const merged: Range[] = [];
    for (const [from, to] of [...this.#ranges, [sequence, sequence + 1] as const].sort((a, b) => a[0] - b[0])) {
      const before = merged.at(-1);
      if (before !== undefined && before[1] >= from) merged[merged.length - 1] = [before[0], Math.max(before[1], to)];
      else merged.push([from, to]);
    }
    this.#ranges = merged;
  }

  /** Takes out what lies before or at `next`, and says how far they reach from there without a hole. */
  absorb(next: number): number {
    let reached = next;
    while (this.#ranges[0] !== undefined && this.#ranges[0][0] <= reached) reached = Math.max(reached, (this.#ranges.shift() as Range)[1]);
    return reached;
  }
}
