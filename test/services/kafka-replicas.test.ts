/**
 * Replicas as they run in production: one bucket, and a data folder each. What is appended at one is seen at the other
 * through Kafka, long before it would look. At stake: a live tail that is ten seconds late, and a replica whose view
 * lacks what another has taken, so that it says "there is no such entry".
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { pino } from 'pino';
import { loadConfig } from '#indelible/config.js';
import type { ConfigInput } from '#indelible/config.js';
import { startService } from '#indelible/service.js';
import type { Service } from '#indelible/service.js';
import * as kafka from '../../scripts/services/kafka.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';
import { metricsOf } from './support/serve.js';

const TOKEN = 'test-admin-token-0123456789';
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
const scratch = scratchFolders();
let server: Awaited<ReturnType<typeof kafka.start>>;
let onMinio: Awaited<ReturnType<typeof minio.start>>;
const running = new Set<Service>();

beforeAll(async () => {
  [server, onMinio] = await Promise.all([kafka.start({ own: true }), minio.start()]);
  process.env['AWS_ACCESS_KEY_ID'] = onMinio.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = onMinio.credentials.secretAccessKey;
});
afterEach(async () => {
  await Promise.all([...running].map(stop));
});
afterAll(() => Promise.all([server.dispose(), onMinio.dispose()]));

async function stop(service: Service): Promise<void> {
  running.delete(service);
  await service.close();
}

/** Replicas of one log that share nothing but the bucket, the brokers and the signing key. */
async function replicas(name: string, ...of: readonly ConfigInput[]): Promise<Service[]> {
  const bucket = await onMinio.createBucket(name);
  const started: Service[] = [];
  let first: string | undefined;
  for (const settings of of) {
    const dataDir = await scratch();
    if (first !== undefined) cpSync(join(first, 'keys'), join(dataDir, 'keys'), { recursive: true });
    first ??= dataDir;
    const config = loadConfig({}, {
      port: 0, dataDir, adminToken: TOKEN, store: 's3', s3Bucket: bucket, s3Endpoint: onMinio.endpoint, s3ForcePathStyle: true,
      kafkaBrokers: server.broker, kafkaTopic: `${name}.events`, kafkaPartitions: 3, kafkaReplicationFactor: 1, deployment: name, shutdownMs: 1_000, ...settings,
    });
    const service = await startService(config, pino({ level: 'silent' }));
    running.add(service);
    started.push(service);
  }
  return started;
}

async function append(service: Service, chainId: string, entryId: string): Promise<void> {
  const answer = await fetch(`${service.url}/v1/chains/${chainId}/entries`, {
    method: 'POST',
    headers: { ...headers, 'idempotency-key': entryId },
    body: JSON.stringify({ action: 'test.append', actor: { id: entryId, type: 'service' } }),
  });
  expect(answer.status).toBe(201);
}

async function ask(service: Service, path: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${service.url}${path}`, { headers });
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}

async function readyz(service: Service): Promise<{ code: number; checks: { name: string; status: string; detail?: string }[] }> {
  const answer = await fetch(`${service.url}/readyz`);
  return { ...((await answer.json()) as { checks: { name: string; status: string }[] }), code: answer.status };
}

const untilMirrors = (service: Service): Promise<void> => until(async () => (await readyz(service)).checks.some(({ name, status }) => name === 'mirror' && status === 'ok'));

const followed = async (service: Service): Promise<number> => (await metricsOf(service)).get('indelible_mirror_followed_segments_total') ?? 0;

/** The sequences of events as they come, with the time each came at. */
function follow(service: Service, chainId: string): { readonly seen: Map<string, number>; end(): void } {
  const seen = new Map<string, number>();
  const abort = new AbortController();
  void (async () => {
    const answer = await fetch(`${service.url}/v1/chains/${chainId}/entries/stream?from=0`, { headers: { authorization: `Bearer ${TOKEN}` }, signal: abort.signal });
    let text = '';
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8');
      for (const [, id] of text.matchAll(/^id: (\d+)$/gm)) if (id !== undefined && !seen.has(id)) seen.set(id, performance.now());
    }
  })().catch(() => undefined);
  return { seen, end: () => abort.abort() };
}

test('a stream at one replica shows what another appends, at once, and its view holds it: by the mirror', async () => {
  // The first one mirrors, the second only takes appends: what it appends, the first must be told of.
  const [mirroring, plain] = (await replicas('at-once', { roles: ['api', 'mirror'] }, { roles: ['api'] })) as [Service, Service];
  await Promise.all([untilMirrors(mirroring), untilMirrors(plain)]);
  for (const [writer, reader, chainId] of [[mirroring, plain, 'one'], [plain, mirroring, 'two']] as const) {
    await append(writer, chainId, 'first');
    const stream = follow(reader, chainId);
    await until(() => stream.seen.has('0'));
    // Its own looks are ten seconds apart.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const [before, began] = [await followed(reader), performance.now()];
    const waits: number[] = [];
    for (let n = 1; n <= 5; n++) {
      await append(writer, chainId, `entry-${n}`);
      const appended = performance.now();
      await until(() => stream.seen.has(String(n)));
      waits.push((stream.seen.get(String(n)) ?? Infinity) - appended);
    }
    const byMirror = (await followed(reader)) - before;
    const looks = 1 + Math.floor((performance.now() - began) / 10_000);
    stream.end();
    console.log(`${chainId}: seen after ${waits.map((wait) => Math.round(wait)).join(', ')} ms, ${byMirror} of 5 segments by the mirror`);
    // By its own looks alone it would see one each ten seconds.
    expect(waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThan(30_000);
    // Who fills the mirror is woken by a hint, and reads the store; anyone else has it from the mirror. At each of
    // the reader's own looks one segment may have been read.
    if (reader === plain) expect(byMirror).toBeGreaterThanOrEqual(5 - looks);
    // Nothing of it is in the reader's own folder but what it was told: no file is shared.
    for (let n = 1; n <= 5; n++) expect(await ask(reader, `/v1/chains/${chainId}/exists/entry-${n}`)).toMatchObject({ exists: true, sequence: n });
    await until(async () => ((await ask(reader, `/v1/search?chainId=${chainId}`))['completeThrough'] as Record<string, number>)[chainId] === 6);
    const found = await ask(reader, `/v1/search?chainId=${chainId}&order=oldest&verified=true`);
    expect((found['hits'] as { entryId: string }[]).map(({ entryId }) => entryId)).toEqual(['first', 'entry-1', 'entry-2', 'entry-3', 'entry-4', 'entry-5']);
    expect(found['contradicted']).toEqual([]);
  }
});

test('without Kafka the service starts, takes appends and says what is degraded; streams go on by looking', async () => {
  await server.server.stop();
  const [one, other] = (await replicas('by-looking', {}, {})) as [Service, Service];
  await append(one, 'trades', 'first');
  await until(async () => (await readyz(one)).code === 200);
  const ready = await readyz(one);
  expect(ready.checks.find(({ name }) => name === 'mirror')).toMatchObject({ status: 'degraded' });
  const stream = follow(other, 'trades');
  await until(() => stream.seen.has('0'));
  await append(one, 'trades', 'second');
  await until(() => stream.seen.has('1'));
  expect(await followed(other)).toBe(0);
  stream.end();
  await server.server.start();
  await Promise.all([untilMirrors(one), untilMirrors(other)]);
});
