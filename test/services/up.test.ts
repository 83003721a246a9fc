/**
 * `npm run services`, and tests on servers that run already. At stake: servers that are left behind when the script
 * ends, and a bucket without Object Lock.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { GetObjectLockConfigurationCommand, HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from 'vitest';
import * as minio from '../../scripts/services/minio.mjs';
import { until } from '../support/until.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/services/up.mjs', import.meta.url));
const NAMES = ['INDELIBLE_TEST_S3_ENDPOINT', 'INDELIBLE_TEST_S3_ACCESS_KEY_ID', 'INDELIBLE_TEST_S3_SECRET_ACCESS_KEY'] as const;

afterEach(() => {
  for (const name of NAMES) Reflect.deleteProperty(process.env, name);
});

describe('scripts/services/up.mjs', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('starts what is asked for, says how to use it, and ends it on %s', async (signal) => {
    await minio.install();
    const child = spawn(process.execPath, [SCRIPT, '--parts', 'minio'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const closed = once(child, 'close');
    await until(() => err.includes('services: up'), 60_000);
    const settings = Object.fromEntries([...out.matchAll(/^export (\w+)='([^']*)'$/gm)].map(([, name, value]) => [name!, value!]));
    expect(settings).toMatchObject({ INDELIBLE_STORE: 's3', INDELIBLE_S3_FORCE_PATH_STYLE: 'true', INDELIBLE_S3_BUCKET: 'audit-log' });
    const endpoint = settings['INDELIBLE_S3_ENDPOINT']!;
    const client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: settings['AWS_ACCESS_KEY_ID']!, secretAccessKey: settings['AWS_SECRET_ACCESS_KEY']! },
    });
    const { ObjectLockConfiguration: lock } = await client.send(new GetObjectLockConfigurationCommand({ Bucket: 'audit-log' }));
    expect(lock?.ObjectLockEnabled).toBe('Enabled');

    // Tests use it, too, and leave it running; each bucket is a new one.
    for (const name of NAMES) process.env[name] = settings[name];
    const [one, two] = [await minio.start(), await minio.start()];
    expect(one.endpoint).toBe(endpoint);
    const buckets = [await one.createBucket('contract'), await two.createBucket('contract')];
    expect(new Set(buckets).size).toBe(2);
    expect(() => one.server).toThrow(/own: true/);
    await one.dispose();
    await two.dispose();
    await client.send(new HeadBucketCommand({ Bucket: buckets[0]! }));
    client.destroy();

    child.kill(signal);
    expect((await closed)[0]).toBe(0);
    await expect(fetch(`${endpoint}/minio/health/live`)).rejects.toThrow();
  });

  it.each([
    [['--parts', 'minio,mango'], /--parts: expected some of minio, moto, kafka, elasticsearch, got mango/],
    [['--replicas', 'many'], /--replicas: expected 0 to 8, got many/],
  ])('%j is refused before anything is started', async (args, message) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    expect((await once(child, 'close'))[0]).toBe(1);
    expect(err).toMatch(message);
    expect(err).not.toContain('starting');
  });
});
