/**
 * The records of the cursors topic: how far each chain of a partition is mirrored, and what the partition of entries
 * held when that was written. Both are written in the transaction that carries the entries.
 */
import { createHash } from 'node:crypto';
import { isChainId } from '../core/chain.js';
import type { TopicRecord } from './partition-reader.js';
import { Ranges } from './ranges.js';
import type { Range } from './ranges.js';

/** Key of the record that is about the partition: no chain has this name. */
export const PARTITION_KEY = '#';

export interface ChainCursor {
  /** Leading entries of the chain that the topic holds. */
  next: number;
  /** Entries behind a hole that it holds, too: where its beginning was purged. */
  readonly held: Ranges;
}

/** How the partition of entries looked: by it one that was cut, purged or created again is told apart. */
export interface Position {
  /** Its first offset. */
  readonly start: number;
  /** Of its last message, whoever wrote it; -1 if there is none. */
  readonly offset: number;
  /** SHA-256 of that message. */
  readonly digest: string;
}

export const EMPTY_POSITION: Position = { start: 0, offset: -1, digest: '' };

export function digestOf({ key, value }: { readonly key: Buffer | string | null; readonly value: Buffer | null }): string {
  return createHash('sha256').update(key ?? '').update('\n').update(value ?? '').digest('hex');
}

export function formatCursor({ next, held }: ChainCursor): string {
  return JSON.stringify(held.list.length === 0 ? { next } : { next, held: held.list });
}

/** How much the cursors of a partition say together: by it those of which some are gone are told apart. */
export interface CursorSum {
  readonly chains: number;
  /** The sum of each chain's `next`. */
  readonly entries: number;
}

export function formatPosition({ start, offset, digest }: Position, { chains, entries }: CursorSum): string {
  return JSON.stringify({ start, offset, digest, chains, entries });
}

export interface PartitionCursors {
  readonly chains: Map<string, ChainCursor>;
  /** `undefined` if there is none: then nothing is known. */
  position: Position | undefined;
  /** What there was when the position was written. */
  sum: CursorSum | undefined;
  /** Chains whose latest record can not be read: then nothing is known either. */
  readonly damaged: Set<string>;
}

export function noCursors(): PartitionCursors {
  return { chains: new Map(), position: undefined, sum: undefined, damaged: new Set() };
}

export function applyCursor(cursors: PartitionCursors, { key, value }: TopicRecord): void {
  const name = key?.toString('utf8') ?? '';
  const found = parse(value);
  if (name === PARTITION_KEY) {
    const { start, offset, digest, chains, entries } = found;
    const good = isWhole(start) && (isWhole(offset) || offset === -1) && typeof digest === 'string' && isWhole(chains) && isWhole(entries);
    cursors.position = good ? { start, offset, digest } : undefined;
    cursors.sum = good ? { chains, entries } : undefined;
    return;
  }
  if (!isChainId(name)) return;
  const { next, held = [] } = found;
  if (isWhole(next) && isRanges(held)) {
    cursors.chains.set(name, { next, held: new Ranges(held) });
    cursors.damaged.delete(name);
  } else {
    cursors.damaged.add(name);
  }
}

/**
 * Whether all cursors are there that were written. A topic that was deleted and made again while the mirror went on holds
 * those of the chains that have grown since, and a position that is true: to go by it would mirror all others twice.
 */
export function areWhole({ chains, sum, damaged }: PartitionCursors): boolean {
  const found = sumOf(chains);
  return damaged.size === 0 && sum !== undefined && found.chains === sum.chains && found.entries === sum.entries;
}

export function sumOf(chains: ReadonlyMap<string, ChainCursor>): CursorSum {
  let entries = 0;
  for (const { next } of chains.values()) entries += next;
  return { chains: chains.size, entries };
}

function parse(value: Buffer | null): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(value?.toString('utf8') ?? '');
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRanges(value: unknown): value is Range[] {
  return Array.isArray(value) && value.every((range: unknown) => Array.isArray(range) && range.length === 2 && isWhole(range[0]) && isWhole(range[1]) && range[0] < range[1]);
}
