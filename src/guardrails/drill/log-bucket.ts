/** What protects the log bucket, read so that the scratch bucket can be made alike. Nothing is written there, in code. */
import { GetBucketPolicyCommand, GetBucketVersioningCommand, GetObjectLockConfigurationCommand, GetPublicAccessBlockCommand } from '@aws-sdk/client-s3';
import type { PublicAccessBlockConfiguration, S3Client } from '@aws-sdk/client-s3';
import { codeOf, statusOf } from '../../storage/s3/errors.js';
import { OutsideScratch } from './answer.js';

/** `unknown`: it may not be read. */
export type BucketPolicy = { readonly state: 'none' | 'unknown' } | { readonly state: 'read'; readonly text: string };

export interface BucketProtection {
  readonly lock: boolean;
  readonly versioning: boolean;
  /** Of objects that are put without one. */
  readonly defaultRetention: { readonly mode: string; readonly text: string } | undefined;
  readonly policy: BucketPolicy;
  readonly publicAccessBlock: PublicAccessBlockConfiguration | undefined;
}

const READS = new Set(['GetBucketPolicyCommand', 'GetBucketVersioningCommand', 'GetObjectLockConfigurationCommand', 'GetPublicAccessBlockCommand']);

/** From now on the client reads these four settings of this bucket, and sends nothing else. */
export function guardReading(client: S3Client, bucket: string): S3Client {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const { Bucket } = args.input as { readonly Bucket?: unknown };
      const command = (context as { readonly commandName?: string }).commandName ?? '';
      if (Bucket !== bucket || !READS.has(command)) throw new OutsideScratch(`of bucket ${bucket} the drill reads settings alone; a request was ${command}`);
      return await next(args);
    },
    { step: 'initialize', priority: 'high', name: 'readingAlone' },
  );
  return client;
}

/** @param clients one after another is asked, until one may read it @throws the store's error, if it can't be told whether there is a lock */
export async function readProtection(clients: readonly S3Client[], bucket: string): Promise<BucketProtection> {
  const asked = { Bucket: bucket };
  const lock = await absentIs(['ObjectLockConfigurationNotFoundError'], () => first(clients, (client) => client.send(new GetObjectLockConfigurationCommand(asked))));
  const versioning = await first(clients, (client) => client.send(new GetBucketVersioningCommand(asked)));
  const policy = await absentIs(['NoSuchBucketPolicy'], () => first(clients, (client) => client.send(new GetBucketPolicyCommand(asked)))).catch((error: unknown) => unlessForbidden(error));
  // Not every S3 has it.
  const block = await first(clients, (client) => client.send(new GetPublicAccessBlockCommand(asked))).catch(() => undefined);
  const rule = lock?.ObjectLockConfiguration?.Rule?.DefaultRetention;
  return {
    lock: lock?.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled',
    versioning: versioning.Status === 'Enabled',
    defaultRetention: rule?.Mode === undefined ? undefined : { mode: rule.Mode, text: `${rule.Mode}, ${rule.Years === undefined ? `${rule.Days ?? 0} days` : `${rule.Years} years`}` },
    policy: policy === 'unknown' ? { state: policy } : policy?.Policy === undefined || policy.Policy === '' ? { state: 'none' } : { state: 'read', text: policy.Policy },
    publicAccessBlock: block?.PublicAccessBlockConfiguration,
  };
}

async function first<T>(clients: readonly S3Client[], ask: (client: S3Client) => Promise<T>): Promise<T> {
  let failure: unknown = new RangeError('"clients" expected one at least');
  for (const client of clients) {
    try {
      return await ask(client);
    } catch (error) {
      failure = error;
      if (statusOf(error) !== 403) throw error;
    }
  }
  throw failure;
}

async function absentIs<T>(codes: readonly string[], ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (codes.includes(codeOf(error)) || (statusOf(error) === 404 && codeOf(error) !== 'NoSuchBucket')) return undefined;
    throw error;
  }
}

function unlessForbidden(error: unknown): 'unknown' {
  if (statusOf(error) !== 403) throw error;
  return 'unknown';
}
