/**
 * Copies segments to a second bucket and confirms each: what the second bucket holds at the segment's key, in the
 * version that counts there, is these bytes under the retention asked for. Only then is an entry `replicated`.
 *
 * - Every copy carries the same bytes to the same key, created once. So any number of processes may copy at once,
 *   a failure without an answer is simply tried again, and a bucket replication by the provider may do the work.
 * - What is at the key already is read and compared. Junk that nobody signed is written over, as an append does;
 *   any other bytes are a difference between the fault domains: it is reported, and copying of that chain goes no
 *   further until it is gone.
 * - Where to go on is found from the second bucket itself. Not by a search for its end: copies come in parallel, a
 *   provider's in any order, and who may write there can put one true segment far ahead, so behind the end there
 *   can be holes. The keys of both buckets are walked side by side, once a chain and process (one listing for 1,000
 *   segments of each), up to the first that is missing; and the bytes of the last few are compared.
 */
import { parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import { equalBytes } from '../core/merkle.js';
import { parseNote } from '../core/note.js';
import type { Segment } from '../core/segment.js';
import type { DerivedCopy } from '../ledger/follower.js';
import { findHead } from '../ledger/head.js';
import { sleep } from '../ledger/host.js';
import type { Host } from '../ledger/host.js';
import { judgeVersions, segmentAt } from '../ledger/segment-at.js';
import type { SegmentAt } from '../ledger/segment-at.js';
import { DEPLOYMENT_KEY, KEYS_PREFIX } from '../ledger/trust.js';
import type { ChainTrust } from '../ledger/trust.js';
import { everyKey, StoreError } from '../storage/worm-store.js';
import type { Retention, StoredVersion, StoreReader, WormStore } from '../storage/worm-store.js';
import { DifferenceError, Differences } from './difference.js';
import type { Difference } from './difference.js';
import { mergedKeys } from './merged-keys.js';
import { testimonyOf } from './witness.js';

export interface ReplicatorOptions {
  readonly first: StoreReader;
  /** Each call of which is bounded in time. */
  readonly second: WormStore;
  readonly trust: ChainTrust;
  readonly host: Host;
  /** False: others copy, and this process looks at what is there. */
  readonly copies: boolean;
  /** Where no process of ours copies, but the provider's replication: whatever it did wrong is told by this process. */
  readonly compares?: boolean;
  readonly retention: () => Retention;
  /** Before the first write: whether the second bucket may be trusted at all. Asked until it does not throw. */
  readonly prepare: () => Promise<void>;
  readonly onDifference: (difference: Difference) => void;
}

/** Copies of one chain under way at a time: the second bucket may be far away. */
const WIDTH = 16;
/** Objects whose bytes are compared when a chain is first looked at. A process that died leaves WIDTH unconfirmed. */
const TAIL = WIDTH;
const LOOK_AGAIN_MS = 1_000;
/** Junk written over within one copy: each needs somebody who writes at that moment. */
const MAX_OVER = 4;

/** What this process knows the second bucket to hold of a chain. */
interface Confirmed {
  readonly through: number;
  /** Of the last segment below `through`. */
  readonly lastFirst: number | undefined;
}

export class Replicator implements DerivedCopy {
  readonly #options: ReplicatorOptions;
  readonly #differences: Differences;
  readonly #chains = new Map<string, Confirmed>();
  #prepared = false;
  /** Objects beside the chains that the second bucket has. */
  readonly #statements = new Set<string>();
  /** Key IDs whose key was looked for since it was first seen. */
  readonly #signers = new Set<string>();
  #closed = false;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    this.#differences = new Differences(options.onDifference);
  }

  /** Those that stand. */
  get differences(): readonly Difference[] {
    return this.#differences.all;
  }

  /** Leading entries that this process knows to be in the second bucket. */
  replicatedThrough(chainId: string): number {
    return this.#chains.get(chainId)?.through ?? 0;
  }

  /** Why nothing may be appended to the chain: the second bucket shows that the first has lost its end. */
  cutOff(chainId: string): Difference | undefined {
    return this.#differences.of(chainId, 'truncated_tail');
  }

  async through(chainId: string): Promise<number> {
    let confirmed = this.#chains.get(chainId);
    if (confirmed === undefined) {
      confirmed = await this.#walk(chainId);
      this.#chains.set(chainId, confirmed);
    }
    return confirmed.through;
  }

  async add(chainId: string, segments: readonly Segment[]): Promise<void> {
    const through = await this.through(chainId);
    const missing = segments.filter((segment) => segment.head.size > through);
    const { copies, compares = false } = this.#options;
    if (missing.length > 0 && (copies || compares)) await this.#stateKeys(missing);
    for (let at = 0; at < missing.length; at += WIDTH) {
      if (this.#closed) throw new Error('closed');
      const group = missing.slice(at, at + WIDTH);
      if (copies) await all(group.map((segment) => this.#copy(segment)));
      else if (compares) {
        await this.#arrived(group.map(({ key }) => key), segmentPrefix(chainId));
        await all(group.map((segment) => this.#compare(segment)));
      } else await this.#seen(group);
      const last = group.at(-1) as Segment;
      this.#chains.set(chainId, { through: last.head.size, lastFirst: last.firstSequence });
    }
  }

  /**
   * Whether the second bucket still holds the end that was confirmed, and whether it holds more than the first.
   * @returns `lost` if the chain must be walked and copied anew
   */
  async inspect(chainId: string): Promise<'as_known' | 'lost'> {
    const { first, second, trust } = this.#options;
    const confirmed = this.#chains.get(chainId);
    if (confirmed?.lastFirst !== undefined) {
      const key = segmentKey(chainId, confirmed.lastFirst);
      // A few keys tell, most of the time, that both still hold the end that was confirmed and neither more.
      const theirs = await second.list(segmentPrefix(chainId), { from: key, limit: 2 });
      if (theirs.keys[0] !== key) {
        this.#chains.delete(chainId);
        this.#differences.add({ code: 'missing_object', chainId, key, detail: `${second.location} held it, and lacks it now` });
        return 'lost';
      }
      const ours = await first.list(segmentPrefix(chainId), { from: key, limit: 1 });
      if (theirs.keys.length === 1 && ours.keys[0] === key) {
        this.#differences.drop(chainId, 'truncated_tail');
        return 'as_known';
      }
    }
    const { witness, foreign } = await testimonyOf(second, chainId, trust);
    for (const key of foreign) this.#differences.add({ code: 'foreign_object', chainId, key, detail: `in ${second.location} lies what no key of the deployment signed for this place` });
    // Asked after the second: what is copied was in the first before.
    const { head } = await findHead(first, chainId, trust);
    if (witness !== undefined && witness.size > head.size) {
      const detail = `the chain ends at ${head.size} in ${first.location}, and ${second.location} holds ${witness.size} signed entries of it`;
      this.#differences.add({ code: 'truncated_tail', chainId, key: segmentKey(chainId, head.size), detail });
    } else this.#differences.drop(chainId, 'truncated_tail');
    return 'as_known';
  }

  /** What is under way ends early. */
  close(): void {
    this.#closed = true;
  }

  async #walk(chainId: string): Promise<Confirmed> {
    const { first, second } = this.#options;
    let common: number[] = [];
    let missing: number | undefined;
    for await (const { key, inFirst, inSecond } of mergedKeys(first, second, segmentPrefix(chainId))) {
      const at = parseSegmentKey(key)?.firstSequence;
      if (at === undefined) continue;
      if (!inSecond) {
        missing = at;
        break;
      }
      // What the second alone holds is for `inspect` to judge.
      if (inFirst || (await first.read(key)) !== undefined) common = [...common.slice(1 - TAIL), at];
    }
    const ends = await all(common.map((at) => this.#endIfEqual(chainId, at)));
    const different = ends.findIndex((end) => end === undefined);
    // From there on they are copied again: that is where a difference is reported.
    const sound = different < 0 ? common.length : different;
    if (sound === 0) return { through: 0, lastFirst: undefined };
    return { through: Math.min(ends[sound - 1] as number, missing ?? Number.MAX_SAFE_INTEGER), lastFirst: common[sound - 1] };
  }

  /** Where the segment ends, if both hold the same one there. */
  async #endIfEqual(chainId: string, firstSequence: number): Promise<number | undefined> {
    const { first, second, trust } = this.#options;
    const [ours, theirs] = await all([first, second].map((store) => segmentAt(store, trust, { chainId, firstSequence })));
    const same = ours?.outcome === 'entry' && theirs?.outcome === 'entry' && equalBytes(ours.bytes, theirs.bytes);
    return same ? ours.segment.after.size : undefined;
  }

  /** The name of the deployment and its keys come before the first segment that needs them. */
  async #stateKeys(segments: readonly Segment[]): Promise<void> {
    const { first } = this.#options;
    if (!this.#prepared) await this.#options.prepare();
    this.#prepared = true;
    const signers = segments.flatMap(({ checkpoint }) => parseNote(checkpoint).signatures.map(({ keyId }) => keyId));
    if (signers.every((keyId) => this.#signers.has(keyId))) return;
    for await (const key of statementKeys(first)) {
      if (this.#statements.has(key)) continue;
      const bytes = await first.read(key);
      if (bytes === undefined) continue;
      await this.#copyStatement(key, bytes);
      this.#statements.add(key);
    }
    for (const keyId of signers) this.#signers.add(keyId);
  }

  /** @throws DifferenceError if something else is there; StoreError: to be tried again */
  async #copyStatement(key: string, bytes: Uint8Array): Promise<void> {
    const { first, second, copies } = this.#options;
    if (copies) await second.create(key, bytes, this.#options.retention());
    else await this.#arrived([key], key);
    const there = await second.read(key);
    if (there === undefined) throw new StoreError('read', key, 'unknown', 'the key is taken, and holds no object');
    if (!equalBytes(there, bytes)) this.#refuse({ code: 'foreign_object', key, detail: `${second.location} holds other bytes than ${first.location}` });
    this.#differences.settle(key);
  }

  /** @throws DifferenceError if something else is there; StoreError: to be tried again */
  async #copy(segment: Segment): Promise<void> {
    const { second } = this.#options;
    const { chainId, key, bytes } = segment;
    const asked = this.#options.retention();
    let created = await second.create(key, bytes, asked);
    for (let over = 0; over < MAX_OVER; over++) {
      // Also after a success: over a delete marker the condition holds, and the oldest valid version is what counts.
      const versions = await second.versions(key);
      const [only] = versions;
      if (created.outcome === 'created' && versions.length === 1 && only?.versionId === created.versionId) {
        this.#differences.settle(key);
        this.#checkRetention(key, chainId, only.retention, asked, true);
        return;
      }
      const inTheWay = await this.#judge(segment, versions, asked);
      if (inTheWay === undefined) return;
      // Who can write there and holds no key must not be able to stop the copying; not with a true segment of another
      // place either. What belongs here is known from the first bucket, and what is written over stays as a version.
      const latest = second.versioned ? versions.at(-1) : undefined;
      if (latest === undefined || second.createOver === undefined || (inTheWay.outcome === 'damaged' && inTheWay.bytes === undefined)) return this.#refuseForeign(segment, inTheWay.fault);
      created = latest.deleteMarker ? await second.create(key, bytes, asked) : await second.createOver(key, latest, bytes, asked);
    }
    throw new StoreError('create', key, 'unknown', `in ${MAX_OVER} tries, others wrote to the key each time`);
  }

  /** What the provider copied. @throws DifferenceError if something else is there; StoreError: to be tried again */
  async #compare(segment: Segment): Promise<void> {
    const versions = await this.#options.second.versions(segment.key);
    const inTheWay = await this.#judge(segment, versions, this.#options.retention());
    // The copy may still come, as a later version: it is looked for again.
    if (inTheWay !== undefined) this.#refuseForeign(segment, inTheWay.fault);
  }

  /**
   * @returns what lies in the segment's place; nothing where the copy is confirmed
   * @throws DifferenceError if another segment of the deployment is there; StoreError: to be tried again
   */
  async #judge({ chainId, firstSequence, key, bytes }: Segment, versions: readonly StoredVersion[], asked: Retention): Promise<Extract<SegmentAt, { outcome: 'debris' | 'damaged' }> | undefined> {
    const { first, second, trust } = this.#options;
    const place = { chainId, firstSequence };
    const at = second.versioned ? await judgeVersions(second, trust, place, versions) : await segmentAt(second, trust, place);
    const there = `in ${second.location}`;
    switch (at.outcome) {
      case 'entry': {
        if (!equalBytes(at.bytes, bytes)) {
          this.#refuse({ code: 'fork', chainId, key, detail: `${there} lies another segment than in ${first.location}, and it is signed: the key was used for both` });
        }
        this.#differences.settle(key);
        for (const { code, detail } of at.odd) this.#differences.add({ code, chainId, key, detail: `${there}: ${detail}` });
        const kept = versions.find(({ versionId }) => versionId === at.versionId) ?? versions[0];
        this.#checkRetention(key, chainId, kept?.retention ?? 'unknown', asked, false);
        return undefined;
      }
      case 'absent':
        throw new StoreError('versions', key, 'unknown', 'the key is taken, and holds no object');
      case 'damaged':
      case 'debris':
        return at;
    }
  }

  #refuseForeign({ chainId, key }: Segment, fault: string): never {
    const { first, second } = this.#options;
    return this.#refuse({ code: 'foreign_object', chainId, key, detail: `in ${second.location} lies something else than in ${first.location}: ${fault}` });
  }

  #refuse(difference: Difference): never {
    this.#differences.add(difference);
    throw new DifferenceError(difference);
  }

  #checkRetention(key: string, chainId: string, kept: StoredVersion['retention'], asked: Retention, own: boolean): void {
    const where = this.#options.second.location;
    const weak = (detail: string): void => this.#differences.add({ code: 'retention_weak', chainId, key, detail });
    if (kept === 'unknown') weak(`${where} does not show the retention of the copy`);
    else if (kept === 'none') weak(`in ${where} the copy is not under retention`);
    else if (kept.mode === 'governance' && asked.mode === 'compliance') weak(`in ${where} the copy is under governance, asked for was compliance`);
    // What another process copied a moment before is kept until a moment before.
    else if (own && Date.parse(kept.retainUntil) < Date.parse(asked.retainUntil)) weak(`in ${where} the copy is kept until ${kept.retainUntil}, asked for was ${asked.retainUntil}`);
  }

  /** Waits until another process has copied them. A key that is taken says nothing: anyone may have put something there. */
  async #seen(segments: readonly Segment[]): Promise<void> {
    let waiting = segments;
    for (;;) {
      const keys = await this.#keysFrom(waiting[0]?.key, segmentPrefix(segments[0]?.chainId ?? ''));
      const copied = await all(waiting.map(async (segment) => keys.has(segment.key) && (await this.#isCopied(segment))));
      waiting = waiting.filter((_, i) => copied[i] === false);
      if (waiting.length === 0) return;
      await this.#pause();
    }
  }

  /** @throws DifferenceError if another segment of the deployment is there */
  async #isCopied(segment: Segment): Promise<boolean> {
    const { second, trust } = this.#options;
    const at = await segmentAt(second, trust, { chainId: segment.chainId, firstSequence: segment.firstSequence });
    if (at.outcome !== 'entry') return false;
    if (!equalBytes(at.bytes, segment.bytes)) await this.#compare(segment);
    this.#differences.settle(segment.key);
    return true;
  }

  /** Waits until the second bucket has all keys, of which the first is the lowest. */
  async #arrived(wanted: readonly string[], prefix: string): Promise<void> {
    for (;;) {
      const keys = await this.#keysFrom(wanted[0], prefix);
      if (wanted.every((key) => keys.has(key))) return;
      await this.#pause();
    }
  }

  async #keysFrom(from: string | undefined, prefix: string): Promise<ReadonlySet<string>> {
    const page = await this.#options.second.list(prefix, { from, limit: 1_000 });
    return new Set(page.keys);
  }

  async #pause(): Promise<void> {
    for (let waited = 0; waited < LOOK_AGAIN_MS; waited += 50) {
      if (this.#closed) throw new Error('closed');
      await sleep(this.#options.host, 50);
    }
  }
}

async function* statementKeys(first: StoreReader): AsyncGenerator<string> {
  yield DEPLOYMENT_KEY;
  yield* everyKey(first, KEYS_PREFIX);
}

/** As `Promise.all`, and returns only when none is under way any more. */
async function all<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
