/** Segments: what one commit writes (docs/format.md §5). Making them, reading them, checking them. */
import { allocate, hexEncode, sha256Into, utf8Decode, utf8Encode, utf8Into, utf8Length } from '#platform';
import { emptyHead, originOf, parseHash, segmentKey, isWriterId } from './chain.js';
import type { ChainHead } from './chain.js';
import { checkpointText, parseCheckpointText } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { EnvelopeShape, MAX_PAYLOAD_BYTES } from './entry.js';
import type { Finding, FindingCode } from './findings.js';
import { equalBytes, frontierLength, HASH_BYTES, TreeExtension } from './merkle.js';
import { formatNote, noteSigners, parseNote } from './note.js';
import type { NoteKey, SignedNote } from './note.js';

export const SEGMENT_FORMAT = 'indelible/segment/v1';
export const MAX_SEGMENT_ENTRIES = 1_000;
export const MAX_SEGMENT_BYTES = 8 * 1024 * 1024;
/** Room for the header (up to 53 frontier hashes) and the checkpoint with its signatures. */
export const SEGMENT_OVERHEAD_BYTES = 8 * 1024;

interface SegmentHeader {
  readonly chainId: string;
  readonly count: number;
  readonly firstSequence: number;
  readonly frontier: readonly string[];
  readonly prevHash: string;
  readonly signerKeyId: string;
  readonly writerId: string;
}

/** Canonical because the members stand in order and no value holds a character that JSON escapes. */
function formatHeader({ chainId, count, firstSequence, frontier, prevHash, signerKeyId, writerId }: SegmentHeader): string {
  return JSON.stringify({ chainId, count, firstSequence, format: SEGMENT_FORMAT, frontier, prevHash, signerKeyId, writerId });
}

/** Scratch for one leafData with the leaf prefix before it: 0x00 ‖ prevHash ‖ payload. */
const leaf = allocate(1 + HASH_BYTES + MAX_PAYLOAD_BYTES);

/**
 * Hashes the payload bytes[start, end) as the next entry after `prevHash`, which stands at leaf[1…33).
 * Writes the leaf hash and the entry hash, and puts the entry hash in place for the following entry.
 */
function hashEntry(bytes: Uint8Array, start: number, end: number, leafHashes: Uint8Array, entryHashes: Uint8Array, at: number): void {
  const length = 1 + HASH_BYTES + (end - start);
  leaf.set(bytes.subarray(start, end), 1 + HASH_BYTES);
  sha256Into(leaf.subarray(0, length), leafHashes, at);
  sha256Into(leaf.subarray(1, length), entryHashes, at);
  leaf.set(entryHashes.subarray(at, at + HASH_BYTES), 1);
}

/** A segment that still lacks its signature. */
export interface SegmentDraft {
  /** What to sign. */
  readonly checkpointText: string;
  seal(signature: Uint8Array): Segment;
}

/** A complete segment, with what is needed to answer for its entries. */
export interface Segment {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly chainId: string;
  readonly firstSequence: number;
  readonly count: number;
  /** The exact payload texts. */
  readonly payloads: readonly string[];
  /** 32 bytes an entry. */
  readonly entryHashes: Uint8Array;
  readonly leafHashes: Uint8Array;
  /** prevHash of the first entry. */
  readonly prevHash: Uint8Array;
  readonly tree: TreeExtension;
  /** The signed note. */
  readonly checkpoint: string;
  /** The chain after this segment. */
  readonly head: ChainHead;
}

/**
 * Drafts the segment that continues `head` with `payloads` (1–1,000, already carrying their sequences).
 * @throws RangeError over a limit: callers cut batches to size before
 */
