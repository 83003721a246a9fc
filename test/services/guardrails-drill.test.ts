/**
 * `indelible guardrails drill` against real servers: MinIO and Ceph, Kafka, Elasticsearch, KMS. At stake: an auditor who is
 * told that every attack is refused or found, where one is not; and the log itself, which the drill must never touch.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetBucketPolicyCommand, GetObjectLockConfigurationCommand, ListBucketsCommand, ListObjectVersionsCommand, PutBucketPolicyCommand, PutObjectCommand, PutObjectLockConfigurationCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { runDrill } from '#indelible/guardrails/drill/drill.js';
import { adminSettings } from '#indelible/guardrails/drill/identities.js';
import { drillExitCode, reportOfDrill } from '#indelible/guardrails/drill/report.js';
import type { DrillReport } from '#indelible/guardrails/drill/report.js';
import { scratchNames } from '#indelible/guardrails/drill/scratch-names.js';
import * as ceph from '../../scripts/services/ceph.mjs';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import * as kafka from '../../scripts/services/kafka.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import * as moto from '../../scripts/services/moto.mjs';
import { cli, jsonOf, temporaryFolder } from '../cli/cli.js';
import type { Ended } from '../cli/cli.js';
import { environment } from './support/serve.js';
import { session } from './support/session.js';
import type { Session } from './support/session.js';

/** As docs/s3.md lists them for a writer. */
const WRITER = ['s3:ListBucketVersions', 's3:GetBucketVersioning', 's3:GetBucketObjectLockConfiguration', 's3:PutObject', 's3:PutObjectRetention', 's3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'];
const LOG = 'audit-log';

let onMinio: Awaited<ReturnType<typeof minio.start>>;
let onCeph: Awaited<ReturnType<typeof ceph.start>>;
let broker: Awaited<ReturnType<typeof kafka.start>>;
let search: Awaited<ReturnType<typeof elasticsearch.start>>;
let keys: Awaited<ReturnType<typeof moto.start>>;
let minioWriter: Session;
let log: string;
beforeAll(async () => {
  [onMinio, onCeph, broker, search, keys] = await Promise.all([minio.start(), ceph.start(), kafka.start(), elasticsearch.start(), moto.start()]);
  log = await lockedBucket(onMinio, LOG);
  // Also of the scratch bucket, whose name begins alike.
  minioWriter = await session(onMinio, [{ Effect: 'Allow', Action: WRITER, Resource: ['arn:aws:s3:::audit-log*'] }]);
});
afterAll(async () => {
  await Promise.all([onMinio.dispose(), onCeph.dispose(), broker.dispose(), search.dispose(), keys.dispose()]);
});

async function lockedBucket(where: typeof onMinio | typeof onCeph, name: string): Promise<string> {
  const bucket = await where.createBucket(name);
  await where.admin.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 30 } } } }));
  return bucket;
}

/** With the writer's rights in the variables that everybody uses, and the administrator's in those of the drill. */
function drilling(where: typeof onMinio | typeof onCeph, bucket: string, writer: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return environment({ endpoint: where.endpoint, credentials: writer }, bucket, {
    ...(writer.sessionToken !== undefined && { AWS_SESSION_TOKEN: writer.sessionToken }),
    INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID: where.credentials.accessKeyId,
    INDELIBLE_DRILL_ADMIN_SECRET_ACCESS_KEY: where.credentials.secretAccessKey,
    INDELIBLE_RETENTION_DAYS: '30',
    ...more,
  });
}

/** All that lies in a bucket, version by version. */
async function contentOf(admin: S3Client, bucket: string): Promise<string[]> {
  const { Versions = [], DeleteMarkers = [] } = await admin.send(new ListObjectVersionsCommand({ Bucket: bucket }));
  return [...Versions, ...DeleteMarkers].map(({ Key = '', VersionId = '' }) => `${Key} ${VersionId}`);
}

async function bucketsOf(admin: S3Client): Promise<string[]> {
  return ((await admin.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name = '' }) => Name);
}

function reportOf(folder: string): DrillReport {
  return JSON.parse(readFileSync(join(folder, 'drill.json'), 'utf8')) as DrillReport;
}

