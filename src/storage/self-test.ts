/**
 * Tries what a store really does before anything is trusted to it. A condition that is silently ignored is
 * the one defect that loses acknowledged entries without a trace (Ceph RGW 16.2 answers 200 to 50 of 50
 * racing creates), so it is tried, not believed, at every start.
 */
import { randomUUID } from 'node:crypto';
import { everyKey, StoreError, type Retention, type StorePromise, type WormStore } from './worm-store.js';

export interface SelfTestReport {
  readonly kind: WormStore['kind'];
  readonly location: string;
  /** RFC 3339 UTC. */
  readonly testedAt: string;
  readonly promises: readonly StorePromise[];
}

export interface SelfTestOptions {
  /**
   * The operator declares that only one process ever writes to the store: then a condition that isn't
   * real is reported (`kept: 'no'`), not fatal.
   */
  readonly singleWriter?: boolean;
  /** How long objects that can't be removed again are kept. */
  readonly retention?: Retention;
  readonly now?: Date;
  /** Makes the trial's keys unique: `[A-Za-z0-9-]+`. */
  readonly id?: string;
}

/** The store must not be written to. The message says why and what to do. */
export class SelfTestFailed extends Error {
  override readonly name = 'SelfTestFailed';
  readonly promise: string;

  constructor(location: string, promise: string, detail: string, options?: ErrorOptions) {
    super(`the store at ${location} does not keep what the log needs (${promise}): ${detail}`, options);
    this.promise = promise;
  }
}

const RACERS = 16;
const RACES = 4;
/** A racing create may be answered "unknown" (S3: 409) any number of times; a store that never settles is not usable. */
const TRIES = 20;

/**
 * Leaves nothing behind where the store can give a scratch room, else about ten small objects below
 * `_self-test/`. @throws SelfTestFailed; StoreError when the store can't be reached
 */
export async function selfTest(store: WormStore, options: SelfTestOptions = {}): Promise<SelfTestReport> {
  const now = options.now ?? new Date();
  const scratch = await store.scratch?.();
  try {
    const trial = new Trial(scratch?.store ?? store, store.location, {
      prefix: `_self-test/${options.id ?? randomUUID()}/`,
      retention: options.retention ?? {
        mode: 'governance',
        retainUntil: new Date(now.getTime() + 60_000).toISOString(),
      },
      singleWriter: options.singleWriter ?? false,
    });
    return { kind: store.kind, location: store.location, testedAt: now.toISOString(), promises: await trial.run() };
  } finally {
    await scratch?.dispose();
  }
}

class Trial {
  readonly #store: WormStore;
  readonly #location: string;
  readonly #prefix: string;
  readonly #retention: Retention;
  readonly #singleWriter: boolean;
  readonly #found: StorePromise[] = [];

  constructor(
    store: WormStore,
    location: string,
    options: { readonly prefix: string; readonly retention: Retention; readonly singleWriter: boolean },
  ) {
    this.#store = store;
    this.#location = location;
    this.#prefix = options.prefix;
    this.#retention = options.retention;
    this.#singleWriter = options.singleWriter;
  }

