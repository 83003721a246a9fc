/**
 * The mirror's topics, while they are being made. At stake: a mirror, or a drill of the guardrails, that gives up over
 * brokers which have made a topic and do not all know it yet.
 */
import type { Admin } from 'kafkajs';
import { expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { topicNames } from '#indelible/mirror/kafka.js';
import { ensureTopics } from '#indelible/mirror/topics.js';

const config = loadConfig({});
const names = topicNames('audit.events');
const UNKNOWN = Object.assign(new Error('This server does not host this topic-partition'), { name: 'KafkaJSProtocolError', type: 'UNKNOWN_TOPIC_OR_PARTITION' });

/** Brokers that make topics at once, and answer each other question so many times with this error. */
function brokers(times: number, error: Error): { admin: Admin; asked: string[] } {
  const made: string[] = [];
  const asked: string[] = [];
  const left = new Map<string, number>();
  const answer = <T>(question: string, value: T): Promise<T> => {
    asked.push(question);
    const rest = left.get(question) ?? times;
    left.set(question, rest - 1);
    return rest > 0 ? Promise.reject(error) : Promise.resolve(value);
  };
  const admin = {
    listTopics: () => Promise.resolve([...made]),
    createTopics: ({ topics }: Parameters<Admin['createTopics']>[0]) => (made.push(...topics.map(({ topic }) => topic)), Promise.resolve(true)),
    fetchTopicMetadata: () => answer('metadata', { topics: made.map((name) => ({ name, partitions: [{ replicas: [1] }] })) }),
    createPartitions: () => Promise.resolve(true),
    describeConfigs: ({ resources: [resource] }: Parameters<Admin['describeConfigs']>[0]) => answer(`settings of ${resource?.name ?? ''}`, { resources: [] }),
  };
  return { admin: admin as unknown as Admin, asked };
}

it('topics that were just made are asked for until the brokers know them', async () => {
  const { admin, asked } = brokers(2, UNKNOWN);
  expect(await ensureTopics(admin, names, { ...config, kafkaPartitions: 1 })).toMatchObject({ partitions: 1 });
  for (const question of ['metadata', `settings of ${names.entries}`, `settings of ${names.cursors}`]) expect(asked.filter((one) => one === question), question).toHaveLength(3);
});

it('topics that the brokers never come to know are an error in the end, and any other error is one at once', async () => {
  await expect(ensureTopics(brokers(Infinity, UNKNOWN).admin, names, config)).rejects.toBe(UNKNOWN);
  const refused = Object.assign(new Error('Not authorized'), { type: 'TOPIC_AUTHORIZATION_FAILED' });
  const { admin, asked } = brokers(Infinity, refused);
  await expect(ensureTopics(admin, names, config)).rejects.toBe(refused);
  expect(asked).toEqual(['metadata']);
});
