/** The topics and the rights on them as the mirror needs them: a topic that Terraform makes otherwise would lose messages. */
import { readFileSync } from 'node:fs';
import type { Admin } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { topicNames } from '#indelible/mirror/kafka.js';
import { ensureTopics } from '#indelible/mirror/topics.js';
import { rendered } from './templates.js';

interface Topic {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}
interface Acl {
  readonly resource_type: string;
  readonly resource_name: string;
  readonly pattern_type: string;
  readonly operations: readonly string[];
}

const config = loadConfig({});
const variables = { topic: config.kafkaTopic, deployment: 'audit.example.com' };
const { topics, replication_factor } = rendered('kafka/topics', variables) as { readonly topics: readonly Topic[]; readonly replication_factor: number };
const { roles } = rendered('kafka/acls', variables) as { readonly roles: readonly { readonly role: string; readonly acls: readonly Acl[] }[] };

/** Brokers without a topic, which make what is asked of them. */
async function madeByTheMirror(): Promise<Topic[]> {
  const made: Topic[] = [];
  const admin = {
    listTopics: () => Promise.resolve([]),
    createTopics: ({ topics: asked }: Parameters<Admin['createTopics']>[0]) => {
      for (const { topic, numPartitions = 0, configEntries = [] } of asked) made.push({ name: topic, partitions: numPartitions, config: Object.fromEntries(configEntries.map(({ name, value }) => [name, value])) });
      return Promise.resolve(true);
    },
    fetchTopicMetadata: () => Promise.resolve({ topics: made.map(({ name, partitions }) => ({ name, partitions: Array.from({ length: partitions }, () => ({ replicas: [1, 2, 3] })) })) }),
    createPartitions: () => Promise.reject(new Error('the topics have all their partitions')),
    describeConfigs: () => Promise.resolve({ resources: [] }),
  } as unknown as Admin;
  await ensureTopics(admin, topicNames(config.kafkaTopic), { ...config, kafkaReplicationFactor: replication_factor });
  return made;
}

describe('policies/kafka/topics.json', () => {
  it('makes the three topics exactly as the mirror would', async () => {
    expect(topics).toEqual(await madeByTheMirror());
    expect(replication_factor).toBe(config.kafkaReplicationFactor);
  });
});

describe('policies/kafka/acls.json', () => {
  it('gives nobody a right by which messages, topics or settings could be taken away', () => {
    const harmless = ['DESCRIBE', 'DESCRIBE_CONFIGS', 'READ', 'WRITE'];
    for (const { role, acls } of roles) {
      for (const { operations, resource_type, resource_name } of acls) {
        expect(operations.filter((operation) => !harmless.includes(operation)), role).toEqual([]);
        expect(['TOPIC', 'GROUP', 'TRANSACTIONAL_ID', 'CLUSTER'], role).toContain(resource_type);
        // Of the cluster at most how it is set: writing there would make producers, altering it anything.
        if (resource_type === 'CLUSTER') expect(operations, role).toEqual(['DESCRIBE', 'DESCRIBE_CONFIGS']);
        expect(resource_name, role).not.toBe('*');
      }
    }
  });

  it('lets the mirror alone write entries and cursors', () => {
    const { entries, cursors } = topicNames(config.kafkaTopic);
    const writers = (topic: string): string[] => roles.filter(({ acls }) => acls.some((acl) => acl.resource_name === topic && acl.operations.includes('WRITE'))).map(({ role }) => role);
    expect([writers(entries), writers(cursors)]).toEqual([['mirror'], ['mirror']]);
  });
});

describe('policies/kafka/broker.json', () => {
  it('is as careful as the topics’ own settings', () => {
    const broker = rendered('kafka/broker', variables) as Record<string, string>;
    const [entries] = topics;
    expect(broker).toMatchObject({
      'auto.create.topics.enable': 'false',
      'delete.topic.enable': 'false',
      'min.insync.replicas': entries?.config['min.insync.replicas'],
      'unclean.leader.election.enable': entries?.config['unclean.leader.election.enable'],
      'log.retention.ms': entries?.config['retention.ms'],
      'log.retention.bytes': entries?.config['retention.bytes'],
      'message.max.bytes': entries?.config['max.message.bytes'],
      'default.replication.factor': String(replication_factor),
    });
  });

  it('says the same as the plan gate of each property that the gate minds', () => {
    const gate = JSON.parse(readFileSync(new URL('../../policies/gate/protected.json', import.meta.url), 'utf8')) as { protected: { broker_properties: Record<string, string> } };
    expect(Object.keys(gate.protected.broker_properties).length).toBeGreaterThan(0);
    expect(rendered('kafka/broker', variables)).toMatchObject(gate.protected.broker_properties);
  });
});
