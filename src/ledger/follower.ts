/**
 * Keeps a derived copy of the chains (mirror, search index, second bucket) in step with the WORM store: reads the
 * segments the copy lacks, in order, and hands them over, until it holds all; then waits to be woken.
 *
 * What wakes it: segments that become part of a chain in this process, `wake` (another source has seen more), and
 * a look at every chain of the store at intervals, which finds what neither told. A copy that fails is tried
 * again, with pauses that grow; nothing is ever skipped. Appends never wait for any of it.
 */
import type { Segment } from '../core/segment.js';
import { LedgerError } from './errors.js';
import type { Host } from './host.js';
import type { Ledger } from './ledger.js';

export interface DerivedCopy {
  /** Leading entries of the chain that the copy holds. */
  through(chainId: string): Promise<number>;

  /**
   * Takes the segments that come next: in order, without holes, the first of them starts at or before
   * `through`. Returns once the copy holds them. Anything it throws is tried again later.
   */
  add(chainId: string, segments: readonly Segment[]): Promise<void>;
}

export interface FollowerOptions {
  readonly name: string;
  readonly ledger: Ledger;
  readonly host: Host;
  readonly copy: DerivedCopy;
  /** Whether this process is to follow the chain now; by default each. */
  readonly mine?: (chainId: string) => boolean;
  /** Between two looks at all chains of the store; each look costs about one listing a chain. */
  readonly lookEveryMs: number;
  readonly onTrouble: (chainId: string | undefined, error: unknown) => void;
}

const BATCH_ENTRIES = 4_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;

/** One chain's state in this process. */
interface Following {
  /** Entries the chain is known to have. */
  wanted: number;
  /** Entries the copy holds; `undefined` until it was asked. */
  through: number | undefined;
  running: Promise<void> | undefined;
}

export class ChainFollower {
  readonly #options: FollowerOptions;
  readonly #chains = new Map<string, Following>();
  readonly #unsubscribe: () => void;
  #looking: Promise<void>;
  readonly #pauses = new Set<() => void>();
  #lookAsked = false;
  #endWait: () => void = () => undefined;
  #closed = false;
  #failure: unknown;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#unsubscribe = options.ledger.onSegment((segment) => this.wake(segment.chainId, segment.head.size));
    this.#looking = this.#lookAgainAndAgain();
  }

  /** The last try's error, until a try succeeds. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Entries that chains are known to have and the copy is not known to hold, over all chains. */
  get lag(): number {
    let lag = 0;
    for (const [chainId, { wanted, through }] of this.#chains) {
      if (this.#options.mine?.(chainId) ?? true) lag += Math.max(0, wanted - (through ?? 0));
    }
    return lag;
  }

  /** Says that the chain has `size` entries or more. Returns at once. */
  wake(chainId: string, size: number): void {
    if (this.#closed || !(this.#options.mine?.(chainId) ?? true)) return;
    const following = this.#chains.get(chainId) ?? { wanted: 0, through: undefined, running: undefined };
    this.#chains.set(chainId, following);
    following.wanted = Math.max(following.wanted, size);
    following.running ??= this.#follow(chainId, following).finally(() => {
      following.running = undefined;
    });
  }

  /** Looks at all chains of the store now, and not only when it is time again. Returns at once. */
  look(): void {
    this.#lookAsked = true;
    this.#endWait();
  }

  /** The copy may hold other things than it was last seen to hold: it is asked anew. */
  forget(chainId?: string): void {
    for (const [id, following] of this.#chains) if (chainId === undefined || id === chainId) following.through = undefined;
  }

  /** Chains of the store, each brought up to date as far as the store goes now. @throws what the store or the copy throws */
  async catchUp(onProgress: (chainId: string, through: number, size: number) => void = () => undefined): Promise<void> {
    const { ledger } = this.#options;
    for await (const chainId of ledger.reader.chains()) {
      const { head } = await ledger.chain(chainId);
      let through = await this.#options.copy.through(chainId);
      while (through < head.size) {
        through = await this.#addFrom(chainId, through, head.size);
        onProgress(chainId, through, head.size);
      }
    }
  }

  /** Ends after what is being handed over. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    for (const end of this.#pauses) end();
    await Promise.all([this.#looking, ...[...this.#chains.values()].map(({ running }) => running)]);
  }

  async #follow(chainId: string, following: Following): Promise<void> {
    const { copy, host, mine, onTrouble } = this.#options;
    for (let failures = 0; !this.#closed; ) {
      try {
        let through = (following.through ??= await copy.through(chainId));
        while (through < following.wanted && !this.#isClosed()) {
          through = await this.#addFrom(chainId, through, following.wanted);
          following.through = through;
          failures = 0;
          this.#failure = undefined;
        }
        return;
      } catch (error) {
        this.#failure = error;
        // What the copy holds is asked anew: the write may have succeeded after all.
        following.through = undefined;
        // Another process's chain meanwhile: it is looked at again when it is ours again.
        if (!(mine?.(chainId) ?? true)) return;
        onTrouble(chainId, error);
        await this.#pause(host.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures++, 10)));
      }
    }
  }

  /** Hands over a batch that starts at `through`; where the copy stands after it. */
  async #addFrom(chainId: string, through: number, wanted: number): Promise<number> {
    const { ledger, copy } = this.#options;
    const segments: Segment[] = [];
    let entries = 0;
    let next = through;
    while (next < wanted && entries < BATCH_ENTRIES) {
      const segment = next === through ? await ledger.reader.covering(chainId, next) : await ledger.reader.at(chainId, next);
      if (segment === undefined) {
        if (segments.length > 0) break;
        throw new Error(`chain ${chainId}: no object holds sequence ${next}, though the chain has ${wanted} entries`);
      }
      segments.push(segment);
      entries += segment.count;
      next = segment.head.size;
    }
    await copy.add(chainId, segments);
    return next;
  }

  async #lookAgainAndAgain(): Promise<void> {
    const { ledger, lookEveryMs, onTrouble } = this.#options;
    while (!this.#closed) {
      this.#lookAsked = false;
      try {
        for await (const chainId of ledger.reader.chains()) {
          if (this.#isClosed()) return;
          if (this.#options.mine?.(chainId) ?? true) await this.#look(chainId);
        }
      } catch (error) {
        onTrouble(undefined, error);
      }
      if (!this.#isLookAsked()) await this.#pause(lookEveryMs, (end) => (this.#endWait = end));
    }
  }

  /** One chain in trouble must not keep the others from being looked at. */
  async #look(chainId: string): Promise<void> {
    try {
      this.wake(chainId, (await this.#options.ledger.chain(chainId)).head.size);
    } catch (error) {
      // A name alone makes no chain: somebody put junk there.
      if (!(error instanceof LedgerError && error.code === 'chain_not_found')) this.#options.onTrouble(chainId, error);
    }
  }

  /** Ends early when this is closed, or by what `started` is given. */
  async #pause(ms: number, started: (end: () => void) => void = () => undefined): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#options.host.after(ms, end);
      this.#pauses.add(end);
      started(end);
    });
  }

  #isLookAsked(): boolean {
    return this.#lookAsked;
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
