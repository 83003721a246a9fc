/**
 * A deterministic world: one seed drives the clock, the store's faults, the replicas' crashes and the
 * clients. Nothing in it reads a real clock or draws a real random number, so a failed seed is a
 * reproduction. Between two events all promise callbacks run to their end.
 */
import { createHash } from 'node:crypto';
import { StoreError } from '#indelible/storage/worm-store.js';
import type { CreateOutcome, KeyPage, Retention, StoredVersion, WormStore } from '#indelible/storage/worm-store.js';
import type { Host } from '#indelible/ledger/host.js';

/** mulberry32: small, seedable, good enough to choose faults. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  readonly random: () => number;
  /** Milliseconds of virtual time. */
  now = 0;
  /** Called after each event, when every callback it led to has run. */
  watch: () => void = () => undefined;
  #order = 0;
  #events: Event[] = [];
  readonly #trace = createHash('sha256');

  constructor(seed: number) {
    this.random = generator(seed);
  }

  after(milliseconds: number, run: () => void): () => void {
    const event = { at: this.now + milliseconds, order: this.#order++, run };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)]!;
  }

  note(text: string): void {
    this.#trace.update(`${this.now.toFixed(3)} ${text}\n`);
  }

  /** Same seed, same digest: the proof that a run can be replayed. */
  traceDigest(): string {
    return this.#trace.copy().digest('hex');
  }

  /** Runs until `done`; false if nothing is left to happen, or virtual time ran out, before. */
  async runUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    await settleMicrotasks();
    while (!done()) {
      let next: Event | undefined;
      for (const event of this.#events) if (next === undefined || event.at < next.at || (event.at === next.at && event.order < next.order)) next = event;
      if (next === undefined || next.at > limitMs) return false;
      const chosen = next;
      this.#events = this.#events.filter((event) => event !== chosen);
      this.now = Math.max(this.now, chosen.at);
      chosen.run();
      await settleMicrotasks();
      this.watch();
    }
    return true;
  }
}

/** A turn of the real event loop: every promise callback that can run has run. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A replica's life: after `end`, nothing it asked for reaches it any more. */
export class Life {
  alive = true;
  end(): void {
    this.alive = false;
  }
}

/** The host of one replica; its clock may be wrong by `skewMs`. */
export function simulatedHost(world: World, life: Life, name: string, skewMs: number): Host {
  let ids = 0;
  return {
    micros: () => Math.floor((1_800_000_000_000 + world.now + skewMs) * 1_000),
    random: () => world.random(),
    newEntryId: () => `${name}-${ids++}`,
    after: (milliseconds, callback) => world.after(milliseconds, () => life.alive && callback()),
    turn: () => new Promise((resolve) => void world.after(world.random() * 0.2, () => life.alive && resolve())),
  };
}

export interface FaultRates {
  /** Probability that a call fails in some way, in bad times. */
  rate: number;
  /** Breaks the store on purpose: a create overwrites. For the test of the test. */
  ignoreCondition?: boolean;
}

export interface DiskVersion {
  readonly versionId: string;
  readonly deleteMarker: boolean;
  readonly bytes: Uint8Array;
  /** What its writer asked for. */
  readonly retention: Retention | 'none';
}

/**
 * What is stored; shared by all replicas. A folder holds one object a key; a bucket with Object Lock holds
 * versions, which nobody can take away again, and a condition that looks at the newest of them alone.
 */
export class Disk {
  /** Oldest first. */
  readonly keys = new Map<string, DiskVersion[]>();
  readonly versioned: boolean;
  faults: FaultRates = { rate: 0 };
  /** Counted, so that a run that met no fault can't pass for a test. */
  readonly met = new Map<string, number>();
  #versions = 0;

  constructor(versioned = false) {
    this.versioned = versioned;
  }

  count(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
  }

  /** `If-None-Match: *`. */
  put(key: string, bytes: Uint8Array, retention: Retention): CreateOutcome {
    const latest = this.keys.get(key)?.at(-1);
    const taken = latest !== undefined && !latest.deleteMarker;
    if (taken && this.faults.ignoreCondition !== true) return { outcome: 'exists' };
    if (taken && !this.versioned) this.keys.delete(key);
    return { outcome: 'created', versionId: this.write(key, bytes, retention) };
  }

  /** `If-Match`. */
  putOver(key: string, etag: string, bytes: Uint8Array, retention: Retention): CreateOutcome {
    const latest = this.keys.get(key)?.at(-1);
    const holds = latest !== undefined && !latest.deleteMarker && etagOf(latest.bytes) === etag;
    return holds || this.faults.ignoreCondition === true ? { outcome: 'created', versionId: this.write(key, bytes, retention) } : { outcome: 'exists' };
  }

  /** Without any condition. */
  write(key: string, bytes: Uint8Array | 'delete marker', retention: DiskVersion['retention'] = 'none'): string {
    const versionId = `v${++this.#versions}`;
    const deleteMarker = bytes === 'delete marker';
    const versions = this.keys.get(key) ?? [];
    this.keys.set(key, versions);
    versions.push({ versionId, deleteMarker, bytes: deleteMarker ? new Uint8Array(0) : new Uint8Array(bytes), retention });
    return versionId;
  }
}

