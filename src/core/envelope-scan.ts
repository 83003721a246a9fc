/**
 * The fixed parts of the payloads of a segment, against the place each stands at, without a JSON parser: for
 * verifiers, which run this for every entry there is.
 */
import { binarySlice } from '#platform';
import { FORMAT_MEMBER, isReceivedAt, TIME_LENGTH } from './entry.js';
import type { FindingCode } from './findings.js';

/** Why stored bytes are not a valid segment. */
export interface SegmentFault {
  readonly code: FindingCode;
  /** Position of the first entry concerned within the segment; 0 if the whole segment is. */
  readonly at: number;
  readonly detail: string;
}

export function fault(code: FindingCode, detail: string, at = 0): SegmentFault {
  return { code, at, detail };
}

/** Where payload lines lie: line i is bytes[starts[i], ends[i]). `bytes` is one that `quick` made. */
export interface PayloadLines {
  readonly bytes: Uint8Array;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

const SEQUENCE_MEMBER = '","sequence":';
/** `2026-11-23T20:52:07.`: entries that follow one another mostly share it. */
const SECOND_LENGTH = 20;
const ZERO = 0x30;
const LATIN_Z = 0x5a;

/** A text to compare bytes with, four at a time. */
class Constant {
  readonly length: number;
  readonly #words: Uint32Array;
  /** Its last four bytes, which may overlap the word before. */
  readonly #last: number;

  /** ASCII, at least four characters. */
  constructor(text: string) {
    const word = (at: number): number =>
      (text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)) >>> 0;
    this.length = text.length;
    this.#words = Uint32Array.from({ length: Math.floor(text.length / 4) }, (_, i) => word(4 * i));
    this.#last = word(text.length - 4);
  }

  isAt(view: DataView, at: number): boolean {
    const words = this.#words;
    for (let i = 0; i < words.length; i++) if (view.getUint32(at + 4 * i, true) !== words[i]) return false;
    return view.getUint32(at + this.length - 4, true) === this.#last;
  }
}

const formatMember = new Constant(FORMAT_MEMBER);
const sequenceMember = new Constant(SEQUENCE_MEMBER);

/**
 * Holds lines against chain, writer and sequence, in order, from the first. Remembers what is wrong with the
 * first that does not fit, and looks no further.
 */
export class EnvelopeScanner {
  fault: SegmentFault | undefined;
  firstReceivedAt = '';
  readonly #lines: PayloadLines;
  readonly #view: DataView;
  readonly #firstSequence: number;
  readonly #prefix: Constant;
  readonly #writerMember: Constant;
  #digits: number;
  /** The first number with more digits. */
  #limit: number;
  /** Of the line before: all of its time but the fraction, as text and to compare with, and the fraction. */
  #second = '';
  #sameSecond: Constant | undefined;
  #micros = 0;

  constructor(lines: PayloadLines, chainId: string, writerId: string, firstSequence: number) {
    const { bytes } = lines;
    this.#lines = lines;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#firstSequence = firstSequence;
    this.#prefix = new Constant(`{"chainId":"${chainId}","entryId":"`);
    this.#writerMember = new Constant(`,"writerId":"${writerId}"}`);
    this.#digits = String(firstSequence).length;
    this.#limit = 10 ** this.#digits;
  }

  get lastReceivedAt(): string {
    return timeOf(this.#second, this.#micros);
  }

  /** The lines from the from-th up to, without it, the to-th. */
  visit(from: number, to: number): void {
    const { starts, ends } = this.#lines;
    for (let i = from; i < to && this.fault === undefined; i++) this.#visit(i, starts[i] as number, ends[i] as number);
  }

  #visit(at: number, start: number, end: number): void {
    const sequence = this.#firstSequence + at;
    if (sequence >= this.#limit) {
      this.#digits += 1;
      this.#limit *= 10;
    }
    const { bytes } = this.#lines;
    const view = this.#view;
    const sequenceAt = end - this.#writerMember.length - this.#digits;
    const timeAt = sequenceAt - sequenceMember.length - TIME_LENGTH;
    const formatAt = timeAt - formatMember.length;
    if (
      // The id and the event lie between.
      formatAt <= start + this.#prefix.length ||
      !this.#prefix.isAt(view, start) ||
      !formatMember.isAt(view, formatAt) ||
      !sequenceMember.isAt(view, timeAt + TIME_LENGTH) ||
      numberAt(bytes, sequenceAt, this.#digits) !== sequence ||
      !this.#writerMember.isAt(view, sequenceAt + this.#digits)
    ) {
      this.fault = wrongEnvelope(this.#lines, sequence, at);
      return;
    }
    const micros = numberAt(bytes, timeAt + SECOND_LENGTH, 6);
    if (this.#sameSecond?.isAt(view, timeAt) !== true || micros < 0 || bytes[timeAt + TIME_LENGTH - 1] !== LATIN_Z) {
      this.#newSecond(binarySlice(bytes, timeAt, timeAt + TIME_LENGTH), sequence, at);
    } else if (micros < this.#micros) {
      this.#backwards(timeOf(this.#second, micros), at);
    }
    this.#micros = micros;
  }

  #newSecond(time: string, sequence: number, at: number): void {
    const second = time.slice(0, SECOND_LENGTH);
    if (!isReceivedAt(time)) this.fault = wrongEnvelope(this.#lines, sequence, at);
    else if (second < this.#second) this.#backwards(time, at);
    if (at === 0) this.firstReceivedAt = time;
    this.#second = second;
    this.#sameSecond = new Constant(second);
  }

  #backwards(time: string, at: number): void {
    this.fault = fault('clock_regression', `receivedAt ${time} is before ${this.lastReceivedAt}`, at);
  }
}

/** All lines of a segment. */
export function scanEnvelopes(lines: PayloadLines, chainId: string, writerId: string, firstSequence: number): EnvelopeScanner {
  const scanner = new EnvelopeScanner(lines, chainId, writerId, firstSequence);
  scanner.visit(0, lines.starts.length);
  return scanner;
}

/** The number that so many digits stand for; −1 if one is none. */
function numberAt(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = 10 * value + digit;
  }
  return value;
}

function timeOf(second: string, fraction: number): string {
  return `${second}${String(fraction).padStart(6, '0')}Z`;
}

/** A line whose sequence is another one's was dropped, repeated or moved; anything else is changed bytes. */
function wrongEnvelope({ bytes, starts, ends }: PayloadLines, sequence: number, at: number): SegmentFault {
  const end = ends[at] as number;
  const text = binarySlice(bytes, Math.max(starts[at] as number, end - 120), end);
  const tail = /,"sequence":(0|[1-9][0-9]{0,15}),"writerId":"[a-z0-9]{1,32}"\}$/.exec(text);
  const found = tail?.[1] === undefined ? undefined : Number(tail[1]);
  if (found !== undefined && found > sequence) return fault('sequence_gap', `expected sequence ${sequence}, found ${found}`, at);
  if (found !== undefined && found < sequence) return fault('sequence_duplicate', `expected sequence ${sequence}, found ${found}`, at);
  return fault('hash_mismatch', 'the payload is not an entry of this chain and writer', at);
}

/** The writer the first line names. */
export function writerOf({ bytes, starts, ends }: PayloadLines): string | undefined {
  const [start = 0, end = 0] = [starts[0], ends[0]];
  return /,"writerId":"([a-z0-9]{1,32})"\}$/.exec(binarySlice(bytes, Math.max(start, end - 60), end))?.[1];
}
