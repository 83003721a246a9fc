/**
 * A WormStore in memory that enforces the contract. No timers, no I/O: every call settles in microtasks, so
 * a simulation that schedules its actors is repeatable.
 */
import {
  assertKey,
  assertLimit,
  assertPrefix,
  retainUntilMs,
  StoreError,
  type CreateOutcome,
  type KeyPage,
  type ListOptions,
  type Retention,
  type StoredVersion,
  type WormStore,
} from '#indelible/storage/worm-store.js';

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly storedAt: string;
  readonly retention: Retention;
}

interface Contents {
  readonly objects: Map<string, StoredObject>;
  sorted: string[] | undefined;
}

export interface MemoryStoreOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export class MemoryStore implements WormStore {
  readonly kind = 'memory';
  readonly location = 'memory';
  readonly versioned = false;
  readonly #contents: Contents;
  readonly #now: () => number;
  #closed = false;

  constructor(options: MemoryStoreOptions = {}, contents: Contents = { objects: new Map(), sorted: undefined }) {
    this.#now = options.now ?? (() => 0);
    this.#contents = contents;
  }

  /** A second client of the same objects. */
  another(): MemoryStore {
    return new MemoryStore({ now: this.#now }, this.#contents);
  }

  async create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    assertKey(key);
    retainUntilMs(retention);
    // Taken before anything is awaited: a caller that changes its buffer afterwards changes nothing here.
    // (Not `slice`: that of a Buffer is a view.)
    const copy = new Uint8Array(bytes);
    await this.#answer('create', key);
    if (this.#contents.objects.has(key)) return { outcome: 'exists' };
    this.#contents.objects.set(key, { bytes: copy, retention: { ...retention }, storedAt: new Date(this.#now()).toISOString() });
    this.#contents.sorted = undefined;
    return { outcome: 'created', versionId: 'null' };
  }

  async read(key: string, versionId = 'null'): Promise<Uint8Array | undefined> {
    assertKey(key);
    await this.#answer('read', key);
    return versionId === 'null' ? this.#contents.objects.get(key)?.bytes.slice() : undefined;
  }

  async versions(key: string): Promise<readonly StoredVersion[]> {
    assertKey(key);
    await this.#answer('versions', key);
    const found = this.#contents.objects.get(key);
    if (found === undefined) return [];
    const { storedAt, retention } = found;
    return [{ versionId: 'null', deleteMarker: false, size: found.bytes.length, storedAt, retention }];
  }

  async list(prefix: string, options: ListOptions): Promise<KeyPage> {
    assertPrefix(prefix);
    assertLimit(options.limit);
    await this.#answer('list', prefix);
    const { from = '', limit } = options;
    // Keys are ASCII: the order of their UTF-16 units is that of their bytes.
    const sorted = (this.#contents.sorted ??= [...this.#contents.objects.keys()].sort());
    const start = lowerBound(sorted, from > prefix ? from : prefix);
    const keys: string[] = [];
    for (let i = start; keys.length <= limit; i++) {
      const key = sorted[i];
      if (key?.startsWith(prefix) !== true) break;
      keys.push(key);
    }
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

  /** For a test's last look: everything that is stored. */
  snapshot(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.#contents.objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { bytes }]) => [key, bytes.slice()]));
  }

  /** What an attacker with the disk can do, and the contract can't. */
  tamper(key: string, bytes: Uint8Array | undefined): void {
    const found = this.#contents.objects.get(key);
    this.#contents.sorted = undefined;
    if (bytes === undefined) this.#contents.objects.delete(key);
    else {
      const retention: Retention = found?.retention ?? { mode: 'governance', retainUntil: '1970-01-01T00:00:00Z' };
      this.#contents.objects.set(key, { bytes: new Uint8Array(bytes), retention, storedAt: found?.storedAt ?? '1970-01-01T00:00:00.000Z' });
    }
  }

  /** One turn of the microtask queue, so that callers can't come to rely on an answer in the same turn. */
  async #answer(operation: string, key: string): Promise<void> {
    await Promise.resolve();
    if (this.#closed) throw new StoreError(operation, key, 'no', new Error('the store is closed'));
  }
}

function lowerBound(sorted: readonly string[], from: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
