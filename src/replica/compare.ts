/**
 * Holds one chain's objects in two buckets against each other, byte for byte. Both are read whole: what one bucket
 * says of its object (an ETag, a checksum) is a statement about bytes it may not have. With the first verified,
 * equal bytes verify the second, so its hashes and signatures need not be computed again.
 *
 * Beside this, the second's head is evidence that the chain is held against when it is verified (`evidenceOf`), like
 * a checkpoint from anywhere else: so the report says how far the chain is proven complete.
 */
import { utf8Encode } from '#platform';
import { parseSegmentKey, segmentPrefix } from '../core/chain.js';
import { FINDING_CODES } from '../core/findings.js';
import type { Finding, FindingCode } from '../core/findings.js';
import { equalBytes } from '../core/merkle.js';
import { ChainHaltedError } from '../ledger/errors.js';
import { SegmentReader } from '../ledger/reader.js';
import { judgeVersions, segmentAt } from '../ledger/segment-at.js';
import type { SegmentAt } from '../ledger/segment-at.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';
import { readEvidence } from '../verification/evidence.js';
import type { Evidence } from '../verification/evidence.js';
import { FindingList } from '../verification/finding-list.js';
import type { FindingSummary } from '../verification/finding-list.js';
import { mergedKeys } from './merged-keys.js';
import type { MergedKey } from './merged-keys.js';
import { testimonyOf } from './witness.js';

export interface ComparisonOptions {
  readonly first: StoreReader;
  readonly second: StoreReader;
  readonly chainId: string;
  readonly trust: ChainTrust;
  readonly maxFindings: number;
}

export interface Comparison {
  /** Segments whose bytes are the same in both. */
  readonly segments: number;
  readonly findings: FindingSummary;
}

/** Pairs of objects read at a time: at most 8 MiB each. */
const WIDTH = 8;

/** The second bucket's word for how far the chain goes, to be held against the first. @throws StoreError */
export async function evidenceOf(second: StoreReader, chainId: string, trust: ChainTrust): Promise<Evidence | undefined> {
  const { witness } = await testimonyOf(second, chainId, trust);
  return witness === undefined ? undefined : readEvidence(utf8Encode(witness.checkpoint), `the head of the chain in ${second.location}`);
}

/** @throws StoreError */
export async function compareChain(options: ComparisonOptions): Promise<Comparison> {
  return new ChainComparison(options).run();
}

/** Of one key. `same` and `ignored` (no segment of the chain in either) say that nothing is wrong between the two. */
type Pair =
  | { readonly outcome: 'same' | 'ignored' }
  | { readonly outcome: 'lacking' | 'beyond'; readonly first: number; readonly end: number }
  | { readonly outcome: 'found'; readonly finding: Finding };

class ChainComparison {
  readonly #options: ComparisonOptions;
  readonly #findings: FindingList;
  /** What the second lacks, and nothing was met behind it yet: a hole, or the end it has not reached. */
  #lacking: { readonly first: number; readonly end: number } | undefined;
  /** What the second holds behind the end of the first. */
  #beyond: { readonly first: number; readonly end: number } | undefined;
  #endOfFirst: Promise<number> | undefined;
  #same = 0;
  readonly #reader: SegmentReader;

  constructor(options: ComparisonOptions) {
    this.#options = options;
    this.#findings = new FindingList(options.maxFindings);
    this.#reader = new SegmentReader(options.first, options.trust);
  }

  async run(): Promise<Comparison> {
    const { first, second, chainId } = this.#options;
    let waiting: MergedKey[] = [];
    for await (const merged of mergedKeys(first, second, segmentPrefix(chainId))) {
      waiting.push(merged);
      if (waiting.length < WIDTH) continue;
      await this.#settle(waiting);
      waiting = [];
    }
    await this.#settle(waiting);
    if (this.#lacking !== undefined) {
      const { first: sequence, end } = this.#lacking;
      const detail = `${second.location} does not hold the entries from ${sequence} on: it is behind, or was cut off there`;
      this.#findings.add({ code: 'unverified_range', chainId, sequence, lastSequence: end - 1, detail });
    }
    if (this.#beyond !== undefined) {
      const { first: sequence, end } = this.#beyond;
      const detail = `${first.location} ends at ${sequence}, ${second.location} holds signed entries up to ${end - 1}`;
      this.#findings.add({ code: 'truncated_tail', chainId, sequence, lastSequence: end - 1, detail });
    }
    await this.#contested();
    return { segments: this.#same, findings: this.#findings.summary() };
  }

  /** What the second holds beside the version that counts. */
  async #contested(): Promise<void> {
    const { second, chainId, trust } = this.#options;
    for await (const { key, versions } of second.contested?.(segmentPrefix(chainId)) ?? []) {
      const firstSequence = parseSegmentKey(key)?.firstSequence;
      if (firstSequence === undefined) continue;
      const { outcome, odd } = await judgeVersions(second, trust, { chainId, firstSequence }, versions);
      // With no entry among them, it was found before.
      if (outcome === 'entry') for (const { code, detail } of odd) this.#findings.add({ code, chainId, key, detail: `in ${second.location}: ${detail}` });
    }
  }

