/** What a verification says. docs/verification.md explains it; the JSON is a documented promise. */
import type { Finding, Verdict } from '../core/findings.js';

export const VERIFICATION_FORMAT = 'indelible/verification/v1';

/** Both ends inclusive. `to` is below `from` if no entry lies in it. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

export interface VerificationReport {
  readonly format: typeof VERIFICATION_FORMAT;
  readonly chainId: string;
  /** Absent if neither the store nor the caller says it. */
  readonly deployment?: string;
  readonly verdict: Verdict;
  /** What was read and checked, in whole segments: it may begin before and end after what was asked for. */
  readonly range: SequenceRange;
  readonly entriesChecked: number;
  /** The lowest sequence that can't be vouched for. Absent if all can. */
  readonly firstBadSequence?: number;
  /** In order of sequence; those that concern no entry last. */
  readonly findings: readonly Finding[];
  /** Findings over the limit: counted, and in the verdict, but not listed. */
  readonly findingsOmitted: number;
  readonly heldAgainst: readonly HeldAgainst[];
  readonly trust: ReportedTrust;
  /** Entries before `range.from` that were not read again, because an earlier verification signed for them. */
  readonly restsOnMark?: RestsOnMark;
  /** In words: what the verdict does not say by itself. */
  readonly statements: readonly string[];
  /** RFC 3339 UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** The end of the chain, if it was reached and is sound. */
  readonly head?: ReportedHead;
}

export interface ReportedTrust {
  /** `given`: by the caller. `store`: the keys lie beside what they signed, and prove no identity. */
  readonly source: 'given' | 'store' | 'none';
  /** Key IDs (8 hexadecimal digits) that signed what was read. */
  readonly keyIds: readonly string[];
}

export interface RestsOnMark {
  /** Number of leading entries the mark stands for. */
  readonly size: number;
  readonly rootHash: string;
  readonly verifiedAt: string;
  readonly keyIds: readonly string[];
}

export interface ReportedHead {
  readonly size: number;
  readonly rootHash: string;
  readonly entryHash: string;
  readonly receivedAt: string;
  /** The signed note. */
  readonly checkpoint: string;
}

/** One piece of evidence from outside the store. */
export interface HeldAgainst {
  /** What the caller calls it, for example the name of the file. */
  readonly source: string;
  /** Of a file with a receipt a line, from 1. */
  readonly line?: number;
  readonly kind: 'receipt' | 'checkpoint' | 'mark' | 'bundle';
  /** Tree size of its checkpoint. */
  readonly size?: number;
  /**
   * `contained`: the chain holds what it says. `contradicted`: it does not, see the findings.
   * `not_compared`: that part of the chain was not read, or is damaged. `unusable`: it proves nothing
   * here (not signed by a trusted key, malformed). `other_chain`: it speaks of another chain.
   */
  readonly outcome: 'contained' | 'contradicted' | 'not_compared' | 'unusable' | 'other_chain';
  readonly detail?: string;
}

export interface VerificationProgress {
  readonly chainId: string;
  readonly entries: number;
  readonly segments: number;
  /** Entries of the whole range, once it is known; about, while others still write. */
  readonly totalEntries?: number;
  readonly entriesPerSecond: number;
}
