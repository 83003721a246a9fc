/**
 * The mirror's topics: created with safe settings, and checked. A setting that could lose messages is reported and
 * left alone: the topics belong to whoever runs the brokers, and the log itself does not depend on them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { Admin, ITopicMetadata } from 'kafkajs';
import { kafkaErrorType } from './kafka.js';
import type { KafkaSettings, TopicNames } from './kafka.js';

interface WantedSetting {
  readonly name: string;
  readonly value: string;
  /** Says of a value found that it is as safe. By default only `value` itself is. */
  readonly safe?: (found: string) => boolean;
}

const MIB = 1_048_576;
/** Largest record batch the mirror sends, with room to spare below what brokers take by default (1,048,588). */
export const MAX_BATCH_BYTES = 900_000;

const KNOWN_TRIES = 12;
const KNOWN_PAUSE_MS = 250;

const unlimited = (found: string): boolean => found === '-1';

function common(replicas: number): WantedSetting[] {
  const inStep = Math.max(1, replicas - 1);
  return [
    { name: 'min.insync.replicas', value: String(inStep), safe: (found) => Number(found) >= inStep },
    // A replica that lags must not become the leader: what the others have would be cut off.
    { name: 'unclean.leader.election.enable', value: 'false' },
    { name: 'max.message.bytes', value: '1048588', safe: (found) => Number(found) >= MAX_BATCH_BYTES + 10_000 },
  ];
}

function wanted(names: TopicNames, topic: string, replicas: number): WantedSetting[] {
  if (topic === names.hints) return [];
  if (topic === names.cursors) return [...common(replicas), { name: 'cleanup.policy', value: 'compact' }];
  return [
    ...common(replicas),
    { name: 'cleanup.policy', value: 'delete' },
    { name: 'retention.ms', value: '-1', safe: unlimited },
    { name: 'retention.bytes', value: '-1', safe: unlimited },
    // The broker's clock, which no client sets: the entry's own time stands in its payload.
    { name: 'message.timestamp.type', value: 'LogAppendTime' },
  ];
}

/** Set when the topic is created, and not checked: they only decide how much is read at start. */
function atCreation(names: TopicNames, topic: string): { name: string; value: string }[] {
  if (topic === names.cursors) {
    return [
      { name: 'segment.bytes', value: String(16 * MIB) },
      { name: 'segment.ms', value: '3600000' },
      { name: 'min.cleanable.dirty.ratio', value: '0.1' },
    ];
  }
  return topic === names.hints ? [{ name: 'retention.ms', value: '600000' }, { name: 'cleanup.policy', value: 'delete' }] : [];
}

export interface TopicState {
  /** Of entries and cursors: by this number a chain's partition is found. */
  readonly partitions: number;
  /** Settings that may lose messages: a sentence each. */
  readonly weak: readonly string[];
  /** By its settings the topic of entries forgets: what it has forgotten is not refilled, it would be forgotten again. */
  readonly forgets: boolean;
}

/** Creates the topics that are missing, and looks at all of them. @throws what the brokers answer */
export async function ensureTopics(admin: Admin, names: TopicNames, settings: KafkaSettings): Promise<TopicState> {
  const all = [names.entries, names.cursors, names.hints];
  let there = await describe(admin, all);
  const known = there.get(names.cursors)?.partitions.length ?? there.get(names.entries)?.partitions.length ?? settings.kafkaPartitions;
  const missing = all.filter((topic) => !there.has(topic));
  if (missing.length > 0) {
    const { kafkaReplicationFactor: replicationFactor } = settings;
    await admin.createTopics({
      // The library gives up where a broker does not know the topic yet.
      waitForLeaders: false,
      topics: missing.map((topic) => ({
        topic,
        numPartitions: topic === names.hints ? 1 : known,
        replicationFactor,
        configEntries: [...wanted(names, topic, replicationFactor), ...atCreation(names, topic)].map(({ name, value }) => ({ name, value })),
      })),
    });
    // By name: brokers that do not know a topic yet do not list it either.
    there = await metadataOf(admin, all);
  }
  const partitions = there.get(names.cursors)?.partitions.length ?? known;
  const entries = there.get(names.entries)?.partitions.length ?? 0;
  // The topic was created again by someone else, with fewer: a chain's place must not move.
  if (entries < partitions) await admin.createPartitions({ topicPartitions: [{ topic: names.entries, count: partitions }] });

  const weak: string[] = [];
  if (entries > partitions) weak.push(`topic ${names.entries} has ${entries} partitions, of which the mirror uses the first ${partitions}, as many as ${names.cursors} has`);
  let forgets = false;
  for (const topic of [names.entries, names.cursors]) {
    const found = await weaknesses(admin, names, there.get(topic) ?? topic, settings);
    weak.push(...found.weak);
    forgets ||= topic === names.entries && found.forgets;
  }
  return { partitions, weak, forgets };
}

