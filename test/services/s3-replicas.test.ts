/**
 * Replicas as they run in production: processes of their own, one bucket, no lock service between them. At stake: an
 * entry that two of them number alike, one that is acknowledged and gone, and producers of one replica that starve
 * because another is always first.
 */
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { segmentPrefix } from '#indelible/core/chain.js';
import type { Receipt } from '#indelible/core/receipt.js';
import * as minio from '../../scripts/services/minio.mjs';
import { temporaryFolder } from '../cli/cli.js';
import { generator } from '../simulation/world.js';
import { until } from '../support/until.js';
import { auditBucket } from './support/audit-bucket.js';
import { environment, metricsOf, Producer, serve } from './support/serve.js';
import type { Running } from './support/serve.js';

const CHAIN = 'orders';
const KILLS = Number(process.env['REPLICAS_KILLS'] ?? 20);
/** Of its requests: what every replica has answered when the first one is done. */
const LEAST_SHARE = 0.25;
/** A segment: else most of what is written to the bucket would be for nothing. 0.41 to 0.54 were seen where nothing else ran beside it. */
const MOST_LOST_RACES = 1;
const folder = temporaryFolder();
const producer = new Producer();
afterAll(() => producer.close());

let onMinio: Awaited<ReturnType<typeof minio.start>>;
beforeAll(async () => {
  onMinio = await minio.start();
});
afterAll(() => onMinio.dispose());

/** `count` replicas of one deployment: they share nothing but the bucket and the signing key. */
async function replicas(name: string, count: number, env: Readonly<Record<string, string>>): Promise<{ dataDirs: string[]; running: Running[] }> {
  const dataDirs = Array.from({ length: count }, (_, at) => join(folder, `${name}-${at}`));
  const [first = '', ...others] = dataDirs;
  const running = [await serve(first, env)];
  for (const dataDir of others) cpSync(join(first, 'keys'), join(dataDir, 'keys'), { recursive: true });
  running.push(...(await Promise.all(others.map((dataDir) => serve(dataDir, env)))));
  return { dataDirs, running };
}

const quantile = (sorted: readonly number[], q: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);

