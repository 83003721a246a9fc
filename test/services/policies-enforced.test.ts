/**
 * The policies on real stores. MinIO judges the policy of a session: the duties' own policies, and the denies of the
 * bucket's policy, one at a time, each with the same act done without it. Ceph judges a bucket's policy as it is.
 */
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as ceph from '../../scripts/services/ceph.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import { cli, eventLines, jsonOf, temporaryFolder } from '../cli/cli.js';
import { readTable, variablesFor } from '../policies/table.js';
import { policyOf } from '../policies/templates.js';
import type { Statement, Variables } from '../policies/templates.js';
import { environment } from './support/serve.js';
import { session } from './support/session.js';
import type { Session } from './support/session.js';

const KEY = 'log-key';
const DAY_MS = 86_400_000;
const table = readTable();
const folder = temporaryFolder();
/** A day is the least: a test leaves nothing behind that would stay longer than its server. */
const variables: Variables = {
  ...variablesFor(table, table.sections[0]!, 's3/log-bucket'),
  retention_mode: 'GOVERNANCE',
  min_retention_days: '2',
  max_retention_days: '30',
};

let onMinio: Awaited<ReturnType<typeof minio.start>>;
let onCeph: Awaited<ReturnType<typeof ceph.start>>;
beforeAll(async () => {
  onMinio = await minio.start({ own: true, kmsKey: KEY });
  onCeph = await ceph.start();
});
afterAll(async () => {
  await onMinio.dispose();
  await onCeph.dispose();
});

/** The S3 statements of a duty on the log bucket; MinIO knows no KMS of AWS, and no second account. */
function duty(name: string, bucket: string): Statement[] {
  return policyOf(name, { ...variables, bucket }).Statement.flatMap((statement) => {
    const resources = [statement.Resource ?? []].flat().filter((resource) => resource.startsWith(`arn:aws:s3:::${bucket}`));
    return resources.length === 0 ? [] : [{ ...statement, Resource: resources, Action: known([statement.Action ?? []].flat()) }];
  });
}

/** What MinIO has under another name, or not at all. */
const NOT_OF_MINIO = new Set(['s3:GetBucketPublicAccessBlock', 's3:GetBucketOwnershipControls', 's3:GetBucketAcl', 's3:InitiateReplication', 's3:ObjectOwnerOverrideToBucketOwner', 's3:ReplicateTags']);
function known(actions: readonly string[]): string[] {
  return actions.filter((action) => !NOT_OF_MINIO.has(action));
}

function clientOf(where: { readonly endpoint: string }, credentials: Session | { readonly accessKeyId: string; readonly secretAccessKey: string }): S3Client {
  return new S3Client({ endpoint: where.endpoint, region: 'us-east-1', forcePathStyle: true, credentials, requestChecksumCalculation: 'WHEN_REQUIRED', maxAttempts: 1 });
}

/** `done`, or what S3 calls the refusal. */
async function attempt(act: Promise<unknown>): Promise<string> {
  try {
    await act;
    return 'done';
  } catch (error) {
    return (error as Error).name;
  }
}

function envOf(where: { readonly endpoint: string }, bucket: string, credentials: Session, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return environment({ endpoint: where.endpoint, credentials }, bucket, { AWS_SESSION_TOKEN: credentials.sessionToken, INDELIBLE_RETENTION_DAYS: '3', ...more });
}

/** Of the bucket's policy, what MinIO can judge and a writer meets. A session's policy has at most 2,048 characters. */
const FOR_THE_WRITER = ['NobodyDeletesObjects', 'RetentionIsStated', 'RetentionHasTheMode', 'NoForeignKeys', 'NoOtherStorageClasses'];

