/**
 * The mirror's reading side in each replica: what other replicas append arrives here as soon as it is mirrored, and
 * goes, once its signature is checked, to this replica's head, view and streams. A replica without it sees the same
 * entries later, when it looks into the store. It is not kept for later reads: those, and whoever copies the log on,
 * read the store, so that nothing in a topic is ever held against itself.
 */
import type { Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { isChainId } from '../core/chain.js';
import { openCheckpoint } from '../core/checkpoint.js';
import type { NoteKey } from '../core/note.js';
import type { Host } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import { LedgerError } from '../ledger/errors.js';
import type { ChainTrust } from '../ledger/trust.js';
import { kafkaTrouble, topicNames } from './kafka.js';
import type { KafkaSettings } from './kafka.js';
import { readEntryRecord, SegmentAssembler } from './messages.js';
import type { AssembledSegment } from './messages.js';
import { PartitionReader } from './partition-reader.js';
import type { TopicRecord } from './partition-reader.js';
import { TopicTail } from './tail.js';

export interface MirrorFollowerOptions {
  readonly kafka: Kafka;
  readonly settings: KafkaSettings;
  readonly ledger: Ledger;
  readonly trust: ChainTrust;
  readonly host: Host;
  readonly log: Logger;
  /** A segment came by the mirror before this process knew it. */
  readonly onFollowed?: (() => void) | undefined;
}

function isSigned(note: string, keys: readonly NoteKey[]): boolean {
  try {
    return openCheckpoint(note, keys) !== undefined;
  } catch {
    return false;
  }
}

/** Segments handed on and not yet taken in. */
const MAX_UNDER_WAY = 32;

export class MirrorFollower {
  readonly #options: MirrorFollowerOptions;
  readonly #reader: PartitionReader;
  readonly #assembler = new SegmentAssembler();
  readonly #tail: TopicTail;
  /** Entries of each chain this process has already. */
  readonly #known = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;
  #saidAt = 0;

  constructor(options: MirrorFollowerOptions) {
    const { kafka, settings, ledger, host } = options;
    this.#options = options;
    this.#reader = new PartitionReader(kafka);
    this.#unsubscribe = ledger.onSegment(({ chainId, head }) => this.#known.set(chainId, head.size));
    this.#tail = new TopicTail({
      reader: this.#reader,
      topic: topicNames(settings.kafkaTopic).entries,
      host,
      onRecords: (records) => this.#take(records),
      onTrouble: (error) => this.#say(`following the mirror: ${kafkaTrouble(error, settings)}`, error),
    });
  }

  get failure(): unknown {
    return this.#tail.failure;
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#tail.close();
    await Promise.all(this.#underWay.values());
    await this.#reader.close();
  }

  async #take(records: readonly TopicRecord[]): Promise<void> {
    for (const record of records) {
      const entry = readEntryRecord(record);
      if (entry === undefined || !isChainId(entry.chainId)) continue;
      // Most of the time it is this process that appended it.
      if (entry.sequence < (this.#known.get(entry.chainId) ?? 0)) continue;
      const segment = this.#assembler.take(entry);
      if (segment !== undefined) await this.#hand(segment);
    }
  }

  /** Chains beside each other, each in order. */
  async #hand(segment: AssembledSegment): Promise<void> {
    const { chainId } = segment;
    while (this.#underWay.size >= MAX_UNDER_WAY && !this.#underWay.has(chainId)) await Promise.race(this.#underWay.values());
    const before = this.#underWay.get(chainId);
    const taking: Promise<void> = Promise.resolve(before)
      .then(() => this.#offer(segment))
      .finally(() => {
        if (this.#underWay.get(chainId) === taking) this.#underWay.delete(chainId);
      });
    this.#underWay.set(chainId, taking);
    // One ahead a chain: the topic keeps what is not taken yet.
    await before;
  }

  async #offer({ chainId, firstSequence, checkpoint, bytes }: AssembledSegment): Promise<void> {
    const { ledger, trust, log } = this.#options;
    if (firstSequence < (this.#known.get(chainId) ?? 0)) return;
    try {
      // Before this process begins to keep a chain in mind: anyone may have made up its name.
      if (!isSigned(checkpoint, trust.keysOf(chainId))) throw new LedgerError('chain_halted', 'it is not signed by a key that this process knows');
      await ledger.offer(chainId, firstSequence, bytes);
      this.#options.onFollowed?.();
    } catch (error) {
      if (error instanceof LedgerError && error.code === 'chain_halted') {
        log.error({ chainId, firstSequence }, `the mirror holds a segment that is not the log's: ${error.message}`);
      } else {
        this.#say(`chain ${chainId} can not be followed: ${(error as Error).message}`, error);
      }
      // What is really there, the store knows.
      if (this.#known.has(chainId)) await ledger.chain(chainId).catch(() => undefined);
    }
  }

  #say(message: string, error: unknown): void {
    const now = Date.now();
    if (now - this.#saidAt < 30_000) return;
    this.#saidAt = now;
    this.#options.log.warn({ err: error }, message);
  }
}
