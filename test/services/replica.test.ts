/**
 * Two MinIO servers, two fault domains. What is at stake: that the second really holds everything when the first is
 * lost, whatever happened to either on the way, and that appends never notice.
 */
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import { receiptOf } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { SegmentReader } from '#indelible/ledger/reader.js';
import { establishTrust } from '#indelible/ledger/trust.js';
import type { ChainTrust } from '#indelible/ledger/trust.js';
import { compareChain, evidenceOf } from '#indelible/replica/compare.js';
import type { Difference } from '#indelible/replica/difference.js';
import { FallbackReader } from '#indelible/replica/fallback-reader.js';
import { trySecond } from '#indelible/replica/open.js';
import { Replica } from '#indelible/replica/replica.js';
import { withComparison } from '#indelible/replica/verify.js';
import { boundCalls } from '#indelible/storage/bounded.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import type { S3StoreOptions } from '#indelible/storage/s3/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import type { Retention, StoreReader } from '#indelible/storage/worm-store.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import pino from 'pino';
import { loadConfig } from '#indelible/config.js';
import { startService } from '#indelible/service.js';
import * as minio from '../../scripts/services/minio.mjs';
import { cli, jsonOf, temporaryFolder } from '../cli/cli.js';
import { auditChain } from '../support/audit.js';
import { buildSegments, TEST_DEPLOYMENT, TEST_KEY } from '../support/chain-builder.js';
import { MemoryIndex } from '../support/memory-index.js';
import { until } from '../support/until.js';
import { environment, metricsOf, Producer, serve, TOKEN } from './support/serve.js';

type Minio = Awaited<ReturnType<typeof minio.start>>;

const TIMEOUT_MS = 3_000;
let here: Minio;
let there: Minio;
beforeAll(async () => {
  [here, there] = await Promise.all([minio.start(), minio.start()]);
});
afterAll(async () => {
  await here.dispose();
  await there.dispose();
});

let rooms = 0;
const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const retention = (): Retention => ({ mode: 'governance', retainUntil: new Date(Date.now() + 3_600_000).toISOString() });

interface Room {
  readonly bucket: string;
  readonly first: S3Store;
  readonly second: S3Store;
  readonly trust: ChainTrust;
  readonly differences: Difference[];
  readonly fallbacks: string[];
  open(copies?: boolean): { readonly ledger: Ledger; readonly replica: Replica; close(): Promise<void> };
}

function optionsIn(bucket: string, { endpoint, credentials }: Minio): S3StoreOptions {
  const settingPrefix = 'INDELIBLE_S3_REPLICA';
  return { bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: TIMEOUT_MS, settingPrefix };
}

/** A bucket in each, and a deployment in the first. */
async function room(): Promise<Room> {
  const bucket = `room-${rooms++}`;
  await Promise.all([here.createBucket(bucket), there.createBucket(bucket)]);
  const storeIn = (server: Minio): S3Store => {
    const store = new S3Store(optionsIn(bucket, server));
    opened.push(store);
    return store;
  };
  const [first, second] = [storeIn(here), storeIn(there)];
  const trust = await establishTrust(first, TEST_KEY, { deployment: TEST_DEPLOYMENT, now: `2026-01-01T00:00:${String(10 + rooms)}Z`, retention: retention() });
  const differences: Difference[] = [];
  const fallbacks: string[] = [];
  const timer = (ms: number, callback: () => void): (() => void) => systemHost.after(ms, callback);
  return {
    bucket,
    first,
    second,
    trust,
    differences,
    fallbacks,
    open(copies = true) {
      const bounded = boundCalls(second, timer, TIMEOUT_MS);
      const ledger = new Ledger({
        store: first,
        signer: TEST_KEY,
        trust,
        index: new MemoryIndex(),
        host: systemHost,
        writerId: 'writer',
        limits: { maxQueuedEntries: 10_000, maxQueuedBytes: 100_000_000, answerWithinMs: 5_000, callTimeoutMs: TIMEOUT_MS },
        retention,
        onCommitted: () => undefined,
        onFinding: () => undefined,
        onTrouble: () => undefined,
        cutOff: (chainId) => replica.cutOff(chainId),
        readThrough: (reader) => new FallbackReader(reader, new SegmentReader(bounded, trust), (segment) => fallbacks.push(segment.key)),
      });
      const replica: Replica = new Replica({
        ledger,
        first: boundCalls(first, timer, TIMEOUT_MS),
        second: bounded,
        trust,
        host: systemHost,
        copies,
        retention,
        prepare: () => trySecond(first, optionsIn(bucket, there), retention()),
        lookEveryMs: 500,
        inspectEveryMs: 500,
        onDifference: (difference) => differences.push(difference),
        onTrouble: () => undefined,
      });
      const one = {
        ledger,
        replica,
        close: async () => {
          await ledger.close(Promise.resolve());
          await replica.close();
        },
      };
      opened.push(one);
      return one;
    },
  };
}

