/** One bucket of the log, read and judged. */
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Config } from '../config.js';
import { S3Connection } from '../storage/s3/connection.js';
import type { S3Settings } from '../storage/s3/connection.js';
import { checkReadable } from '../storage/s3/setup.js';
import { S3Store } from '../storage/s3/store.js';
import { policyChecks } from './bucket-policy.js';
import { settingChecks } from './bucket-settings.js';
import { lockOf, newestObjects, sampleChecks } from './newest-objects.js';
import type { Sample } from './newest-objects.js';
import { readPolicy } from './policy-document.js';
import type { Policy } from './policy-document.js';
import { judgeOf } from './report.js';
import type { GuardrailCheck, Judge } from './report.js';
import { ownerOf, readFacts } from './s3-facts.js';
import type { BucketFacts } from './s3-facts.js';

export interface BucketOptions {
  readonly isCopy: boolean;
  readonly credentials?: S3ClientConfig['credentials'];
  readonly signal?: AbortSignal;
  /** Told the KMS key that the bucket encrypts with, if it names one. */
  readonly onKey?: (keyId: string) => void;
}

export async function* bucketChecks(settings: S3Settings, config: Config, { isCopy, credentials, signal, onKey }: BucketOptions): AsyncGenerator<GuardrailCheck> {
  const judge = judgeOf(`bucket ${settings.bucket}`);
  const connection = new S3Connection(settings, { credentials });
  const end = (): void => connection.close();
  signal?.addEventListener('abort', end);
  try {
    await checkReadable(connection);
    const facts = await readFacts(connection);
    const key = facts.encryption.is === 'known' ? facts.encryption.value.KMSMasterKeyID : undefined;
    if (key !== undefined) onKey?.(key);
    yield* settingChecks(judge, facts, { to: isCopy || config.s3ReplicaBucket === undefined ? undefined : `bucket ${config.s3ReplicaBucket}`, isCopy });
    let samples: readonly Sample[] = [];
    try {
      samples = await newestObjects(new S3Store({ ...settings, credentials }, connection), connection);
      yield* sampleChecks(judge, samples, { mode: config.retentionMode, days: config.retentionDays });
    } catch (error) {
      yield judge.unknown('newest-objects', `they can not be looked at: ${(error as Error).message}`, 'give these credentials s3:ListBucketVersions on the bucket and s3:GetObjectRetention on the objects');
    }
    yield* await policyOf(judge, connection, facts, samples, config);
  } catch (error) {
    yield judge.unknown('bucket', `it can not be looked at: ${(error as Error).message}`, 'mend that, then check again');
  } finally {
    signal?.removeEventListener('abort', end);
    connection.close();
  }
}

async function policyOf(judge: Judge, connection: S3Connection, facts: BucketFacts, samples: readonly Sample[], config: Config): Promise<GuardrailCheck[]> {
  const { policy: fact } = facts;
  const name = 'bucket-policy';
  if (fact.is === 'unknown') return [judge.unknown(name, `the bucket policy can not be seen: ${fact.why}`, fact.advice)];
  const text = fact.is === 'known' ? fact.value : undefined;
  let policy: Policy | undefined;
  try {
    policy = text === undefined ? undefined : readPolicy(text);
  } catch (error) {
    return [judge.unknown(name, `the bucket policy can not be read: ${(error as Error).message}`, 'write it anew, from policies/s3')];
  }
  const { region, bucket, endpoint } = connection.settings;
  const reservation = endpoint === undefined ? '' : '; read as AWS reads it: whether this S3 holds its own administrators to it, only a trial shows (indelible guardrails drill)';
  const first = policy === undefined
    ? judge.weak(name, 'the bucket has no policy: besides Object Lock nothing is denied to the administrators of its account', 'give the bucket the policy of policies/s3 (docs/guardrails.md)')
    : judge.protects(name, `the bucket has a policy of ${policy.statements.length} statements${reservation}`);
  const isOn = facts.lock.is === 'known' ? facts.lock.value.ObjectLockEnabled === 'Enabled' : facts.lock.is !== 'unknown' ? false : undefined;
  const lock = lockOf(samples, isOn === undefined ? 'unknown' : isOn ? 'on' : 'off', config.retentionMode);
  const { Days, Years } = (facts.lock.is === 'known' ? facts.lock.value.Rule?.DefaultRetention : undefined) ?? {};
  const guarded = { policy, account: await ownerOf(connection, text), partition: partitionOf(region), undeniedIs: 'open' } as const;
  return [first, ...policyChecks(judge, { guarded, bucket, lock, defaultDays: Days ?? (Years === undefined ? undefined : Years * 365) }, config)];
}

export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
