/**
 * The mirror on a real Kafka: after whatever happens to Kafka or to the process that mirrors, the topic holds each entry
 * of the log once, in order, byte for byte. Other teams' books are kept from it.
 */
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemHost } from '#indelible/ledger/host.js';
import { topicCopy } from '#indelible/mirror/copy.js';
import { PartitionReader } from '#indelible/mirror/partition-reader.js';
import type { ReconciledCopy } from '#indelible/reconcile/copies.js';
import { reconcile } from '#indelible/reconcile/reconcile.js';
import * as kafka from '../../scripts/services/kafka.mjs';
import { startChild } from '../support/child.js';
import type { Child } from '../support/child.js';
import { until } from '../support/until.js';
import { expectMirrored, makeTopics, openWorld, readTopic, sleep, TIMINGS } from './support/kafka-world.js';
import type { World } from './support/kafka-world.js';

const { TOPIC } = kafkajs.ConfigResourceTypes;

let server: Awaited<ReturnType<typeof kafka.start>>;
const worlds: World[] = [];
const loads: (() => Promise<void>)[] = [];
const children: Child<unknown>[] = [];

beforeAll(async () => {
  server = await kafka.start({ own: true });
});
// A test that failed must not leave its mirror, or no Kafka, to the next one.
afterEach(async () => {
  for (const stop of loads.splice(0)) await stop();
  for (const opened of worlds.splice(0)) await opened.close();
  if (server.server.ended) await server.server.start();
});
afterAll(async () => {
  for (const { process } of children) process.kill('SIGKILL');
  await server.dispose();
});

async function world(topic: string, settings = {}): Promise<World> {
  const opened = await openWorld({ kafkaBrokers: server.broker, kafkaTopic: topic, ...settings });
  worlds.push(opened);
  return opened;
}

interface MirrorProcess {
  readonly partitions: number;
  readonly status: string;
}

function mirrorProcess({ settings }: World): Child<MirrorProcess> {
  const script = join(import.meta.dirname, '../support/mirror-process.mjs');
  const child = startChild<MirrorProcess>(process.execPath, [script, JSON.stringify({ ...settings, roles: ['mirror'] }), JSON.stringify(TIMINGS)]);
  children.push(child);
  return child;
}

async function admin<T>(work: (admin: ReturnType<typeof server.kafka.admin>) => Promise<T>): Promise<T> {
  const client = server.kafka.admin();
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.disconnect();
  }
}

/** Appends to these chains without pause until told to stop. */
function load(on: World, chainIds: readonly string[], entries = 20): () => Promise<void> {
  const state = { going: true };
  const running = Promise.all(
    chainIds.map(async (chainId) => {
      while (state.going) {
        await on.append(chainId, entries);
        // Not more than a slow machine can read back in the end.
        await sleep(Math.max(5, entries / 5));
      }
    }),
  );
  const stop = async (): Promise<void> => {
    state.going = false;
    await running;
  };
  loads.push(stop);
  return stop;
}

test('many chains, many sizes: the topic equals the store, and its settings lose nothing', async () => {
  const on = await world('plain');
  await on.append('before', 1_500);
  const mirror = on.mirror();
  for (let i = 0; i < 20; i++) await on.append(`chain-${i}`, 1 + i * 7);
  // The largest entries, and a segment of nearly 8 MiB.
  await on.append('large', 3, 64_500);
  await on.append('large', 900, 8_700);
  const chains = ['before', 'large', ...Array.from({ length: 20 }, (_, i) => `chain-${i}`)];
  const seen = await expectMirrored(on, server.kafka, chains);
  expect(new Set(seen.map(({ partition }) => partition)).size).toBe(3);
  for (const chainId of chains) expect(new Set(seen.filter(({ key }) => key === chainId).map(({ partition }) => partition)).size).toBe(1);
  await until(() => mirror.lag === 0 && mirror.check.status === 'ok');
  expect(mirror.check).toEqual({ name: 'mirror', status: 'ok' });
  expect(on.findings).toEqual([]);

  const { resources } = await admin((client) => client.describeConfigs({ includeSynonyms: false, resources: [{ type: TOPIC, name: 'plain' }, { type: TOPIC, name: 'plain.cursors' }] }));
  const settingsOf = (name: string) => Object.fromEntries(resources.find(({ resourceName }) => resourceName === name)?.configEntries.map((entry) => [entry.configName, entry.configValue]) ?? []);
  expect(settingsOf('plain')).toMatchObject({
    'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1', 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'false', 'message.timestamp.type': 'LogAppendTime',
  });
  expect(settingsOf('plain.cursors')).toMatchObject({ 'cleanup.policy': 'compact', 'unclean.leader.election.enable': 'false' });
  await on.close();
});

