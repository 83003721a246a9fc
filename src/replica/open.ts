/** The second bucket as the settings name it, and whether it may be one. */
import type { Config } from '../config.js';
import { equalBytes } from '../core/merkle.js';
import { DEPLOYMENT_KEY } from '../ledger/trust.js';
import type { S3StoreOptions } from '../storage/s3/store.js';
import { selfTest, SelfTestFailed } from '../storage/self-test.js';
import { StoreSetupError } from '../storage/setup-error.js';
import { StoreError } from '../storage/worm-store.js';
import type { Retention, StoreReader } from '../storage/worm-store.js';
import type { StoreConfig } from '../verification/store-config.js';

const SETTINGS = 'INDELIBLE_S3_REPLICA';

type ReplicaSettings = Pick<Config, 's3ReplicaBucket' | 's3ReplicaRegion' | 's3ReplicaEndpoint' | 's3Region' | 's3Endpoint' | 's3ForcePathStyle' | 'storeTimeoutMs'>;

/** `undefined` without a second bucket. */
export function replicaConfigOf(config: ReplicaSettings): Extract<StoreConfig, { kind: 's3' }> | undefined {
  const { s3ReplicaBucket: bucket, s3ReplicaRegion, s3ReplicaEndpoint, s3Region, s3Endpoint, s3ForcePathStyle, storeTimeoutMs } = config;
  if (bucket === undefined) return undefined;
  return {
    kind: 's3',
    bucket,
    region: s3ReplicaRegion ?? s3Region,
    endpoint: s3ReplicaEndpoint ?? s3Endpoint,
    forcePathStyle: s3ForcePathStyle,
    // Not the KMS key of the first: that one may be lost with its region. The second is encrypted as the bucket says.
    requestTimeoutMs: storeTimeoutMs,
    settingPrefix: SETTINGS,
  };
}

/** What S3 says of a bucket that is not there, not here, or can't lock as asked: waiting does not mend it. */
const LASTING = new Set([
  'NoSuchBucket', 'ObjectLockConfigurationNotFoundError', 'InvalidRequest', 'InvalidArgument', 'InvalidRetentionPeriod',
  'PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException',
]);

/**
 * Tries the second bucket, past any store that is open on it. @param first whose log it is to hold
 * @param configured retention of what is written there; `undefined`: this process writes nothing there, now or later
 * @throws StoreSetupError if it is plainly no bucket for this log; StoreError if that can't be told now (it is down, or
 * rights are missing)
 */
export async function trySecond(first: StoreReader, options: S3StoreOptions, configured: Retention | undefined): Promise<void> {
  const [{ openS3Reader, openS3Store }, { codeOf }] = await Promise.all([import('../storage/s3/open.js'), import('../storage/s3/errors.js')]);
  try {
    const opened = configured === undefined ? undefined : await openS3Store(options, configured);
    const store = opened?.store ?? (await openS3Reader(options, { locked: true }));
    try {
      const [ours, theirs] = [await first.read(DEPLOYMENT_KEY), await store.read(DEPLOYMENT_KEY)];
      if (ours !== undefined && theirs !== undefined && !equalBytes(ours, theirs)) {
        throw new StoreSetupError(`the S3 store at ${store.location}: it holds the log of another deployment: name another bucket in ${SETTINGS}_BUCKET`);
      }
      if (opened !== undefined) await selfTest(store, { singleWriter: options.singleWriter ?? false, retention: opened.trialRetention });
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof SelfTestFailed) throw new StoreSetupError(`${error.message.replace(/\.$/, '')}: name another bucket in ${SETTINGS}_BUCKET`, { cause: error });
    const lasts = error instanceof StoreSetupError && (error.cause === undefined || LASTING.has(codeOf(error.cause)));
    if (lasts || error instanceof StoreError) throw error;
    throw new StoreError('open', options.bucket, 'no', error);
  }
}
