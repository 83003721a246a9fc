/**
 * What a partition of the topic really holds, message by message, held against the WORM store: after the topic or its
 * cursors were deleted, cut or purged, and for whoever wants to know (reconcile). Nothing in the topic is believed.
 */
import { isChainId } from '../core/chain.js';
import type { Segment } from '../core/segment.js';
import type { SegmentSource } from '../ledger/ledger.js';
import { digestOf } from './cursors.js';
import type { ChainCursor, Position } from './cursors.js';
import { messagesOf, readEntryRecord } from './messages.js';
import type { EntryMessage, EntryRecord } from './messages.js';
import { partitionOf } from './kafka.js';
import type { TopicRecord } from './partition-reader.js';
import { Ranges } from './ranges.js';

export interface ScanFinding {
  /** `foreign`: not an entry of the log as it is stored. `repeated`: an entry the topic holds already. */
  readonly kind: 'foreign' | 'repeated';
  readonly offset: number;
  readonly detail: string;
}

/** Segments looked at last: a partition mixes the chains it holds. */
const RECENT_SEGMENTS = 32;

export class PartitionScan {
  readonly #reader: SegmentSource;
  readonly #partition: number;
  readonly #partitions: number;
  readonly #onFinding: (finding: ScanFinding) => void;
  readonly #recent = new Map<string, { readonly segment: Segment; readonly messages: readonly EntryMessage[] }>();
  /** Added to as messages are taken. */
  readonly chains: Map<string, ChainCursor>;
  position: Position;
  messages = 0;

  constructor(options: {
    readonly reader: SegmentSource;
    readonly partition: number;
    readonly partitions: number;
    readonly from: Position;
    readonly chains: Map<string, ChainCursor>;
    readonly onFinding: (finding: ScanFinding) => void;
  }) {
    this.#reader = options.reader;
    this.#partition = options.partition;
    this.#partitions = options.partitions;
    this.#onFinding = options.onFinding;
    this.position = options.from;
    this.chains = options.chains;
  }

  /** @throws StoreError, ChainHaltedError if the store can not tell */
  async take(record: TopicRecord): Promise<void> {
    this.messages += 1;
    this.position = { start: this.position.start, offset: record.offset, digest: digestOf(record) };
    const entry = readEntryRecord(record);
    const wrong = entry === undefined ? 'it has not the form of an entry' : await this.#wrong(entry);
    if (entry === undefined || wrong !== undefined) {
      this.#onFinding({ kind: 'foreign', offset: record.offset, detail: wrong ?? '' });
      return;
    }
    let cursor = this.chains.get(entry.chainId);
    if (cursor === undefined) this.chains.set(entry.chainId, (cursor = { next: 0, held: new Ranges() }));
    if (entry.sequence < cursor.next || cursor.held.has(entry.sequence)) {
      this.#onFinding({ kind: 'repeated', offset: record.offset, detail: `chain ${entry.chainId}: sequence ${entry.sequence}` });
      return;
    }
    cursor.held.add(entry.sequence);
    cursor.next = cursor.held.absorb(cursor.next);
  }

  async #wrong({ chainId, sequence, payload, segmentHeader, checkpoint }: EntryRecord): Promise<string | undefined> {
    if (!isChainId(chainId)) return 'its key is no chain id';
    const place = partitionOf(chainId, this.#partitions);
    if (place !== this.#partition) return `chain ${chainId} belongs into partition ${place}`;
    const expected = await this.#expected(chainId, sequence);
    if (expected === undefined) return `the store has no entry ${sequence} of chain ${chainId}`;
    if (!expected.value.equals(payload)) return `chain ${chainId}: sequence ${sequence} has other bytes than in the store`;
    const { segment, checkpoint: signed } = expected.headers;
    return segment === segmentHeader && signed === checkpoint ? undefined : `chain ${chainId}: sequence ${sequence} has other headers than it should`;
  }

  async #expected(chainId: string, sequence: number): Promise<EntryMessage | undefined> {
    let found = this.#recent.get(chainId);
    if (found === undefined || sequence < found.segment.firstSequence || sequence >= found.segment.head.size) {
      const hint = found?.segment.head.size === sequence ? sequence : undefined;
      const segment = await this.#reader.covering(chainId, sequence, hint);
      if (segment === undefined) return undefined;
      found = { segment, messages: Array.from(messagesOf(segment), ({ message }) => message) };
      this.#recent.delete(chainId);
      this.#recent.set(chainId, found);
      const [oldest] = this.#recent.keys();
      if (this.#recent.size > RECENT_SEGMENTS && oldest !== undefined) this.#recent.delete(oldest);
    }
    return found.messages[sequence - found.segment.firstSequence];
  }
}
