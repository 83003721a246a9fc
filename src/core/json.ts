/**
 * Strict JSON (RFC 8259) for hostile input: what can't be kept exactly is refused, never changed.
 *
 * `JSON.parse` keeps the last of two members of one name, rounds numbers and lets lone surrogates pass, and
 * none of it can be seen afterwards. docs/format.md §1.1 is the rule book.
 */
import { utf8Decode } from '#platform';
import { isExact } from './decimal.js';
import { IntakeError, pointerSegment, shown } from './intake-error.js';
import type { JsonErrorCode } from './intake-error.js';

export { IntakeError } from './intake-error.js';
export type { EventErrorCode, IntakeErrorCode, JsonErrorCode } from './intake-error.js';

export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

export interface ParseOptions {
  /** Longest text taken, in UTF-16 code units. Default 8,388,608. */
  readonly maxLength?: number;
  /** Levels of nesting around the event that don't count: 1 for an array of events. Default 0. */
  readonly outerLevels?: number;
  /** JSON Pointer put before the path of an error, such as `/7` for line 7 of NDJSON. Default ''. */
  readonly path?: string;
}

/** An event is level 1; docs/format.md §1.1. The parser recurses, so this also bounds its stack. */
export const MAX_DEPTH = 32;
/** The most one request may hold. */
export const MAX_LENGTH = 8_388_608;

/**
 * The text of a request body.
 *
 * @param maxLength in bytes
 * @throws IntakeError `json_too_large`; `json_encoding` for invalid UTF-8 (RFC 3629) or a byte-order mark
 *   (RFC 8259 §8.1)
 */
export function decodeStrict(bytes: Uint8Array, maxLength = MAX_LENGTH): string {
  if (bytes.length > maxLength) {
    throw new IntakeError('json_too_large', '', `expected at most ${maxLength} bytes, got ${bytes.length}`);
  }
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new IntakeError('json_encoding', '', 'expected UTF-8 without a byte-order mark, got one');
  }
  try {
    return utf8Decode(bytes);
  } catch (cause) {
    throw new IntakeError('json_encoding', '', 'expected UTF-8, got bytes that are not', { cause });
  }
}

/**
 * Parses exactly one JSON text. Objects are ordinary objects; every member, `__proto__` too, is their own.
 * Strings may share memory with `text`.
 *
 * @throws IntakeError with a `json_…` code
 */