async function append(ledger: Ledger, chainId: string, count: number): Promise<Receipt[]> {
  const items = Array.from({ length: count }, (_, i) => ({ event: `{"action":"a","actor":{"id":"u${i}","type":"t"}}` }));
  return (await ledger.append(chainId, items)).map(({ segment, at }) => receiptOf(segment, at));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Every object of the log in both, read with nothing of the replica's code, and held against each other. */
async function expectEqual({ first, second }: Room): Promise<number> {
  const keysOf = async (store: StoreReader): Promise<string[]> => {
    const keys: string[] = [];
    for (const prefix of ['deployment.json', 'keys/', 'chains/']) for await (const key of everyKey(store, prefix)) keys.push(key);
    return keys;
  };
  const keys = await keysOf(first);
  expect(await keysOf(second)).toEqual(keys);
  for (const key of keys) {
    const [a, b] = await Promise.all([first.read(key), second.read(key)]);
    expect(Buffer.compare(a!, b!), key).toBe(0);
  }
  return keys.length;
}

describe('the second bucket', () => {
  it('equals the first byte for byte after it was killed, restarted and paused under load; no append failed or waited for it', { timeout: 600_000 }, async () => {
    const one = await room();
    const { ledger, replica } = one.open();
    const receipts: Receipt[] = [];
    let isOver = false;
    const load = ['orders', 'payments'].map(async (chainId) => {
      for (let n = 0; !isOver; n++) {
        receipts.push(...(await append(ledger, chainId, 1 + (n % 20))));
        await pause(5);
      }
    });
    await until(() => replica.replicatedThrough('orders') > 0);
    await pause(1_000);
    await there.server.kill();
    const atDeath = receipts.length;
    await pause(3_000);
    expect(replica.check()).toMatchObject({ name: 'replica', status: 'degraded' });
    const whileDown = receipts.length;
    const lagWhileDown = replica.lag;
    await there.server.start();
    await pause(2_000);
    there.server.pause();
    const atPause = receipts.length;
    await pause(3_000);
    const whilePaused = receipts.length;
    there.server.resume();
    await pause(1_000);
    isOver = true;
    await Promise.all(load);

    await until(() => replica.lag === 0);
    await until(() => replica.check().status === 'ok');
    const objects = await expectEqual(one);
    for (const chainId of ['orders', 'payments']) {
      const own = receipts.filter((receipt) => receipt.chainId === chainId);
      expect(replica.replicatedThrough(chainId)).toBe(own.length);
      await auditChain((key) => one.second.read(key), { deployment: TEST_DEPLOYMENT, chainId, publicKey: TEST_KEY.publicKey }, own);
    }
    for await (const key of everyKey(one.second, 'chains/')) {
      const versions = await one.second.versions(key);
      expect(versions).toHaveLength(1);
      expect(versions[0]?.retention).toMatchObject({ mode: 'governance' });
      expect(Date.parse((versions[0]?.retention as Retention).retainUntil)).toBeGreaterThan(Date.now() + 3_000_000);
    }
    expect(one.differences).toEqual([]);
    expect(lagWhileDown).toBeGreaterThan(0);
    console.log(`second bucket: ${receipts.length} entries in ${objects} objects, ${lagWhileDown} behind while it was down`);
    // More than what was under way: two appends of at most twenty.
    for (const [from, to] of [[atDeath, whileDown], [atPause, whilePaused]] as const) expect(to - from).toBeGreaterThan(40);
  });

  it('gives the entries while the first is down', async () => {
    const one = await room();
    const { ledger, replica } = one.open();
    const receipts: Receipt[] = [];
    for (let n = 0; n < 30; n++) receipts.push(...(await append(ledger, 'orders', 2)));
    await until(() => replica.lag === 0);
    const other = one.open(false);
    await other.ledger.chain('orders');
    await here.server.kill();
    try {
      for (const { sequence, payload } of [0, 17, 42, 59].map((n) => receipts[n]!)) {
        const { segment, at } = await other.ledger.entry('orders', sequence);
        expect(segment.payloads[at]).toBe(payload);
      }
      expect(one.fallbacks.length).toBeGreaterThan(0);
    } finally {
      await here.server.start();
    }
  });

  it('is found to differ wherever somebody made it differ', { timeout: 600_000 }, async () => {
    const one = await room();
    const running = one.open();
    for (let n = 0; n < 20; n++) await append(running.ledger, 'orders', 3);
    await until(() => running.replica.lag === 0);
    expect(await verify(one)).toMatchObject({ verdict: 'intact', heldAgainst: [{ outcome: 'contained', size: 60 }] });

    // Behind.
    await running.close();
    const alone = one.open(false);
    await append(alone.ledger, 'orders', 3);
    await alone.close();
    expect(await verify(one)).toMatchObject({ verdict: 'incomplete', findings: [{ code: 'unverified_range', sequence: 60, lastSequence: 62 }] });

    // A delete marker, and over it something else: the first version is what counts. Junk at the end, and far ahead.
    const hidden = segmentKey('orders', 30);
    await there.admin.send(new DeleteObjectCommand({ Bucket: one.bucket, Key: hidden }));
    await there.admin.send(new PutObjectCommand({ Bucket: one.bucket, Key: hidden, Body: 'forged' }));
    expect(await one.second.read(hidden)).toEqual(await one.first.read(hidden));
    await there.admin.send(new PutObjectCommand({ Bucket: one.bucket, Key: segmentKey('orders', 7_000), Body: 'junk' }));
    const report = await verify(one);
    expect(new Set(report.findings.map(({ code }) => code))).toEqual(new Set(['unverified_range', 'foreign_object', 'delete_marker', 'shadow_version']));

    // And in the place of the next copy: that is written over.
    await there.admin.send(new PutObjectCommand({ Bucket: one.bucket, Key: segmentKey('orders', 60), Body: 'junk' }));

    // The copier goes on beside all that, and tells of it.
    const again = one.open();
    await until(() => again.replica.replicatedThrough('orders') === 63);
    await until(() => one.differences.some(({ code, key }) => code === 'foreign_object' && key === segmentKey('orders', 7_000)));
    expect(again.replica.cutOff('orders')).toBeUndefined();
    await again.close();
    const [junk, copy] = await one.second.versions(segmentKey('orders', 60));
    expect(await one.second.read(segmentKey('orders', 60), junk?.versionId)).toEqual(new TextEncoder().encode('junk'));
    expect(await one.second.read(segmentKey('orders', 60), copy?.versionId)).toEqual(await one.first.read(segmentKey('orders', 60)));
    expect(copy?.retention).toMatchObject({ mode: 'governance' });
    const { findings } = await verify(one);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'foreign_object', key: segmentKey('orders', 60) }));
    expect(findings.filter(({ sequence }) => sequence !== undefined)).toEqual([]);

    // Another signed segment in the next place: the key was used twice.
    const next = buildSegments({ chainId: 'orders', counts: [60, 3, 2] })[2]!;
    await one.second.create(next.key, next.bytes, retention());
    expect((await verify(one)).findings).toContainEqual(expect.objectContaining({ code: 'truncated_tail', sequence: 63 }));
    const last = one.open();
    await until(() => last.replica.check().status === 'failed');
    await expect(append(last.ledger, 'orders', 1)).rejects.toMatchObject({ code: 'chain_halted' });
  });

  it('finds a first bucket that lost its newest objects, by itself at start', async () => {
    const one = await room();
    const segments = buildSegments({ chainId: 'orders', counts: [3, 3, 3] });
    for (const [n, { key, bytes }] of segments.entries()) {
      if (n < 2) await one.first.create(key, bytes, retention());
      await one.second.create(key, bytes, retention());
    }
    const { ledger, replica } = one.open();
    await replica.looked();
    await until(() => one.differences.length > 0);
    expect(one.differences).toEqual([expect.objectContaining({ code: 'truncated_tail', chainId: 'orders' })]);
    await expect(append(ledger, 'orders', 1)).rejects.toMatchObject({ code: 'chain_halted' });
    expect((await verify(one)).findings).toContainEqual(expect.objectContaining({ code: 'truncated_tail', sequence: 6, lastSequence: 8 }));
    const after: string[] = [];
    for await (const key of everyKey(one.first, segmentPrefix('orders'))) after.push(key);
    expect(after).toHaveLength(2);
  });

  it('is refused if it can not lock, or belongs to another log; one that is down is not', async () => {
    const [one, other] = [await room(), await room()];
    const named = (bucket: string): Promise<void> => trySecond(one.first, optionsIn(bucket, there), retention());
    await there.createBucket('plain', { lock: false });
    const refused = (why: RegExp): Error => expect.objectContaining({ name: 'StoreSetupError', message: expect.stringMatching(why) as unknown }) as Error;
    await expect(named('plain')).rejects.toEqual(refused(/Object Lock.*INDELIBLE_S3_REPLICA_BUCKET/));
    await expect(named('nothing-here')).rejects.toEqual(refused(/no bucket nothing-here.*INDELIBLE_S3_REPLICA_BUCKET/));
    const running = other.open();
    await append(running.ledger, 'orders', 1);
    await until(() => running.replica.lag === 0);
    await expect(named(other.bucket)).rejects.toEqual(refused(/another deployment.*INDELIBLE_S3_REPLICA_BUCKET/));
    await expect(trySecond(one.first, { ...optionsIn('away', there), endpoint: 'http://127.0.0.1:9' }, retention())).rejects.toMatchObject({ name: 'StoreError' });
    await named(one.bucket);
  });
});

