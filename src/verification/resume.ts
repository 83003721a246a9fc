/** Where a verification that does not begin with the first entry begins, and on what it rests there. */
import { hexEncode } from '#platform';
import { originOf } from '../core/chain.js';
import { equalBytes } from '../core/merkle.js';
import { MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import { verifySegment } from '../core/verify-segment.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import { segmentAt } from '../ledger/segment-at.js';
import type { StoreReader } from '../storage/worm-store.js';
import { startOfChain } from './chain-walk.js';
import type { WalkState } from './chain-walk.js';
import { openMark, parseMarkText } from './mark.js';
import type { Mark } from './mark.js';
import { readSegment, retried } from './object-reader.js';
import { objectsBefore } from './plan.js';
import type { RestsOnMark } from './report.js';
import { LaterKeys, noteKeysOf } from './trust.js';
import type { ChainKeys } from './trust.js';

export interface Start {
  /** First sequence of the first object to list; absent: the chain's very first. */
  readonly listFrom: number | undefined;
  /** Absent: the first object's own header is its start. */
  readonly state: WalkState | undefined;
  /** The first sequence that counts as checked. */
  readonly countFrom: number;
  /** The entry before `countFrom` is not there, so that it is not known what it continues. */
  readonly linkMissing?: boolean;
}

/**
 * To cover `sequence`: the segment that should hold it, and the one before, because it must continue that.
 * `undefined` if no object begins at or before it.
 */
export async function startBefore(store: StoreReader, chainId: string, sequence: number, keys: ChainKeys): Promise<Start | undefined> {
  const firsts = [...(await objectsBefore(store, chainId, sequence, 2 * MAX_SEGMENT_ENTRIES - 1))];
  let cover = firsts.pop();
  while (store.versioned && cover !== undefined && (await soundSegment(store, chainId, cover, keys)) === 'foreign') cover = firsts.pop();
  if (cover === undefined) return undefined;
  for (;;) {
    const before = firsts.pop();
    if (before === undefined) return { listFrom: cover, state: cover === 0 ? startOfChain(chainId) : undefined, countFrom: cover, linkMissing: cover > 0 };
    const segment = await soundSegment(store, chainId, before, keys);
    if (segment === 'foreign') continue;
    // An object that stands inside another's sequences covers nothing.
    if (segment === undefined || segment.after.size <= cover) return { listFrom: before, state: undefined, countFrom: cover };
    cover = before;
  }
}

export type Resumed =
  | { readonly outcome: 'resumed'; readonly start: Start; readonly restsOn: RestsOnMark; readonly segment: VerifiedSegment }
  /** `contradicted`: the mark is genuine, and the chain is not what it says. */
  | { readonly outcome: 'ignored' | 'contradicted'; readonly reason: string };

/** Behind the mark, if it is genuine and the chain still ends there as it says. @throws StoreError */
export async function resumeAt(store: StoreReader, chainId: string, note: string, keys: ChainKeys): Promise<Resumed> {
  let opened: { readonly mark: Mark; readonly signers: readonly { readonly keyId: string }[] } | undefined;
  try {
    opened = openMark(note, noteKeysOf(keys, chainId));
    if (opened === undefined) {
      const origin = originOf(keys.deployment, chainId);
      const stated = parseMarkText(note.slice(0, note.lastIndexOf('\n\n') + 1)).origin;
      return { outcome: 'ignored', reason: stated === origin ? 'it is not signed by a trusted key' : `it is of ${stated}, not of ${origin}` };
    }
  } catch (error) {
    return { outcome: 'ignored', reason: (error as Error).message };
  }
  const { mark, signers } = opened;
  if (mark.size === 0) return { outcome: 'ignored', reason: 'it stands for no entry' };
  const firsts = [...(await objectsBefore(store, chainId, mark.size - 1, MAX_SEGMENT_ENTRIES - 1))];
  let segment: VerifiedSegment | 'foreign' | undefined;
  do {
    const first = firsts.pop();
    segment = first === undefined ? undefined : await soundSegment(store, chainId, first, keys);
  } while (segment === 'foreign');
  if (segment === undefined) return { outcome: 'contradicted', reason: `no sound segment holds entry ${mark.size - 1}, which it was made behind` };
  const { after, tree } = segment;
  if (
    after.size !== mark.size ||
    !equalBytes(tree.root, mark.root) ||
    !equalBytes(after.lastEntryHash, mark.entryHash) ||
    after.lastReceivedAt !== mark.receivedAt
  ) {
    return { outcome: 'contradicted', reason: `the chain at size ${mark.size} is not the one it was made for` };
  }
  return {
    outcome: 'resumed',
    start: { listFrom: mark.size, state: { next: mark.size, head: after, signedRoot: undefined }, countFrom: mark.size },
    restsOn: { size: mark.size, rootHash: hexEncode(mark.root), verifiedAt: mark.verifiedAt, keyIds: signers.map((key) => key.keyId) },
    segment,
  };
}

/** `foreign`: where keys hold versions, none of this one's was ever of the chain. */
async function soundSegment(store: StoreReader, chainId: string, first: number, keys: ChainKeys): Promise<VerifiedSegment | 'foreign' | undefined> {
  if (store.versioned) {
    const at = await retried(() => segmentAt(store, new LaterKeys(store, keys), { chainId, firstSequence: first }));
    if (at.outcome === 'entry') return at.segment;
    return at.outcome === 'absent' || at.outcome === 'debris' ? 'foreign' : undefined;
  }
  const object = await readSegment(store, chainId, first);
  if (object.outcome !== 'read') return undefined;
  const segment = verifySegment(object.bytes, { deployment: keys.deployment, chainId, firstSequence: first }, noteKeysOf(keys, chainId));
  return segment.outcome === 'valid' ? segment : undefined;
}
