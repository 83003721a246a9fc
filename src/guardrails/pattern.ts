/** Patterns of the policy language: `*` any characters, `?` one, and `${…}` variables, which a value takes the place of. */
import { NO, truthOf, unknown, YES } from './truth.js';
import type { Truth } from './truth.js';

interface Token {
  readonly text: string;
  readonly wild: boolean;
}

export type Pattern = readonly Token[];

/** One value of a condition key; `undefined` if there is not exactly one, or it is not known. */
export type Resolve = (key: string) => string | undefined;

/** `undefined` if it holds a variable that has no value. @param resolve absent: variables are plain text, as in policies of the version before 2012 */
export function patternOf(text: string, resolve: Resolve | undefined): Pattern | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const variable = resolve && /^\$\{([^{}]*)\}/.exec(text.slice(at));
    if (variable) {
      const value = valueOf(variable[1] ?? '', resolve);
      if (value === undefined) return undefined;
      tokens.push(...plain(value));
      at += variable[0].length;
      continue;
    }
    const character = text.charAt(at++);
    tokens.push({ text: character, wild: character === '*' || character === '?' });
  }
  return tokens;
}

/** `${*}`, `${?}` and `${$}` stand for themselves; a default may follow the name of a key. */
function valueOf(inside: string, resolve: Resolve): string | undefined {
  if (['*', '?', '$'].includes(inside)) return inside;
  const [, key = '', fallback] = /^\s*([^\s,]+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(inside) ?? [];
  return key === '' ? undefined : (resolve(key.toLowerCase()) ?? fallback);
}

function plain(text: string): Token[] {
  return Array.from({ length: text.length }, (_, at) => ({ text: text.charAt(at), wild: false }));
}

/** The text without wildcards having any meaning. */
export function textOf(pattern: Pattern): string {
  return pattern.map(({ text }) => text).join('');
}

/** In time bounded by the product of the lengths, whatever the pattern: a policy is somebody else's text. */
export function matches(pattern: Pattern, value: string): boolean {
  let [p, v, star, mark] = [0, 0, -1, 0];
  while (v < value.length) {
    const token = pattern[p];
    if (token?.wild === true && token.text === '*') {
      star = p++;
      mark = v;
    } else if (token !== undefined && (token.wild || token.text === value.charAt(v))) {
      p++;
      v++;
    } else if (star >= 0) {
      p = star + 1;
      v = ++mark;
    } else return false;
  }
  return pattern.slice(p).every(({ text, wild }) => wild && text === '*');
}

const PARTS = 6;

/** As the operators ArnEquals and ArnLike compare: each of the six parts for itself. */
export function arnMatches(pattern: Pattern, value: string): Truth {
  const wanted = partsOf(pattern);
  if (wanted === undefined) return unknown(`${textOf(pattern)} is no ARN`);
  const [...given] = value.split(':');
  if (given.length < PARTS) return NO;
  const parts = [...given.slice(0, PARTS - 1), given.slice(PARTS - 1).join(':')];
  return truthOf(wanted.every((part, i) => matches(part, parts[i] ?? '')));
}

/**
 * As Resource compares. Whether a `*` reaches over a colon is not the same everywhere: where that decides, it is not
 * known.
 */
export function resourceMatches(pattern: Pattern, value: string): Truth {
  if (textOf(pattern) === '*' && pattern[0]?.wild === true) return YES;
  const whole = matches(pattern, value);
  if (!whole) return NO;
  const byPart = arnMatches(pattern, value);
  return byPart.is === 'yes' ? YES : unknown(`resource ${textOf(pattern)}: its wildcard reaches over a colon`);
}

function partsOf(pattern: Pattern): Pattern[] | undefined {
  const parts: Token[][] = [[]];
  for (const token of pattern) {
    if (token.text === ':' && !token.wild && parts.length < PARTS) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.length === PARTS ? parts : undefined;
}
