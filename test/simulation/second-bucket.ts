/**
 * The second bucket of a run: the real copying code (src/replica) over a bucket that fails and is attacked, and what
 * must be true of it. At every moment: no process calls an entry `replicated` that is not there. In the end: the
 * copies are the log, and of a chain that is cut off in the first bucket nobody appends in the place of what was lost.
 */
import { segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import type { Host } from '#indelible/ledger/host.js';
import type { Ledger, LedgerContext } from '#indelible/ledger/ledger.js';
import { SegmentReader } from '#indelible/ledger/reader.js';
import { DEPLOYMENT_KEY } from '#indelible/ledger/trust.js';
import { FallbackReader } from '#indelible/replica/fallback-reader.js';
import { Replica } from '#indelible/replica/replica.js';
import { boundCalls } from '#indelible/storage/bounded.js';
import type { CreateOutcome, Retention, WormStore } from '#indelible/storage/worm-store.js';
import { CHAIN, RETENTION, signedSize, TRUST } from './deployment.js';
import { Disk, SimulatedStore } from './world.js';
import type { DiskVersion, Life, World } from './world.js';

export interface SecondPlan {
  /** For the test of the test. */
  readonly broken?: Broken;
}

export type Broken =
  /** A copy counts as confirmed when it is sent. */
  | 'claims what is sent'
  /** A key that is taken counts as copied. */
  | 'exists means copied'
  /** Who appends is not told what the second bucket shows. */
  | 'nobody is told';

/** A process of the ledger that follows the chain into the second bucket. */
interface Process {
  readonly ledger: Ledger;
  readonly life: Life;
  readonly copy: Replica | undefined;
}

interface Opened {
  /** What its ledger is given. */
  readonly ties: Pick<LedgerContext, 'cutOff' | 'witness' | 'readThrough'>;
  follow(ledger: Ledger): Replica;
}

const CALL_TIMEOUT_MS = 1_000;
const LOOK_MS = 4_000;
const INSPECT_MS = 8_000;
const STATEMENT = Buffer.from('{"deployment":"simulation"}');

export class SecondBucket {
  readonly disk = new Disk(true);
  readonly attacked: boolean;
  /** Codes of what the processes reported. */
  readonly differences = new Map<string, number>();
  /** The first bucket has lost its end, on purpose. */
  hasCut = false;
  readonly #world: World;
  readonly #first: Disk;
  readonly #plan: SecondPlan;
  readonly #fail: (what: string) => never;
  readonly #claims: { readonly life: Life; readonly name: string; readonly replica: Replica }[] = [];
  /** Leading entries that were found in both, byte for byte. They stay: nothing is ever taken out of the second. */
  #copied = 0;
  #broken: Error | undefined;

  constructor(world: World, first: Disk, plan: SecondPlan, fail: (what: string) => never) {
    this.#world = world;
    this.#first = first;
    this.#plan = plan;
    this.#fail = fail;
    this.attacked = world.chance(0.7);
    first.write(DEPLOYMENT_KEY, STATEMENT, RETENTION);
    world.watch = () => this.#checkClaims();
  }

  /** As the service puts the parts together. @param copies false: it only looks at what others have copied */
  open(firstStore: WormStore, life: Life, host: Host, name: string, copies: boolean): Opened {
    const { broken } = this.#plan;
    const bounded = (store: WormStore): WormStore => boundCalls(store, (ms, callback) => host.after(ms, callback), CALL_TIMEOUT_MS);
    const simulated = new SimulatedStore(this.#world, this.disk, life, `${name} second`, true, 'the second bucket');
    const store = bounded(broken === 'claims what is sent' || broken === 'exists means copied' ? assuming(simulated, broken) : simulated);
    const heard = broken === 'nobody is told' ? undefined : (): Replica => replica;
    let replica: Replica;
    return {
      ties: {
        cutOff: (chainId) => heard?.().cutOff(chainId),
        witness: (chainId) => heard?.().replicaHead(chainId) ?? Promise.resolve(undefined),
        readThrough: (reader) => new FallbackReader(reader, new SegmentReader(store, TRUST), () => undefined),
      },
      follow: (ledger) => {
        replica = new Replica({
          ledger,
          first: bounded(firstStore),
          second: store,
          trust: TRUST,
          host,
          copies,
          retention: () => RETENTION,
          prepare: () => Promise.resolve(),
          lookEveryMs: LOOK_MS,
          inspectEveryMs: INSPECT_MS,
          onDifference: ({ code, detail }) => {
            this.differences.set(code, (this.differences.get(code) ?? 0) + 1);
            if (code === 'truncated_tail' && !this.hasCut) this.#broken ??= new Error(`${name} says that the first bucket was cut off, and it was not: ${detail}`);
          },
          onTrouble: () => undefined,
        });
        this.#claims.push({ life, name, replica });
        return replica;
      },
    };
  }

  /** Nothing that a key of the deployment signed stands in the second bucket and is not in the log. */
  audit(): void {
    this.#checkClaims();
    for (const [key, versions] of this.disk.keys) {
      for (const version of versions) {
        if (signedSize(key, version) === undefined) continue;
        const ours = entryAt(this.#first, key);
        if (ours === undefined || !same(ours, version)) this.#fail(`the second bucket holds at ${key} what is not in the log`);
      }
    }
  }

  /** In peace all of the log comes to be in the second bucket, byte for byte, and all processes come to know it. */
  async expectCopied(processes: readonly Process[], entries: number): Promise<void> {
    const through = (): number[] => processes.map(({ copy }) => copy?.replicatedThrough(CHAIN) ?? 0);
    const done = await this.#world.runUntil(() => through().every((size) => size === entries), this.#world.now + 120_000);
    if (!done) this.#fail(`of ${entries} entries ${through().join(', ')} are called replicated, long after the last fault`);
    this.audit();
    const copied = this.#copiedThrough();
    if (copied !== entries) this.#fail(`of ${entries} entries ${copied} are in the second bucket`);
    const [statement] = (this.disk.keys.get(DEPLOYMENT_KEY) ?? []).filter(({ deleteMarker }) => !deleteMarker);
    if (statement === undefined || Buffer.compare(statement.bytes, STATEMENT) !== 0) this.#fail('the second bucket does not say whose log it holds');
  }

  /**
   * Somebody with every right to the first bucket takes the end of the chain out of it. Whoever runs finds it at the
   * next look, and whoever starts before the first append: no entry takes the place of one that was acknowledged.
   */
  async expectCutOffRefused(processes: readonly Process[], start: () => Process, check: () => void): Promise<void> {
    this.hasCut = true;
    const segments = [...this.#first.keys.keys()].filter((key) => entryAt(this.#first, key) !== undefined).sort();
    for (const key of segments.slice(-Math.ceil(this.#world.random() * segments.length))) this.#first.keys.delete(key);
    const left = this.#signedKeys();
    const fresh = start();
    const heard = (async () => {
      await fresh.copy?.looked();
      // The first look is not waited for without end, and there may be much junk to look through.
      if (this.attacked) await fresh.copy?.look();
    })();
    await this.#settled(heard);
    await this.#refuses(fresh);
    await this.#world.runUntil(() => false, this.#world.now + 2 * INSPECT_MS);
    for (const process of processes) await this.#refuses(process);
    check();
    if (this.#signedKeys() !== left) this.#fail('something was written to a chain that is cut off');
  }

  async #refuses({ ledger, copy }: Process): Promise<void> {
    const answer = await this.#settled(
      ledger.append(CHAIN, [{ event: '{"action":"over","actor":{"id":"1","type":"t"}}' }]).then(
        () => 'accepted',
        (error: unknown) => (error instanceof LedgerError ? error.code : String(error)),
      ),
    );
    if (answer !== 'chain_halted') this.#fail(`the first bucket was cut off, and an append was answered with ${answer}`);
    if (copy?.check().status !== 'failed') this.#fail('the first bucket was cut off, and the process does not say so');
  }

  async #settled<T>(work: Promise<T>): Promise<T | 'never'> {
    let answer: T | 'never' = 'never';
    let over = false as boolean;
    void work.then((value) => {
      answer = value;
      over = true;
    });
    await this.#world.runUntil(() => over, this.#world.now + 60_000);
    return answer;
  }

  #signedKeys(): number {
    return [...this.#first.keys.keys()].filter((key) => entryAt(this.#first, key) !== undefined).length;
  }

  #checkClaims(): void {
    if (this.#broken !== undefined) this.#fail(this.#broken.message);
    for (const { life, name, replica } of this.#claims) {
      if (!life.alive) continue;
      const claimed = replica.replicatedThrough(CHAIN);
      if (claimed <= this.#copied) continue;
      this.#copied = this.#copiedThrough();
      if (claimed > this.#copied) this.#fail(`${name} calls ${claimed} entries replicated, and ${this.#copied} are in the second bucket`);
    }
  }

  /** Leading entries of the log whose segments are the oldest valid version in the second bucket. */
  #copiedThrough(): number {
    for (let size = 0; ; ) {
      const key = segmentKey(CHAIN, size);
      const [ours, theirs] = [entryAt(this.#first, key), entryAt(this.disk, key)];
      if (ours === undefined || theirs === undefined || !same(ours, theirs)) return size;
      size = signedSize(key, ours) ?? size;
    }
  }
}

/** The oldest version that is signed for its place. */
function entryAt(disk: Disk, key: string): DiskVersion | undefined {
  return key.startsWith(segmentPrefix(CHAIN)) ? disk.keys.get(key)?.find((version) => signedSize(key, version) !== undefined) : undefined;
}

function same(a: DiskVersion, b: DiskVersion): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}

/** A store that takes a copy for granted, and afterwards shows what it took for granted. */
function assuming(store: WormStore, broken: 'claims what is sent' | 'exists means copied'): WormStore {
  const assumed = new Map<string, Retention>();
  const take = (key: string, retention: Retention): CreateOutcome => {
    assumed.set(key, retention);
    return { outcome: 'created', versionId: 'assumed' };
  };
  const { kind, location, versioned } = store;
  return {
    kind,
    location,
    versioned,
    create: async (key, bytes, retention) => {
      const answer = store.create(key, bytes, retention);
      if (broken === 'claims what is sent') {
        answer.catch(() => undefined);
        return take(key, retention);
      }
      const { outcome } = await answer;
      return outcome === 'exists' ? take(key, retention) : answer;
    },
    versions: async (key, options) => {
      const retention = assumed.get(key);
      return retention === undefined ? store.versions(key, options) : [{ versionId: 'assumed', deleteMarker: false, size: 0, storedAt: '', retention }];
    },
    ...(store.createOver !== undefined && { createOver: store.createOver.bind(store) }),
    read: (key, versionId) => store.read(key, versionId),
    list: (prefix, options) => store.list(prefix, options),
    strays: (prefix) => store.strays(prefix),
    settle: (prefix) => store.settle(prefix),
    close: () => store.close(),
  };
}
