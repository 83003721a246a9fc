/** The judgement of a bucket's policy and settings. At stake: a hole that the check calls protected, or a wall it does not see. */
import { describe, expect, it } from 'vitest';
import { policyChecks } from '#indelible/guardrails/bucket-policy.js';
import type { Lock } from '#indelible/guardrails/bucket-attacks.js';
import { settingChecks } from '#indelible/guardrails/bucket-settings.js';
import { readPolicy } from '#indelible/guardrails/policy-document.js';
import { exitCodeOf, judgeOf, reportOf } from '#indelible/guardrails/report.js';
import type { GuardrailCheck } from '#indelible/guardrails/report.js';
import type { BucketFacts, Fact } from '#indelible/guardrails/s3-facts.js';
import { readTable } from '../policies/table.js';
import { policyOf } from '../policies/templates.js';
import type { Policy, Statement } from '../policies/templates.js';

const { variables } = readTable();
const LOG = policyOf('s3/log-bucket', variables);
const CONFIG = { retentionMode: 'compliance', retentionDays: 2_555 } as const;

function checks(policy: Policy | undefined, { lock = 'compliance', config = CONFIG, defaultDays }: { lock?: Lock; config?: { retentionMode: 'compliance' | 'governance'; retentionDays: number }; defaultDays?: number } = {}): Map<string, GuardrailCheck> {
  const guarded = { policy: policy && readPolicy(JSON.stringify(policy)), account: '111111111111', partition: 'aws', undeniedIs: 'open' } as const;
  return new Map(policyChecks(judgeOf('bucket'), { guarded, bucket: 'auditlog-log', lock, defaultDays }, config).map((check) => [check.name, check]));
}

