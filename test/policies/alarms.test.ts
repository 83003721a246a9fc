/** The alarms: that each attack raises one, that the service's own trials raise none, and that each names what exists. */
import * as kms from '@aws-sdk/client-kms';
import * as s3 from '@aws-sdk/client-s3';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { matches } from './event-pattern.js';
import { readTable } from './table.js';
import { rendered } from './templates.js';

type Pattern = Parameters<typeof matches>[0];
interface CloudTrailAlarm {
  readonly name: string;
  readonly severity: string;
  readonly source: 'cloudtrail';
  readonly events: readonly string[];
  readonly summary: string;
  readonly playbook: string;
  readonly accounts: readonly string[];
  readonly scope: 'regional' | 'global';
  readonly data_events: boolean;
  readonly pattern: Pattern;
}
interface PrometheusAlarm {
  readonly name: string;
  readonly severity: string;
  readonly source: 'prometheus';
  readonly metric: string;
  readonly alert: string;
  readonly summary: string;
  readonly playbook: string;
}

const { variables } = readTable();
const { alarms } = rendered('alarms', variables) as { readonly alarms: readonly (CloudTrailAlarm | PrometheusAlarm)[] };
const byTrail = alarms.filter((alarm) => alarm.source === 'cloudtrail');
const { writer_role_arn: WRITER, mirror_role_arn: MIRROR, retention_extender_role_arn: EXTENDER, hold_manager_role_arn: HOLDER, replication_role_arn: REPLICATION } = variables;
const ADMINISTRATOR = 'arn:aws:iam::111111111111:role/administrator';

/** What CloudTrail tells of a call; `by`: a role, or nobody who has taken one (root, a user). */
function told(service: string, eventName: string, by: string | undefined, requestParameters: Readonly<Record<string, string>> = {}): Pattern {
  const userIdentity = by === undefined ? { type: 'Root', arn: 'arn:aws:iam::111111111111:root' } : { type: 'AssumedRole', sessionContext: { sessionIssuer: { arn: by } } };
  return { source: `aws.${service}`, 'detail-type': 'AWS API Call via CloudTrail', detail: { eventSource: `${service}.amazonaws.com`, eventName, requestParameters, userIdentity } };
}
const raised = (event: Pattern): string[] => byTrail.filter(({ pattern }) => matches(pattern, event)).map(({ name }) => name);
const inLog = (key: string): Record<string, string> => ({ bucketName: variables['bucket'] ?? '', key });
const ENTRY = inLog('chains/orders/segments/0.ndjson');
const TRIAL = inLog('_self-test/1/versions-1');

describe('an attack raises its alarm', () => {
  it.each([
    ['object-removal-attempt', told('s3', 'DeleteObject', ADMINISTRATOR, ENTRY)],
    ['object-removal-attempt', told('s3', 'DeleteObject', undefined, ENTRY)],
    ['object-removal-attempt', told('s3', 'DeleteObject', WRITER, ENTRY)],
    ['object-removal-attempt', told('s3', 'DeleteObject', ADMINISTRATOR, TRIAL)],
    ['object-removal-attempt', told('s3', 'DeleteObjects', WRITER, { bucketName: variables['bucket'] ?? '' })],
    ['object-removal-attempt', told('s3', 'DeleteObject', MIRROR, { ...ENTRY, bucketName: variables['replica_bucket'] ?? '' })],
    ['retention-change', told('s3', 'PutObjectRetention', ADMINISTRATOR, ENTRY)],
    ['retention-change', told('s3', 'PutObjectRetention', WRITER, ENTRY)],
    ['retention-change', told('s3', 'PutObjectRetention', undefined, ENTRY)],
    ['retention-change', told('s3', 'PutObjectLegalHold', EXTENDER, ENTRY)],
    ['retention-change', told('s3', 'PutObjectLegalHold', undefined, ENTRY)],
    ['retention-change', told('s3', 'PutBucketObjectLockConfiguration', ADMINISTRATOR, { bucketName: variables['bucket'] ?? '' })],
    ['bucket-protection-change', told('s3', 'PutBucketLifecycle', ADMINISTRATOR, { bucketName: variables['bucket'] ?? '' })],
    ['bucket-protection-change', told('s3', 'DeleteBucketPolicy', undefined, { bucketName: variables['replica_bucket'] ?? '' })],
    ['foreign-write', told('s3', 'PutObject', ADMINISTRATOR, ENTRY)],
    ['foreign-write', told('s3', 'CopyObject', undefined, ENTRY)],
    ['key-removal-attempt', told('kms', 'ScheduleKeyDeletion', ADMINISTRATOR)],
    ['topic-removal-attempt', told('kafka', 'DeleteTopic', ADMINISTRATOR)],
    ['organization-change', told('organizations', 'DetachPolicy', ADMINISTRATOR)],
    ['organization-change', told('sts', 'AssumeRoot', ADMINISTRATOR)],
    ['organization-change', told('account', 'DisableRegion', ADMINISTRATOR)],
    ['alarm-tampering', told('cloudtrail', 'StopLogging', ADMINISTRATOR)],
    ['alarm-tampering', told('events', 'RemoveTargets', ADMINISTRATOR)],
    ['alarm-tampering', told('monitoring', 'DeleteAlarms', ADMINISTRATOR)],
    ['alarm-tampering', told('sns', 'Unsubscribe', ADMINISTRATOR)],
    ['role-change', told('iam', 'UpdateAssumeRolePolicy', ADMINISTRATOR)],
  ])('%s: %j', (name, event) => {
    expect(raised(event)).toEqual([name]);
  });

  it.each(byTrail.map((alarm) => [alarm.name, alarm] as const))('%s: each of its events alone, by an administrator', (_name, { name, events, pattern }) => {
    const services = [(pattern as { detail: { eventSource: string[] } }).detail.eventSource].flat().map((source) => source.replace('.amazonaws.com', ''));
    for (const event of events) expect(services.some((service) => raised(told(service, event, ADMINISTRATOR, ENTRY)).includes(name)), event).toBe(true);
  });
});