test('a look at partitions without a chain does not make the mirror look far behind, nor ask for all chains anew', async () => {
  const on = await world('empty-partitions', { kafkaPartitions: 12 });
  await on.append('only', 500);
  const mirror = on.mirror();
  await until(() => mirror.lag > 0);
  await until(() => mirror.lag === 0);
  let most = 0;
  // Some looks at all partitions, of which eleven are opened for the first time.
  const end = Date.now() + 8 * TIMINGS.checkEveryMs;
  while (Date.now() < end) {
    most = Math.max(most, mirror.lag);
    await sleep(2);
  }
  expect(most).toBe(0);
  expect(mirror.partitions).toBe(12);
  await expectMirrored(on, server.kafka, ['only']);
  await on.close();
});

test('appends go on while Kafka is away, at start, stopped and hanging; then the mirror catches up', async () => {
  const on = await world('away');
  await server.server.stop();
  const mirror = on.mirror();
  // Each time it ends while Kafka is still away: no append waits for it.
  const appendOften = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      await on.append('steady', 10);
      await sleep(20);
    }
  };
  await appendOften();
  await until(() => mirror.check.status === 'degraded');
  await server.server.start();
  await until(() => mirror.check.status === 'ok');
  await expectMirrored(on, server.kafka, ['steady']);
  await until(() => mirror.lag === 0);

  await server.server.stop();
  await appendOften();
  await until(() => mirror.check.detail?.includes('INDELIBLE_KAFKA_BROKERS') === true);
  expect([mirror.lag, mirror.check.status]).toEqual([300, 'degraded']);
  // Also when it has noticed that it is no member of its group any more: nobody else knows what waits.
  await until(() => mirror.partitions === 0);
  expect([mirror.lag, mirror.check.status]).toEqual([300, 'degraded']);
  await server.server.start();
  await expectMirrored(on, server.kafka, ['steady']);

  server.server.pause();
  await appendOften();
  server.server.resume();
  await expectMirrored(on, server.kafka, ['steady']);
  await until(() => mirror.lag === 0 && mirror.check.status === 'ok');
  await on.close();
});

test('SIGKILL of Kafka under load: nothing lost, nothing doubled', async () => {
  const on = await world('killed');
  on.mirror();
  const chains = ['a', 'b', 'c', 'd'];
  const stop = load(on, chains);
  for (let i = 0; i < 3; i++) {
    await sleep(1_500);
    await server.server.kill();
    await server.server.start();
  }
  await sleep(1_000);
  await stop();
  await expectMirrored(on, server.kafka, chains);
  // Else each crash would raise the alarm of an attack.
  expect(on.findings).toEqual([]);
  await on.close();
}, 900_000);

test('a mirror process killed in the midst of transactions leaves nothing doubled and nothing out', async () => {
  const on = await world('crashes', { kafkaPartitions: 1 });
  const chains = ['a', 'b', 'c'];
  const stop = load(on, chains, 500);
  const watch = new PartitionReader(server.kafka);
  let open = 0;
  for (let i = 0; i < 8 || (open === 0 && i < 40); i++) {
    const child = mirrorProcess(on);
    await until(() => child.lines.some(({ partitions }) => partitions === 1));
    for (const deadline = Date.now() + 10_000; Date.now() < deadline && !(await hasOpenTransaction(watch, 'crashes')); ) await sleep(2);
    child.process.kill('SIGKILL');
    await child.ended;
    if (await hasOpenTransaction(watch, 'crashes')) open += 1;
  }
  await watch.close();
  await stop();
  // Some were ended between two transactions after all.
  expect(open).toBeGreaterThan(0);
  on.mirror({ roles: ['mirror'] });
  await expectMirrored(on, server.kafka, chains);
  await on.close();
}, 900_000);

/** Whether there are messages of which nobody has decided yet whether they count. */
async function hasOpenTransaction(reader: PartitionReader, topic: string): Promise<boolean> {
  const end = (await reader.extents(topic, [0])).get(0)?.end ?? 0;
  const [fetched] = await reader.fetch(topic, new Map([[0, end]]), 0);
  return fetched !== undefined && fetched.end < fetched.highWatermark;
}

