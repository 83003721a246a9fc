/** The S3 store against a real MinIO. */
import { afterAll, beforeAll } from 'vitest';
import { S3Store } from '#indelible/storage/s3/store.js';
import * as minio from '../../scripts/services/minio.mjs';
import { wormStoreContract } from '../storage/contract.js';

let server: Awaited<ReturnType<typeof minio.start>>;
beforeAll(async () => {
  server = await minio.start();
});
afterAll(() => server.dispose());

wormStoreContract('S3 on MinIO', async () => {
  const { endpoint, credentials } = server;
  const bucket = await server.createBucket('contract');
  const open = (): S3Store => new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 10_000 });
  const store = open();
  const others: S3Store[] = [];
  return {
    store,
    another: () => {
      const other = open();
      others.push(other);
      return Promise.resolve(other);
    },
    dispose: async () => {
      for (const opened of [store, ...others]) await opened.close();
    },
  };
});
