/**
 * `guardrails check` on real servers: what protects there, and what does not, is said as it is. At stake: an operator
 * who believes a bucket, a key, a topic or an index to be protected that is not.
 */
import { CancelKeyDeletionCommand, CreateKeyCommand, DisableKeyCommand, EnableKeyRotationCommand, KMSClient, PutKeyPolicyCommand, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import type { ConfigInput } from '#indelible/config.js';
import { checkGuardrails } from '#indelible/guardrails/check.js';
import { reportOf } from '#indelible/guardrails/report.js';
import type { GuardrailCheck } from '#indelible/guardrails/report.js';
import * as ceph from '../../scripts/services/ceph.mjs';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import * as kafka from '../../scripts/services/kafka.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import * as moto from '../../scripts/services/moto.mjs';
import { cli, jsonOf } from '../cli/cli.js';
import { readTable } from '../policies/table.js';
import { policyOf } from '../policies/templates.js';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';
import { makeTopics } from './support/kafka-world.js';
import { environment, Producer, serve } from './support/serve.js';
import { session } from './support/session.js';

const scratch = scratchFolders();

interface Server {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

class Found {
  readonly checks: readonly GuardrailCheck[];

  constructor(checks: readonly GuardrailCheck[]) {
    this.checks = checks;
  }

  /** `name protection`, of those whose subject begins so. */
  of(subject: string, protection?: string): readonly string[] {
    return this.checks.filter((check) => check.subject.startsWith(subject) && (protection === undefined || check.protection === protection)).map(({ name }) => name);
  }

  get(subject: string, name: string): GuardrailCheck {
    const found = this.checks.find((check) => check.subject.startsWith(subject) && check.name === name);
    if (found === undefined) throw new Error(`there is no check ${name} of ${subject}: ${this.checks.map((check) => `${check.subject} ${check.name}`).join(', ')}`);
    return found;
  }
}

async function look({ endpoint, credentials }: Partial<Server>, settings: ConfigInput): Promise<Found> {
  const config = loadConfig({}, { dataDir: await scratch(), ...(endpoint !== undefined && { store: 's3', s3Endpoint: endpoint, s3ForcePathStyle: true }), ...settings }, 'no-such-file.json');
  const checks: GuardrailCheck[] = [];
  for await (const check of checkGuardrails(config, credentials === undefined ? {} : { credentials })) checks.push(check);
  return new Found(checks);
}

const segment = (first: number): string => `chains/orders/segments/${String(first).padStart(20, '0')}.ndjson`;
const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000);

describe('MinIO', () => {
  let server: Awaited<ReturnType<typeof minio.start>>;
  beforeAll(async () => {
    server = await minio.start();
  });
  afterAll(() => server.dispose());

  it('a bucket without a lock, and without versions: nothing stops anything', async () => {
    const bucket = await server.createBucket('check-unlocked', { lock: false });
    const found = await look(server, { s3Bucket: bucket });
    expect(found.of('bucket', 'unprotected')).toEqual(expect.arrayContaining(['versioning', 'object-lock', 'version-removal', 'delete-marker', 'unlocked-write', 'lifecycle-change']));
  });

  it('a lock in mode COMPLIANCE keeps versions; a rule that expires entries, and a denial, are seen', async () => {
    const bucket = await server.createBucket('check-locked');
    const settings = { s3Bucket: bucket, retentionMode: 'compliance', acknowledgeCompliance: true, retentionDays: 2 };
    const before = await look(server, settings);
    expect(before.get('bucket', 'version-removal').protection).toBe('protected');
    expect(before.get('bucket', 'delete-marker').protection).toBe('weak');
    expect(before.get('bucket', 'lifecycle-expiration').protection).toBe('protected');
    expect(before.of('bucket', 'unknown')).toEqual([]);

    await server.admin.send(new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration: { Rules: [{ ID: 'tidy', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } }] } }));
    const Statement = [{ Sid: 'NoDeletes', Effect: 'Deny', Principal: '*', Action: ['s3:DeleteObject', 's3:DeleteObjectVersion'], Resource: `arn:aws:s3:::${bucket}/*` }];
    await server.admin.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
    const after = await look(server, settings);
    expect(after.get('bucket', 'lifecycle-expiration')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining('tidy') as string });
    expect(after.get('bucket', 'delete-marker').protection).toBe('protected');
    // MinIO's own root is bound by no policy: the check can't see that, and says so.
    expect(after.get('bucket', 'bucket-policy').detail).toContain('only a trial shows');
  });

  it('the newest entry is locked shorter than the settings ask, or not at all: found', async () => {
    const bucket = await server.createBucket('check-short');
    await server.admin.send(new PutObjectCommand({ Bucket: bucket, Key: segment(0), Body: 'x', ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(10) }));
    expect((await look(server, { s3Bucket: bucket, retentionDays: 10 })).get('bucket', 'newest-objects').protection).toBe('protected');
    expect((await look(server, { s3Bucket: bucket, retentionDays: 20 })).get('bucket', 'newest-objects')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining(segment(0)) as string });
    await server.admin.send(new PutObjectCommand({ Bucket: bucket, Key: segment(1), Body: 'x' }));
    expect((await look(server, { s3Bucket: bucket, retentionDays: 10 })).get('bucket', 'newest-objects').protection).toBe('unknown');
  });

  it('what these credentials may not see is unknown, by the name of the right; the writer of policies/iam sees all', async () => {
    const bucket = await server.createBucket('check-rights');
    const arn = `arn:aws:s3:::${bucket}`;
    // As docs/s3.md has it for a writer, and nothing of what the check reads besides.
    const bare = await session(server, [
      { Effect: 'Allow', Action: ['s3:ListBucketVersions', 's3:GetBucketVersioning', 's3:GetBucketObjectLockConfiguration'], Resource: arn },
      { Effect: 'Allow', Action: ['s3:PutObject', 's3:PutObjectRetention', 's3:GetObjectVersion', 's3:GetObjectRetention'], Resource: `${arn}/*` },
    ]);
    const found = await look({ endpoint: server.endpoint, credentials: bare }, { s3Bucket: bucket });
    expect(found.get('bucket', 'object-lock').protection).toBe('protected');
    for (const [name, right] of [['bucket-policy', 's3:GetBucketPolicy'], ['lifecycle-expiration', 's3:GetLifecycleConfiguration'], ['encryption', 's3:GetEncryptionConfiguration'], ['second-copy', 's3:GetReplicationConfiguration']] as const) {
      expect(found.get('bucket', name), name).toMatchObject({ protection: 'unknown', advice: expect.stringContaining(right) as string });
    }
    // Nothing is said of what is denied by a policy that was not seen.
    expect(found.of('bucket')).not.toContain('delete-marker');
    // MinIO has no such settings, and refuses policies that name their rights.
    const has = (action: string): boolean => action.startsWith('s3:') && !['s3:GetBucketPublicAccessBlock', 's3:GetBucketOwnershipControls', 's3:GetBucketAcl'].includes(action);
    const writer = policyOf('iam/writer', { ...readTable().variables, bucket }).Statement.map((statement) => ({ ...statement, Action: [statement.Action ?? []].flat().filter(has) })).filter(({ Action, Condition }) => Action.length > 0 && Condition === undefined);
    expect((await look({ endpoint: server.endpoint, credentials: await session(server, writer) }, { s3Bucket: bucket })).of('bucket', 'unknown')).toEqual([]);
  });

  it('the command prints it and ends with 2; what is no bucket is unknown, and ends with 3 or 2, never with 0', async () => {
    const bucket = await server.createBucket('check-command');
    const env = environment(server, bucket);
    const text = await cli(['guardrails', 'check', '--data-dir', await scratch()], { env });
    expect(text.code).toBe(2);
    expect(text.stdout).toMatch(/^bucket /);
    expect(text.stdout).toContain('to do: ');
    const json = await cli(['guardrails', 'check', '--json', '--data-dir', await scratch()], { env: { ...env, INDELIBLE_S3_BUCKET: 'no-such-bucket' } });
    expect(jsonOf(json)).toMatchObject({ format: 'indelible/guardrails-check/v1', checks: expect.arrayContaining([expect.objectContaining({ subject: 'bucket no-such-bucket', name: 'bucket', protection: 'unknown' })]) as unknown });
    expect([2, 3]).toContain(json.code);
  });

  it('a service checks beside serving, records what it found once, shows it to Prometheus, and stops at once', async () => {
    const bucket = await server.createBucket('check-service');
    const data = await scratch();
    const env = environment(server, bucket);
    const service = await serve(data, env);
    const producer = new Producer();
    expect((await producer.append(service.url, 'orders', 'first')).status).toBe(201);
    await until(async () => /^indelible_guardrails_unprotected [1-9]/m.test(await (await fetch(`${service.url}/metrics`)).text()));
    await until(async () => (await cli(['get', '--data-dir', data, '--chain', '_system', '1', '--json'], { env })).code === 0);
    producer.close();
    const { code, stderr } = await service.stop('SIGTERM');
    expect(code).toBe(0);
    expect(stderr).toContain('guardrail unprotected: bucket');
    const { entry } = jsonOf(await cli(['get', '--data-dir', data, '--chain', '_system', '1', '--json'], { env })) as { entry: { event: { action: string; metadata: Record<string, unknown> } } };
    expect(entry.event).toMatchObject({ action: 'guardrails.checked', category: 'system', metadata: { protection: 'unprotected', notProtected: expect.arrayContaining([{ subject: `bucket ${bucket}`, name: 'governance-bypass', protection: 'unprotected' }]) as unknown } });
    expect((await cli(['verify', '--data-dir', data, '--json'], { env })).code).toBe(0);
  });
});

