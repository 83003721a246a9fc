/**
 * The bucket as a store whose objects are put without any retention: what a drill on a bucket without Object Lock
 * writes its log with, and what a writer is that leaves the retention out. Never what the service writes with.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { codeOf, isExists, mayBeStored } from '../../storage/s3/errors.js';
import { StoreError } from '../../storage/worm-store.js';
import type { CreateOutcome, KeyPage, KeyVersions, ListOptions, Retention, StoredVersion, StoreReader, VersionsOptions, WormStore } from '../../storage/worm-store.js';

/** How it reads: as S3 with versions is read. */
export type Reads = Required<Omit<StoreReader, 'kind' | 'versioned' | 'close'>>;

export class UnlockedStore implements WormStore {
  readonly kind = 's3';
  readonly versioned = true;
  readonly location: string;
  readonly #reads: Reads;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #looksFirst: boolean;

  /** @param options.singleWriter the store ignores conditions: look before writing */
  constructor(reads: Reads, client: S3Client, options: { readonly bucket: string; readonly singleWriter: boolean }) {
    this.location = reads.location;
    this.#reads = reads;
    this.#client = client;
    this.#bucket = options.bucket;
    this.#looksFirst = options.singleWriter;
  }

  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the contract's; leaving it out is the point
  async create(key: string, bytes: Uint8Array, _retention: Retention): Promise<CreateOutcome> {
    if (this.#looksFirst && (await this.#reads.versions(key, { retention: false })).some(({ deleteMarker }) => !deleteMarker)) return { outcome: 'exists' };
    return this.#put(key, bytes, { IfNoneMatch: '*' });
  }

  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- as above
  async createOver(key: string, over: StoredVersion, bytes: Uint8Array, _retention: Retention): Promise<CreateOutcome> {
    if (!this.#looksFirst) return this.#put(key, bytes, { ...(over.etag !== undefined && { IfMatch: over.etag }) });
    if ((await this.#reads.versions(key, { retention: false })).at(-1)?.versionId !== over.versionId) return { outcome: 'exists' };
    return this.#put(key, bytes, {});
  }

  async #put(key: string, bytes: Uint8Array, condition: { readonly IfNoneMatch?: '*'; readonly IfMatch?: string }): Promise<CreateOutcome> {
    try {
      const { VersionId = 'null' } = await this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: bytes, ContentLength: bytes.length, ContentType: 'application/x-ndjson', ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'), ...condition }),
      );
      return { outcome: 'created', versionId: VersionId };
    } catch (error) {
      if (isExists(error) || (condition.IfMatch !== undefined && codeOf(error) === 'NoSuchKey')) return { outcome: 'exists' };
      throw new StoreError('create', key, mayBeStored(error) ? 'unknown' : 'no', error);
    }
  }

  read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    return this.#reads.read(key, versionId);
  }

  versions(key: string, options?: VersionsOptions): Promise<readonly StoredVersion[]> {
    return this.#reads.versions(key, options);
  }

  retentionOf(key: string, versionId: string): Promise<StoredVersion['retention']> {
    return this.#reads.retentionOf(key, versionId);
  }

  contested(prefix: string): AsyncIterable<KeyVersions> {
    return this.#reads.contested(prefix);
  }

  eachKey(prefix: string, from?: string): AsyncIterable<KeyVersions> {
    return this.#reads.eachKey(prefix, from);
  }

  list(prefix: string, options: ListOptions): Promise<KeyPage> {
    return this.#reads.list(prefix, options);
  }

  strays(prefix: string): AsyncIterable<string> {
    return this.#reads.strays(prefix);
  }

  /** What S3 shows is durable. */
  settle(): Promise<void> {
    return Promise.resolve();
  }

  /** What it reads by is closed by who opened it. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