describe('the duties on MinIO, by their own policies', () => {
  let bucket: string;
  let writer: Session;
  const data = join(folder, 'writer');
  beforeAll(async () => {
    bucket = await onMinio.createBucket('duties');
    const denies = policyOf('s3/log-bucket', { ...variables, bucket, retention_mode: 'COMPLIANCE' }).Statement.filter(({ Sid }) => FOR_THE_WRITER.includes(Sid));
    writer = await session(onMinio, [...duty('iam/writer', bucket), ...denies.map((deny) => translated(deny, WRITER)!)]);
  });

  it('the writer can start, try the bucket and append, under what the bucket’s policy denies, too', async () => {
    const env = envOf(onMinio, bucket, writer, { INDELIBLE_RETENTION_MODE: 'compliance', INDELIBLE_ACKNOWLEDGE_COMPLIANCE: 'true' });
    const appended = await cli(['append', '--data-dir', data, '--chain', 'orders', '--json', '-'], { env, input: eventLines(1_200) });
    expect(jsonOf(appended)).toMatchObject({ appended: 1_200 });
    const doctor = await cli(['doctor', '--data-dir', data, '--json'], { env });
    expect(jsonOf(doctor)).not.toMatchObject({ status: 'failed' });
    expect(doctor.stdout).toContain('these credentials may not delete');
    // Trials stay short where the log's own objects may not: that is what `_self-test/` is left out for.
    const { Versions = [] } = await onMinio.admin.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    expect(Versions.length).toBeGreaterThan(24);
    for (const { Key = '', VersionId } of Versions) {
      const { ObjectLockMode, ObjectLockRetainUntilDate } = await onMinio.admin.send(new HeadObjectCommand({ Bucket: bucket, Key, VersionId }));
      const hours = ((ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now()) / 3_600_000;
      expect({ Key, ObjectLockMode, short: hours < 1 }).toEqual(Key.startsWith('_self-test/') ? { Key, ObjectLockMode: 'GOVERNANCE', short: true } : { Key, ObjectLockMode: 'COMPLIANCE', short: false });
    }
  });

  it('the writer can not write an object of the log that is locked otherwise, or not at all', async () => {
    const client = clientOf(onMinio, writer);
    expect(await attempt(put(client, bucket))).toBe('AccessDenied');
    expect(await attempt(client.send(new PutObjectCommand({ Bucket: bucket, Key: 'chains/unlocked', Body: 'x' })))).toBe('AccessDenied');
    expect(await attempt(put(client, bucket, { ObjectLockMode: 'COMPLIANCE', StorageClass: 'REDUCED_REDUNDANCY' }))).toBe('AccessDenied');
    expect(await attempt(put(client, bucket, { ObjectLockMode: 'COMPLIANCE' }))).toBe('done');
    client.destroy();
  });

  it('the verifier can verify all of it, retention included', async () => {
    const verifier = await session(onMinio, duty('iam/verifier', bucket));
    const verified = await cli(['verify', '--data-dir', data, '--chain', 'orders', '--retention', '--json'], { env: envOf(onMinio, bucket, verifier) });
    expect(verified, verified.stderr).toMatchObject({ code: 0 });
    expect(jsonOf(verified)).toMatchObject({ verdict: 'intact', chains: [{ chainId: 'orders', entriesChecked: 1_200 }] });
  });

  it.each(['iam/indexer', 'iam/verifier', 'iam/mirror', 'iam/retention-extender', 'iam/hold-manager'])('%s can not write to it', async (name) => {
    const client = clientOf(onMinio, await session(onMinio, duty(name, bucket)));
    expect(await attempt(client.send(new PutObjectCommand({ Bucket: bucket, Key: `by-${name}`, Body: 'x' })))).toBe('AccessDenied');
    client.destroy();
  });

  it.each(['iam/writer', 'iam/mirror', 'iam/indexer', 'iam/verifier', 'iam/retention-extender', 'iam/hold-manager'])('%s can not delete, hide, or change what protects the bucket', async (name) => {
    const target = await locked(bucket);
    const client = clientOf(onMinio, await session(onMinio, duty(name, bucket)));
    const { key, version } = target;
    const acts = [
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })),
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: version })),
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: version, BypassGovernanceRetention: true })),
      client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: openTo(bucket) })),
      client.send(expiring(bucket)),
      client.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } })),
    ];
    expect(await Promise.all(acts.map(attempt))).toEqual(Array(6).fill('AccessDenied'));
    client.destroy();
  });
});

/** An object locked for three days. */
async function locked(bucket: string): Promise<{ readonly key: string; readonly version: string }> {
  const key = `chains/${randomUUID()}`;
  const made = await onMinio.admin.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'an entry', ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(3) }));
  return { key, version: made.VersionId ?? '' };
}

function inDays(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

function openTo(bucket: string): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: ['*'] }, Action: ['s3:GetObject'], Resource: [`arn:aws:s3:::${bucket}/*`] }] });
}

function expiring(bucket: string): PutBucketLifecycleConfigurationCommand {
  return new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration: { Rules: [{ ID: 'all', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } }] } });
}

