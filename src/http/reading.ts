/** Runs of entries as they lie in the store: what the range, the stream and the search results are made of. */
import { hexEncode } from '#platform';
import { readPayload } from '../core/entry.js';
import type { Segment } from '../core/segment.js';
import { segmentKey } from '../core/chain.js';
import { ChainHaltedError } from '../ledger/errors.js';
import type { Ledger } from '../ledger/ledger.js';

/** Entries at … at + count − 1 of a segment. */
export interface Run {
  readonly segment: Segment;
  readonly at: number;
  readonly count: number;
}

/**
 * The entries from `from` up to, not including, `to`; both must lie within the chain. Each segment is read
 * when it is asked for. @throws LedgerError, StoreError
 */
export async function* runs(ledger: Ledger, chainId: string, from: number, to: number): AsyncGenerator<Run> {
  if (from >= to) return;
  const first = await ledger.entry(chainId, from);
  let { segment } = first;
  let { at } = first;
  for (let next = from; next < to; ) {
    const count = Math.min(segment.count - at, to - next);
    yield { segment, at, count };
    next += count;
    if (next >= to) return;
    // Segments name each other: no search is needed for the following ones.
    const following = await ledger.reader.at(chainId, next);
    if (following === undefined) throw new ChainHaltedError(chainId, segmentKey(chainId, next), 'missing_object: it lies before the head and can not be read');
    segment = following;
    at = 0;
  }
}

/** `replicated`: this process knows it to be in the second bucket, too. */
export type EntryState = 'durable' | 'replicated';

/** An entry with its hashes, as JSON text; the payload stands in it byte for byte. */
export function entryText(segment: Segment, at: number, replicatedThrough: number): string {
  const payload = segment.payloads[at] as string;
  const envelope = readPayload(payload);
  if (envelope === undefined) throw new Error(`${segment.key}: payload ${at} passed verification and is no envelope`);
  const { entryId, receivedAt, sequence } = envelope;
  const entryHash = hexEncode(segment.entryHashes.subarray(32 * at, 32 * (at + 1)));
  const prevHash = hexEncode(at === 0 ? segment.prevHash : segment.entryHashes.subarray(32 * (at - 1), 32 * at));
  const state: EntryState = sequence < replicatedThrough ? 'replicated' : 'durable';
  return `{"sequence":${sequence},"entryId":"${entryId}","receivedAt":"${receivedAt}","entryHash":"${entryHash}","prevHash":"${prevHash}","state":"${state}","entry":${payload}}`;
}
