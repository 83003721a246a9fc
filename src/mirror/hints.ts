/**
 * Tells the process that mirrors a chain that the chain has grown, where another process appended to it. Without a
 * hint that process finds out when it looks at all chains, a minute later; so a hint may get lost, come twice, or be
 * made up by someone: it only makes its reader look into the store.
 */
import kafkajs from 'kafkajs';
import type { Kafka, Producer } from 'kafkajs';
import { isChainId } from '../core/chain.js';
import type { Host } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import { PartitionReader } from './partition-reader.js';
import { TopicTail } from './tail.js';

/** Hints of a chain within this time are one. */
const GATHER_MS = 20;
const PAUSE_MS = 5_000;

export class HintSender {
  readonly #producer: Producer;
  readonly #topic: string;
  readonly #host: Host;
  readonly #unsubscribe: () => void;
  readonly #chains = new Set<string>();
  #connected = false;
  #sending: Promise<void> | undefined;
  #closed = false;

  /** `writerId`: of this process; `mirrors`: whether it mirrors the chain itself. */
  constructor(options: { readonly kafka: Kafka; readonly topic: string; readonly ledger: Ledger; readonly host: Host; readonly writerId: string; readonly mirrors: (chainId: string) => boolean }) {
    const { kafka, topic, ledger, host, writerId, mirrors } = options;
    this.#producer = kafka.producer({ allowAutoTopicCreation: false, createPartitioner: kafkajs.Partitioners.DefaultPartitioner, retry: { retries: 1 } });
    this.#topic = topic;
    this.#host = host;
    const own = `"writerId":"${writerId}"}`;
    this.#unsubscribe = ledger.onSegment(({ chainId, payloads }) => {
      // What was read of others, their writers have told.
      if (this.#closed || mirrors(chainId) || payloads[0]?.endsWith(own) !== true) return;
      this.#chains.add(chainId);
      this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    await this.#sending;
    await this.#producer.disconnect().catch(() => undefined);
  }

  async #send(): Promise<void> {
    while (this.#chains.size > 0 && !this.#isClosed()) {
      await this.#pause(GATHER_MS);
      const chains = [...this.#chains];
      this.#chains.clear();
      try {
        if (!this.#connected) await this.#producer.connect();
        this.#connected = true;
        await this.#producer.send({ topic: this.#topic, acks: 1, messages: chains.map((chainId) => ({ key: chainId, value: null })) });
      } catch {
        // They are found by looking; what comes meanwhile is told when the brokers are back.
        this.#connected = false;
        await this.#pause(PAUSE_MS);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return this.#closed ? Promise.resolve() : new Promise((resolve) => void this.#host.after(ms, resolve));
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}

/** Looks into the store at each hint; what it finds wakes whoever listens to the ledger. */
export class HintReader {
  readonly #tail: TopicTail;
  readonly #reader: PartitionReader;
  readonly #looking = new Map<string, Promise<unknown>>();

  constructor(options: { readonly kafka: Kafka; readonly topic: string; readonly ledger: Ledger; readonly host: Host; readonly mirrors: (chainId: string) => boolean }) {
    const { kafka, topic, ledger, host, mirrors } = options;
    this.#reader = new PartitionReader(kafka);
    this.#tail = new TopicTail({
      reader: this.#reader,
      topic,
      host,
      onTrouble: () => undefined,
      onRecords: async (records) => {
        const chains = new Set(records.map(({ key }) => key?.toString('utf8') ?? '').filter((chainId) => isChainId(chainId) && mirrors(chainId)));
        for (const chainId of chains) this.#looking.set(chainId, ledger.chain(chainId).catch(() => undefined));
        await Promise.all(this.#looking.values());
        this.#looking.clear();
      },
    });
  }

  async close(): Promise<void> {
    await this.#tail.close();
    await this.#reader.close();
  }
}
