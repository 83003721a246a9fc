/**
 * The brokers' settings, the topics and the rights of `policies/kafka/` on a real Kafka: each role can do its work, and
 * none can take messages, topics or settings away. One broker here, so copies are one where three are wanted.
 */
import kafkajs from 'kafkajs';
import type { AclEntry, Admin, Kafka } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { kafkaErrorType } from '#indelible/mirror/kafka.js';
import * as kafka from '../../scripts/services/kafka.mjs';
import { rendered } from '../policies/templates.js';
import { until } from '../support/until.js';
import { expectMirrored, makeTopics, openWorld, readTopic } from './support/kafka-world.js';

const { kafkaTopic: TOPIC } = loadConfig({});
/** The deployment of a log that is given no name. */
const variables = { topic: TOPIC, deployment: 'indelible.local' };
const password = 'secret-of-a-role';
const { roles } = rendered('kafka/acls', variables) as { readonly roles: readonly { readonly role: string; readonly acls: readonly { readonly resource_type: string; readonly resource_name: string; readonly pattern_type: string; readonly operations: readonly string[] }[] }[] };
const names = roles.map(({ role }) => role);

let server: Awaited<ReturnType<typeof kafka.start>>;
let admin: Admin;
beforeAll(async () => {
  const broker = rendered('kafka/broker', variables) as Record<string, string>;
  const copies = Object.keys(broker).filter((name) => /replication\.factor|min\.i?sr|min\.insync/.test(name));
  server = await kafka.start({
    sasl: 'plain',
    settings: {
      ...broker,
      ...Object.fromEntries(copies.map((name) => [name, '1'])),
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Whoever comes by the broker's own listener: it is for who administers it.
      'super.users': 'User:ANONYMOUS',
      'listener.name.clients.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${names.map((name) => `user_${name}="${password}"`).join(' ')};`,
    },
  });
  admin = server.kafka.admin();
  await admin.connect();
  const { topics } = rendered('kafka/topics', variables) as { readonly topics: readonly { readonly name: string; readonly partitions: number; readonly config: Readonly<Record<string, string>> }[] };
  await makeTopics(
    admin,
    topics.map(({ name, partitions, config }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: 1,
      configEntries: Object.entries({ ...config, ...('min.insync.replicas' in config && { 'min.insync.replicas': '1' }) }).map(([key, value]) => ({ name: key, value })),
    })),
  );
  await admin.createAcls({ acl: roles.flatMap(({ role, acls }) => acls.flatMap((acl) => acl.operations.map((operation) => entry(role, acl, operation)))) });
});
afterAll(async () => {
  await admin.disconnect();
  await server.dispose();
});

function entry(role: string, acl: (typeof roles)[number]['acls'][number], operation: string): AclEntry {
  return {
    principal: `User:${role}`,
    host: '*',
    permissionType: kafkajs.AclPermissionTypes.ALLOW,
    resourceType: kafkajs.AclResourceTypes[acl.resource_type as keyof typeof kafkajs.AclResourceTypes],
    resourceName: acl.resource_name,
    resourcePatternType: kafkajs.ResourcePatternTypes[acl.pattern_type as keyof typeof kafkajs.ResourcePatternTypes],
    operation: kafkajs.AclOperationTypes[operation as keyof typeof kafkajs.AclOperationTypes],
  };
}

function clientOf(role: string): Kafka {
  return new kafkajs.Kafka({ brokers: [server.broker], clientId: role, logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 0 }, sasl: { mechanism: 'plain', username: role, password } });
}

/** `done`, or the code of what the broker answered; for some calls kafkajs keeps that to itself. */
async function attempt(act: Promise<unknown>): Promise<string> {
  try {
    await act;
    return 'done';
  } catch (error) {
    const { errors: [first] = [], message } = error as Error & { readonly errors?: readonly unknown[] };
    return kafkaErrorType(error) ?? kafkaErrorType(first) ?? message;
  }
}

