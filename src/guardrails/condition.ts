/**
 * Conditions of a policy, judged as IAM does (reference: "IAM JSON policy elements: Condition operators"). An operator
 * that is not listed here judges nothing.
 */
import { arnMatches, matches, patternOf, textOf } from './pattern.js';
import type { Pattern, Resolve } from './pattern.js';
import type { Condition, Statement } from './policy-document.js';
import { all, any, NO, not, truthOf, unknown, YES } from './truth.js';
import type { Truth } from './truth.js';

/**
 * The values a key has in a request. `free`: who sends it chooses it, as with a header, so a denial that depends on it
 * is avoided and an allowance is met. `unknown`: it can't be told here.
 */
export type KeyValue = readonly string[] | 'absent' | 'free' | 'unknown';

/** By the key's name in lower case. */
export type Keys = (key: string) => KeyValue;

type Compare = (wanted: Pattern, given: string) => Truth;

interface Operator {
  readonly compare: Compare;
  readonly negated: boolean;
}

const equal: Compare = (wanted, given) => truthOf(textOf(wanted) === given);
const equalIgnoringCase: Compare = (wanted, given) => truthOf(textOf(wanted).toLowerCase() === given.toLowerCase());
const like: Compare = (wanted, given) => truthOf(matches(wanted, given));

const isTrue: Compare = (wanted, given) => {
  const [a, b] = [textOf(wanted).toLowerCase(), given.toLowerCase()];
  return [a, b].every((text) => text === 'true' || text === 'false') ? truthOf(a === b) : unknown(`${textOf(wanted)} is neither true nor false`);
};

function numeric(holds: (given: number, wanted: number) => boolean): Compare {
  return (wanted, given) => {
    const [a, b] = [given, textOf(wanted)];
    if (![a, b].every((text) => /^[+-]?\d+(\.\d+)?$/.test(text))) return unknown(`${b} or ${a} is no number`);
    return truthOf(holds(Number(a), Number(b)));
  };
}

const numericEqual = numeric((given, wanted) => given === wanted);

const OPERATORS: Readonly<Record<string, Operator>> = {
  StringEquals: { compare: equal, negated: false },
  StringNotEquals: { compare: equal, negated: true },
  StringEqualsIgnoreCase: { compare: equalIgnoringCase, negated: false },
  StringNotEqualsIgnoreCase: { compare: equalIgnoringCase, negated: true },
  StringLike: { compare: like, negated: false },
  StringNotLike: { compare: like, negated: true },
  // The two of a kind behave alike.
  ArnEquals: { compare: arnMatches, negated: false },
  ArnLike: { compare: arnMatches, negated: false },
  ArnNotEquals: { compare: arnMatches, negated: true },
  ArnNotLike: { compare: arnMatches, negated: true },
  Bool: { compare: isTrue, negated: false },
  NumericEquals: { compare: numericEqual, negated: false },
  NumericNotEquals: { compare: numericEqual, negated: true },
  NumericLessThan: { compare: numeric((given, wanted) => given < wanted), negated: false },
  NumericLessThanEquals: { compare: numeric((given, wanted) => given <= wanted), negated: false },
  NumericGreaterThan: { compare: numeric((given, wanted) => given > wanted), negated: false },
  NumericGreaterThanEquals: { compare: numeric((given, wanted) => given >= wanted), negated: false },
};

/** Whether the condition holds for a request with these keys. @param hasVariables whether `${…}` means a variable in this policy */
export function holds({ operator, key, values }: Condition, effect: Statement['effect'], keys: Keys, hasVariables: boolean): Truth {
  const given = keys(key);
  if (given === 'free') return truthOf(effect === 'Allow');
  if (given === 'unknown') return unknown(`condition key ${key}`);
  const isAbsent = given === 'absent' || given.length === 0;
  if (operator === 'Null') return absence(values, isAbsent);
  const [, quantifier, name = '', ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(.+?)(IfExists)?$/.exec(operator) ?? [];
  const judged = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  if (judged === undefined) return unknown(`condition operator ${operator}`);
  if (isAbsent) {
    if (ifExists !== undefined || quantifier === 'ForAllValues') return YES;
    // A negated operator holds for a key that is not there; of no value at all, none is "any".
    return truthOf(judged.negated && quantifier === undefined);
  }
  if (given.length > 1 && quantifier === undefined) return unknown(`condition key ${key} with several values`);
  const resolve: Resolve | undefined = hasVariables ? (asked) => single(keys(asked)) : undefined;
  const each = given.map((value) => {
    const matched = any(values.map((wanted) => compared(judged.compare, patternOf(wanted, resolve), value, wanted)));
    return judged.negated ? not(matched) : matched;
  });
  return quantifier === 'ForAnyValue' ? any(each) : all(each);
}

function compared(compare: Compare, wanted: Pattern | undefined, given: string, text: string): Truth {
  return wanted === undefined ? unknown(`variable in ${text}`) : compare(wanted, given);
}

function absence(values: readonly string[], isAbsent: boolean): Truth {
  const wanted = values.map((value) => value.toLowerCase());
  if (wanted.some((value) => value !== 'true' && value !== 'false')) return unknown('condition operator Null with a value that is neither true nor false');
  return wanted.includes(String(isAbsent)) ? YES : NO;
}

function single(value: KeyValue): string | undefined {
  return typeof value === 'object' && value.length === 1 ? value[0] : undefined;
}
