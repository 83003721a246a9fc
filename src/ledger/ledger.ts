/** All chains of a store, as one process writes and reads them. */
import type { ChainHead } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { consistencyProof, equalBytes, inclusionProof, rootAt, verifyInclusion } from '../core/merkle.js';
import { receiptOf } from '../core/receipt.js';
import type { Receipt } from '../core/receipt.js';
import type { Segment } from '../core/segment.js';
import { hexEncode } from '#platform';
import { boundCalls } from '../storage/bounded.js';
import { segmentKey } from '../core/chain.js';
import { ChainHaltedError, LedgerError } from './errors.js';
import { SegmentReader } from './reader.js';
import { Sequencer } from './sequencer.js';
import type { AppendedEntry, AppendItem, SequencerContext } from './sequencer.js';

const MAX_TOLD = 10_000;

/** `own`: this process has written it. */
export type CommitListener = (segment: Segment, own: boolean) => void;

/** A chain with at least one entry. */
export interface OpenChain {
  readonly head: ChainHead;
  readonly last: Segment;
}

/** Reads segments that are known to be in a chain. */
export type SegmentSource = Pick<SegmentReader, 'at' | 'covering' | 'chains'>;

export interface LedgerContext extends Omit<SequencerContext, 'reader'> {
  /** What entries are read from: the store, perhaps with another to fall back on. Appends use the store alone. */
  readonly readThrough?: ((reader: SegmentSource) => SegmentSource) | undefined;
  /** Why nothing may be appended to the chain, if something outside the store shows that it is cut off. */
  readonly cutOff?: ((chainId: string) => { readonly key: string; readonly detail: string } | undefined) | undefined;
}

export class Ledger {
  readonly reader: SegmentSource;
  readonly #context: SequencerContext;
  readonly #cutOff: LedgerContext['cutOff'];
  /** Entries each chain is known to have. */
  readonly #sizes = new Map<string, number>();
  readonly #chains = new Map<string, Sequencer>();
  readonly #listeners = new Map<string, Set<CommitListener>>();
  readonly #told = new Set<string>();
  readonly #allListeners = new Set<CommitListener>();
  #closed = false;