async function sending(role: string, topic: string): Promise<string> {
  const producer = clientOf(role).producer({ allowAutoTopicCreation: false, createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    return await attempt(producer.send({ topic, messages: [{ key: 'orders', value: 'x' }] }));
  } finally {
    await producer.disconnect();
  }
}

describe('the roles', () => {
  it('let the mirror mirror', async () => {
    const on = await openWorld({ kafkaBrokers: server.broker, kafkaSaslMechanism: 'plain', kafkaUsername: 'mirror', kafkaPassword: password });
    try {
      const mirror = on.mirror();
      await on.append('a', 300);
      await on.append('b', 1_200);
      await until(() => mirror.check.status === 'ok');
      await expectMirrored(on, server.kafka, ['a', 'b']);
    } finally {
      await on.close();
    }
  });

  it.each(names.filter((name) => name !== 'mirror'))('keep %s from writing entries and cursors', async (role) => {
    for (const topic of [TOPIC, `${TOPIC}.cursors`]) expect(await sending(role, topic)).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(await sending(role, `${TOPIC}.hints`)).toBe(role === 'writer' ? 'done' : 'TOPIC_AUTHORIZATION_FAILED');
  });

  it('let a consumer read in a group of its own, and take no part in the mirror’s', async () => {
    const before = (await readTopic(server.kafka, TOPIC)).length;
    expect(before).toBeGreaterThan(0);
    const seen = await consumed('consumer', 'indelible.local-consumer-reports', before);
    expect(seen).toBe(before);
    expect(await consumed('consumer', `indelible.local-mirror-${TOPIC}`, 1).catch((error: unknown) => (error as Error).message)).toBe('Failed to find group coordinator');
  });

  it.each(names)('keep %s from removing, purging, shortening and making topics', async (role) => {
    const own = clientOf(role).admin();
    await own.connect();
    try {
      const settings = { resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: TOPIC, configEntries: [{ name: 'retention.ms', value: '1000' }] }], validateOnly: false };
      // Refused to all, before rights are looked at.
      expect(await attempt(own.deleteTopics({ topics: [TOPIC] }))).toBe('INVALID_REQUEST');
      const answers = [
        await attempt(own.deleteTopicRecords({ topic: TOPIC, partitions: [{ partition: 0, offset: '-1' }] })),
        await attempt(own.alterConfigs(settings)),
        await attempt(own.createPartitions({ topicPartitions: [{ topic: TOPIC, count: 20 }] })),
        await attempt(own.createTopics({ topics: [{ topic: 'of-my-own' }] })),
      ];
      // What became of the messages is looked at below.
      expect(answers.filter((answer) => !/AUTHORIZATION_FAILED$|^Error while deleting records$/.test(answer))).toEqual([]);
    } finally {
      await own.disconnect();
    }
  });
});

describe('the brokers', () => {
  it('remove no topic, whoever asks', async () => {
    expect(await attempt(admin.deleteTopics({ topics: [TOPIC] }))).toBe('INVALID_REQUEST');
    expect(await admin.listTopics()).toContain(TOPIC);
  });

  it('still hold every message after all of that', async () => {
    const seen = await readTopic(server.kafka, TOPIC);
    expect(seen).toHaveLength(1_500);
  });

  it('make no topic by accident', async () => {
    const producer = server.kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    expect(await attempt(producer.send({ topic: 'never-made', messages: [{ value: 'x' }] }))).not.toBe('done');
    await producer.disconnect();
    expect(await admin.listTopics()).not.toContain('never-made');
  });
});

/** How many messages the group gets, of those wanted. @throws what ends it */
async function consumed(role: string, groupId: string, wanted: number): Promise<number> {
  const consumer = clientOf(role).consumer({ groupId, retry: { retries: 2, restartOnFailure: () => Promise.resolve(false) } });
  let seen = 0;
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
    const crashed = new Promise<never>((_, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    });
    crashed.catch(() => undefined);
    await consumer.run({ autoCommit: false, eachMessage: () => ((seen += 1), Promise.resolve()) });
    await Promise.race([until(() => seen >= wanted), crashed]);
    return seen;
  } finally {
    await consumer.disconnect();
  }
}