describe('many replicas on one bucket', () => {
  it('8 × 1,000 appends to one chain: contiguous, none twice, intact, and no replica starves', { timeout: 900_000 }, async () => {
    const [REPLICAS, EACH, SHARED, CLIENTS] = [8, 1_000, 100, 32];
    const bucket = await onMinio.createBucket('eight');
    const env = environment(onMinio, bucket);
    const { dataDirs, running } = await replicas('eight', REPLICAS, env);
    const before = await Promise.all(running.map(metricsOf));
    const receipts: Receipt[] = [];
    const latencies: number[][] = running.map(() => []);
    const refusals: number[] = running.map(() => 0);
    const finished: number[] = running.map(() => 0);
    const answered: number[] = running.map(() => 0);
    /** What each replica has answered when the first one is done. */
    let atFirstEnd: readonly number[] = [];

    const began = performance.now();
    await Promise.all(
      running.map(async ({ url }, replica) => {
        let next = 0;
        const client = async (): Promise<void> => {
          while (next < EACH + SHARED) {
            const n = next++;
            // Beside its own ids, each gets some that all get: a producer that fails over, or several that share an id.
            const entryId = n % 11 === 10 ? `shared-${n}` : `replica-${replica}-${n}`;
            const sent = performance.now();
            for (;;) {
              const { status, body } = await producer.append(url, CHAIN, entryId);
              if (status === 201 || status === 200) {
                receipts.push(JSON.parse(body) as Receipt);
                break;
              }
              if (status !== 503) throw new Error(`${status}: ${body}`);
              refusals[replica]! += 1;
              await sleep(20);
            }
            latencies[replica]!.push(performance.now() - sent);
            answered[replica]! += 1;
          }
        };
        await Promise.all(Array.from({ length: CLIENTS }, client));
        finished[replica] = performance.now() - began;
        if (atFirstEnd.length === 0) atFirstEnd = [...answered];
      }),
    );
    const took = performance.now() - began;

    const sum = (after: readonly Map<string, number>[], pattern: RegExp): number =>
      after.reduce((total, samples, at) => total + [...samples].reduce((part, [name, value]) => (pattern.test(name) ? part + value - (before[at]!.get(name) ?? 0) : part), 0), 0);
    const after = await Promise.all(running.map(metricsOf));
    for (const one of running) expect((await one.stop('SIGTERM')).code).toBe(0);
    const { ids, writerIds, segments } = await auditBucket({ where: onMinio, bucket, dataDir: dataDirs[0]!, env }, CHAIN, receipts);

    const lost = sum(after, /^indelible_commit_seconds_count\{.*outcome="lost"/);
    const requests = sum(after, /^indelible_store_call_seconds_count\{/);
    const operations = ['create', 'versions', 'read', 'list'].map((operation) => `${operation} ${sum(after, new RegExp(`^indelible_store_call_seconds_count\\{.*operation="${operation}"`))}`);
    const sorted = latencies.map((of) => of.toSorted((a, b) => a - b));
    console.log(
      `8 replicas: ${ids.length} entries in ${Math.round(took)} ms (${Math.round((1_000 * ids.length) / took)}/s), ${segments} segments, ${lost} lost races (${(lost / segments).toFixed(2)} a segment), ` +
        `${requests} store calls (${operations.join(', ')})\n` +
        sorted.map((of, at) => `  replica ${at}: p50 ${quantile(of, 0.5)} ms, p99 ${quantile(of, 0.99)} ms, longest ${quantile(of, 1)} ms, ${refusals[at]} refused, done after ${Math.round(finished[at]!)} ms, ${atFirstEnd[at]} answered when the first was done`).join('\n'),
    );
    expect(ids).toHaveLength(REPLICAS * EACH + SHARED);
    expect(new Set(ids).size).toBe(ids.length);
    expect(receipts).toHaveLength(REPLICAS * (EACH + SHARED));
    expectOnePlaceEach(receipts);
    // All of them wrote, and none lived on what the others left: against each other, so that a slow machine is no fault.
    expect(new Set(writerIds).size).toBe(REPLICAS);
    for (const [replica, count] of atFirstEnd.entries()) expect(count, `replica ${replica} when the first was done`).toBeGreaterThan((EACH + SHARED) * LEAST_SHARE);
    expect(lost / segments, 'lost races a segment').toBeLessThan(MOST_LOST_RACES);
  });

  it(`killed at random moments, ${KILLS} times, under producers that go on at another: nothing acknowledged is lost or doubled`, { timeout: 600_000 }, async () => {
    const seed = Number(process.env['REPLICAS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`killed replicas: seed ${seed} (REPLICAS_SEED repeats the choices, not the timing)`);
    const random = generator(seed);
    const bucket = await onMinio.createBucket('killed-replicas');
    const env = environment(onMinio, bucket, { INDELIBLE_LOG_LEVEL: 'error' });
    const { dataDirs, running } = await replicas('killed', 3, env);
    const receipts: Receipt[] = [];
    let [over, repeats] = [false as boolean, 0];
    const client = async (number: number): Promise<void> => {
      for (let n = 0; !over; n++) {
        // Some ids are sent by two producers at once.
        const entryId = n % 10 === 0 ? `pair-${number >> 1}-${n}` : `client-${number}-${n}`;
        for (;;) {
          const answer = await producer.append(running[Math.floor(random() * running.length)]!.url, CHAIN, entryId).catch((error: unknown) => {
            // A connection that broke has a code; anything else is a defect of the test.
            if ((error as NodeJS.ErrnoException).code === undefined) throw error;
            return undefined;
          });
          if (answer?.status === 201 || answer?.status === 200) {
            receipts.push(JSON.parse(answer.body) as Receipt);
            break;
          }
          if (answer !== undefined && answer.status !== 503) throw new Error(`${answer.status}: ${answer.body}`);
          repeats += 1;
          await sleep(10 + random() * 50);
        }
      }
    };
    const clients = Array.from({ length: 16 }, (_, number) => client(number));
    for (let kill = 0; kill < KILLS; kill++) {
      await Promise.race([sleep(100 + random() * 900), Promise.all(clients)]);
      const at = Math.floor(random() * running.length);
      await running[at]!.stop('SIGKILL');
      running[at] = await serve(dataDirs[at]!, env);
    }
    over = true;
    await Promise.all(clients);
    for (const one of running) {
      const { code, stderr } = await one.stop('SIGTERM');
      expect({ code, stderr: stderr.split('\n').filter((line) => /security finding|chain halted/.test(line)) }).toEqual({ code: 0, stderr: [] });
    }
    const { ids, segments } = await auditBucket({ where: onMinio, bucket, dataDir: dataDirs[0]!, env }, CHAIN, receipts);
    console.log(`killed replicas: ${KILLS} kills, ${receipts.length} acknowledged, ${repeats} repeats, ${ids.length} entries in ${segments} segments`);
    expect(receipts.length).toBeGreaterThan(KILLS * 10);
    expectOnePlaceEach(receipts);
  });

  it('a replica with another role than api writes nothing to the bucket, lets nobody in and needs no token', async () => {
    const bucket = await onMinio.createBucket('roles');
    const second = await onMinio.createBucket('roles-second');
    const env = environment(onMinio, bucket);
    const { dataDirs, running } = await replicas('roles', 1, env);
    const [api] = running as [Running];
    expect((await producer.append(api.url, CHAIN, 'first')).status).toBe(201);
    // Soon after its start a service tells its own chain what protects the log: the second entry there.
    await until(async () => (await keysIn(bucket)).filter((key) => key.startsWith(segmentPrefix('_system'))).length >= 2);
    const before = await keysIn(bucket);

    const dataDir = join(folder, 'roles-mirror');
    cpSync(join(dataDirs[0]!, 'keys'), join(dataDir, 'keys'), { recursive: true });
    const mirror = await serve(dataDir, { ...env, INDELIBLE_ROLES: 'mirror', INDELIBLE_S3_REPLICA_BUCKET: second });
    expect(mirror.said).not.toContain('token');
    expect(existsSync(join(dataDir, 'access'))).toBe(false);
    expect(await producer.append(mirror.url, CHAIN, 'second')).toMatchObject({ status: 503, body: expect.stringContaining('"code":"role_not_served"') as string });
    await until(async () => (await fetch(`${mirror.url}/readyz`)).status === 200);
    for (const path of ['/healthz', '/metrics', '/openapi.json']) expect((await fetch(`${mirror.url}${path}`)).status, path).toBe(200);
    // It does its own work: what the other has appended is copied.
    await until(async () => (await keysIn(second)).some((key) => key.startsWith(segmentPrefix(CHAIN))));
    expect((await mirror.stop('SIGTERM')).code).toBe(0);
    expect(await keysIn(bucket)).toEqual(before);
    await api.stop('SIGTERM');
  });
});

async function keysIn(bucket: string): Promise<string[]> {
  const { Versions = [] } = await onMinio.admin.send(new ListObjectVersionsCommand({ Bucket: bucket }));
  return Versions.map(({ Key = '', VersionId = '' }) => `${Key} ${VersionId}`);
}

/** Whoever sent an id, and to whichever replica: it has one place in the chain. */
function expectOnePlaceEach(receipts: readonly Receipt[]): void {
  const places = new Map<string, number>();
  for (const { entryId, sequence } of receipts) {
    expect(places.get(entryId) ?? sequence, entryId).toBe(sequence);
    places.set(entryId, sequence);
  }
}
