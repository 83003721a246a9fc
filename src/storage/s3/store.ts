/**
 * The write-once store in an S3 bucket with versions and Object Lock: an object is the oldest version of its key
 * that is not a delete marker (what makes a version valid beyond that is the ledger's to judge).
 *
 * The key is created by `If-None-Match: *`, with its SHA-256 and an explicit retention. S3 looks at the *current*
 * version alone: over a delete marker the condition holds, and a second version comes into being. So nothing here
 * ever reads "latest", and who creates looks at `versions` afterwards.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { ListObjectVersionsCommandOutput, S3ClientConfig } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import {
  assertKey,
  assertLimit,
  assertPrefix,
  isKey,
  retainUntilMs,
  StoreError,
  type CreateOutcome,
  type KeyPage,
  type ListOptions,
  type Retention,
  type StoredVersion,
  type StorePromise,
  type WormStore,
} from '../worm-store.js';
import { codeOf, isAbsent, isExists, mayBeStored } from './errors.js';

export interface S3StoreOptions {
  readonly bucket: string;
  readonly region: string;
  /** Another service than AWS. */
  readonly endpoint?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  /** Encrypt with this KMS key; else as the bucket says. */
  readonly kmsKeyId?: string | undefined;
  /** Of one request, from its first byte to its last. */
  readonly requestTimeoutMs: number;
  /** Default: as the AWS SDK finds them. */
  readonly credentials?: S3ClientConfig['credentials'];
}

/** Of one listing; S3 gives no more. */
const PAGE = 1000;

interface Listed {
  readonly key: string;
  readonly version: Omit<StoredVersion, 'retention'>;
}

export class S3Store implements WormStore {
  readonly kind = 's3';
  readonly versioned = true;
  readonly location: string;
  readonly #client: S3Client;
  readonly #options: S3StoreOptions;
  #closed = false;

