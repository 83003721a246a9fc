/** The newest objects of some chains, as a sample: whether the lock that the settings ask for is what they got. */
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { segmentKey } from '../core/chain.js';
import { lastFirstSequence } from '../ledger/head.js';
import { chainIds } from '../ledger/reader.js';
import type { S3Connection } from '../storage/s3/connection.js';
import type { S3Store } from '../storage/s3/store.js';
import type { Retention, StoredVersion } from '../storage/worm-store.js';
import type { Lock } from './bucket-attacks.js';
import type { GuardrailCheck, Judge } from './report.js';

/** Chains, and so objects, that are looked at. */
const SAMPLE = 10;
const DAY_MS = 86_400_000;
/** The end is reckoned by the writer's clock before the object is stored, perhaps at a later try. */
const SLACK_MS = 3_600_000;

export interface Sample {
  readonly key: string;
  readonly version: StoredVersion;
  /** Of S3's own replication, such as `FAILED`. */
  readonly replication: string | undefined;
}

/** @throws StoreError */
export async function newestObjects(store: S3Store, connection: S3Connection): Promise<readonly Sample[]> {
  const found: Sample[] = [];
  for await (const chainId of chainIds(store)) {
    const first = await lastFirstSequence(store, chainId);
    if (first === undefined) continue;
    const key = segmentKey(chainId, first);
    const version = (await store.versions(key)).find(({ deleteMarker }) => !deleteMarker);
    if (version === undefined) continue;
    found.push({ key, version, replication: await replicationOf(connection, key, version.versionId) });
    if (found.length === SAMPLE) break;
  }
  return found;
}

async function replicationOf(connection: S3Connection, Key: string, VersionId: string): Promise<string | undefined> {
  try {
    const command = new HeadObjectCommand({ Bucket: connection.settings.bucket, Key, VersionId });
    return (await connection.reading((client, options) => client.send(command, options))).ReplicationStatus;
  } catch {
    // It says less then; the right it needs is the one for the retention, which is reported.
    return undefined;
  }
}

/** As the objects have it; without any that shows it, as the bucket's default and the settings have it. */
export function lockOf(samples: readonly Sample[], bucketLock: 'on' | 'off' | 'unknown', configured: Retention['mode']): Lock {
  if (bucketLock !== 'on') return bucketLock === 'off' ? 'none' : 'unknown';
  const retentions = samples.map(({ version }) => version.retention);
  if (retentions.some((retention) => retention === 'none')) return 'none';
  if (retentions.some((retention) => typeof retention === 'object' && retention.mode !== 'compliance')) return 'governance';
  if (retentions.some((retention) => typeof retention === 'string')) return 'unknown';
  return configured;
}

export function sampleChecks(judge: Judge, samples: readonly Sample[], asked: { readonly mode: Retention['mode']; readonly days: number }): GuardrailCheck[] {
  if (samples.length === 0) return [];
  const name = 'newest-objects';
  const advice = 'check INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS of every writer, then run indelible verify --retention to see which entries are concerned';
  const short = samples.flatMap(({ key, version }) => weakness(key, version, asked));
  const unseen = samples.filter(({ version }) => version.retention === 'unknown').map(({ key }) => key);
  const checks: GuardrailCheck[] = [];
  if (short.length > 0) checks.push(judge.unprotected(name, `of the ${samples.length} newest objects of some chains, not all are locked as the settings ask: ${short.slice(0, 3).join('; ')}`, advice));
  else if (unseen.length > 0) checks.push(judge.unknown(name, `the retention of ${unseen.slice(0, 3).join(', ')} is not shown, or there is none`, 'give these credentials the right s3:GetObjectRetention on the objects'));
  else checks.push(judge.protects(name, `the newest objects of ${samples.length} chains are locked as the settings ask: ${asked.mode} for ${asked.days} days`));
  const failed = samples.filter(({ replication }) => replication === 'FAILED').map(({ key }) => key);
  if (failed.length > 0) checks.push(judge.weak('replication-status', `S3 could not replicate ${failed.slice(0, 3).join(', ')}, and does not try again`, 'mend the replication role and the destination, then replicate what failed with S3 Batch Replication'));
  return checks;
}

function weakness(key: string, { retention, storedAt }: StoredVersion, { mode, days }: { readonly mode: Retention['mode']; readonly days: number }): string[] {
  if (retention === 'unknown') return [];
  if (retention === 'none') return [`${key} has no retention`];
  if (retention.mode !== 'compliance' && retention.mode !== mode) return [`${key} is in mode ${retention.mode}, not ${mode}`];
  if (Date.parse(retention.retainUntil) >= Date.parse(storedAt) + days * DAY_MS - SLACK_MS) return [];
  return [`${key} was stored at ${storedAt} and is kept until ${retention.retainUntil}, not for ${days} days`];
}