  constructor(context: LedgerContext) {
    const store = boundCalls(context.store, (ms, callback) => context.host.after(ms, callback), context.limits.callTimeoutMs);
    const reader = new SegmentReader(store, context.trust, (finding) => this.#tellOnce(finding, context));
    this.reader = context.readThrough?.(reader) ?? reader;
    this.#cutOff = context.cutOff;
    this.#context = {
      ...context,
      store,
      reader,
      retention: () => context.retention(),
      onTrouble: (chainId, error) => context.onTrouble(chainId, error),
      onFinding: (finding) => this.#tellOnce(finding, context),
      onCommitted: (segment, own) => {
        this.#sizes.set(segment.chainId, segment.head.size);
        context.onCommitted(segment, own);
        for (const listener of this.#listeners.get(segment.chainId) ?? []) listener(segment, own);
        for (const listener of this.#allListeners) listener(segment, own);
      },
    };
  }

  /** See {@link Sequencer.append}. The chain comes into being with its first entry. */
  append(chainId: string, items: readonly AppendItem[]): Promise<readonly AppendedEntry[]> {
    const cutOff = this.#cutOff?.(chainId);
    // What is appended now would take the places of entries that were acknowledged.
    if (cutOff !== undefined) return Promise.reject(new ChainHaltedError(chainId, cutOff.key, `truncated_tail: ${cutOff.detail}`));
    return this.#sequencer(chainId).append(items);
  }

  /** The chain as the store has it now. @throws LedgerError chain_not_found, chain_halted; StoreError */
  async chain(chainId: string): Promise<OpenChain> {
    const sequencer = this.#chains.get(chainId) ?? this.#sequencer(chainId);
    await sequencer.follow();
    const { head, last } = sequencer;
    if (head === undefined || last === undefined) {
      // Asking for what is not there must not make this process remember it.
      if (sequencer.queuedEntries === 0) this.#chains.delete(chainId);
      throw new LedgerError('chain_not_found', `there is no chain ${chainId}`);
    }
    this.#sizes.set(chainId, head.size);
    return { head, last };
  }

  /** See {@link Sequencer.offer}. `bytes`: a whole segment, from somewhere other than the store. */
  async offer(chainId: string, firstSequence: number, bytes: Uint8Array): Promise<void> {
    if (!this.#closed) await this.#sequencer(chainId).offer(firstSequence, bytes);
  }

  /** Entries the chain is known to have; there may be more. 0 if nothing is known. Asks nobody. */
  knownSize(chainId: string): number {
    return this.#sizes.get(chainId) ?? 0;
  }

  /** The state of the chains this process has touched, for health and metrics. */
  open(): Iterable<Sequencer> {
    return this.#chains.values();
  }

  /** The entry, with the receipt its producer got. @throws LedgerError entry_not_found */
  async receipt(chainId: string, sequence: number): Promise<Receipt> {
    const { segment, at } = await this.entry(chainId, sequence);
    return receiptOf(segment, at);
  }

  async entry(chainId: string, sequence: number): Promise<{ readonly segment: Segment; readonly at: number }> {
    // An entry that is in the chain never moves: only for one behind the end the store is asked how far it goes.
    const known = this.knownSize(chainId);
    const size = sequence < known ? known : (await this.chain(chainId)).head.size;
    if (sequence >= size) throw new LedgerError('entry_not_found', `chain ${chainId} has no entry ${sequence}; it has ${size}`);
    const segment = await this.reader.covering(chainId, sequence, this.#context.index.segmentCovering(chainId, sequence));
    if (segment === undefined) throw new ChainHaltedError(chainId, segmentKey(chainId, sequence), `missing_object: no object holds sequence ${sequence} of ${size}`);
    return { segment, at: sequence - segment.firstSequence };
  }

  /**
   * A receipt to the newest checkpoint the index has the hashes for: as good as the first one, and it
   * ties the entry to all that came after. @throws LedgerError
   */
  async freshReceipt(chainId: string, sequence: number): Promise<Receipt> {
    const { segment, at } = await this.entry(chainId, sequence);
    const first = receiptOf(segment, at);
    const { last } = await this.chain(chainId);
    const { size, reader } = this.#context.index.hashes(chainId);
    // Where the index has not the newest hashes yet, the first receipt is the honest answer.
    if (size < last.head.size || last.firstSequence === segment.firstSequence) return first;
    const proof = inclusionProof(reader, sequence, last.head.size);
    const leaf = segment.leafHashes.subarray(32 * at, 32 * (at + 1));
    // The index is not trusted: what it says is checked against the signature before it goes out.
    if (!verifyInclusion(leaf, sequence, last.head.size, proof, last.tree.root)) {
      this.#context.onTrouble(chainId, new Error('the index gave a proof that does not hold; it is rebuilt'));
      await this.#context.index.forget(chainId);
      return first;
    }
    return { ...first, checkpoint: last.checkpoint, inclusionProof: proof.map(hexEncode) };
  }

  /** RFC 6962 consistency proof between two sizes, with the signed checkpoint of the chain. @throws LedgerError */
  async consistency(chainId: string, from: number, to: number | undefined): Promise<ConsistencyAnswer> {
    const { head, last } = await this.chain(chainId);
    const newer = to ?? head.size;
    if (from > newer || newer > head.size) {
      throw new LedgerError('range_invalid', `expected from ≤ to ≤ ${head.size}, got from ${from}, to ${newer}`);
    }
    const { size, reader } = this.#context.index.hashes(chainId);
    if (size < head.size) throw new LedgerError('view_behind', `chain ${chainId}: the index of hashes is being built`);
    if (!equalBytes(rootAt(reader, head.size), last.tree.root)) {
      await this.#context.index.forget(chainId);
      throw new LedgerError('view_behind', `chain ${chainId}: the index of hashes was wrong and is being rebuilt`);
    }
    return {
      chainId,
      from,
      to: newer,
      fromRoot: hexEncode(rootAt(reader, from)),
      toRoot: hexEncode(rootAt(reader, newer)),
      proof: consistencyProof(reader, from, newer).map(hexEncode),
      checkpoint: last.checkpoint,
    };
  }

  /** Where the producer's id stands; `undefined` if the chain does not hold it. @throws LedgerError view_behind */
  async sequenceOf(chainId: string, entryId: string): Promise<number | undefined> {
    await this.chain(chainId);
    const sequence = this.#context.index.sequenceOf(chainId, entryId);
    if (sequence === 'unknown' || (sequence === undefined && !this.#sequencer(chainId).indexed)) {
      throw new LedgerError('view_behind', `chain ${chainId}: the index of ids is being built`);
    }
    return sequence;
  }

  /** Calls `listener` with each segment that becomes part of the chain from now on. The result ends it. */
  subscribe(chainId: string, listener: CommitListener): () => void {
    const listeners = this.#listeners.get(chainId) ?? new Set();
    this.#listeners.set(chainId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(chainId);
    };
  }

  /** Calls `listener` with each segment that becomes part of any chain from now on. The result ends it. */
  onSegment(listener: CommitListener): () => void {
    this.#allListeners.add(listener);
    return () => this.#allListeners.delete(listener);
  }

  /** Finishes what was accepted; after `giveUp`, leaves commits unsettled. */
  async close(giveUp: Promise<void>): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#chains.values()].map((sequencer) => sequencer.close(giveUp)));
  }

  /** The same thing is met at every read of its key. */
  #tellOnce(finding: Finding, context: Pick<SequencerContext, 'onFinding'>): void {
    const name = `${finding.code} ${finding.key ?? finding.chainId} ${finding.detail}`;
    if (this.#told.has(name)) return;
    // Enough to keep a log readable; who can write so much junk could fill the log otherwise.
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(name);
    context.onFinding(finding);
  }

  #sequencer(chainId: string): Sequencer {
    const known = this.#chains.get(chainId);
    if (known !== undefined) return known;
    if (this.#closed) throw new LedgerError('shutting_down', 'the service is shutting down');
    const sequencer = new Sequencer(chainId, this.#context);
    this.#chains.set(chainId, sequencer);
    return sequencer;
  }
}

export interface ConsistencyAnswer {
  readonly chainId: string;
  readonly from: number;
  readonly to: number;
  readonly fromRoot: string;
  readonly toRoot: string;
  readonly proof: readonly string[];
  /** Of the whole chain, as signed. */
  readonly checkpoint: string;
}
