/**
 * Who feeds the index, and how it is reached where it is guarded. At stake: an index that nobody feeds because a role
 * was left out, processes that were to take appends alone and write to Elasticsearch, and a key that is sent nowhere or
 * to whoever answers.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import type { ConfigInput } from '#indelible/config.js';
import { startService } from '#indelible/service.js';
import type { Service } from '#indelible/service.js';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';

const TOKEN = 'test-admin-token-0123456789';
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
const scratch = scratchFolders();
const run = randomBytes(4).toString('hex');
/** Of this run alone, where the server is shared. */
const own = (index: string): string => `${index}-${run}`;
let server: Awaited<ReturnType<typeof elasticsearch.start>>;
beforeAll(async () => {
  server = await elasticsearch.start();
});
afterAll(() => server.dispose());

const running: Service[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.close()));
});

async function start(dataDir: string, settings: ConfigInput): Promise<Service> {
  const config = loadConfig({}, { port: 0, dataDir, adminToken: TOKEN, elasticsearchUrl: server.endpoint, shutdownMs: 1_000, ...settings }, join(dataDir, 'none.json'));
  const service = await startService(config, pino({ level: 'silent' }));
  running.push(service);
  return service;
}

async function append({ url }: Service, count: number): Promise<void> {
  const body = JSON.stringify(Array.from({ length: count }, (_, n) => ({ action: 'order.place', actor: { type: 'user', id: `u-${n}` } })));
  expect((await fetch(`${url}/v1/chains/orders/entries/batch`, { method: 'POST', headers, body })).status).toBe(201);
}

async function search({ url }: Service): Promise<{ readonly hits: readonly unknown[] }> {
  const answer = await fetch(`${url}/v1/search?chainId=orders&limit=100`, { headers });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Awaited<ReturnType<typeof search>>;
}

/** How far the index says to be complete; before there is one, a search is answered 503. */
async function complete(service: Service): Promise<number> {
  const answer = await fetch(`${service.url}/v1/search?chainId=orders&limit=1`, { headers });
  if (answer.status === 503) return 0;
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { completeThrough: Record<string, number> }).completeThrough['orders'] ?? 0;
}

async function searchCheck({ url }: Service): Promise<string | undefined> {
  const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: { name: string; status: string }[] };
  return checks.find(({ name }) => name === 'search')?.status;
}

/** Documents in all indices of that name, by Elasticsearch itself. */
async function documents(alias: string): Promise<number> {
  await fetch(`${server.endpoint}/_refresh`, { method: 'POST' });
  const { count } = (await (await fetch(`${server.endpoint}/${alias}-*,-${alias}-progress*,-${alias}-rejected*/_count`)).json()) as { count: number };
  return count;
}

describe('the role indexer', () => {
  it('alone feeds the index; a process with the role api searches it and writes nothing to it', async () => {
    const dataDir = await scratch();
    const api = await start(dataDir, { roles: ['api'], elasticsearchIndex: own('by-role') });
    await append(api, 40);
    // How long it takes who does feed one: another process on the same log, with an index of its own.
    const clock = await start(dataDir, { roles: ['api', 'indexer'], elasticsearchIndex: own('clock') });
    await until(async () => (await complete(clock)) === 40);
    expect(await documents(own('by-role'))).toBe(0);

    const indexer = await start(dataDir, { roles: ['indexer'], elasticsearchIndex: own('by-role') });
    await until(async () => (await complete(api)) === 40);
    expect((await search(api)).hits).toHaveLength(40);
    expect(await documents(own('by-role'))).toBe(40);
    const refused = await fetch(`${indexer.url}/v1/search?chainId=orders`, { headers });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'role_not_served']);
  });
});

describe('an Elasticsearch behind TLS that asks for an API key', () => {
  const KEY = 'aWQ6c2VjcmV0LW9mLXRoZS1rZXk=';
  let guard: Server;
  let url: string;
  let caFile: string;
  /** Requests by what they showed. Without any: the check of the guardrails, which asks what anybody may do. */
  const came = { right: 0, wrong: 0, without: 0 };

  beforeAll(async () => {
    const folder = await scratch();
    caFile = join(folder, 'cert.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'key.pem'), '-out', caFile], { stdio: 'ignore' });
    guard = createServer({ key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(caFile) }, (incoming, outgoing) => {
      const { authorization, ...others } = incoming.headers;
      if (authorization !== `ApiKey ${KEY}`) {
        came[authorization === undefined ? 'without' : 'wrong']++;
        incoming.resume().on('end', () => outgoing.writeHead(401, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' }).end('{"error":{"type":"security_exception"},"status":401}'));
        return;
      }
      came.right++;
      const forwarded = request(new URL(incoming.url ?? '/', server.endpoint), { method: incoming.method, headers: others }, (answer) => answer.pipe(outgoing.writeHead(answer.statusCode ?? 502, answer.headers)));
      incoming.pipe(forwarded).on('error', () => outgoing.destroy());
    });
    await new Promise<void>((resolve) => guard.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(guard.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    guard.closeAllConnections();
    guard.close();
  });

  it('is fed and searched with the key and the authority that are set', async () => {
    const service = await start(await scratch(), { elasticsearchUrl: url, elasticsearchApiKey: KEY, elasticsearchTlsCaFile: caFile, elasticsearchIndex: own('guarded') });
    await append(service, 30);
    await until(async () => (await complete(service)) === 30);
    expect((await search(service)).hits).toHaveLength(30);
    expect(await documents(own('guarded'))).toBe(30);
    await until(async () => (await searchCheck(service)) === 'ok');
    expect(came.wrong).toBe(0);
    expect(came.right).toBeGreaterThan(0);
  });

  it('is not reached with another key, and is told nothing where the authority is not the one that is set; appends go on', async () => {
    for (const settings of [{ elasticsearchApiKey: 'another', elasticsearchTlsCaFile: caFile }, { elasticsearchApiKey: KEY }]) {
      const before = { ...came };
      const service = await start(await scratch(), { elasticsearchUrl: url, elasticsearchIndex: own('refused'), ...settings });
      await append(service, 10);
      await until(async () => (await searchCheck(service)) === 'degraded');
      expect((await fetch(`${service.url}/v1/search`, { headers })).status).toBe(503);
      expect(await documents(own('refused'))).toBe(0);
      expect(came.right).toBe(before.right);
      // Without trust in the certificate the key must not leave this process.
      if (!('elasticsearchTlsCaFile' in settings)) expect(came).toEqual(before);
      else expect(came.wrong).toBeGreaterThan(before.wrong);
      // Else it would go on asking, and be counted with the next.
      await Promise.all(running.splice(0).map((one) => one.close()));
    }
  });
});
