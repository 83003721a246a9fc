// @ts-check
/** MinIO: S3 with Object Lock. Only ever run, never linked. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { cacheFolder, freePort, notOurs, oneAtATime, run, scratchFolder, Server } from './process.mjs';

const VERSION = 'latest';

/** Builds it from source where it is not there yet (some minutes). @returns {Promise<string>} its path */
export async function install() {
  return oneAtATime('minio', async () => {
    const folder = await cacheFolder(`minio-${VERSION}`);
    const binary = join(folder, 'minio');
    if (!existsSync(binary)) await run('go', ['install', `github.com/minio/minio@${VERSION}`], { env: { GOBIN: folder, CGO_ENABLED: '0' } });
    return binary;
  });
}

/**
 * A server of its own; or, where INDELIBLE_TEST_S3_ENDPOINT names one that runs, that one, which is left running.
 * @param {{ port?: number, folder?: string, own?: boolean, kmsKey?: string }} [options] `folder`: its data, kept from an
 *   earlier start; `own`: a server of its own in any case, for who kills or pauses it; `kmsKey`: can encrypt with a key of that name
 */
export async function start(options = {}) {
  const {
    INDELIBLE_TEST_S3_ENDPOINT: running,
    INDELIBLE_TEST_S3_ACCESS_KEY_ID: accessKeyId = 'indelible',
    INDELIBLE_TEST_S3_SECRET_ACCESS_KEY: secretAccessKey = 'indelible-secret',
  } = process.env;
  if (running !== undefined && running !== '' && options.own !== true && options.port === undefined && options.folder === undefined) {
    return clientOf(running, { accessKeyId, secretAccessKey }, undefined);
  }
  const binary = await install();
  const port = options.port ?? (await freePort());
  const folder = options.folder ?? scratchFolder('minio');
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: 'indelible', secretAccessKey: 'indelible-secret' };
  const server = new Server({
    name: 'minio',
    command: binary,
    args: ['server', join(folder, 'data'), '--address', `127.0.0.1:${port}`],
    folder,
    env: {
      MINIO_ROOT_USER: credentials.accessKeyId,
      MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
      MINIO_CI_CD: '1',
      MINIO_BROWSER: 'off',
      ...(options.kmsKey !== undefined && { MINIO_KMS_SECRET_KEY: `${options.kmsKey}:${randomBytes(32).toString('base64')}` }),
    },
    // Live is not yet ready: it answers 503 to requests for a moment.
    ready: async () => (await fetch(`${endpoint}/minio/health/cluster`)).ok,
  });
  await server.start();
  return clientOf(endpoint, credentials, server);
}

/** @param {string} endpoint @param {{ accessKeyId: string, secretAccessKey: string }} credentials @param {Server | undefined} own */
function clientOf(endpoint, credentials, own) {
  const admin = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  return {
    endpoint,
    port: Number(new URL(endpoint).port),
    credentials,
    /** The process. @returns {Server} */
    get server() {
      return own ?? notOurs();
    },
    /** With the rights of root. */
    admin,
    /**
     * A new bucket, with Object Lock unless told otherwise; its name. On a server that was running before, the name is
     * made unlike those of earlier runs.
     * @param {string} name @param {{ lock?: boolean }} [options]
     */
    async createBucket(name, { lock = true } = {}) {
      const bucket = own === undefined ? `${name}-${randomBytes(6).toString('hex')}` : name;
      await admin.send(new CreateBucketCommand({ Bucket: bucket, ...(lock && { ObjectLockEnabledForBucket: true }) }));
      return bucket;
    },
    /** Ends it and removes its data, if it was started here. */
    async dispose() {
      admin.destroy();
      await own?.dispose();
    },
  };
}