export function draftSegment(
  head: ChainHead,
  payloads: readonly string[],
  lastReceivedAt: string,
  writerId: string,
  key: NoteKey,
): SegmentDraft {
  const count = payloads.length;
  if (count < 1 || count > MAX_SEGMENT_ENTRIES) throw new RangeError(`"payloads" expected 1..${MAX_SEGMENT_ENTRIES}, got ${count}`);
  const header = formatHeader({
    chainId: head.chainId,
    count,
    firstSequence: head.size,
    frontier: head.frontier.hashes.map(hexEncode),
    prevHash: hexEncode(head.lastEntryHash),
    signerKeyId: key.keyId,
    writerId,
  });
  let room = header.length + SEGMENT_OVERHEAD_BYTES;
  for (const payload of payloads) room += utf8Length(payload) + 1;
  const buffer = allocate(room);
  let at = utf8Into(`${header}\n`, buffer, 0);
  const leafHashes = allocate(count * HASH_BYTES);
  const entryHashes = allocate(count * HASH_BYTES);
  leaf[0] = 0x00;
  leaf.set(head.lastEntryHash, 1);
  for (let i = 0; i < count; i++) {
    const length = utf8Into(payloads[i] as string, buffer, at);
    if (length > MAX_PAYLOAD_BYTES) throw new RangeError(`payload ${i} is ${length} bytes, over ${MAX_PAYLOAD_BYTES}`);
    hashEntry(buffer, at, at + length, leafHashes, entryHashes, i * HASH_BYTES);
    at += length;
    buffer[at++] = 0x0a;
  }
  const tree = new TreeExtension(head.frontier, leafHashes);
  const text = checkpointText({ origin: key.name, size: tree.size, root: tree.root });
  return {
    checkpointText: text,
    seal(signature) {
      const checkpoint = formatNote(text, [{ name: key.name, keyId: key.keyId, signature }]);
      const length = at + utf8Into(`\n${checkpoint}`, buffer, at);
      if (length > MAX_SEGMENT_BYTES) throw new RangeError(`segment is ${length} bytes, over ${MAX_SEGMENT_BYTES}`);
      return {
        key: segmentKey(head.chainId, head.size),
        bytes: buffer.subarray(0, length),
        chainId: head.chainId,
        firstSequence: head.size,
        count,
        payloads,
        entryHashes,
        leafHashes,
        prevHash: head.lastEntryHash,
        tree,
        checkpoint,
        head: {
          chainId: head.chainId,
          size: tree.size,
          lastEntryHash: entryHashes.slice((count - 1) * HASH_BYTES),
          frontier: tree.frontier(),
          lastReceivedAt,
        },
      };
    },
  };
}

/** Where the parts of a stored segment lie. Nothing in it is checked yet. */
interface SegmentParts {
  readonly headerText: string;
  readonly header: SegmentHeader;
  /** Offsets of the payload lines: line i is bytes[starts[i], ends[i]). */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly note: string;
}

/** Why stored bytes are not a valid segment. */
export interface SegmentFault {
  readonly code: FindingCode;
  /** Position of the first entry concerned within the segment; 0 if the whole segment is. */
  readonly at: number;
  readonly detail: string;
}

function fault(code: FindingCode, detail: string, at = 0): SegmentFault {
  return { code, at, detail };
}

function splitSegment(bytes: Uint8Array): SegmentParts | SegmentFault {
  const headerEnd = bytes.indexOf(0x0a);
  if (headerEnd < 0) return fault('unknown_format', 'no header line');
  let headerText: string;
  let header: SegmentHeader | undefined;
  try {
    headerText = utf8Decode(bytes.subarray(0, headerEnd));
    header = readHeader(headerText);
  } catch {
    return fault('unknown_format', 'the header line is not JSON');
  }
  if (header === undefined) return fault('unknown_format', `the header is not of ${SEGMENT_FORMAT}`);
  const starts: number[] = [];
  const ends: number[] = [];
  let at = headerEnd + 1;
  for (;;) {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) return fault('unknown_format', 'the segment ends before its checkpoint');
    if (end === at) break;
    if (starts.length === MAX_SEGMENT_ENTRIES) return fault('unknown_format', `more than ${MAX_SEGMENT_ENTRIES} entries`);
    starts.push(at);
    ends.push(end);
    at = end + 1;
  }
  try {
    return { headerText, header, starts, ends, note: utf8Decode(bytes.subarray(at + 1)) };
  } catch {
    return fault('signature_invalid', 'the checkpoint is not valid UTF-8');
  }
}

/** The header's members, each of the right type; `undefined` if one is not. @throws SyntaxError */
function readHeader(text: string): SegmentHeader | undefined {
  const value = JSON.parse(text) as Record<string, unknown> | null;
  if (typeof value !== 'object' || value === null || value['format'] !== SEGMENT_FORMAT) return undefined;
  const { chainId, count, firstSequence, frontier, prevHash, signerKeyId, writerId } = value;
  if (typeof chainId !== 'string' || !Number.isSafeInteger(count) || !Number.isSafeInteger(firstSequence)) return undefined;
  if (!Array.isArray(frontier) || !frontier.every((hash) => parseHash(hash) !== undefined)) return undefined;
  if (typeof signerKeyId !== 'string' || typeof prevHash !== 'string' || parseHash(prevHash) === undefined) return undefined;
  if (typeof writerId !== 'string' || !isWriterId(writerId)) return undefined;
  return {
    chainId,
    count: count as number,
    firstSequence: firstSequence as number,
    frontier: frontier as string[],
    prevHash,
    signerKeyId,
    writerId,
  };
}