describe('Ceph', () => {
  let server: Awaited<ReturnType<typeof ceph.start>>;
  beforeAll(async () => {
    server = await ceph.start();
  });
  afterAll(() => server.dispose());

  it('a policy is read and judged; what this S3 does not offer is no hole, and nothing is taken for protected unseen', async () => {
    await server.createBucket('check-ceph');
    const bucket = 'check-ceph';
    const settings = { s3Bucket: bucket, singleWriter: true };
    const before = await look(server, settings);
    expect(before.get('bucket', 'object-lock').protection).toBe('protected');
    expect(before.get('bucket', 'governance-bypass').protection).toBe('unprotected');
    const Statement = [{ Sid: 'NoDeletes', Effect: 'Deny', Principal: '*', Action: ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:BypassGovernanceRetention'], Resource: `arn:aws:s3:::${bucket}/*` }];
    await server.admin.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
    const after = await look(server, settings);
    for (const name of ['delete-marker', 'version-removal', 'governance-bypass']) expect(after.get('bucket', name), name).toMatchObject({ protection: 'protected', detail: expect.stringContaining('NoDeletes') as string });
    expect(after.get('bucket', 'foreign-write').protection).toBe('weak');
  });
});

describe('a stand-in of AWS', () => {
  let server: Awaited<ReturnType<typeof moto.start>>;
  let s3: S3Client;
  let kms: KMSClient;
  const { variables } = readTable();
  beforeAll(async () => {
    server = await moto.start();
    const { endpoint, region, credentials } = server;
    s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    kms = new KMSClient({ endpoint, region, credentials });
  });
  afterAll(async () => {
    s3.destroy();
    kms.destroy();
    await server.dispose();
  });

  async function key(policy: 'signing-key' | 'store-key'): Promise<string> {
    const { KeyMetadata: made } = await kms.send(new CreateKeyCommand(policy === 'signing-key' ? { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' } : { KeySpec: 'SYMMETRIC_DEFAULT', KeyUsage: 'ENCRYPT_DECRYPT' }));
    const id = made?.Arn ?? '';
    const account = made?.AWSAccountId ?? '';
    await kms.send(new PutKeyPolicyCommand({ KeyId: id, PolicyName: 'default', Policy: JSON.stringify(policyOf(`kms/${policy}`, { ...variables, account_id: account, pipeline_role_arn: `arn:aws:iam::${account}:role/audit-pipeline` })) }));
    if (policy === 'store-key') await kms.send(new EnableKeyRotationCommand({ KeyId: id }));
    return id;
  }

  it('with the policies of this repository all is protected; each thing that is then taken away is found', async () => {
    const bucket = 'auditlog-log';
    const [signing, store] = [await key('signing-key'), await key('store-key')];
    await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 2_555 } } } }));
    const blocks = { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true };
    await s3.send(new PutPublicAccessBlockCommand({ Bucket: bucket, PublicAccessBlockConfiguration: blocks }));
    await s3.send(new PutBucketOwnershipControlsCommand({ Bucket: bucket, OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] } }));
    await s3.send(new PutBucketEncryptionCommand({ Bucket: bucket, ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: store } }] } }));
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: segment(0), Body: 'x', ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(2_555) }));
    await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policyOf('s3/log-bucket', variables)) }));
    const settings: ConfigInput = {
      s3Bucket: bucket, s3ReplicaBucket: 'auditlog-replica', retentionMode: 'compliance', acknowledgeCompliance: true, retentionDays: 2_555,
      signer: 'kms', kmsKeyId: signing, kmsEndpoint: server.endpoint,
    };
    const all = await look(server, settings);
    const ofThis = (found: Found): readonly string[] => found.checks.filter(({ subject, protection }) => !subject.includes('auditlog-replica') && protection !== 'protected').map(({ subject, name, protection, detail }) => `${subject.split(' ')[0] ?? ''} ${name} ${protection}: ${detail}`);
    expect(ofThis(all)).toEqual([]);
    expect(all.of(`bucket ${bucket}`).length).toBeGreaterThan(25);
    expect(all.of('signing key')).toEqual(['key-state', 'key-kind', 'key-removal', 'key-policy', 'key-grants']);
    expect(all.of('store key')).toEqual(['key-state', 'key-kind', 'key-rotation', 'key-removal', 'key-policy', 'key-grants']);
    // The second bucket does not exist: it is not passed over.
    expect(all.get('bucket auditlog-replica', 'bucket').protection).toBe('unknown');

    // This KMS takes ids alone.
    const idOf = (arn: string): string => arn.replace(/^.*\//, '');
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId: idOf(store), PendingWindowInDays: 7 }));
    await kms.send(new DisableKeyCommand({ KeyId: idOf(signing) }));
    await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Suspended' } })).catch(() => undefined);
    await s3.send(new PutPublicAccessBlockCommand({ Bucket: bucket, PublicAccessBlockConfiguration: { ...blocks, RestrictPublicBuckets: false } }));
    const less = await look(server, settings);
    expect(less.get('store key', 'key-state')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining('unreadable') as string, advice: expect.stringContaining('cancel') as string });
    expect(less.get('signing key', 'key-state').protection).toBe('unprotected');
    expect(less.get(`bucket ${bucket}`, 'public-access').protection).toBe('weak');
    await kms.send(new CancelKeyDeletionCommand({ KeyId: idOf(store) }));
    expect((await look(server, settings)).get('store key', 'key-state')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining('disabled') as string });
  });

  it('a key as AWS makes it can be deleted by the administrators of its account: weak', async () => {
    const found = await look({ credentials: server.credentials }, { signer: 'kms', kmsKeyId: await server.createKey(), kmsEndpoint: server.endpoint, kmsRegion: server.region });
    expect(found.get('signing key', 'key-removal')).toMatchObject({ protection: 'weak', detail: expect.stringContaining('an administrator of the account') as string });
    expect(reportOf(found.checks, new Date()).protection).toBe('unprotected');
  });
});

