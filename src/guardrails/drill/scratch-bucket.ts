/**
 * The scratch bucket: made by the administrator like the log bucket, with GOVERNANCE and a day at most, so that it can
 * be removed again. Attacks get clients that can talk to no other bucket.
 */
import {
  CreateBucketCommand, DeleteBucketCommand, DeleteBucketPolicyCommand, DeleteObjectCommand, GetBucketPolicyCommand, ListObjectVersionsCommand,
  PutBucketPolicyCommand, PutBucketVersioningCommand, PutObjectCommand, PutObjectLockConfigurationCommand, PutPublicAccessBlockCommand, S3Client,
} from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, statusOf } from '../../storage/s3/errors.js';
import type { S3Settings } from '../../storage/s3/connection.js';
import { S3Store } from '../../storage/s3/store.js';
import type { StoredVersion } from '../../storage/worm-store.js';
import type { Rights } from './attack.js';
import { Eyes } from './eyes.js';
import { guardBucket } from './guard.js';
import { readProtection } from './log-bucket.js';
import type { BucketProtection } from './log-bucket.js';
import { fitPolicy } from './scratch-policy.js';

export const DAY_MS = 86_400_000;

/** Names a thing that can not be made or used as scratch, and says what to do. */
export class ScratchError extends Error {
  override readonly name = 'ScratchError';
}

/** Who asks. Absent: as the AWS SDK finds them. */
export interface Identity {
  readonly credentials?: S3ClientConfig['credentials'];
}

export interface ScratchBucketOptions {
  /** Of the scratch bucket. */
  readonly settings: S3Settings;
  readonly singleWriter: boolean;
  readonly identities: Readonly<Record<Rights, Identity>>;
}

/** A client as every part of the drill makes it; it knows no bucket yet. */
export function s3Client({ region, endpoint, forcePathStyle }: Omit<S3Settings, 'bucket'>, { credentials }: Identity): S3Client {
  return new S3Client({
    region,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint !== undefined && { endpoint }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    ...(credentials !== undefined && { credentials }),
  });
}

export class ScratchBucket {
  readonly name: string;
  readonly settings: S3Settings;
  /** The store ignores conditions, and one writer is declared. */
  readonly singleWriter: boolean;
  /** As it is, not as it was asked for. */
  readonly protection: BucketProtection;
  /** What lies there, for the judge. */
  readonly eyes: Eyes;
  readonly #clients: Readonly<Record<Rights, S3Client>>;

  constructor({ settings, singleWriter }: Pick<ScratchBucketOptions, 'settings' | 'singleWriter'>, clients: Readonly<Record<Rights, S3Client>>, eyes: Eyes, protection: BucketProtection) {
    this.name = settings.bucket;
    this.settings = settings;
    this.singleWriter = singleWriter;
    this.#clients = clients;
    this.eyes = eyes;
    this.protection = protection;
  }

  /** Can talk to the scratch bucket alone. */
  s3(rights: Rights): S3Client {
    return this.#clients[rights];
  }

  get locked(): boolean {
    return this.protection.lock;
  }

  /** Versions and markers of a key, oldest first. */
  versions(key: string): Promise<readonly StoredVersion[]> {
    return this.eyes.versions(key, { retention: false });
  }

