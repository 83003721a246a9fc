/**
 * One chain's writer in this process: callers queue, a commit takes what is there.
 *
 * States of the chain:
 *   unknown  → `#head` is undefined: at first, and after anything unexpected. The next piece of work finds
 *              the head anew (and refuses on anything odd). Nothing is appended on a head that is not known,
 *              also when finding it fails twice in a row: that is how another log lost its tiles.
 *   ready    → a commit may be in flight, one at a time; its latency sets the batch size, not a timer.
 *   unsettled→ a try to commit failed and may have stored something: queued callers are sent away at once,
 *              new ones too, and the same bytes are tried until the key is settled.
 *   closed   → takes nothing new; finishes what it has accepted.
 *
 * Where other processes write to the chain, too, they take turns: by waiting, not by agreement (`#turnMs`). Only the
 * store decides who is first; a wait that is wrong costs time or a lost race.
 */
import { hexEncode, utf8Encode } from '#platform';
import { MAX_PAYLOAD_BYTES, formatPayload, readPayload } from '../core/entry.js';
import type { ChainHead } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { segmentKey, segmentPrefix } from '../core/chain.js';
import { equalBytes } from '../core/merkle.js';
import { noteKey } from '../core/note.js';
import type { NoteKey } from '../core/note.js';
import { draftSegment, MAX_SEGMENT_BYTES, MAX_SEGMENT_ENTRIES, SEGMENT_OVERHEAD_BYTES } from '../core/segment.js';
import type { Segment } from '../core/segment.js';
import { loadSegment } from '../core/verify-segment.js';
import type { VerifiedSegment } from '../core/verify-segment.js';
import type { Signer } from '../signing/signer.js';
import { within } from '../storage/bounded.js';
import type { Retention, WormStore } from '../storage/worm-store.js';
import { commitSegment } from './commit.js';
import type { EntryIndex } from './entry-index.js';
import { ChainHaltedError, LedgerError } from './errors.js';
import { findHead } from './head.js';
import type { FoundHead } from './head.js';
import { formatMicros, sleep, waitAtMost } from './host.js';
import type { Host } from './host.js';
import type { CommitObserver, WaitingCaller } from './observer.js';
import type { SegmentReader } from './reader.js';
import { segmentAt } from './segment-at.js';
import type { ChainTrust } from './trust.js';

/** An event as it came in: canonical already. */
export interface AppendItem {
  /** The producer's own id, if it gave one. */
  readonly entryId?: string | undefined;
  /** RFC 8785 text. */
  readonly event: string;
}

/** Where an item stands in the chain. */
export interface AppendedEntry {
  readonly segment: Segment;
  /** Position within the segment. */
  readonly at: number;
  /** It was there before: this is the first receipt again. */
  readonly replayed: boolean;
}

export interface SequencerLimits {
  readonly maxQueuedEntries: number;
  readonly maxQueuedBytes: number;
  /** A caller whose commit is unsettled is answered (503) after this time. */
  readonly answerWithinMs: number;
  readonly callTimeoutMs: number;
}

export interface SequencerContext {
  readonly store: WormStore;
  readonly signer: Signer;
  readonly trust: ChainTrust;
  readonly reader: SegmentReader;
  readonly index: EntryIndex;
  readonly host: Host;
  readonly writerId: string;
  readonly limits: SequencerLimits;
  /** Where another fault domain says that the chain stands at least; `undefined`: it says nothing. Never throws. */
  witness?(chainId: string): Promise<{ readonly size: number } | undefined>;
  readonly observer?: CommitObserver | undefined;
  retention(): Retention;
  /** Told of each segment as it becomes part of the chain, own or adopted, in order. */
  onCommitted(segment: Segment, own: boolean): void;
  /** Told of what lies in the store and does not belong there; the chain goes on. */
  onFinding(finding: Finding): void;
  /** Told of what an operator should know: a try that failed, a chain that halts. */
  onTrouble(chainId: string, error: unknown): void;
}

interface PendingItem {
  /** Kept from plan to plan, so that a caller never gets two entries. */
  entryId: string;
  readonly own: boolean;
  readonly event: string;
  /** Of the payload, at most. */
  readonly bytes: number;
  result: AppendedEntry | undefined;
}

