/**
 * The mirror's writing side: keeps the topic equal to the WORM store, each entry once and each chain in order.
 *
 * Processes with this role share the partitions through a consumer group on the cursors topic. The group only decides
 * who works; that nobody else can write is decided by the transactional producer of each partition, which fences the
 * one before. Nothing here is needed for appends: a failure is reported, and tried again.
 */
import type { Consumer, Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import type { CopyFinding } from '../reconcile/copies.js';
import type { ReadinessCheck } from '../http/deps.js';
import { ChainFollower } from '../ledger/follower.js';
import type { Host } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import { kafkaErrorType, kafkaTrouble, partitionOf, topicNames } from './kafka.js';
import type { KafkaSettings, TopicNames } from './kafka.js';
import { PartitionMirror, NotMirroredHereError } from './partition-mirror.js';
import { PartitionReader } from './partition-reader.js';
import type { SessionContext } from './partition-session.js';
import { ensureTopics } from './topics.js';
import type { TopicState } from './topics.js';

export interface MirrorOptions {
  readonly kafka: Kafka;
  readonly settings: KafkaSettings;
  readonly deployment: string;
  readonly ledger: Ledger;
  readonly host: Host;
  readonly log: Logger;
  readonly timings?: Partial<MirrorTimings>;
  /** The topic was found not to hold what the log says. */
  readonly onFinding?: ((kind: CopyFinding) => void) | undefined;
}

export interface MirrorTimings {
  /** Between two looks at the topics. */
  readonly checkEveryMs: number;
  /** Between two looks at all chains of the store. */
  readonly lookEveryMs: number;
  /** A process that has been silent for this long loses its partitions. */
  readonly sessionTimeoutMs: number;
}

const DEFAULT_TIMINGS: MirrorTimings = { checkEveryMs: 30_000, lookEveryMs: 60_000, sessionTimeoutMs: 10_000 };
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
/** The same trouble is logged once in this time. */
const SAY_AGAIN_MS = 30_000;

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #timings: MirrorTimings;
  readonly #names: TopicNames;
  readonly #reader: PartitionReader;
  readonly #parts = new Map<number, PartitionMirror>();
  readonly #follower: ChainFollower;
  readonly #running: Promise<unknown>;
  readonly #pauses = new Set<() => void>();
  /** Partitions the group gave to this process last: who lost them with its brokers is the one who knows what waits. */
  #answersFor: ReadonlySet<number> = new Set();
  #topics: TopicState | undefined;
  /** Ends the membership under way. */
  #leave: (error?: unknown) => void = () => undefined;
  #failure: unknown = new Error('not connected yet');
  #foreign = 0;
  readonly #said = new Map<string, number>();
  #closed = false;

  constructor(options: MirrorOptions) {
    const { kafka, settings, ledger, host } = options;
    this.#options = options;
    this.#timings = { ...DEFAULT_TIMINGS, ...options.timings };
    this.#names = topicNames(settings.kafkaTopic);
    this.#reader = new PartitionReader(kafka);
    this.#follower = new ChainFollower({
      ledger,
      host,
      copy: {
        through: (chainId) => this.#part(chainId).through(chainId),
        add: (chainId, segments) => this.#part(chainId).add({ chainId, segments }),
      },
      mine: (chainId) => this.mirrors(chainId),
      lookEveryMs: this.#timings.lookEveryMs,
      onTrouble: (_chainId, error) => this.#trouble(error),
    });
    this.#running = Promise.all([this.#beMemberAgainAndAgain(), this.#checkAgainAndAgain()]);
  }

  /** Whether this process mirrors the chain now. */
  mirrors(chainId: string): boolean {
    return this.#parts.has(this.#partitionOf(chainId));
  }

  /** Partitions this process mirrors now. */
  get partitions(): number {
    return this.#parts.size;
  }

  /** Entries of this process's chains that are not in the topic yet. While brokers are away it has the ones it had. */
  get lag(): number {
    return this.#follower.lag((chainId) => this.#answersFor.has(this.#partitionOf(chainId)));
  }

  get check(): ReadinessCheck {
    const failure = this.#failure ?? this.#follower.failure;
    if (failure !== undefined && !(failure instanceof NotMirroredHereError)) {
      return { name: 'mirror', status: 'degraded', detail: kafkaTrouble(failure, this.#options.settings) };
    }
    const reports = [...(this.#topics?.weak ?? [])];
    if (this.#foreign > 0) reports.push(`topic ${this.#names.entries} holds ${this.#foreign} messages that are not the log's: see the log of this process`);
    return reports.length === 0 ? { name: 'mirror', status: 'ok' } : { name: 'mirror', status: 'degraded', detail: reports.join('; ') };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leave();
    for (const end of this.#pauses) end();
    await Promise.all([...this.#parts.values()].map((part) => part.close()));
    await Promise.all([this.#running, this.#follower.close()]);
    await this.#reader.close();
  }

  /** -1 as long as it is not known how many there are. */
  #partitionOf(chainId: string): number {
    return this.#topics === undefined ? -1 : partitionOf(chainId, this.#topics.partitions);
  }

  #part(chainId: string): PartitionMirror {
    const part = this.#parts.get(this.#partitionOf(chainId));
    if (part === undefined) throw new NotMirroredHereError(`chain ${chainId} is mirrored by another process`);
    return part;
  }

  async #beMemberAgainAndAgain(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        await this.#ensureTopics();
        const since = Date.now();
        await this.#beMember();
        failures = Date.now() - since > MAX_PAUSE_MS ? 0 : failures + 1;
      } catch (error) {
        failures += 1;
        this.#failure = error;
        this.#trouble(error);
      }
      await this.#pause(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)));
    }
  }

  /** Returns when told to leave. @throws what ended it */
  async #beMember(): Promise<void> {
    const { kafka, deployment } = this.#options;
    const { sessionTimeoutMs } = this.#timings;
    const consumer: Consumer = kafka.consumer({
      groupId: `${deployment}-mirror-${this.#names.entries}`,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.floor(sessionTimeoutMs / 4),
      rebalanceTimeout: sessionTimeoutMs,
      maxWaitTimeInMs: 500,
      allowAutoTopicCreation: false,
      retry: { retries: 3, restartOnFailure: () => Promise.resolve(false) },
    });
    const left = new Promise<void>((resolve, reject) => {
      this.#leave = (error) => (error === undefined ? resolve() : reject(error instanceof Error ? error : new Error('the membership ended')));
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    });
    // At once: to leave brokers that hang takes a while.
    left.catch((error: unknown) => (this.#failure = error));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      // The group is about who works, not about its messages: those are read by offset.
      consumer.pause([{ topic: this.#names.cursors }]);
      const partitions = payload.memberAssignment[this.#names.cursors] ?? [];
      this.#answersFor = new Set(partitions);
      this.#failure = undefined;
      this.#assign(partitions);
    });
    try {
      if (this.#closed) return;
      await consumer.connect();
      await consumer.subscribe({ topics: [this.#names.cursors] });
      await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
      await left;
    } finally {
      this.#assign([]);
      await consumer.disconnect().catch(() => undefined);
    }
  }

  #assign(partitions: readonly number[]): void {
    const { log } = this.#options;
    for (const [partition, part] of this.#parts) {
      if (partitions.includes(partition)) continue;
      this.#parts.delete(partition);
      void part.close();
    }
    for (const partition of partitions) {
      if (!this.#parts.has(partition)) this.#parts.set(partition, new PartitionMirror(this.#sessions(), partition, this.#options.host, () => this.#opened(partition)));
    }
    log.info({ partitions }, 'mirror: partitions of this process');
    this.#follower.forget();
    this.#follower.look();
  }

  /** What is known of the partition may be wrong, and there may be more to follow. */
  #opened(partition: number): void {
    this.#follower.forget(this.#in(partition));
    this.#follower.look();
  }

  #in(partition: number): (chainId: string) => boolean {
    return (chainId) => this.#partitionOf(chainId) === partition;
  }

  #sessions(): SessionContext {
    const { kafka, deployment, ledger, log, onFinding } = this.#options;
    return {
      kafka,
      reader: this.#reader,
      store: ledger.reader,
      topics: this.#names,
      deployment,
      partitions: this.#topics?.partitions ?? 0,
      forgets: () => this.#topics?.forgets ?? false,
      onScan: (partition, lost) => {
        const why = lost ? 'it no longer holds what was mirrored' : 'its cursors are missing';
        log.warn({ partition }, `mirror: partition ${partition} of ${this.#names.entries}: ${why}; it is compared with the store and refilled`);
        this.#follower.lose(this.#in(partition));
        if (lost) onFinding?.('missing');
      },
      onFinding: (partition, { kind, offset, detail }) => {
        this.#foreign += 1;
        onFinding?.(kind === 'foreign' ? 'extra' : 'doubled');
        log.error({ partition, offset }, `mirror: ${kind} message in ${this.#names.entries}: ${detail}`);
      },
    };
  }

  async #ensureTopics(): Promise<void> {
    const { kafka, settings, log } = this.#options;
    const admin = kafka.admin();
    try {
      await admin.connect();
      const before = this.#topics;
      this.#topics = await ensureTopics(admin, this.#names, settings);
      for (const weak of this.#topics.weak) if (before?.weak.includes(weak) !== true) log.warn(`mirror: ${weak}`);
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
    const { partitions } = this.#topics;
    // With another number of partitions every chain may have another place.
    if ([...this.#parts.keys()].some((partition) => partition >= partitions)) this.#leave();
  }

  async #checkAgainAndAgain(): Promise<void> {
    while (!this.#closed) {
      await this.#pause(this.#timings.checkEveryMs);
      if (this.#isClosed() || this.#parts.size === 0) continue;
      try {
        await this.#ensureTopics();
        for (const [partition, part] of [...this.#parts]) {
          await part.check().catch((error: unknown) => {
            this.#trouble(error);
            this.#opened(partition);
          });
        }
      } catch (error) {
        this.#trouble(error);
      }
    }
  }

  #trouble(error: unknown): void {
    if (error instanceof NotMirroredHereError || this.#closed) return;
    const type = kafkaErrorType(error);
    // Another process has the partition: ask the group who is to have it, and don't take it back.
    if (type === 'PRODUCER_FENCED' || type === 'INVALID_PRODUCER_EPOCH') this.#leave(error);
    const said = kafkaTrouble(error, this.#options.settings);
    const now = Date.now();
    if (now - (this.#said.get(said) ?? 0) < SAY_AGAIN_MS) return;
    if (this.#said.size > 100) this.#said.clear();
    this.#said.set(said, now);
    this.#options.log.warn({ err: error }, `mirror: ${said}`);
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#options.host.after(ms, end);
      this.#pauses.add(end);
    });
  }
}
