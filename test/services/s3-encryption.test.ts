/** Objects encrypted with a KMS key that the settings name (SSE-KMS), by a real MinIO. */
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import { selfTest } from '#indelible/storage/self-test.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import * as minio from '../../scripts/services/minio.mjs';

it('are encrypted with the key of INDELIBLE_S3_KMS_KEY_ID, and read back, versions and promises as without it', async () => {
  const server = await minio.start({ own: true, kmsKey: 'log-key' });
  try {
    const bucket = await server.createBucket('encrypted');
    const { endpoint, credentials } = server;
    const store = new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 10_000, kmsKeyId: 'log-key' });
    const bytes = Buffer.from('an entry\n');
    await store.create('a', bytes, { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' });
    expect(await store.create('a', bytes, { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' })).toEqual({ outcome: 'exists' });
    const head = await server.admin.send(new HeadObjectCommand({ Bucket: bucket, Key: 'a' }));
    expect(head).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: expect.stringContaining('log-key') as unknown, ObjectLockMode: 'GOVERNANCE' });
    expect(Buffer.from((await store.read('a')) ?? [])).toEqual(bytes);
    expect((await store.versions('a')).map(({ retention }) => retention)).toEqual([{ mode: 'governance', retainUntil: '2030-01-01T00:00:00.000Z' }]);
    const { promises } = await selfTest(store);
    expect(promises.filter(({ kept }) => kept !== 'yes')).toEqual([]);
    await store.close();
  } finally {
    await server.dispose();
  }
});