const without = (sid: string): Policy => ({ ...LOG, Statement: LOG.Statement.filter(({ Sid }) => Sid !== sid) });
const withThis = (statement: Partial<Statement>): Policy => ({ ...LOG, Statement: [...LOG.Statement, { Sid: 'Hole', Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::auditlog-log/*', ...statement }] });
const notProtected = (found: Map<string, GuardrailCheck>): string[] => [...found.values()].filter(({ protection }) => protection !== 'protected').map(({ name, protection }) => `${name} ${protection}`);

describe('the policy of policies/s3/log-bucket.json', () => {
  it('protects against every attack, each by the statement that is there for it', () => {
    const found = checks(LOG);
    expect(notProtected(found)).toEqual([]);
    const by: Record<string, string> = {
      'delete-marker': 'NobodyDeletesObjects', 'version-removal': 'NobodyDeletesObjects', 'governance-bypass': 'NobodyDeletesObjects', 'foreign-write': 'OnlyTheWriterPuts',
      overwrite: 'PutsAreConditional', 'unlocked-write': 'RetentionIsStated', 'short-retention': 'RetentionIsLongEnough', 'lower-mode': 'RetentionHasTheMode',
      'legal-hold': 'OnlyTheHoldManagerHolds', 'replication-inward': 'NoReplicationInward', 'object-access': 'NothingElseIsDoneToObjects', 'lifecycle-change': 'OnlyThePipelineChangesTheBucket',
      'versioning-change': 'OnlyThePipelineChangesTheBucket', 'policy-change': 'OnlyThePipelineChangesTheBucket', 'bucket-removal': 'NobodyDeletesTheBucket',
    };
    for (const [name, sid] of Object.entries(by)) expect(found.get(name)?.detail, name).toContain(sid);
    // Who is meant to have a right is named, so that a reader can ask whether that is still so.
    expect(found.get('foreign-write')?.detail).toContain(variables['writer_role_arn']);
    expect(found.get('lifecycle-change')?.detail).toContain(variables['pipeline_role_arn']);
    expect(found.get('short-retention')?.detail).toContain('2190');
  });

  it.each([
    ['NobodyDeletesObjects', ['delete-marker weak']],
    ['PutsAreConditional', ['overwrite weak']],
    // What says that the mode must be the right one refuses one that is not said, too.
    ['RetentionIsStated', []],
    ['RetentionIsLongEnough', ['short-retention weak']],
    ['OnlyTheHoldManagerHolds', ['legal-hold weak']],
    ['NoReplicationInward', ['replication-inward weak']],
    ['OnlyThePipelineChangesTheBucket', ['lifecycle-change weak', 'lock-change weak', 'replication-change weak', 'encryption-change weak', 'public-access-change weak', 'ownership-change weak', 'policy-change weak']],
  ])('without %s the hole is seen', (sid, expected) => {
    expect(notProtected(checks(without(sid)))).toEqual(expected);
  });

  it('the policies of both kinds of second bucket protect, too', () => {
    for (const name of ['s3/replica-bucket', 's3/replica-bucket-service']) {
      const guarded = { policy: readPolicy(JSON.stringify(policyOf(name, { ...variables, pipeline_role_arn: 'arn:aws:iam::222222222222:role/audit-pipeline' }))), account: '222222222222', partition: 'aws', undeniedIs: 'open' } as const;
      const found = policyChecks(judgeOf('bucket'), { guarded, bucket: 'auditlog-replica', lock: 'compliance', defaultDays: 2_555 }, CONFIG);
      expect(found.filter(({ protection }) => protection !== 'protected').map(({ name: of, detail }) => `${name} ${of}: ${detail}`)).toEqual([]);
    }
  });
});

describe('a hole in a policy', () => {
  it('an exception for somebody is named', () => {
    const policy = { ...LOG, Statement: LOG.Statement.map((one) => (one.Sid === 'NobodyDeletesObjects' ? { ...one, Condition: { ArnNotEquals: { 'aws:PrincipalArn': 'arn:aws:iam::111111111111:role/cleaner' } } } : one)) };
    const found = checks(policy, { lock: 'governance', config: { retentionMode: 'governance', retentionDays: 30 } });
    expect(found.get('version-removal')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining('role/cleaner') as string });
    expect(found.get('delete-marker')).toMatchObject({ protection: 'weak', detail: expect.stringContaining('role/cleaner') as string });
  });

  it('a stranger who is let in is unprotected, whatever the lock', () => {
    const open: Policy = { ...LOG, Statement: [{ Sid: 'Everybody', Effect: 'Allow', Principal: '*', Action: ['s3:PutObject', 's3:DeleteObject'], Resource: '*' }] };
    expect(checks(open).get('foreign-write')?.protection).toBe('unprotected');
    expect(checks(open).get('delete-marker')?.protection).toBe('unprotected');
    // A denial wins over that.
    expect(notProtected(checks(withThis({})))).toEqual([]);
  });

  it('a condition that can not be judged is unknown, and said', () => {
    const policy = { ...LOG, Statement: LOG.Statement.map((one) => (one.Sid === 'NobodyDeletesObjects' ? { ...one, Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } } : one)) };
    expect(checks(policy).get('delete-marker')).toMatchObject({ protection: 'unknown', detail: expect.stringContaining('aws:sourceip') as string });
  });

  it('a denial that depends on a header which the sender chooses denies nothing', () => {
    const policy = { ...LOG, Statement: LOG.Statement.map((one) => (one.Sid === 'OnlyTheWriterPuts' ? { ...one, Condition: { StringNotEquals: { 's3:x-amz-server-side-encryption': 'aws:kms' } } } : one)) };
    expect(checks(policy).get('foreign-write')?.protection).toBe('weak');
  });
});

describe('without a policy', () => {
  it('a COMPLIANCE lock keeps versions, and what it does not keep is weak', () => {
    const found = checks(undefined);
    for (const name of ['version-removal', 'governance-bypass', 'versioning-change', 'bucket-removal']) expect(found.get(name)?.protection, name).toBe('protected');
    for (const name of ['delete-marker', 'overwrite', 'lifecycle-change', 'short-retention', 'policy-change']) expect(found.get(name)?.protection, name).toBe('weak');
  });

  it('a GOVERNANCE lock yields to who may bypass it; no lock stops nothing', () => {
    const governance = checks(undefined, { lock: 'governance', config: { retentionMode: 'governance', retentionDays: 30 } });
    for (const name of ['version-removal', 'governance-bypass', 'retention-change']) expect(governance.get(name)?.protection, name).toBe('unprotected');
    const none = checks(undefined, { lock: 'none' });
    for (const name of ['version-removal', 'delete-marker', 'overwrite', 'lifecycle-change', 'versioning-change', 'unlocked-write']) expect(none.get(name)?.protection, name).toBe('unprotected');
    expect(checks(undefined, { lock: 'unknown' }).get('version-removal')?.protection).toBe('unknown');
  });

  it('a default retention is what an object gets that asks for none', () => {
    expect(checks(undefined, { defaultDays: 2_555 }).get('unlocked-write')?.protection).toBe('protected');
    expect(checks(undefined, { defaultDays: 1 }).get('unlocked-write')?.protection).toBe('weak');
  });
});

const known = <T>(value: T): Fact<T> => ({ is: 'known', value });
const GOOD: BucketFacts = {
  versioning: known('Enabled'),
  lock: known({ ObjectLockEnabled: 'Enabled' }),
  policy: { is: 'absent' },
  lifecycle: { is: 'absent' },
  publicAccess: known({ BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true }),
  encryption: known({ SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'key' }),
  replication: known({ Role: 'r', Rules: [{ Status: 'Enabled', Filter: { Prefix: '' }, DeleteMarkerReplication: { Status: 'Disabled' }, Destination: { Bucket: 'arn:aws:s3:::copy', Account: '2' } }] }),
  ownership: known('BucketOwnerEnforced'),
  grants: known({ owner: 'o', grants: [] }),
};
const settings = (change: Partial<BucketFacts>): string[] => notProtected(new Map(settingChecks(judgeOf('bucket'), { ...GOOD, ...change }, { to: undefined, isCopy: false }).map((check) => [check.name, check])));

describe('the settings of a bucket', () => {
  it.each<[string, Partial<BucketFacts>, string[]]>([
    ['all as they should be', {}, []],
    ['no versions', { versioning: known('Suspended') }, ['versioning unprotected']],
    ['no lock', { lock: { is: 'absent' } }, ['object-lock unprotected']],
    ['a rule that expires the log', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Expiration: { Days: 30 } }]) }, ['lifecycle-expiration unprotected']],
    ['the same by a prefix of one chain', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Filter: { Prefix: 'chains/orders/' }, Expiration: { Days: 30 } }]) }, ['lifecycle-expiration unprotected']],
    ['the same by a tag', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Filter: { Tag: { Key: 'a', Value: 'b' } }, Expiration: { Days: 30 } }]) }, ['lifecycle-expiration unprotected']],
    ['the same, switched off', { lifecycle: known([{ ID: 'x', Status: 'Disabled', Expiration: { Days: 30 } }]) }, []],
    ['the same for trials alone', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Filter: { Prefix: '_self-test/' }, Expiration: { Days: 30 }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }]) }, []],
    ['older versions removed', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Filter: { Prefix: '' }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }]) }, ['lifecycle-noncurrent weak']],
    ['markers removed', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Filter: {}, Expiration: { ExpiredObjectDeleteMarker: true } }]) }, ['lifecycle-markers weak']],
    ['moved to a colder class', { lifecycle: known([{ ID: 'x', Status: 'Enabled', Filter: {}, Transitions: [{ Days: 2_555, StorageClass: 'DEEP_ARCHIVE' }] }]) }, []],
    ['one block of public access off', { publicAccess: known({ BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: false }) }, ['public-access weak']],
    ['an access list for everybody', { ownership: { is: 'absent' }, grants: known({ owner: 'o', grants: [{ Grantee: { Type: 'Group', URI: 'http://acs.amazonaws.com/groups/global/AllUsers' }, Permission: 'READ' }] }) }, ['access-lists unprotected']],
    ['no encryption', { encryption: { is: 'absent' } }, ['encryption weak']],
    ['one copy', { replication: { is: 'absent' } }, ['second-copy weak']],
    ['copies of markers', { replication: known({ Role: 'r', Rules: [{ Status: 'Enabled', DeleteMarkerReplication: { Status: 'Enabled' }, Destination: { Bucket: 'b' } }] }) }, ['second-copy weak']],
    ['copies of a part', { replication: known({ Role: 'r', Rules: [{ Status: 'Enabled', Filter: { Prefix: 'keys/' }, Destination: { Bucket: 'b' } }] }) }, ['second-copy weak']],
  ])('%s', (_what, change, expected) => expect(settings(change)).toEqual(expected));

  it('what may not be read is unknown, and the advice names the right', () => {
    const unknown = { is: 'unknown', why: 'these credentials may not read it (AccessDenied)', advice: 'give them the right s3:Some on the bucket' } as const;
    const facts = Object.fromEntries(Object.keys(GOOD).map((name) => [name, unknown])) as unknown as BucketFacts;
    const found = settingChecks(judgeOf('bucket'), facts, { to: undefined, isCopy: false });
    expect(found.map(({ protection }) => protection)).toEqual(found.map(() => 'unknown'));
    for (const { advice } of found) expect(advice).toContain('s3:Some');
  });
});

describe('a report', () => {
  const of = (...protections: GuardrailCheck['protection'][]): number => exitCodeOf(reportOf(protections.map((protection) => ({ subject: 's', name: 'n', protection, detail: 'd' })), new Date(0)));

  it('is as bad as its worst check: what is known to be weak before what is not known', () => {
    expect([of('protected'), of('protected', 'unknown'), of('unknown', 'weak'), of('weak', 'unprotected', 'unknown')]).toEqual([0, 3, 2, 2]);
    expect(() => reportOf([], new Date(0))).toThrow(RangeError);
  });
});