  async run(): Promise<readonly StorePromise[]> {
    await this.#createsOnce();
    await this.#createsOnceInParallel();
    await this.#listsInOrder();
    for (const found of (await this.#store.promises?.(this.#prefix, this.#retention)) ?? []) this.#judge(found);
    return this.#found;
  }

  async #createsOnce(): Promise<void> {
    const promise = 'a key is created once, and holds what was written';
    const key = `${this.#prefix}once`;
    const [first, second] = [bytesOf('first'), bytesOf('second')];
    if ((await this.#create(key, first)) !== 'created') {
      this.#fail(promise, `a new key (${key}) was reported as taken; is another object store behind this address?`);
    }
    const again = await this.#create(key, second);
    if (again !== 'exists') {
      this.#unconditional(promise, 'a second create of the same key succeeded: the store ignores the condition (If-None-Match)');
      return;
    }
    const read = await this.#store.read(key);
    if (read === undefined || !sameBytes(read, first)) {
      this.#fail(promise, `what was written to ${key} is not what is read back`);
    }
    if ((await this.#store.versions(key)).length !== 1) this.#fail(promise, `${key} has not exactly one version`);
    this.#kept(promise, 'tried: the second create of a key was refused, the first bytes were read back');
  }

  async #createsOnceInParallel(): Promise<void> {
    const promise = 'of many creates of one key at once exactly one succeeds';
    for (let race = 0; race < RACES; race++) {
      const key = `${this.#prefix}race-${race}`;
      const entrants = Array.from({ length: RACERS }, (_, i) => bytesOf(`racer ${i}`));
      const outcomes = await Promise.all(entrants.map((bytes) => this.#create(key, bytes)));
      const winners = entrants.filter((_, i) => outcomes[i] === 'created');
      const [winner] = winners;
      if (winner === undefined || winners.length > 1) {
        this.#unconditional(promise, `${winners.length} of ${RACERS} creates of one key at once succeeded`);
        return;
      }
      const read = await this.#store.read(key);
      if (read === undefined || !sameBytes(read, winner)) {
        this.#fail(promise, `${key} does not hold the bytes of the create that succeeded`);
      }
    }
    this.#kept(promise, `tried: ${RACES} races of ${RACERS} creates`);
  }

  async #listsInOrder(): Promise<void> {
    const promise = 'a listing shows what was just created, in byte order, from any key on';
    // '-' < '/' < '0' in ASCII: a folder's keys lie between those of its neighbours.
    const names = ['list/a-b', 'list/a/b', 'list/a0', 'list/b'].map((name) => this.#prefix + name);
    for (const name of [...names].reverse()) await this.#create(name, bytesOf(name));
    const listed: string[] = [];
    for await (const key of everyKey(this.#store, `${this.#prefix}list/`)) listed.push(key);
    if (listed.join() !== names.join()) this.#fail(promise, `expected ${names.join(', ')}; got ${listed.join(', ')}`);
    const page = await this.#store.list(`${this.#prefix}list/`, { from: `${this.#prefix}list/a/`, limit: 1 });
    if (page.keys.join() !== names[1] || !page.more) {
      this.#fail(promise, `a page of one key from ${this.#prefix}list/a/ on holds ${page.keys.join(', ')}`);
    }
    this.#kept(promise, `tried with ${names.length} keys created in reverse order`);
  }

  /** Repeats an attempt without a definite answer with the same bytes, as a writer does. */
  async #create(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    let unsettled = false;
    for (let attempt = 1; ; attempt++) {
      try {
        const { outcome } = await this.#store.create(key, bytes, this.#retention);
        if (outcome === 'created' || !unsettled) return outcome;
        const read = await this.#store.read(key);
        return read !== undefined && sameBytes(read, bytes) ? 'created' : 'exists';
      } catch (error) {
        if (!(error instanceof StoreError) || error.stored === 'no' || attempt === TRIES) throw error;
        unsettled = true;
      }
    }
  }

  /** What is essential and not known to be kept counts as not kept. */
  #judge(found: StorePromise): void {
    const { promise, kept, essential, detail } = found;
    if (kept === 'yes' || essential === undefined) this.#found.push(found);
    else if (essential === 'many-writers') this.#unconditional(promise, detail);
    else this.#fail(promise, detail);
  }

  #kept(promise: string, detail: string): void {
    this.#found.push({ promise, kept: 'yes', detail });
  }

  #unconditional(promise: string, detail: string): void {
    const consequence =
      'two writers would both believe that their entry is the one stored. Use a store with conditional writes, ' +
      'or declare that there is a single writer (INDELIBLE_SINGLE_WRITER=true)';
    if (!this.#singleWriter) this.#fail(promise, `${detail}; ${consequence}.`);
    this.#found.push({ promise, kept: 'no', essential: 'many-writers', detail: `${detail}; tolerated because a single writer is declared.` });
  }

  #fail(promise: string, detail: string): never {
    throw new SelfTestFailed(this.#location, promise, detail);
  }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(`indelible store self-test: ${text}\n`);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
