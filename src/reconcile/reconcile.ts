/**
 * Compares copies of the log with the log, entry by entry. The log is read from the WORM store, each segment
 * checked against its signature; the copies are believed in nothing.
 */
import type { Host } from '../ledger/host.js';
import { sleep } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import type { CopyItem, EntryToPut, ReconciledCopy } from './copies.js';

/**
 * `missing`: the copy lacks the entry though it says to have come further. `behind`: it has not come so far.
 * `different`: what it has for the entry says something else. `extra`: it is of no entry. `doubled`: it has
 * another one for an entry.
 */
export const DIFFERENCES = ['missing', 'behind', 'different', 'extra', 'doubled'] as const;
export type Difference = (typeof DIFFERENCES)[number];

export interface Discrepancy {
  readonly copy: ReconciledCopy['name'];
  readonly kind: Difference;
  readonly chainId?: string;
  readonly sequence?: number;
  /** Of a run of entries that lack alike. */
  readonly lastSequence?: number;
  /** Where it lies in the copy. */
  readonly id?: string;
}

export interface ChainResult {
  readonly copy: ReconciledCopy['name'];
  readonly chainId: string;
  /** Entries the chain had. */
  readonly size: number;
  readonly found: Readonly<Record<Difference, number>>;
  readonly repaired: number;
}

/**
 * `different`: a copy held what the log does not say (whether or not it was put right: somebody did that).
 * `incomplete`: it only lacked entries, and still lacks some; or a chain could not be read.
 */
export type ReconcileVerdict = 'equal' | 'incomplete' | 'different';

export interface ReconcileReport {
  readonly verdict: ReconcileVerdict;
  readonly entriesCompared: number;
  readonly chains: readonly ChainResult[];
  /** The first of them. */
  readonly discrepancies: readonly Discrepancy[];
  readonly discrepanciesLeftOut: number;
  /** Chains of the log that could not be read, and why. */
  readonly unread: readonly { readonly chainId: string; readonly reason: string }[];
}

export interface ReconcileProgress {
  readonly copy: ReconciledCopy['name'];
  readonly chainId: string;
  readonly entries: number;
  readonly size: number;
  /** Over all chains and copies. */
  readonly entriesCompared: number;
}

export interface ReconcileOptions {
  readonly ledger: Ledger;
  readonly host: Host;
  readonly copies: readonly ReconciledCopy[];
  /** Default: all chains of the store. */
  readonly chainId?: string;
  /** Puts right what differs, where the copy can be written. */
  readonly backfill?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ReconcileProgress) => void;
  /** Told of each, also of those that the report leaves out. */
  readonly onDiscrepancy?: (found: Discrepancy) => void;
}

const MAX_DISCREPANCIES = 1_000;
const PUT_BATCH = 500;
/** A copy that is being fed is waited for while it comes nearer. */
const STALLED_MS = 2_000;
const POLL_MS = 50;
const PROGRESS_EVERY = 1_000;

export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const { ledger, copies, chainId } = options;
  const run = new Run(options);
  const known: string[] = [];
  if (chainId !== undefined) known.push(chainId);
  else for await (const id of ledger.reader.chains()) known.push(id);
  for (const id of known) {
    for (const copy of copies) await run.chain(id, copy);
  }
  if (chainId === undefined) for (const copy of copies) await run.strays(known, copy);
  return run.report();
}

class Run {
  readonly #options: ReconcileOptions;
  readonly #results: ChainResult[] = [];
  readonly #discrepancies: Discrepancy[] = [];
  readonly #unread: { chainId: string; reason: string }[] = [];
  #leftOut = 0;
  #compared = 0;
  #strays = 0;

  constructor(options: ReconcileOptions) {
    this.#options = options;
  }