export function etagOf(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

type CreateFault = 'refused' | 'lost-request' | 'lost-answer' | 'late' | 'hang' | 'hang-stored';
const CREATE_FAULTS: readonly CreateFault[] = ['refused', 'lost-request', 'lost-answer', 'late', 'hang', 'hang-stored'];

/** One replica's connection to the disk. */
export class SimulatedStore implements WormStore {
  readonly kind = 'memory';
  readonly location: string;
  readonly versioned: boolean;
  readonly #world: World;
  readonly #disk: Disk;
  readonly #life: Life;
  readonly #name: string;

  constructor(world: World, disk: Disk, life: Life, name: string, knowsVersions: boolean, location = 'simulation') {
    this.location = location;
    this.#world = world;
    this.#disk = disk;
    this.versioned = disk.versioned && knowsVersions;
    this.#life = life;
    this.#name = name;
  }

  create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    return this.#put('create', key, bytes, (sent) => this.#disk.put(key, sent, retention));
  }

  createOver(key: string, { etag = '' }: StoredVersion, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    this.#disk.count('createOver');
    return this.#put('create over', key, bytes, (sent) => this.#disk.putOver(key, etag, sent, retention));
  }

  read(key: string, versionId?: string): Promise<Uint8Array | undefined> {
    return this.#call('read', key, () =>
      this.#disk.keys
        .get(key)
        ?.find((version) => !version.deleteMarker && (versionId === undefined || version.versionId === versionId))
        ?.bytes.slice(),
    );
  }

  versions(key: string): Promise<readonly StoredVersion[]> {
    return this.#call('versions', key, () =>
      (this.#disk.keys.get(key) ?? []).map(({ versionId, deleteMarker, bytes, retention }) => ({
        versionId,
        deleteMarker,
        size: bytes.length,
        etag: etagOf(bytes),
        storedAt: '',
        retention,
      })),
    );
  }

  list(prefix: string, { from = prefix, limit }: { readonly from?: string; readonly limit: number }): Promise<KeyPage> {
    return this.#call('list', prefix, () => {
      const keys = [...this.#disk.keys.keys()].filter((key) => key.startsWith(prefix) && key >= from).sort();
      return { keys: keys.slice(0, limit), more: keys.length > limit };
    });
  }

  async *strays(): AsyncIterable<string> {
    // Nothing but objects can be in it.
  }

  settle(prefix: string): Promise<void> {
    return this.#call('settle', prefix, () => undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #put(operation: string, key: string, bytes: Uint8Array, put: (sent: Uint8Array) => CreateOutcome): Promise<CreateOutcome> {
    const fault = this.#fault('create', CREATE_FAULTS);
    // What is on its way is what was sent, whatever the caller does with its buffer afterwards.
    // (Not `slice`: that of a Buffer is a view.)
    const sent = new Uint8Array(bytes);
    const digest = createHash('sha256').update(sent).digest('hex').slice(0, 8);
    this.#world.note(`${this.#name} ${operation} ${key} ${digest} ${fault ?? 'ok'}`);
    return new Promise((resolve, reject) => {
      const failed = (stored: 'no' | 'unknown'): void => {
        this.#answer(() => reject(new StoreError('create', key, stored, fault)));
      };
      this.#world.after(this.#latency(), () => {
        switch (fault) {
          case undefined: {
            const outcome = put(sent);
            this.#answer(() => resolve(outcome));
            return;
          }
          case 'refused':
            failed('no');
            return;
          case 'lost-request':
            failed('unknown');
            return;
          case 'lost-answer':
            put(sent);
            failed('unknown');
            return;
          case 'late':
            // Lands after the retry, or after the writer is gone.
            this.#world.after(this.#world.random() * 20_000, () => {
              this.#world.note(`late ${key} ${digest} ${put(sent).outcome}`);
            });
            failed('unknown');
            return;
          case 'hang-stored':
            put(sent);
            return;
          case 'hang':
            return;
        }
      });
    });
  }

  #call<T>(operation: string, key: string, work: () => T): Promise<T> {
    const fault = this.#fault(operation, ['error', 'hang'] as const);
    return new Promise((resolve, reject) => {
      this.#world.after(this.#latency(), () => {
        if (fault === 'hang') return;
        if (fault === 'error') this.#answer(() => reject(new StoreError(operation, key, 'no', fault)));
        else {
          const result = work();
          this.#answer(() => resolve(result));
        }
      });
    });
  }

  #answer(deliver: () => void): void {
    this.#world.after(this.#latency(), () => this.#life.alive && deliver());
  }

  #latency(): number {
    return this.#world.random() * (this.#world.chance(0.05) ? 400 : 4);
  }

  #fault<F extends string>(operation: string, faults: readonly F[]): F | undefined {
    if (!this.#world.chance(this.#disk.faults.rate)) return undefined;
    const fault = this.#world.pick(faults);
    this.#disk.count(`${operation} ${fault}`);
    return fault;
  }
}