describe('what is as it should be raises none', () => {
  it.each([
    ['the writer writes', told('s3', 'PutObject', WRITER, ENTRY)],
    ['the mirror copies', told('s3', 'PutObject', MIRROR, { ...ENTRY, bucketName: variables['replica_bucket'] ?? '' })],
    ['S3 replicates', told('s3', 'PutObject', REPLICATION, { ...ENTRY, bucketName: variables['replica_bucket'] ?? '' })],
    ['a start tries a delete', told('s3', 'DeleteObject', WRITER, TRIAL)],
    ['a start tries to shorten a retention', told('s3', 'PutObjectRetention', WRITER, TRIAL)],
    ['a start tries it in the second bucket', told('s3', 'PutObjectRetention', MIRROR, { ...TRIAL, bucketName: variables['replica_bucket'] ?? '' })],
    ['the extender extends', told('s3', 'PutObjectRetention', EXTENDER, ENTRY)],
    ['the hold manager holds', told('s3', 'PutObjectLegalHold', HOLDER, ENTRY)],
    ['somebody deletes elsewhere', told('s3', 'DeleteObject', ADMINISTRATOR, { bucketName: 'another', key: 'a' })],
  ])('%s', (_what, event) => {
    expect(raised(event)).toEqual([]);
  });
});

describe('an alarm', () => {
  it('is there for all that the playbooks are written for', () => {
    expect(alarms.map(({ name }) => name)).toEqual([
      'object-removal-attempt', 'retention-change', 'bucket-protection-change', 'foreign-write', 'key-removal-attempt', 'topic-removal-attempt',
      'organization-change', 'alarm-tampering', 'role-change', 'guardrail-weakened', 'security-finding', 'verification-stale', 'replica-differs', 'mirror-purged', 'index-tampered',
    ]);
  });

  it.each(alarms.map((alarm) => [alarm.name, alarm] as const))('%s names its page, and says in a sentence what happened', (_name, { name, playbook, severity, summary }) => {
    expect(playbook).toBe(`docs/playbooks/${name}.md`);
    expect(['critical', 'warning']).toContain(severity);
    expect(summary).toMatch(/^[A-Z].{20,}\.$/);
  });

  it('names rules that Prometheus has, with their metric', () => {
    const rules = readFileSync(fileURLToPath(new URL('../../docs/monitoring/alerts.yml', import.meta.url)), 'utf8');
    for (const alarm of alarms) {
      if (alarm.source !== 'prometheus') continue;
      // The rule of the guardrails comes with their check.
      if (alarm.alert === 'IndelibleGuardrailWeakened' && !rules.includes(alarm.alert)) continue;
      const rule = rules.split('- alert: ').find((text) => text.startsWith(`${alarm.alert}\n`));
      expect(rule, alarm.name).toContain(alarm.metric);
    }
  });

  it('names events as CloudTrail does: after the call, and for buckets by names of its own', () => {
    // Event, and the call that it is of where that has another name.
    const OWN: Readonly<Record<string, string>> = {
      PutBucketLifecycle: 'PutBucketLifecycleConfiguration',
      PutBucketNotification: 'PutBucketNotificationConfiguration',
      PutBucketPublicAccessBlock: 'PutPublicAccessBlock',
      DeleteBucketPublicAccessBlock: 'DeletePublicAccessBlock',
      PutBucketObjectLockConfiguration: 'PutObjectLockConfiguration',
    };
    const eventsOf = (service: string): string[] => byTrail.filter(({ pattern }) => JSON.stringify(pattern).includes(`"${service}.amazonaws.com"`)).flatMap(({ events }) => events);
    expect(eventsOf('s3').filter((event) => !(`${OWN[event] ?? event}Command` in s3))).toEqual([]);
    expect(eventsOf('kms').filter((event) => !(`${event}Command` in kms))).toEqual([]);
    // The names of rights, which are no events.
    for (const right of ['PutLifecycleConfiguration', 'DeleteObjectVersion', 'BypassGovernanceRetention', 'PutEncryptionConfiguration', 'PutReplicationConfiguration']) expect(eventsOf('s3')).not.toContain(right);
  });
});
