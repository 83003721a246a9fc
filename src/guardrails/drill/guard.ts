/**
 * No attack leaves the scratch names: each client an attack gets has one of these guards in it, which looks at every
 * request before it is sent. A name is right only if it *is* the scratch name; beginning alike is not enough, since the
 * scratch bucket is named after the log's.
 */
import type { KMSClient } from '@aws-sdk/client-kms';
import type { S3Client } from '@aws-sdk/client-s3';
import { OutsideScratch } from './answer.js';

interface Named {
  readonly Bucket?: unknown;
  readonly CopySource?: unknown;
  readonly KeyId?: unknown;
}

/** From now on the client sends nothing that concerns any other bucket. */
export function guardBucket(client: S3Client, bucket: string): S3Client {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { Bucket, CopySource } = args.input as Named;
      assertScratch('bucket', Bucket, bucket);
      // `bucket/key`, perhaps with a slash before it; an access point has neither form.
      if (CopySource !== undefined) assertScratch('bucket to copy from', typeof CopySource === 'string' ? CopySource.replace(/^\//, '').split('/')[0] : CopySource, bucket);
      return await next(args);
    },
    { step: 'initialize', priority: 'high', name: 'scratchBucketOnly' },
  );
  return client;
}

/** From now on the client sends nothing that concerns any other key. `names`: its id and its ARN. */
export function guardKey(client: KMSClient, names: readonly string[]): KMSClient {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { KeyId } = args.input as Named;
      if (!names.includes(String(KeyId))) assertScratch('key', KeyId, names[0] ?? '');
      return await next(args);
    },
    { step: 'initialize', priority: 'high', name: 'scratchKeyOnly' },
  );
  return client;
}

/** @throws OutsideScratch unless `name` is the scratch name itself */
export function assertScratch(what: string, name: unknown, scratch: string): void {
  if (name !== scratch || scratch === '') throw new OutsideScratch(`the drill works on ${what} ${scratch} alone; a request named ${typeof name === 'string' ? name : 'none'}`);
}

/** One of several scratch names (a topic has two beside it; an index lies behind its alias). @throws OutsideScratch */
export function assertOneOf(what: string, name: string, scratch: readonly string[]): void {
  if (!scratch.includes(name)) assertScratch(what, name, scratch[0] ?? '');
}
