/**
 * The write-once store: the only truth. Everything else is derived from it and can be rebuilt.
 *
 * Obligations of an adapter (checked by the contract suite in test/storage/contract.ts, which every
 * adapter passes):
 *
 * - A key once created never changes and never disappears through this interface: there is no method
 *   that overwrites or deletes.
 * - All methods may be called at any time, from any number of tasks and processes at once.
 * - Keys are ASCII, `/`-separated, each part `[A-Za-z0-9_][A-Za-z0-9._-]*` (`assertKey`); others are a
 *   programming error (RangeError), never a path outside the store.
 * - One key is never a folder of another: nobody creates both `a/b` and `a/b/c` (S3 could hold both, a
 *   folder can't).
 * - The adapter does not retry `create`: who calls it must know that each attempt carries the same bytes.
 */
export interface WormStore {
  readonly kind: 'filesystem' | 's3' | 'memory';

  /** Where it is, for logs and reports. Never holds a credential. */
  readonly location: string;

  /**
   * True if a key can hold several versions (S3 with Object Lock). Then a writer confirms after
   * `created` that its version is the oldest valid one (DESIGN: the oldest valid version is the entry).
   */
  readonly versioned: boolean;

  /**
   * Creates `key` with exactly `bytes`, if nothing is there yet. The condition is atomic between all
   * writers of the store.
   *
   * `created`: the object is stored *durably* under its retention; it survives power loss.
   * `exists`: something is at the key already; the call wrote nothing; what is there is durable too.
   *
   * @throws StoreError with `stored: 'no'` when the object is certainly not stored and never will be
   *   by this call; with `stored: 'unknown'` when it may be stored now or land later: the caller must
   *   repeat the call *with the same bytes* until it is settled.
   */
  create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome>;

