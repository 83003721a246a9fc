/**
 * The mirror of one partition: what is to be added while a transaction is under way goes into the next one. One thing at
 * a time is done with the partition's session; a failure ends the session, and the next one who needs it opens a new one.
 */
import { GroupedWrites } from '../ledger/grouped-writes.js';
import type { Host } from '../ledger/host.js';
import { PartitionSession } from './partition-session.js';
import type { SessionContext, Work } from './partition-session.js';

const TRANSACTION_ENTRIES = 20_000;
/** A transaction takes six requests, however little it holds. */
const TRANSACTION_SPACING_MS = 100;
const REOPEN_PAUSE_MS = 500;

/** This process does not mirror the partition, or no longer. */
export class NotMirroredHereError extends Error {
  override readonly name = 'NotMirroredHereError';
}

export class PartitionMirror {
  readonly #context: SessionContext;
  readonly #partition: number;
  /** Told of each new session: what was known of the chains may be wrong. */
  readonly #onOpened: () => void;
  #session: PartitionSession | undefined;
  #opening: Promise<PartitionSession> | undefined;
  #failed: { readonly error: unknown; readonly at: number } | undefined;
  #lane: Promise<unknown> = Promise.resolve();
  readonly #adds: GroupedWrites<Work>;
  #closed = false;

  constructor(context: SessionContext, partition: number, host: Host, onOpened: () => void) {
    this.#context = context;
    this.#partition = partition;
    this.#onOpened = onOpened;
    this.#adds = new GroupedWrites({
      host,
      spacingMs: TRANSACTION_SPACING_MS,
      maxEntries: TRANSACTION_ENTRIES,
      entriesIn: ({ segments }) => segments.reduce((sum, segment) => sum + segment.count, 0),
      write: (batch) => this.#exclusive(() => this.#send(batch)),
    });
  }

  /** @throws NotMirroredHereError; what the brokers answer */
  async through(chainId: string): Promise<number> {
    return (await this.#open()).through(chainId);
  }

  /** @throws NotMirroredHereError; what the brokers answer */
  add(work: Work): Promise<void> {
    return this.#adds.add(work);
  }

  /** Opens a session where there is none, and has it look at the topic. @throws TopicChangedError; what the brokers answer */
  check(): Promise<void> {
    return this.#exclusive(async () => {
      const session = await this.#open();
      await session.check().catch((error: unknown) => this.#end(session, error));
    });
  }

  /** After what is under way. What waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#lane;
    await this.#opening?.catch(() => undefined);
    await this.#session?.close();
  }

  async #send(batch: readonly Work[]): Promise<void> {
    const session = await this.#open();
    await session.send(batch).catch((error: unknown) => this.#end(session, error));
  }

  async #open(): Promise<PartitionSession> {
    if (this.#closed) throw new NotMirroredHereError(`partition ${this.#partition} is mirrored by another process`);
    if (this.#session !== undefined) return this.#session;
    if (this.#failed !== undefined && Date.now() - this.#failed.at < REOPEN_PAUSE_MS) throw this.#failed.error;
    return (this.#opening ??= this.#begin().finally(() => (this.#opening = undefined)));
  }

  async #begin(): Promise<PartitionSession> {
    try {
      const session = await PartitionSession.open(this.#context, this.#partition);
      this.#session = session;
      this.#failed = undefined;
      this.#onOpened();
      return session;
    } catch (error) {
      this.#failed = { error, at: Date.now() };
      throw error;
    }
  }

  async #end(session: PartitionSession, error: unknown): Promise<never> {
    if (this.#session === session) this.#session = undefined;
    await session.close();
    throw error;
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lane.then(work);
    this.#lane = result.catch(() => undefined);
    return result;
  }
}