/** A stored segment that passed all checks. */
export interface VerifiedSegment {
  readonly outcome: 'valid';
  readonly firstSequence: number;
  readonly count: number;
  readonly writerId: string;
  /** Key IDs of the signatures under its checkpoint, all of the deployment. */
  readonly signedBy: readonly string[];
  readonly checkpoint: string;
  readonly entryHashes: Uint8Array;
  readonly leafHashes: Uint8Array;
  readonly tree: TreeExtension;
  /** The chain before it, as its header states; equal to `before` if that was given. */
  readonly before: ChainHead;
  readonly after: ChainHead;
  readonly firstReceivedAt: string;
  /** Offsets of the payloads within the bytes. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** A verified segment with its payloads as text, to answer for its entries. */
export function loadSegment(bytes: Uint8Array, verified: VerifiedSegment): Segment {
  const { firstSequence, count, entryHashes, leafHashes, tree, checkpoint, before, after, starts, ends } = verified;
  return {
    key: segmentKey(before.chainId, firstSequence),
    bytes,
    chainId: before.chainId,
    firstSequence,
    count,
    payloads: starts.map((start, i) => utf8Decode(bytes.subarray(start, ends[i]))),
    entryHashes,
    leafHashes,
    prevHash: before.lastEntryHash,
    tree,
    checkpoint,
    head: after,
  };
}

export interface InvalidSegment {
  readonly outcome: 'invalid';
  readonly fault: SegmentFault;
  /**
   * What the bytes claim, for localising the fault. Absent if they are no segment of this place.
   * `signed` is the checkpoint if keys of the deployment signed it, whatever else is wrong.
   */
  readonly claimed?: {
    readonly before: ChainHead;
    readonly count: number;
    /** As recomputed from the lines that are there. */
    readonly leafHashes: Uint8Array;
    readonly signed: Checkpoint | undefined;
  };
}

/**
 * Checks stored bytes as the segment of `chainId` at `firstSequence`. With `before`, its header must
 * continue that head; without, the header's own claim is taken as the start and the caller checks the
 * join. Hostile input: never throws.
 */
export function verifySegment(
  bytes: Uint8Array,
  expected: {
    readonly deployment: string;
    readonly chainId: string;
    readonly firstSequence: number;
    readonly before?: ChainHead;
  },
  keys: readonly NoteKey[],
): VerifiedSegment | InvalidSegment {
  if (bytes.length > MAX_SEGMENT_BYTES) {
    return { outcome: 'invalid', fault: fault('unknown_format', `${bytes.length} bytes, more than the ${MAX_SEGMENT_BYTES} of a segment`) };
  }
  const parts = splitSegment(bytes);
  if ('code' in parts) return { outcome: 'invalid', fault: parts };
  const { header, starts, ends } = parts;
  const place = placeFault(parts, expected);
  if (place !== undefined) return { outcome: 'invalid', fault: place };

  const before = expected.before ?? headBefore(header, expected.firstSequence);
  const count = starts.length;
  const leafHashes = allocate(count * HASH_BYTES);
  const entryHashes = allocate(count * HASH_BYTES);
  leaf[0] = 0x00;
  leaf.set(before.lastEntryHash, 1);
  for (let i = 0; i < count; i++) {
    const [start, end] = [starts[i] as number, ends[i] as number];
    if (end - start > MAX_PAYLOAD_BYTES) return { outcome: 'invalid', fault: fault('hash_mismatch', `the payload is ${end - start} bytes, over ${MAX_PAYLOAD_BYTES}`, i) };
    hashEntry(bytes, start, end, leafHashes, entryHashes, i * HASH_BYTES);
  }
  const origin = originOf(expected.deployment, expected.chainId);
  const signed = openSegmentNote(parts.note, origin, header, keys);
  if ('code' in signed) return { outcome: 'invalid', fault: signed, claimed: { before, count, leafHashes, signed: undefined } };
  const invalid = (reason: SegmentFault): InvalidSegment => ({
    outcome: 'invalid',
    fault: reason,
    claimed: { before, count, leafHashes, signed: signed.checkpoint },
  });

  const tree = new TreeExtension(before.frontier, leafHashes);
  const { checkpoint } = signed;
  let scan = scanEnvelopes(bytes, parts, expected.chainId, expected.firstSequence, header.writerId);
  if (checkpoint.size !== tree.size) {
    if (header.count === count) return invalid(fault('checkpoint_mismatch', `the checkpoint is of size ${checkpoint.size}, expected ${tree.size}`));
    const wrong = countFault(header, count, scan);
    // Lines behind what was signed are nobody's; they concern the last entry that is.
    const signedCount = checkpoint.size - expected.firstSequence;
    return invalid(signedCount >= 1 && wrong.at >= signedCount ? { ...wrong, at: signedCount - 1 } : wrong);
  }
  if (!equalBytes(checkpoint.root, tree.root)) {
    // The signature tells that something is changed; the fixed parts may tell what.
    return invalid('code' in scan && scan.code !== 'clock_regression' ? scan : fault('hash_mismatch', 'the entries do not hash to the signed root'));
  }
  // From here on the entries are what a holder of the key signed: if they name another writer than the
  // header does, the header is what is wrong.
  const writerId = writerOf(bytes, starts[0] as number, ends[0] as number);
  if (writerId !== undefined && writerId !== header.writerId) {
    scan = scanEnvelopes(bytes, parts, expected.chainId, expected.firstSequence, writerId);
  }
  if ('code' in scan) return invalid(scan);
  const expectedHeader = formatHeader({
    chainId: expected.chainId,
    count,
    firstSequence: expected.firstSequence,
    frontier: before.frontier.hashes.map(hexEncode),
    prevHash: hexEncode(before.lastEntryHash),
    signerKeyId: signed.keyIds[0] as string,
    writerId: scan.writerId,
  });
  if (expectedHeader !== parts.headerText) return invalid(fault('link_mismatch', 'the header is not the one that follows from the chain'));
  if (expected.before !== undefined && scan.firstReceivedAt < expected.before.lastReceivedAt) {
    return invalid(fault('clock_regression', `receivedAt ${scan.firstReceivedAt} is before ${expected.before.lastReceivedAt}`));
  }
  return {
    outcome: 'valid',
    firstSequence: expected.firstSequence,
    count,
    writerId: header.writerId,
    signedBy: signed.keyIds,
    checkpoint: parts.note,
    entryHashes,
    leafHashes,
    tree,
    before,
    after: {
      chainId: expected.chainId,
      size: tree.size,
      lastEntryHash: entryHashes.slice((count - 1) * HASH_BYTES),
      frontier: tree.frontier(),
      lastReceivedAt: scan.lastReceivedAt,
    },
    firstReceivedAt: scan.firstReceivedAt,
    starts,
    ends,
  };
}

/** Is this object what its key and its predecessor say? */
function placeFault(
  { header, headerText, starts }: SegmentParts,
  { chainId, firstSequence, before }: { chainId: string; firstSequence: number; before?: ChainHead },
): SegmentFault | undefined {
  if (header.chainId !== chainId) return fault('foreign_object', `the segment is of chain ${JSON.stringify(header.chainId)}`);
  if (header.firstSequence !== firstSequence) {
    return fault('link_mismatch', `the segment starts at sequence ${header.firstSequence}, its key says ${firstSequence}`);
  }
  if (starts.length === 0) return fault('sequence_gap', 'the segment holds no entry');
  if (header.frontier.length !== frontierLength(firstSequence)) {
    return fault('link_mismatch', `the frontier holds ${header.frontier.length} hashes, a tree of ${firstSequence} has ${frontierLength(firstSequence)}`);
  }
  if (before === undefined) return undefined;
  if (header.prevHash !== hexEncode(before.lastEntryHash)) {
    return fault('link_mismatch', `prevHash is ${header.prevHash}, the entry before hashes to ${hexEncode(before.lastEntryHash)}`);
  }
  const frontier = before.frontier.hashes.map(hexEncode);
  if (header.frontier.some((hash, i) => hash !== frontier[i])) {
    return fault('link_mismatch', 'the frontier is not that of the entries before');
  }
  return formatHeader(header) === headerText ? undefined : fault('link_mismatch', 'the header line is not canonical');
}

function headBefore(header: SegmentHeader, firstSequence: number): ChainHead {
  if (firstSequence === 0) return emptyHead(header.chainId);
  return {
    chainId: header.chainId,
    size: firstSequence,
    lastEntryHash: parseHash(header.prevHash) as Uint8Array,
    frontier: { size: firstSequence, hashes: header.frontier.map((hash) => parseHash(hash) as Uint8Array) },
    lastReceivedAt: '',
  };
}

function openSegmentNote(
  text: string,
  origin: string,
  header: SegmentHeader,
  keys: readonly NoteKey[],
): SegmentFault | { readonly checkpoint: Checkpoint; readonly keyIds: readonly string[] } {
  let note: SignedNote;
  try {
    note = parseNote(text);
    // parse(format(x)) must give x: in stored bytes there is no second way to write the same signature.
    if (formatNote(note.text, note.signatures) !== text) return fault('signature_invalid', 'the checkpoint is not in its one form');
  } catch (error) {
    return fault('signature_invalid', (error as Error).message);
  }
  const signers = noteSigners(note, keys);
  const first = note.signatures[0];
  // A copied line needs no key, so it must not be a second way to write the same segment.
  if (new Set(note.signatures.map(({ keyId }) => keyId)).size < note.signatures.length) return fault('signature_invalid', 'a key signs twice');
  if (first === undefined || signers.length !== note.signatures.length) {
    return fault('signature_invalid', `not signed by a key of the deployment alone (signed by ${note.signatures.map((s) => s.keyId).join(', ')})`);
  }
  if (header.signerKeyId !== first.keyId) {
    return fault('signature_invalid', `the header names key ${header.signerKeyId}, key ${first.keyId} signed`);
  }
  try {
    const checkpoint = parseCheckpointText(note.text);
    if (checkpoint.origin !== origin) return fault('checkpoint_mismatch', `the checkpoint is of ${checkpoint.origin}, expected ${origin}`);
    return { checkpoint, keyIds: signers.map((key) => key.keyId) };
  } catch (error) {
    return fault('checkpoint_mismatch', (error as Error).message);
  }
}

interface EnvelopeScan {
  readonly writerId: string;
  readonly firstReceivedAt: string;
  readonly lastReceivedAt: string;
}

/** The envelopes' fixed parts, against the place each payload stands at. */
function scanEnvelopes(
  bytes: Uint8Array,
  { starts, ends }: SegmentParts,
  chainId: string,
  firstSequence: number,
  writerId: string,
): EnvelopeScan | SegmentFault {
  const shape = new EnvelopeShape(chainId, writerId, utf8Encode);
  let firstReceivedAt = '';
  let lastReceivedAt = '';
  for (let i = 0; i < starts.length; i++) {
    const result = shape.check(bytes, starts[i] as number, ends[i] as number, firstSequence + i);
    if (typeof result !== 'string') return envelopeFault(bytes, starts[i] as number, ends[i] as number, firstSequence + i, i);
    if (result < lastReceivedAt) return fault('clock_regression', `receivedAt ${result} is before ${lastReceivedAt}`, i);
    if (i === 0) firstReceivedAt = result;
    lastReceivedAt = result;
  }
  return { writerId, firstReceivedAt, lastReceivedAt };
}

function writerOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  return /,"writerId":"([a-z0-9]{1,32})"\}$/.exec(String.fromCharCode(...bytes.subarray(Math.max(start, end - 60), end)))?.[1];
}

