/** What is wrong between the two buckets: a security finding, as a verification would report it. */
import type { FindingCode } from '../core/findings.js';

export interface Difference {
  readonly code: FindingCode;
  /** Absent for what concerns no chain alone: the deployment's name, its keys. */
  readonly chainId?: string;
  /** The object concerned. */
  readonly key: string;
  /** Which bucket, what was expected, what was there. */
  readonly detail: string;
}

/** Copying can't go on over it. */
export class DifferenceError extends Error {
  override readonly name = 'DifferenceError';
  readonly difference: Difference;

  constructor(difference: Difference) {
    super(`${difference.code}: ${difference.key}: ${difference.detail}`);
    this.difference = difference;
  }
}

/** Those that stand now, at most one for each chain and code: an attacker decides how many there are. */
export class Differences {
  readonly #standing = new Map<string, Difference>();
  readonly #onNew: (difference: Difference) => void;

  /** `onNew` is told of each once, and again if the same is found at another object. */
  constructor(onNew: (difference: Difference) => void) {
    this.#onNew = onNew;
  }

  get all(): readonly Difference[] {
    return [...this.#standing.values()];
  }

  of(chainId: string, code: FindingCode): Difference | undefined {
    return this.#standing.get(`${chainId}/${code}`);
  }

  add(difference: Difference): void {
    const slot = `${difference.chainId ?? ''}/${difference.code}`;
    const isNew = this.#standing.get(slot)?.key !== difference.key;
    this.#standing.set(slot, difference);
    if (isNew) this.#onNew(difference);
  }

  /** The object is found to be as it should be. */
  settle(key: string): void {
    for (const [slot, difference] of this.#standing) if (difference.key === key) this.#standing.delete(slot);
  }

  drop(chainId: string, code: FindingCode): void {
    this.#standing.delete(`${chainId}/${code}`);
  }
}
