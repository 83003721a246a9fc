/**
 * Reads partitions by offset, without a consumer group: the owner of a partition reads its cursors, a replica follows
 * the tail, and neither waits for a group to form nor needs a right on one. kafkajs has no such call, but the parts
 * for it: a cluster, which finds the leader, and a broker, which fetches. Its version is pinned.
 *
 * Only what is committed is handed out (read_committed).
 */
import type { Kafka } from 'kafkajs';

export interface TopicRecord {
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface Fetched {
  readonly partition: number;
  readonly records: readonly TopicRecord[];
  /** Where to go on. */
  readonly next: number;
  /** Up to here (exclusive) everything is decided: committed or aborted. */
  readonly end: number;
  /** Behind the last message, decided or not. */
  readonly highWatermark: number;
}

/** The offsets a partition holds: from `start` to before `end`, aborted ones and markers included. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

interface RawMessage {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Record<string, unknown>;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

interface RawPartition {
  readonly partition: number;
  readonly lastStableOffset: string;
  readonly highWatermark: string;
  readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[] | null;
  readonly messages: readonly RawMessage[];
}

interface RawBroker {
  fetch(request: unknown): Promise<{
    readonly clientSideThrottleTime?: number;
    readonly responses: readonly { readonly topicName: string; readonly partitions: readonly RawPartition[] }[];
  }>;
}

interface RawCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, number[]>>;
  findBroker(node: { nodeId: string }): Promise<RawBroker>;
  fetchTopicsOffset(topics: readonly unknown[]): Promise<readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]>;
}

const READ_COMMITTED = 1;
const FETCH_BYTES = 8 * 1_048_576;
const PARTITION_BYTES = 2 * 1_048_576;
const READ_WITHIN_MS = 60_000;

export class PartitionReader {
  readonly #kafka: Kafka;
  #cluster: Promise<RawCluster> | undefined;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /** How many partitions the topic has now. @throws what the brokers answer */
  async partitions(topic: string): Promise<number> {
    return this.#with(topic, async (cluster) => {
      await cluster.refreshMetadata();
      return cluster.findTopicPartitionMetadata(topic).length;
    });
  }

  /** @throws what the brokers answer */
  async extents(topic: string, partitions: readonly number[]): Promise<ReadonlyMap<number, Extent>> {
    return this.#with(topic, async (cluster) => {
      const wanted = partitions.map((partition) => ({ partition }));
      const [starts, ends] = await Promise.all(
        [true, false].map(async (fromBeginning) => (await cluster.fetchTopicsOffset([{ topic, partitions: wanted, fromBeginning }]))[0]?.partitions ?? []),
      );
      const extents = new Map<number, Extent>();
      for (const { partition, offset } of starts ?? []) {
        const end = ends?.find((one) => one.partition === partition);
        if (end !== undefined) extents.set(partition, { start: Number(offset), end: Number(end.offset) });
      }
      const lacking = partitions.find((partition) => !extents.has(partition));
      if (lacking !== undefined) throw new Error(`topic ${topic}: partition ${lacking} has no leader now, or does not exist`);
      return extents;
    });
  }

  /** What follows each position; waits for something up to `maxWaitMs`. @throws what the brokers answer */
  async fetch(topic: string, positions: ReadonlyMap<number, number>, maxWaitMs: number): Promise<readonly Fetched[]> {
    return this.#with(topic, async (cluster) => {
      const leaders = cluster.findLeaderForPartitions(topic, [...positions.keys()]);
      const answers = await Promise.all(
        Object.entries(leaders).map(async ([nodeId, partitions]) => {
          const broker = await cluster.findBroker({ nodeId });
          return broker.fetch({
            isolationLevel: READ_COMMITTED,
            maxWaitTime: maxWaitMs,
            minBytes: 1,
            maxBytes: FETCH_BYTES,
            topics: [{ topic, partitions: partitions.map((partition) => ({ partition, fetchOffset: String(positions.get(partition)), maxBytes: PARTITION_BYTES })) }],
          });
        }),
      );
      return answers.flatMap(({ responses }) =>
        responses.flatMap(({ partitions }) => partitions.map((found) => committed(found, positions.get(found.partition) ?? 0))),
      );
    });
  }

  /**
   * All records of a partition from `from` to before `to`, in order. With `compacted`, offsets may be missing
   * at which nothing is left to read. @throws what the brokers answer
   */
  async *read(topic: string, partition: number, from: number, to: number, { compacted = false } = {}): AsyncGenerator<TopicRecord> {
    const deadline = Date.now() + READ_WITHIN_MS;
    let empty = 0;
    for (let at = from, progressed = deadline; at < to; ) {
      const [found] = await this.fetch(topic, new Map([[partition, at]]), 500);
      for (const record of found?.records ?? []) if (record.offset < to) yield record;
      if (found !== undefined && found.next > at) {
        at = found.next;
        empty = 0;
        progressed = Date.now() + READ_WITHIN_MS;
        continue;
      }
      // A batch of which compaction left nothing shows as no message at all. Never taken for one that merely did not come.
      if (compacted && found !== undefined && found.end > at && ++empty >= 3) {
        at += 1;
        empty = 2;
      } else if (Date.now() > progressed) {
        throw new Error(`topic ${topic}: partition ${partition} can not be read to its end: it stays at ${at} of ${to}`);
      }
    }
  }

  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await cluster?.then((open) => open.disconnect()).catch(() => undefined);
  }

  /** After any error a new cluster is used: the old one may hold on to a leader or topic that is gone. */
  async #with<T>(topic: string, work: (cluster: RawCluster) => Promise<T>): Promise<T> {
    const opening = (this.#cluster ??= this.#connect());
    try {
      const cluster = await opening;
      await cluster.addTargetTopic(topic);
      return await work(cluster);
    } catch (error) {
      if (this.#cluster === opening) await this.close();
      throw error;
    }
  }

  async #connect(): Promise<RawCluster> {
    const symbol = Object.getOwnPropertySymbols(this.#kafka).find(({ description }) => description === 'private:Kafka:createCluster');
    if (symbol === undefined) throw new Error('kafkajs: the pinned version 2.2.4 is expected');
    const create = (this.#kafka as unknown as Record<symbol, (options: unknown) => RawCluster>)[symbol] as (options: unknown) => RawCluster;
    const cluster = create({ isolationLevel: READ_COMMITTED, allowAutoTopicCreation: false, metadataMaxAge: 60_000 });
    await cluster.connect();
    return cluster;
  }
}

/** Leaves out markers and what was aborted. */
function committed({ partition, lastStableOffset, highWatermark, abortedTransactions, messages }: RawPartition, from: number): Fetched {
  const begins = [...(abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
  const aborted = new Set<string>();
  const records: TopicRecord[] = [];
  let next = from;
  for (const { offset: text, key, value, headers, isControlRecord, batchContext } of messages) {
    const offset = Number(text);
    while (begins[0] !== undefined && offset >= Number(begins[0].firstOffset)) aborted.add((begins.shift() as { producerId: string }).producerId);
    // Whatever the marker says, a transaction of this producer ends with it.
    if (isControlRecord) aborted.delete(batchContext.producerId);
    // A broker sends whole batches, which may begin before what was asked for.
    if (offset < from) continue;
    next = offset + 1;
    if (isControlRecord || (batchContext.inTransaction && aborted.has(batchContext.producerId))) continue;
    records.push({ offset, key, value, headers: headers ?? {} });
  }
  return { partition, records, next, end: Number(lastStableOffset), highWatermark: Number(highWatermark) };
}
