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
  readonly ledger: Ledger;
  readonly host: Host;
  readonly copy: DerivedCopy;
  /** Whether this process is to follow the chain now; by default each. */
  readonly mine?: (chainId: string) => boolean;
  /**
   * So long other processes are left to bring what they have written into the copy themselves, as each does; what is lacking
   * then, this one brings. Default: it waits for nobody.
   */
  readonly othersWithinMs?: number | undefined;
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
  /** Entries the copy was last known to hold. */
  through: number;
  /** Whether the copy has said so; else it is asked before anything is done. */
  asked: boolean;
  running: Promise<void> | undefined;
}

export class ChainFollower {
  readonly #options: FollowerOptions;
  readonly #chains = new Map<string, Following>();
  readonly #unsubscribe: () => void;
  #looking: Promise<void>;
  /** Chains that others have made longer, until it is time to look whether they have served the copy. */
  readonly #later = new Set<string>();
  readonly #pauses = new Set<() => void>();
  #lookAsked = false;
  #endWait: () => void = () => undefined;
  /** The last error of each chain whose last try failed. */
  readonly #failing = new Map<string, unknown>();
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#unsubscribe = options.ledger.onSegment(({ chainId, head: { size } }, own) => {
      if (own || options.othersWithinMs === undefined) this.wake(chainId, size);
      else this.#wakeLater(chainId, options.othersWithinMs);
    });
    this.#looking = this.#lookAgainAndAgain();
  }

  /** Of a chain whose last try failed. */
  get failure(): unknown {
    return this.#failing.values().next().value;
  }

  /** Entries that chains are known to have and the copy is not known to hold, over these chains. */
  lag(of: (chainId: string) => boolean = () => true): number {
    let lag = 0;
    for (const [chainId, { wanted, through }] of this.#chains) if (of(chainId)) lag += Math.max(0, wanted - through);
    return lag;
  }

  /** Says that the chain has `size` entries or more. Returns at once. */
  wake(chainId: string, size: number): void {
    if (this.#closed) return;
    const following = this.#chains.get(chainId) ?? { wanted: 0, through: 0, asked: false, running: undefined };
    this.#chains.set(chainId, following);
    following.wanted = Math.max(following.wanted, size);
    if (!this.#isMine(chainId)) return;
    following.running ??= this.#follow(chainId, following).finally(() => {
      following.running = undefined;
      // Told, or forgotten, after it had looked for the last time.
      if (!following.asked || following.through < following.wanted) this.wake(chainId, following.wanted);
    });
  }

  /** Looks at all chains of the store now, and not only when it is time again. Returns at once. */
  look(): void {
    this.#lookAsked = true;
    this.#endWait();
  }

  /** The copy may hold other things of these chains than it was last seen to hold: it is asked anew. */
  forget(which: (chainId: string) => boolean = () => true): void {
    for (const [chainId, following] of this.#chains) if (which(chainId)) following.asked = false;
  }

  /** The copy no longer holds what it held: until it is asked, all of these chains is what waits. */
  lose(which: (chainId: string) => boolean = () => true): void {
    this.forget(which);
    for (const [chainId, following] of this.#chains) if (which(chainId)) following.through = 0;
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

  #wakeLater(chainId: string, ms: number): void {
    if (this.#later.has(chainId)) return;
    this.#later.add(chainId);
    const { host, ledger } = this.#options;
    // Not all of them at the same moment.
    void this.#pause(ms * (1 + host.random())).then(() => {
      this.#later.delete(chainId);
      this.#wakeAnew(chainId, ledger.knownSize(chainId));
    });
  }

  /** What others may have brought into the copy meanwhile is asked for, and not done again. */
  #wakeAnew(chainId: string, size: number): void {
    const following = this.#chains.get(chainId);
    if (following !== undefined && following.running === undefined && following.through < size) following.asked = false;
    this.wake(chainId, size);
  }

  async #follow(chainId: string, following: Following): Promise<void> {
    const { copy, host, onTrouble } = this.#options;
    for (let failures = 0; !this.#closed; ) {
      try {
        while (!this.#isClosed() && (!following.asked || following.through < following.wanted)) {
          if (!following.asked) {
            // Before the question: what is forgotten while it is under way is asked once more.
            following.asked = true;
            following.through = await copy.through(chainId);
            continue;
          }
          following.through = await this.#addFrom(chainId, following.through, following.wanted);
          failures = 0;
          this.#failing.delete(chainId);
        }
        this.#failing.delete(chainId);
        return;
      } catch (error) {
        // What the copy holds is asked anew: the write may have succeeded after all.
        following.asked = false;
        // Another process's chain meanwhile: it is looked at again when it is ours again.
        if (!this.#isMine(chainId)) {
          this.#failing.delete(chainId);
          return;
        }
        this.#failing.set(chainId, error);
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
      // Nearly always one starts exactly here, and is still in memory; to look for one that covers takes a listing.
      const segment = next === through ? await ledger.reader.covering(chainId, next, next) : await ledger.reader.at(chainId, next);
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
          if (this.#isMine(chainId)) await this.#look(chainId);
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
      const { size } = (await this.#options.ledger.chain(chainId)).head;
      if (this.#options.othersWithinMs === undefined) this.wake(chainId, size);
      else this.#wakeAnew(chainId, size);
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

  #isMine(chainId: string): boolean {
    return this.#options.mine?.(chainId) ?? true;
  }

  #isLookAsked(): boolean {
    return this.#lookAsked;
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
