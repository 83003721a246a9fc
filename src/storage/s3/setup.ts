/**
 * Whether a bucket can hold the log, found out before anything is trusted to it; what is wrong is said in one sentence
 * that names the setting to change.
 */
import { randomUUID } from 'node:crypto';
import { GetBucketVersioningCommand, GetObjectLockConfigurationCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { StoreSetupError } from '../setup-error.js';
import { StoreError, type Retention } from '../worm-store.js';
import type { S3Connection } from './connection.js';
import { codeOf, mayBeStored, statusOf } from './errors.js';
import { assertListing } from './listing.js';
import { locationOf, S3Store } from './store.js';

/** More than that, and retention dates and times of receipt would be wrong; S3 itself refuses 15 minutes. */
const MAX_CLOCK_SKEW_MS = 300_000;
const TRIAL_MS = 60_000;
const WRITE_TRIES = 5;

/** What reading needs: the bucket is there and shows its versions. One request. @throws StoreSetupError */
export async function checkReadable(connection: S3Connection): Promise<void> {
  await asked(connection, 's3:ListBucketVersions', async () => {
    const command = new ListObjectVersionsCommand({ Bucket: connection.settings.bucket, Prefix: '_self-test/', MaxKeys: 1 });
    assertListing(await connection.reading((client, options) => client.send(command, options)));
  });
}

/** What a bucket of a log needs, whoever writes to it: Object Lock, versions, and about our time. @throws StoreSetupError */
export async function checkLocking(connection: S3Connection): Promise<void> {
  const { bucket } = connection.settings;
  await checkReadable(connection);
  checkClock(connection);
  const lock = await asked(connection, 's3:GetBucketObjectLockConfiguration', () =>
    connection.reading((client, options) => client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }), options)),
  );
  if (lock.ObjectLockConfiguration?.ObjectLockEnabled !== 'Enabled') throw noLock(connection);
  const versioning = await asked(connection, 's3:GetBucketVersioning', () =>
    connection.reading((client, options) => client.send(new GetBucketVersioningCommand({ Bucket: bucket }), options)),
  );
  if (versioning.Status !== 'Enabled') throw refusal(connection, `bucket ${bucket} keeps no versions (versioning is ${versioning.Status ?? 'off'}): turn it on, or name another bucket in ${name(connection, 'BUCKET')}`);
}

/**
 * What writing needs. Leaves one small object. The result is the retention for objects of trials: as short as the
 * bucket lets it be. @throws StoreSetupError
 */
export async function checkWritable(connection: S3Connection, configured: Retention): Promise<Retention> {
  await checkLocking(connection);
  return checkObject(connection, configured);
}

/** Writes one object as the log will, and reads it back: rights, encryption and retention. */
async function checkObject(connection: S3Connection, configured: Retention): Promise<Retention> {
  const { settings } = connection;
  const skew = Math.abs(connection.clockSkewMs ?? 0);
  const store = new S3Store(settings, connection);
  const key = `_self-test/${randomUUID()}/setup`;
  let retention: Retention = { mode: 'governance', retainUntil: new Date(Date.now() + TRIAL_MS + skew).toISOString() };
  let failure = await written(store, key, retention);
  if (failure !== undefined && settings.kmsKeyId !== undefined) {
    // The same without the key tells whether it is the key.
    const without = await written(new S3Store({ ...settings, kmsKeyId: undefined }, connection), `${key}-plain`, retention);
    if (without === undefined) {
      throw refusal(connection, `can not encrypt with the KMS key of ${name(connection, 'KMS_KEY_ID')}${saying(failure)}: check the key, its state, and the right to kms:GenerateDataKey`, failure);
    }
  }
  if (failure !== undefined) {
    // A bucket's policy may ask for more than a trial needs.
    retention = configured;
    failure = await written(store, key, retention);
  }
  if (failure !== undefined) throw cannotWrite(connection, failure, configured);
  await asked(connection, 's3:GetObjectVersion', () => store.read(key));
  const [version] = await asked(connection, 's3:GetObjectRetention', () => store.versions(key));
  if (version?.retention === 'unknown') {
    throw refusal(connection, 'does not show the retention of what was written: these credentials need s3:GetObjectRetention (docs/s3.md)');
  }
  return retention;
}

