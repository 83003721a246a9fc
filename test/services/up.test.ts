/**
 * `npm run services`, and tests on servers that run already. At stake: servers that are left behind when the script
 * ends, a bucket without Object Lock, and two replicas that are up and do not see each other's entries.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { GetObjectLockConfigurationCommand, HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import * as kafka from '../../scripts/services/kafka.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import * as moto from '../../scripts/services/moto.mjs';
import { freePort } from '../../scripts/services/process.mjs';
import { until } from '../support/until.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/services/up.mjs', import.meta.url));
const NAMES = ['INDELIBLE_TEST_S3_ENDPOINT', 'INDELIBLE_TEST_S3_ACCESS_KEY_ID', 'INDELIBLE_TEST_S3_SECRET_ACCESS_KEY', 'INDELIBLE_TEST_KMS_ENDPOINT', 'INDELIBLE_TEST_KAFKA_BROKERS', 'INDELIBLE_TEST_ELASTICSEARCH_URL'] as const;

/** Each is ended by the test itself; one that failed must not leave a whole set of servers behind. */
const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    await closed;
  }
  for (const name of NAMES) Reflect.deleteProperty(process.env, name);
});

interface Up {
  readonly child: ChildProcess;
  /** As it prints them for a shell. */
  readonly settings: Readonly<Record<string, string>>;
  readonly said: string;
  readonly closed: Promise<unknown[]>;
}

/** Returns once all of it is up. @throws Error with what it said, if it ends before */
async function up(...args: readonly string[]): Promise<Up> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const closed = once(child, 'close');
  await Promise.race([
    until(() => err.includes('services: up')),
    closed.then(() => {
      throw new Error(`it ended: ${err}`);
    }),
  ]);
  const settings = Object.fromEntries([...out.matchAll(/^export (\w+)='([^']*)'$/gm)].map(([, name, value]) => [name!, value!]));
  return { child, settings, said: err, closed };
}