export function parseStrict(text: string, options: ParseOptions = {}): JsonValue {
  const maxLength = options.maxLength ?? MAX_LENGTH;
  const path = options.path ?? '';
  if (text.length > maxLength) {
    throw new IntakeError('json_too_large', path, `expected at most ${maxLength} characters, got ${text.length}`);
  }
  return new Parser(text, path, MAX_DEPTH + (options.outerLevels ?? 0)).document();
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * A double holds every decimal of 15 significant digits apart from every other (DBL_DIG), except near the
 * ends of its range, which a power of ten of two digits can't reach.
 */
const EXACT_DIGITS = 15;
const EXACT_POWER_DIGITS = 2;
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

class Parser {
  private readonly text: string;
  private readonly base: string;
  private readonly maxDepth: number;
  private at = 0;
  /** Where we are: a member name or an index for each open container; the first `level` of them are valid. */
  private readonly trail: (string | number)[] = [];
  private level = 0;

  constructor(text: string, base: string, maxDepth: number) {
    this.text = text;
    this.base = base;
    this.maxDepth = maxDepth;
  }

  document(): JsonValue {
    const value = this.value();
    if (!Number.isNaN(this.next())) this.expected('the end of the text');
    return value;
  }

  private value(): JsonValue {
    const code = this.next();
    switch (code) {
      case QUOTE:
        return this.string();
      case OPEN_BRACE:
        return this.object();
      case OPEN_BRACKET:
        return this.array();
      case 0x74:
        return this.literal('true', true);
      case 0x66:
        return this.literal('false', false);
      case 0x6e:
        return this.literal('null', null);
      default:
        if (code === MINUS || isDigit(code)) return this.number();
        return this.expected('a JSON value');
    }
  }

  private object(): JsonObject {
    const object: Record<string, JsonValue> = {};
    const level = this.enter();
    if (this.next() === CLOSE_BRACE) return this.leave(object);
    for (;;) {
      if (this.next() !== QUOTE) this.expected('a member name in double quotes');
      const name = this.string();
      this.trail[level] = name;
      this.level = level + 1;
      if (Object.hasOwn(object, name)) {
        this.refuse('json_duplicate_member', 'expected each member name once, got it twice');
      }
      if (this.next() !== COLON) this.expected('":"');
      this.at++;
      const value = this.value();
      if (name === '__proto__') define(object, name, value);
      else object[name] = value;
      this.level = level;
      const code = this.next();
      if (code === CLOSE_BRACE) return this.leave(object);
      if (code !== COMMA) this.expected('"," or "}"');
      this.at++;
    }
  }

  private array(): JsonArray {
    const array: JsonValue[] = [];
    const level = this.enter();
    if (this.next() === CLOSE_BRACKET) return this.leave(array);
    for (;;) {
      this.trail[level] = array.length;
      this.level = level + 1;
      array.push(this.value());
      this.level = level;
      const code = this.next();
      if (code === CLOSE_BRACKET) return this.leave(array);
      if (code !== COMMA) this.expected('"," or "]"');
      this.at++;
    }
  }

  /** Steps into a container; its place in the trail is the level returned. */
  private enter(): number {
    if (this.level >= this.maxDepth) {
      this.refuse('json_too_deep', `expected at most ${MAX_DEPTH} levels of nesting, got more`);
    }
    this.at++;
    return this.level;
  }

  private leave<T>(container: T): T {
    this.at++;
    return container;
  }

  private literal<T extends JsonValue>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.expected('a JSON value');
    this.at += word.length;
    return value;
  }

  private string(): string {
    const { text } = this;
    const start = ++this.at;
    let at = start;
    let escaped = false;
    let surrogates = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        at = this.escape(at);
        escaped = true;
      } else if (code >= SPACE) {
        if (code >= 0xd800 && code <= 0xdfff) surrogates = true;
        at++;
      } else {
        this.at = at;
        this.expected('the string to end, or a character from U+0020 on');
      }
    }
    this.at = at + 1;
    // The text between is known to be a valid string by now, so the engine may do the unescaping.
    const value = escaped ? (JSON.parse(text.slice(start - 1, at + 1)) as string) : text.slice(start, at);
    if ((escaped || surrogates) && LONE_SURROGATE.test(value)) {
      this.refuse('json_lone_surrogate', 'expected well-formed Unicode, got a lone surrogate');
    }
    return value;
  }

  /** The position after the escape sequence whose backslash is at `at`. */
  private escape(at: number): number {
    ESCAPE.lastIndex = at + 1;
    if (ESCAPE.test(this.text)) return ESCAPE.lastIndex;
    this.at = at + 1;
    return this.expected('an escape of RFC 8259 §7');
  }

  private number(): number {
    const start = this.at;
    const negative = this.text.charCodeAt(start) === MINUS;
    if (negative) this.at++;
    let digits = 1;
    if (this.text.charCodeAt(this.at) === ZERO) this.at++;
    else digits = this.digits();
    if (this.text.charCodeAt(this.at) === POINT) {
      this.at++;
      digits += this.digits();
    }
    let powerDigits = 0;
    if ((this.text.charCodeAt(this.at) | 0x20) === 0x65) {
      this.at++;
      const sign = this.text.charCodeAt(this.at);
      if (sign === PLUS || sign === MINUS) this.at++;
      powerDigits = this.digits();
    }
    const literal = this.text.slice(start, this.at);
    const value = Number(literal);
    if (negative && value === 0) this.refuseZero(literal);
    const surelyExact = digits <= EXACT_DIGITS && powerDigits <= EXACT_POWER_DIGITS;
    if (!surelyExact && !isExact(literal, value)) this.refuseNumber(literal, value);
    return value;
  }

  /** Skips a run of digits; how many there were. */
  private digits(): number {
    const { text } = this;
    let { at } = this;
    while (isDigit(text.charCodeAt(at))) at++;
    const count = at - this.at;
    if (count === 0) this.expected('a digit');
    this.at = at;
    return count;
  }

  /** Skips white space; the code at the new position, NaN at the end of the text. */
  private next(): number {
    const { text } = this;
    let code = text.charCodeAt(this.at);
    while (code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === TAB) {
      code = text.charCodeAt(++this.at);
    }
    return code;
  }

  private refuseZero(literal: string): never {
    if (!isExact(literal, 0)) this.refuseNumber(literal, 0);
    this.refuse('json_negative_zero', `expected a number with a JSON form of its own, got ${shown(literal)}: send 0`);
  }

  private refuseNumber(literal: string, value: number): never {
    const rule = 'expected a number that an IEEE-754 double holds to the digit';
    const kept = Number.isFinite(value) ? `, which would become ${value}` : '';
    this.refuse('json_number_not_exact', `${rule}, got ${shown(literal)}${kept}: send it as a string`);
  }

  private expected(what: string): never {
    const got = this.at < this.text.length ? shown(this.text.charAt(this.at)) : 'the end of the text';
    this.refuse('json_syntax', `expected ${what} at position ${this.at}, got ${got}`);
  }

  private refuse(code: JsonErrorCode, rule: string): never {
    const trail = this.trail.slice(0, this.level).map(pointerSegment).join('');
    throw new IntakeError(code, this.base + trail, rule);
  }
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** An assignment to `__proto__` would set the prototype. */
function define(object: object, name: string, value: JsonValue): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