  constructor(options: S3StoreOptions) {
    const { bucket, region, endpoint, forcePathStyle, credentials } = options;
    this.#options = options;
    this.location = endpoint === undefined ? `s3://${bucket}` : `${new URL(endpoint).origin}/${bucket}`;
    this.#client = new S3Client({
      region,
      // One try: whoever calls must know that each carries the same bytes (WormStore).
      maxAttempts: 1,
      // The one checksum we ask for is in the request; others would only cost, and some stores refuse them.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(endpoint !== undefined && { endpoint }),
      ...(forcePathStyle !== undefined && { forcePathStyle }),
      ...(credentials !== undefined && { credentials }),
    });
  }

  async create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    // Whole seconds, upwards: not every store keeps a fraction.
    const retainUntil = new Date(Math.ceil(retainUntilMs(retention) / 1000) * 1000);
    const { bucket, kmsKeyId } = this.#options;
    let created: { readonly VersionId?: string | undefined };
    try {
      created = await this.#call((abortSignal) =>
        this.#client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: bytes,
            ContentLength: bytes.length,
            ContentType: 'application/x-ndjson',
            IfNoneMatch: '*',
            ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
            ObjectLockMode: retention.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
            ObjectLockRetainUntilDate: retainUntil,
            ...(kmsKeyId !== undefined && { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKeyId }),
          }),
          { abortSignal },
        ),
      );
    } catch (error) {
      if (isExists(error)) return { outcome: 'exists' };
      throw new StoreError('create', key, this.#closed || !mayBeStored(error) ? 'no' : 'unknown', error);
    }
    if (created.VersionId === undefined || created.VersionId === 'null') {
      throw new StoreError('create', key, 'unknown', `bucket ${bucket} keeps no versions, so it can't lock any`);
    }
    return { outcome: 'created', versionId: created.VersionId };
  }

  async read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return this.#reading('read', key, async () => {
      const version = versionId ?? (await this.#listed(key)).find(({ deleteMarker }) => !deleteMarker)?.versionId;
      if (version === undefined) return undefined;
      try {
        const { Body } = await this.#call((abortSignal) =>
          this.#client.send(new GetObjectCommand({ Bucket: this.#options.bucket, Key: key, VersionId: version }), { abortSignal }),
        );
        return await Body?.transformToByteArray();
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  async versions(key: string): Promise<readonly StoredVersion[]> {
    assertKey(key);
    return this.#reading('versions', key, async () => {
      const found: StoredVersion[] = [];
      for (const version of await this.#listed(key)) {
        found.push({ ...version, retention: version.deleteMarker ? 'none' : await this.#retention(key, version.versionId) });
      }
      return found;
    });
  }

  async list(prefix: string, { from, limit }: ListOptions): Promise<KeyPage> {
    assertPrefix(prefix);
    assertLimit(limit);
    return this.#reading('list', prefix, async () => {
      const keys: string[] = [];
      for await (const { key } of this.#everyVersion(prefix, from)) {
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
      for await (const { key } of this.#everyVersion(prefix, undefined)) {
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

  async promises(prefix: string): Promise<readonly StorePromise[]> {
    const key = `${prefix}locked`;
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);
    const created = await this.create(key, Buffer.from('indelible store self-test: locked\n'), { mode: 'governance', retainUntil: until.toISOString() });
    const versionId = created.outcome === 'created' ? created.versionId : undefined;
    if (versionId === undefined) throw new StoreError('promises', key, 'no', 'the key was taken');
    const object = { Bucket: this.#options.bucket, Key: key, VersionId: versionId };
    const earlier = new Date(until.getTime() - 43_200_000);
    return [
      await this.#refused('a version under retention can not be deleted', (abortSignal) => this.#client.send(new DeleteObjectCommand(object), { abortSignal })),
      await this.#refused('a retention can not be shortened', (abortSignal) =>
        this.#client.send(new PutObjectRetentionCommand({ ...object, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: earlier } }), { abortSignal }),
      ),
    ];
  }

  close(): Promise<void> {
    if (!this.#closed) this.#client.destroy();
    this.#closed = true;
    return Promise.resolve();
  }

  async #refused(promise: string, attempt: (signal: AbortSignal) => Promise<unknown>): Promise<StorePromise> {
    try {
      await this.#call(attempt);
      return { promise, kept: 'no', detail: 'tried without the right to bypass governance: the store did it. Object Lock is not enforced, or these credentials may bypass it.' };
    } catch (error) {
      const code = codeOf(error);
      const isRefusal = code === 'AccessDenied' || code === 'InvalidRequest' || code === 'ObjectLocked';
      return { promise, kept: isRefusal ? 'yes' : 'unknown', detail: `tried: answered ${code}` };
    }
  }

  /** Of one key, oldest first. */
  async #listed(key: string): Promise<Omit<StoredVersion, 'retention'>[]> {
    const found: Omit<StoredVersion, 'retention'>[] = [];
    for await (const { key: listed, version } of this.#everyVersion(key, undefined)) {
      if (listed !== key) break;
      found.push(version);
    }
    // S3 names a key's versions newest first.
    return found.reverse();
  }

  /** All versions and delete markers of the keys from `from` on, by key; of one key as S3 orders them, newest first. */
  async *#everyVersion(prefix: string, from: string | undefined): AsyncGenerator<Listed> {
    if (from !== undefined && from > prefix && !from.startsWith(prefix)) return;
    // A marker that does not begin with the prefix is more than MinIO knows to answer.
    let keyMarker = from === undefined || from <= prefix ? undefined : before(from);
    let versionMarker: string | undefined;
    for (;;) {
      const page: ListObjectVersionsCommandOutput = await this.#call((abortSignal) =>
        this.#client.send(
          new ListObjectVersionsCommand({
            Bucket: this.#options.bucket,
            Prefix: prefix,
            MaxKeys: PAGE,
            ...(keyMarker !== undefined && { KeyMarker: keyMarker }),
            ...(versionMarker !== undefined && { VersionIdMarker: versionMarker }),
          }),
          { abortSignal },
        ),
      );
      yield* inOrder(page);
      if (page.IsTruncated !== true) return;
      if (page.NextKeyMarker === undefined || (page.NextKeyMarker === keyMarker && page.NextVersionIdMarker === versionMarker)) {
        throw new Error('the listing says that there is more, and not where it goes on');
      }
      keyMarker = page.NextKeyMarker;
      versionMarker = page.NextVersionIdMarker;
    }
  }

  async #retention(key: string, versionId: string): Promise<StoredVersion['retention']> {
    try {
      const head = await this.#call((abortSignal) =>
        this.#client.send(new HeadObjectCommand({ Bucket: this.#options.bucket, Key: key, VersionId: versionId }), { abortSignal }),
      );
      const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = head;
      // Without the right to see it, S3 leaves the headers out: that is not "none".
      if (mode === undefined || until === undefined) return 'unknown';
      return { mode: mode === 'COMPLIANCE' ? 'compliance' : 'governance', retainUntil: until.toISOString() };
    } catch (error) {
      if (isAbsent(error)) return 'unknown';
      throw error;
    }
  }

  async #reading<T>(operation: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      if (this.#closed) throw new Error('the store is closed');
      return await work();
    } catch (error) {
      throw error instanceof StoreError ? error : new StoreError(operation, key, 'no', error);
    }
  }

  async #call<T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Error('the store is closed');
    return request(AbortSignal.timeout(this.#options.requestTimeoutMs));
  }
}

/**
 * Versions and delete markers come in two lists, each in order; together they are ordered by key, and for one key
 * newest first. Times have whole seconds on AWS, so the order within a list is kept and never made anew.
 */
function* inOrder({ Versions = [], DeleteMarkers = [] }: ListObjectVersionsCommandOutput): Generator<Listed> {
  const markers = DeleteMarkers.map((marker) => listed(marker, true, 0));
  let next = 0;
  for (const version of Versions) {
    const one = listed(version, false, version.Size ?? 0);
    for (let marker = markers[next]; marker !== undefined && comesFirst(marker, one); marker = markers[++next]) yield marker;
    yield one;
  }
  yield* markers.slice(next);
}

function comesFirst(a: Listed, b: Listed): boolean {
  return a.key === b.key ? a.version.storedAt > b.version.storedAt : a.key < b.key;
}

function listed(
  { Key, VersionId, LastModified }: { readonly Key?: string | undefined; readonly VersionId?: string | undefined; readonly LastModified?: Date | undefined },
  deleteMarker: boolean,
  size: number,
): Listed {
  if (Key === undefined || VersionId === undefined || LastModified === undefined) throw new Error('the listing leaves out a key, a version or a time');
  return { key: Key, version: { versionId: VersionId, deleteMarker, size, storedAt: LastModified.toISOString() } };
}

/** A marker after which `key` is the first that can come: S3 begins behind a marker, and keys hold no '~'. */
function before(key: string): string {
  const last = key.length - 1;
  return `${key.slice(0, last)}${String.fromCharCode(key.charCodeAt(last) - 1)}~`;
}
