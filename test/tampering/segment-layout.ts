/**
 * Where a byte of a segment lies, worked out from docs/format.md alone, and what a change of it must be
 * found as. This is the oracle of the byte flips: it shares no code with the verifier.
 */
import type { Segment } from '#indelible/core/segment.js';

export interface ExpectedFault {
  readonly codes: readonly string[];
  /** Position of the entry within the segment. */
  readonly at: number;
}

const LF = 0x0a;

/** What must be found when the byte at `offset` becomes `value`. */
export function faultOfFlip(segment: Segment, offset: number, value: number): ExpectedFault {
  const bytes = Buffer.from(segment.bytes);
  const headerEnd = bytes.indexOf(LF);
  const noteStart = bytes.indexOf('\n\n') + 1;
  if (offset <= headerEnd) return headerFault(bytes.subarray(0, headerEnd).toString(), offset, value);
  // The line feed before the checkpoint, and the checkpoint itself.
  if (offset >= noteStart) return { codes: ['signature_invalid'], at: 0 };
  return lineFault(segment, bytes, headerEnd + 1, offset, value);
}

function headerFault(header: string, offset: number, value: number): ExpectedFault {
  const inValue = (name: string): boolean => {
    const match = new RegExp(`"${name}":("[^"]*"|[0-9]+|\\[[^\\]]*\\])`).exec(header);
    if (match === null) return false;
    const from = match.index + name.length + 3;
    return offset >= from && offset < match.index + match[0].length;
  };
  // A line feed, a control character or a quote in a string ends the JSON; so may anything else.
  const codes = ['unknown_format'];
  if (inValue('chainId')) codes.push('foreign_object');
  else if (inValue('signerKeyId')) codes.push('signature_invalid');
  else if (['count', 'firstSequence', 'frontier', 'prevHash', 'writerId'].some(inValue)) codes.push('link_mismatch');
  if (value === LF || offset === header.length) return { codes: ['unknown_format'], at: 0 };
  return { codes, at: 0 };
}

function lineFault(segment: Segment, bytes: Buffer, firstLine: number, offset: number, value: number): ExpectedFault {
  let start = firstLine;
  let line = 0;
  while (bytes.indexOf(LF, start) < offset) {
    start = bytes.indexOf(LF, start) + 1;
    line += 1;
  }
  const end = bytes.indexOf(LF, start);
  const text = bytes.subarray(start, end).toString('latin1');
  // The line feed itself: two lines become one. The last one's makes the checkpoint's text entries.
  if (offset === end) return line === segment.count - 1 ? { codes: ['signature_invalid'], at: 0 } : { codes: ['sequence_gap'], at: line };
  // An empty line ends the entries.
  if (value === LF && offset === start) return line === 0 ? { codes: ['sequence_gap'], at: 0 } : { codes: ['signature_invalid'], at: 0 };
  if (value === LF && offset === end - 1) return { codes: ['signature_invalid'], at: 0 };
  if (value === LF) return { codes: ['hash_mismatch'], at: line };
  const at = offset - start;
  const prefix = `{"chainId":"${segment.chainId}","entryId":"`.length;
  const tail = text.lastIndexOf(',"format":"');
  // What a producer sent is covered by the signed root of the segment, and by nothing smaller.
  if (at >= prefix && at < tail) return { codes: ['hash_mismatch'], at: 0 };
  const changed = `${text.slice(0, at)}${String.fromCharCode(value)}${text.slice(at + 1)}`;
  const sequence = /","sequence":(0|[1-9][0-9]{0,15}),"writerId":"[a-z0-9]{1,32}"\}$/.exec(changed)?.[1];
  const expected = segment.firstSequence + line;
  if (sequence !== undefined && Number(sequence) !== expected) return { codes: [Number(sequence) > expected ? 'sequence_gap' : 'sequence_duplicate'], at: line };
  // A time that is still one: only the root shows that it is another.
  const time = text.slice(tail + ',"format":"indelible/entry/v1","receivedAt":"'.length).slice(0, 27);
  const timeAt = text.indexOf(time, tail);
  if (at >= timeAt && at < timeAt + 27) {
    const other = changed.slice(timeAt, timeAt + 27);
    const [, hour = '', minute = '', second = ''] = /T(\d\d):(\d\d):(\d\d)\.\d{6}Z$/.exec(other) ?? [];
    const exists = /^\d{4}-\d\d-\d\dT/.test(other) && hour !== '' && hour < '24' && minute < '60' && second < '60' && isDay(other.slice(0, 10));
    if (exists) return { codes: ['hash_mismatch'], at: 0 };
  }
  return { codes: ['hash_mismatch'], at: line };
}

function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
