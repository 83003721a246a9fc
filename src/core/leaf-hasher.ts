/**
 * The two long hashes of an entry (docs/format.md §2–§3), one entry after another. This and the tree's nodes
 * are what writing and verifying cost, so nothing is allocated or copied here that need not be; measured, see
 * docs/performance.md.
 */
import { allocate, binaryInto, sha256Binary } from '#platform';
import { MAX_PAYLOAD_BYTES } from './entry.js';
import { HASH_BYTES } from './merkle.js';

/** 0x00 ‖ prevHash ‖ payload stands at the beginning: the leaf hashes all of it, the chain all but the first byte. */
const LEAF_BYTES = 1 + HASH_BYTES + MAX_PAYLOAD_BYTES;
/** Views of a leaf, by length: making one costs a tenth of hashing it. Longer ones are rare. */
const MAX_KEPT = 4_096;

/** Payloads copied at a time: few enough to stay in the processor's nearest cache until they are hashed. */
const BLOCK_BYTES = 16_384;

/** The leaf at hand, and behind it a block of payloads: bytes move within one buffer in a third of the time. */
const work = allocate(LEAF_BYTES + BLOCK_BYTES + MAX_PAYLOAD_BYTES);
const leaves: (Uint8Array | undefined)[] = new Array<undefined>(MAX_KEPT);
const links: (Uint8Array | undefined)[] = new Array<undefined>(MAX_KEPT);

/** Strings of bytes, 32 an entry, one behind the other. */
export interface EntryHashes {
  readonly leafHashes: string;
  readonly entryHashes: string;
}

/** Looks at payloads as well, while they are at hand: those from the from-th up to, without it, the to-th. */
export interface PayloadVisitor {
  visit(from: number, to: number): void;
}

/**
 * Hashes the payloads bytes[starts[i], ends[i]), which lie in ascending order, as the entries after `prevHash`.
 * No payload is longer than MAX_PAYLOAD_BYTES.
 */
export function hashEntries(
  bytes: Uint8Array,
  starts: readonly number[],
  ends: readonly number[],
  prevHash: Uint8Array,
  visitor?: PayloadVisitor,
): EntryHashes {
  work[0] = 0x00;
  work.set(prevHash, 1);
  const leafHashes: string[] = [];
  const entryHashes: string[] = [];
  for (let from = 0; from < starts.length; ) {
    const start = starts[from] as number;
    let to = from + 1;
    while (to < ends.length && (ends[to] as number) - start <= BLOCK_BYTES) to += 1;
    work.set(bytes.subarray(start, ends[to - 1]), LEAF_BYTES);
    visitor?.visit(from, to);
    for (let i = from; i < to; i++) hashEntry(LEAF_BYTES - start + (starts[i] as number), LEAF_BYTES - start + (ends[i] as number), leafHashes, entryHashes);
    from = to;
  }
  return { leafHashes: leafHashes.join(''), entryHashes: entryHashes.join('') };
}

/** The payload at work[start, end), as the entry after the one whose hash stands in the leaf. */
function hashEntry(start: number, end: number, leafHashes: string[], entryHashes: string[]): void {
  work.copyWithin(1 + HASH_BYTES, start, end);
  const length = 1 + HASH_BYTES + end - start;
  const kept = length < MAX_KEPT;
  leafHashes.push(sha256Binary(kept ? (leaves[length] ??= work.subarray(0, length)) : work.subarray(0, length)));
  const entryHash = sha256Binary(kept ? (links[length] ??= work.subarray(1, length)) : work.subarray(1, length));
  entryHashes.push(entryHash);
  binaryInto(entryHash, work, 1);
}
