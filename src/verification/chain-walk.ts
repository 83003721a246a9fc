/**
 * The judgement of one chain, object after object. What it finds follows from the objects alone, in the
 * order of their keys; how the work is cut into ranges and spread over threads leaves no trace in it.
 *
 * Each segment is judged with the end of the one before it as its start. After one that can't be believed
 * the next is judged by its own header, which the signed root vouches for, so that one bad segment does not
 * hide the state of those behind it.
 *
 * Where keys hold versions that can't be taken away (DESIGN: the oldest valid version is the entry), what no key of
 * ours ever signed did not take the place of anything: it is told, and the chain is judged as if it were not there.
 */
import { hexEncode } from '#platform';
import { emptyHead, segmentKey } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import type { Finding, FindingCode } from '../core/findings.js';
import { equalBytes, frontierRoot } from '../core/merkle.js';
import { TreeExtension } from '../core/tree-extension.js';
import { MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import { verifySegment } from '../core/verify-segment.js';
import type { InvalidSegment, VerifiedSegment } from '../core/verify-segment.js';
import { wasSigned } from '../ledger/segment-at.js';
import type { SegmentAt, SegmentTrust } from '../ledger/segment-at.js';
import type { StoredVersion } from '../storage/worm-store.js';
import type { FindingList } from './finding-list.js';
import type { ObjectRead, Unread } from './object-reader.js';

/** Where the chain stands before the next object. */
export interface WalkState {
  /** What the next object should start with; `undefined` behind one whose extent is not known. */
  readonly next: number | undefined;
  /** The chain before `next`, if the object before it was sound. */
  readonly head: ChainHead | undefined;
  /** The root that was signed for size `next`, if the object before was damaged but its signature is whole. */
  readonly signedRoot: Uint8Array | undefined;
}

export function startOfChain(chainId: string): WalkState {
  return { next: 0, head: emptyHead(chainId), signedRoot: undefined };
}

/** Begins anywhere: the first object's own header is taken for what came before. */
export function startAt(firstSequence: number): WalkState {
  return { next: firstSequence, head: undefined, signedRoot: undefined };
}

/** Facts to look up on the way, for comparison with evidence from outside. */
export interface Wanted {
  /** Tree sizes, ascending. */
  readonly sizes: readonly number[];
  /** Sequences of entries, ascending. */
  readonly sequences: readonly number[];
}

export interface Looked {
  /** Size to root, in hexadecimal; `signed` if a segment ends there, so the chain's own key signed it. */
  readonly roots: Map<number, { readonly root: string; readonly signed: boolean }>;
  /** Sequence to entry hash, in hexadecimal. */
  readonly entryHashes: Map<number, string>;
}

export interface WalkContext {
  readonly chainId: string;
  readonly trust: SegmentTrust;
  readonly wanted: Wanted;
  /** Segments before this sequence are read for their end alone, and not counted. */
  readonly countFrom: number;
  /** Whether keys hold versions, none of which can be taken away. */
  readonly versioned: boolean;
  /** What the key of this sequence holds now. */
  readonly lookUp: (firstSequence: number) => Promise<ObjectRead>;
  /** Which of a key's versions is the entry. */
  readonly judge: (firstSequence: number, before: ChainHead | undefined, versions: readonly StoredVersion[]) => Promise<SegmentAt | Unread>;
}

export class ChainWalk {
  state: WalkState;
  entries = 0;
  segments = 0;
  /** Of the last sound segment: its signed note. */
  checkpoint: string | undefined;
  /** What the very first object states of the chain before it, if it is sound; and its first `receivedAt`. */
  firstClaim: ChainHead | undefined;
  firstReceivedAt = '';
  /** One past the last sequence that any object of the chain holds or claims. */
  end = 0;
  readonly signers = new Set<string>();
  readonly looked: Looked = { roots: new Map(), entryHashes: new Map() };
  #begun = false;
  readonly #context: WalkContext;
  readonly #findings: FindingList;

  constructor(context: WalkContext, state: WalkState, findings: FindingList) {
    this.#context = context;
    this.state = state;
    this.#findings = findings;
  }

  /**
   * The next listed object.
   * @param following first sequence of the one listed behind it, if there is one
   */
  async step(first: number, listed: ObjectRead, following: number | undefined): Promise<void> {
    const object = listed.outcome === 'versions' ? await this.#oldestValid(first, listed.versions) : listed;
    if (object === undefined || (this.#context.versioned && (await this.#isAhead(first, object)))) { this.#begun = true; return; }
    await this.#unlisted(first);
    const { next } = this.state;
    if (next !== undefined && first < next) { await this.#inside(first, object); return; }
    if (next !== undefined && first > next) {
      const foreign = object.outcome === 'read' && !(await this.#isOurs(first, object.bytes)) ? 'nothing of this chain is signed for this place' : undefined;
      const reason = object.outcome === 'not_a_file' ? object.reason : foreign;
      if (reason !== undefined) { this.#add('foreign_object', first, reason, {}); return; }
      this.#findings.add({
        code: 'missing_object',
        chainId: this.#context.chainId,
        sequence: next,
        lastSequence: first - 1,
        key: segmentKey(this.#context.chainId, next),
        detail: `no object holds sequence ${next}; the next is at ${first}`,
      });
      this.state = startAt(first);
    }
    await this.#judge(first, object, following);
  }

  /** A listing of a living chain may show a later object and not an earlier one: ask for it by name. */
  async #unlisted(first: number): Promise<void> {
    for (let { next } = this.state; next !== undefined && next < first; { next } = this.state) {
      const found = await this.#context.lookUp(next);
      // What is not of the chain is told where it was listed.
      const object = found.outcome === 'versions' ? await this.#oldestValid(next, found.versions, { tellIfNone: false }) : found;
      if (object === undefined || object.outcome === 'absent') return;
      await this.#judge(next, object, first);
    }
  }

  /** Tells what a key holds beside the entry; `undefined` if it holds nothing of the chain. */
  async #oldestValid(first: number, versions: readonly StoredVersion[], { tellIfNone = true } = {}): Promise<Standing | undefined> {
    const { head } = this.state;
    const at = await this.#context.judge(first, head?.size === first ? head : undefined, versions);
    if (at.outcome === 'not_a_file' || at.outcome === 'failed') return at;
    const isOurs = at.outcome === 'entry' || at.outcome === 'damaged';
    if (isOurs || tellIfNone) for (const finding of at.odd) this.#findings.add(beside(finding));
    if (!isOurs) return undefined;
    return at.bytes === undefined ? { outcome: 'absent' } : { outcome: 'read', bytes: at.bytes };
  }

  /** Whether it stands behind where the chain goes on, and nothing says that it is of the chain. */
  async #isAhead(first: number, object: Standing): Promise<boolean> {
    const { next } = this.state;
    if (next === undefined || first <= next) return false;
    if (object.outcome === 'failed') {
      this.#add('unverified_range', first, object.reason, { sequence: first });
      return true;
    }
    if (object.outcome !== 'read' || (await this.#isOurs(first, object.bytes))) return false;
    this.#foreign(first, object.versionId, 'nothing of this chain is signed for this place');
    return true;
  }

  /** An object whose place is taken. Whole and signed, it is another history. */
  async #inside(first: number, object: Standing): Promise<void> {
    const segment = object.outcome === 'read' ? await this.#verify(first, object.bytes, undefined) : undefined;
    if (segment?.outcome !== 'valid') {
      const versionId = object.outcome === 'read' ? object.versionId : undefined;
      this.#foreign(first, versionId, 'the sequence at which it stands lies within another segment');
      return;
    }
    this.#add('fork', first, 'a second signed segment for sequences that another one holds', { sequence: first, lastSequence: segment.after.size - 1 });
  }

  async #judge(first: number, object: Standing, following: number | undefined): Promise<void> {
    switch (object.outcome) {
      case 'read':
        { await this.#segment(first, object, following); return; }
      case 'absent':
        this.#lost(first, following, 'missing_object', 'it was listed, and is not there');
        return;
      case 'not_a_file':
        this.#lost(first, following, 'foreign_object', object.reason);
        return;
      case 'failed':
        this.#lost(first, following, 'unverified_range', object.reason);
        return;
    }
  }

  #lost(first: number, following: number | undefined, code: FindingCode, detail: string): void {
    this.#add(code, first, detail, { sequence: first, ...lastOf(following) });
    this.#goOn(first, following ?? first + 1, { next: undefined, head: undefined, signedRoot: undefined });
  }

  async #segment(first: number, { bytes, versionId }: ReadObject, following: number | undefined): Promise<void> {
    const { head, signedRoot } = this.state;
    const before = head?.size === first ? head : undefined;
    const segment = await this.#verify(first, bytes, before);
    if (segment.outcome === 'valid') {
      if (before === undefined && signedRoot !== undefined && !equalBytes(frontierRoot(segment.before.frontier), signedRoot)) {
        this.#unjoined('fork', segment, 'signed, but it continues another tree than the one signed before it');
      }
      this.#accept(segment);
      return;
    }
    const alone = before === undefined ? segment : await this.#verify(first, bytes, undefined);
    if (alone.outcome === 'valid') {
      // Two histories, each signed: the key was used for both.
      const forked = segment.fault.code === 'link_mismatch';
      this.#unjoined(forked ? 'fork' : segment.fault.code, alone, forked ? `signed, but it continues another history: ${segment.fault.detail}` : segment.fault.detail);
      this.#accept(alone);
      return;
    }
    if (this.#context.versioned && !wasSigned(alone, first)) {
      this.#foreign(first, versionId, `it is not a segment of the chain: ${segment.fault.code}: ${segment.fault.detail}`);
      this.#begun = true;
      return;
    }
    this.#reject(first, segment, following);
  }

  async #verify(first: number, bytes: Uint8Array, before: ChainHead | undefined): Promise<VerifiedSegment | InvalidSegment> {
    const { chainId, trust } = this.#context;
    const { deployment } = trust;
    const verify = (): VerifiedSegment | InvalidSegment => verifySegment(bytes, { deployment, chainId, firstSequence: first, ...(before === undefined ? {} : { before }) }, trust.keysOf(chainId));
    const segment = verify();
    if (segment.outcome === 'valid' || segment.fault.code !== 'signature_invalid') return segment;
    // A key is stated before it signs: so one that signed this is in the store by now.
    return (await trust.refresh()) ? verify() : segment;
  }

  #unjoined(code: FindingCode, segment: VerifiedSegment, detail: string): void {
    this.#add(code, segment.firstSequence, detail, { sequence: segment.firstSequence, lastSequence: segment.after.size - 1 });
  }

  #accept(segment: VerifiedSegment): void {
    const { firstSequence, count, before, after, tree } = segment;
    if (!this.#begun) {
      this.firstClaim = before;
      this.firstReceivedAt = segment.firstReceivedAt;
    }
    for (const keyId of segment.signedBy) this.signers.add(keyId);
    this.checkpoint = segment.checkpoint;
    this.#lookUp(segment);
    if (firstSequence >= this.#context.countFrom) {
      this.entries += count;
      this.segments += 1;
    }
    this.#goOn(firstSequence, tree.size, { next: after.size, head: after, signedRoot: undefined });
  }

  #reject(first: number, { fault, claimed }: InvalidSegment, following: number | undefined): void {
    const lines = claimed?.count ?? 0;
    const size = claimed?.signed?.size;
    // Only a signature over just these lines tells where the segment ends.
    const whole = size !== undefined && size === first + lines;
    const claims = size !== undefined && size > first && size <= first + MAX_SEGMENT_ENTRIES ? size : first;
    const end = whole ? size : (following ?? Math.max(first + lines, claims));
    this.#add(fault.code, first, fault.detail, { sequence: first + fault.at, ...lastOf(end > first + fault.at ? end : undefined) });
    if (first >= this.#context.countFrom) {
      this.entries += lines;
      this.segments += 1;
    }
    const signedRoot = whole ? claimed?.signed?.root : undefined;
    this.#goOn(first, Math.max(end, first + 1), { next: whole ? size : undefined, head: undefined, signedRoot });
  }

  #goOn(first: number, end: number, state: WalkState): void {
    this.#begun = true;
    this.end = Math.max(end, first + 1);
    this.state = state;
  }

  /** Whether a key of the deployment signed anything that ends behind `first`. */
  async #isOurs(first: number, bytes: Uint8Array): Promise<boolean> {
    const segment = await this.#verify(first, bytes, undefined);
    return segment.outcome === 'valid' || wasSigned(segment, first);
  }

  #lookUp({ firstSequence, count, tree, before, leafHashes, entryHashes }: VerifiedSegment): void {
    const { sizes, sequences } = this.#context.wanted;
    for (const size of within(sizes, firstSequence + 1, tree.size)) {
      const root = size === tree.size ? tree.root : new TreeExtension(before.frontier, leafHashes.subarray(0, 32 * (size - firstSequence))).root;
      this.looked.roots.set(size, { root: hexEncode(root), signed: size === tree.size });
    }
    for (const sequence of within(sequences, firstSequence, firstSequence + count - 1)) {
      const at = 32 * (sequence - firstSequence);
      this.looked.entryHashes.set(sequence, hexEncode(entryHashes.subarray(at, at + 32)));
    }
  }

  #foreign(first: number, versionId: string | undefined, why: string): void {
    const { chainId } = this.#context;
    const finding: Finding = { code: 'foreign_object', chainId, sequence: first, key: segmentKey(chainId, first), detail: versionId === undefined ? why : `version ${versionId}: ${why}` };
    this.#findings.add(versionId === undefined ? withoutSequence(finding) : beside(finding));
  }

  #add(code: FindingCode, first: number, detail: string, range: Pick<Finding, 'sequence' | 'lastSequence'>): void {
    const { chainId } = this.#context;
    this.#findings.add({ code, chainId, ...range, key: segmentKey(chainId, first), detail });
  }
}