interface Attack {
  /** As whom: so a statement that exempts a role applies, or does not. */
  readonly as: string;
  readonly act: (client: S3Client, bucket: string, target: { readonly key: string; readonly version: string }) => Promise<unknown>;
}

const put = (client: S3Client, bucket: string, more: Partial<ConstructorParameters<typeof PutObjectCommand>[0]> = {}): Promise<unknown> =>
  client.send(new PutObjectCommand({ Bucket: bucket, Key: `chains/${randomUUID()}`, Body: 'x', ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(3), ...more }));
const { writer_role_arn: WRITER = '', retention_extender_role_arn: EXTENDER = '' } = variables;
const ADMINISTRATOR = 'arn:aws:iam::111111111111:role/administrator';

/** What each statement of the bucket's policy is there against, done by somebody who may do everything else. */
const ATTACKS: Readonly<Record<string, readonly Attack[]>> = {
  NobodyDeletesObjects: [
    { as: WRITER, act: (client, Bucket, { key }) => client.send(new DeleteObjectCommand({ Bucket, Key: key })) },
    { as: ADMINISTRATOR, act: (client, Bucket, { key, version }) => client.send(new DeleteObjectCommand({ Bucket, Key: key, VersionId: version, BypassGovernanceRetention: true })) },
  ],
  OnlyTheWriterPuts: [{ as: ADMINISTRATOR, act: (client, bucket) => put(client, bucket) }],
  RetentionIsStated: [{ as: WRITER, act: (client, Bucket) => client.send(new PutObjectCommand({ Bucket, Key: 'unlocked', Body: 'x' })) }],
  RetentionHasTheMode: [{ as: WRITER, act: (client, bucket) => put(client, bucket, { ObjectLockMode: 'COMPLIANCE' }) }],
  RetentionIsLongEnough: [{ as: WRITER, act: (client, Bucket) => shorter(client, Bucket) }],
  RetentionIsNotTooLong: [{ as: EXTENDER, act: (client, Bucket, { key, version }) => client.send(new PutObjectRetentionCommand({ Bucket, Key: key, VersionId: version, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: inDays(60) } })) }],
  OnlyWriterAndExtenderSetRetention: [
    { as: ADMINISTRATOR, act: (client, Bucket, { key, version }) => client.send(new PutObjectRetentionCommand({ Bucket, Key: key, VersionId: version, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: inDays(10) } })) },
  ],
  OnlyTheHoldManagerHolds: [{ as: ADMINISTRATOR, act: (client, Bucket, { key, version }) => client.send(new PutObjectLegalHoldCommand({ Bucket, Key: key, VersionId: version, LegalHold: { Status: 'ON' } })) }],
  NoForeignKeys: [{ as: WRITER, act: (client, bucket) => put(client, bucket, { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KEY }) }],
  NoOtherStorageClasses: [{ as: WRITER, act: (client, bucket) => put(client, bucket, { StorageClass: 'REDUCED_REDUNDANCY' }) }],
  NothingElseIsDoneToObjects: [{ as: ADMINISTRATOR, act: (client, Bucket, { key }) => client.send(new PutObjectTaggingCommand({ Bucket, Key: key, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } })) }],
  NobodyDeletesTheBucket: [
    { as: ADMINISTRATOR, act: (client, Bucket) => client.send(new DeleteBucketCommand({ Bucket })) },
  ],
  OnlyThePipelineChangesTheBucket: [
    { as: ADMINISTRATOR, act: (client, Bucket) => client.send(new PutBucketPolicyCommand({ Bucket, Policy: openTo(Bucket) })) },
    { as: ADMINISTRATOR, act: (client, bucket) => client.send(expiring(bucket)) },
    { as: ADMINISTRATOR, act: (client, Bucket) => client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } } })) },
  ],
  OnlyOverTls: [{ as: WRITER, act: (client, Bucket, { key, version }) => client.send(new GetObjectCommand({ Bucket, Key: key, VersionId: version })) }],
};

/** What MinIO can't be asked: see policies/README.md. */
const NOT_ON_MINIO: Readonly<Record<string, string>> = {
  PutsAreConditional: 'MinIO has no key s3:if-none-match in policies',
  NoCustomerKeys: 'MinIO takes SSE-C over TLS alone',
  NoReplicationInward: 'MinIO replicates between its own servers by headers of its own',
  OnlyOverNewTls: 'MinIO has no key s3:TlsVersion in policies',
};

