/** Reads and checks what is stored as a segment (docs/format.md §5). Everything in it is hostile. */
import { binaryBytes, hexEncode, quick, utf8Decode } from '#platform';
import { emptyHead, originOf, parseHash, segmentKey } from './chain.js';
import type { ChainHead } from './chain.js';
import { parseCheckpointText } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { MAX_PAYLOAD_BYTES } from './entry.js';
import { EnvelopeScanner, fault, scanEnvelopes, writerOf } from './envelope-scan.js';
import type { PayloadLines, SegmentFault } from './envelope-scan.js';
import { hashEntries } from './leaf-hasher.js';
import { equalBytes, frontierLength, HASH_BYTES } from './merkle.js';
import { formatNote, noteSigners, parseNote } from './note.js';
import type { NoteKey, SignedNote } from './note.js';
import type { Validity } from './public-key.js';
import { MAX_SEGMENT_BYTES, MAX_SEGMENT_ENTRIES } from './segment.js';
import type { Segment } from './segment.js';
import { formatHeader, readHeader, SEGMENT_FORMAT } from './segment-header.js';
import type { SegmentHeader } from './segment-header.js';
import { TreeExtension } from './tree-extension.js';

export type { SegmentFault } from './envelope-scan.js';

/** Where the parts of a stored segment lie. Nothing in it is checked yet. */
interface SegmentParts extends PayloadLines {
  readonly headerText: string;
  readonly header: SegmentHeader;
  readonly note: string;
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
    return { headerText, header, bytes, starts, ends, note: utf8Decode(bytes.subarray(at + 1)) };
  } catch {
    return fault('signature_invalid', 'the checkpoint is not valid UTF-8');
  }
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
    readonly before?: ChainHead | undefined;
  },
  keys: readonly NoteKey[],
): VerifiedSegment | InvalidSegment {
  if (bytes.length > MAX_SEGMENT_BYTES) {
    return { outcome: 'invalid', fault: fault('unknown_format', `${bytes.length} bytes, more than the ${MAX_SEGMENT_BYTES} of a segment`) };
  }
  const parts = splitSegment(quick(bytes));
  if ('code' in parts) return { outcome: 'invalid', fault: parts };
  const { header, starts, ends } = parts;
  const place = placeFault(parts, expected) ?? sizeFault(parts);
  if (place !== undefined) return { outcome: 'invalid', fault: place };

  const { deployment, chainId, firstSequence } = expected;
  const before = expected.before ?? headBefore(header, firstSequence);
  const count = starts.length;
  let scan = new EnvelopeScanner(parts, chainId, header.writerId, firstSequence);
  const hashes = hashEntries(parts.bytes, starts, ends, before.lastEntryHash, scan);
  const leafHashes = binaryBytes(hashes.leafHashes);
  const signed = openSegmentNote(parts.note, originOf(deployment, chainId), header, keys);
  if ('code' in signed) return { outcome: 'invalid', fault: signed, claimed: { before, count, leafHashes, signed: undefined } };
  const invalid = (reason: SegmentFault): InvalidSegment => ({
    outcome: 'invalid',
    fault: reason,
    claimed: { before, count, leafHashes, signed: signed.checkpoint },
  });

  const tree = new TreeExtension(before.frontier, hashes.leafHashes);
  const { checkpoint } = signed;
  if (checkpoint.size !== tree.size) {
    if (header.count === count) return invalid(fault('checkpoint_mismatch', `the checkpoint is of size ${checkpoint.size}, expected ${tree.size}`));
    const wrong = countFault(header, count, scan.fault);
    // Lines behind what was signed are nobody's; they concern the last entry that is.
    const signedCount = checkpoint.size - firstSequence;
    return invalid(signedCount >= 1 && wrong.at >= signedCount ? { ...wrong, at: signedCount - 1 } : wrong);
  }
  if (!equalBytes(checkpoint.root, tree.root)) {
    // The signature tells that something is changed; the fixed parts may tell what.
    return invalid(shapeFault(scan.fault) ?? fault('hash_mismatch', 'the entries do not hash to the signed root'));
  }
  // From here on the entries are what a holder of the key signed: if they name another writer than the
  // header does, the header is what is wrong.
  const writerId = writerOf(parts) ?? header.writerId;
  if (writerId !== header.writerId) scan = scanEnvelopes(parts, chainId, writerId, firstSequence);
  if (scan.fault !== undefined) return invalid(scan.fault);
  const expectedHeader = formatHeader({
    chainId,
    count,
    firstSequence,
    frontier: before.frontier.hashes.map(hexEncode),
    prevHash: hexEncode(before.lastEntryHash),
    signerKeyId: signed.keyIds[0] as string,
    writerId,
  });
  if (expectedHeader !== parts.headerText) return invalid(fault('link_mismatch', 'the header is not the one that follows from the chain'));
  if (expected.before !== undefined && scan.firstReceivedAt < expected.before.lastReceivedAt) {
    return invalid(fault('clock_regression', `receivedAt ${scan.firstReceivedAt} is before ${expected.before.lastReceivedAt}`));
  }
  const late = signed.signers.find(({ publicKey }) => !isWithin(scan.lastReceivedAt, publicKey.validity));
  if (late !== undefined) {
    const { notBefore, notAfter } = late.publicKey.validity as Validity;
    const reason = fault('signature_invalid', `key ${late.keyId} was delegated from ${notBefore} to ${notAfter}, the segment ends at ${scan.lastReceivedAt}`);
    return { outcome: 'invalid', fault: reason, claimed: { before, count, leafHashes, signed: undefined } };
  }
  return {
    outcome: 'valid',
    firstSequence,
    count,
    writerId,
    signedBy: signed.keyIds,
    checkpoint: parts.note,
    entryHashes: binaryBytes(hashes.entryHashes),
    leafHashes,
    tree,
    before,
    after: {
      chainId,
      size: tree.size,
      lastEntryHash: binaryBytes(hashes.entryHashes.slice(-HASH_BYTES)),
      frontier: tree.frontier(),
      lastReceivedAt: scan.lastReceivedAt,
    },
    firstReceivedAt: scan.firstReceivedAt,
    starts,
    ends,
  };
}

