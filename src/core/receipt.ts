/** Receipts: what a producer keeps, checkable offline and for ever (docs/format.md §7). */
import { hexEncode, sha256, sha256Hex, utf8Encode } from '#platform';
import { parseHash } from './chain.js';
import { openCheckpoint } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { readPayload } from './entry.js';
import { parseStrict } from './json.js';
import { verifyInclusion } from './merkle.js';
import type { NoteKey } from './note.js';
import type { Segment } from './segment.js';

export const RECEIPT_FORMAT = 'indelible/receipt/v1';

export interface Receipt {
  readonly format: typeof RECEIPT_FORMAT;
  readonly chainId: string;
  readonly sequence: number;
  readonly entryId: string;
  readonly receivedAt: string;
  readonly entryHash: string;
  readonly prevHash: string;
  /** The exact payload. */
  readonly payload: string;
  /** Signed note. */
  readonly checkpoint: string;
  /** Hexadecimal, from the leaf up. */
  readonly inclusionProof: readonly string[];
}

/** The receipt of the entry at `at` (0 … count−1) of a committed segment. */
export function receiptOf(segment: Segment, at: number): Receipt {
  const payload = segment.payloads[at];
  const envelope = payload === undefined ? undefined : readPayload(payload);
  if (payload === undefined || envelope === undefined) throw new RangeError(`"at" expected 0..${segment.count - 1}, got ${at}`);
  return {
    format: RECEIPT_FORMAT,
    chainId: segment.chainId,
    sequence: segment.firstSequence + at,
    entryId: envelope.entryId,
    receivedAt: envelope.receivedAt,
    entryHash: hexEncode(segment.entryHashes.subarray(32 * at, 32 * (at + 1))),
    prevHash: hexEncode(at === 0 ? segment.prevHash : segment.entryHashes.subarray(32 * (at - 1), 32 * at)),
    payload,
    checkpoint: segment.checkpoint,
    inclusionProof: segment.tree.inclusionProof(segment.firstSequence + at),
  };
}

export type ReceiptCheck =
  | { readonly valid: true; readonly receipt: Receipt; readonly checkpoint: Checkpoint; readonly signedBy: readonly string[] }
  | { readonly valid: false; readonly reason: string };

/**
 * A receipt as the text it is kept as: what `JSON.parse` hides (two members of one name, `7.0` for 7) makes
 * it invalid. Hostile input: never throws.
 */
export function verifyReceiptText(text: string, keysFor: (origin: string) => readonly NoteKey[]): ReceiptCheck {
  let value: unknown;
  try {
    value = parseStrict(text);
  } catch (error) {
    return { valid: false, reason: `not JSON: ${(error as Error).message}` };
  }
  // Within a string the quotes would be escaped, so this can only be the member.
  const sequence = /"sequence"\s*:\s*([^\s,}]+)/.exec(text)?.[1];
  if (sequence !== undefined && !/^(0|[1-9][0-9]*)$/.test(sequence)) return { valid: false, reason: `sequence expected decimal digits, got ${sequence}` };
  return verifyReceipt(value, keysFor);
}

/** The checks of docs/format.md §7, in that order. Hostile input: never throws. */
export function verifyReceipt(value: unknown, keysFor: (origin: string) => readonly NoteKey[]): ReceiptCheck {
  const invalid = (reason: string): ReceiptCheck => ({ valid: false, reason });
  const receipt = readReceipt(value);
  if (typeof receipt === 'string') return invalid(receipt);
  const origin = receipt.checkpoint.slice(0, receipt.checkpoint.indexOf('\n'));
  if (!origin.endsWith(`/${receipt.chainId}`)) return invalid(`the checkpoint is of ${JSON.stringify(origin)}, not of chain ${receipt.chainId}`);
  let opened: ReturnType<typeof openCheckpoint>;
  try {
    opened = openCheckpoint(receipt.checkpoint, keysFor(origin));
  } catch (error) {
    return invalid((error as Error).message);
  }
  if (opened === undefined) return invalid('the checkpoint is not signed by a trusted key');

  const prevHash = parseHash(receipt.prevHash) as Uint8Array;
  const payload = utf8Encode(receipt.payload);
  const leaf = new Uint8Array(33 + payload.length);
  leaf.set(prevHash, 1);
  leaf.set(payload, 33);
  if (sha256Hex(leaf.subarray(1)) !== receipt.entryHash) return invalid('entryHash is not SHA-256(prevHash ‖ payload)');
  const envelope = readPayload(receipt.payload);
  if (envelope === undefined) return invalid('the payload is not an indelible/entry/v1 envelope');
  for (const member of ['chainId', 'sequence', 'entryId', 'receivedAt'] as const) {
    if (envelope[member] !== receipt[member]) return invalid(`${member} is ${JSON.stringify(receipt[member])}, the payload says ${JSON.stringify(envelope[member])}`);
  }
  const proof = receipt.inclusionProof.map((hash) => parseHash(hash) as Uint8Array);
  const { checkpoint } = opened;
  // A checkpoint has no time of its own, but none that covers the entry is older than it.
  const signers = opened.signers.filter(({ publicKey }) => publicKey.validity === undefined || envelope.receivedAt <= publicKey.validity.notAfter);
  if (signers.length === 0) return invalid(`the entry was received at ${envelope.receivedAt}, when the key that signed the checkpoint was delegated no longer`);
  if (!verifyInclusion(sha256(leaf), receipt.sequence, checkpoint.size, proof, checkpoint.root)) {
    return invalid('the inclusion proof does not lead to the signed root');
  }
  return { valid: true, receipt, checkpoint, signedBy: signers.map((key) => key.keyId) };
}

/** The value as a receipt, or what is wrong with its form. */
function readReceipt(value: unknown): Receipt | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'a receipt is a JSON object';
  const fields = value as Record<string, unknown>;
  if (fields['format'] !== RECEIPT_FORMAT) return `format expected ${RECEIPT_FORMAT}, got ${JSON.stringify(fields['format'])}`;
  for (const name of ['chainId', 'entryId', 'receivedAt', 'payload', 'checkpoint']) {
    if (typeof fields[name] !== 'string') return `${name} expected a string`;
  }
  for (const name of ['entryHash', 'prevHash']) {
    if (parseHash(fields[name]) === undefined) return `${name} expected 64 lowercase hexadecimal digits`;
  }
  if (!Number.isSafeInteger(fields['sequence']) || (fields['sequence'] as number) < 0) return 'sequence expected an integer from 0';
  const proof = fields['inclusionProof'];
  if (!Array.isArray(proof) || !proof.every((hash) => parseHash(hash) !== undefined)) return 'inclusionProof expected hashes of 64 hexadecimal digits';
  return fields as unknown as Receipt;
}
