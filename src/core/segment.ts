/** Segments: what one commit writes (docs/format.md §5). verify-segment.ts reads them back. */
import { allocate, binaryBytes, hexEncode, utf8Into, utf8Length } from '#platform';
import { segmentKey } from './chain.js';
import type { ChainHead } from './chain.js';
import { checkpointText } from './checkpoint.js';
import { MAX_PAYLOAD_BYTES } from './entry.js';
import { hashEntries } from './leaf-hasher.js';
import { HASH_BYTES } from './merkle.js';
import { formatNote } from './note.js';
import type { NoteKey } from './note.js';
import { formatHeader } from './segment-header.js';
import { TreeExtension } from './tree-extension.js';

export const MAX_SEGMENT_ENTRIES = 1_000;
export const MAX_SEGMENT_BYTES = 8 * 1024 * 1024;
/** Room for the header (up to 53 frontier hashes) and the checkpoint with its signatures. */
export const SEGMENT_OVERHEAD_BYTES = 8 * 1024;

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
  const starts: number[] = [];
  const ends: number[] = [];
  for (let i = 0; i < count; i++) {
    const length = utf8Into(payloads[i] as string, buffer, at);
    if (length > MAX_PAYLOAD_BYTES) throw new RangeError(`payload ${i} is ${length} bytes, over ${MAX_PAYLOAD_BYTES}`);
    starts.push(at);
    at += length;
    ends.push(at);
    buffer[at++] = 0x0a;
  }
  const { leafHashes, entryHashes } = hashEntries(buffer, starts, ends, head.lastEntryHash);
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
        entryHashes: binaryBytes(entryHashes),
        leafHashes: binaryBytes(leafHashes),
        prevHash: head.lastEntryHash,
        tree,
        checkpoint,
        head: {
          chainId: head.chainId,
          size: tree.size,
          lastEntryHash: binaryBytes(entryHashes.slice(-HASH_BYTES)),
          frontier: tree.frontier(),
          lastReceivedAt,
        },
      };
    },
  };
}
