/**
 * A bucket with Object Lock in memory: keys hold versions that nobody can take away, a condition looks at the
 * newest of them alone, and whoever can write can hide and put over (`attack`).
 */
import { createHash } from 'node:crypto';
import { assertKey, assertLimit, assertPrefix, isContested, retainUntilMs, StoreError } from '#indelible/storage/worm-store.js';
import type { CreateOutcome, KeyPage, KeyVersions, ListOptions, Retention, StoredVersion, VersionsOptions, WormStore } from '#indelible/storage/worm-store.js';

interface Version {
  readonly described: StoredVersion;
  readonly bytes: Uint8Array;
}

/** What the store notes of a version. */
type WrittenAs = Partial<Pick<StoredVersion, 'retention' | 'storedAt'>>;

export class VersionedStore implements WormStore {
  readonly kind = 'memory';
  readonly location = 'memory, with versions';
  readonly versioned = true;
  readonly #keys: Map<string, Version[]>;
  #closed = false;

  constructor(keys = new Map<string, Version[]>()) {
    this.#keys = keys;
  }

  /** A second client of the same bucket. */
  another(): VersionedStore {
    return new VersionedStore(this.#keys);
  }

  /** What write access to the bucket allows, without any condition. */
  readonly attack = {
    put: (key: string, bytes: Uint8Array, as: WrittenAs = {}): void => void this.#write(key, bytes, as),
    mark: (key: string, as: WrittenAs = {}): void => void this.#write(key, undefined, as),
  };

  async create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    retainUntilMs(retention);
    const copy = new Uint8Array(bytes);
    await this.#answer('create', key);
    const latest = this.#keys.get(key)?.at(-1);
    if (latest !== undefined && !latest.described.deleteMarker) return { outcome: 'exists' };
    return { outcome: 'created', versionId: this.#write(key, copy, { retention: { ...retention } }) };
  }

  async createOver(key: string, { etag }: StoredVersion, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    retainUntilMs(retention);
    const copy = new Uint8Array(bytes);
    await this.#answer('create', key);
    const latest = this.#keys.get(key)?.at(-1)?.described;
    if (latest === undefined || latest.deleteMarker || latest.etag !== etag) return { outcome: 'exists' };
    return { outcome: 'created', versionId: this.#write(key, copy, { retention: { ...retention } }) };
  }

  async read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    await this.#answer('read', key);
    return this.#keys
      .get(key)
      ?.find(({ described }) => !described.deleteMarker && (versionId === undefined || described.versionId === versionId))
      ?.bytes.slice();
  }

  async versions(key: string, options: VersionsOptions = {}): Promise<readonly StoredVersion[]> {
    assertKey(key);
    await this.#answer('versions', key);
    const known = (this.#keys.get(key) ?? []).map(({ described }) => described);
    return options.retention === false ? known.map((version) => ({ ...version, retention: 'unknown' as const })) : known;
  }

  async retentionOf(key: string, versionId: string): Promise<StoredVersion['retention']> {
    assertKey(key);
    await this.#answer('versions', key);
    return this.#keys.get(key)?.find(({ described }) => described.versionId === versionId)?.described.retention ?? 'unknown';
  }

  async *contested(prefix: string): AsyncGenerator<KeyVersions> {
    for await (const found of this.eachKey(prefix)) if (isContested(found.versions)) yield found;
  }

  async *eachKey(prefix: string, from = ''): AsyncGenerator<KeyVersions> {
    assertPrefix(prefix);
    await this.#answer('list', prefix);
    for (const [key, versions] of [...this.#keys].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!key.startsWith(prefix) || key < from) continue;
      yield { key, versions: versions.map(({ described }) => ({ ...described, retention: 'unknown' as const })) };
    }
  }

  async list(prefix: string, { from = '', limit }: ListOptions): Promise<KeyPage> {
    assertPrefix(prefix);
    assertLimit(limit);
    await this.#answer('list', prefix);
    const keys = [...this.#keys.keys()].filter((key) => key.startsWith(prefix) && key >= from).sort();
    return { keys: keys.slice(0, limit), more: keys.length > limit };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a generator that never has anything to wait for
  async *strays(prefix: string): AsyncGenerator<string> {
    assertPrefix(prefix);
    yield* [];
  }

  async settle(prefix: string): Promise<void> {
    assertPrefix(prefix);
    await this.#answer('settle', prefix);
  }

  async close(): Promise<void> {
    await Promise.resolve();
    this.#closed = true;
  }

  #write(key: string, bytes: Uint8Array | undefined, { retention = 'none', storedAt = '1970-01-01T00:00:00.000Z' }: WrittenAs): string {
    const versions = this.#keys.get(key) ?? [];
    this.#keys.set(key, versions);
    const described: StoredVersion = {
      versionId: `v${versions.length + 1}`,
      deleteMarker: bytes === undefined,
      size: bytes?.length ?? 0,
      storedAt,
      retention,
      ...(bytes !== undefined && { etag: createHash('md5').update(bytes).digest('hex') }),
    };
    versions.push({ described, bytes: new Uint8Array(bytes ?? []) });
    return described.versionId;
  }

  /** One turn of the microtask queue, so that callers can't come to rely on an answer in the same turn. */
  async #answer(operation: string, key: string): Promise<void> {
    await Promise.resolve();
    if (this.#closed) throw new StoreError(operation, key, 'no', new Error('the store is closed'));
  }
}
