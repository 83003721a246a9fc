/**
 * Somebody with the right to write to the bucket, and no key, against two running replicas: as soon as a segment is
 * written it is hidden by a delete marker, and something else is put over it, on condition that nothing is there (which
 * S3 then believes). At stake: an entry that was acknowledged and is gone, and an attack that nobody is told of.
 */
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { LocalKeySigner } from '#indelible/signing/local-key.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import * as minio from '../../scripts/services/minio.mjs';
import { cli, jsonOf, temporaryFolder } from '../cli/cli.js';
import { auditChain } from '../support/audit.js';
import { until } from '../support/until.js';
import { environment, metricsOf, Producer, serve } from './support/serve.js';
import type { Running } from './support/serve.js';

const CHAIN = 'orders';
const ATTACKS = 20;
/** Longer than a replica counts another as one that writes, too. */
const ALONE_AFTER_MS = 3_000;
const folder = temporaryFolder();
const producer = new Producer();
let onMinio: Awaited<ReturnType<typeof minio.start>>;
beforeAll(async () => {
  onMinio = await minio.start();
});
afterAll(async () => {
  producer.close();
  await onMinio.dispose();
});

it('hides heads under two replicas that write: each acknowledged entry is kept, and metrics, logs and verification tell of it', async () => {
  const bucket = await onMinio.createBucket('attacked');
  const env = environment(onMinio, bucket);
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  const first = await serve(one, env);
  cpSync(join(one, 'keys'), join(two, 'keys'), { recursive: true });
  const running = [first, await serve(two, env)];
  const receipts: Receipt[] = [];
  let [over, next] = [false as boolean, 0];
  const client = async (number: number): Promise<void> => {
    while (!over) {
      const entryId = `id-${next++}`;
      for (let n = number; ; n++) {
        const { status, body } = await producer.append(running[n % 2]!.url, CHAIN, entryId);
        if (status === 201 || status === 200) {
          receipts.push(JSON.parse(body) as Receipt);
          break;
        }
        if (status !== 503) throw new Error(`${status}: ${body}`);
        await sleep(20);
      }
      await sleep(10);
    }
  };
  const clients = [0, 1, 2, 3].map(client);

  const attacked = new Set<string>();
  let overwritten = 0;
  await until(() => receipts.length > 10);
  while (attacked.size < ATTACKS) {
    // The segment of the newest entry that anybody was told of.
    const { sequence } = receipts.at(-1)!;
    const keys = (await onMinio.admin.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: segmentPrefix(CHAIN), StartAfter: segmentKey(CHAIN, Math.max(0, sequence - 1_000)) }))).Contents ?? [];
    const Key = keys.at(-1)?.Key;
    if (Key === undefined || attacked.has(Key)) {
      await sleep(5);
      continue;
    }
    attacked.add(Key);
    await onMinio.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
    // A replica that has not seen the segment may be first with its own.
    overwritten += await onMinio.admin.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'not an entry\n', IfNoneMatch: '*' })).then(
      () => 1,
      () => 0,
    );
  }
  over = true;
  await Promise.all(clients);
  // And for certain: at each replica, a segment that it has not seen is hidden. With something over it, it is told of
  // both, whether it looks before it writes or finds the key taken. Hidden alone, its own write is what S3 takes for the
  // first: it must not have looked before, which it does as long as the other counts as a writer beside it.
  let unseen = 0;
  for (const [writer, other] of [running, running.toReversed()] as [Running, Running][]) {
    for (const withJunk of [true, false]) {
      if (!withJunk) await sleep(ALONE_AFTER_MS);
      const answer = await producer.append(writer.url, CHAIN, `unseen-${unseen}`);
      expect(answer.status).toBe(201);
      const receipt = JSON.parse(answer.body) as Receipt;
      receipts.push(receipt);
      const Key = segmentKey(CHAIN, receipt.sequence);
      attacked.add(Key);
      await onMinio.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      if (withJunk) await onMinio.admin.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'not an entry\n', IfNoneMatch: '*' }));
      const after = await producer.append(other.url, CHAIN, `after-${unseen++}`);
      expect(after.status).toBe(201);
      receipts.push(JSON.parse(after.body) as Receipt);
      expect(receipts.at(-1)?.sequence).toBe(receipt.sequence + 1);
    }
  }
  const counted = await Promise.all(running.map(metricsOf));
  const found = (code: string): number[] => counted.map((samples) => samples.get(`indelible_findings_total{code="${code}"}`) ?? 0);
  const ended = await Promise.all(running.map((replica) => replica.stop('SIGTERM')));
  for (const { code } of ended) expect(code).toBe(0);
  console.log(`attack: ${receipts.length} acknowledged, ${attacked.size} heads hidden, ${overwritten} put over; findings delete_marker ${found('delete_marker').join('+')}, shadow_version ${found('shadow_version').join('+')}`);

  expect(overwritten).toBeGreaterThan(0);
  for (const code of ['delete_marker', 'shadow_version']) expect(Math.min(...found(code)), `${code} at each replica`).toBeGreaterThan(0);
  const findings = ended.flatMap(({ stderr }) => stderr.split('\n').filter((line) => line.includes('"security finding: '))).map((line) => JSON.parse(line) as { msg: string; level: number; finding: { code: string; key?: string; chainId?: string } });
  for (const code of ['delete_marker', 'shadow_version']) {
    const of = findings.filter(({ finding }) => finding.code === code);
    expect(of.length, code).toBeGreaterThan(0);
    // An operator is told where to look: at an object that was attacked, and no other.
    for (const { finding, msg, level } of of) expect([attacked.has(finding.key ?? ''), msg, level, finding.chainId]).toEqual([true, `security finding: ${code}`, 50, CHAIN]);
  }

  // By who trusts no replica: of each key the oldest version is the entry.
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint: onMinio.endpoint, forcePathStyle: true, credentials: onMinio.credentials, requestTimeoutMs: 10_000 });
  const oldest = new Map<string, string>();
  for await (const key of everyKey(store, segmentPrefix(CHAIN))) {
    const versions = await store.versions(key, { retention: false });
    oldest.set(key, versions.find(({ deleteMarker }) => !deleteMarker)!.versionId);
  }
  const { publicKey } = await LocalKeySigner.openExisting(join(one, 'keys'));
  const read = (key: string): Promise<Uint8Array | undefined> => (oldest.has(key) ? store.read(key, oldest.get(key)) : Promise.resolve(undefined));
  const { payloads } = await auditChain(read, { deployment: 'indelible.local', chainId: CHAIN, publicKey }, receipts);
  await store.close();
  expect(payloads).toHaveLength(receipts.length);
  const verified = await cli(['verify', '--data-dir', one, '--chain', CHAIN, '--json'], { env });
  expect(verified.code).toBe(2);
  const [report] = (jsonOf(verified) as { chains: { entriesChecked: number; firstBadSequence?: number; findings: { code: string }[] }[] }).chains;
  expect(report).toMatchObject({ entriesChecked: payloads.length });
  expect(report?.firstBadSequence).toBeUndefined();
  expect(new Set(report?.findings.map(({ code }) => code))).toEqual(new Set(['delete_marker', 'shadow_version']));
});