/** A retention of an hour on an object that has none. */
async function shorter(client: S3Client, Bucket: string): Promise<unknown> {
  const Key = `chains/${randomUUID()}`;
  const { VersionId } = await onMinio.admin.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  return client.send(new PutObjectRetentionCommand({ Bucket, Key, VersionId, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + DAY_MS / 24) } }));
}

/** What changes objects and buckets on MinIO and is not among `others`: it takes no `NotAction` in a session's policy. */
function covered(others: readonly string[]): string[] {
  const changing = ['PutObjectTagging', 'DeleteObjectTagging', 'PutBucketPolicy', 'DeleteBucketPolicy', 'PutLifecycleConfiguration', 'PutBucketVersioning', 'PutBucketObjectLockConfiguration', 'PutEncryptionConfiguration', 'PutReplicationConfiguration'];
  const matches = (action: string): boolean => others.some((other) => (other.endsWith('*') ? action.startsWith(other.slice(0, -1)) : action === other));
  return changing.map((name) => `s3:${name}`).filter((action) => !matches(action));
}

/** The statement as MinIO can judge it for one principal; `undefined` where it exempts that one. */
function translated(statement: Statement, as: string): Partial<Statement> | undefined {
  const { Condition, NotAction, ...bare } = statement;
  const { ArnNotEquals, ...rest } = Condition ?? {};
  if ([ArnNotEquals?.['aws:PrincipalArn'] ?? []].flat().includes(as)) return undefined;
  const days = Object.values(rest).some((operands) => 's3:object-lock-remaining-retention-days' in operands);
  return {
    ...bare,
    // MinIO knows how long a retention is where one is set, and not of a PUT.
    ...(statement.Action !== undefined && { Action: days ? 's3:PutObjectRetention' : statement.Action }),
    ...(NotAction !== undefined && { Action: covered([NotAction].flat()) }),
    ...(Object.keys(rest).length > 0 && { Condition: rest }),
  };
}

describe('each statement of the log bucket’s policy on MinIO, against somebody who may do everything', () => {
  const statements = policyOf('s3/log-bucket', variables).Statement;
  let made = 0;

  it('is there: what is tried here and what MinIO can not be asked are all of them', () => {
    expect([...Object.keys(ATTACKS), ...Object.keys(NOT_ON_MINIO)].sort()).toEqual(statements.map(({ Sid }) => Sid).sort());
  });

  it.each(Object.entries(ATTACKS).flatMap(([sid, attacks]) => attacks.map((attack, at) => [sid, at + 1, attack] as const)))('%s (%i): refused with it, done without', async (sid, _at, { as, act }) => {
    const bucket = await onMinio.createBucket(`attacked-${++made}`);
    const statement = policyOf('s3/log-bucket', { ...variables, bucket }).Statement.find(({ Sid }) => Sid === sid)!;
    const everything: Partial<Statement> = { Effect: 'Allow', Action: 's3:*', Resource: ['arn:aws:s3:::*'] };
    const deny = translated(statement, as);
    expect(deny, `${sid} exempts ${as}`).toBeDefined();
    const target = sid === 'NobodyDeletesTheBucket' ? { key: '', version: '' } : await locked(bucket);
    const bound = clientOf(onMinio, await session(onMinio, [everything, deny!]));
    expect(await attempt(act(bound, bucket, target))).toBe('AccessDenied');
    const free = clientOf(onMinio, await session(onMinio, [everything]));
    expect(await attempt(act(free, bucket, target))).toBe('done');
    bound.destroy();
    free.destroy();
  });
});

/**
 * Ceph RGW 16.2 knows few of the keys that the statements ask for, and says so of none. Written down here, so that
 * nobody takes a policy that was accepted for one that protects.
 */