test('several mirror processes share the partitions; one leaves, one is frozen and comes back: each entry once', async () => {
  const on = await world('shared', { kafkaPartitions: 4 });
  const chains = Array.from({ length: 12 }, (_, i) => `chain-${i}`);
  const stop = load(on, chains);
  const first = mirrorProcess(on);
  await until(() => first.lines.at(-1)?.partitions === 4);
  const second = mirrorProcess(on);
  await until(() => first.lines.at(-1)?.partitions === 2 && second.lines.at(-1)?.partitions === 2);
  await sleep(1_000);
  // It believes that it still has its partitions when it wakes, and must not be able to write.
  second.process.kill('SIGSTOP');
  await until(() => first.lines.at(-1)?.partitions === 4);
  await sleep(1_500);
  second.process.kill('SIGCONT');
  await until(() => first.lines.at(-1)?.partitions === 2 && second.lines.at(-1)?.partitions === 2);
  await sleep(1_000);
  first.process.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  await until(() => second.lines.at(-1)?.partitions === 4);
  await stop();
  await expectMirrored(on, server.kafka, chains);
  second.process.kill('SIGTERM');
  expect(await second.ended).toBe(0);
  await on.close();
});

test('the topic deleted, while the mirror runs and while it does not: created again and filled again', async () => {
  const on = await world('deleted');
  const chains = ['a', 'b', 'c', 'd'];
  const mirror = on.mirror();
  for (const chainId of chains) await on.append(chainId, 700);
  await expectMirrored(on, server.kafka, chains);
  await admin((client) => client.deleteTopics({ topics: ['deleted'] }));
  await on.append('a', 50);
  await expectMirrored(on, server.kafka, chains);
  await until(() => mirror.check.status === 'ok');
  await mirror.close();

  await admin((client) => client.deleteTopics({ topics: ['deleted'] }));
  // By somebody else, as brokers that create topics by themselves would: with less of everything.
  await admin((client) => makeTopics(client, [{ topic: 'deleted', numPartitions: 1, configEntries: [{ name: 'retention.ms', value: '604800000' }] }]));
  await on.append('b', 50);
  const again = on.mirror();
  await expectMirrored(on, server.kafka, chains);
  await until(() => again.check.detail?.includes('retention.ms is 604800000') === true);
  await on.close();
});

function purge(topic: string, offset: string): Promise<void> {
  return admin(async (client) => {
    // The library looks for the leader in what it happens to know.
    await client.fetchTopicOffsets(topic);
    await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
  });
}

test('records purged from the topic come back, and only those', async () => {
  const on = await world('purged', { kafkaPartitions: 1 });
  const chains = ['a', 'b'];
  const mirror = on.mirror();
  for (let i = 0; i < 10; i++) for (const chainId of chains) await on.append(chainId, 40);
  await expectMirrored(on, server.kafka, chains);
  await purge('purged', '333');
  await on.append('a', 5);
  await expectMirrored(on, server.kafka, chains, { inOrder: false });
  await until(() => mirror.lag === 0);
  await mirror.close();
  // All of it, while nobody looks.
  await purge('purged', '-1');
  expect(on.findings).toEqual(['missing']);
  on.mirror();
  await expectMirrored(on, server.kafka, chains);
  expect(on.findings).toEqual(['missing', 'missing']);
  await on.close();
});

test('the cursors deleted: found in the topic again, nothing doubled', async () => {
  const on = await world('cursorless');
  const chains = ['a', 'b', 'c', 'd'];
  const mirror = on.mirror();
  for (const chainId of chains) await on.append(chainId, 600);
  await expectMirrored(on, server.kafka, chains);
  await admin((client) => client.deleteTopics({ topics: ['cursorless.cursors'] }));
  for (const chainId of chains) await on.append(chainId, 30);
  await expectMirrored(on, server.kafka, chains);
  await mirror.close();
  await admin((client) => client.deleteTopics({ topics: ['cursorless.cursors'] }));
  for (const chainId of chains) await on.append(chainId, 30);
  on.mirror();
  await expectMirrored(on, server.kafka, chains);
  await on.close();
});

test('the cursors deleted and made again while the mirror goes on: who takes over later doubles nothing', async () => {
  const on = await world('half-cursors', { kafkaPartitions: 1 });
  const mirror = on.mirror();
  for (const chainId of ['a', 'b']) await on.append(chainId, 300);
  await expectMirrored(on, server.kafka, ['a', 'b']);
  await admin((client) => client.deleteTopics({ topics: ['half-cursors.cursors'] }));
  // Made again by a look at the topics, and written to as if nothing had happened: for this chain alone.
  const isThere = (): Promise<boolean> => admin(async (client) => (await client.listTopics()).includes('half-cursors.cursors'));
  while (!(await isThere())) await sleep(50);
  await on.append('a', 20);
  await until(() => mirror.lag === 0);
  await expectMirrored(on, server.kafka, ['a', 'b']);
  await mirror.close();
  for (const chainId of ['a', 'b']) await on.append(chainId, 20);
  on.mirror();
  await expectMirrored(on, server.kafka, ['a', 'b']);
  expect(on.findings).toEqual([]);
  await on.close();
});