interface Pending extends WaitingCaller {
  readonly items: readonly PendingItem[];
  readonly bytes: number;
  /** The caller has its answer already; nobody waits for the outcome any more. */
  answered: boolean;
  readonly resolve: (entries: readonly AppendedEntry[]) => void;
  readonly reject: (error: Error) => void;
}

/** One entry of a segment being planned, and the items (of one or more callers) it answers. */
interface PlannedEntry {
  readonly item: PendingItem;
  readonly also: PendingItem[];
}

const INDEXED_SOON_MS = 1_000;

/** Of an envelope without chain id, entry id and event, at its longest. */
const ENVELOPE_BYTES = formatPayload({
  chainId: '', entryId: '', event: '', receivedAt: 'x'.repeat(27), sequence: Number.MAX_SAFE_INTEGER, writerId: 'x'.repeat(32),
}).length;
const UUID_LENGTH = 36;
const CATCH_UP_PAUSE_MS = 250;
/** Another process counts as writing to the chain for so long after its last segment was seen. */
const OTHERS_COUNT_MS = 2_000;
/** Where others write too: at most this long between a commit and the next. Never waited in the lane. */
const MAX_TURN_MS = 1_000;

export class Sequencer {
  readonly chainId: string;
  readonly #context: SequencerContext;
  readonly #noteKey: NoteKey;
  readonly #queue: Pending[] = [];
  #queuedEntries = 0;
  #queuedBytes = 0;
  #head: ChainHead | undefined;
  #last: Segment | undefined;
  /** Up to here the store itself has shown the chain; what is beyond came through `offer`. */
  #confirmed = 0;
  #finding: Promise<FoundHead> | undefined;
  #catchingUp: Promise<void> | undefined;
  #indexIsSlow = false;
  #draining: Promise<void> | undefined;
  #lane: Promise<unknown> = Promise.resolve();
  #unsettled = false;
  /** Which other writers were lately seen, and when. */
  readonly #others = new Map<string, number>();
  /** Segments of others since the last one of this process. */
  #passed = 0;
  /** How long the last commit took. */
  #commitMs = 0;
  #closed = false;
  #givenUp = false;

  constructor(chainId: string, context: SequencerContext) {
    this.chainId = chainId;
    this.#context = context;
    const { spki } = context.signer.publicKey;
    const key = context.trust.keysOf(chainId).find((candidate) => equalBytes(candidate.publicKey.spki, spki));
    if (key === undefined) throw new Error('the signer is not a key of the deployment');
    this.#noteKey = key;
  }

  /** The chain as this process knows it; another process may be further. */
  get head(): ChainHead | undefined {
    return this.#head;
  }

  get last(): Segment | undefined {
    return this.#last;
  }

  get queuedEntries(): number {
    return this.#queuedEntries;
  }

  get unsettled(): boolean {
    return this.#unsettled;
  }

  /** False while the index is being rebuilt: then an id that is not found may still be in the chain. */
  get indexed(): boolean {
    return this.#head !== undefined && this.#context.index.through(this.chainId).size >= this.#head.size;
  }

  /**
   * Appends all items or none, each once. Resolves when they are durable, in the order given.
   * @throws LedgerError; after `store_unavailable` it is not known whether they were stored
   */
  async append(items: readonly AppendItem[]): Promise<readonly AppendedEntry[]> {
    const { limits, host } = this.#context;
    if (this.#closed) throw new LedgerError('shutting_down', 'the service is shutting down');
    if (this.#unsettled) throw storeUnavailable(this.chainId, undefined);
    const pending = items.map((item, at) => this.#intake(item, at));
    const bytes = pending.reduce((sum, item) => sum + item.bytes + 1, 0);
    if (items.length > MAX_SEGMENT_ENTRIES) {
      throw new LedgerError('batch_too_large', `a batch holds at most ${MAX_SEGMENT_ENTRIES} entries, got ${items.length}`);
    }
    if (bytes > MAX_SEGMENT_BYTES - SEGMENT_OVERHEAD_BYTES) {
      throw new LedgerError('batch_too_large', `a batch is stored in at most ${MAX_SEGMENT_BYTES - SEGMENT_OVERHEAD_BYTES} bytes, this one takes ${bytes}`);
    }
    // A repeat is answered beside the queue: an entry that is in the chain never moves.
    if (this.indexed && pending.some((item) => item.own)) {
      await this.#replayKnown(pending).catch((error: unknown) => {
        throw error instanceof LedgerError ? error : storeUnavailable(this.chainId, error);
      });
      if (pending.every((item) => item.result !== undefined)) return results(pending);
    }
    if (this.#queuedEntries + items.length > limits.maxQueuedEntries || this.#queuedBytes + bytes > limits.maxQueuedBytes) {
      throw new LedgerError('queue_full', `chain ${this.chainId}: ${this.#queuedEntries} entries are waiting`);
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ items: pending, bytes, receivedMicros: host.micros(), mark: this.#context.observer?.queued(), answered: false, resolve, reject });
      this.#queuedEntries += pending.length;
      this.#queuedBytes += bytes;
      this.#draining ??= this.#drain();
    });
  }

