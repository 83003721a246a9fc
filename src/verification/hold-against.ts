/** Holds a chain against evidence from outside, once it has been read. */
import { originOf } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import type { Looked, Wanted } from './chain-walk.js';
import type { Evidence, EvidenceCheck, Fact } from './evidence.js';
import { noteKeysOf } from './trust.js';
import type { ChainKeys } from './trust.js';
import type { HeldAgainst } from './report.js';

interface Piece {
  readonly evidence: Evidence;
  readonly check: EvidenceCheck | 'other_chain';
}

/** How far the chain was read. */
export interface ReadThrough extends Looked {
  readonly from: number;
  /** One past the last sequence that was read. */
  readonly end: number;
  /** Whether the chain ends there. */
  readonly endReached: boolean;
}

export interface Held {
  readonly heldAgainst: readonly HeldAgainst[];
  readonly findings: readonly Finding[];
}

export class EvidenceSet {
  readonly #chainId: string;
  readonly #pieces: readonly Piece[];

  /** `keys` absent: nothing can be believed. */
  constructor(chainId: string, keys: ChainKeys | undefined, evidence: readonly Evidence[]) {
    this.#chainId = chainId;
    const noteKeys = keys === undefined ? [] : noteKeysOf(keys, chainId);
    const origin = keys === undefined ? undefined : originOf(keys.deployment, chainId);
    this.#pieces = evidence.map((piece) => ({
      evidence: piece,
      check: origin !== undefined && piece.origin !== origin ? 'other_chain' : piece.check(noteKeys),
    }));
  }

  /** What must be looked up while reading. */
  wanted(): Wanted {
    const sizes = new Set<number>();
    const sequences = new Set<number>();
    for (const fact of this.#facts()) {
      if (fact.kind === 'root') sizes.add(fact.size);
      else sequences.add(fact.sequence);
    }
    const ascending = (numbers: Set<number>): number[] => [...numbers].sort((a, b) => a - b);
    return { sizes: ascending(sizes), sequences: ascending(sequences) };
  }

  compare(read: ReadThrough): Held {
    const findings: Finding[] = [];
    const agreed = [...this.#facts()].flatMap((fact) => (fact.kind === 'root' && read.roots.get(fact.size)?.root === fact.root ? [fact.size] : []));
    const heldAgainst = this.#pieces.map(({ evidence, check }): HeldAgainst => {
      const { kind, line } = evidence;
      const source = line === undefined ? evidence.source : `${evidence.source}, line ${line}`;
      const what = { source: evidence.source, ...(line !== undefined && { line }), kind };
      if (check === 'other_chain') return { ...what, outcome: 'other_chain', detail: `it speaks of ${evidence.origin}` };
      if (!check.usable) {
        findings.push({ code: 'unverified_range', chainId: this.#chainId, detail: `${source} was to be held against the chain, and proves nothing: ${check.reason}` });
        return { ...what, outcome: 'unusable', detail: check.reason };
      }
      const { size } = check;
      const outcomes = check.facts.map((fact) => this.#hold(source, fact, read, agreed));
      const contradiction = outcomes.find((outcome) => typeof outcome === 'object');
      if (contradiction !== undefined) {
        findings.push(contradiction);
        return { ...what, size, outcome: 'contradicted', detail: contradiction.detail };
      }
      if (outcomes.includes('contained')) return { ...what, size, outcome: 'contained' };
      return { ...what, size, outcome: 'not_compared', detail: 'that part of the chain was not read, or is damaged' };
    });
    return { heldAgainst, findings };
  }

  #hold(source: string, fact: Fact, read: ReadThrough, agreed: readonly number[]): 'contained' | 'not_compared' | Finding {
    const chainId = this.#chainId;
    const last = fact.kind === 'root' ? fact.size - 1 : fact.sequence;
    if (last >= read.end && read.endReached) {
      const detail = `${source} was signed when the chain had ${last + 1} entries; it ends at ${read.end}`;
      return { code: 'truncated_tail', chainId, sequence: read.end, lastSequence: last, detail };
    }
    if (fact.kind === 'root') {
      if (fact.size === 0) return 'contained';
      const found = read.roots.get(fact.size);
      if (found === undefined) return 'not_compared';
      if (found.root === fact.root) return 'contained';
      const sequence = Math.max(read.from, ...agreed.filter((size) => size < fact.size));
      const detail = `${source} was signed over another tree of ${fact.size} entries`;
      return { code: found.signed ? 'fork' : 'checkpoint_mismatch', chainId, sequence, lastSequence: last, detail };
    }
    const entryHash = read.entryHashes.get(fact.sequence);
    if (entryHash === undefined) return 'not_compared';
    if (entryHash === fact.entryHash) return 'contained';
    return { code: 'fork', chainId, sequence: fact.sequence, lastSequence: fact.sequence, detail: `${source} was signed for another entry ${fact.sequence}` };
  }

  *#facts(): Generator<Fact> {
    for (const { check } of this.#pieces) if (check !== 'other_chain' && check.usable) yield* check.facts;
  }
}
