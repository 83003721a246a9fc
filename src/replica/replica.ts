/**
 * The second bucket of a running service: who follows the chains into it, what is known of it, and what it tells
 * of the first. Appends never wait for any of it.
 */
import { ChainFollower } from '../ledger/follower.js';
import type { Ledger } from '../ledger/ledger.js';
import { chainIds } from '../ledger/reader.js';
import { within } from '../storage/bounded.js';
import { DifferenceError } from './difference.js';
import type { Difference } from './difference.js';
import { Replicator } from './replicator.js';
import type { ReplicatorOptions } from './replicator.js';
import { testimonyOf } from './witness.js';

export interface ReplicaOptions extends ReplicatorOptions {
  readonly ledger: Ledger;
  /** Between two looks at the chains of the first, for what other processes appended. */
  readonly lookEveryMs: number;
  /** Between two looks at the ends of all chains in both: two listings a chain. */
  readonly inspectEveryMs: number;
  /** What is tried again by itself. */
  readonly onTrouble: (chainId: string | undefined, error: unknown) => void;
}

export interface ReplicaCheck {
  readonly name: 'replica';
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly detail?: string;
}

/** A start, or a chain's first append, waits no longer than this for what the second bucket has to say. */
const ASK_WITHIN_MS = 3_000;
/** Chains that are looked at side by side. */
const INSPECTIONS = 16;

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #replicator: Replicator;
  readonly #follower: ChainFollower;
  readonly #firstLook: Promise<void>;
  readonly #looking: Promise<void>;
  #failure: unknown;
  #closed = false;
  #wake: () => void = () => undefined;

  /** Begins at once. */
  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { ledger, host, lookEveryMs } = options;
    this.#replicator = new Replicator(options);
    const onTrouble = (chainId: string | undefined, error: unknown): void => {
      // Told once, by `onDifference`; it is tried again and again.
      if (!(error instanceof DifferenceError) && !this.#closed) options.onTrouble(chainId, error);
    };
    this.#follower = new ChainFollower({ ledger, host, copy: this.#replicator, lookEveryMs, onTrouble });
    this.#firstLook = this.#tryToLook();
    this.#looking = this.#lookAgainAndAgain();
  }

  /**
   * Leading entries of the chain that are `replicated`: known by this process to be in the second bucket, too. What
   * is behind them is `durable`.
   */
  replicatedThrough(chainId: string): number {
    return this.#replicator.replicatedThrough(chainId);
  }

  /** Entries of the chains this process knows that are not known to be in the second bucket. */
  get lag(): number {
    let lag = 0;
    for (const { chainId, head } of this.#options.ledger.open()) lag += Math.max(0, (head?.size ?? 0) - this.replicatedThrough(chainId));
    return lag;
  }

  get differences(): readonly Difference[] {
    return this.#replicator.differences;
  }

  /** Why nothing may be appended to the chain; for the ledger. */
  cutOff(chainId: string): Difference | undefined {
    return this.#replicator.cutOff(chainId);
  }

  check(): ReplicaCheck {
    const found = this.differences;
    const cut = found.filter(({ code }) => code === 'truncated_tail');
    if (cut.length > 0) return { name: 'replica', status: 'failed', detail: `truncated_tail: the second bucket holds more of ${cut.length} chains than the first` };
    const codes = [...new Set(found.map(({ code }) => code))].sort().join(', ');
    if (found.length > 0) return { name: 'replica', status: 'degraded', detail: `the two buckets differ: ${codes}` };
    const failure = this.#follower.failure ?? this.#failure;
    if (failure !== undefined) return { name: 'replica', status: 'degraded', detail: `${this.lag} entries are not copied: the second bucket does not answer as it should` };
    return { name: 'replica', status: 'ok' };
  }

  /** How far the second bucket says that the chain goes; `undefined` if it says nothing in time. Never throws. */
  async replicaHead(chainId: string): Promise<{ readonly size: number; readonly lastEntryHash: Uint8Array } | undefined> {
    const { second, trust, host, onTrouble } = this.#options;
    try {
      const asked = testimonyOf(second, chainId, trust);
      const { witness } = await within((ms, callback) => host.after(ms, callback), ASK_WITHIN_MS, 'list', `chains/${chainId}/`, asked);
      return witness;
    } catch (error) {
      onTrouble(chainId, error);
      return undefined;
    }
  }

  /** Looks at every chain of the second bucket, as it does by itself again and again. @throws StoreError */
  async look(): Promise<void> {
    const { second, ledger, onTrouble } = this.#options;
    const chains = new Set<string>();
    for await (const chainId of chainIds(second)) chains.add(chainId);
    for (const { chainId } of ledger.open()) chains.add(chainId);
    const waiting = [...chains].values();
    const inspect = async (): Promise<void> => {
      for (const chainId of waiting) {
        if (this.#isClosed()) return;
        try {
          if ((await this.#replicator.inspect(chainId)) === 'as_known') continue;
          this.#follower.forget((id) => id === chainId);
          this.#follower.wake(chainId, 0);
        } catch (error) {
          onTrouble(chainId, error);
        }
      }
    };
    await Promise.all(Array.from({ length: INSPECTIONS }, inspect));
  }

  /** The first look has been taken, or does not end in time. */
  async looked(): Promise<void> {
    const { host } = this.#options;
    await within((ms, callback) => host.after(ms, callback), ASK_WITHIN_MS, 'list', 'chains/', this.#firstLook).catch(() => undefined);
  }

  /** Ends what is under way; the buckets stay open. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#replicator.close();
    this.#wake();
    await Promise.all([this.#follower.close(), this.#looking]);
  }

  async #lookAgainAndAgain(): Promise<void> {
    await this.#firstLook;
    for (;;) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.host.after(this.#options.inspectEveryMs, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
        if (this.#closed) this.#wake();
      });
      if (this.#isClosed()) return;
      await this.#tryToLook();
    }
  }

  async #tryToLook(): Promise<void> {
    try {
      await this.look();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      if (!this.#closed) this.#options.onTrouble(undefined, error);
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
