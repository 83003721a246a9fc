/**
 * The write-once store: the only truth. Everything else is derived from it and can be rebuilt.
 *
 * Obligations of an adapter (checked by the contract suite in test/storage/contract.ts, which every
 * adapter passes):
 *
 * - A key once created never changes and never disappears through this interface: there is no method
 *   that overwrites or deletes.
 * - All methods may be called at any time, from any number of tasks and processes at once.
 * - Keys are ASCII, `/`-separated, each part `[A-Za-z0-9_][A-Za-z0-9._-]*`; others are a programming error
 *   (RangeError), never a path outside the store.
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
   * The bytes of `key`: of the given version, else of the oldest one that is not a delete marker.
   * `undefined` if there is none. @throws StoreError
   */
  read(key: string, versionId?: string): Promise<Uint8Array | undefined>;

  /** All versions and delete markers of `key`, oldest first; empty if there is none. @throws StoreError */
  versions(key: string): Promise<readonly StoredVersion[]>;

  /**
   * Keys that start with `prefix`, in ascending byte order, from `from` on (inclusive), at most `limit`
   * (1–1,000). `more` says whether there are further ones. A key hidden by a delete marker is listed.
   * @throws StoreError
   */
  list(prefix: string, options: { readonly from?: string; readonly limit: number }): Promise<KeyPage>;

  /**
   * Returns when every object below `prefix` that was visible before the call is durable. A store whose
   * reads only ever show durable objects returns at once. Called before an answer is built on objects
   * that another process wrote. @throws StoreError
   */
  settle(prefix: string): Promise<void>;

  close(): Promise<void>;
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
