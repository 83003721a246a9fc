/** Names and hashes of a chain (docs/format.md §1–§2). */
import { hexDecode } from '#platform';
import { EMPTY_FRONTIER } from './merkle.js';
import type { Frontier } from './merkle.js';

/** prevHash of sequence 0. */
export const ZERO_HASH: Uint8Array = new Uint8Array(32);

/** Everything a writer must know to continue a chain. */
export interface ChainHead {
  readonly chainId: string;
  /** Number of entries; the next sequence. */
  readonly size: number;
  /** Entry hash of the last entry; zeros if there is none. 32 bytes. */
  readonly lastEntryHash: Uint8Array;
  /** Of the tree of `size` leaves. */
  readonly frontier: Frontier;
  /** `receivedAt` of the last entry; the empty string if there is none. */
  readonly lastReceivedAt: string;
}

export function emptyHead(chainId: string): ChainHead {
  return { chainId, size: 0, lastEntryHash: ZERO_HASH, frontier: EMPTY_FRONTIER, lastReceivedAt: '' };
}

const CHAIN_ID = /^(?:[a-z0-9][a-z0-9._-]{0,99}|_[a-z0-9][a-z0-9._-]{0,98})$/;
export const ENTRY_ID = /^[A-Za-z0-9][A-Za-z0-9._:@=+~-]{0,127}$/;
const WRITER_ID = /^[a-z0-9]{1,32}$/;
const DEPLOYMENT = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/;
const SEGMENT_KEY = /^chains\/([^/]+)\/segments\/([0-9]{20})\.ndjson$/;

/** Includes the service's own chains, which start with `_`. */
export function isChainId(text: string): boolean {
  return CHAIN_ID.test(text);
}

export function isEntryId(text: string): boolean {
  return ENTRY_ID.test(text);
}

export function isWriterId(text: string): boolean {
  return WRITER_ID.test(text);
}

export function isDeployment(text: string): boolean {
  return DEPLOYMENT.test(text) && !text.includes('//') && !text.endsWith('/');
}

/** A checkpoint's origin and the name of the key that signs it. */
export function originOf(deployment: string, chainId: string): string {
  return `${deployment}/${chainId}`;
}

export function segmentPrefix(chainId: string): string {
  return `chains/${chainId}/segments/`;
}

export function segmentKey(chainId: string, firstSequence: number): string {
  return `${segmentPrefix(chainId)}${String(firstSequence).padStart(20, '0')}.ndjson`;
}

/** `undefined` for a key that is no segment's, or whose sequence is over 2^53−1. */
export function parseSegmentKey(key: string): { readonly chainId: string; readonly firstSequence: number } | undefined {
  const match = SEGMENT_KEY.exec(key);
  if (match?.[1] === undefined || !isChainId(match[1])) return undefined;
  const firstSequence = Number(match[2]);
  return Number.isSafeInteger(firstSequence) ? { chainId: match[1], firstSequence } : undefined;
}

/** A hash in JSON: 64 lowercase hexadecimal digits. `undefined` for anything else. */
export function parseHash(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? hexDecode(value) : undefined;
}
