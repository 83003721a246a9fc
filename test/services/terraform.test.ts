/**
 * terraform/: every module by its own tests, and both examples applied to moto. At stake: a log that a run of Terraform
 * takes away, or leaves without lock, policy or alarm; a bucket with COMPLIANCE that nobody meant; and an example that
 * does not work when it is copied.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { DescribeKeyCommand, GetKeyPolicyCommand, GetKeyRotationStatusCommand } from '@aws-sdk/client-kms';
import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketReplicationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as moto from '../../scripts/services/moto.mjs';
import { init, terraform, workspace } from '../../scripts/services/terraform.mjs';
import { StandInAccount } from './support/stand-in-account.js';
import { Root } from './support/terraform-example.js';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const folders = (path: string): string[] => readdirSync(`${REPOSITORY}terraform/${path}`, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
const MODULES = folders('modules');
const EXAMPLES = folders('examples');
const MINUTES = 60_000;

/** As in the terraform.tfvars.example. */
const DEVELOPMENT = '222233334444';
const LOG = '111122223333';
const REPLICA = '444455556666';
const MANAGEMENT = '777788889999';
const REGION = 'eu-central-1';
const REPLICA_REGION = 'eu-west-1';

/** What may go at any time: it neither keeps the log nor tells of an attempt on it. */
const UNGUARDED = new Set(['aws_sns_topic_subscription', 'aws_iam_role_policies_exclusive', 'aws_iam_role_policy_attachments_exclusive', 'aws_msk_scram_secret_association']);

let aws: Awaited<ReturnType<typeof moto.start>>;
let room: Awaited<ReturnType<typeof workspace>>;
let modules: Awaited<ReturnType<typeof workspace>>;
/** Started at once, awaited by the test that judges them: the machine is never idle while an apply waits for S3. */
let checks: Map<string, Promise<{ readonly validate: string; readonly test: string }>>;
let applied: Map<string, Promise<Applied>>;

beforeAll(async () => {
  [aws, room, modules] = await Promise.all([moto.start(), workspace(), workspace()]);
  applied = new Map([
    ['development', handled(development())],
    ['production', handled(production())],
  ]);
  checks = new Map();
  let before: Promise<unknown> = Promise.resolve();
  for (const name of MODULES) {
    const check = before.then(() => checked(name));
    checks.set(name, handled(check));
    before = check.catch(() => undefined);
  }
});
afterAll(async () => {
  await Promise.allSettled([...checks.values(), ...applied.values()]);
  await aws.dispose();
  await Promise.all([room.dispose(), modules.dispose()]);
});

/** It is awaited later, and its failure belongs to the test that does so. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

async function checked(name: string): Promise<{ validate: string; test: string }> {
  const folder = modules.path('modules', name);
  await init(folder);
  // The providers of this one are given to it: by itself it is no root.
  const given = `${folder}/given.tf`;
  if (name === 'replica-bucket') await writeFile(given, ['primary', 'replica'].map((alias) => `provider "aws" {\n  alias = "${alias}"\n}\n`).join(''));
  const validate = await terraform(folder, ['validate', '-no-color']);
  await rm(given, { force: true });
  const test = await terraform(folder, ['test', '-no-color']);
  return { validate: validate.out + validate.err, test: test.out + test.err };
}

/** A root that was applied, then again, then asked to be destroyed. */
interface Run {
  readonly root: string;
  readonly again: Awaited<ReturnType<Root['again']>>;
  readonly before: readonly string[];
  readonly destroy: Awaited<ReturnType<Root['refusals']>>;
  readonly after: readonly string[];
}

interface Applied {
  readonly runs: readonly Run[];
  readonly outputs: Readonly<Record<string, unknown>>;
}

async function apply(locked: Root, openService: (outputs: Readonly<Record<string, unknown>>) => Promise<Root>): Promise<Applied> {
  await locked.apply();
  const outputs = await locked.outputs();
  const service = await openService(outputs);
  await service.apply();
  const runs: Run[] = [];
  for (const [name, root] of Object.entries({ locked, service })) {
    const again = await root.again();
    const before = await root.resources();
    runs.push({ root: name, again, before, destroy: await root.refusals('destroy'), after: await root.resources() });
  }
  return { outputs, runs };
}

