/**
 * The write-once store in an S3 bucket with versions and Object Lock: an object is the oldest version of its key
 * that is not a delete marker (what makes a version valid beyond that is the ledger's to judge).
 *
 * The key is created by `If-None-Match: *`, with its SHA-256 and an explicit retention. S3 looks at the *current*
 * version alone: over a delete marker the condition holds, and a second version comes into being. So nothing here
 * ever reads "latest", and who creates looks at `versions` afterwards.
 */
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import {
  assertKey,
  assertLimit,
  assertPrefix,
  isContested,
  isKey,
  retainUntilMs,
  StoreError,
  type CreateOutcome,
  type KeyPage,
  type KeyVersions,
  type ListOptions,
  type Retention,
  type StoredVersion,
  type StorePromise,
  type VersionsOptions,
  type WormStore,
} from '../worm-store.js';
import { S3Connection, type Credentials, type S3Settings } from './connection.js';
import { codeOf, isAbsent, isExists, mayBeStored, statusOf } from './errors.js';
import { byKey, everyVersion, versionsOf } from './listing.js';
import { tryPromises } from './promises.js';

export interface S3StoreOptions extends S3Settings, Credentials {
  /**
   * This process alone ever writes to the bucket. Then `create` looks before it writes, which is what one writer
   * needs on a store that ignores the condition, and what no second one may rely on.
   */
  readonly singleWriter?: boolean | undefined;
}

/** The condition of a PUT: nothing is there, or what is newest has this ETag; none for a single writer who has looked. */
export interface Condition {
  readonly IfNoneMatch?: '*';
  readonly IfMatch?: string;
}

export class S3Store implements WormStore {
  readonly kind = 's3';
  readonly versioned = true;
  readonly location: string;
  readonly #connection: S3Connection;
  readonly #singleWriter: boolean;
  readonly #kmsKeyId: string | undefined;

  constructor(options: S3StoreOptions, connection: S3Connection = new S3Connection(options, options)) {
    this.location = locationOf(options);
    this.#connection = connection;
    this.#singleWriter = options.singleWriter ?? false;
    this.#kmsKeyId = options.kmsKeyId;
  }

  async create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    retainUntilMs(retention);
    // A delete marker hides, and is nothing: over one alone the condition of S3 holds as well.
    if (this.#singleWriter && (await this.#newest(key, (version) => !version.deleteMarker)) !== undefined) return { outcome: 'exists' };
    return this.#put(key, bytes, retention, { IfNoneMatch: '*' });
  }

