/**
 * One process's turn at mirroring one partition: from the moment it has fenced whoever did so before, to its first
 * failure. Whatever fails ends the session; the next one begins by asking Kafka what is there. A producer that has
 * failed is never used again: it could take a batch for one the broker knows already.
 */
import kafkajs from 'kafkajs';
import type { Kafka, Message, Producer, Transaction } from 'kafkajs';
import type { Segment } from '../core/segment.js';
import type { SegmentSource } from '../ledger/ledger.js';
import { applyCursor, areWhole, digestOf, EMPTY_POSITION, formatCursor, formatPosition, noCursors, PARTITION_KEY, sumOf } from './cursors.js';
import type { ChainCursor, PartitionCursors, Position } from './cursors.js';
import type { TopicNames } from './kafka.js';
import { messageBytes, messagesOf } from './messages.js';
import type { EntryMessage } from './messages.js';
import type { Extent, PartitionReader } from './partition-reader.js';
import { Ranges } from './ranges.js';
import { PartitionScan } from './scan.js';
import type { ScanFinding } from './scan.js';
import { MAX_BATCH_BYTES } from './topics.js';

export interface SessionContext {
  readonly kafka: Kafka;
  readonly reader: PartitionReader;
  readonly store: SegmentSource;
  readonly topics: TopicNames;
  readonly deployment: string;
  readonly partitions: number;
  /** See TopicState: what such a topic forgot is not refilled. */
  readonly forgets: () => boolean;
  /** `lost`: the topic lacks what was there; else only the cursors do. */
  readonly onScan: (partition: number, lost: boolean) => void;
  readonly onFinding: (partition: number, finding: ScanFinding) => void;
}

export interface Work {
  readonly chainId: string;
  readonly segments: readonly Segment[];
}

/** The topic no longer holds what this session left there. */
export class TopicChangedError extends Error {
  override readonly name = 'TopicChangedError';
}

export class PartitionSession {
  readonly #context: SessionContext;
  readonly #partition: number;
  readonly #producer: Producer;
  #transaction: Transaction;
  readonly #chains: Map<string, ChainCursor>;
  #position: Position;
  /** Of all cursors' `next`, kept with them: to add up all chains for each transaction would take longer than it. */
  #entries: number;

  private constructor(context: SessionContext, partition: number, producer: Producer, transaction: Transaction, chains: Map<string, ChainCursor>, position: Position) {
    this.#context = context;
    this.#partition = partition;
    this.#producer = producer;
    this.#transaction = transaction;
    this.#chains = chains;
    this.#position = position;
    this.#entries = sumOf(chains).entries;
  }