describe('Kafka', () => {
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

  it('a topic that forgets, on brokers that ask nobody for a right: found, each by its name', async () => {
    const server = await kafka.start();
    try {
      const admin = server.kafka.admin();
      await admin.connect();
      await makeTopics(admin, [{ topic: 'audit.events', numPartitions: 1, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '60000' }, { name: 'unclean.leader.election.enable', value: 'true' }] }]);
      await admin.disconnect();
      const found = await look({}, { kafkaBrokers: [server.broker], kafkaReplicationFactor: 1 });
      expect(found.get('topic', 'topic-settings')).toMatchObject({ protection: 'weak', detail: expect.stringMatching(/unclean.leader.election.enable is true.*retention.ms is 60000.*not filled in again/) as string });
      expect(found.get('topic', 'topic-access').protection).toBe('unprotected');
      expect(found.get('topic', 'topic-removal').protection).toBe('unprotected');
      expect(found.get('topic', 'topic-creation').protection).toBe('protected');
      expect(found.get('topic', 'cursor-settings').protection).toBe('unknown');
    } finally {
      await server.dispose();
    }
  });

  it('brokers with rights: who may delete or alter is named; without such a right, and with topics that can not be deleted, it is protected', async () => {
    const server = await kafka.start({ settings: { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer', 'super.users': 'User:ANONYMOUS', 'delete.topic.enable': 'false' } });
    try {
      const admin = server.kafka.admin();
      await admin.connect();
      const on = { resourceType: AclResourceTypes.TOPIC, resourceName: 'audit', resourcePatternType: ResourcePatternTypes.PREFIXED, host: '*', permissionType: AclPermissionTypes.ALLOW };
      await admin.createAcls({ acl: [{ ...on, principal: 'User:mirror', operation: AclOperationTypes.WRITE }] });
      const settings = { kafkaBrokers: [server.broker], kafkaReplicationFactor: 1 };
      const before = await look({}, settings);
      expect(before.get('topic', 'topic-access').protection).toBe('protected');
      expect(before.get('topic', 'topic-removal').protection).toBe('protected');
      await admin.createAcls({ acl: [{ ...on, principal: 'User:mirror', operation: AclOperationTypes.DELETE }] });
      expect((await look({}, settings)).get('topic', 'topic-access')).toMatchObject({ protection: 'weak', detail: expect.stringContaining('User:mirror has Delete') as string });
      await admin.createAcls({ acl: [{ ...on, principal: 'User:*', operation: AclOperationTypes.ALL }] });
      expect((await look({}, settings)).get('topic', 'topic-access').protection).toBe('unprotected');
      await admin.disconnect();
    } finally {
      await server.dispose();
    }
  });

  it('brokers that do not answer are unknown, in bounded time', async () => {
    const found = await look({}, { kafkaBrokers: '127.0.0.1:1', elasticsearchUrl: 'http://127.0.0.1:1' });
    expect(found.of('topic', 'unknown')).toEqual(['brokers']);
    expect(found.of('search index').length).toBe(found.of('search index', 'unknown').length);
  });
});

describe('Elasticsearch', () => {
  it('without security anybody can write; a mapping that takes anything, and wildcards that delete, are found', async () => {
    const server = await elasticsearch.start();
    try {
      const es = async (method: string, path: string, body?: unknown): Promise<void> => {
        const answer = await fetch(`${server.endpoint}${path}`, { method, headers: { 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }) });
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      };
      const settings = { elasticsearchUrl: server.endpoint, elasticsearchIndex: 'check' };
      const before = await look({}, settings);
      expect(before.get('search index', 'index-mapping').protection).toBe('unknown');
      expect(before.get('search index', 'index-access')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining('asks nobody') as string });
      expect(before.get('search index', 'index-removal').protection).toBe('protected');
      await es('PUT', '/check-first', { aliases: { check: {} } });
      await es('PUT', '/check-0123456789ab', {});
      await es('PUT', '/_cluster/settings', { persistent: { 'action.destructive_requires_name': false } });
      const after = await look({}, settings);
      expect(after.get('search index', 'index-mapping').protection).toBe('weak');
      expect(after.get('search index', 'index-generations')).toMatchObject({ protection: 'weak', detail: expect.stringContaining('check-0123456789ab') as string });
      expect(after.get('search index', 'index-removal').protection).toBe('weak');
    } finally {
      await server.dispose();
    }
  });
});
