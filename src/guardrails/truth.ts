/** Three-valued answers: what can't be judged stays unknown, and says why, unless something else decides. */

export type Truth = { readonly is: 'yes' } | { readonly is: 'no' } | { readonly is: 'unknown'; readonly why: string };

export const YES: Truth = { is: 'yes' };
export const NO: Truth = { is: 'no' };

export function unknown(why: string): Truth {
  return { is: 'unknown', why };
}

export function truthOf(value: boolean): Truth {
  return value ? YES : NO;
}

export function not(truth: Truth): Truth {
  if (truth.is === 'unknown') return truth;
  return truthOf(truth.is === 'no');
}

/** One "no" decides; without any, one "unknown" does. */
export function all(truths: readonly Truth[]): Truth {
  return truths.find(({ is }) => is === 'no') ?? truths.find(({ is }) => is === 'unknown') ?? YES;
}

/** One "yes" decides; without any, one "unknown" does. */
export function any(truths: readonly Truth[]): Truth {
  return truths.find(({ is }) => is === 'yes') ?? truths.find(({ is }) => is === 'unknown') ?? NO;
}
