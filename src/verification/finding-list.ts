/** Findings, at most so many: a store full of junk must not exhaust the memory of its verifier. */
import type { Finding, FindingCode } from '../core/findings.js';

export class FindingList {
  readonly items: Finding[] = [];
  /** Also of what is not kept: a verdict counts everything. */
  readonly codes = new Set<FindingCode>();
  omitted = 0;
  firstBad: number | undefined;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(finding: Finding): void {
    this.note([finding.code], finding.sequence);
    if (this.items.length < this.#limit) this.items.push(finding);
    else this.omitted += 1;
  }

  /** Takes over another list, as if its findings had been added here. */
  addAll(other: FindingSummary): void {
    this.note(other.codes, other.firstBad);
    const room = Math.max(0, this.#limit - this.items.length);
    this.items.push(...other.items.slice(0, room));
    this.omitted += other.omitted + Math.max(0, other.items.length - room);
  }

  note(codes: Iterable<FindingCode>, sequence: number | undefined): void {
    for (const code of codes) this.codes.add(code);
    if (sequence !== undefined && (this.firstBad === undefined || sequence < this.firstBad)) this.firstBad = sequence;
  }

  summary(): FindingSummary {
    return { items: this.items, codes: [...this.codes], omitted: this.omitted, firstBad: this.firstBad };
  }
}

/** A list as it travels between threads. */
export interface FindingSummary {
  readonly items: readonly Finding[];
  readonly codes: readonly FindingCode[];
  readonly omitted: number;
  readonly firstBad: number | undefined;
}
