/**
 * Verifies one chain: lists its objects, has ranges of them judged in parallel, joins what comes back, and
 * holds the whole against what was kept elsewhere. Memory does not grow with the chain.
 */
import { hexEncode, utf8Encode } from '#platform';
import { parseSegmentKey, segmentPrefix } from '../core/chain.js';
import { verdictOf } from '../core/findings.js';
import type { Finding, Verdict } from '../core/findings.js';
import { frontierRoot } from '../core/merkle.js';
import { lastFirstSequence } from '../ledger/head.js';
import { formatMicros, systemHost } from '../ledger/host.js';
import type { Host } from '../ledger/host.js';
import type { StoreReader } from '../storage/worm-store.js';
import { besideMarked } from './below-mark.js';
import { startAt, startOfChain } from './chain-walk.js';
import type { Evidence } from './evidence.js';
import { readEvidence } from './evidence.js';
import { inlineExecutor, WorkerPool } from './executor.js';
import type { Executor } from './executor.js';
import { FindingList } from './finding-list.js';
import { EvidenceSet } from './hold-against.js';
import type { ReadThrough } from './hold-against.js';
import { localise } from './localise.js';
import type { LeafHints } from './localise.js';
import { planRanges } from './plan.js';
import type { PlannedRange, RangeLimits } from './plan.js';
import { chainHead, emptyState, plainState } from './range-task.js';
import { readRanges } from './read-ranges.js';
import type { Reading } from './read-ranges.js';
import { VERIFICATION_FORMAT } from './report.js';
import type { HeldAgainst, ReportedHead, RestsOnMark, VerificationProgress, VerificationReport } from './report.js';
import { resumeAt, startBefore } from './resume.js';
import type { Resumed, Start } from './resume.js';
import type { StoreConfig } from './store-config.js';
import { weakRetention } from './retention.js';
import type { AskedRetention } from './retention.js';
import { LaterKeys, resolveTrust } from './trust.js';
import type { ChainKeys, GivenTrust, ResolvedTrust, StoreStatements } from './trust.js';

export interface VerifyChainOptions {
  readonly store: StoreReader;
  readonly chainId: string;
  /** How worker threads open the same store. Without it everything is done on this thread. */
  readonly config?: StoreConfig;
  /** From outside the store. Default: the keys that lie in it. */
  readonly trust?: GivenTrust;
  /** What the store says of itself, if it was read already. */
  readonly stated?: StoreStatements;
  /** First and last sequence of interest. Default: the whole chain. */
  readonly from?: number;
  readonly to?: number;
  /** A verified-through mark: begin where it ends. Not together with `from`. */
  readonly mark?: string;
  readonly against?: readonly Evidence[];
  /** Where a changed segment's true leaf hashes may be had from, to name the entry. */
  readonly hints?: LeafHints;
  /** Worker threads. 0: this thread alone. Default: one a core, if the chain is long enough to pay for them. */
  readonly workers?: number;
  /** Who judges ranges, instead of threads of its own; it stays open. */
  readonly pool?: Executor;
  readonly rangeLimits?: RangeLimits;
  /** Findings listed. Default 1,000. */
  readonly maxFindings?: number;
  /** Also look whether each segment is kept as this asks. A request a segment. */
  readonly retention?: AskedRetention;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerificationProgress) => void;
  readonly host?: Pick<Host, 'micros'>;
}

const MAX_FINDINGS = 1_000;
type Rest = Extract<Resumed, { outcome: 'resumed' }>;
type Read = Pick<Reading, 'entries' | 'state' | 'checkpoint' | 'signers'> & { readonly end: number };
const nothingRead: ReadThrough = { from: 0, end: 0, endReached: false, roots: new Map(), entryHashes: new Map() };

/** @throws StoreError if the store can't be listed or its statement about itself can't be read */
export async function verifyChain(options: VerifyChainOptions): Promise<VerificationReport> {
  return new Verification(options).run();
}

class Verification {
  readonly #options: VerifyChainOptions;
  readonly #host: Pick<Host, 'micros'>;
  readonly #limit: number;
  readonly #startedMicros: number;
  readonly #findings: FindingList;
  readonly #statements: string[] = [];

