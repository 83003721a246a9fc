/** Real histories: payloads, chained, with their leaf hashes, cut into segments. */
import { createHash } from 'node:crypto';
import type { ViewSegment } from '#indelible/view/view.js';

export interface History {
  readonly segments: readonly ViewSegment[];
  /** Of all entries, 32 bytes each. */
  readonly leafHashes: Uint8Array;
  readonly entryIds: readonly string[];
}

export interface HistoryOptions {
  /** Histories with different salts differ from the first entry on. Default ''. */
  readonly salt?: string;
  /** Small payloads, every thousandth with the action `rare`. */
  readonly terse?: boolean;
}

const START = Date.parse('2026-11-23T20:00:00Z');

export function historyOf(chainId: string, counts: readonly number[], options: HistoryOptions = {}): History {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const leafHashes = new Uint8Array(32 * total);
  const entryIds: string[] = [];
  const segments: ViewSegment[] = [];
  let prev: Buffer = Buffer.alloc(32);
  let sequence = 0;
  for (const count of counts) {
    const firstSequence = sequence;
    const prevHash = prev.toString('hex');
    const payloads: string[] = [];
    for (let i = 0; i < count; i++, sequence++) {
      const payload = payloadOf(chainId, sequence, options);
      payloads.push(payload);
      entryIds.push(entryIdOf(sequence, options));
      const leafData = Buffer.concat([prev, Buffer.from(payload)]);
      leafHashes.set(sha256(Buffer.concat([Buffer.of(0), leafData])), 32 * sequence);
      prev = sha256(leafData);
    }
    segments.push({
      chainId,
      firstSequence,
      payloads,
      leafHashes: leafHashes.subarray(32 * firstSequence, 32 * sequence),
      prevHash,
      lastEntryHash: prev.toString('hex'),
    });
  }
  return { segments, leafHashes, entryIds };
}

function entryIdOf(sequence: number, { salt = '' }: HistoryOptions): string {
  return `id${salt}-${sequence}`;
}

function payloadOf(chainId: string, sequence: number, options: HistoryOptions): string {
  const actor = { id: `u-${sequence % 7}`, name: 'Ada', type: 'user' };
  const event = options.terse
    ? { action: sequence % 1_000 === 500 ? 'rare' : 'usual', actor }
    : { action: 'thing.done', actor, metadata: { note: `entry ${sequence}${options.salt ?? ''}` }, outcome: 'success' };
  return JSON.stringify({
    chainId,
    entryId: entryIdOf(sequence, options),
    event,
    format: 'indelible/entry/v1',
    receivedAt: new Date(START + sequence).toISOString().replace('Z', '000Z'),
    sequence,
    writerId: 'w1',
  });
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