async function development(): Promise<Applied> {
  const open = (root: string, aliases: string[], settings: Readonly<Record<string, unknown>>): Promise<Root> => Root.open(room.path('examples/development', root), aws.endpoint, aliases, settings);
  return apply(await open('locked', [], {}), ({ signing_key_arn, store_key_arn }) => open('service', ['global'], { signing_key_arn, store_key_arn }));
}

/** An organization with a unit for the log. */
async function organization(): Promise<{ readonly account: StandInAccount; readonly id: string; readonly unit: string }> {
  const account = await StandInAccount.enter(aws.endpoint, MANAGEMENT);
  const call = <T>(operation: string, body: object): Promise<T> => account.json<T>('organizations', `AWSOrganizationsV20161128.${operation}`, body);
  const { Organization } = await call<{ Organization: { Id: string } }>('CreateOrganization', { FeatureSet: 'ALL' });
  const { Roots } = await call<{ Roots: { Id: string }[] }>('ListRoots', {});
  await call('EnablePolicyType', { RootId: Roots[0]!.Id, PolicyType: 'RESOURCE_CONTROL_POLICY' });
  const { OrganizationalUnit } = await call<{ OrganizationalUnit: { Id: string } }>('CreateOrganizationalUnit', { ParentId: Roots[0]!.Id, Name: 'audit-log' });
  return { account, id: Organization.Id, unit: OrganizationalUnit.Id };
}

async function production(): Promise<Applied & { readonly unit: string }> {
  const { id, unit } = await organization();
  const locked = await Root.open(room.path('examples/production/locked'), aws.endpoint, ['replica', 'organization'], { organization_id: id, organization_target_ids: [unit] });
  const done = await apply(locked, ({ signing_key_arn, store_key_arn }) =>
    Root.open(room.path('examples/production/service'), aws.endpoint, ['global', 'replica', 'replica_global', 'organization'], { signing_key_arn, store_key_arn }),
  );
  return { ...done, unit };
}

it('is formatted as terraform formats it', async () => {
  expect(await terraform(`${REPOSITORY}terraform`, ['fmt', '-check', '-recursive', '-diff', '-no-color'])).toMatchObject({ code: 0, out: '' });
});

describe.each(MODULES)('module %s', (name) => {
  it('is valid, refuses each bad setting, and sets what keeps the log', { timeout: 10 * MINUTES }, async () => {
    const { validate, test } = await checks.get(name)!;
    expect(validate).toMatch(/^Success!/);
    expect(test).toMatch(/Success! [1-9]\d* passed, 0 failed/);
  });
});

