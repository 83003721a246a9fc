/** What `indelible guardrails check` says of each thing that could let the log be removed or hidden. */

/**
 * `protected`: something that is there stops it. `weak`: it can be done, and is found, undone or limited by something
 * else. `unprotected`: nothing stops it. `unknown`: it could not be told; never to be read as "fine".
 */
export type Protection = 'protected' | 'weak' | 'unprotected' | 'unknown';

export interface GuardrailCheck {
  /** What was looked at, such as `bucket audit-log`. */
  readonly subject: string;
  /** Stable, in kebab case. */
  readonly name: string;
  readonly protection: Protection;
  /** What protects, or what does not: one sentence. */
  readonly detail: string;
  /** What to do, unless it is protected. */
  readonly advice?: string;
}

export const REPORT_FORMAT = 'indelible/guardrails-check/v1';

export interface GuardrailReport {
  readonly format: typeof REPORT_FORMAT;
  /** RFC 3339 UTC. */
  readonly at: string;
  /** The worst of all checks. */
  readonly protection: Protection;
  readonly checks: readonly GuardrailCheck[];
}

/** From best to worst. What is known to be weak is worse than what is not known: it needs somebody's work for certain. */
const ORDER: readonly Protection[] = ['protected', 'unknown', 'weak', 'unprotected'];

/** @throws RangeError without a check: nothing looked at is not "protected" */
export function reportOf(checks: readonly GuardrailCheck[], at: Date): GuardrailReport {
  if (checks.length === 0) throw new RangeError('"checks" expected at least one, got none');
  const protection = checks.reduce<Protection>((worst, check) => (ORDER.indexOf(check.protection) > ORDER.indexOf(worst) ? check.protection : worst), 'protected');
  return { format: REPORT_FORMAT, at: at.toISOString(), protection, checks };
}

/** Of `indelible guardrails check`. */
export function exitCodeOf({ protection }: Pick<GuardrailReport, 'protection'>): 0 | 2 | 3 {
  if (protection === 'protected') return 0;
  return protection === 'unknown' ? 3 : 2;
}

export function countOf({ checks }: Pick<GuardrailReport, 'checks'>, protection: Protection): number {
  return checks.filter((check) => check.protection === protection).length;
}

/** Checks of one subject, made in a line each. */
export interface Judge {
  protects(name: string, detail: string): GuardrailCheck;
  weak(name: string, detail: string, advice: string): GuardrailCheck;
  unprotected(name: string, detail: string, advice: string): GuardrailCheck;
  unknown(name: string, detail: string, advice: string): GuardrailCheck;
}

export function judgeOf(subject: string): Judge {
  return {
    protects: (name, detail) => ({ subject, name, protection: 'protected', detail }),
    weak: (name, detail, advice) => ({ subject, name, protection: 'weak', detail, advice }),
    unprotected: (name, detail, advice) => ({ subject, name, protection: 'unprotected', detail, advice }),
    unknown: (name, detail, advice) => ({ subject, name, protection: 'unknown', detail, advice }),
  };
}
