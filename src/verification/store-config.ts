/** How a store is described so that a worker thread, which can't be handed an open one, opens it itself. */
import type { Config } from '../config.js';
import { dataPaths } from '../data-paths.js';
import { FilesystemStore } from '../storage/filesystem/store.js';
import type { S3Settings } from '../storage/s3/connection.js';
import type { StoreReader } from '../storage/worm-store.js';

export type StoreConfig =
  | {
      readonly kind: 'filesystem';
      /** The folder of the objects (`<data-dir>/worm`). */
      readonly root: string;
    }
  | ({ readonly kind: 's3' } & S3Settings);

type StoreSettings = Pick<Config, 'dataDir' | 'store' | 's3Bucket' | 's3Region' | 's3Endpoint' | 's3ForcePathStyle' | 's3KmsKeyId' | 'storeTimeoutMs'>;

/** The store that the settings name. */
export function storeConfigOf(config: StoreSettings): StoreConfig {
  if (config.store === 'filesystem') return { kind: 'filesystem', root: dataPaths(config.dataDir).worm };
  return {
    kind: 's3',
    // That it is set is a rule of the settings.
    bucket: config.s3Bucket as string,
    region: config.s3Region,
    endpoint: config.s3Endpoint,
    forcePathStyle: config.s3ForcePathStyle,
    kmsKeyId: config.s3KmsKeyId,
    requestTimeoutMs: config.storeTimeoutMs,
  };
}

/**
 * Opens a store for reading alone: nothing is written, so a read-only copy will do. `blocking`: reads may hold
 * the thread. @throws StoreError, StoreSetupError
 */
export async function openStore(config: StoreConfig, options: { readonly blocking?: boolean } = {}): Promise<StoreReader> {
  if (config.kind === 'filesystem') return FilesystemStore.open(config.root, { readOnly: true, ...options });
  // Who works on a folder does not wait for the AWS SDK to load.
  const { openS3Reader } = await import('../storage/s3/open.js');
  return openS3Reader(config);
}
