// @ts-check
/** MinIO: S3 with Object Lock. Only ever run, never linked. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { cacheFolder, freePort, run, scratchFolder, Server } from './process.mjs';

const VERSION = 'latest';

/** Builds it from source where it is not there yet (some minutes). @returns {Promise<string>} its path */
export async function install() {
  const folder = await cacheFolder(`minio-${VERSION}`);
  const binary = join(folder, 'minio');
  if (!existsSync(binary)) await run('go', ['install', `github.com/minio/minio@${VERSION}`], { env: { GOBIN: folder, CGO_ENABLED: '0' } });
  return binary;
}

/**
 * @param {{ port?: number, folder?: string }} [options] `folder`: its data, kept from an earlier start
 */
export async function start(options = {}) {
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
    env: { MINIO_ROOT_USER: credentials.accessKeyId, MINIO_ROOT_PASSWORD: credentials.secretAccessKey, MINIO_CI_CD: '1', MINIO_BROWSER: 'off' },
    // Live is not yet ready: it answers 503 to requests for a moment.
    ready: async () => (await fetch(`${endpoint}/minio/health/cluster`)).ok,
  });
  await server.start();
  const admin = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  return {
    endpoint,
    port,
    credentials,
    server,
    /** With the rights of root. */
    admin,
    /** A new bucket, with Object Lock unless told otherwise. @param {string} name @param {{ lock?: boolean }} [options] */
    async createBucket(name, { lock = true } = {}) {
      await admin.send(new CreateBucketCommand({ Bucket: name, ...(lock && { ObjectLockEnabledForBucket: true }) }));
      return name;
    },
    /** Ends it and removes its data. */
    async dispose() {
      admin.destroy();
      await server.dispose();
    },
  };
}