  constructor(options: VerifyChainOptions) {
    if (options.mark !== undefined && (options.from !== undefined || options.to !== undefined)) {
      throw new RangeError('"mark" expected without "from" and "to"');
    }
    this.#options = options;
    this.#host = options.host ?? systemHost;
    this.#limit = options.maxFindings ?? MAX_FINDINGS;
    this.#startedMicros = this.#host.micros();
    this.#findings = new FindingList(this.#limit);
  }

  async run(): Promise<VerificationReport> {
    const { store, chainId, to, against = [] } = this.#options;
    const trust = await resolveTrust(store, chainId, this.#options.trust, this.#options.stated);
    for (const finding of trust.findings) this.#findings.add(finding);
    if (trust.keys === undefined) return this.#withoutTrust(trust);

    const { start, rest, evidence } = await this.#start(trust.keys);
    const held = new EvidenceSet(chainId, trust.keys, [...against, ...evidence]);
    const reading = await this.#read(trust.keys, start, held);
    const end = reading.end ?? rest?.segment.after.size ?? start.countFrom;
    const endReached = to === undefined && !reading.aborted;
    const from = Math.min(start.countFrom, end);
    const { roots, entryHashes } = reading;
    const compared = held.compare({ from, end, endReached, roots, entryHashes });
    for (const finding of compared.findings) this.#findings.add(finding);
    this.#addUnread(reading, end);
    if (!reading.aborted) await this.#besideTheChain(trust.keys, rest?.restsOn, end);

    for (const keyId of rest?.segment.signedBy ?? []) reading.signers.add(keyId);
    const read: Read = { ...reading, end, checkpoint: reading.checkpoint ?? rest?.segment.checkpoint };
    return this.#report(trust, from, read, compared.heldAgainst, endReached, rest?.restsOn);
  }

  /** What was put below the mark since, and how everything is kept. */
  async #besideTheChain(keys: ChainKeys, restsOn: RestsOnMark | undefined, end: number): Promise<void> {
    const { store, chainId, from = 0, to, retention, signal } = this.#options;
    const judge = new LaterKeys(store, keys);
    const found = async (findings: AsyncIterable<Finding>): Promise<void> => {
      for await (const finding of findings) {
        this.#findings.add(finding);
        if (signal?.aborted !== true) continue;
        this.#findings.add({ code: 'unverified_range', chainId, detail: 'ended before it was known what lies beside the chain' });
        return;
      }
    };
    if (restsOn !== undefined) await found(besideMarked(store, judge, chainId, restsOn));
    if (retention !== undefined) await found(weakRetention(store, judge, chainId, from, to === undefined ? end : Math.min(end, to + 1), retention));
  }