/** Each attack with each of the rights, and its verdict. */
const verdicts = ({ attacks }: DrillReport): Record<string, string> => Object.fromEntries(attacks.map(({ id, rights, verdict }) => [`${id} ${rights}`, verdict]));
/** What would have to be explained to an auditor. */
const open = ({ attacks }: DrillReport): unknown[] => attacks.filter(({ verdict }) => verdict !== 'refused' && verdict !== 'found');
const told = ({ code, stderr }: Ended): unknown => ({ code, stderr: code === 1 ? stderr : '' });

describe('a drill on MinIO with Object Lock, a mirror, an index and a key in KMS', () => {
  it('misses nothing, touches nothing of the log, hands over its report, and leaves an entry in the log', async () => {
    const folder = temporaryFolder();
    const data = join(folder, 'data');
    const key = await keys.createKey();
    const env = drilling(onMinio, log, minioWriter, {
      INDELIBLE_KAFKA_BROKERS: broker.broker,
      INDELIBLE_KAFKA_PARTITIONS: '2',
      INDELIBLE_KAFKA_REPLICATION_FACTOR: '1',
      INDELIBLE_ELASTICSEARCH_URL: search.endpoint,
      INDELIBLE_SIGNER: 'kms',
      INDELIBLE_KMS_KEY_ID: key,
      INDELIBLE_KMS_ENDPOINT: keys.endpoint,
    });
    expect(told(await cli(['append', '--data-dir', data, '--chain', 'orders', '--action', 'order.place', '--actor', 'user:a'], { env }))).toMatchObject({ code: 0 });
    const before = await contentOf(onMinio.admin, log);
    const ended = await cli(['guardrails', 'drill', '--data-dir', data, '--within', '60', '--report-dir', folder, '--record'], { env });
    const report = reportOf(folder);
    expect(open(report)).toEqual([]);
    expect(told(ended)).toEqual({ code: 0, stderr: '' });
    expect(ended.stdout.split('\n')[0]).toMatch(/^LOCK: bucket audit-log\S* has Object Lock/);
    expect(readFileSync(join(folder, 'drill.html'), 'utf8')).toContain('Passed: each attack was refused, or found by monitoring.');
    expect(ended.stdout + ended.stderr + readFileSync(join(folder, 'drill.html'), 'utf8')).not.toContain(onMinio.credentials.secretAccessKey);

    // With an administrator's rights and a bucket in GOVERNANCE some attacks must take effect: else nothing was tried.
    const of = verdicts(report);
    expect(of).toMatchObject({
      'delete-version writer': 'refused', 'delete-version administrator': 'refused', 'delete-version-bypass administrator': 'found', 'place-delete-marker administrator': 'found',
      'overwrite writer': 'found', 'overwrite-conditional writer': 'refused', 'put-over-marker administrator': 'found', 'lower-mode administrator': 'refused', 'cut-tail administrator': 'found',
      'delete-chain administrator': 'found', 'roll-back writer': 'found', 'forge-segment writer': 'found', 'suspend-versioning administrator': 'refused', 'add-expiration administrator': 'found',
      'slip-key writer': 'found', 'purge-records writer': 'found', 'delete-topic writer': 'found', 'forge-messages writer': 'found', 'delete-index writer': 'found', 'edit-document writer': 'found',
      'stop-verifier administrator': 'found', 'forge-mark administrator': 'found', 'schedule-key-deletion administrator': 'found', 'weaken-key-policy administrator': 'found',
    });
    const codes = Object.fromEntries(report.attacks.flatMap((attack) => (attack.verdict === 'found' ? [[`${attack.id} ${attack.rights}`, attack.as]] : [])));
    expect(codes).toMatchObject({ 'delete-version-bypass administrator': 'missing_object', 'cut-tail administrator': 'truncated_tail', 'delete-chain administrator': 'truncated_tail', 'roll-back writer': 'truncated_tail', 'place-delete-marker administrator': 'delete_marker', 'slip-key writer': 'foreign_object' });

    // What was in the log is there as it was; only what the command itself appends came to it.
    const after = await contentOf(onMinio.admin, log);
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after.filter((line) => !before.includes(line) && !line.startsWith('_self-test/')).every((line) => line.startsWith('chains/_system/'))).toBe(true);
    expect((await onMinio.admin.send(new GetObjectLockConfigurationCommand({ Bucket: log }))).ObjectLockConfiguration?.Rule?.DefaultRetention).toEqual({ Mode: 'COMPLIANCE', Days: 30 });
    const tail = await cli(['tail', '--data-dir', data, '--chain', '_system', '--json'], { env });
    expect(tail.stdout).toContain('guardrails.drilled');

    expect((await bucketsOf(onMinio.admin)).filter((name) => name.includes('-drill-'))).toEqual([]);
    expect(report.cleanup.stays.map(({ what }) => what.split(' ')[0])).toEqual(['KMS']);
  }, 900_000);
});