  report(): ReconcileReport {
    const wrong = this.#results.some(({ found }) => found.different + found.extra + found.doubled > 0) || this.#strays > 0;
    const lacking = this.#results.some(({ found, repaired }) => found.missing + found.behind > repaired) || this.#unread.length > 0;
    return {
      verdict: wrong ? 'different' : lacking ? 'incomplete' : 'equal',
      entriesCompared: this.#compared,
      chains: this.#results,
      discrepancies: this.#discrepancies,
      discrepanciesLeftOut: this.#leftOut,
      unread: this.#unread,
    };
  }

  async chain(chainId: string, copy: ReconciledCopy): Promise<void> {
    let size: number;
    try {
      ({ head: { size } } = await this.#options.ledger.chain(chainId));
    } catch (error) {
      // One chain in trouble must not hide the others.
      if (!this.#unread.some((chain) => chain.chainId === chainId)) this.#unread.push({ chainId, reason: (error as Error).message });
      return;
    }
    const through = await this.#waited(chainId, copy, size);
    const comparison = new Comparison({ ...this.#options, chainId, copy, size, through }, (found) => this.#note(found), (entries) => this.#progress(copy, chainId, entries, size));
    this.#results.push({ copy: copy.name, chainId, size, ...(await comparison.run()) });
    this.#compared += size;
    this.#progress(copy, chainId, 0, size);
  }

  async strays(known: readonly string[], copy: ReconciledCopy): Promise<void> {
    const ids: string[] = [];
    for await (const { id, sequence } of copy.strays?.(known) ?? []) {
      this.#strays++;
      ids.push(id);
      this.#note({ copy: copy.name, kind: 'extra', id, ...(sequence !== undefined && { sequence }) });
    }
    if (this.#options.backfill === true) for (let from = 0; from < ids.length; from += PUT_BATCH) await copy.repair?.remove(undefined, ids.slice(from, from + PUT_BATCH));
  }

  /** How far the copy says to be, once it has caught up or come to a stand. */
  async #waited(chainId: string, copy: ReconciledCopy, size: number): Promise<number | undefined> {
    if (copy.through === undefined) return undefined;
    let through = await copy.through(chainId);
    for (let since = performance.now(); through < size && performance.now() - since < STALLED_MS; ) {
      await sleep(this.#options.host, POLL_MS);
      const now = await copy.through(chainId);
      if (now > through) since = performance.now();
      through = now;
    }
    return through;
  }

  #note(found: Discrepancy): void {
    this.#options.onDiscrepancy?.(found);
    if (this.#discrepancies.length < MAX_DISCREPANCIES) this.#discrepancies.push(found);
    else this.#leftOut++;
  }

  #progress(copy: ReconciledCopy, chainId: string, entries: number, size: number): void {
    this.#options.onProgress?.({ copy: copy.name, chainId, entries, size, entriesCompared: this.#compared + entries });
  }
}

interface ComparisonOptions extends Pick<ReconcileOptions, 'ledger' | 'signal' | 'backfill'> {
  readonly chainId: string;
  readonly copy: ReconciledCopy;
  readonly size: number;
  readonly through: number | undefined;
}

/** One chain in one copy. */
class Comparison {
  readonly #options: ComparisonOptions;
  readonly #note: (found: Discrepancy) => void;
  readonly #onProgress: (entries: number) => void;
  readonly #found: Record<Difference, number> = { missing: 0, behind: 0, different: 0, extra: 0, doubled: 0 };
  #put: EntryToPut[] = [];
  #remove: string[] = [];
  #repaired = 0;
  #run: { readonly kind: 'missing' | 'behind'; readonly first: number; last: number } | undefined;

  constructor(options: ComparisonOptions, note: (found: Discrepancy) => void, onProgress: (entries: number) => void) {
    this.#options = options;
    this.#note = note;
    this.#onProgress = onProgress;
  }

  async run(): Promise<{ readonly found: Readonly<Record<Difference, number>>; readonly repaired: number }> {
    const { chainId, copy, size } = this.#options;
    const log = this.#entries();
    // The first entry of the log that the copy has not shown yet.
    let entry = await log.next();
    let next = 0;
    for await (const item of copy.items(chainId)) {
      const { sequence } = item;
      if (sequence === undefined || sequence >= size) {
        // The chain may have grown since; what has come is for the next run.
        if (sequence === undefined || sequence >= (await this.#options.ledger.chain(chainId)).head.size) await this.#odd('extra', item);
        continue;
      }
      if (item.place !== sequence || sequence < next) {
        await this.#odd('doubled', item);
        continue;
      }
      while (next < sequence) {
        await this.#lacks(next, entry.value as string);
        entry = await log.next();
        next++;
      }
      this.#endRun();
      if (!item.agrees(entry.value as string)) await this.#differs(item, sequence, entry.value as string);
      entry = await log.next();
      next++;
      if (next % PROGRESS_EVERY === 0) this.#onProgress(next);
    }
    while (next < size) {
      await this.#lacks(next, entry.value as string);
      entry = await log.next();
      next++;
      if (next % PROGRESS_EVERY === 0) this.#onProgress(next);
    }
    this.#endRun();
    await this.#repair(0);
    if (this.#repaired > 0) await copy.repair?.settle(chainId, size);
    return { found: this.#found, repaired: this.#repaired };
  }

  /** The payloads of the chain, in order. */
  async *#entries(): AsyncGenerator<string, undefined> {
    const { ledger, chainId, size, signal } = this.#options;
    for (let next = 0; next < size; ) {
      signal?.throwIfAborted();
      const segment = await ledger.reader.at(chainId, next);
      if (segment === undefined) throw new Error(`chain ${chainId}: no object holds sequence ${next}, though the chain has ${size} entries`);
      yield* segment.payloads;
      next = segment.head.size;
    }
    return undefined;
  }

  async #lacks(sequence: number, payload: string): Promise<void> {
    const kind = sequence < (this.#options.through ?? Infinity) ? 'missing' : 'behind';
    this.#found[kind]++;
    if (this.#run !== undefined && this.#run.kind === kind && this.#run.last === sequence - 1) this.#run.last = sequence;
    else {
      this.#endRun();
      this.#run = { kind, first: sequence, last: sequence };
    }
    this.#put.push({ sequence, payload });
    await this.#repair(PUT_BATCH);
  }

  #endRun(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    const { copy, chainId } = this.#options;
    this.#note({ copy: copy.name, kind: run.kind, chainId, sequence: run.first, ...(run.last > run.first && { lastSequence: run.last }) });
  }

  async #differs({ id }: CopyItem, sequence: number, payload: string): Promise<void> {
    this.#found.different++;
    this.#note({ copy: this.#options.copy.name, kind: 'different', chainId: this.#options.chainId, sequence, id });
    this.#put.push({ sequence, payload });
    await this.#repair(PUT_BATCH);
  }

  async #odd(kind: 'extra' | 'doubled', { sequence, id, place }: CopyItem): Promise<void> {
    this.#endRun();
    this.#found[kind]++;
    this.#note({ copy: this.#options.copy.name, kind, chainId: this.#options.chainId, ...(sequence !== undefined && { sequence }), id });
    // Where an entry of the chain belongs, that entry is put: taking away could come after it.
    if (place === undefined || place >= this.#options.size || sequence === place) this.#remove.push(id);
    await this.#repair(PUT_BATCH);
  }

  /** Puts right what has been found, once it is `least` or more. */
  async #repair(least: number): Promise<void> {
    if (this.#put.length + this.#remove.length < Math.max(1, least)) return;
    const { copy, chainId, backfill } = this.#options;
    if (backfill === true && copy.repair !== undefined) {
      // First away with what is too much: it may lie where something belongs.
      if (this.#remove.length > 0) await copy.repair.remove(chainId, this.#remove);
      this.#repaired += this.#remove.length + (this.#put.length > 0 ? await copy.repair.put(chainId, this.#put) : 0);
    }
    this.#put = [];
    this.#remove = [];
  }
}