it('guards each resource but those that neither keep the log nor tell of an attempt on it', () => {
  const open: string[] = [];
  let guarded = 0;
  for (const file of readdirSync(`${REPOSITORY}terraform`, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tf'))) {
    for (const [, type = '', name = '', body = ''] of readFileSync(`${REPOSITORY}terraform/${file}`, 'utf8').matchAll(/^resource "(\w+)" "(\w+)" \{\n(.*?)^\}$/gms)) {
      if (/^ {2}lifecycle \{\n {4}prevent_destroy = true$/m.test(body)) guarded++;
      else if (!UNGUARDED.has(type)) open.push(`${file}: ${type}.${name}`);
    }
  }
  expect(open).toEqual([]);
  expect(guarded).toBeGreaterThan(40);
});

describe.each(EXAMPLES)('example %s', (example) => {
  it('is applied, and a second run changes nothing', { timeout: 10 * MINUTES }, async () => {
    const { runs } = await applied.get(example)!;
    for (const { root, again } of runs) {
      expect(again.code, `${root}: ${again.out}`).toBe(0);
      expect(again.applied).toMatch(/Resources: 0 added, 0 changed, 0 destroyed/);
    }
  });

  it('is not destroyed: terraform refuses, says why, and all is still in the state', { timeout: 10 * MINUTES }, async () => {
    const { runs } = await applied.get(example)!;
    for (const { before, destroy, after } of runs) {
      expect(before.length).toBeGreaterThan(10);
      expect(destroy.code).toBe(1);
      // Terraform stops at the outermost of what is guarded: whether all of it is guarded is read from the code, above.
      const guarded = destroy.errors.map(({ detail }) => /^Resource (\S+) has lifecycle\.prevent_destroy set/.exec(detail)?.[1]);
      expect(guarded.length).toBeGreaterThan(0);
      for (const address of guarded) expect(before).toContain(address);
      expect(after).toEqual(before);
    }
  });
});

describe('what is there after the apply and the refused destruction', () => {
  const buckets = [
    { name: 'audit-log-dev-example-com', example: 'development', accountId: DEVELOPMENT, region: REGION, mode: 'GOVERNANCE', days: 1 },
    { name: 'audit-log-example-com', example: 'production', accountId: LOG, region: REGION, mode: 'COMPLIANCE', days: 2557 },
    { name: 'audit-log-example-com-replica', example: 'production', accountId: REPLICA, region: REPLICA_REGION, mode: 'COMPLIANCE', days: 2557 },
  ];

  it.each(buckets)('bucket $name keeps versions, locks, denies deletion, is private and encrypted, and ends nothing', { timeout: 10 * MINUTES }, async ({ name, example, accountId, region, mode, days }) => {
    await applied.get(example)!;
    const s3 = (await StandInAccount.enter(aws.endpoint, accountId)).s3(region);
    const Bucket = { Bucket: name };
    expect((await s3.send(new GetBucketVersioningCommand(Bucket))).Status).toBe('Enabled');
    expect((await s3.send(new GetObjectLockConfigurationCommand(Bucket))).ObjectLockConfiguration).toMatchObject({ ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: mode, Days: days } } });
    const { Policy } = await s3.send(new GetBucketPolicyCommand(Bucket));
    const { Statement } = JSON.parse(Policy!) as { Statement: { Effect: string; Principal: unknown; Action?: string | string[]; Resource?: string | string[]; Condition?: object }[] };
    const denied = Statement.filter(({ Effect, Principal, Condition, Resource }) => Effect === 'Deny' && Principal === '*' && Condition === undefined && Resource === `arn:aws:s3:::${name}/*`).flatMap(({ Action }) => Action);
    expect(denied).toEqual(expect.arrayContaining(['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:BypassGovernanceRetention']));
    const { Rules = [] } = await s3.send(new GetBucketLifecycleConfigurationCommand(Bucket));
    expect(Rules.filter(({ Expiration, NoncurrentVersionExpiration }) => Expiration !== undefined || NoncurrentVersionExpiration !== undefined).map(({ Filter }) => Filter?.Prefix)).toEqual(['_self-test/']);
    expect(Rules.flatMap(({ Transitions = [] }) => Transitions).map(({ StorageClass, Days: after }) => `${StorageClass} ${after}`).sort()).toEqual(['DEEP_ARCHIVE 2557', `GLACIER_IR ${name.endsWith('-replica') ? 30 : 90}`]);
    const { PublicAccessBlockConfiguration } = await s3.send(new GetPublicAccessBlockCommand(Bucket));
    expect(PublicAccessBlockConfiguration).toEqual({ BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true });
    expect((await s3.send(new GetBucketOwnershipControlsCommand(Bucket))).OwnershipControls?.Rules?.[0]?.ObjectOwnership).toBe('BucketOwnerEnforced');
    const encryption = (await s3.send(new GetBucketEncryptionCommand(Bucket))).ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault;
    expect(encryption).toMatchObject({ SSEAlgorithm: 'aws:kms', KMSMasterKeyID: expect.stringContaining(`:kms:${region}:${accountId}:key/`) as string });
    s3.destroy();
  });

  it('production copies every object with its lock to the other account, and no delete marker', async () => {
    await applied.get('production')!;
    const s3 = (await StandInAccount.enter(aws.endpoint, LOG)).s3(REGION);
    const { ReplicationConfiguration } = await s3.send(new GetBucketReplicationCommand({ Bucket: 'audit-log-example-com' }));
    expect(ReplicationConfiguration).toMatchObject({
      Role: `arn:aws:iam::${LOG}:role/audit-log-replication`,
      Rules: [
        {
          Status: 'Enabled',
          DeleteMarkerReplication: { Status: 'Disabled' },
          SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
          Destination: { Bucket: 'arn:aws:s3:::audit-log-example-com-replica', Account: REPLICA, Metrics: { Status: 'Enabled' } },
        },
      ],
    });
    s3.destroy();
  });

  it.each([
    ['development', DEVELOPMENT],
    ['production', LOG],
  ])('%s has keys that nobody may delete, and one that signs', async (example, accountId) => {
    const { outputs } = await applied.get(example)!;
    const kms = (await StandInAccount.enter(aws.endpoint, accountId)).kms(REGION);
    const [signing, store] = [outputs['signing_key_arn'] as string, outputs['store_key_arn'] as string];
    expect((await kms.send(new DescribeKeyCommand({ KeyId: signing }))).KeyMetadata).toMatchObject({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', KeyState: 'Enabled' });
    expect((await kms.send(new GetKeyRotationStatusCommand({ KeyId: store }))).KeyRotationEnabled).toBe(true);
    for (const KeyId of [signing, store]) {
      const { Policy } = await kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: 'default' }));
      const { Statement } = JSON.parse(Policy!) as { Statement: { Effect: string; Action: string | string[]; Condition?: object }[] };
      const denied = Statement.filter(({ Effect, Condition }) => Effect === 'Deny' && Condition === undefined).flatMap(({ Action }) => Action);
      expect(denied).toEqual(expect.arrayContaining(['kms:ScheduleKeyDeletion', 'kms:DisableKey']));
    }
    kms.destroy();
  });

  it('production binds the accounts of the log by both policies of the organization', async () => {
    const { unit } = (await applied.get('production')!) as Applied & { unit: string };
    const account = await StandInAccount.enter(aws.endpoint, MANAGEMENT);
    for (const [Filter, Name] of [['SERVICE_CONTROL_POLICY', 'audit-log-service-control'], ['RESOURCE_CONTROL_POLICY', 'audit-log-resource-control']]) {
      const { Policies } = await account.json<{ Policies: { Name: string }[] }>('organizations', 'AWSOrganizationsV20161128.ListPoliciesForTarget', { TargetId: unit, Filter });
      expect(Policies.map((policy) => policy.Name)).toContain(Name);
    }
  });

  it.each([
    ['development', DEVELOPMENT, REGION, 'audit-log-dev-log-regional', 'object-removal-attempt'],
    ['development', DEVELOPMENT, 'us-east-1', 'audit-log-dev-log-global', 'role-change'],
    ['production', LOG, REGION, 'audit-log-log-regional', 'object-removal-attempt'],
    ['production', REPLICA, REPLICA_REGION, 'audit-log-replica-regional', 'object-removal-attempt'],
    ['production', MANAGEMENT, 'us-east-1', 'audit-log-management-global', 'organization-change'],
  ])('%s: account %s, %s: alarms are on, reach people, and name their page', async (example, accountId, region, name, one) => {
    await applied.get(example)!;
    const account = await StandInAccount.enter(aws.endpoint, accountId);
    const { Rules } = await account.json<{ Rules: { Name: string; State: string }[] }>('events', 'AWSEvents.ListRules', { NamePrefix: name }, region);
    expect(Rules.map(({ Name }) => Name)).toContain(`${name}-${one}`);
    for (const { Name, State } of Rules) {
      expect(State).toBe('ENABLED');
      const { Targets } = await account.json<{ Targets: { Arn: string; InputTransformer: { InputTemplate: string } }[] }>('events', 'AWSEvents.ListTargetsByRule', { Rule: Name }, region);
      expect(Targets).toMatchObject([{ Arn: `arn:aws:sns:${region}:${accountId}:${name}` }]);
      expect(Targets[0]!.InputTransformer.InputTemplate).toContain(`${Name.slice(name.length + 1)}.md`);
    }
    const subscriptions = await account.query('sns', { Action: 'ListSubscriptionsByTopic', Version: '2010-03-31', TopicArn: `arn:aws:sns:${region}:${accountId}:${name}` }, region);
    expect(subscriptions).toMatch(/<Endpoint>.+<\/Endpoint>/);
  });

  it.each([
    ['development', DEVELOPMENT, 'audit-log-dev'],
    ['production', LOG, 'audit-log'],
  ])('%s has a trail that writes, and brokers that do not delete topics', async (example, accountId, name) => {
    await applied.get(example)!;
    const account = await StandInAccount.enter(aws.endpoint, accountId);
    const target = 'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.GetTrailStatus';
    expect(await account.json('cloudtrail', target, { Name: `${name}-log-regional` }, REGION)).toMatchObject({ IsLogging: true });
    const { configurations } = await account.get<{ configurations: { arn: string; name: string }[] }>('kafka', '/v1/configurations', REGION);
    const { arn } = configurations.find((one) => one.name === name)!;
    const { serverProperties } = await account.get<{ serverProperties: string }>('kafka', `/v1/configurations/${encodeURIComponent(arn)}/revisions/1`, REGION);
    expect(Buffer.from(serverProperties, 'base64').toString().split('\n')).toEqual(expect.arrayContaining(['delete.topic.enable=false', 'auto.create.topics.enable=false']));
  });
});