  /** @throws what the brokers or the store answer */
  static async open(context: SessionContext, partition: number): Promise<PartitionSession> {
    const { kafka, topics, deployment, reader } = context;
    const producer = kafka.producer({
      transactionalId: `${deployment}-mirror-${topics.entries}-${partition}`,
      transactionTimeout: 60_000,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    try {
      await producer.connect();
      // Fences the former owner and ends what it left open: only now the cursors stand still.
      const transaction = await producer.transaction();
      const cursors = noCursors();
      const extent = await extentOf(reader, topics.cursors, partition);
      for await (const record of reader.read(topics.cursors, partition, extent.start, extent.end, { compacted: true })) applyCursor(cursors, record);
      const found = await compare(context, partition, cursors);
      const session = new PartitionSession(context, partition, producer, transaction, found.chains, found.position);
      // Chains the topic no longer holds are written, too: else their old cursors would count again.
      if (found.changed) await session.#commit([...found.chains.keys()]);
      return session;
    } catch (error) {
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
  }

  through(chainId: string): number {
    return this.#chains.get(chainId)?.next ?? 0;
  }

  /** Adds what the topic lacks of these segments, and says so in the cursors: all of it or nothing. */
  async send(batch: readonly Work[]): Promise<void> {
    const staged = new Map<string, ChainCursor>();
    let chunk: EntryMessage[] = [];
    let bytes = 0;
    for (const { chainId, segments } of batch) {
      const known = staged.get(chainId) ?? this.#chains.get(chainId);
      const cursor: ChainCursor = { next: known?.next ?? 0, held: new Ranges(known?.held.list) };
      staged.set(chainId, cursor);
      for (const segment of segments) {
        if (segment.firstSequence > cursor.next) throw new TopicChangedError(`chain ${chainId}: the topic holds ${cursor.next} entries, the next segment begins at ${segment.firstSequence}`);
        for (const { sequence, message } of messagesOf(segment, cursor.next)) {
          if (cursor.held.has(sequence)) continue;
          const size = messageBytes(message);
          if (bytes + size > MAX_BATCH_BYTES) {
            await this.#produce(chunk);
            chunk = [];
            bytes = 0;
          }
          chunk.push(message);
          bytes += size;
        }
        cursor.next = cursor.held.absorb(Math.max(cursor.next, segment.head.size));
      }
    }
    if (chunk.length > 0) await this.#produce(chunk);
    for (const [chainId, cursor] of staged) {
      this.#entries += cursor.next - this.through(chainId);
      this.#chains.set(chainId, cursor);
    }
    await this.#commit([...staged.keys()]);
  }

  /** Looks whether the topic still ends as it was left. Another's messages behind it count as a change. @throws TopicChangedError */
  async check(): Promise<void> {
    const { reader, topics, forgets } = this.#context;
    const extent = await extentOf(reader, topics.entries, this.#partition);
    if (!(await holds(this.#context, this.#partition, this.#position, extent))) throw new TopicChangedError(`partition ${this.#partition} no longer holds what was mirrored`);
    const strange = await first(reader.read(topics.entries, this.#partition, Math.max(extent.start, this.#position.offset + 1), extent.end));
    if (strange !== undefined) throw new TopicChangedError(`partition ${this.#partition} has a message at ${strange.offset} that this process did not write`);
    if (forgets()) this.#position = { ...this.#position, start: extent.start };
  }

  async close(): Promise<void> {
    await this.#producer.disconnect().catch(() => undefined);
  }

  async #produce(messages: readonly EntryMessage[]): Promise<void> {
    const last = messages.at(-1);
    if (last === undefined) return;
    const first = await this.#append(this.#context.topics.entries, messages);
    if (first <= this.#position.offset) throw new TopicChangedError(`partition ${this.#partition} ends at ${first}, though it had a message at ${this.#position.offset}`);
    this.#position = { start: this.#position.start, offset: first + messages.length - 1, digest: digestOf(last) };
  }

  async #commit(chainIds: readonly string[]): Promise<void> {
    const records: Message[] = chainIds.map((chainId) => ({ key: chainId, value: formatCursor(this.#chains.get(chainId) as ChainCursor) }));
    records.push({ key: PARTITION_KEY, value: formatPosition(this.#position, { chains: this.#chains.size, entries: this.#entries }) });
    for (let at = 0; at < records.length; at += 1_000) await this.#append(this.#context.topics.cursors, records.slice(at, at + 1_000));
    await this.#transaction.commit();
    this.#transaction = await this.#producer.transaction();
  }

  /** The offset of the first. */
  async #append(topic: string, messages: readonly Message[]): Promise<number> {
    const answers = await this.#transaction.send({ topic, acks: -1, messages: messages.map((message) => ({ ...message, partition: this.#partition })) });
    const offset = answers.find((answer) => answer.topicName === topic && answer.partition === this.#partition)?.baseOffset;
    if (offset === undefined) throw new Error(`topic ${topic}: the broker did not say where it put the messages`);
    return Number(offset);
  }
}

async function extentOf(reader: PartitionReader, topic: string, partition: number): Promise<Extent> {
  return (await reader.extents(topic, [partition])).get(partition) as Extent;
}

/** Whether the partition still begins at `start` and has at `offset` the message it had. */
async function holds({ reader, topics, forgets }: SessionContext, partition: number, { start, offset, digest }: Position, extent: Extent): Promise<boolean> {
  if (extent.start < start || (extent.start > start && !forgets())) return false;
  if (offset < extent.start) return offset === -1 || forgets();
  const record = await first(reader.read(topics.entries, partition, offset, Math.min(extent.end, offset + 1)));
  return record !== undefined && digestOf(record) === digest;
}

async function first<T>(all: AsyncGenerator<T>): Promise<T | undefined> {
  for await (const one of all) {
    return one;
  }
  return undefined;
}

/** What of the cursors is true of the topic; where they are not, what the topic holds instead. */
async function compare(
  context: SessionContext,
  partition: number,
  cursors: PartitionCursors,
): Promise<{ readonly chains: Map<string, ChainCursor>; readonly position: Position; readonly changed: boolean }> {
  const { reader, store, topics, partitions } = context;
  const { position, damaged } = cursors;
  const whole = position !== undefined && areWhole(cursors);
  const extent = await extentOf(reader, topics.entries, partition);
  const good = whole && (await holds(context, partition, position, extent));
  const from: Position = good ? { ...position, start: extent.start } : { ...EMPTY_POSITION, start: extent.start };
  const begin = good ? Math.max(extent.start, position.offset + 1) : extent.start;
  if (!good && (position !== undefined || extent.end > 0)) {
    context.onScan(partition, whole);
  }
  const chains = good ? cursors.chains : new Map([...cursors.chains.keys(), ...damaged].map((chainId) => [chainId, { next: 0, held: new Ranges() }]));
  const scan = new PartitionScan({ reader: store, partition, partitions, from, chains, onFinding: (finding) => context.onFinding(partition, finding) });
  for await (const record of reader.read(topics.entries, partition, begin, extent.end)) await scan.take(record);
  return { chains, position: scan.position, changed: !good || scan.messages > 0 };
}