/** A line whose sequence is another one's was dropped, repeated or moved; anything else is changed bytes. */
function envelopeFault(bytes: Uint8Array, start: number, end: number, sequence: number, at: number): SegmentFault {
  const tail = /,"sequence":(0|[1-9][0-9]{0,15}),"writerId":"[a-z0-9]{1,32}"\}$/.exec(
    String.fromCharCode(...bytes.subarray(Math.max(start, end - 120), end)),
  );
  const found = tail?.[1] === undefined ? undefined : Number(tail[1]);
  if (found !== undefined && found > sequence) return fault('sequence_gap', `expected sequence ${sequence}, found ${found}`, at);
  if (found !== undefined && found < sequence) return fault('sequence_duplicate', `expected sequence ${sequence}, found ${found}`, at);
  return fault('hash_mismatch', 'the payload is not an entry of this chain and writer', at);
}

function countFault(header: SegmentHeader, count: number, scan: EnvelopeScan | SegmentFault): SegmentFault {
  if ('code' in scan && scan.code !== 'clock_regression') return scan;
  return count < header.count
    ? fault('sequence_gap', `${count} entries, the header says ${header.count}`, count)
    : fault('sequence_duplicate', `${count} entries, the header says ${header.count}`, header.count);
}

/** As a finding of a chain's verification. */
export function segmentFinding(chainId: string, firstSequence: number, { code, at, detail }: SegmentFault): Finding {
  return { code, chainId, sequence: firstSequence + at, key: segmentKey(chainId, firstSequence), detail };
}
