/** Opens an S3 store for whoever writes to it or reads it, if it is fit for that. */
import type { Retention } from '../worm-store.js';
import { S3Connection, type S3Settings } from './connection.js';
import { checkLocking, checkReadable, checkWritable } from './setup.js';
import { S3Store, type S3StoreOptions } from './store.js';

export interface OpenedS3Store {
  readonly store: S3Store;
  /** For objects of trials: as short as the bucket lets it be. */
  readonly trialRetention: Retention;
}

/** @param configured what objects of the log will have. @throws StoreSetupError */
export async function openS3Store(options: S3StoreOptions, configured: Retention): Promise<OpenedS3Store> {
  const connection = new S3Connection(options, options);
  try {
    const trialRetention = await checkWritable(connection, configured);
    return { store: new S3Store(options, connection), trialRetention };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * For reading alone: nothing is written.
 * @param options.locked the bucket must be one that can hold a log, which somebody else writes. @throws StoreSetupError
 */
export async function openS3Reader(settings: S3Settings, { locked = false }: { readonly locked?: boolean } = {}): Promise<S3Store> {
  const connection = new S3Connection(settings);
  try {
    await (locked ? checkLocking : checkReadable)(connection);
    return new S3Store(settings, connection);
  } catch (error) {
    connection.close();
    throw error;
  }
}
