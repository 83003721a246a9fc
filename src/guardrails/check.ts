/**
 * Reads what is really there (buckets, keys, topics, search index, marks of verifications) and says what protects the
 * log, what does not, and what to do. It changes nothing, and never throws for what can't be read.
 */
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { dataPaths } from '../data-paths.js';
import { replicaConfigOf } from '../replica/open.js';
import type { S3Settings } from '../storage/s3/connection.js';
import { MarkFolder } from '../verification/mark.js';
import { openStore, storeConfigOf } from '../verification/store-config.js';
import { judgeOf } from './report.js';
import type { GuardrailCheck } from './report.js';
import { verificationChecks } from './verification-age.js';

export interface CheckOptions {
  /** Ends what is under way; what was not looked at by then is `unknown`. */
  readonly signal?: AbortSignal;
  /** For S3 and KMS. Default: as the AWS SDK finds them. */
  readonly credentials?: S3ClientConfig['credentials'];
  readonly log?: Pick<Logger, 'debug'>;
  /** Whether the age of verifications is looked at, which costs a listing a chain. Default: true; a service has metrics of its own for it. */
  readonly verification?: boolean;
}

/** Of a call to a service. */
const ANSWER_MS = 10_000;

/** One check after another, as each is known. `reportOf` makes the report. */
export async function* checkGuardrails(config: Config, options: CheckOptions = {}): AsyncGenerator<GuardrailCheck> {
  const storeKeys = new Set<string>(config.s3KmsKeyId === undefined ? [] : [config.s3KmsKeyId]);
  const settings = storeConfigOf(config);
  const parts: (readonly [subject: string, part: () => AsyncIterable<GuardrailCheck>])[] = [];
  if (settings.kind === 'filesystem') parts.push([`folder ${settings.root}`, () => folderChecks(settings.root)]);
  else parts.push([`bucket ${settings.bucket}`, () => bucketPart(settings, false)]);
  const replica = replicaConfigOf(config);
  if (replica !== undefined) parts.push([`bucket ${replica.bucket}`, () => bucketPart(replica, true)]);
  parts.push(['signing key', () => signingPart(config, options)], ['store key', storePart]);
  if (config.kafkaBrokers !== undefined) parts.push([`topic ${config.kafkaTopic}`, () => topicPart(config, options)]);
  if (config.elasticsearchUrl !== undefined) parts.push([`search index ${config.elasticsearchIndex}`, () => indexPart(config, config.elasticsearchUrl as string, options)]);
  if (options.verification !== false) parts.push(['verification', () => verificationPart(config, options)]);
  for (const [subject, part] of parts) {
    try {
      if (options.signal?.aborted !== true) yield* part();
    } catch (error) {
      if (options.signal?.aborted !== true) yield judgeOf(subject).unknown('look', `it can not be looked at: ${(error as Error).message}`, 'mend that, then check again');
    }
    if (options.signal?.aborted === true) yield judgeOf(subject).unknown('time', 'it was not looked at to the end in the time there was', 'see what is slow to answer, then run indelible guardrails check');
  }

  async function* bucketPart(bucket: S3Settings, isCopy: boolean): AsyncGenerator<GuardrailCheck> {
    // Here as below: who has no such part does not wait for its client to load.
    const { bucketChecks } = await import('./bucket.js');
    yield* bucketChecks(bucket, config, {
      ...options,
      isCopy,
      onKey: (keyId) => {
        // That of a copy is another account's, and may be asked there alone.
        if (!isCopy) storeKeys.add(keyId);
      },
    });
  }

  async function* storePart(): AsyncGenerator<GuardrailCheck> {
    for (const keyId of storeKeys) {
      if (config.s3Endpoint !== undefined && config.kmsEndpoint === undefined) {
        yield judgeOf(`store key ${keyId}`).unknown('key-state', 'the key is of the S3 at INDELIBLE_S3_ENDPOINT, whose key service is not named', 'name it in INDELIBLE_KMS_ENDPOINT if it speaks as AWS KMS does, else see by hand who may delete the key');
        continue;
      }
      const { keyChecks } = await import('./keys.js');
      yield* keyChecks({ ...options, keyId, purpose: 'store', region: config.s3Region, endpoint: config.kmsEndpoint, timeoutMs: ANSWER_MS });
    }
  }
}

/** What a folder is, whatever its rights: there is nothing to look at. */
// eslint-disable-next-line @typescript-eslint/require-await -- as the other parts
async function* folderChecks(root: string): AsyncGenerator<GuardrailCheck> {
  yield judgeOf(`folder ${root}`).unprotected(
    'object-lock',
    'a folder locks nothing: its owner and the administrator of the machine can change and delete what is in it, and only verification finds that',
    'keep a log that must last in a bucket with Object Lock (INDELIBLE_STORE=s3, docs/s3.md)',
  );
}

async function* signingPart(config: Config, options: CheckOptions): AsyncGenerator<GuardrailCheck> {
  if (config.signer === 'local') {
    yield judgeOf('signing key').weak('key-custody', 'the signing key is a file: who takes over this machine can copy it, and sign in the name of the log from then on', 'let KMS sign (INDELIBLE_SIGNER=kms, docs/signing.md)');
    return;
  }
  const { keyChecks } = await import('./keys.js');
  yield* keyChecks({ ...options, keyId: config.kmsKeyId as string, purpose: 'signing', region: config.kmsRegion ?? config.s3Region, endpoint: config.kmsEndpoint, timeoutMs: ANSWER_MS });
}

async function* topicPart(config: Config, { log, signal }: CheckOptions): AsyncGenerator<GuardrailCheck> {
  const { topicChecks } = await import('./topic.js');
  yield* topicChecks(config, log ?? { debug: () => undefined }, signal);
}

async function* indexPart({ elasticsearchIndex, elasticsearchApiKey, elasticsearchTlsCaFile }: Config, url: string, { signal }: CheckOptions): AsyncGenerator<GuardrailCheck> {
  const { searchIndexChecks } = await import('./search-index.js');
  yield* searchIndexChecks({ url, alias: elasticsearchIndex, apiKey: elasticsearchApiKey, tlsCaFile: elasticsearchTlsCaFile, timeoutMs: ANSWER_MS, ...(signal !== undefined && { signal }) });
}

async function* verificationPart(config: Config, { credentials }: CheckOptions): AsyncGenerator<GuardrailCheck> {
  const settings = storeConfigOf(config);
  // With the credentials that were given, if any were.
  const store = settings.kind === 's3' ? new (await import('../storage/s3/store.js')).S3Store({ ...settings, credentials }) : await openStore(settings);
  try {
    yield* verificationChecks(store, new MarkFolder(dataPaths(config.dataDir).marks), new Date());
  } finally {
    await store.close();
  }
}
