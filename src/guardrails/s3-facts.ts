/** The settings of a bucket, as S3 tells them. What it does not tell is said to be so, with the right that is missing. */
import {
  GetBucketAclCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketReplicationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import type { Grant, LifecycleRule, ObjectLockConfiguration, PublicAccessBlockConfiguration, ReplicationConfiguration, ServerSideEncryptionByDefault } from '@aws-sdk/client-s3';
import type { S3Connection, S3Request } from '../storage/s3/connection.js';
import { codeOf, statusOf } from '../storage/s3/errors.js';

export type Fact<T> =
  | { readonly is: 'known'; readonly value: T }
  /** The bucket has no such setting. */
  | { readonly is: 'absent' }
  /** This S3 does not know the setting at all. */
  | { readonly is: 'not offered' }
  | { readonly is: 'unknown'; readonly why: string; readonly advice: string };

export interface BucketFacts {
  readonly versioning: Fact<string>;
  readonly lock: Fact<ObjectLockConfiguration>;
  readonly policy: Fact<string>;
  readonly lifecycle: Fact<readonly LifecycleRule[]>;
  readonly publicAccess: Fact<PublicAccessBlockConfiguration>;
  readonly encryption: Fact<ServerSideEncryptionByDefault>;
  readonly replication: Fact<ReplicationConfiguration>;
  /** Such as `BucketOwnerEnforced`. */
  readonly ownership: Fact<string>;
  readonly grants: Fact<{ readonly owner: string | undefined; readonly grants: readonly Grant[] }>;
}

const ABSENT = new Set([
  'NoSuchBucketPolicy', 'NoSuchLifecycleConfiguration', 'NoSuchPublicAccessBlockConfiguration', 'ServerSideEncryptionConfigurationNotFoundError',
  'ReplicationConfigurationNotFoundError', 'OwnershipControlsNotFoundError', 'ObjectLockConfigurationNotFoundError',
]);

export async function readFacts(connection: S3Connection): Promise<BucketFacts> {
  const Bucket = connection.settings.bucket;
  const ask = <A, T>(right: string, request: S3Request<A>, of: (answer: A) => T | undefined): Promise<Fact<T>> => fact(connection, right, request, of);
  const [versioning, lock, policy, lifecycle, publicAccess, encryption, replication, ownership, grants] = await Promise.all([
    ask('s3:GetBucketVersioning', (client, options) => client.send(new GetBucketVersioningCommand({ Bucket }), options), (answer): string => answer.Status ?? 'off'),
    ask('s3:GetBucketObjectLockConfiguration', (client, options) => client.send(new GetObjectLockConfigurationCommand({ Bucket }), options), (answer) => answer.ObjectLockConfiguration),
    ask('s3:GetBucketPolicy', (client, options) => client.send(new GetBucketPolicyCommand({ Bucket }), options), (answer) => answer.Policy),
    ask('s3:GetLifecycleConfiguration', (client, options) => client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }), options), (answer) => answer.Rules),
    ask('s3:GetBucketPublicAccessBlock', (client, options) => client.send(new GetPublicAccessBlockCommand({ Bucket }), options), (answer) => answer.PublicAccessBlockConfiguration),
    ask('s3:GetEncryptionConfiguration', (client, options) => client.send(new GetBucketEncryptionCommand({ Bucket }), options), (answer) => answer.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault),
    ask('s3:GetReplicationConfiguration', (client, options) => client.send(new GetBucketReplicationCommand({ Bucket }), options), (answer) => answer.ReplicationConfiguration),
    ask('s3:GetBucketOwnershipControls', (client, options) => client.send(new GetBucketOwnershipControlsCommand({ Bucket }), options), (answer) => answer.OwnershipControls?.Rules?.[0]?.ObjectOwnership),
    ask('s3:GetBucketAcl', (client, options) => client.send(new GetBucketAclCommand({ Bucket }), options), (answer) => answer.Grants && { owner: answer.Owner?.ID, grants: answer.Grants }),
  ]);
  return { versioning, lock, policy, lifecycle, publicAccess, encryption, replication, ownership, grants };
}

async function fact<A, T>(connection: S3Connection, right: string, request: S3Request<A>, of: (answer: A) => T | undefined): Promise<Fact<T>> {
  try {
    const value = of(await connection.reading(request));
    return value === undefined ? { is: 'absent' } : { is: 'known', value };
  } catch (error) {
    const code = codeOf(error);
    const status = statusOf(error);
    if (ABSENT.has(code)) return { is: 'absent' };
    if (status === 501 || status === 405 || code === 'NotImplemented' || code === 'MethodNotAllowed') return { is: 'not offered' };
    if (status === 403) return { is: 'unknown', why: `these credentials may not read it (${code})`, advice: `give them the right ${right} on the bucket` };
    return { is: 'unknown', why: `S3 does not tell it (${code})`, advice: `see why ${right} is not answered, then check again` };
  }
}

/**
 * The account that owns the bucket, out of those that are named anywhere: S3 refuses a request that expects another
 * owner. A store that takes no notice of that tells nothing.
 */
export async function ownerOf(connection: S3Connection, policy: string | undefined): Promise<string | undefined> {
  const expects = async (ExpectedBucketOwner: string): Promise<boolean> => {
    try {
      await connection.reading((client, options) => client.send(new GetBucketVersioningCommand({ Bucket: connection.settings.bucket, ExpectedBucketOwner }), options));
      return true;
    } catch {
      return false;
    }
  };
  const own = await connection.reading(async (client) => (await client.config.credentials()).accountId).catch(() => undefined);
  const named = new Set([...(own === undefined ? [] : [own]), ...[...(policy ?? '').matchAll(/\b\d{12}\b/g)].map(([id]) => id)]);
  if (named.size === 0 || (await expects('000000000000'))) return undefined;
  for (const id of [...named].slice(0, 5)) if (await expects(id)) return id;
  return undefined;
}