describe('a drill on Ceph, which ignores the condition, with a bucket policy', () => {
  it('misses nothing, and has the policy of the log bucket on the scratch bucket', async () => {
    const bucket = await lockedBucket(onCeph, 'ceph-log');
    const writer = await onCeph.createUser('drill-writer');
    const arns = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Sid: 'Writer', Effect: 'Allow', Principal: { AWS: ['arn:aws:iam:::user/drill-writer'] }, Action: WRITER, Resource: arns },
        { Sid: 'NoRemoval', Effect: 'Deny', Principal: '*', Action: ['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention'], Resource: arns[1] },
      ],
    });
    await onCeph.admin.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }));
    const folder = temporaryFolder();
    const env = drilling(onCeph, bucket, writer, { INDELIBLE_SINGLE_WRITER: 'true' });
    const ended = await cli(['guardrails', 'drill', '--data-dir', join(folder, 'data'), '--within', '60', '--report-dir', folder, '--json'], { env });
    const report = reportOf(folder);
    expect(open(report)).toEqual([]);
    expect(told(ended)).toEqual({ code: 0, stderr: '' });
    expect(jsonOf(ended)).toEqual(report);
    expect(ended.stdout).toMatch(/^\{"lock":"LOCK: /);
    // The owner of the bucket is held to its policy, too.
    expect(verdicts(report)).toMatchObject({ 'delete-version-bypass administrator': 'refused', 'shorten-retention-bypass administrator': 'refused', 'overwrite-conditional writer': 'found', 'delete-policy administrator': 'found', 'delete-chain administrator': 'found' });
    expect(report.notes.join()).toContain('The policy is that of the log bucket');
    expect((await onCeph.admin.send(new GetBucketPolicyCommand({ Bucket: bucket }))).Policy).toBe(policy);
    expect((await bucketsOf(onCeph.admin)).filter((name) => name.includes('-drill-'))).toEqual([]);
    expect(report.cleanup).toEqual({ removed: true, stays: [] });
  }, 900_000);
});

describe('the same drill on a bucket without Object Lock', () => {
  it('says so in its first line, and finds what is lost', async () => {
    const bucket = await onMinio.createBucket('audit-log-plain', { lock: false });
    const folder = temporaryFolder();
    const ended = await cli(['guardrails', 'drill', '--data-dir', join(folder, 'data'), '--within', '60', '--only', 'versions,retention', '--report-dir', folder], { env: drilling(onMinio, bucket, minioWriter) });
    expect(ended.stdout.split('\n')[0]).toMatch(/^NO LOCK: bucket audit-log-plain\S* has no Object Lock/);
    expect(readFileSync(join(folder, 'drill.json'), 'utf8').split('\n')[0]).toContain('NO LOCK: ');
    const report = reportOf(folder);
    const of = verdicts(report);
    expect(of).toMatchObject({ 'delete-version administrator': 'found', 'overwrite writer': 'found', 'shorten-retention administrator': 'inapplicable' });
    expect(report.attacks.find(({ id, rights }) => id === 'delete-version' && rights === 'administrator')?.evidence.join()).toContain('2 of 6 acknowledged entries could not be read any more');
    expect(ended.code).toBe(drillExitCode(report));
    expect(report.counts.missed).toBe(0);
  });
});