  /**
   * Takes in what other processes appended. While a commit is unsettled, what is known is all that is certain,
   * and a reader is not kept waiting behind one that does not end. @throws LedgerError, StoreError
   */
  async follow(): Promise<void> {
    if (this.#unsettled && this.#head !== undefined) return;
    const following = this.#exclusive(async () => {
      await this.#ready();
      await this.#adoptFollowing();
    });
    await this.#inTime(following);
  }

  /**
   * A segment that another part of the service has seen, such as the mirror: if it is the next one, this replica
   * goes on without reading the store. It is checked like any other; and before anything is appended to a chain
   * that came this way, the store is asked whether it holds the same (`#confirm`).
   * @throws LedgerError chain_halted, StoreError
   */
  async offer(firstSequence: number, bytes: Uint8Array): Promise<void> {
    if (this.#unsettled || this.#closed) return;
    await this.#inTime(
      this.#exclusive(async () => {
        await this.#ready();
        if (firstSequence < (this.#head as ChainHead).size) return;
        if (firstSequence > (this.#head as ChainHead).size) return this.#adoptFollowing();
        this.#advance(this.#context.reader.verify(this.chainId, firstSequence, bytes, this.#head), undefined, false);
      }),
    );
  }

  /**
   * Refuses new callers and finishes the accepted ones. After `giveUp`, no longer tries to settle a commit.
   */
  async close(giveUp: Promise<void>): Promise<void> {
    this.#closed = true;
    void giveUp.then(() => {
      this.#givenUp = true;
    });
    await this.#draining;
    await this.#catchingUp;
  }

  #intake({ entryId, event }: AppendItem, at: number): PendingItem {
    const bytes = ENVELOPE_BYTES + this.chainId.length + (entryId?.length ?? UUID_LENGTH) + Buffer.byteLength(event);
    if (bytes > MAX_PAYLOAD_BYTES) {
      throw new LedgerError('entry_too_large', `the entry takes up to ${bytes} bytes, at most ${MAX_PAYLOAD_BYTES} are allowed`, { item: at });
    }
    return { entryId: entryId ?? this.#context.host.newEntryId(), own: entryId !== undefined, event, bytes, result: undefined };
  }

  async #drain(): Promise<void> {
    // Callers whose requests arrived together should share a commit.
    await this.#context.host.turn();
    while (this.#queue.length > 0) {
      await this.#context.index.caughtUp();
      await this.#exclusive(() => this.#commitNext());
      // Whoever wins lets others in, and gathers callers for its next segment meanwhile.
      const contenders = this.#contenders;
      if (contenders > 0) await sleep(this.#context.host, this.#turnMs(contenders));
    }
    this.#draining = undefined;
  }

  /** Everything that reads or moves the head goes through one lane. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lane.then(work);
    this.#lane = result.catch(() => undefined);
    return result;
  }

  async #commitNext(): Promise<void> {
    let batch: Pending[] = [];
    try {
      await this.#ready();
      await this.#confirm();
      // A look costs less than a race that is lost.
      if (this.#contenders > 0) await this.#adoptFollowing();
      await this.#indexedSoon();
      batch = this.#take();
      const planned = await this.#plan(batch);
      const commit = (): Promise<boolean> => this.#commit(planned, batch);
      const done = planned.length === 0 || (await (this.#context.observer?.commit(this.chainId, batch, commit) ?? commit()));
      for (const pending of batch) if (pending.items.every((item) => item.result !== undefined)) pending.resolve(results(pending.items));
      // After a lost race: who was already told "not known" is not appended after all.
      if (!done) this.#putBack(batch.filter(({ answered, items }) => !answered && items.some((item) => item.result === undefined)));
    } catch (error) {
      // Whatever it was, the head is no longer known for sure.
      this.#head = undefined;
      const failure = error instanceof LedgerError ? error : storeUnavailable(this.chainId, error);
      this.#context.onTrouble(this.chainId, error);
      rejectAll(batch, failure);
      if (batch.length === 0) this.#rejectQueued(failure);
    }
  }

  /** Other processes that write to this chain, as far as their segments were seen lately. */
  get #contenders(): number {
    const before = this.#context.host.micros() - OTHERS_COUNT_MS * 1_000;
    for (const [writer, micros] of this.#others) if (micros < before) this.#others.delete(writer);
    return this.#others.size;
  }

  /** Who has just been first waits about as long as the others take for a commit each; whom they passed, less and less. */
  #turnMs(contenders: number): number {
    const round = 2 * contenders * this.#commitMs;
    return Math.min(MAX_TURN_MS, (this.#context.host.random() * round) / (1 + this.#passed / contenders));
  }

  /** They go first next time, with those who came meanwhile. */
  #putBack(batch: readonly Pending[]): void {
    this.#queue.unshift(...batch);
    for (const { items, bytes } of batch) {
      this.#queuedEntries += items.length;
      this.#queuedBytes += bytes;
    }
    this.#answerLate();
  }

  /** However often other writers are first, nobody waits for ever: who has waited too long is answered, and not appended. */
  #answerLate(): void {
    const { host, limits } = this.#context;
    const before = host.micros() - limits.answerWithinMs * 1_000;
    while (this.#queue[0] !== undefined && this.#queue[0].receivedMicros <= before) {
      const [late] = this.#queue.splice(0, 1) as [Pending];
      this.#queuedEntries -= late.items.length;
      this.#queuedBytes -= late.bytes;
      rejectAll([late], new LedgerError('store_unavailable', `chain ${this.chainId}: other writers were first each time; repeat with the same id`));
    }
  }

  /** What fits one segment, in the order of arrival. */
  #take(): Pending[] {
    let entries = 0;
    let bytes = 0;
    let count = 0;
    for (const pending of this.#queue) {
      entries += pending.items.length;
      bytes += pending.bytes;
      if (count > 0 && (entries > MAX_SEGMENT_ENTRIES || bytes > MAX_SEGMENT_BYTES - SEGMENT_OVERHEAD_BYTES)) break;
      count += 1;
    }
    const batch = this.#queue.splice(0, count);
    for (const pending of batch) {
      this.#queuedEntries -= pending.items.length;
      this.#queuedBytes -= pending.bytes;
    }
    return batch;
  }

  /**
   * Which items still need an entry. Those whose id the chain holds are answered from it; a caller with
   * an id that the chain holds with other content is refused whole.
   */
  async #plan(batch: Pending[]): Promise<{ entry: PlannedEntry; receivedMicros: number }[]> {
    const planned: { entry: PlannedEntry; receivedMicros: number }[] = [];
    const byId = new Map<string, PlannedEntry>();
    for (let at = 0; at < batch.length; at++) {
      const pending = batch[at] as Pending;
      const fresh: PlannedEntry[] = [];
      try {
        if (pending.items.some((item) => item.own)) await this.#replayKnown(pending.items);
        for (const item of pending.items) {
          if (item.result !== undefined) continue;
          const same = item.own ? (byId.get(item.entryId) ?? fresh.find((entry) => entry.item.entryId === item.entryId)) : undefined;
          if (same === undefined) fresh.push({ item, also: [] });
          else if (same.item.event === item.event) same.also.push(item);
          else throw conflict(item.entryId, 'another append of the same batch');
        }
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code === 'chain_halted') throw error;
        for (const { entry } of planned) entry.also.splice(0, entry.also.length, ...entry.also.filter((item) => !pending.items.includes(item)));
        rejectAll([pending], error);
        batch.splice(at--, 1);
        continue;
      }
      for (const entry of fresh) {
        if (entry.item.own) byId.set(entry.item.entryId, entry);
        planned.push({ entry, receivedMicros: pending.receivedMicros });
      }
    }
    return planned;
  }

  /** Answers the items whose id is in the chain. @throws LedgerError entry_id_conflict, view_behind */
  async #replayKnown(items: readonly PendingItem[]): Promise<void> {
    const { index } = this.#context;
    for (const [at, item] of items.entries()) {
      if (!item.own || item.result !== undefined) continue;
      const sequence = index.sequenceOf(this.chainId, item.entryId);
      if (sequence === 'unknown' || (sequence === undefined && !this.indexed)) {
        void this.#startCatchUp();
        throw new LedgerError('view_behind', `chain ${this.chainId}: the index of ids is being built`, { item: at });
      }
      if (sequence === undefined) continue;
      // The index only says where to look: the answer is made from the store.
      const entry = await this.entryAt(sequence);
      const stored = entry === undefined ? undefined : readPayload(entry.segment.payloads[entry.at] as string);
      if (entry === undefined || stored?.entryId !== item.entryId) {
        throw new ChainHaltedError(this.chainId, segmentKey(this.chainId, sequence), `the index says ${item.entryId} is at ${sequence}, the store does not`);
      }
      if (stored.event !== item.event) throw conflict(item.entryId, `sequence ${sequence}`, at);
      item.result = { ...entry, replayed: true };
    }
  }

  /** @throws ChainHaltedError, StoreError */
  async entryAt(sequence: number): Promise<{ readonly segment: Segment; readonly at: number } | undefined> {
    const { reader, index } = this.#context;
    const segment = await reader.covering(this.chainId, sequence, index.segmentCovering(this.chainId, sequence));
    return segment === undefined ? undefined : { segment, at: sequence - segment.firstSequence };
  }

  /** True when done with this batch; false when another writer took the key and the rest must be planned anew. */
  async #commit(planned: { entry: PlannedEntry; receivedMicros: number }[], batch: Pending[]): Promise<boolean> {
    const { store, signer, trust, host, limits, writerId, reader } = this.#context;
    const head = this.#head as ChainHead;
    let receivedAt = head.lastReceivedAt;
    const payloads = planned.map(({ entry, receivedMicros }, i) => {
      // Never backwards, whatever clock the writer before had.
      const now = formatMicros(receivedMicros);
      if (now > receivedAt) receivedAt = now;
      const { entryId, event } = entry.item;
      return formatPayload({ chainId: this.chainId, entryId, event, receivedAt, sequence: head.size + i, writerId });
    });
    const { key, sign } = await this.#keyFor(signer, receivedAt);
    const draft = draftSegment(head, payloads, receivedAt, writerId, key);
    const segment = draft.seal(await this.#sign(sign, draft.checkpointText));

    const started = host.micros();
    const committed = await commitSegment(segment, head, {
      store,
      trust,
      host,
      onFinding: (finding) => this.#context.onFinding(finding),
      retention: this.#context.retention(),
      givenUp: () => this.#givenUp,
      onUnsettled: (cause) => {
        this.#unsettled = true;
        this.#context.onTrouble(this.chainId, cause);
        this.#rejectQueued(storeUnavailable(this.chainId, cause));
        if (host.micros() - started >= limits.answerWithinMs * 1_000) rejectAll(batch, storeUnavailable(this.chainId, cause));
      },
    }).finally(() => {
      this.#unsettled = false;
      this.#commitMs = (host.micros() - started) / 1_000;
    });
    switch (committed.outcome) {
      case 'won': {
        for (const [at, { entry }] of planned.entries()) {
          entry.item.result = { segment, at, replayed: false };
          for (const item of entry.also) item.result = { segment, at, replayed: true };
        }
        reader.remember(segment);
        this.#advance(segment, planned.map(({ entry }) => entry.item.entryId), true);
        this.#confirmed = segment.head.size;
        return true;
      }
      case 'lost':
        this.#adopt(committed.winner, committed.segment);
        await this.#adoptFollowing();
        return false;
      case 'refused':
      case 'abandoned': {
        const error = storeUnavailable(this.chainId, committed.cause);
        this.#context.onTrouble(this.chainId, committed.cause);
        rejectAll(batch, error);
        if (committed.outcome === 'abandoned') this.#head = undefined;
        return true;
      }
    }
  }

  /** Where the signer delegates, another key signs: which one, the time of the last entry says. */
  async #keyFor(signer: Signer, receivedAt: string): Promise<{ readonly key: NoteKey; readonly sign: Signer['sign'] }> {
    if (signer.keyFor === undefined) return { key: this.#noteKey, sign: (message) => signer.sign(message) };
    try {
      const delegated = await signer.keyFor(receivedAt);
      return { key: noteKey(this.#noteKey.name, delegated.publicKey), sign: (message) => delegated.sign(message) };
    } catch (error) {
      throw this.#signerUnavailable(error);
    }
  }

  async #sign(sign: Signer['sign'], text: string): Promise<Uint8Array> {
    try {
      return await sign(utf8Encode(text));
    } catch (error) {
      throw this.#signerUnavailable(error);
    }
  }

  #signerUnavailable(cause: unknown): LedgerError {
    return new LedgerError('signer_unavailable', `chain ${this.chainId}: the checkpoint could not be signed`, { cause });
  }

  /** Finds the head if it is not known, and sees to it that the index follows. */
  async #ready(): Promise<void> {
    if (this.#head !== undefined) return;
    // State is set only here, by who waits in the lane: a search that answers late must not move the head. But it is
    // not begun anew each time either, or one that takes longer than callers wait would never come to its end.
    // What it has found is the chain up to some place, whenever it is used: what follows is adopted.
    const finding = (this.#finding ??= this.#find());
    finding.catch(() => (this.#finding = undefined));
    const { head, last } = await this.#inTime(finding);
    this.#finding = undefined;
    this.#head = head;
    this.#last = last;
    this.#confirmed = head.size;
    if (!this.indexed) void this.#startCatchUp();
  }

  /** What came through `offer` is not appended to before the store has shown the same. @throws LedgerError, StoreError */
  async #confirm(): Promise<void> {
    const last = this.#last;
    if (last === undefined || this.#confirmed >= last.head.size) return;
    const { store, trust } = this.#context;
    const at = await this.#inTime(segmentAt(store, trust, { chainId: this.chainId, firstSequence: last.firstSequence }));
    if (at.outcome !== 'entry' || !equalBytes(at.bytes, last.bytes)) {
      throw new ChainHaltedError(this.chainId, last.key, `fork: the mirror holds a signed segment of ${last.count} entries that the store does not have; delete the view of this replica when the mirror is mended`);
    }
    this.#confirmed = last.head.size;
  }

  /** @throws StoreError when the time is over within which callers are answered */
  #inTime<T>(work: Promise<T>): Promise<T> {
    const { host, limits } = this.#context;
    return within((ms, callback) => host.after(ms, callback), limits.answerWithinMs, 'list', segmentPrefix(this.chainId), work);
  }

  async #find(): Promise<FoundHead> {
    const { store, trust, index } = this.#context;
    // Read before the store: processes that share a view add to it only what the store already has.
    const through = index.through(this.chainId);
    const seen = await this.#context.witness?.(this.chainId);
    const found = await findHead(store, this.chainId, trust);
    for (const finding of found.odd) this.#context.onFinding(finding);
    // A writer that crashed may have linked the last object without making it durable.
    await store.settle(segmentPrefix(this.chainId));
    if (through.size > found.head.size) {
      // The view is a witness, too: it has seen entries that the store no longer has.
      throw new ChainHaltedError(
        this.chainId,
        segmentKey(this.chainId, found.head.size),
        `truncated_tail: this replica has indexed ${through.size} entries, the store holds ${found.head.size}; if the store is another one on purpose, delete the view`,
      );
    }
    if (seen !== undefined && seen.size > found.head.size) {
      throw new ChainHaltedError(
        this.chainId,
        segmentKey(this.chainId, found.head.size),
        `truncated_tail: the second bucket holds ${seen.size} entries, the first ${found.head.size} (docs/replica.md)`,
      );
    }
    if (!(await this.#isSameHistory(found.head, through))) await index.forget(this.chainId);
    return found;
  }

  async #isSameHistory(head: ChainHead, through: { readonly size: number; readonly lastEntryHash: string }): Promise<boolean> {
    if (through.size === 0) return true;
    if (through.size === head.size) return hexEncode(head.lastEntryHash) === through.lastEntryHash;
    const entry = await this.entryAt(through.size - 1);
    return entry !== undefined && hexEncode(entry.segment.entryHashes.subarray(32 * entry.at, 32 * (entry.at + 1))) === through.lastEntryHash;
  }

  /**
   * Who sends an id of its own to a process that has just met the chain should not have to come again. An index that
   * takes longer keeps nobody waiting: from then on those with an id are answered at once, and those without one go on.
   */
  async #indexedSoon(): Promise<void> {
    if (this.indexed) {
      this.#indexIsSlow = false;
      return;
    }
    if (this.#indexIsSlow || !this.#queue.some(({ items }) => items.some(({ own }) => own))) return;
    await waitAtMost(this.#context.host, INDEXED_SOON_MS, this.#startCatchUp());
    this.#indexIsSlow = !this.indexed;
  }

  #startCatchUp(): Promise<void> {
    return (this.#catchingUp ??= this.#catchUp().finally(() => (this.#catchingUp = undefined)));
  }

  /** Reads the segments the index lacks, in order, until it has reached the head. */
  async #catchUp(): Promise<void> {
    const { index, reader, host } = this.#context;
    try {
      while (!this.indexed) {
        if (this.#head === undefined || this.#givenUp) return;
        const { size } = index.through(this.chainId);
        const segment = await reader.covering(this.chainId, size);
        if (segment?.firstSequence !== size) throw new ChainHaltedError(this.chainId, segmentKey(this.chainId, size), 'missing_object: the index can not be built');
        index.add(indexed(segment));
        if (index.through(this.chainId).size <= size) throw new Error(`chain ${this.chainId}: the index can not be written; it stays at ${size}`);
        await (index.caughtUp() ?? host.turn());
      }
    } catch (error) {
      // Appends without an own id go on. Waits, because the next commit would start this again at once.
      this.#context.onTrouble(this.chainId, error);
      if (!this.#closed) await sleep(host, CATCH_UP_PAUSE_MS);
    }
  }

  /** Takes in the segments that follow the head. */
  async #adoptFollowing(): Promise<void> {
    const { store, trust } = this.#context;
    for (;;) {
      const before = this.#head as ChainHead;
      const at = await segmentAt(store, trust, { chainId: this.chainId, firstSequence: before.size, before });
      for (const finding of at.odd) this.#context.onFinding(finding);
      if (at.outcome === 'damaged') throw new ChainHaltedError(this.chainId, segmentKey(this.chainId, before.size), at.fault);
      if (at.outcome !== 'entry') return;
      // Seen is not yet durable: no answer may be built on it before.
      await store.settle(segmentPrefix(this.chainId));
      this.#adopt(at.bytes, at.segment);
      this.#answerLate();
    }
  }

  #adopt(bytes: Uint8Array, verified: VerifiedSegment): void {
    this.#advance(loadSegment(bytes, verified), undefined, false);
    this.#confirmed = verified.after.size;
  }

  #advance(segment: Segment, entryIds: readonly string[] | undefined, own: boolean): void {
    this.#head = segment.head;
    this.#last = segment;
    const { index, host } = this.#context;
    this.#passed = own ? 0 : this.#passed + 1;
    if (!own) this.#others.set(readPayload(segment.payloads[0] as string)?.writerId ?? '', host.micros());
    if (index.through(this.chainId).size >= segment.firstSequence) index.add(indexed(segment, entryIds));
    else void this.#startCatchUp();
    this.#context.onCommitted(segment, own);
  }

  #rejectQueued(error: LedgerError): void {
    rejectAll(this.#queue.splice(0), error);
    this.#queuedEntries = 0;
    this.#queuedBytes = 0;
  }
}

function rejectAll(batch: readonly Pending[], error: LedgerError): void {
  for (const pending of batch) {
    pending.answered = true;
    pending.reject(error);
  }
}

function results(items: readonly PendingItem[]): AppendedEntry[] {
  return items.map((item) => item.result as AppendedEntry);
}

export function indexed(segment: Segment, entryIds?: readonly string[]): Parameters<EntryIndex['add']>[0] {
  const { chainId, firstSequence, payloads, leafHashes, prevHash, head } = segment;
  return {
    chainId,
    firstSequence,
    payloads,
    entryIds: entryIds ?? payloads.map((payload) => readPayload(payload)?.entryId ?? ''),
    leafHashes,
    prevHash,
    lastEntryHash: head.lastEntryHash,
  };
}

function conflict(entryId: string, where: string, item?: number): LedgerError {
  return new LedgerError('entry_id_conflict', `id ${entryId} is taken by ${where} with other content`, item === undefined ? {} : { item });
}

function storeUnavailable(chainId: string, cause: unknown): LedgerError {
  return new LedgerError('store_unavailable', `chain ${chainId}: the store does not answer; repeat with the same id`, { cause });
}