/** What hindered it, if anything did. An answer that is lost is asked for again, with the same bytes. */
async function written(store: S3Store, key: string, retention: Retention): Promise<unknown> {
  const bytes = new TextEncoder().encode('indelible store self-test: setup\n');
  for (let attempt = 1; ; attempt++) {
    try {
      await store.create(key, bytes, retention);
      return undefined;
    } catch (error) {
      const cause = error instanceof StoreError ? error.cause : error;
      if (attempt === WRITE_TRIES || !mayBeStored(cause)) return cause;
    }
  }
}

function cannotWrite(connection: S3Connection, failure: unknown, configured: Retention): StoreSetupError {
  const wanted = `${configured.mode} until ${configured.retainUntil}`;
  if (!['InvalidRequest', 'InvalidArgument', 'InvalidRetentionPeriod'].includes(codeOf(failure))) {
    return explain(connection, failure, `s3:PutObject and s3:PutObjectRetention (${wanted}, by INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS)`);
  }
  return refusal(connection, `refuses the retention asked for, ${wanted}${saying(failure)}: check INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS, and the bucket's policy`, failure);
}

async function asked<T>(connection: S3Connection, action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(connection, error instanceof StoreError ? error.cause : error, action);
  }
}

function checkClock(connection: S3Connection): void {
  const { clockSkewMs } = connection;
  if (clockSkewMs !== undefined && Math.abs(clockSkewMs) > MAX_CLOCK_SKEW_MS) throw wrongClock(connection);
}

function wrongClock(connection: S3Connection, cause?: unknown): StoreSetupError {
  const ours = new Date();
  const seconds = Math.round((connection.clockSkewMs ?? 0) / 1000);
  const apart = connection.clockSkewMs === undefined ? '' : ` by ${Math.abs(seconds)} s (here ${ours.toISOString()}, there ${new Date(ours.getTime() + seconds * 1000).toISOString()})`;
  return refusal(connection, `has another time than the clock of this machine${apart}: set this machine's clock (the system's, such as by NTP; no setting changes it)`, cause);
}

function noLock(connection: S3Connection, cause?: unknown): StoreSetupError {
  const { bucket } = connection.settings;
  return refusal(connection, `bucket ${bucket} has no Object Lock, so nothing in it is write-once: name one that has in ${name(connection, 'BUCKET')}, or turn it on`, cause);
}

