/** A start on real S3 stores, as a person runs it: what is refused and how it is said, what is tried, and what lies in the bucket then. */
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectVersionsCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/nested-clients/sts';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import { openS3Store } from '#indelible/storage/s3/open.js';
import type { Credentials } from '#indelible/storage/s3/connection.js';
import { selfTest } from '#indelible/storage/self-test.js';
import * as ceph from '../../scripts/services/ceph.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import { cli, eventLines, jsonOf, temporaryFolder } from '../cli/cli.js';
import type { Ended } from '../cli/cli.js';
import { auditBucket } from './support/audit-bucket.js';
import { environment, Producer, serve, TOKEN } from './support/serve.js';
import type { Bucket, Running } from './support/serve.js';

let onMinio: Awaited<ReturnType<typeof minio.start>>;
let onCeph: Awaited<ReturnType<typeof ceph.start>>;
beforeAll(async () => {
  onMinio = await minio.start();
  onCeph = await ceph.start();
});
afterAll(async () => {
  await onMinio.dispose();
  await onCeph.dispose();
});

/** Rounds of a writer killed under load. */
const KILLS = Number(process.env['CEPH_KILLS'] ?? 50);
const folder = temporaryFolder();
const retention = { mode: 'governance', retainUntil: new Date(Date.now() + 86_400_000).toISOString() } as const;

async function opening({ endpoint, credentials }: Bucket, bucket: string, options: Credentials & { readonly kmsKeyId?: string } = {}): Promise<string> {
  try {
    const { store } = await openS3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 10_000, ...options }, retention);
    await store.close();
    return 'opened';
  } catch (thrown) {
    expect(thrown).toMatchObject({ name: 'StoreSetupError' });
    const { message } = thrown as Error;
    expect(message).not.toContain('\n');
    expect(message).not.toContain(credentials.secretAccessKey);
    return message;
  }
}

const append = (service: Running, id: string): Promise<Ended> =>
  cli(['append', '--chain', 'orders', '--action', 'order.place', '--actor', 'user:a', '--id', id, '--json', '--url', service.url], { env: { INDELIBLE_TOKEN: TOKEN } });

