/**
 * A store that fails by plan: the n-th call of an operation meets a fault. Deterministic: no timers, no
 * chance; what hangs or comes late waits for `release`.
 */
import {
  StoreError,
  type CreateOutcome,
  type KeyPage,
  type ListOptions,
  type Retention,
  type StoredVersion,
  type VersionsOptions,
  type WormStore,
} from '#indelible/storage/worm-store.js';

export type Operation = 'create' | 'read' | 'versions' | 'list' | 'settle';

export type Fault =
  /** The call fails; certainly nothing was stored. */
  | 'not-stored'
  /** As `not-stored`, with the error of a full disk. */
  | 'disk-full'
  /** The call fails without saying what happened: nothing was stored. */
  | 'unknown-not-stored'
  /** The call fails without saying what happened: the object was stored. For other operations than create as above. */
  | 'unknown-stored'
  /** No answer and no effect until `release`; then the call does its work and answers. */
  | 'hang'
  /** The work is done, and the answer withheld until `release`. */
  | 'hang-stored'
  /** The call fails with `unknown`; the object is stored at `release`, or right before the call that `lands` names. */
  | 'late';

export interface PlannedFault {
  readonly operation: Operation;
  /** Which call of this operation, from 1 on; counted over all keys, or over those that `key` matches. */
  readonly call: number;
  readonly fault: Fault;
  readonly key?: RegExp;
  /** For `late`: right before the n-th call of that operation, counted over all keys. */
  readonly lands?: { readonly operation: Operation; readonly call: number };
}

export interface RecordedCall {
  readonly operation: Operation;
  /** Or the prefix. */
  readonly key: string;
  readonly fault: Fault | undefined;
}

interface Waiting {
  readonly release: () => Promise<void>;
  readonly lands: PlannedFault['lands'];
}

export class FaultyStore implements WormStore {
  readonly kind: WormStore['kind'];
  readonly location: string;
  readonly versioned: boolean;
  /** Every call there was, in order. */
  readonly calls: RecordedCall[] = [];
  /** What late creates came to, in the order in which they landed. */
  readonly landed: { readonly key: string; readonly outcome: CreateOutcome['outcome'] }[] = [];
  readonly #inner: WormStore;
  readonly #plan: { readonly planned: PlannedFault; seen: number }[] = [];
  readonly #counts: Record<Operation, number> = { create: 0, read: 0, versions: 0, list: 0, settle: 0 };
  #waiting: Waiting[] = [];

  constructor(inner: WormStore, plan: readonly PlannedFault[] = []) {
    this.#inner = inner;
    this.kind = inner.kind;
    this.location = inner.location;
    this.versioned = inner.versioned;
    this.plan(...plan);
  }

  /** Adds faults; their calls are counted from now on. */
  plan(...faults: readonly PlannedFault[]): void {
    this.#plan.push(...faults.map((planned) => ({ planned, seen: 0 })));
  }

  /** Lets everything that hangs go on, and everything late land, in the order in which it came. */
  async release(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { release } of waiting) await release();
  }

  /** Calls that hang or will land late. */
  get waiting(): number {
    return this.#waiting.length;
  }

  create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    // As on a network: what is under way is not changed by what the caller does with its buffer.
    const copy = new Uint8Array(bytes);
    return this.#call('create', key, () => this.#inner.create(key, copy, retention));
  }

  read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    return this.#call('read', key, () => this.#inner.read(key, versionId));
  }

  /** Counts as a `create`. */
  createOver(key: string, over: StoredVersion, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    const copy = new Uint8Array(bytes);
    return this.#call('create', key, () => {
      if (this.#inner.createOver === undefined) throw new Error('the store has no createOver');
      return this.#inner.createOver(key, over, copy, retention);
    });
  }

  versions(key: string, options?: VersionsOptions): Promise<readonly StoredVersion[]> {
    return this.#call('versions', key, () => this.#inner.versions(key, options));
  }

  list(prefix: string, options: ListOptions): Promise<KeyPage> {
    return this.#call('list', prefix, () => this.#inner.list(prefix, options));
  }

  settle(prefix: string): Promise<void> {
    return this.#call('settle', prefix, () => this.#inner.settle(prefix));
  }

  strays(prefix: string): AsyncIterable<string> {
    return this.#inner.strays(prefix);
  }

  /** The wrapped store stays open: a test looks at it after the crash. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  async #call<T>(operation: Operation, key: string, work: () => Promise<T>): Promise<T> {
    const fault = this.#next(operation, key);
    this.calls.push({ operation, key, fault: fault?.fault });
    await this.#land(operation);
    const fails = (stored: 'no' | 'unknown', cause: Error): never => {
      throw new StoreError(operation, key, operation === 'create' ? stored : 'no', cause);
    };
    switch (fault?.fault) {
      case undefined:
        return work();
      case 'not-stored':
        return fails('no', new Error('planned: nothing was stored'));
      case 'disk-full':
        return fails('no', Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
      case 'unknown-not-stored':
        return fails('unknown', new Error('planned: connection reset'));
      case 'unknown-stored':
        await work();
        return fails('unknown', new Error('planned: connection reset'));
      case 'hang':
        return this.#hang(work);
      case 'hang-stored': {
        const answer = await work();
        return this.#hang(() => Promise.resolve(answer));
      }
      case 'late':
        this.#waiting.push({ lands: fault.lands, release: async () => this.#record(key, await work()) });
        return fails('unknown', new Error('planned: no answer'));
    }
  }

  #next(operation: Operation, key: string): PlannedFault | undefined {
    let found: PlannedFault | undefined;
    for (const entry of this.#plan) {
      const { planned } = entry;
      if (planned.operation !== operation || (planned.key !== undefined && !planned.key.test(key))) continue;
      if (++entry.seen === planned.call) found ??= planned;
    }
    return found;
  }

  async #land(operation: Operation): Promise<void> {
    const call = ++this.#counts[operation];
    const due = this.#waiting.filter(({ lands }) => lands?.operation === operation && lands.call === call);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { release } of due) await release();
  }

  #hang<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const release = async (): Promise<void> => {
        await work().then(resolve, reject);
      };
      this.#waiting.push({ lands: undefined, release });
    });
  }

  #record(key: string, answer: unknown): void {
    const created = answer as CreateOutcome | undefined;
    if (created !== undefined) this.landed.push({ key, outcome: created.outcome });
  }
}
