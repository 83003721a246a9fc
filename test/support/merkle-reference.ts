/** RFC 6962 §2.1 word for word: recursive, slow, and sharing nothing with the code under test. */
import { createHash } from 'node:crypto';
import type { HashReader } from '#indelible/core/merkle.js';

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

/** MTH of leaves given by their hashes. */
export function referenceRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return sha256(Buffer.of(1), referenceRoot(leaves.slice(0, k)), referenceRoot(leaves.slice(k)));
}

/** §2.1.1 PATH(m, D[n]) */
export function referencePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...referencePath(m, leaves.slice(0, k)), referenceRoot(leaves.slice(k))]
    : [...referencePath(m - k, leaves.slice(k)), referenceRoot(leaves.slice(0, k))];
}

/** §2.1.2 PROOF(m, D[n]) */
export function referenceConsistency(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  return m === 0 || m === leaves.length ? [] : subproof(m, leaves, true);
}

function subproof(m: number, leaves: readonly Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [referenceRoot(leaves)];
  const k = split(leaves.length);
  return m <= k
    ? [...subproof(m, leaves.slice(0, k), whole), referenceRoot(leaves.slice(k))]
    : [...subproof(m - k, leaves.slice(k), false), referenceRoot(leaves.slice(0, k))];
}

/** Subtrees computed from all the leaves. */
export function leafReader(leaves: readonly Uint8Array[]): HashReader {
  return { subtree: (level, index) => referenceRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)) };
}

/** n different leaf hashes. */
export function someLeaves(n: number): Uint8Array[] {
  return Array.from({ length: n }, (_, i) => sha256(Buffer.from(`leaf ${i}`)));
}