describe('a drill whose monitoring sees nothing', () => {
  it('fails: what took effect is missed, and what was refused is still refused', async () => {
    const config = loadConfig({}, { store: 's3', s3Bucket: log, s3Endpoint: onMinio.endpoint, s3ForcePathStyle: true, dataDir: temporaryFolder() }, '/nowhere.json');
    const startedAt = new Date();
    const run = await runDrill({
      config,
      names: scratchNames(config, undefined),
      prepared: false,
      identities: { writer: { credentials: minioWriter }, administrator: { credentials: onMinio.credentials } },
      admin: adminSettings(config, {}),
      families: ['verifier', 'versions'],
      withinMs: 200,
      onStep: () => undefined,
      onResult: () => undefined,
      watchers: () => [{ name: 'verification', look: () => Promise.resolve([]) }],
    });
    const report = reportOfDrill({ config, run, version: '0', startedAt, finishedAt: new Date(), withinMs: 200 });
    expect(verdicts(report)).toMatchObject({ 'delete-version-bypass administrator': 'missed', 'place-delete-marker administrator': 'missed', 'overwrite writer': 'missed', 'stop-verifier administrator': 'missed', 'delete-version writer': 'refused' });
    expect(report.attacks.find(({ id, rights }) => id === 'delete-version-bypass' && rights === 'administrator')).toMatchObject({ because: expect.stringContaining('entries were lost') as string });
    expect({ result: report.result, code: drillExitCode(report) }).toEqual({ result: 'missed', code: 2 });
  });
});

describe('a drill in a bucket that was prepared for it, beside a log with a second bucket', () => {
  it('makes a second scratch bucket, finds what is slipped in, and leaves the prepared bucket empty', async () => {
    const [prepared, second] = [await onMinio.createBucket('audit-log-prepared'), await onMinio.createBucket('audit-log-second')];
    const env = drilling(onMinio, log, minioWriter, { INDELIBLE_S3_REPLICA_BUCKET: second });
    const ended = await cli(['guardrails', 'drill', '--data-dir', temporaryFolder(), '--bucket', prepared, '--only', 'keys', '--json'], { env });
    expect(told(ended)).toEqual({ code: 0, stderr: '' });
    const report = jsonOf(ended) as unknown as DrillReport;
    expect(verdicts(report)).toEqual({ 'slip-key writer': 'found', 'slip-key administrator': 'found', 'replace-root writer': 'found', 'replace-root administrator': 'found' });
    expect(report).toMatchObject({ environment: { scratchBucket: prepared, secondScratchBucket: expect.stringMatching(/^audit-log-second\S*-drill-/) as string }, cleanup: { removed: true } });
    expect(await contentOf(onMinio.admin, prepared)).toEqual([]);
    expect(await contentOf(onMinio.admin, second)).toEqual([]);
    expect((await bucketsOf(onMinio.admin)).filter((name) => name.includes('-drill-'))).toEqual([]);
  });
});

describe('a drill that must not run', () => {
  const drill = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ended> => cli(['guardrails', 'drill', '--data-dir', temporaryFolder(), ...args], { env });

  it('leaves a bucket alone that holds anything, and says what', async () => {
    const bucket = await onMinio.createBucket('audit-log-used');
    await onMinio.admin.send(new PutObjectCommand({ Bucket: bucket, Key: 'chains/orders/segments/x', Body: 'x' }));
    const before = await contentOf(onMinio.admin, bucket);
    const ended = await drill(drilling(onMinio, log, minioWriter), '--bucket', bucket);
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('is not empty (it holds chains/orders/segments/x)') as string });
    expect(await contentOf(onMinio.admin, bucket)).toEqual(before);
  });

  it('refuses the bucket of the log, and a run without an administrator, naming what to set', async () => {
    const env = drilling(onMinio, log, minioWriter);
    expect((await drill(env, '--bucket', log)).stderr).toContain('is the bucket of the log itself');
    const { stderr, code } = await drill({ ...env, INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID: '' });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('set INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID and INDELIBLE_DRILL_ADMIN_SECRET_ACCESS_KEY, or name a profile with --admin-profile') as string });
    expect((await drill({}, '--only', 'versions')).stderr).toContain('INDELIBLE_STORE=s3');
  });

  it('of an administrator who may make no bucket says so, and what to do', async () => {
    const folder = temporaryFolder();
    const ended = await cli(['guardrails', 'drill', '--data-dir', folder, '--report-dir', join(folder, 'report')], {
      env: { ...drilling(onMinio, log, minioWriter), INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID: minioWriter.accessKeyId, INDELIBLE_DRILL_ADMIN_SECRET_ACCESS_KEY: minioWriter.secretAccessKey, INDELIBLE_DRILL_ADMIN_SESSION_TOKEN: minioWriter.sessionToken },
    });
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/can not make the bucket .*s3:CreateBucket.*--bucket/) as string });
    expect(existsSync(join(folder, 'report'))).toBe(false);
  });
});