/** The one sentence for a failed request that needs the right to `action`. */
function explain(connection: S3Connection, error: unknown, action: string): StoreSetupError {
  const { bucket, region, endpoint, forcePathStyle, requestTimeoutMs } = connection.settings;
  const code = codeOf(error);
  const say = (sentence: string): StoreSetupError => refusal(connection, sentence, error);
  const address = endpoint === undefined ? name(connection, 'REGION') : name(connection, 'ENDPOINT');
  switch (code) {
    case 'ECONNREFUSED':
      return say(`nothing listens there: check ${address}`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return say(
        `the host ${(error as { readonly hostname?: string }).hostname ?? ''} is not known: check ${address}${endpoint !== undefined && forcePathStyle !== true ? `, and whether this S3 needs ${name(connection, 'FORCE_PATH_STYLE')}=true` : ''}`,
      );
    case 'NoAnswer':
    case 'TimeoutError':
    case 'ETIMEDOUT':
      return say(`no answer within ${requestTimeoutMs} ms: check ${address}, the network, and INDELIBLE_STORE_TIMEOUT_MS`);
    case 'CredentialsProviderError':
    case 'TokenProviderError':
      return say('there are no credentials for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role');
    case 'InvalidAccessKeyId':
      return say('does not know the access key: check AWS_ACCESS_KEY_ID (or the profile or role in use)');
    case 'SignatureDoesNotMatch':
      return say('does not accept the signature: check AWS_SECRET_ACCESS_KEY (or the profile in use)');
    case 'InvalidTokenId':
    case 'InvalidToken':
    case 'ExpiredToken':
      return say(`does not accept the session token (${code}): check AWS_SESSION_TOKEN, or renew the session`);
    case 'RequestTimeTooSkewed':
      return wrongClock(connection, error);
    case 'NoSuchBucket':
      return say(`there is no bucket ${bucket}: check ${name(connection, 'BUCKET')} and ${name(connection, 'REGION')}`);
    case 'InvalidBucketName':
      return say(`${JSON.stringify(bucket)} can be no name of a bucket: check ${name(connection, 'BUCKET')}`);
    case 'ObjectLockConfigurationNotFoundError':
      return noLock(connection, error);
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException': {
      const actual = regionOf(error);
      return say(`bucket ${bucket} is ${actual === undefined ? 'not in region' : `in region ${actual}, not in`} ${region}: check ${name(connection, 'REGION')}`);
    }
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'AccountProblem':
      return say(`does not let these credentials do ${action} on bucket ${bucket}${saying(error)}: give them the rights listed in docs/s3.md, or check ${name(connection, 'BUCKET')}`);
    case 'NotS3':
      return say(`what answers there is no S3: check ${address}`);
    case 'SlowDown':
    case 'ServiceUnavailable':
    case 'InternalError':
      return say(`answers ${code} again and again: it can not serve now; try later`);
    default:
      return say(elsewhere(connection, error, code, address));
  }
}

/** What has no code of S3 is of the network, of TLS, or of something that is no S3. */
function elsewhere(connection: S3Connection, error: unknown, code: string, address: string): string {
  const status = statusOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (/^(EPROTO|ERR_SSL|ERR_TLS_PROTOCOL)/.test(code)) return `does not speak TLS 1.3, the least that is accepted (${reasonOf(text)}): check ${address}`;
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT/.test(code)) return `its TLS certificate is not trusted (${code}): check ${address}; an authority of your own is named in NODE_EXTRA_CA_CERTS`;
  if (status === undefined) return `no answer that could be read (${code}): check whether ${address} names an S3`;
  const region = regionOf(error);
  if (status === 301 && region !== undefined) return `bucket ${connection.settings.bucket} is in region ${region}: check ${name(connection, 'REGION')}`;
  if (['NotFound', 'Error', 'Unknown', 'UnknownError', 'SyntaxError'].includes(code)) return `what answers there (HTTP ${status}) is no S3: check ${address}`;
  return `can not be used: it answers ${code}${saying(error)}; check ${address}`;
}

function reasonOf(text: string): string {
  return /SSL routines:(?:[^:]*:)?([^:\n]+)/.exec(text)?.[1] ?? text.split('\n')[0] ?? text;
}

interface Told {
  readonly Region?: string;
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

function regionOf(error: unknown): string | undefined {
  const { Region, $response } = error as Told;
  return Region ?? $response?.headers?.['x-amz-bucket-region'];
}

/** The store's own words, where it has some. */
function saying(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text === '' || text === 'UnknownError' ? ` (${codeOf(error)})` : ` (${codeOf(error)}: ${text.replace(/[.\s]+$/, '')})`;
}

function name(connection: S3Connection, setting: string): string {
  return `${connection.settings.settingPrefix ?? 'INDELIBLE_S3'}_${setting}`;
}

function refusal(connection: S3Connection, sentence: string, cause?: unknown): StoreSetupError {
  return new StoreSetupError(`the S3 store at ${locationOf(connection.settings)}: ${sentence}`, { cause });
}
