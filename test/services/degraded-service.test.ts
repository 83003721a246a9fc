/**
 * The whole service as a process, with Kafka, Elasticsearch and MinIO taken from it one after another. At stake: appends
 * that stop because a copy of the log is away, and an outage that is not told, or that only an operator ends.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import * as kafka from '../../scripts/services/kafka.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import { cli, jsonOf, temporaryFolder } from '../cli/cli.js';
import { until } from '../support/until.js';
import { auditBucket } from './support/audit-bucket.js';
import { readTopic } from './support/kafka-world.js';
import { environment, metricsOf, Producer, serve } from './support/serve.js';
import type { Running } from './support/serve.js';

const CHAIN = 'orders';
const folder = temporaryFolder();
const producer = new Producer();
let servers: { readonly minio: Awaited<ReturnType<typeof minio.start>>; readonly kafka: Awaited<ReturnType<typeof kafka.start>>; readonly elasticsearch: Awaited<ReturnType<typeof elasticsearch.start>> };
beforeAll(async () => {
  servers = { minio: await minio.start({ own: true }), kafka: await kafka.start({ own: true }), elasticsearch: await elasticsearch.start({ own: true }) };
});
afterAll(async () => {
  producer.close();
  await Promise.all([servers.minio.dispose(), servers.kafka.dispose(), servers.elasticsearch.dispose()]);
});

interface Readiness {
  readonly code: number;
  readonly detail?: string;
  readonly checks: Readonly<Record<string, string>>;
}

async function readiness({ url }: Running): Promise<Readiness> {
  const answer = await fetch(`${url}/readyz`);
  const { checks, detail } = (await answer.json()) as { checks: { name: string; status: string }[]; detail?: string };
  return { code: answer.status, checks: Object.fromEntries(checks.map(({ name, status }) => [name, status])), ...(detail !== undefined && { detail }) };
}

it('appends go on without Kafka and Elasticsearch, which catch up; without the store they are refused at once, until it is back', { timeout: 600_000 }, async () => {
  const bucket = await servers.minio.createBucket('degraded-service');
  const env = environment(servers.minio, bucket, {
    INDELIBLE_KAFKA_BROKERS: servers.kafka.broker,
    INDELIBLE_KAFKA_PARTITIONS: '1',
    INDELIBLE_KAFKA_REPLICATION_FACTOR: '1',
    INDELIBLE_ELASTICSEARCH_URL: servers.elasticsearch.endpoint,
  });
  const dataDir = join(folder, 'data');
  const service = await serve(dataDir, env);
  const receipts: Receipt[] = [];
  const append = async (entryId: string): Promise<number> => {
    const { status, body } = await producer.append(service.url, CHAIN, entryId);
    if (status === 201 || status === 200) receipts.push(JSON.parse(body) as Receipt);
    return status;
  };
  await until(async () => Object.values((await readiness(service)).checks).every((status) => status === 'ok'));
  for (let n = 0; n < 50; n++) expect(await append(`before-${n}`)).toBe(201);

  await Promise.all([servers.kafka.server.kill(), servers.elasticsearch.server.kill()]);
  const away = performance.now();
  const waits: number[] = [];
  let during = 0;
  const appendOn = async (): Promise<void> => {
    const sent = performance.now();
    expect(await append(`during-${during++}`)).toBe(201);
    waits.push(performance.now() - sent);
  };
  await until(async () => {
    await appendOn();
    const { code, checks } = await readiness(service);
    // Never "not ready" over them: a load balancer would take a service away that does its work. (A look at the store that
    // took long is another matter; appends go on all the same.)
    if (checks['store'] === 'ok') expect(code).toBe(200);
    return checks['mirror'] === 'degraded' && checks['search'] === 'degraded';
  });
  const told = performance.now() - away;
  while (during < 200) await appendOn();

  await Promise.all([servers.kafka.server.start(), servers.elasticsearch.server.start()]);
  const back = performance.now();
  await until(async () => {
    const { checks } = await readiness(service);
    const metrics = await metricsOf(service);
    return checks['mirror'] === 'ok' && checks['search'] === 'ok' && metrics.get('indelible_mirror_lag_entries') === 0 && metrics.get('indelible_search_lag_entries') === 0;
  });
  const caughtUp = performance.now() - back;
  const wanted = [...receipts].sort((a, b) => a.sequence - b.sequence).map(({ entryId }) => entryId);
  // The broker has just started: it may not serve a group yet.
  let seen: readonly string[] = [];
  await until(async () => (seen = await mirrored().catch(() => [])).length >= wanted.length);
  expect(seen).toEqual(wanted);
  const compared = await cli(['reconcile', '--data-dir', dataDir, '--chain', CHAIN, '--json'], { env });
  expect(compared.code, compared.stderr + compared.stdout).toBe(0);
  expect(jsonOf(compared)).toMatchObject({ verdict: 'equal' });

  await servers.minio.server.kill();
  const gone = performance.now();
  const refusals: number[] = [];
  for (let n = 0; n < 10; n++) {
    const sent = performance.now();
    expect(await append('without-store')).toBe(503);
    refusals.push(performance.now() - sent);
  }
  await until(async () => (await readiness(service)).code === 503);
  const notReady = performance.now() - gone;
  const said = await readiness(service);
  expect(said).toMatchObject({ code: 503, checks: { store: 'failed' }, detail: expect.stringMatching(/^store: /) as string });

  await servers.minio.server.start();
  const started = performance.now();
  await until(async () => (await readiness(service)).code === 200);
  await until(async () => (await append('without-store')) < 300);
  console.log(
    `degraded service: told of Kafka and Elasticsearch after ${Math.round(told)} ms, longest append meanwhile ${Math.round(Math.max(...waits))} ms, both equal ${Math.round(caughtUp)} ms after their return; ` +
      `without store refused after ${refusals.map(Math.round).join(', ')} ms, not ready after ${Math.round(notReady)} ms, back ${Math.round(performance.now() - started)} ms after its return`,
  );
  expect((await service.stop('SIGTERM')).code).toBe(0);
  const { ids } = await auditBucket({ where: servers.minio, bucket, dataDir, env }, CHAIN, receipts);
  expect(ids).toHaveLength(50 + during + 1);
});

/** The ids of what the topic holds of the chain, in its order, as another client reads them. */
async function mirrored(): Promise<string[]> {
  const seen = await readTopic(servers.kafka.kafka, 'audit.events');
  return seen.filter(({ key }) => key === CHAIN).map(({ value }) => (JSON.parse(value.toString()) as { entryId: string }).entryId);
}