describe('a service with a second bucket', () => {
  it('says what is replicated, reads from either, and its verification uses both', { timeout: 600_000 }, async () => {
    const one = await room();
    const dataDir = temporaryFolder();
    const token = 'test-admin-token-0123456789';
    const env = {
      AWS_ACCESS_KEY_ID: here.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: here.credentials.secretAccessKey,
      INDELIBLE_DATA_DIR: dataDir,
      INDELIBLE_STORE: 's3',
      INDELIBLE_S3_BUCKET: `${one.bucket}-own`,
      INDELIBLE_S3_ENDPOINT: here.endpoint,
      INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
      INDELIBLE_S3_REPLICA_BUCKET: `${one.bucket}-own`,
      INDELIBLE_S3_REPLICA_ENDPOINT: there.endpoint,
    };
    await Promise.all([here.createBucket(env.INDELIBLE_S3_BUCKET), there.createBucket(env.INDELIBLE_S3_BUCKET)]);
    const before = { ...process.env };
    Object.assign(process.env, env);
    const service = await startService(loadConfig(env, { port: 0, adminToken: token }, 'none.json'), pino({ level: 'silent' }));
    opened.push(service);
    process.env = before;

    const call = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> =>
      (await (await fetch(`${service.url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } })).json()) as Record<string, unknown>;
    for (let n = 0; n < 5; n++) await call('/v1/chains/orders/entries', { method: 'POST', body: `{"action":"a","actor":{"type":"user","id":"u${n}"}}` });
    await until(async () => (await call('/v1/chains/orders/entries/4'))['state'] === 'replicated');
    expect((await call('/v1/chains'))['chains']).toContainEqual(expect.objectContaining({ chainId: 'orders', size: 5, replicatedThrough: 5 }));
    await expect.poll(async () => (await call('/readyz'))['checks']).toContainEqual({ name: 'replica', status: 'ok' });
    // The service's own entries, too, some of which it makes a moment after its start.
    await until(async () => /^indelible_replica_lag_entries 0$/m.test(await (await fetch(`${service.url}/metrics`)).text()));

    expect(jsonOf(await cli(['verify', '--against-replica', '--chain', 'orders', '--json'], { env }))).toMatchObject({ verdict: 'intact', chains: [{ entriesChecked: 5, heldAgainst: [{ outcome: 'contained', size: 5 }] }] });
    expect(jsonOf(await cli(['verify', '--replica', '--chain', 'orders', '--json'], { env }))).toMatchObject({ verdict: 'intact', chains: [{ entriesChecked: 5 }] });

    await there.server.kill();
    await call('/v1/chains/orders/entries', { method: 'POST', body: '{"action":"a","actor":{"type":"user","id":"alone"}}' });
    expect((await call('/v1/chains/orders/entries/5'))['state']).toBe('durable');
    await until(async () => (await call('/readyz'))['status'] === 'degraded');
    await there.server.start();
    await until(async () => (await call('/v1/chains/orders/entries/5'))['state'] === 'replicated');

    await here.server.kill();
    try {
      expect(await call('/v1/chains/orders/entries/3')).toMatchObject({ sequence: 3, state: 'replicated' });
      expect(await call('/v1/chains/orders/entries')).toMatchObject({ next: 6 });
    } finally {
      await here.server.start();
    }
    const refused = await cli(['serve', '--port', '0'], { env: { ...env, INDELIBLE_S3_REPLICA_BUCKET: 'not-there' } });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/no bucket not-there: check INDELIBLE_S3_REPLICA_BUCKET/);
  });
});

describe('a second bucket that the provider fills', () => {
  it('is read and compared, and nothing is ever written to it by the service', async () => {
    const bucket = 'filled-by-others';
    await Promise.all([here.createBucket(bucket), there.createBucket(bucket)]);
    const env = {
      ...environment(here, bucket),
      INDELIBLE_S3_REPLICA_BUCKET: bucket,
      INDELIBLE_S3_REPLICA_ENDPOINT: there.endpoint,
      INDELIBLE_S3_REPLICA_COPIED_BY: 'provider',
    };
    const service = await serve(temporaryFolder(), env);
    const producer = new Producer();
    try {
      for (let n = 0; n < 6; n++) expect((await producer.append(service.url, 'orders', `order-${n}`)).status).toBe(201);
      const [first, second] = [here, there].map((server) => new S3Store(optionsIn(bucket, server)));
      opened.push(first!, second!);
      /** As the replication of buckets does: the newest first, with the lock of what is copied. */
      const replicate = async (change: (key: string, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes): Promise<void> => {
        const keys: string[] = [];
        for (const prefix of ['deployment.json', 'keys/', 'chains/']) for await (const key of everyKey(first!, prefix)) keys.push(key);
        for (const key of keys.reverse()) {
          const [version] = await first!.versions(key);
          await second!.create(key, change(key, (await first!.read(key))!), version!.retention as Retention);
        }
      };
      await replicate();
      const state = async (sequence: number): Promise<unknown> => {
        const answer = await fetch(`${service.url}/v1/chains/orders/entries/${sequence}`, { headers: { authorization: `Bearer ${TOKEN}` } });
        return ((await answer.json()) as { readonly state: string }).state;
      };
      await until(async () => (await state(5)) === 'replicated');
      expect((await metricsOf(service)).get('indelible_replica_differences')).toBe(0);

      expect((await producer.append(service.url, 'orders', 'order-6')).status).toBe(201);
      await replicate((key, bytes) => (key.endsWith('6.ndjson') ? Buffer.from('not what was written') : bytes));
      await until(async () => (await metricsOf(service)).get('indelible_replica_findings_total{code="foreign_object"}') === 1);
      expect(await state(6)).toBe('durable');

      const written: string[] = [];
      for await (const key of everyKey(second!, '')) written.push(key);
      expect(written.filter((key) => !/^(deployment\.json|keys\/|chains\/)/.test(key))).toEqual([]);
      for (const key of written) expect(await second!.versions(key, { retention: false }), key).toHaveLength(1);
    } finally {
      producer.close();
      await service.stop('SIGTERM');
    }
  });
});

/** As `indelible verify --against-replica` does it, for one chain. */
async function verify({ first, second, trust }: Room): Promise<VerificationReport> {
  const evidence = await evidenceOf(second, 'orders', trust);
  const report = await verifyChain({ store: first, chainId: 'orders', against: evidence === undefined ? [] : [evidence] });
  return withComparison(report, await compareChain({ first, second, chainId: 'orders', trust, maxFindings: 100 }), second.location);
}
