/**
 * Reads JSON that is plain, and gives its canonical text (RFC 8785) without making the value: most of it is
 * already canonical, so the text is put together from pieces of the source.
 *
 * Plain is: no escapes, no characters beyond U+D7FF, numbers as short decimals, few members. Everything else,
 * and everything that is wrong, is answered with `false`, never judged: see plain-event.ts.
 */
import { MAX_DEPTH } from './json.js';

/** Reads the value of a member; false if it is not plain, or not allowed there. */
export type MemberRule<R> = (reader: R, name: string, depth: number) => boolean;
export type ItemRule<R> = (reader: R, depth: number) => boolean;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
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
const DELETE = 0x7f;
const LAST_C1 = 0x9f;
/** From here on surrogates: a code unit is no longer a character. */
const FIRST_SURROGATE = 0xd800;

/** A double holds this many decimal digits apart from all others, and gives them back. */
const EXACT_DIGITS = 15;
/** Members are sorted by insertion, which is only fast for few. */
const MAX_MEMBERS = 64;

export class PlainReader {
  private readonly text: string;
  protected at = 0;
  /** Of the value just read: its canonical text is that of the source, else it is `made`. */
  private asIs = true;
  private made = '';
  /** Of the string just read, without its quotes. */
  private from = 0;
  private to = 0;
  private controls = false;
  /** Of the object or array just read. */
  protected count = 0;
  /** Set by a rule: the member just read is not to be part of the text. */
  protected lifted = false;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return Number.isNaN(this.next());
  }

  /** Any JSON. */
  value(depth: number): boolean {
    const code = this.text.charCodeAt(this.at);
    this.asIs = true;
    if (code === QUOTE) return this.string();
    if (code === OPEN_BRACE) return this.object(depth, anyMember);
    if (code === OPEN_BRACKET) return this.array(depth, Infinity, anyItem);
    if (code === MINUS || isDigit(code)) return this.number();
    return this.word('true') || this.word('false') || this.word('null');
  }

  /** A string of min to max characters. */
  characters(min: number, max: number): boolean {
    if (this.text.charCodeAt(this.at) !== QUOTE || !this.string()) return false;
    const length = this.to - this.from;
    return length >= min && length <= max;
  }

  /** The same, none of them a control character. */
  label(min: number, max: number): boolean {
    return this.characters(min, max) && !this.controls;
  }

  oneOf(values: readonly string[]): boolean {
    return this.characters(1, 16) && values.includes(this.content());
  }

  isObject(): boolean {
    return this.text.charCodeAt(this.at) === OPEN_BRACE;
  }

  isArray(): boolean {
    return this.text.charCodeAt(this.at) === OPEN_BRACKET;
  }

  protected content(): string {
    return this.text.slice(this.from, this.to);
  }

  /** Of the value that was read from `start` on. */
  protected canonical(start: number): string {
    return this.asIs ? this.text.slice(start, this.at) : this.made;
  }

  protected object(depth: number, rule: MemberRule<this>): boolean {
    if (depth > MAX_DEPTH) return false;
    const { text } = this;
    const start = this.at++;
    const names: string[] = [];
    const members: string[] = [];
    if (this.next() === CLOSE_BRACE) return this.leave(this.at - start === 1, '{}', 0);
    let asIs = this.at - start === 1;
    for (;;) {
      const memberStart = this.at;
      if (names.length === MAX_MEMBERS || text.charCodeAt(memberStart) !== QUOTE || !this.string()) return false;
      const name = this.content();
      const nameEnd = this.at;
      if (this.next() !== COLON) return false;
      this.at++;
      this.next();
      const valueStart = this.at;
      if (!rule(this, name, depth)) return false;
      const whole = this.asIs && valueStart === nameEnd + 1;
      asIs &&= whole;
      let member = '';
      if (this.lifted) {
        this.lifted = false;
        asIs = false;
      } else {
        member = whole ? text.slice(memberStart, this.at) : `"${name}":${this.canonical(valueStart)}`;
      }
      // Members mostly come in an order of their own; each goes to its place (RFC 8785 §3.2.3).
      let place = names.length;
      while (place > 0 && name < (names[place - 1] as string)) place--;
      if (place > 0 && names[place - 1] === name) return false;
      if (place === names.length) {
        names.push(name);
        members.push(member);
      } else {
        asIs = false;
        names.splice(place, 0, name);
        members.splice(place, 0, member);
      }
      const valueEnd = this.at;
      const code = this.next();
      asIs &&= valueEnd === this.at;
      if (code === CLOSE_BRACE) return this.leave(asIs, asIs ? '' : join(members), names.length);
      if (code !== COMMA) return false;
      this.at++;
      this.next();
      asIs &&= valueEnd + 1 === this.at;
    }
  }

  protected array(depth: number, max: number, item: ItemRule<this>): boolean {
    if (depth > MAX_DEPTH) return false;
    const start = this.at++;
    if (this.next() === CLOSE_BRACKET) return this.leave(this.at - start === 1, '[]', 0);
    let asIs = this.at - start === 1;
    let made = '[';
    for (let count = 1; ; count++) {
      const valueStart = this.at;
      if (count > max || !item(this, depth + 1)) return false;
      asIs &&= this.asIs;
      made += this.canonical(valueStart);
      const valueEnd = this.at;
      const code = this.next();
      asIs &&= valueEnd === this.at;
      if (code === CLOSE_BRACKET) return this.leave(asIs, `${made}]`, count);
      if (code !== COMMA) return false;
      made += ',';
      this.at++;
      this.next();
      asIs &&= valueEnd + 1 === this.at;
    }
  }

  /** Steps over the closing bracket. */
  private leave(asIs: boolean, made: string, count: number): true {
    this.at++;
    this.asIs = asIs;
    this.made = made;
    this.count = count;
    return true;
  }

  protected string(): boolean {
    const { text } = this;
    let at = this.at + 1;
    this.from = at;
    let controls = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      // Also false for NaN, at the end of the text.
      if (!(code >= SPACE && code < FIRST_SURROGATE) || code === BACKSLASH) return false;
      if (code >= DELETE && code <= LAST_C1) controls = true;
      at++;
    }
    this.to = at;
    this.at = at + 1;
    this.controls = controls;
    this.asIs = true;
    return true;
  }

  /** Plain decimals in the one form that RFC 8785 gives them. */
  private number(): boolean {
    const { text } = this;
    const negative = text.charCodeAt(this.at) === MINUS;
    if (negative) this.at++;
    const start = this.at;
    const zero = text.charCodeAt(start) === ZERO;
    let digits = this.digits();
    if (digits === 0 || (zero && digits > 1)) return false;
    if (text.charCodeAt(this.at) === POINT) {
      this.at++;
      // Below 0.1 the form is not always a plain decimal.
      if (zero && text.charCodeAt(this.at) === ZERO) return false;
      const fraction = this.digits();
      if (fraction === 0 || text.charCodeAt(this.at - 1) === ZERO) return false;
      digits += fraction;
    } else if (zero && negative) return false;
    return digits <= EXACT_DIGITS && (text.charCodeAt(this.at) | 0x20) !== 0x65;
  }

  private digits(): number {
    const start = this.at;
    while (isDigit(this.text.charCodeAt(this.at))) this.at++;
    return this.at - start;
  }

  private word(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  /** Skips white space; the code at the new position, NaN at the end. */
  protected next(): number {
    let code = this.text.charCodeAt(this.at);
    while (code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === TAB) code = this.text.charCodeAt(++this.at);
    return code;
  }
}

const anyMember: MemberRule<PlainReader> = (reader, _name, depth) => reader.value(depth + 1);
const anyItem: ItemRule<PlainReader> = (reader, depth) => reader.value(depth);

function join(members: readonly string[]): string {
  let text = '{';
  for (const member of members) {
    if (member !== '') text += text.length > 1 ? `,${member}` : member;
  }
  return `${text}}`;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}