  /** The policy that is there. */
  async policy(): Promise<string | undefined> {
    try {
      const { Policy } = await this.s3('administrator').send(new GetBucketPolicyCommand({ Bucket: this.name }));
      return Policy === '' ? undefined : Policy;
    } catch (error) {
      if (codeOf(error) === 'NoSuchBucketPolicy' || statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async putPolicy(policy: string | undefined): Promise<void> {
    const admin = this.s3('administrator');
    if (policy === undefined) await admin.send(new DeleteBucketPolicyCommand({ Bucket: this.name }));
    else await admin.send(new PutBucketPolicyCommand({ Bucket: this.name, Policy: policy }));
  }

  async close(): Promise<void> {
    await this.eyes.close();
    for (const client of Object.values(this.#clients)) client.destroy();
  }
}

export interface MadeBucket {
  readonly bucket: ScratchBucket;
  /** What differs from the log bucket, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * @param like what the log bucket has; `undefined` for a bucket that somebody has prepared: it is taken as it is
 * @throws ScratchError if the name is taken, or holds anything
 */
export async function openScratchBucket({ settings, singleWriter, identities }: ScratchBucketOptions, like: { readonly bucket: string; readonly protection: BucketProtection } | undefined): Promise<MadeBucket> {
  const { bucket: name } = settings;
  const clients = { writer: guardBucket(s3Client(settings, identities.writer), name), administrator: guardBucket(s3Client(settings, identities.administrator), name) };
  const storeOf = ({ credentials }: Identity): S3Store => new S3Store({ ...settings, ...(credentials !== undefined && { credentials }) });
  const eyes = new Eyes(storeOf(identities.administrator), storeOf(identities.writer));
  let made = false;
  try {
    const holds = await contentOf(clients.administrator, name);
    let notes: readonly string[] = [];
    if (like === undefined) {
      if (holds === 'absent') throw new ScratchError(`--bucket: there is no bucket ${name}: make it first, or leave the option out and one is made`);
      if (holds !== 'empty') throw new ScratchError(`--bucket: bucket ${name} is not empty (it holds ${holds.key}): the drill destroys what it works on, so it takes an empty bucket alone`);
    } else {
      if (holds !== 'absent') throw new ScratchError(`there is a bucket ${name} already, and it is not this drill's: leave it alone and start the drill again`);
      made = true;
      notes = await make(clients, settings, like.bucket, like.protection);
    }
    const protection = await readProtection([clients.administrator], name);
    return { bucket: new ScratchBucket({ settings, singleWriter }, clients, eyes, protection), notes };
  } catch (error) {
    // It is empty, if it came into being at all.
    if (made) await clients.administrator.send(new DeleteBucketCommand({ Bucket: name })).catch(() => undefined);
    await eyes.close();
    for (const client of Object.values(clients)) client.destroy();
    throw error;
  }
}

async function contentOf(admin: S3Client, name: string): Promise<'absent' | 'empty' | { readonly key: string }> {
  try {
    const { Versions = [], DeleteMarkers = [] } = await admin.send(new ListObjectVersionsCommand({ Bucket: name, MaxKeys: 1 }));
    const [one] = [...Versions, ...DeleteMarkers];
    return one === undefined ? 'empty' : { key: one.Key ?? 'something' };
  } catch (error) {
    if (codeOf(error) === 'NoSuchBucket') return 'absent';
    throw new ScratchError(`the bucket name ${name} can not be looked at (${codeOf(error)}): check the administrator's credentials (INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID, or --admin-profile) and their right to s3:ListBucketVersions`, { cause: error });
  }
}

async function make(clients: Readonly<Record<Rights, S3Client>>, { bucket: name, region }: S3Settings, log: string, protection: BucketProtection): Promise<string[]> {
  const { administrator: admin } = clients;
  const notes: string[] = [];
  const doing = async (what: string, right: string, send: () => Promise<unknown>): Promise<void> => {
    try {
      await send();
    } catch (error) {
      throw new ScratchError(`the administrator can not ${what} (${codeOf(error)}): give the credentials of INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID or --admin-profile the right to ${right}, or prepare an empty bucket and name it with --bucket`, { cause: error });
    }
  };
  await doing(`make the bucket ${name}`, 's3:CreateBucket', () =>
    admin.send(new CreateBucketCommand({ Bucket: name, ...(protection.lock && { ObjectLockEnabledForBucket: true }), ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint: region as never } }) })),
  );
  if (protection.versioning && !protection.lock) await doing('turn on versioning', 's3:PutBucketVersioning', () => admin.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: 'Enabled' } })));
  if (protection.lock && protection.defaultRetention !== undefined) {
    await doing('set the default retention', 's3:PutBucketObjectLockConfiguration', () =>
      admin.send(new PutObjectLockConfigurationCommand({ Bucket: name, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } } })),
    );
    notes.push(`The default retention is GOVERNANCE, 1 day; that of the log bucket is ${protection.defaultRetention.text}.`);
  }
  const block = protection.publicAccessBlock;
  if (block !== undefined) await doing('block public access', 's3:PutBucketPublicAccessBlock', () => admin.send(new PutPublicAccessBlockCommand({ Bucket: name, PublicAccessBlockConfiguration: block })));
  notes.push(...(await putFittedPolicy(clients, name, log, protection, doing)));
  return notes;
}

const NO_POLICY = {
  none: 'The log bucket has no policy, and neither has the scratch bucket.',
  unknown: 'The policy of the log bucket can not be read with these credentials (s3:GetBucketPolicy): the scratch bucket has none, and what the policy stops is not shown here.',
} as const;

