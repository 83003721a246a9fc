/**
 * What lies in the bucket, read by whoever may: the administrator first, whom no policy of an attack shuts out; then the
 * writer, to whom the objects belong that he wrote where the bucket does not take them over.
 */
import { statusOf } from '../../storage/s3/errors.js';
import type { S3Store } from '../../storage/s3/store.js';
import { StoreError } from '../../storage/worm-store.js';
import type { KeyPage, KeyVersions, ListOptions, StoredVersion, StoreReader, VersionsOptions } from '../../storage/worm-store.js';

export class Eyes implements StoreReader {
  readonly kind = 's3';
  readonly versioned = true;
  readonly location: string;
  readonly #administrator: S3Store;
  readonly #writer: S3Store;

  /** Closes both. */
  constructor(administrator: S3Store, writer: S3Store) {
    this.location = administrator.location;
    this.#administrator = administrator;
    this.#writer = writer;
  }

  read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    return this.#whoMay((store) => store.read(key, versionId));
  }

  versions(key: string, options?: VersionsOptions): Promise<readonly StoredVersion[]> {
    return this.#whoMay((store) => store.versions(key, options));
  }

  async retentionOf(key: string, versionId: string): Promise<StoredVersion['retention']> {
    const shown = await this.#administrator.retentionOf(key, versionId);
    return shown === 'unknown' ? this.#writer.retentionOf(key, versionId) : shown;
  }

  contested(prefix: string): AsyncIterable<KeyVersions> {
    return this.#administrator.contested(prefix);
  }

  eachKey(prefix: string, from?: string): AsyncIterable<KeyVersions> {
    return this.#administrator.eachKey(prefix, from);
  }

  list(prefix: string, options: ListOptions): Promise<KeyPage> {
    return this.#whoMay((store) => store.list(prefix, options));
  }

  strays(prefix: string): AsyncIterable<string> {
    return this.#administrator.strays(prefix);
  }

  async close(): Promise<void> {
    await Promise.all([this.#administrator.close(), this.#writer.close()]);
  }

  async #whoMay<T>(look: (store: S3Store) => Promise<T>): Promise<T> {
    try {
      return await look(this.#administrator);
    } catch (error) {
      if (!(error instanceof StoreError) || statusOf(error.cause) !== 403) throw error;
      return look(this.#writer);
    }
  }
}