describe('the log bucket’s policy on Ceph RGW', () => {
  const all = (bucket: string): readonly Statement[] => policyOf('s3/log-bucket', { ...variables, bucket }).Statement;
  const HOLD = ['NobodyDeletesObjects', 'NobodyDeletesTheBucket'];
  /** Accepted, and without effect: the key is not known, so even what is negated does not hold. */
  const IDLE = [
    'OnlyTheWriterPuts', 'PutsAreConditional', 'RetentionHasTheMode', 'RetentionIsLongEnough', 'RetentionIsNotTooLong', 'OnlyWriterAndExtenderSetRetention',
    'OnlyTheHoldManagerHolds', 'NoForeignKeys', 'NoOtherStorageClasses', 'OnlyThePipelineChangesTheBucket', 'OnlyOverTls', 'OnlyOverNewTls',
  ];
  /** Accepted, and refuses every PUT: `Null` holds, whether true or false is asked for. */
  const BLOCK = ['RetentionIsStated', 'NoCustomerKeys'];
  /** Not accepted: it does not know the actions. */
  const REFUSED = ['NoReplicationInward', 'NothingElseIsDoneToObjects'];

  async function bucketWith(name: string, sids: readonly string[]): Promise<{ readonly bucket: string; readonly set: string }> {
    const bucket = `policied-${name}`;
    await onCeph.admin.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: all(bucket).filter(({ Sid }) => sids.includes(Sid)) });
    return { bucket, set: await attempt(onCeph.admin.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))) };
  }

  it('is refused as a whole, for actions that it does not know', async () => {
    expect([...HOLD, ...IDLE, ...BLOCK, ...REFUSED].sort()).toEqual(all('b').map(({ Sid }) => Sid).sort());
    expect((await bucketWith('whole', all('b').map(({ Sid }) => Sid))).set).toBe('InvalidArgument');
    for (const sid of REFUSED) expect((await bucketWith(sid.toLowerCase(), [sid])).set, sid).toBe('InvalidArgument');
  });

  it('keeps even the owner from deleting, where the statement has no condition', async () => {
    const { bucket, set } = await bucketWith('hold', HOLD);
    expect(set).toBe('done');
    const { VersionId } = await onCeph.admin.send(new PutObjectCommand({ Bucket: bucket, Key: 'entry', Body: 'x' }));
    expect(await attempt(onCeph.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'entry' })))).toBe('AccessDenied');
    expect(await attempt(onCeph.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'entry', VersionId, BypassGovernanceRetention: true })))).toBe('AccessDenied');
    expect(await attempt(onCeph.admin.send(new DeleteBucketCommand({ Bucket: bucket })))).toBe('AccessDenied');
    // And the owner, who may take the policy away.
    expect(await attempt(onCeph.admin.send(new DeleteBucketPolicyCommand({ Bucket: bucket })))).toBe('done');
    expect(await attempt(onCeph.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'entry' })))).toBe('done');
  });

  it('lets one writer run a ledger under those statements', async () => {
    const { bucket } = await bucketWith('ledger', HOLD);
    const env = environment(onCeph, bucket, { INDELIBLE_SINGLE_WRITER: 'true', INDELIBLE_STORE_TIMEOUT_MS: '2000', INDELIBLE_RETENTION_DAYS: '3' });
    const data = join(folder, 'ceph');
    expect(jsonOf(await cli(['append', '--data-dir', data, '--chain', 'orders', '--json', '-'], { env, input: eventLines(50) }))).toMatchObject({ appended: 50 });
    expect(jsonOf(await cli(['verify', '--data-dir', data, '--chain', 'orders', '--json'], { env }))).toMatchObject({ verdict: 'intact' });
  });

  it('accepts the statements with conditions, and does nothing of what they say', async () => {
    const { bucket, set } = await bucketWith('idle', IDLE);
    expect(set).toBe('done');
    const made = await onCeph.admin.send(new PutObjectCommand({ Bucket: bucket, Key: 'unlocked', Body: 'x' }));
    expect(await attempt(onCeph.admin.send(new PutObjectRetentionCommand({ Bucket: bucket, Key: 'unlocked', VersionId: made.VersionId, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: inDays(60) } })))).toBe('done');
    expect(await attempt(onCeph.admin.send(new PutObjectLegalHoldCommand({ Bucket: bucket, Key: 'unlocked', VersionId: made.VersionId, LegalHold: { Status: 'ON' } })))).toBe('done');
    expect(await attempt(onCeph.admin.send(expiring(bucket)))).toBe('done');
  });

  it.each(BLOCK)('refuses every PUT under %s', async (sid) => {
    const { bucket, set } = await bucketWith(sid.toLowerCase(), [sid]);
    expect(set).toBe('done');
    expect(await attempt(put(onCeph.admin, bucket))).toBe('AccessDenied');
  });
});
