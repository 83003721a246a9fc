/** A segment whose signature and links the caller has checked. The view trusts it. */
export interface ViewSegment {
  readonly chainId: string;
  readonly firstSequence: number;
  /** The exact payload texts, without line feeds. */
  readonly payloads: readonly string[];
  /** 32 bytes for each payload, one after the other. */
  readonly leafHashes: Uint8Array;
  /** 64 hexadecimal digits: before the first payload, and of the last one. */
  readonly prevHash: string;
  readonly lastEntryHash: string;
}

/** Before the first entry. */
export const ZERO_HASH = '0'.repeat(64);

/** @throws RangeError if the segment contradicts itself; its hashes are not computed again */
export function checkSegment(segment: ViewSegment): void {
  const { firstSequence, payloads, leafHashes, prevHash, lastEntryHash } = segment;
  if (!Number.isSafeInteger(firstSequence) || firstSequence < 0) {
    throw new RangeError(`"firstSequence" expected a sequence, got ${firstSequence}`);
  }
  if (payloads.length === 0) throw new RangeError('"payloads" expected at least one, got none');
  if (leafHashes.length !== 32 * payloads.length) {
    throw new RangeError(`"leafHashes" expected ${32 * payloads.length} bytes, got ${leafHashes.length}`);
  }
  for (const hash of [prevHash, lastEntryHash]) {
    if (!/^[0-9a-f]{64}$/.test(hash)) throw new RangeError(`"prevHash", "lastEntryHash" expected 64 hexadecimal digits, got ${hash}`);
  }
  if (firstSequence === 0 && prevHash !== ZERO_HASH) throw new RangeError(`"prevHash" expected zeros at sequence 0, got ${prevHash}`);
}

/** Members are sorted and neither id can hold a quote, so the entry id stands between fixed texts (docs/format.md §1). */
export function entryIdOf(payload: string): string {
  const key = ',"entryId":"';
  const start = payload.indexOf(key) + key.length;
  const end = payload.indexOf('"', start);
  if (!payload.startsWith('{"chainId":"') || start < key.length || end < 0) {
    throw new RangeError(`"payload" expected an entry, got ${payload.slice(0, 60)}`);
  }
  return payload.slice(start, end);
}
