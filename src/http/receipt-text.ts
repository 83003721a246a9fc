/**
 * The JSON text of receipts, for the hot path. The same JSON as `JSON.stringify(receiptOf(…))`, which a test
 * holds it against; without parsing the payload and without making the same text again for each entry of a
 * segment.
 *
 * The text is ASCII: whatever is not, is escaped. Each checkpoint holds a dash that would otherwise make two
 * bytes of every character in memory and put transcoding between us and the socket.
 */
import { hexEncode } from '#platform';
import { RECEIPT_FORMAT } from '../core/receipt.js';
import type { Segment } from '../core/segment.js';

interface SegmentText {
  /** Up to the digits of the sequence. */
  readonly head: string;
  /** From the entry's hash on: all hashes of the segment, prevHash first, 64 digits each. */
  readonly hashes: string;
  /** From after the payload to the start of the proof. */
  readonly checkpoint: string;
  /** Length of a payload's text before its entry id. */
  readonly idAt: number;
}

/** What the receipts of one segment share. Lives as long as the segment does. */
const texts = new WeakMap<Segment, SegmentText>();

const RECEIVED_AT = '"receivedAt":"';
const TIME_LENGTH = 27;

/** JSON in ASCII only. */
export function receiptText(segment: Segment, at: number): string {
  const shared = texts.get(segment) ?? remember(segment);
  const payload = segment.payloads[at] as string;
  const sequence = segment.firstSequence + at;
  // docs/format.md §1: no value before the entry id, and none after receivedAt, holds a quote.
  const entryId = payload.slice(shared.idAt, payload.indexOf('"', shared.idAt));
  const timeAt = payload.lastIndexOf(RECEIVED_AT) + RECEIVED_AT.length;
  const hashAt = 64 * at;
  const proof = segment.tree.inclusionProof(sequence);
  return (
    `${shared.head}${sequence},"entryId":"${entryId}","receivedAt":"${payload.slice(timeAt, timeAt + TIME_LENGTH)}` +
    `","entryHash":"${shared.hashes.slice(hashAt + 64, hashAt + 128)}","prevHash":"${shared.hashes.slice(hashAt, hashAt + 64)}` +
    `","payload":${asciiJson(payload)}${shared.checkpoint}${proof.length === 0 ? '' : `"${proof.join('","')}"`}]}`
  );
}

function remember(segment: Segment): SegmentText {
  const { chainId, prevHash, entryHashes, checkpoint } = segment;
  const text: SegmentText = {
    head: `{"format":"${RECEIPT_FORMAT}","chainId":"${chainId}","sequence":`,
    hashes: hexEncode(prevHash) + hexEncode(entryHashes),
    checkpoint: `,"checkpoint":${asciiJson(checkpoint)},"inclusionProof":[`,
    idAt: `{"chainId":"${chainId}","entryId":"`.length,
  };
  texts.set(segment, text);
  return text;
}

// eslint-disable-next-line no-control-regex -- ASCII is what is meant
const NOT_ASCII = /[^\u0000-\u007f]/;
// eslint-disable-next-line no-control-regex -- as above
const EACH_NOT_ASCII = /[^\u0000-\u007f]/g;

function asciiJson(text: string): string {
  const json = JSON.stringify(text);
  if (!NOT_ASCII.test(json)) return json;
  return json.replace(EACH_NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
