/**
 * The scratch topic, with the two that the mirror keeps beside it. An attack has three things it can do, each of which
 * names its topic and is held against the scratch names before anything is sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { Admin, Kafka, Message } from 'kafkajs';
import { pino } from 'pino';
import type { Logger } from 'pino';
import type { Config } from '../../config.js';
import { systemHost } from '../../ledger/host.js';
import { topicCopy } from '../../mirror/copy.js';
import { kafkaClient, kafkaErrorType, topicNames } from '../../mirror/kafka.js';
import type { KafkaClient } from '../../mirror/kafka.js';
import { openMirror } from '../../mirror/open.js';
import { PartitionReader } from '../../mirror/partition-reader.js';
import { ensureTopics } from '../../mirror/topics.js';
import type { ReconciledCopy } from '../../reconcile/copies.js';
import { answerTo } from './answer.js';
import type { Answer } from './answer.js';
import type { Rights } from './attack.js';
import { assertOneOf } from './guard.js';
import { ScratchError } from './scratch-bucket.js';
import type { ScratchLedger } from './scratch-ledger.js';

/** What an attacker can do to a topic, whatever his rights turn out to be. */
export interface TopicHands {
  delete(topic: string): Promise<Answer>;
  /** DeleteRecords: everything before the end of each partition is gone. */
  purge(topic: string): Promise<Answer>;
  put(topic: string, messages: readonly Message[]): Promise<Answer>;
}

const REMOVED_TRIES = 20;
const REMOVED_PAUSE_MS = 250;

export interface Extent {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

export class ScratchTopic {
  readonly name: string;
  /** Compares the topic with the log. */
  readonly copy: ReconciledCopy;
  readonly #names: readonly string[];
  readonly #config: Config;
  readonly #log: Logger;
  readonly #clients: Readonly<Record<Rights, KafkaClient>>;
  readonly #reader: PartitionReader;

  private constructor(config: Config, clients: Readonly<Record<Rights, KafkaClient>>, log: Logger) {
    const { entries, cursors, hints } = topicNames(config.kafkaTopic);
    this.name = entries;
    this.#names = [entries, cursors, hints];
    this.#config = config;
    this.#log = log;
    this.#clients = clients;
    // As an operator's reconciliation reads it.
    this.#reader = new PartitionReader(clients.writer.kafka);
    this.copy = topicCopy(this.#reader, entries);
  }

  /** @param configs of each of the rights, with the scratch topic in them @throws ScratchError if the names are taken */
  static async open(configs: Readonly<Record<Rights, Config>>, log: Logger = pino({ level: 'silent' })): Promise<ScratchTopic> {
    const clients = { writer: kafkaClient(configs.writer, 'indelible-drill', log), administrator: kafkaClient(configs.administrator, 'indelible-drill-admin', log) };
    const topic = new ScratchTopic(configs.writer, clients, log);
    try {
      const taken = await topic.#asAdmin(async (admin) => (await admin.listTopics()).filter((name) => topic.#names.includes(name)));
      if (taken.length > 0) throw new ScratchError(`there is a topic ${taken.join(', ')} already, and it is not this drill's: leave it alone and start the drill again`);
      return topic;
    } catch (error) {
      await topic.close();
      throw error;
    }
  }

  /** Until the topic holds all of the log; `work` is the wait for it. Nothing mirrors afterwards: what is attacked then stays as it is. */
  async filled(ledger: ScratchLedger, work: () => Promise<void>): Promise<void> {
    await this.#asAdmin((admin) => ensureTopics(admin, topicNames(this.name), this.#config));
    const mirror = openMirror({ ...this.#config, roles: ['mirror'] }, { ledger: ledger.ledger, trust: ledger.trust, writerId: ledger.writerId, host: systemHost, log: this.#log, timings: { checkEveryMs: 500, lookEveryMs: 1_000, sessionTimeoutMs: 6_000 } });
    try {
      await work();
    } finally {
      await mirror?.close();
    }
  }

  hands(rights: Rights): TopicHands {
    const { kafka } = this.#clients[rights];
    const allow = (topic: string): void => assertOneOf('topic', topic, this.#names);
    return {
      delete: (topic) => answerTo(`DeleteTopics ${topic}`, async () => {
        allow(topic);
        await withAdmin(kafka, (admin) => admin.deleteTopics({ topics: [topic] }));
      }),
      purge: (topic) => answerTo(`DeleteRecords ${topic}`, async () => {
        allow(topic);
        await withAdmin(kafka, async (admin) => {
          const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }));
          await admin.deleteTopicRecords({ topic, partitions });
        }).catch((error: unknown) => {
          throw ofPartition(error);
        });
      }),
      put: (topic, messages) => answerTo(`Produce ${topic}`, async () => {
        allow(topic);
        const producer = kafka.producer({ allowAutoTopicCreation: false, createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
        try {
          await producer.connect();
          await producer.send({ topic, messages: [...messages], acks: -1 });
        } finally {
          await producer.disconnect().catch(() => undefined);
        }
      }),
    };
  }

  /** The partitions' ends, by the administrator's rights; `undefined`: there is no such topic. */
  extents(): Promise<readonly Extent[] | undefined> {
    return this.#asAdmin(async (admin) => {
      if (!(await admin.listTopics()).includes(this.name)) return undefined;
      const offsets = await admin.fetchTopicOffsets(this.name).catch((error: unknown) => {
        // Listed for a moment longer than it is there.
        if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
        return undefined;
      });
      return offsets?.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }));
    });
  }

  /** Removes the topics. Gives the names of those that stay. */
  async remove(): Promise<readonly string[]> {
    return this.#asAdmin(async (admin) => {
      const there = (await admin.listTopics()).filter((name) => this.#names.includes(name));
      for (const name of there) await admin.deleteTopics({ topics: [name] }).catch(() => undefined);
      // Brokers go on for a moment to list what they are deleting.
      for (let tries = 0; ; tries++) {
        const left = await admin.listTopics();
        const stays = this.#names.filter((name) => left.includes(name));
        if (stays.length === 0 || tries === REMOVED_TRIES) return stays;
        await sleep(REMOVED_PAUSE_MS);
      }
    });
  }

  async close(): Promise<void> {
    await this.#reader.close();
    for (const client of Object.values(this.#clients)) client.close();
  }

  #asAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    return withAdmin(this.#clients.administrator.kafka, work);
  }
}

async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** kafkajs hides a broker's answer to DeleteRecords in the partition it is of. */
function ofPartition(error: unknown): unknown {
  const { partitions } = error as { readonly partitions?: readonly { readonly error?: unknown }[] };
  const found = partitions?.map((one) => one.error).find((one) => kafkaErrorType(one) !== undefined);
  return found ?? error;
}