/** Both times are of the one form whose order is that of their text. */
function isWithin(receivedAt: string, validity: Validity | undefined): boolean {
  return validity === undefined || (validity.notBefore <= receivedAt && receivedAt <= validity.notAfter);
}

/** Is this object what its key and its predecessor say? */
function placeFault(
  { header, headerText, starts }: SegmentParts,
  { chainId, firstSequence, before }: { chainId: string; firstSequence: number; before?: ChainHead | undefined },
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

function sizeFault({ starts, ends }: SegmentParts): SegmentFault | undefined {
  for (let i = 0; i < starts.length; i++) {
    const size = (ends[i] as number) - (starts[i] as number);
    if (size > MAX_PAYLOAD_BYTES) return fault('hash_mismatch', `the payload is ${size} bytes, over ${MAX_PAYLOAD_BYTES}`, i);
  }
  return undefined;
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
): SegmentFault | { readonly checkpoint: Checkpoint; readonly signers: readonly NoteKey[]; readonly keyIds: readonly string[] } {
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
    return { checkpoint, signers, keyIds: signers.map((key) => key.keyId) };
  } catch (error) {
    return fault('checkpoint_mismatch', (error as Error).message);
  }
}

function countFault(header: SegmentHeader, count: number, found: SegmentFault | undefined): SegmentFault {
  const wrong = count < header.count ? ('sequence_gap' as const) : ('sequence_duplicate' as const);
  return shapeFault(found) ?? fault(wrong, `${count} entries, the header says ${header.count}`, Math.min(count, header.count));
}

/** A time that runs back does not tell what was changed. */
function shapeFault(found: SegmentFault | undefined): SegmentFault | undefined {
  return found?.code === 'clock_regression' ? undefined : found;
}