  async createOver(key: string, over: StoredVersion, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    retainUntilMs(retention);
    if (over.etag === undefined) throw new StoreError('create', key, 'no', 'the store names no ETag, so nothing can be written over a version on condition');
    const outcome = await this.#put(key, bytes, retention, { IfMatch: over.etag });
    if (outcome.outcome === 'created' || !this.#singleWriter) return outcome;
    // Ceph refuses If-Match whatever is there; one writer may do without.
    if ((await this.#newest(key, () => true)) !== over.versionId) return outcome;
    return this.#put(key, bytes, retention, {});
  }

  async read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return this.#reading('read', key, async () => {
      const version = versionId ?? (await versionsOf(this.#connection, key)).find(({ deleteMarker }) => !deleteMarker)?.versionId;
      if (version === undefined) return undefined;
      const command = new GetObjectCommand({ Bucket: this.#connection.settings.bucket, Key: key, VersionId: version });
      try {
        return await this.#connection.reading(async (client, options) => (await client.send(command, options)).Body?.transformToByteArray());
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  async versions(key: string, { retention = true }: VersionsOptions = {}): Promise<readonly StoredVersion[]> {
    assertKey(key);
    return this.#reading('versions', key, async () => {
      const found: StoredVersion[] = [];
      for (const version of await versionsOf(this.#connection, key)) {
        found.push({ ...version, retention: version.deleteMarker ? 'none' : retention ? await this.#retention(key, version.versionId) : 'unknown' });
      }
      return found;
    });
  }

  retentionOf(key: string, versionId: string): Promise<StoredVersion['retention']> {
    assertKey(key);
    return this.#reading('versions', key, () => this.#retention(key, versionId));
  }

  async *contested(prefix: string): AsyncGenerator<KeyVersions> {
    for await (const found of this.eachKey(prefix)) if (isContested(found.versions)) yield found;
  }

  async *eachKey(prefix: string, from?: string): AsyncGenerator<KeyVersions> {
    assertPrefix(prefix);
    try {
      for await (const { key, versions } of byKey(everyVersion(this.#connection, prefix, from))) {
        if (isKey(key)) yield { key, versions: versions.map((version) => ({ ...version, retention: 'unknown' })) };
      }
    } catch (error) {
      throw new StoreError('list', prefix, 'no', error);
    }
  }

  async list(prefix: string, { from, limit }: ListOptions): Promise<KeyPage> {
    assertPrefix(prefix);
    assertLimit(limit);
    return this.#reading('list', prefix, async () => {
      const keys: string[] = [];
      for await (const { key } of everyVersion(this.#connection, prefix, from)) {
        if (key === keys.at(-1) || !isKey(key)) continue;
        if (keys.length === limit) return { keys, more: true };
        keys.push(key);
      }
      return { keys, more: false };
    });
  }

  async *strays(prefix: string): AsyncGenerator<string> {
    assertPrefix(prefix);
    let last: string | undefined;
    try {
      for await (const { key } of everyVersion(this.#connection, prefix)) {
        if (key !== last && !isKey(key)) yield key;
        last = key;
      }
    } catch (error) {
      throw new StoreError('strays', prefix, 'no', error);
    }
  }

  /** What S3 shows is durable. */
  async settle(prefix: string): Promise<void> {
    assertPrefix(prefix);
    return this.#reading('settle', prefix, () => Promise.resolve());
  }

  promises(prefix: string, retention: Retention): Promise<readonly StorePromise[]> {
    return tryPromises(this, this.#connection, prefix, retention, (key, bytes, asked, condition) => this.#put(key, bytes, asked, condition));
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  async #put(key: string, bytes: Uint8Array, retention: Retention, condition: Condition): Promise<CreateOutcome> {
    const { bucket } = this.#connection.settings;
    const kmsKeyId = this.#kmsKeyId;
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: bytes,
      ContentLength: bytes.length,
      ContentType: 'application/x-ndjson',
      ...condition,
      ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
      ObjectLockMode: retention.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
      // Whole seconds, upwards: not every store keeps a fraction.
      ObjectLockRetainUntilDate: new Date(Math.ceil(retainUntilMs(retention) / 1000) * 1000),
      ...(kmsKeyId !== undefined && { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKeyId }),
    });
    let created: { readonly VersionId?: string | undefined };
    try {
      created = await this.#connection.once((client, options) => client.send(command, options));
    } catch (error) {
      // With If-Match S3 says 404 where nothing is there any more, or a delete marker hides it.
      if (isExists(error) || (condition.IfMatch !== undefined && codeOf(error) === 'NoSuchKey')) return { outcome: 'exists' };
      throw new StoreError('create', key, this.#connection.closed || !mayBeStored(error) ? 'no' : 'unknown', error);
    }
    if (created.VersionId === undefined || created.VersionId === 'null') {
      throw new StoreError('create', key, 'unknown', `bucket ${bucket} keeps no versions, so it can't lock any`);
    }
    return { outcome: 'created', versionId: created.VersionId };
  }

  /** Of what is looked for. Its failure says that nothing was written. */
  async #newest(key: string, isSought: (version: { readonly deleteMarker: boolean }) => boolean): Promise<string | undefined> {
    return this.#reading('create', key, async () => (await versionsOf(this.#connection, key)).findLast(isSought)?.versionId);
  }

  async #retention(key: string, versionId: string): Promise<StoredVersion['retention']> {
    const command = new HeadObjectCommand({ Bucket: this.#connection.settings.bucket, Key: key, VersionId: versionId });
    try {
      const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = await this.#connection.reading((client, options) => client.send(command, options));
      // Without the right to see it, S3 leaves the headers out: that is not "none".
      if (mode === undefined || until === undefined) return 'unknown';
      return { mode: mode === 'COMPLIANCE' ? 'compliance' : 'governance', retainUntil: until.toISOString() };
    } catch (error) {
      // No right to see it; or it is gone.
      if (statusOf(error) === 403 || statusOf(error) === 404) return 'unknown';
      throw error;
    }
  }

  async #reading<T>(operation: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      if (this.#connection.closed) throw new Error('the store is closed');
      return await work();
    } catch (error) {
      throw error instanceof StoreError ? error : new StoreError(operation, key, 'no', error);
    }
  }
}

export function locationOf({ bucket, endpoint }: S3Settings): string {
  return endpoint === undefined ? `s3://${bucket}` : `${new URL(endpoint).origin}/${bucket}`;
}
