/**
 * The JSON Canonicalization Scheme (RFC 8785): one text for one value, so that it can be hashed.
 *
 * RFC 8785 takes ECMAScript's own forms of numbers (§3.2.2.3) and strings (§3.2.2.2), so the engine makes
 * both; what is left to do here is to sort members (§3.2.3) and to refuse what JSON has no form for.
 */
import type { JsonValue } from './json.js';

/** Far above what intake lets in; a cyclic value ends here instead of in a stack overflow. */
const MAX_LEVELS = 500;
// eslint-disable-next-line no-control-regex -- RFC 8785 §3.2.2.2 escapes exactly these, the quote and the backslash
const NOT_PLAIN = /[\u0000-\u001f"\\\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The RFC 8785 text of a value; its UTF-8 bytes are the canonical form.
 *
 * @throws TypeError for anything JSON can't hold: undefined, functions, symbols, bigints, NaN, infinities,
 *   negative zero, lone surrogates, class instances, cycles
 */
export function canonicalize(value: JsonValue): string {
  return serialize(value, MAX_LEVELS);
}

function serialize(value: unknown, levels: number): string {
  switch (typeof value) {
    case 'string':
      return string(value);
    case 'number':
      return number(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (levels === 0) return refuse(`a value nested deeper than ${MAX_LEVELS} levels, or a cycle`);
      return Array.isArray(value) ? array(value, levels - 1) : object(value, levels - 1);
    default:
      return refuse(typeof value);
  }
}

/** §3.2.2.2 */
function string(value: string): string {
  if (!NOT_PLAIN.test(value)) return `"${value}"`;
  if (LONE_SURROGATE.test(value)) return refuse('a string with a lone surrogate');
  return JSON.stringify(value);
}

/** §3.2.2.3. Negative zero would come out as 0: another value than was put in. */
function number(value: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return refuse(Object.is(value, -0) ? '-0' : String(value));
  return String(value);
}

function array(value: readonly unknown[], levels: number): string {
  let text = '[';
  for (let i = 0; i < value.length; i++) {
    if (i > 0) text += ',';
    text += serialize(value[i], levels);
  }
  return `${text}]`;
}

/** §3.2.3: sorted by UTF-16 code units, which is how ECMAScript sorts strings. */
function object(value: object, levels: number): string {
  if (!isPlain(value)) return refuse('an object that is not a plain one');
  const members = value as Record<string, unknown>;
  const names = Object.keys(members);
  if (!isSorted(names)) names.sort();
  let text = '{';
  for (const name of names) {
    if (text.length > 1) text += ',';
    text += `${string(name)}:${serialize(members[name], levels)}`;
  }
  return `${text}}`;
}

function isSorted(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) {
    if ((names[i - 1] as string) > (names[i] as string)) return false;
  }
  return true;
}

/** A Date, a Map or a Buffer would come out as something else; another realm's plain object passes. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refuse(what: string): never {
  throw new TypeError(`canonicalize: "value" expected JSON, got ${what}`);
}