  /** Where to begin. A genuine mark that the chain contradicts becomes evidence against it. */
  async #start(keys: ChainKeys): Promise<{ readonly start: Start; readonly rest?: Rest; readonly evidence: readonly Evidence[] }> {
    const { store, chainId, from, mark } = this.#options;
    const whole: Start = { listFrom: undefined, state: startOfChain(chainId), countFrom: 0 };
    if (mark !== undefined) {
      const resumed = await resumeAt(store, chainId, mark, keys);
      if (resumed.outcome === 'resumed') {
        const { restsOn } = resumed;
        this.#statements.push(`Entries before ${restsOn.size} were not read again: a mark of ${restsOn.verifiedAt} stands for them.`);
        return { start: resumed.start, rest: resumed, evidence: [] };
      }
      this.#statements.push(`The mark was not used, so everything was read: ${resumed.reason}.`);
      const evidence = resumed.outcome === 'contradicted' ? [readEvidence(utf8Encode(mark), 'the verified-through mark')] : [];
      return { start: whole, evidence };
    }
    if (from === undefined || from === 0) return { start: whole, evidence: [] };
    const start = (await startBefore(store, chainId, from, keys)) ?? { listFrom: from, state: startAt(from), countFrom: from };
    if (start.linkMissing === true) {
      const sequence = start.countFrom - 1;
      this.#findings.add({ code: 'missing_object', chainId, sequence, lastSequence: sequence, detail: `no object holds sequence ${sequence}, which the next one continues` });
    }
    return { start, evidence: [] };
  }

  async #read(keys: ChainKeys, start: Start, held: EvidenceSet): Promise<Reading> {
    const { store, chainId, from, to, signal, hints } = this.#options;
    const foreign = new FindingList(this.#limit);
    const addForeign = (key: string): void => foreign.add({ code: 'foreign_object', chainId, key, detail: 'not an object of the chain, by its name' });
    const plan = planRanges(store, chainId, start.listFrom, to, addForeign, this.#options.rangeLimits);
    const first = await plan.next();
    const { executor, close } = this.#executor(first.done === true ? undefined : first.value);
    let reading: Reading;
    try {
      reading = await readRanges({
        plan: first.done === true ? plan : putBack(first.value, plan),
        executor,
        task: { chainId, keys, wanted: held.wanted(), countFrom: start.countFrom, maxFindings: this.#limit },
        state: start.state === undefined ? undefined : plainState(start.state),
        onProgress: this.#progress(start.countFrom),
        signal,
      });
    } finally {
      await close();
    }
    if ((start.listFrom === undefined || (store.versioned && from === undefined)) && !reading.aborted) {
      // One that has a segment's key was listed too, and is judged in its place.
      for await (const name of store.strays(segmentPrefix(chainId))) if (parseSegmentKey(name) === undefined) addForeign(name);
    }
    const found = reading.findings.summary();
    const items: Finding[] = [];
    for (const finding of found.items) items.push(hints === undefined ? finding : await localise(finding, store, keys, hints));
    // Narrowed findings begin later. Those that were omitted lie behind the ones that were kept.
    this.#findings.addAll({ ...found, items, firstBad: lowest(items) ?? found.firstBad });
    this.#findings.addAll(foreign.summary());
    return reading;
  }

  /** A chain of one range is done before a thread has started. */
  #executor(first: PlannedRange | undefined): { readonly executor: Executor; readonly close: () => Promise<void> } {
    const { store, config, workers, pool } = this.#options;
    const nothing = (): Promise<void> => Promise.resolve();
    if (pool !== undefined) return { executor: pool, close: nothing };
    const small = first?.following === undefined && workers === undefined;
    if (config === undefined || workers === 0 || small) return { executor: inlineExecutor(store), close: nothing };
    const own = new WorkerPool(config, workers);
    return { executor: own, close: () => own.close() };
  }

  #progress(countFrom: number): (entries: number, segments: number) => void {
    const { store, chainId, to, onProgress } = this.#options;
    if (onProgress === undefined) return () => undefined;
    const done = { entries: 0, segments: 0 };
    let totalEntries: number | undefined;
    // Not waited for: until the end of the chain is found, progress has no total.
    const last = to === undefined ? lastFirstSequence(store, chainId) : Promise.resolve(to);
    last.then((sequence) => (totalEntries = sequence === undefined ? undefined : sequence + 1 - countFrom), () => undefined);
    return (entries, segments) => {
      done.entries += entries;
      done.segments += segments;
      const seconds = (this.#host.micros() - this.#startedMicros) / 1e6;
      const entriesPerSecond = seconds > 0 ? Math.round(done.entries / seconds) : 0;
      // The last segment's entries lie behind its first sequence, and others may go on writing.
      const total = totalEntries === undefined ? {} : { totalEntries: Math.max(totalEntries, done.entries) };
      onProgress({ chainId, ...done, ...total, entriesPerSecond });
    };
  }

  /** Says what was asked for and not read. */
  #addUnread({ aborted, state }: Reading, end: number): void {
    const { chainId, to } = this.#options;
    if (aborted) {
      const sequence = state.next ?? end;
      this.#findings.add({ code: 'unverified_range', chainId, sequence, ...(to === undefined ? {} : { lastSequence: to }), detail: 'ended before everything was read' });
    } else if (to !== undefined && end <= to) {
      this.#findings.add({ code: 'unverified_range', chainId, sequence: end, lastSequence: to, detail: `the chain ends at ${end}` });
    }
  }

  #withoutTrust(trust: ResolvedTrust): VerificationReport {
    const { chainId, against = [] } = this.#options;
    this.#statements.push(
      trust.deployment === undefined
        ? 'Neither the store nor the caller says which deployment this is, so no signature can be checked.'
        : 'There is no public key, so no signature can be checked.',
    );
    const { heldAgainst } = new EvidenceSet(chainId, undefined, against).compare(nothingRead);
    return this.#report(trust, 0, { entries: 0, end: 0, state: emptyState, checkpoint: undefined, signers: new Set() }, heldAgainst, false, undefined);
  }

  #report(
    trust: ResolvedTrust,
    from: number,
    read: Read,
    heldAgainst: readonly HeldAgainst[],
    endReached: boolean,
    restsOn: RestsOnMark | undefined,
  ): VerificationReport {
    const { chainId } = this.#options;
    const { items, codes, omitted, firstBad } = this.#findings.summary();
    const head = endReached ? headOf(chainId, read) : undefined;
    const empty = read.entries === 0 && restsOn === undefined;
    const verdict: Verdict = empty && codes.length === 0 ? 'indeterminate' : verdictOf(codes.map((code) => ({ code, chainId, detail: '' })));
    if (trust.keys !== undefined && verdict === 'indeterminate') this.#statements.push(`The store holds no entry of chain ${chainId}.`);
    if (trust.source === 'store') {
      this.#statements.push('The public keys were taken from the store itself: this shows what was signed with them, not that they are the right ones.');
    }
    if (verdict === 'intact') this.#statements.push(completeness(heldAgainst, endReached));
    return {
      format: VERIFICATION_FORMAT,
      chainId,
      ...(trust.deployment === undefined ? {} : { deployment: trust.deployment }),
      verdict,
      range: { from, to: read.end - 1 },
      entriesChecked: read.entries,
      ...(firstBad === undefined ? {} : { firstBadSequence: firstBad }),
      findings: [...items].sort(inOrder),
      findingsOmitted: omitted,
      heldAgainst,
      trust: { source: trust.source, keyIds: [...read.signers].sort() },
      ...(restsOn === undefined ? {} : { restsOnMark: restsOn }),
      statements: this.#statements,
      startedAt: formatMicros(this.#startedMicros),
      finishedAt: formatMicros(this.#host.micros()),
      ...(head === undefined ? {} : { head }),
    };
  }
}

async function* putBack(first: PlannedRange, rest: AsyncIterable<PlannedRange>): AsyncGenerator<PlannedRange> {
  yield first;
  yield* rest;
}

function headOf(chainId: string, { state, checkpoint }: Read): ReportedHead | undefined {
  if (state.head === undefined || checkpoint === undefined) return undefined;
  const { size, frontier, lastReceivedAt } = chainHead(chainId, state.head);
  return { size, rootHash: hexEncode(frontierRoot(frontier)), entryHash: state.head.lastEntryHash, receivedAt: lastReceivedAt, checkpoint };
}

function completeness(heldAgainst: readonly HeldAgainst[], endReached: boolean): string {
  const sizes = heldAgainst.flatMap(({ outcome, size }) => (outcome === 'contained' && size !== undefined ? [size] : []));
  if (sizes.length > 0) return `What was kept outside proves the chain complete up to entry ${sizes.reduce((a, b) => Math.max(a, b)) - 1}; behind that it is self-consistent.`;
  if (!endReached) return 'Only a part of the chain was read.';
  return 'The chain is self-consistent; nothing from outside was held against it, so its tail is not proven complete.';
}

function lowest(findings: readonly Finding[]): number | undefined {
  const sequences = findings.flatMap((finding) => finding.sequence ?? []);
  return sequences.length === 0 ? undefined : sequences.reduce((a, b) => Math.min(a, b));
}

/** By sequence, those without one last; then by key and code, so that a report is the same each time. */
function inOrder(a: Finding, b: Finding): number {
  const bySequence = (a.sequence ?? Infinity) - (b.sequence ?? Infinity);
  if (bySequence !== 0 && !Number.isNaN(bySequence)) return bySequence;
  const [x, y] = [`${a.key ?? ''}\n${a.code}\n${a.detail}`, `${b.key ?? ''}\n${b.code}\n${b.detail}`];
  return x < y ? -1 : x > y ? 1 : 0;
}