/** An object, once it is known which of its versions counts. */
type Standing = Exclude<ObjectRead, { readonly outcome: 'versions' }>;
type ReadObject = Extract<ObjectRead, { readonly outcome: 'read' }>;

/** What is put over an entry, hides it or stands in a free place takes nothing from any entry: it has no bad sequence. */
export function beside(finding: Finding): Finding {
  // Signed twice, it does: nobody but the holder of the key says which of the two it was.
  if (finding.code === 'fork' || finding.sequence === undefined) return finding;
  return { ...withoutSequence(finding), detail: `at sequence ${finding.sequence}: ${finding.detail}` };
}

function withoutSequence({ code, chainId, key, detail }: Finding): Finding {
  return { code, chainId, ...(key !== undefined && { key }), detail };
}

function lastOf(end: number | undefined): Pick<Finding, 'lastSequence'> {
  return end === undefined ? {} : { lastSequence: end - 1 };
}

/** Those of the ascending numbers that lie in [low, high]. */
function* within(numbers: readonly number[], low: number, high: number): Generator<number> {
  if (numbers.length === 0) return;
  let left = 0;
  let right = numbers.length;
  while (left < right) {
    const middle = (left + right) >>> 1;
    if ((numbers[middle] as number) < low) left = middle + 1;
    else right = middle;
  }
  for (let i = left; i < numbers.length && (numbers[i] as number) <= high; i++) yield numbers[i] as number;
}
