/** What a verification can find, and what follows from it. docs/verification.md explains each code. */

export const FINDING_CODES = [
  'hash_mismatch',
  'link_mismatch',
  'sequence_gap',
  'sequence_duplicate',
  'fork',
  'truncated_tail',
  'missing_object',
  'shadow_version',
  'delete_marker',
  'retention_weak',
  'foreign_object',
  'signature_invalid',
  'checkpoint_mismatch',
  'clock_regression',
  'unknown_format',
  'unverified_range',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

export interface Finding {
  readonly code: FindingCode;
  readonly chainId: string;
  /** First sequence that can't be vouched for because of this finding; absent if it concerns no entry. */
  readonly sequence?: number;
  /** Last such sequence, inclusive, where it is known. */
  readonly lastSequence?: number;
  /** The object concerned. */
  readonly key?: string;
  /** One sentence: what was expected, what was there. */
  readonly detail: string;
}

/**
 * `tampered`: something that was committed is changed, missing, out of place, or not ours.
 * `incomplete`: all that was read is right, but not all that was asked for could be read.
 * `indeterminate`: nothing can be said, for want of a key or of any data.
 */
export type Verdict = 'intact' | 'tampered' | 'incomplete' | 'indeterminate';

export function verdictOf(findings: readonly Finding[]): Verdict {
  const codes = new Set(findings.map((finding) => finding.code));
  codes.delete('retention_weak');
  if (codes.size === 0) return 'intact';
  codes.delete('unverified_range');
  return codes.size === 0 ? 'incomplete' : 'tampered';
}

/** 0 intact, 2 tampered, 3 incomplete or indeterminate (1 is usage or I/O). */
export function exitCodeOf(verdict: Verdict): 0 | 2 | 3 {
  switch (verdict) {
    case 'intact':
      return 0;
    case 'tampered':
      return 2;
    case 'incomplete':
    case 'indeterminate':
      return 3;
  }
}