async function putFittedPolicy(
  { writer, administrator: admin }: Readonly<Record<Rights, S3Client>>,
  name: string,
  log: string,
  { policy, lock }: BucketProtection,
  doing: (what: string, right: string, send: () => Promise<unknown>) => Promise<void>,
): Promise<string[]> {
  if (policy.state !== 'read') return [NO_POLICY[policy.state]];
  // A day may count as none once a moment of it has passed: then the least retention can only be none.
  for (const leastDays of [1, 0]) {
    const fitted = fitPolicy(policy.text, log, name, leastDays);
    await doing('put the policy of the log bucket on the scratch bucket', 's3:PutBucketPolicy', () => admin.send(new PutBucketPolicyCommand({ Bucket: name, Policy: fitted.text })));
    const isLast = leastDays === 0 || fitted.changes.every((change) => !change.includes('least retention'));
    if (isLast || (await mayWrite(writer, name, lock))) return ['The policy is that of the log bucket, with the name of this one.', ...fitted.changes.map((change) => `In the policy, ${change}.`)];
  }
  return [];
}

/** Whether the writer may put an object as the log does. */
async function mayWrite(writer: S3Client, bucket: string, lock: boolean): Promise<boolean> {
  try {
    const Body = 'drill\n';
    const ChecksumSHA256 = createHash('sha256').update(Body).digest('base64');
    await writer.send(new PutObjectCommand({ Bucket: bucket, Key: '_drill/policy', Body, IfNoneMatch: '*', ChecksumSHA256, ...(lock && { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date(Date.now() + DAY_MS) }) }));
    return true;
  } catch (error) {
    return statusOf(error) !== 403;
  }
}

/** What could not be removed, and until when. */
export interface Remains {
  readonly what: string;
  readonly until: string | undefined;
  readonly how: string;
}

/** The drill's own minute of COMPLIANCE is waited for; nothing longer is. */
const WAIT_MS = 90_000;

/**
 * Removes what can be removed, with all the administrator's rights. Gives what stays.
 * @param prepared by somebody: then the bucket itself and its policy are not the drill's to remove
 */
export async function removeScratchBucket(bucket: ScratchBucket, prepared = false): Promise<Remains | undefined> {
  const { name } = bucket;
  // Its own policy may deny the administrator what is to be done now.
  if (!prepared) await bucket.putPolicy(undefined).catch(() => undefined);
  let { kept, until } = await emptied(bucket);
  const wait = Date.parse(until) - Date.now() + 1_000;
  if (wait < WAIT_MS) {
    await sleep(Math.max(0, wait));
    ({ kept, until } = await emptied(bucket));
  }
  const left = { until: until === '' ? undefined : until, how: `aws s3 rb s3://${name} once the versions in it are deleted` };
  if (prepared) return kept === 0 ? undefined : { what: `${kept} versions of objects in bucket ${name}`, ...left };
  try {
    await bucket.s3('administrator').send(new DeleteBucketCommand({ Bucket: name }));
    return undefined;
  } catch (error) {
    const what = kept === 0 ? `bucket ${name}, which is empty (${codeOf(error)})` : `bucket ${name} with ${kept} versions of objects that can not be deleted yet`;
    return { what, ...left };
  }
}

/** How many versions stay, and until when at most. */
async function emptied(bucket: ScratchBucket): Promise<{ readonly kept: number; readonly until: string }> {
  const { name } = bucket;
  const admin = bucket.s3('administrator');
  let kept = 0;
  let until = '';
  for await (const { key, versions } of everyKey(admin, name)) {
    for (const VersionId of versions) {
      try {
        await admin.send(new DeleteObjectCommand({ Bucket: name, Key: key, VersionId, ...(bucket.locked && { BypassGovernanceRetention: true }) }));
      } catch {
        kept += 1;
        const retention = await bucket.eyes.retentionOf(key, VersionId).catch(() => 'unknown' as const);
        if (typeof retention === 'object' && retention.retainUntil > until) until = retention.retainUntil;
      }
    }
  }
  return { kept, until };
}

/** Read in full before anything is deleted: a listing is no place to stand on while it changes. */
async function* everyKey(admin: S3Client, bucket: string): AsyncGenerator<{ readonly key: string; readonly versions: readonly string[] }> {
  const all = new Map<string, string[]>();
  let markers: { readonly KeyMarker?: string; readonly VersionIdMarker?: string } = {};
  for (;;) {
    const page = await admin.send(new ListObjectVersionsCommand({ Bucket: bucket, ...markers }));
    for (const { Key = '', VersionId = 'null' } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) all.set(Key, [...(all.get(Key) ?? []), VersionId]);
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) break;
    markers = { KeyMarker: page.NextKeyMarker, ...(page.NextVersionIdMarker !== undefined && { VersionIdMarker: page.NextVersionIdMarker }) };
  }
  for (const [key, versions] of all) yield { key, versions };
}