test('messages that are not the log’s are reported, and disturb neither mirror nor replicas', async () => {
  const on = await world('forged', { kafkaPartitions: 1 });
  const mirror = on.mirror();
  await on.append('a', 20);
  await expectMirrored(on, server.kafka, ['a']);
  const producer = server.kafka.producer();
  await producer.connect();
  const [own] = await readTopic(server.kafka, 'forged');
  await producer.send({
    topic: 'forged',
    messages: [
      // The next entry, with the headers of a segment, and no signature that holds.
      { key: 'a', value: String(own?.value).replace('"sequence":0', '"sequence":20'), headers: { sequence: '20', segment: '{"format":"indelible/segment/v1"}', checkpoint: 'x\n' } },
      { key: 'a', value: 'nonsense' },
    ],
  });
  await producer.disconnect();
  await until(() => mirror.check.detail?.includes('2 messages that are not the log') === true);
  expect(on.findings).toEqual(['extra', 'extra']);
  await on.append('a', 20);
  await until(() => mirror.lag === 0);
  const seen = await readTopic(server.kafka, 'forged');
  const real = seen.filter(({ value, headers }) => headers['sequence'] !== undefined && headers['checkpoint'] !== 'x\n' && value.length > 20);
  expect(real.map(({ headers }) => Number(headers['sequence']))).toEqual(Array.from({ length: 40 }, (_, i) => i));
  expect(seen).toHaveLength(42);
  await on.close();
});

test('a reconciliation tells what the topic holds from what the log says', async () => {
  const on = await world('reconciled', { kafkaPartitions: 2 });
  const mirror = on.mirror();
  for (const chainId of ['a', 'b']) await on.append(chainId, 30);
  await expectMirrored(on, server.kafka, ['a', 'b']);
  const copies = on.opened.copies.filter(({ name }) => name === 'mirror');
  expect(copies).toHaveLength(1);
  // In windows smaller than the chain, so that more than one is read.
  const reader = new PartitionReader(server.kafka);
  const run = (copy: ReconciledCopy): ReturnType<typeof reconcile> => reconcile({ ledger: on.opened.ledger, host: systemHost, copies: [copy] });
  try {
    for (const copy of [...copies, topicCopy(reader, 'reconciled', 7)]) {
      expect(await run(copy)).toMatchObject({ verdict: 'equal', entriesCompared: 60, discrepancies: [] });
    }
    await mirror.close();
    await on.append('a', 5);
    const [message] = (await readTopic(server.kafka, 'reconciled')).filter(({ key }) => key === 'b');
    const producer = server.kafka.producer();
    await producer.connect();
    await producer.send({
      topic: 'reconciled',
      messages: [
        { key: 'b', value: String(message?.value), headers: { sequence: '3' } },
        { key: 'b', value: 'of no entry', headers: { sequence: '77' } },
        { key: 'nobody', value: 'x', headers: { sequence: '0' } },
        { key: 'b', value: 'not the form of an entry' },
      ],
    });
    await producer.disconnect();
    for (const copy of [...copies, topicCopy(reader, 'reconciled', 7)]) {
      const report = await run(copy);
      expect(report).toMatchObject({
        verdict: 'different',
        chains: [
          { chainId: 'a', found: { missing: 5, extra: 0, doubled: 0, different: 0 } },
          { chainId: 'b', found: { missing: 0, extra: 1, doubled: 1, different: 0 } },
        ],
      });
      // Of a chain that does not exist, and of no form.
      expect(report.discrepancies.filter(({ kind, chainId }) => kind === 'extra' && chainId === undefined)).toHaveLength(2);
    }
  } finally {
    await reader.close();
  }
  await on.close();
});

test('catch-up from nothing, measured', async () => {
  const on = await world('speed', { kafkaPartitions: 4 });
  for (let i = 0; i < 25; i++) for (const chainId of ['a', 'b', 'c', 'd']) await on.append(chainId, 1_000, 300);
  const mirror = on.mirror({ roles: ['mirror'] });
  await until(() => mirror.lag > 0);
  const started = performance.now();
  await until(() => mirror.lag === 0 && mirror.check.status === 'ok');
  const seconds = (performance.now() - started) / 1_000;
  console.log(`mirror: 100,000 entries in ${seconds.toFixed(1)} s, ${Math.round(100_000 / seconds)} entries/s`);
  await expectMirrored(on, server.kafka, ['a', 'b', 'c', 'd']);
  await on.close();
});
