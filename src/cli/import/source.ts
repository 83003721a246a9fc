/** What an importer makes of a file: items, each of which can be read or refused by itself. */
import type { AppendItem } from '../../core/event.js';
import { MAX_LENGTH } from '../../core/json.js';
import { CliError } from '../failure.js';

export interface SourceItem {
  /** Of the line or record in its file, from 1. */
  readonly position: number;
  /** As it came, for whoever has to look at a refused one. */
  readonly text: string;
  /** @throws IntakeError, CliError: the rule that is broken */
  read(): AppendItem;
}

export interface ImportOptions {
  /** Keep numbers that no double holds to the digit as strings, instead of refusing them. */
  readonly numbersAsStrings: boolean;
}

export interface Importer {
  readonly name: string;
  /** What a position counts. */
  readonly unit: 'line' | 'record';
  readonly summary: string;
  /** Whether the items bring ids of their own, the same at every import. */
  readonly ownIds: boolean;
  items(bytes: AsyncIterable<Uint8Array>, options: ImportOptions): AsyncIterable<SourceItem>;
}

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its line end. */
  readonly bytes: Buffer;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The lines of a stream; a last one without a line feed counts. A longer one than any event can be
 * is an error of the whole file, since its end may be gigabytes away.
 */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let length = 0;
  for await (const piece of bytes) {
    const chunk = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      const last = chunk.subarray(from, end);
      yield { number: ++number, bytes: withoutReturn(parts.length === 0 ? last : Buffer.concat([...parts, last])) };
      parts = [];
      length = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      parts.push(chunk.subarray(from));
      length += chunk.length - from;
      if (length > MAX_LENGTH) throw new CliError('line_too_long', `line ${number + 1}: expected at most ${MAX_LENGTH} bytes`, { details: { line: number + 1 } });
    }
  }
  if (length > 0) yield { number: number + 1, bytes: withoutReturn(Buffer.concat(parts)) };
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

/** True for a line with nothing but white space. */
export function isBlank({ bytes }: Line): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09);
}
