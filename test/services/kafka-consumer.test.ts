/**
 * The helper for programs that consume the mirror, as a program of somebody else has it: by its package name, on a real
 * broker, with the `fill` of docs/mirror.md against a running service. At stake: a consumer that silently begins at what
 * Kafka still holds, and an example that does not work.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compileFunction, constants } from 'node:vm';
import { MirrorConsumer } from 'indelible/consumer';
import type { ChainHead, Finding, MirrorConsumerOptions, ProvenEntry } from 'indelible/consumer';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { readPublicKey } from '#indelible/core/public-key.js';
import type { PublicKey } from '#indelible/core/note.js';
import { startService } from '#indelible/service.js';
import type { Service } from '#indelible/service.js';
import * as kafka from '../../scripts/services/kafka.mjs';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';

const TOKEN = 'test-admin-token-0123456789';
/** Of this run alone, where the broker is shared. */
const TOPIC = `consumed-${randomBytes(4).toString('hex')}`;
const CHAIN = 'orders';
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
const scratch = scratchFolders();
let server: Awaited<ReturnType<typeof kafka.start>>;
let service: Service;
let publicKeys: PublicKey[];

beforeAll(async () => {
  server = await kafka.start();
  const settings = { port: 0, dataDir: await scratch(), adminToken: TOKEN, deployment: 'audit.example.com', kafkaBrokers: server.broker, kafkaTopic: TOPIC, kafkaPartitions: 1, kafkaReplicationFactor: 1, shutdownMs: 1_000 };
  service = await startService(loadConfig({}, settings, '/nowhere.json'), pino({ level: 'silent' }));
  const { keys } = (await (await fetch(`${service.url}/v1/keys`, { headers })).json()) as { keys: { publicKey: string }[] };
  publicKeys = keys.map(({ publicKey }) => {
    const key = readPublicKey(Buffer.from(publicKey, 'base64'));
    if (typeof key === 'string') throw new Error(key);
    return key;
  });
});
afterAll(async () => {
  await service.close();
  await server.dispose();
});

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

/** The one of the page, run as it stands there. */
function documentedFill(): MirrorConsumerOptions['fill'] {
  const page = readFileSync(new URL('../../docs/mirror.md', import.meta.url), 'utf8');
  const code = /^ {2}fill: (async [^]*?^ {2}\}),$/m.exec(page.replaceAll(/ *\/\/ from the log itself$/gm, ''))?.[1];
  if (code === undefined) throw new Error('docs/mirror.md shows no fill');
  const make = compileFunction(`return ${code}`, ['service', 'token'], { importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER }) as (service: string, token: string) => MirrorConsumerOptions['fill'];
  return make(service.url, TOKEN);
}

async function append(count: number): Promise<void> {
  const body = JSON.stringify(Array.from({ length: count }, (_, n) => ({ action: 'order.place', actor: { type: 'user', id: `u-${n}` }, metadata: { text: 'é"\\ ' } })));
  expect((await fetch(`${service.url}/v1/chains/${CHAIN}/entries/batch`, { method: 'POST', headers, body })).status).toBe(201);
}

interface Consuming {
  /** As they were handed over. */
  readonly entries: ProvenEntry[];
  /** After each step. */
  readonly heads: ChainHead[];
  /** Sequences of the messages that came. */
  readonly messages: number[];
  readonly filled: (readonly [number, number])[];
  readonly findings: Finding[];
}

/** A consumer group of its own, from the oldest message there is. */
async function consume(from?: ChainHead): Promise<Consuming> {
  const consuming: Consuming = { entries: [], heads: [], messages: [], filled: [], findings: [] };
  const fill = documentedFill();
  const mirror = new MirrorConsumer({
    deployment: 'audit.example.com',
    publicKeys,
    headOf: () => Promise.resolve(from),
    onEntries: (entries, head) => {
      consuming.entries.push(...entries);
      consuming.heads.push(head);
      return Promise.resolve();
    },
    fill: (chainId, first, to) => {
      consuming.filled.push([first, to]);
      return fill(chainId, first, to);
    },
    onFinding: (finding) => void consuming.findings.push(finding),
  });
  const consumer = server.kafka.consumer({ groupId: `consumer-${Math.random()}` });
  ending.push(() => consumer.disconnect(), () => mirror.close());
  await consumer.connect();
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      consuming.messages.push(Number(String(message.headers?.['sequence'])));
      return mirror.take(message);
    },
  });
  return consuming;
}

/** What the log itself gives, by the same route a person would ask. */
async function payloads(): Promise<string[]> {
  const lines: string[] = [];
  for (let from = 0; ; from = lines.length) {
    const answer = await fetch(`${service.url}/v1/chains/${CHAIN}/entries?from=${from}&limit=1000`, { headers: { ...headers, accept: 'application/x-ndjson' } });
    const page = (await answer.text()).split('\n').filter((line) => line !== '');
    if (page.length === 0) return lines;
    lines.push(...page);
  }
}

async function mirrored(count: number): Promise<void> {
  const admin = server.kafka.admin();
  await admin.connect();
  // Markers of transactions take places, too.
  await until(async () => Number((await admin.fetchTopicOffsets(TOPIC).catch(() => []))[0]?.high ?? 0) >= count).finally(() => admin.disconnect());
}

test('a consumer that comes after the beginning was purged gets every entry, proven, once and in order; one that comes back goes on where it stood', async () => {
  await append(400);
  await append(900);
  await append(700);
  await mirrored(2_000);
  const admin = server.kafka.admin();
  await admin.connect();
  // In the midst of the second segment. The library looks for the leader in what it happens to know.
  await admin.fetchTopicOffsets(TOPIC);
  await admin.deleteTopicRecords({ topic: TOPIC, partitions: [{ partition: 0, offset: '701' }] });
  await admin.disconnect();

  const first = await consume();
  await until(() => first.entries.length >= 2_000);
  expect(first.messages[0]).toBeGreaterThan(400);
  // What Kafka no longer has came from the service, and not more than that.
  const hole = first.messages[0]!;
  expect(first.filled[0]?.[0]).toBe(0);
  expect(Math.max(...first.filled.map(([, to]) => to))).toBeLessThanOrEqual(hole);
  const log = await payloads();
  expect(first.entries.map(({ sequence }) => sequence)).toEqual(log.map((_, i) => i));
  expect(first.entries.map(({ payload }) => payload)).toEqual(log);
  expect(first.findings).toEqual([]);

  // Its head of that time, kept in its own database: nothing before it is given or fetched again.
  const kept = first.heads.find(({ size }) => size >= 1_000 && size < 2_000)!;
  const second = await consume(kept);
  await append(50);
  await until(() => second.entries.length >= 2_050 - kept.size && first.entries.length >= 2_050);
  const grown = await payloads();
  expect(second.entries.map(({ sequence, payload }) => [sequence, payload])).toEqual(grown.map((payload, i) => [i, payload]).slice(kept.size));
  expect(first.entries.map(({ payload }) => payload)).toEqual(grown);
  // Repeats of older messages may be compared with the log; a finding would be a false alarm.
  expect(second.findings).toEqual([]);
});
