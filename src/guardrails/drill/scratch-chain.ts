/** One chain of the scratch ledger, and what was kept of it outside: the receipts that its entries were acknowledged with. */
import { utf8Encode } from '#platform';
import { segmentKey } from '../../core/chain.js';
import type { Receipt } from '../../core/receipt.js';
import { receiptOf } from '../../core/receipt.js';
import type { Segment } from '../../core/segment.js';
import { ChainHaltedError } from '../../ledger/errors.js';
import { SegmentReader } from '../../ledger/reader.js';
import type { ChainTrust } from '../../ledger/trust.js';
import type { StoreReader } from '../../storage/worm-store.js';
import { readEvidence } from '../../verification/evidence.js';
import type { Evidence } from '../../verification/evidence.js';
import type { AskedRetention } from '../../verification/retention.js';

/** A segment as it was when it was written. */
export interface WrittenSegment {
  readonly key: string;
  readonly firstSequence: number;
  readonly versionId: string;
  readonly bytes: Uint8Array;
}

export class ScratchChain {
  readonly chainId: string;
  readonly segments: readonly WrittenSegment[];
  /** How its objects are to be kept, by what they were written with. */
  readonly asked: AskedRetention;
  readonly #receipts: Receipt[];

  constructor(chainId: string, asked: AskedRetention, segments: readonly WrittenSegment[], receipts: readonly Receipt[]) {
    this.chainId = chainId;
    this.asked = asked;
    this.segments = segments;
    this.#receipts = [...receipts];
  }

  get receipts(): readonly Receipt[] {
    return this.#receipts;
  }

  /** The segment at this place, counted from the end if negative. */
  segment(at: number): WrittenSegment {
    const found = this.segments.at(at);
    if (found === undefined) throw new RangeError(`"at" expected a segment of ${this.segments.length}, got ${at}`);
    return found;
  }

  /** The key at which the chain goes on. */
  get nextKey(): string {
    return segmentKey(this.chainId, this.#receipts.length);
  }

  /** An entry was acknowledged during an attack: it counts like the others from now on. */
  keep(receipt: Receipt): void {
    this.#receipts.push(receipt);
  }

  /** What a verification is held against. */
  get evidence(): readonly Evidence[] {
    return this.#receipts.map((receipt) => readEvidence(utf8Encode(JSON.stringify(receipt)), `receipt of entry ${receipt.sequence}`));
  }

  /** Acknowledged entries that can not be read any more as they were acknowledged, by sequence. @throws StoreError */
  async lost(store: StoreReader, trust: ChainTrust): Promise<readonly number[]> {
    // A reader of its own each time: it remembers what it has read.
    const reader = new SegmentReader(store, trust);
    const lost: number[] = [];
    let hint: number | undefined;
    for (const { sequence, entryHash } of this.#receipts) {
      const segment = await covering(reader, this.chainId, sequence, hint);
      hint = segment?.firstSequence;
      if (segment === undefined || receiptOf(segment, sequence - segment.firstSequence).entryHash !== entryHash) lost.push(sequence);
    }
    return lost;
  }
}

async function covering(reader: SegmentReader, chainId: string, sequence: number, hint: number | undefined): Promise<Segment | undefined> {
  try {
    return await reader.covering(chainId, sequence, hint);
  } catch (error) {
    // What is damaged can't be read.
    if (error instanceof ChainHaltedError) return undefined;
    throw error;
  }
}