  async #settle(keys: readonly MergedKey[]): Promise<void> {
    for (const pair of await Promise.all(keys.map((merged) => this.#pair(merged)))) {
      switch (pair.outcome) {
        case 'lacking':
          this.#lacking = { first: this.#lacking?.first ?? pair.first, end: pair.end };
          break;
        case 'beyond':
          this.#beyond = { first: this.#beyond?.first ?? pair.first, end: pair.end };
          break;
        case 'same':
          this.#same += 1;
          this.#closeHole();
          break;
        case 'found':
          this.#findings.add(pair.finding);
          break;
        case 'ignored':
          break;
      }
    }
  }

  /** The second goes on behind what it lacks. */
  #closeHole(): void {
    if (this.#lacking === undefined) return;
    const { chainId, second } = this.#options;
    const { first: sequence, end } = this.#lacking;
    this.#findings.add({ code: 'missing_object', chainId, sequence, lastSequence: end - 1, detail: `${second.location} lacks what holds these entries, and holds later ones` });
    this.#lacking = undefined;
  }

  async #pair({ key, inFirst }: MergedKey): Promise<Pair> {
    const { first, second, chainId, trust } = this.#options;
    const firstSequence = parseSegmentKey(key)?.firstSequence;
    // Other names in the first are reported where that is verified; in the second they are nobody's.
    if (firstSequence === undefined) return inFirst ? { outcome: 'ignored' } : this.#foreign(key, 'not an object of the chain, by its name');
    // A key that only one listing has may have come into being while the other was read: it is asked for by name.
    const [ours, theirs] = await Promise.all([first.read(key), second.read(key)]);
    if (ours !== undefined && theirs !== undefined && equalBytes(ours, theirs)) return { outcome: 'same' };
    const place = { chainId, firstSequence };
    const [a, b] = await Promise.all([segmentAt(first, trust, place), segmentAt(second, trust, place)]);
    if (a.outcome === 'entry') return this.#against(key, firstSequence, a, b);
    if (b.outcome === 'entry') return this.#beside(key, firstSequence, a, b.segment.after.size);
    return b.outcome === 'absent' || inFirst ? { outcome: 'ignored' } : this.#foreign(key, b.fault);
  }

  /** Only the second holds a signed segment there. */
  async #beside(key: string, firstSequence: number, a: Exclude<SegmentAt, { outcome: 'entry' }>, end: number): Promise<Pair> {
    const { first, second, chainId } = this.#options;
    const found = (code: FindingCode, detail: string): Pair => ({ outcome: 'found', finding: { code, chainId, sequence: firstSequence, lastSequence: end - 1, key, detail } });
    if (a.outcome !== 'absent') return found('checkpoint_mismatch', `${second.location} holds the segment as it was signed, ${first.location} something else: ${a.fault}`);
    this.#endOfFirst ??= this.#findEndOfFirst();
    if (firstSequence >= (await this.#endOfFirst)) return { outcome: 'beyond', first: firstSequence, end };
    const covering = await this.#reader.covering(chainId, firstSequence).catch((error: unknown) => {
      if (error instanceof ChainHaltedError) return undefined;
      throw error;
    });
    if (covering !== undefined) return found('fork', `${second.location} holds a signed segment within what another one holds in ${first.location}`);
    return found('missing_object', `${second.location} holds it, ${first.location} does not`);
  }

  async #findEndOfFirst(): Promise<number> {
    const { first, chainId, trust } = this.#options;
    const { witness } = await testimonyOf(first, chainId, trust);
    return witness?.size ?? 0;
  }

  #against(key: string, firstSequence: number, a: Extract<SegmentAt, { outcome: 'entry' }>, b: SegmentAt): Pair {
    const { first, second, chainId } = this.#options;
    const { size } = a.segment.after;
    const found = (code: FindingCode, detail: string): Pair => ({ outcome: 'found', finding: { code, chainId, sequence: firstSequence, lastSequence: size - 1, key, detail } });
    switch (b.outcome) {
      case 'entry':
        return equalBytes(a.bytes, b.bytes) ? { outcome: 'same' } : found('fork', `${first.location} and ${second.location} hold different segments, and both are signed`);
      case 'absent':
        return { outcome: 'lacking', first: firstSequence, end: size };
      case 'debris':
      case 'damaged': {
        const code = FINDING_CODES.find((candidate) => b.fault.startsWith(`${candidate}:`)) ?? 'checkpoint_mismatch';
        return found(code, `${second.location} does not hold what was signed: ${b.fault}`);
      }
    }
  }

  #foreign(key: string, why: string): Pair {
    const { chainId, second } = this.#options;
    return { outcome: 'found', finding: { code: 'foreign_object', chainId, key, detail: `in ${second.location}: ${why}` } };
  }
}