describe('bad settings of the examples', () => {
  let elsewhere: Awaited<ReturnType<typeof workspace>>;
  beforeAll(async () => (elsewhere = await workspace()));
  afterAll(() => elsewhere.dispose());

  it('production: no acknowledgement, and more than the maximum, are refused with what to change', { timeout: 5 * MINUTES }, async () => {
    const settings = { i_understand_compliance_is_irreversible: false, retention_days: 6_000 };
    const root = await Root.open(elsewhere.path('examples/production/locked'), aws.endpoint, ['replica', 'organization'], settings);
    const sentences = async (): Promise<string> => {
      const { code, errors } = await root.refusals('plan');
      expect(code).toBe(1);
      return errors.map(({ detail }) => detail).join('\n');
    };
    const first = await sentences();
    expect(first).toContain('i_understand_compliance_is_irreversible: this example locks with COMPLIANCE, which nobody can undo until retention_days have passed. Set it to true if that is meant');
    expect(first).toContain('retention_days: 6000 is more than max_retention_days, 5479. Lower retention_days');

    // The replica beside the log, in its account and region.
    await root.set({ replica_account_id: LOG, replica_region: REGION });
    const second = await sentences();
    expect(second).toContain(`aws.replica: the replica would be in account ${LOG}, the log's own`);
    expect(second).toContain(`aws.replica: the replica would be in region ${REGION}, as the log is`);
    expect(second).toMatch(/Give the module a provider aws\.replica of another account\./);

    await root.set({ organization_target_ids: [MANAGEMENT], bucket: 'other-log' });
    const third = await sentences();
    expect(third).toContain('Keep the log in a member account.');
    expect(third).toContain('bucket: other-log does not begin with audit-log- (log_bucket_prefix)');
  });

  it('development: more than a week of retention is refused', { timeout: 5 * MINUTES }, async () => {
    const root = await Root.open(elsewhere.path('examples/development/locked'), aws.endpoint, [], { retention_days: 8 });
    const { code, errors } = await root.refusals('plan');
    expect(code).toBe(1);
    expect(errors.map(({ detail }) => detail).join('\n')).toContain('retention_days: 8 is more than a week, and this example is for trials. Lower retention_days');
  });
});