export interface TopicWeaknesses {
  /** A sentence each. */
  readonly weak: readonly string[];
  /** By its settings it does not keep every message. */
  readonly forgets: boolean;
}

/** What of a topic's settings may lose messages. @param found the topic, or its name where nothing is known of it @throws what the brokers answer */
async function weaknesses(admin: Admin, names: TopicNames, found: ITopicMetadata | string, settings: Pick<KafkaSettings, 'kafkaReplicationFactor'>): Promise<TopicWeaknesses> {
  const topic = typeof found === 'string' ? found : found.name;
  const replicas = (typeof found === 'string' ? undefined : found.partitions[0]?.replicas.length) ?? settings.kafkaReplicationFactor;
  const weak: string[] = [];
  let forgets = false;
  if (replicas < settings.kafkaReplicationFactor) {
    weak.push(`topic ${topic} has ${replicas} copies of each partition, INDELIBLE_KAFKA_REPLICATION_FACTOR asks for ${settings.kafkaReplicationFactor}`);
  }
  const check = wanted(names, topic, replicas);
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: check.map(({ name }) => name) };
  const { resources } = await onceKnown(() => admin.describeConfigs({ includeSynonyms: false, resources: [resource] }));
  for (const { name, value, safe = (text: string) => text === value } of check) {
    const shown = resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue;
    if (shown !== undefined && safe(shown)) continue;
    weak.push(`topic ${topic}: ${name} is ${shown ?? 'not shown'}, expected ${value}`);
    if (['cleanup.policy', 'retention.ms', 'retention.bytes'].includes(name)) forgets = true;
  }
  return { weak, forgets };
}

export interface SeenTopic extends TopicWeaknesses {
  readonly partitions: number;
  /** Copies of each partition. */
  readonly replicas: number;
}

/** A topic as it is, `undefined` if there is none; nothing is created. @throws what the brokers answer */
export async function lookAtTopic(admin: Admin, names: TopicNames, topic: string, settings: Pick<KafkaSettings, 'kafkaReplicationFactor'>): Promise<SeenTopic | undefined> {
  const found = (await describe(admin, [topic])).get(topic);
  if (found === undefined) return undefined;
  return { partitions: found.partitions.length, replicas: found.partitions[0]?.replicas.length ?? 0, ...(await weaknesses(admin, names, found, settings)) };
}

async function describe(admin: Admin, names: readonly string[]): Promise<Map<string, ITopicMetadata>> {
  const listed = new Set(await admin.listTopics());
  const topics = names.filter((name) => listed.has(name));
  return topics.length === 0 ? new Map() : metadataOf(admin, topics);
}

/** Of topics that are there, or were just made. @throws what the brokers answer */
async function metadataOf(admin: Admin, topics: string[]): Promise<Map<string, ITopicMetadata>> {
  const { topics: found } = await onceKnown(() => admin.fetchTopicMetadata({ topics }));
  return new Map(found.map((topic) => [topic.name, topic]));
}

const NOT_YET = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'];

/** A topic that was just made is listed before each broker knows it. @throws what the brokers answer, after a while also that they know no such topic */
async function onceKnown<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries === KNOWN_TRIES || !NOT_YET.includes(kafkaErrorType(error) ?? '')) throw error;
    }
    await sleep(KNOWN_PAUSE_MS);
  }
}
