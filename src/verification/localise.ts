/**
 * Names the first changed entry of a segment whose entries do not hash to the signed root.
 *
 * Within a segment only the root is signed, so by itself a changed payload is known to lie somewhere in
 * it. Leaf hashes kept elsewhere (a replica's derived view) are not trusted either, but they prove
 * themselves: if they lead to the signed root, they are those of the true entries, and the first that
 * differs from the recomputed ones is the first changed entry. The ones behind it all differ, because each
 * leaf holds the hash of the entry before it; which of those were changed too can't be told.
 */
import { HASH_BYTES, equalBytes } from '../core/merkle.js';
import { TreeExtension } from '../core/tree-extension.js';
import type { Finding } from '../core/findings.js';
import { parseSegmentKey } from '../core/chain.js';
import { verifySegment } from '../core/verify-segment.js';
import type { StoreReader } from '../storage/worm-store.js';
import { readSegment } from './object-reader.js';
import { noteKeysOf } from './trust.js';
import type { ChainKeys } from './trust.js';

export interface LeafHints {
  /** Leaf hashes of the entries, 32 bytes each, as they were seen when written; `undefined` if not known. */
  leafHashes(chainId: string, firstSequence: number, count: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** The finding, narrowed if the hints allow it. @throws StoreError never: what can't be read stays as it is */
export async function localise(finding: Finding, store: StoreReader, keys: ChainKeys, hints: LeafHints): Promise<Finding> {
  const first = finding.key === undefined ? undefined : parseSegmentKey(finding.key)?.firstSequence;
  if (finding.code !== 'hash_mismatch' || first === undefined || finding.sequence !== first) return finding;
  const { chainId } = finding;
  const object = await readSegment(store, chainId, first);
  if (object.outcome !== 'read') return finding;
  const segment = verifySegment(object.bytes, { deployment: keys.deployment, chainId, firstSequence: first }, noteKeysOf(keys, chainId));
  if (segment.outcome === 'valid' || segment.claimed?.signed === undefined) return finding;
  const { before, count, leafHashes, signed } = segment.claimed;
  if (signed.size !== first + count) return finding;
  const known = await hints.leafHashes(chainId, first, count);
  if (known?.length !== leafHashes.length || !equalBytes(new TreeExtension(before.frontier, known).root, signed.root)) return finding;
  for (let at = 0; at < known.length; at += HASH_BYTES) {
    if (equalBytes(known.subarray(at, at + HASH_BYTES), leafHashes.subarray(at, at + HASH_BYTES))) continue;
    const sequence = first + at / HASH_BYTES;
    return { ...finding, sequence, detail: `entry ${sequence} is not the one that was signed; what follows in this segment can't be judged` };
  }
  return finding;
}
