/** Two replicas on one store: what is appended at one is seen at the other through Kafka, long before it would look. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pino } from 'pino';
import { loadConfig } from '#indelible/config.js';
import type { ConfigInput } from '#indelible/config.js';
import { startService } from '#indelible/service.js';
import type { Service } from '#indelible/service.js';
import * as kafka from '../../scripts/services/kafka.mjs';
import { scratchFolders } from '../support/scratch.js';
import { sleep } from './support/kafka-world.js';

const TOKEN = 'test-admin-token-0123456789';
const scratch = scratchFolders();
let server: Awaited<ReturnType<typeof kafka.start>>;

beforeAll(async () => {
  server = await kafka.start();
});
afterAll(() => server.dispose());

function start(settings: ConfigInput): Promise<Service> {
  const config = loadConfig({}, { port: 0, adminToken: TOKEN, kafkaBrokers: server.broker, kafkaPartitions: 3, kafkaReplicationFactor: 1, shutdownMs: 1_000, ...settings });
  return startService(config, pino({ level: 'silent' }));
}

async function append(service: Service, chainId: string, entryId: string): Promise<void> {
  const answer = await fetch(`${service.url}/v1/chains/${chainId}/entries`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'idempotency-key': entryId },
    body: JSON.stringify({ action: 'test.append', actor: { id: entryId, type: 'service' } }),
  });
  expect(answer.status).toBe(201);
}

async function readyz(service: Service): Promise<{ code: number; checks: { name: string; status: string; detail?: string }[] }> {
  const answer = await fetch(`${service.url}/readyz`);
  return { ...((await answer.json()) as { checks: { name: string; status: string }[] }), code: answer.status };
}

async function untilMirrors(service: Service): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if ((await readyz(service)).checks.some(({ name, status }) => name === 'mirror' && status === 'ok')) return;
    await sleep(50);
  }
  throw new Error(JSON.stringify(await readyz(service)));
}

/** The ids of events as they come, with the time each came at. */
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

test('a stream at one replica shows what another appends, at once', async () => {
  const dataDir = await scratch();
  // The first one mirrors, the second only takes appends: what it appends, the first must be told of.
  const [mirroring, plain] = [await start({ dataDir, roles: ['api', 'mirror'] }), await start({ dataDir, roles: ['api'] })];
  await Promise.all([untilMirrors(mirroring), untilMirrors(plain)]);
  for (const [writer, reader, chainId] of [[mirroring, plain, 'one'], [plain, mirroring, 'two']] as const) {
    await append(writer, chainId, 'first');
    const stream = follow(reader, chainId);
    for (let i = 0; !stream.seen.has('0') && i < 200; i++) await sleep(20);
    // Its own looks are ten seconds apart.
    await sleep(1_000);
    const waits: number[] = [];
    for (let n = 1; n <= 5; n++) {
      await append(writer, chainId, `entry-${n}`);
      const appended = performance.now();
      for (let i = 0; !stream.seen.has(String(n)) && i < 1_000; i++) await sleep(10);
      waits.push((stream.seen.get(String(n)) ?? Infinity) - appended);
    }
    stream.end();
    console.log(`${chainId}: seen after ${waits.map((wait) => Math.round(wait)).join(', ')} ms`);
    expect(Math.max(...waits.toSorted((a, b) => a - b).slice(0, 4))).toBeLessThan(3_000);
  }
  await Promise.all([mirroring.close(), plain.close()]);
});

test('without Kafka the service starts, takes appends and says what is degraded; streams go on by looking', async () => {
  const dataDir = await scratch();
  await server.server.stop();
  const [one, other] = [await start({ dataDir }), await start({ dataDir })];
  await append(one, 'trades', 'first');
  const ready = await readyz(one);
  expect(ready.code).toBe(200);
  expect(ready.checks.find(({ name }) => name === 'mirror')).toMatchObject({ status: 'degraded' });
  const stream = follow(other, 'trades');
  for (let i = 0; !stream.seen.has('0') && i < 200; i++) await sleep(20);
  await append(one, 'trades', 'second');
  for (let i = 0; !stream.seen.has('1') && i < 600; i++) await sleep(20);
  expect(stream.seen.has('1')).toBe(true);
  stream.end();
  await server.server.start();
  await Promise.all([untilMirrors(one), untilMirrors(other)]);
  await Promise.all([one.close(), other.close()]);
});