  /**
   * As `create`, over an object that does not belong: only if the newest version of `key` is still `over`.
   * Stores with versions alone have it; elsewhere an operator must clear the key.
   * `exists`: it is not the newest any more, nothing was written.
   */
  createOver?(key: string, over: StoredVersion, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome>;

  /**
   * The bytes of `key`: of the given version, else of the oldest one that is not a delete marker.
   * `undefined` if there is none. @throws StoreError
   */
  read(key: string, versionId?: string): Promise<Uint8Array | undefined>;

  /**
   * All versions and delete markers of `key`, oldest first; empty if there is none. With `retention: false`
   * nothing is asked but which there are: each version's `retention` is then `unknown`. @throws StoreError
   */
  versions(key: string, options?: VersionsOptions): Promise<readonly StoredVersion[]>;

  /** Of one version. Stores that enforce retention have it. @throws StoreError */
  retentionOf?(key: string, versionId: string): Promise<StoredVersion['retention']>;

  /**
   * The keys below `prefix` that hold anything but exactly one version, with their versions, oldest first
   * (their retention left out). Stores with versions have it. @throws StoreError
   */
  contested?(prefix: string): AsyncIterable<KeyVersions>;

  /**
   * Every key below `prefix` from `from` on (inclusive), in ascending byte order, with its versions, oldest first
   * (their retention left out): one walk, for who reads by version id. A key created meanwhile may be missing.
   * Stores with versions have it. @throws StoreError
   */
  eachKey?(prefix: string, from?: string): AsyncIterable<KeyVersions>;

  /**
   * Keys that start with `prefix`, in ascending byte order, from `from` on (inclusive), at most `limit`
   * (1–1,000). `more` says whether there are further ones. A key hidden by a delete marker is listed.
   * Every key created before the call is there, unless the options say that less will do.
   * @throws StoreError
   */
  list(prefix: string, options: ListOptions): Promise<KeyPage>;

  /**
   * Names below `prefix` that lie in the store but are no object of ours and never could be: not a valid
   * key, or not a plain file. They are reported, never followed. @throws StoreError
   */
  strays(prefix: string): AsyncIterable<string>;

  /**
   * Returns when every object below `prefix` that was visible before the call is durable. A store whose
   * reads only ever show durable objects returns at once. Called before an answer is built on objects
   * that another process wrote. @throws StoreError
   */
  settle(prefix: string): Promise<void>;

  /**
   * What this kind of store can say about itself beyond what the contract lets anyone try (see
   * self-test.ts): for example that a locked version can't be deleted. `prefix` is free for trials, whose
   * objects get `retention`.
   */
  promises?(prefix: string, retention: Retention): Promise<readonly StorePromise[]>;

  /**
   * A store with the same properties whose objects are removed again by `dispose`, where that is possible.
   * Without it a trial leaves its objects behind until their retention ends.
   */
  scratch?(): Promise<{ readonly store: WormStore; dispose(): Promise<void> }>;

  /** Waits for what is under way and lets go of all resources. Later calls reject. */
  close(): Promise<void>;
}

/** What reading and verifying need. */
export type StoreReader = Pick<WormStore, 'kind' | 'location' | 'versioned' | 'read' | 'versions' | 'retentionOf' | 'contested' | 'eachKey' | 'list' | 'strays' | 'close'>;

export interface VersionsOptions {
  /** Default true. */
  readonly retention?: boolean;
}

export interface KeyVersions {
  readonly key: string;
  readonly versions: readonly StoredVersion[];
}

export interface ListOptions {
  readonly from?: string | undefined;
  readonly limit: number;
  /**
   * An earlier page of the same walk: keys created since the walk began may be missing. An adapter may
   * ignore it; a folder is then read once for a walk over a million keys of a living chain, not a
   * thousand times (see `everyKey`).
   */
  readonly continues?: KeyPage | undefined;
  /**
   * Keys created lately, by this process or another, may be missing. For who can tell by the objects
   * whether the answer is right, and asks again without it if not. An adapter may ignore it; a folder of
   * 300,000 names takes most of a second to read, and a living chain changes its folder all the time.
   */
  readonly mayBeStale?: boolean | undefined;
}

/** One thing a store does for an audit log, and whether this store does it. */
export interface StorePromise {
  /** A sentence that is true if the promise is kept. */
  readonly promise: string;
  readonly kept: 'yes' | 'no' | 'unknown';
  /** Unless it is kept, the store must not be written to: at all, or by more than one writer. */
  readonly essential?: 'always' | 'many-writers';
  /** How that was found out, and what it means if it is not kept. */
  readonly detail: string;
}

/** What the writer asks for. `retainUntil` is computed by us, never left to a default of the store. */
export interface Retention {
  readonly mode: 'governance' | 'compliance';
  /** RFC 3339 UTC. */
  readonly retainUntil: string;
}

export type CreateOutcome =
  | { readonly outcome: 'created'; readonly versionId: string }
  | { readonly outcome: 'exists' };

export interface StoredVersion {
  readonly versionId: string;
  readonly deleteMarker: boolean;
  /** Bytes; 0 for a delete marker. */
  readonly size: number;
  /** RFC 3339 UTC, by the store's clock. */
  readonly storedAt: string;
  /** What a condition on the key compares, where the store has one. */
  readonly etag?: string | undefined;
  /** `unknown` is what the store would not show; it is never read as "fine". */
  readonly retention: RecordedRetention | 'none' | 'unknown';
}

export interface RecordedRetention {
  /** `recorded`: noted, but nothing in this store enforces it (a plain folder). */
  readonly mode: 'governance' | 'compliance' | 'recorded';
  readonly retainUntil: string;
}

export interface KeyPage {
  readonly keys: readonly string[];
  readonly more: boolean;
}

/** A call to the store failed. `stored` says what is known about a `create`; reads always say `no`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly operation: string;
  readonly key: string;
  readonly stored: 'no' | 'unknown';

  constructor(operation: string, key: string, stored: 'no' | 'unknown', cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`store: ${operation} ${key}: ${why}`, { cause });
    this.operation = operation;
    this.key = key;
    this.stored = stored;
  }
}

/** Whether a key holds anything but one version that is none but an object. */
export function isContested(versions: readonly StoredVersion[]): boolean {
  return versions.length !== 1 || versions[0]?.deleteMarker !== false;
}

const KEY_PART = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** True for a name an object can have. Limits: 255 bytes a part (every file system), 1,024 in all (S3). */
export function isKey(key: string): boolean {
  return key.length <= 1024 && key.split('/').every((part) => part.length <= 255 && KEY_PART.test(part));
}

/** @throws RangeError */
export function assertKey(key: string): void {
  if (!isKey(key)) throw new RangeError(`"key" expected [A-Za-z0-9_][A-Za-z0-9._-]* parts, got ${JSON.stringify(key)}`);
}

/** A prefix is what a key can begin with: whole parts, and then the beginning of one, or nothing. @throws RangeError */
export function assertPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.endsWith('/') ? `${prefix}x` : prefix)) {
    throw new RangeError(`"prefix" expected the beginning of a key, got ${JSON.stringify(prefix)}`);
  }
}

/** @throws RangeError */
export function assertLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new RangeError(`"limit" expected 1 to 1000, got ${limit}`);
  }
}

/**
 * Milliseconds since 1970 of `retention.retainUntil`; a fraction of one counts as a whole, so that nothing
 * is kept shorter than was asked for. @throws RangeError if it is not RFC 3339 UTC
 */
export function retainUntilMs(retention: Retention): number {
  const match = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3}(\d*))?Z$/.exec(retention.retainUntil);
  const ms = match === null ? Number.NaN : Date.parse(retention.retainUntil);
  if (Number.isNaN(ms)) {
    throw new RangeError(`"retainUntil" expected RFC 3339 UTC, got ${JSON.stringify(retention.retainUntil)}`);
  }
  return /[1-9]/.test(match?.[1] ?? '') ? ms + 1 : ms;
}

/**
 * All keys below `prefix` that existed when the walk began, in ascending byte order, from `from` on. Keys
 * created meanwhile may or may not be there.
 */
export async function* everyKey(store: StoreReader, prefix: string, from?: string): AsyncGenerator<string> {
  let page = await store.list(prefix, { from, limit: 1000 });
  for (;;) {
    yield* page.keys;
    const last = page.keys.at(-1);
    if (!page.more || last === undefined) return;
    // '-' is the smallest character of a key, so this is the first name there can be after `last`.
    page = await store.list(prefix, { from: `${last}-`, limit: 1000, continues: page });
  }
}