describe.each([
  ['MinIO', (): typeof onMinio | typeof onCeph => onMinio],
  ['Ceph', (): typeof onMinio | typeof onCeph => onCeph],
] as const)('a start on %s', (name, where) => {
  const bucket = `start-${name.toLowerCase()}`;
  beforeAll(async () => {
    await where().createBucket(bucket);
    await where().createBucket(`${bucket}-plain`, { lock: false });
  });

  it('opens a bucket with Object Lock', async () => {
    expect(await opening(where(), bucket)).toBe('opened');
  });

  it('refuses a bucket that is not there, and one without Object Lock', async () => {
    expect(await opening(where(), 'not-there')).toMatch(/there is no bucket not-there: check INDELIBLE_S3_BUCKET/);
    expect(await opening(where(), 'Not A Bucket')).toMatch(/check INDELIBLE_S3_BUCKET/);
    expect(await opening(where(), `${bucket}-plain`)).toMatch(/bucket start-\w+-plain has no Object Lock.*INDELIBLE_S3_BUCKET/);
  });

  it('refuses wrong credentials, and says which part is wrong', async () => {
    const { credentials } = where();
    expect(await opening(where(), bucket, { credentials: { ...credentials, accessKeyId: 'AKIANOBODY' } })).toMatch(/does not know the access key: check AWS_ACCESS_KEY_ID/);
    expect(await opening(where(), bucket, { credentials: { ...credentials, secretAccessKey: 'wrong' } })).toMatch(/does not accept the signature: check AWS_SECRET_ACCESS_KEY/);
  });

  it('refuses a KMS key that can not be used', async () => {
    expect(await opening(where(), bucket, { kmsKeyId: 'no-such-key' })).toMatch(/can not encrypt with the KMS key of INDELIBLE_S3_KMS_KEY_ID/);
  });

  it('refuses a clock that is an hour off, in serve, by the word of the store', async () => {
    const file = join(folder, 'hour-behind.mjs');
    writeFileSync(file, 'const now = Date.now; Date.now = () => now() - 3_600_000;');
    const { code, stderr } = await cli(['serve', '--data-dir', join(folder, `clock-${name}`), '--port', '0'], { env: environment(where(), bucket, { NODE_OPTIONS: `--import=${file}` }) });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^indelible: the S3 store at http:\S+: has another time than the clock of this machine by 3600 s \(here .*there .*\): set this machine's clock/m);
  });

  it('refuses to serve a bucket that is not there, and one without Object Lock, and starts nothing', async () => {
    for (const [wrong, sentence] of [['not-there', /no bucket not-there: check INDELIBLE_S3_BUCKET/], [`${bucket}-plain`, /has no Object Lock/]] as const) {
      const { code, stdout, stderr } = await cli(['serve', '--data-dir', join(folder, 'never'), '--port', '0'], { env: environment(where(), wrong) });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr.split('\n').filter((line) => line.startsWith('indelible: '))).toEqual([expect.stringMatching(sentence)]);
    }
  });

  it('refuses without credentials, in doctor, and names the variables', async () => {
    // An empty variable is one that is not set.
    const without = environment({ endpoint: where().endpoint, credentials: { accessKeyId: '', secretAccessKey: '' } }, bucket, { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/nowhere', AWS_SHARED_CREDENTIALS_FILE: '/nowhere' });
    const report = await cli(['doctor', '--data-dir', join(folder, 'none'), '--json'], { env: without });
    expect(report.code).toBe(1);
    expect(jsonOf(report)).toMatchObject({ status: 'failed', checks: [{ name: 'store', status: 'failed', detail: expect.stringContaining('there are no credentials for it: set AWS_ACCESS_KEY_ID') as string }, { name: 'settings' }] });
  });
});

describe('the rights of the credentials on MinIO', () => {
  const bucket = 'rights';
  beforeAll(() => onMinio.createBucket(bucket));

  /** As docs/s3.md lists them for a writer. */
  const WRITER = {
    's3:ListBucketVersions': `arn:aws:s3:::${bucket}`,
    's3:GetBucketVersioning': `arn:aws:s3:::${bucket}`,
    's3:GetBucketObjectLockConfiguration': `arn:aws:s3:::${bucket}`,
    's3:PutObject': `arn:aws:s3:::${bucket}/*`,
    's3:PutObjectRetention': `arn:aws:s3:::${bucket}/*`,
    's3:GetObjectVersion': `arn:aws:s3:::${bucket}/*`,
    's3:GetObjectRetention': `arn:aws:s3:::${bucket}/*`,
  };

  async function session(rights: Readonly<Record<string, string>>): Promise<Bucket['credentials'] & { readonly sessionToken: string }> {
    const { endpoint, credentials } = onMinio;
    const sts = new STSClient({ endpoint, region: 'us-east-1', credentials });
    const Statement = Object.entries(rights).map(([Action, Resource]) => ({ Effect: 'Allow', Action: [Action], Resource: [Resource] }));
    const { Credentials: issued } = await sts.send(new AssumeRoleCommand({ RoleArn: 'arn:xxx:xxx:xxx:xxxx', RoleSessionName: 'test', Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
    sts.destroy();
    return { accessKeyId: issued?.AccessKeyId ?? '', secretAccessKey: issued?.SecretAccessKey ?? '', sessionToken: issued?.SessionToken ?? '' };
  }

  it('are enough as documented: the start, the whole self-test, and nothing that deletes', async () => {
    const { endpoint } = onMinio;
    const { store, trialRetention } = await openS3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials: await session(WRITER), requestTimeoutMs: 10_000 }, retention);
    const { promises } = await selfTest(store, { retention: trialRetention });
    await store.close();
    expect(promises.filter(({ kept }) => kept !== 'yes')).toEqual([expect.objectContaining({ promise: expect.stringContaining('delete marker') as string, kept: 'unknown', detail: expect.stringContaining('may not delete') as string })]);
  });

  it.each(Object.keys(WRITER))('without %s: refused, naming it', async (action) => {
    const rights = Object.fromEntries(Object.entries(WRITER).filter(([one]) => one !== action));
    const said = await opening(onMinio, bucket, { credentials: await session(rights) });
    expect(said).toContain(action);
    expect(said).toContain('docs/s3.md');
  });

  it('that lack one: serve does not start, and says in one sentence which, and where it is listed', async () => {
    const lacking = await session(Object.fromEntries(Object.entries(WRITER).filter(([action]) => action !== 's3:PutObject')));
    const env = environment({ endpoint: onMinio.endpoint, credentials: lacking }, bucket, { AWS_SESSION_TOKEN: lacking.sessionToken });
    const { code, stdout, stderr } = await cli(['serve', '--data-dir', join(folder, 'lacking'), '--port', '0'], { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^indelible: the S3 store at \S+: does not let these credentials do s3:PutObject .* on bucket \S+.*docs\/s3\.md, or check INDELIBLE_S3_BUCKET$/);
  });
});

describe('the log in a bucket', () => {
  it.each(['governance', 'compliance'] as const)('lies there with the retention asked for (%s), which the store does not let go of', async (mode) => {
    const bucket = await onMinio.createBucket(`retained-${mode}`);
    const env = environment(onMinio, bucket, { INDELIBLE_RETENTION_MODE: mode, INDELIBLE_RETENTION_DAYS: '3', INDELIBLE_ACKNOWLEDGE_COMPLIANCE: 'true' });
    const data = join(folder, `retained-${mode}`);
    const before = Date.now();
    const appended = await cli(['append', '--data-dir', data, '--chain', 'orders', '--json', '-'], { env, input: eventLines(1_500) });
    expect(jsonOf(appended)).toMatchObject({ appended: 1_500 });
    await expectRetained(onMinio.admin, bucket, mode, before + 3 * 86_400_000);
  });

  it('is refused at the start, and not at the first append, where the bucket takes trials and no object of the log', async () => {
    const bucket = await onMinio.createBucket('too-long');
    // As a policy on the longest retention does; MinIO has none.
    const proxy = createServer((incoming, outgoing) => {
      if (incoming.method === 'PUT' && incoming.url?.includes('_self-test/') === false) {
        incoming.resume().on('end', () => outgoing.writeHead(403).end('<Error><Code>AccessDenied</Code><Message>by policy</Message></Error>'));
        return;
      }
      const { method, url, headers } = incoming;
      incoming.pipe(request(`${onMinio.endpoint}${url ?? ''}`, { method, headers }, (answer) => answer.pipe(outgoing.writeHead(answer.statusCode ?? 500, answer.headers))));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = environment({ ...onMinio, endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }, bucket, { INDELIBLE_RETENTION_DAYS: '3650' });
    const { code, stderr } = await cli(['serve', '--data-dir', join(folder, 'too-long'), '--port', '0'], { env });
    proxy.closeAllConnections();
    proxy.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/took objects of the self-test, and refuses those of the log, which have a retention of governance until .*INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS/);
  });

  it(`is refused on Ceph; with one declared writer, killed ${KILLS} times under load, nothing is lost and nothing doubled`, { timeout: 60_000 + 20_000 * KILLS }, async () => {
    const bucket = await onCeph.createBucket('one-writer');
    const many = environment(onCeph, bucket);
    const refused = await cli(['serve', '--data-dir', join(folder, 'refused'), '--port', '0'], { env: many });
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr.split('\n').filter((line) => line.startsWith('indelible: '))).toEqual([
      expect.stringMatching(/^indelible: the store at \S+ does not keep what the log needs.*ignores the condition \(If-None-Match\).*declare that there is a single writer \(INDELIBLE_SINGLE_WRITER=true\)/),
    ]);

    const env = { ...many, INDELIBLE_SINGLE_WRITER: 'true', INDELIBLE_STORE_TIMEOUT_MS: '1500', INDELIBLE_RETENTION_DAYS: '2' };
    const data = join(folder, 'one-writer');
    const before = Date.now();
    const producer = new Producer();
    const receipts: Receipt[] = [];
    let [unanswered, next] = [[] as string[], 0];
    for (let round = 0; round < KILLS; round++) {
      const started = performance.now();
      const service = await serve(data, env);
      expect(performance.now() - started).toBeGreaterThan(3_000);
      // Now and then the writer dies before it is asked anything, or with the first commit under way.
      let over = false as boolean;
      const client = async (): Promise<void> => {
        while (!over) {
          // First those that got no answer: repeated, each must be in the chain once. And some that got one.
          const known = receipts[Math.floor(Math.random() * receipts.length)];
          const entryId = unanswered.pop() ?? (known !== undefined && Math.random() < 0.1 ? known.entryId : `id-${next++}`);
          const answer = await producer.append(service.url, 'orders', entryId).catch((error: unknown) => {
            if ((error as NodeJS.ErrnoException).code === undefined) throw error;
            return undefined;
          });
          if (answer?.status === 201 || answer?.status === 200) receipts.push(JSON.parse(answer.body) as Receipt);
          else unanswered.push(entryId);
          if (answer !== undefined && answer.status > 201) expect(answer.status, answer.body).toBe(503);
          if (answer?.status === 503) await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      const clients = Array.from({ length: 8 }, client);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 800));
      over = true;
      const { stderr } = await service.stop('SIGKILL');
      await Promise.all(clients);
      expect(stderr).toMatch(/no fence between writers: waiting 3000 ms/);
      expect(stderr).not.toMatch(/security finding|chain halted/);
    }
    producer.close();
    // A request of the last one killed may still be on its way: a start waits until it can't be any more.
    expect((await (await serve(data, env)).stop('SIGTERM')).code).toBe(0);
    const places = new Map<string, number>();
    for (const { entryId, sequence } of receipts) expect(places.get(entryId) ?? sequence, entryId).toBe((places.set(entryId, sequence), sequence));
    const { ids, segments } = await auditBucket({ where: onCeph, bucket, dataDir: data, env }, 'orders', receipts);
    unanswered = unanswered.filter((id) => !ids.includes(id));
    console.log(`Ceph: ${KILLS} kills, ${receipts.length} acknowledged, ${ids.length} entries in ${segments} segments; ${unanswered.length} of those unanswered in the end are not there`);
    expect(receipts.length).toBeGreaterThan(KILLS);
    await expectRetained(onCeph.admin, bucket, 'governance', before + 2 * 86_400_000);
  });

  it('is served, read, searched, verified and exported as that in a folder; the trial of the store stands in its _system chain', async () => {
    const bucket = await onMinio.createBucket('whole');
    const env = environment(onMinio, bucket);
    const data = join(folder, 'whole');
    expect(jsonOf(await cli(['doctor', '--data-dir', data, '--json'], { env }))).toMatchObject({ status: 'warning', checks: [{ name: 'store', status: 'ok' }, { name: 'deployment', status: 'warning' }, { name: 'settings' }] });
    expect((await cli(['chains', '--data-dir', data], { env })).stderr).toContain('there is no ledger in bucket whole');
    const service = await serve(data, env);
    expect(jsonOf(await append(service, 'first'))).toMatchObject({ appended: 1 });
    expect((await service.stop('SIGTERM')).code).toBe(0);
    const written = await keysIn(onMinio.admin, bucket);

    expect(jsonOf(await cli(['get', '--data-dir', data, '--chain', 'orders', '0', '--json'], { env }))).toMatchObject({ entryId: 'first' });
    expect(jsonOf(await cli(['search', '--data-dir', data, '--chain', 'orders', '--json'], { env }))).toMatchObject({ completeThrough: { orders: 1 } });
    const verified = await cli(['verify', '--data-dir', data, '--json', '--workers', '2'], { env });
    expect(verified).toMatchObject({ code: 0 });
    expect(jsonOf(verified)).toMatchObject({ verdict: 'intact', chains: [{ chainId: '_system' }, { chainId: 'orders', entriesChecked: 1 }] });
    // The trial of the store; and, if the service ran for long enough, what it found of the guardrails.
    expect([1, 2]).toContain((jsonOf(verified) as { chains: { entriesChecked: number }[] }).chains[0]?.entriesChecked);
    const bundle = join(folder, 'bundle.ndjson');
    expect(jsonOf(await cli(['export', '--data-dir', data, '--chain', 'orders', '-o', bundle, '--json'], { env }))).toMatchObject({ count: 1 });
    expect((await cli(['verify-bundle', bundle])).code).toBe(0);
    // Nothing of this wrote to the bucket.
    expect(await keysIn(onMinio.admin, bucket)).toEqual(written);

    const { entry } = jsonOf(await cli(['get', '--data-dir', data, '--chain', '_system', '0', '--json'], { env })) as { entry: { event: { metadata: { promises: { kept: string }[] } } } };
    expect(entry.event).toMatchObject({ action: 'store.capabilities', actor: { type: 'service' }, category: 'system', metadata: { kind: 's3', location: `${onMinio.endpoint}/${bucket}` } });
    expect(entry.event.metadata.promises.length).toBeGreaterThanOrEqual(10);
    expect(entry.event.metadata.promises.every(({ kept }) => kept === 'yes')).toBe(true);

    const report = jsonOf(await cli(['doctor', '--data-dir', data, '--json'], { env })) as { checks: { name: string; status: string; promises?: { kept: string }[] }[] };
    expect(report.checks.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(report.checks[0]?.promises?.map(({ kept }) => kept)).toEqual(Array(10).fill('yes'));
  });
});

async function keysIn(admin: S3Client, bucket: string): Promise<string[]> {
  const { Versions = [] } = await admin.send(new ListObjectVersionsCommand({ Bucket: bucket }));
  return Versions.map(({ Key = '', VersionId = '' }) => `${Key} ${VersionId}`);
}

/** By another client, with the rights of the owner: every object but those of trials. */
async function expectRetained(admin: S3Client, bucket: string, mode: 'governance' | 'compliance', least: number): Promise<void> {
  // Behind the trials, of which many starts leave more than a listing holds.
  const { Versions = [], DeleteMarkers = [], IsTruncated } = await admin.send(new ListObjectVersionsCommand({ Bucket: bucket, KeyMarker: '_self-test/~' }));
  expect(IsTruncated).not.toBe(true);
  const ours = Versions.filter(({ Key }) => Key?.startsWith('_self-test/') === false);
  expect(DeleteMarkers.filter(({ Key }) => Key?.startsWith('_self-test/') === false)).toEqual([]);
  expect(ours.length).toBeGreaterThanOrEqual(4);
  for (const { Key, VersionId } of ours) {
    const object = { Bucket: bucket, Key, VersionId };
    const { ObjectLockMode, ObjectLockRetainUntilDate: until } = await admin.send(new HeadObjectCommand(object));
    expect(ObjectLockMode).toBe(mode.toUpperCase());
    expect(until?.getTime()).toBeGreaterThanOrEqual(least);
    const bytes = await (await admin.send(new GetObjectCommand(object))).Body?.transformToByteArray();
    const shorter = { ...object, Retention: { Mode: ObjectLockMode, RetainUntilDate: new Date((until?.getTime() ?? 0) - 3_600_000) } };
    await expect(admin.send(new DeleteObjectCommand(object))).rejects.toThrow();
    await expect(admin.send(new PutObjectRetentionCommand(shorter))).rejects.toThrow();
    if (mode === 'compliance') {
      await expect(admin.send(new DeleteObjectCommand({ ...object, BypassGovernanceRetention: true }))).rejects.toThrow();
      await expect(admin.send(new PutObjectRetentionCommand({ ...shorter, BypassGovernanceRetention: true }))).rejects.toThrow();
    }
    const after = await admin.send(new GetObjectCommand(object));
    expect(await after.Body?.transformToByteArray()).toEqual(bytes);
    expect(after.ObjectLockRetainUntilDate).toEqual(until);
  }
}
