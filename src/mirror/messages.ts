/**
 * Entries as messages (docs/mirror.md): key the chain, value the exact payload, header `sequence`; on the first entry
 * of a segment its header line, on the last its signed checkpoint. So the exact segment can be put together again,
 * and checked by its signature: who can write to the topic but not sign can make nobody believe anything.
 */
import type { Message } from 'kafkajs';
import { MAX_SEGMENT_BYTES, MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import type { Segment } from '../core/segment.js';
import type { TopicRecord } from './partition-reader.js';

export const SEQUENCE_HEADER = 'sequence';
export const SEGMENT_HEADER = 'segment';
export const CHECKPOINT_HEADER = 'checkpoint';

export interface EntryMessage extends Message {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Record<string, string>;
}

/** The message of each entry, from `sequence` on. */
export function* messagesOf(segment: Segment, sequence = segment.firstSequence): Generator<{ readonly sequence: number; readonly message: EntryMessage }> {
  const { chainId, firstSequence, count, bytes, checkpoint } = segment;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerEnd = text.indexOf(0x0a);
  let start = headerEnd + 1;
  for (let at = 0; at < count; at++) {
    const end = text.indexOf(0x0a, start);
    if (firstSequence + at >= sequence) {
      const headers: Record<string, string> = { [SEQUENCE_HEADER]: String(firstSequence + at) };
      if (at === 0) headers[SEGMENT_HEADER] = text.toString('utf8', 0, headerEnd);
      if (at === count - 1) headers[CHECKPOINT_HEADER] = checkpoint;
      yield { sequence: firstSequence + at, message: { key: chainId, value: text.subarray(start, end), headers } };
    }
    start = end + 1;
  }
}

/** What the message takes within a batch, at most. */
export function messageBytes({ key, value, headers }: EntryMessage): number {
  let bytes = 40 + key.length + value.length;
  for (const [name, text] of Object.entries(headers)) bytes += 10 + name.length + text.length;
  return bytes;
}

/** A message as anyone may have put it there: nothing in it is checked. */
export interface EntryRecord {
  readonly chainId: string;
  readonly sequence: number;
  readonly payload: Buffer;
  readonly segmentHeader: string | undefined;
  readonly checkpoint: string | undefined;
}

/** `undefined` if it has not the form of an entry's message. */
export function readEntryRecord({ key, value, headers }: Pick<TopicRecord, 'key' | 'value' | 'headers'>): EntryRecord | undefined {
  const sequence = headerText(headers[SEQUENCE_HEADER]);
  if (key === null || value === null || sequence === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(sequence)) return undefined;
  return {
    chainId: key.toString('utf8'),
    sequence: Number(sequence),
    payload: value,
    segmentHeader: headerText(headers[SEGMENT_HEADER]),
    checkpoint: headerText(headers[CHECKPOINT_HEADER]),
  };
}

function headerText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
}

export interface AssembledSegment {
  readonly chainId: string;
  readonly firstSequence: number;
  readonly bytes: Uint8Array;
  /** The signed note, not checked either. */
  readonly checkpoint: string;
}

interface Pending {
  readonly firstSequence: number;
  readonly lines: (string | Buffer)[];
  bytes: number;
}

/** Chains whose segments are under way at once; the mirror has one transaction a partition under way. */
const MAX_PENDING = 1_000;

/**
 * Puts segments together from messages in the order of the topic. What does not fit is dropped: for the live tail,
 * where a piece that is missing is read from the store.
 */
export class SegmentAssembler {
  readonly #pending = new Map<string, Pending>();

  take({ chainId, sequence, payload, segmentHeader, checkpoint }: EntryRecord): AssembledSegment | undefined {
    if (segmentHeader !== undefined) {
      this.#pending.delete(chainId);
      const [oldest] = this.#pending.keys();
      if (this.#pending.size >= MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest);
      this.#pending.set(chainId, { firstSequence: sequence, lines: [segmentHeader, '\n'], bytes: segmentHeader.length });
    }
    const pending = this.#pending.get(chainId);
    if (pending === undefined) return undefined;
    const { firstSequence, lines } = pending;
    const count = lines.length / 2 - 1;
    // A message that does not come next is a repeat or somebody's junk.
    if (sequence !== firstSequence + count) return undefined;
    pending.bytes += payload.length + 1;
    if (count >= MAX_SEGMENT_ENTRIES || pending.bytes > MAX_SEGMENT_BYTES) {
      this.#pending.delete(chainId);
      return undefined;
    }
    lines.push(payload, '\n');
    if (checkpoint === undefined) return undefined;
    this.#pending.delete(chainId);
    lines.push('\n', checkpoint);
    return { chainId, firstSequence, checkpoint, bytes: Buffer.concat(lines.map((line) => (typeof line === 'string' ? Buffer.from(line) : line))) };
  }
}