describe('scripts/services/up.mjs', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('starts what is asked for, says how to use it, and ends it on %s', async (signal) => {
    await minio.install();
    const { child, settings, closed } = await up('--parts', 'minio');
    expect(settings).toMatchObject({ INDELIBLE_STORE: 's3', INDELIBLE_S3_FORCE_PATH_STYLE: 'true', INDELIBLE_S3_BUCKET: 'audit-log' });
    const endpoint = settings['INDELIBLE_S3_ENDPOINT']!;
    const client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: settings['AWS_ACCESS_KEY_ID']!, secretAccessKey: settings['AWS_SECRET_ACCESS_KEY']! },
    });
    const { ObjectLockConfiguration: lock } = await client.send(new GetObjectLockConfigurationCommand({ Bucket: 'audit-log' }));
    expect(lock?.ObjectLockEnabled).toBe('Enabled');

    // Tests use it, too, and leave it running; each bucket is a new one.
    for (const name of NAMES) if (settings[name] !== undefined) process.env[name] = settings[name];
    const [one, two] = [await minio.start(), await minio.start()];
    expect(one.endpoint).toBe(endpoint);
    const buckets = [await one.createBucket('contract'), await two.createBucket('contract')];
    expect(new Set(buckets).size).toBe(2);
    expect(() => one.server).toThrow(/own: true/);
    await one.dispose();
    await two.dispose();
    await client.send(new HeadBucketCommand({ Bucket: buckets[0]! }));
    client.destroy();

    child.kill(signal);
    expect((await closed)[0]).toBe(0);
    await expect(fetch(`${endpoint}/minio/health/live`)).rejects.toThrow();
  });

  it('with all parts and two replicas: what one takes, the other reads, streams and finds, proven; then nothing is left running', { timeout: 600_000 }, async () => {
    const port = await freePort(2);
    const { child, settings, said, closed } = await up('--replicas', '2', '--port', String(port));
    const [one, two] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`];
    for (const url of [one, two]) expect(said).toContain(url);
    const headers = { authorization: `Bearer ${settings['INDELIBLE_ADMIN_TOKEN']}`, 'content-type': 'application/json' };
    const ask = async (url: string): Promise<Record<string, unknown>> => {
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(20_000) });
      expect(answer.status, url).toBe(200);
      return (await answer.json()) as Record<string, unknown>;
    };
    const append = async (url: string, entryId: string): Promise<Receipt> => {
      const body = JSON.stringify({ entryId, action: 'order.place', actor: { type: 'user', id: entryId, name: 'Ada Lovelace' } });
      // As producers do: a replica whose view is not at the head yet answers 503, and is asked again with the same id.
      for (let tries = 0; ; tries++) {
        const answer = await fetch(`${url}/v1/chains/orders/entries`, { method: 'POST', headers, body });
        if (answer.status === 503 && tries < 20) {
          await answer.arrayBuffer();
          await new Promise((resolve) => setTimeout(resolve, 500));
          continue;
        }
        expect([200, 201]).toContain(answer.status);
        return (await answer.json()) as Receipt;
      }
    };

    const receipts = [await append(one, 'first')];
    const streaming = new AbortController();
    let stream = '';
    const ended = (async () => {
      const answer = await fetch(`${two}/v1/chains/orders/entries/stream?from=0`, { headers, signal: streaming.signal });
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) stream += Buffer.from(chunk).toString();
    })().catch((error: unknown) => {
      if (!streaming.signal.aborted) throw error;
    });
    for (let n = 0; n < 20; n++) receipts.push(await append(n % 4 === 3 ? two : one, `entry-${n}`));
    await until(() => /^id: 20$[^]*?\n\n/m.test(stream));
    expect([...stream.matchAll(/^data: (.*)$/gm)].map(([, data]) => data)).toEqual(receipts.map(({ payload }) => payload));
    streaming.abort();
    await ended;

    expect(await ask(`${two}/v1/chains/orders/exists/entry-0`)).toMatchObject({ exists: true, sequence: 1 });
    const page = await ask(`${two}/v1/chains/orders/entries?from=0&limit=100`);
    expect(JSON.stringify(page)).toContain('"entry-19"');
    // Elasticsearch answers: with the entries of both, each held against the log.
    const query = `${two}/v1/search?chainId=orders&text=lovelace&verified=true&limit=100&order=oldest`;
    await until(async () => {
      const answer = await fetch(query, { headers });
      // The index is being made.
      if (answer.status === 503) return false;
      expect(answer.status).toBe(200);
      return ((await answer.json()) as { completeThrough: Record<string, number> }).completeThrough['orders'] === receipts.length;
    });
    const found = await ask(query);
    expect(found['contradicted']).toEqual([]);
    expect((found['hits'] as { receipt: Receipt }[]).map(({ receipt }) => [receipt.sequence, receipt.entryHash, receipt.payload])).toEqual(receipts.map(({ sequence, entryHash, payload }) => [sequence, entryHash, payload]));
    const { count } = (await (await fetch(`${settings['INDELIBLE_ELASTICSEARCH_URL']}/audit-entries/_count?q=indelible.chain_id:orders`)).json()) as { count: number };
    expect(count).toBe(receipts.length);

    for (const url of [one, two]) {
      const checksOf = async (): Promise<string[]> => {
        const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: { name: string; status: string; detail?: string }[] };
        return checks.map(({ name, status, detail = '' }) => `${name} ${status} ${detail}`.trim());
      };
      await expect.poll(checksOf, { interval: 100 }).toEqual(['store ok', 'signer ok', 'view ok', 'search ok', 'mirror ok']);
    }

    // Tests use these servers where they are told to, and leave them running.
    for (const name of NAMES) process.env[name] = settings[name];
    const [broker, index, kms] = [await kafka.start(), await elasticsearch.start(), await moto.start()];
    expect([broker.broker, index.endpoint, kms.endpoint]).toEqual([settings['INDELIBLE_KAFKA_BROKERS'], settings['INDELIBLE_ELASTICSEARCH_URL'], settings['INDELIBLE_KMS_ENDPOINT']]);
    for (const one of [broker, index, kms]) expect(() => one.server).toThrow(/own: true/);
    expect(await kms.createKey()).toMatch(/^arn:/);
    await Promise.all([broker.dispose(), index.dispose(), kms.dispose()]);
    for (const url of [one, two]) await until(async () => (await fetch(`${url}/readyz`)).status === 200);

    const pids = children(child.pid!);
    // Two replicas and four servers.
    expect(pids.length).toBeGreaterThanOrEqual(6);
    child.kill('SIGINT');
    expect((await closed)[0]).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0), `process ${pid} was left running`).toThrow('ESRCH');
  });

  it.each([
    [['--parts', 'minio,mango'], /--parts: expected some of minio, moto, kafka, elasticsearch, got mango/],
    [['--replicas', 'many'], /--replicas: expected 0 to 8, got many/],
  ])('%j is refused before anything is started', async (args, message) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    expect((await once(child, 'close'))[0]).toBe(1);
    expect(err).toMatch(message);
    expect(err).not.toContain('starting');
  });
});

/** Process ids of what a process has started. */
function children(pid: number): number[] {
  return execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).trim().split(/\s+/).map(Number);
}
