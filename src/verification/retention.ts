/**
 * Whether each entry is locked as it should be. A request for each segment, so it is done when it is asked for. What
 * the store does not show is never taken for fine.
 */
import { parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { judgeVersions } from '../ledger/segment-at.js';
import type { SegmentTrust } from '../ledger/segment-at.js';
import { isContested } from '../storage/worm-store.js';
import { retried } from './object-reader.js';
import type { KeyVersions, Retention, StoredVersion, StoreReader } from '../storage/worm-store.js';

export interface AskedRetention {
  readonly mode: Retention['mode'];
  /** From the time on at which the object was stored. */
  readonly days: number;
  /** Told how many segments were looked at. */
  readonly onProgress?: (segments: number) => void;
}

/** Requests at a time. */
const WIDTH = 16;
const DAY_MS = 86_400_000;
/** The end was reckoned by the writer's clock, before the object was stored, perhaps at a later try. */
const SLACK_MS = 3_600_000;

interface Weak {
  readonly firstSequence: number;
  readonly key: string;
  /** Segments in a row with the same are one finding. */
  readonly kind: 'unknown' | 'none' | 'mode' | 'short';
  readonly why: string;
}

/** Of the segments that begin in [from, end). @throws StoreError */
export async function* weakRetention(store: StoreReader, trust: SegmentTrust, chainId: string, from: number, end: number, asked: AskedRetention): AsyncGenerator<Finding> {
  if (store.retentionOf === undefined || store.eachKey === undefined) {
    yield { code: 'retention_weak', chainId, detail: `${store.location} is a store that enforces no retention` };
    return;
  }
  let seen = 0;
  let run: { readonly first: Weak; last: number; segments: number } | undefined;
  const ended = function* (): Generator<Finding> {
    if (run === undefined) return;
    const { first, last, segments } = run;
    yield { code: 'retention_weak', chainId, key: first.key, detail: `${segments} ${segments === 1 ? 'segment, at sequence' : 'segments, at sequences'} ${segments === 1 ? first.firstSequence : `${first.firstSequence} to ${last}`}: ${first.why}` };
    run = undefined;
  };
  for await (const keys of byWidth(store.eachKey(segmentPrefix(chainId), segmentKey(chainId, from)), (key) => key < segmentKey(chainId, end))) {
    for (const weak of await Promise.all(keys.map((key) => lookAt(store, trust, key, asked)))) {
      if (weak === 'no entry') continue;
      seen += 1;
      if (run !== undefined && run.first.kind !== weak?.kind) yield* ended();
      if (weak === undefined) continue;
      run ??= { first: weak, last: weak.firstSequence, segments: 0 };
      run.last = weak.firstSequence;
      run.segments += 1;
    }
    asked.onProgress?.(seen);
  }
  yield* ended();
}

async function* byWidth(keys: AsyncIterable<KeyVersions>, isWithin: (key: string) => boolean): AsyncGenerator<readonly KeyVersions[]> {
  let some: KeyVersions[] = [];
  for await (const key of keys) {
    if (!isWithin(key.key)) break;
    some.push(key);
    if (some.length < WIDTH) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}

async function lookAt(store: StoreReader, trust: SegmentTrust, { key, versions }: KeyVersions, asked: AskedRetention): Promise<Weak | undefined | 'no entry'> {
  const place = parseSegmentKey(key);
  if (place === undefined) return 'no entry';
  const version = isContested(versions) ? await entryOf(store, trust, place, versions) : versions[0];
  if (version === undefined) return 'no entry';
  const shown = await retried(() => store.retentionOf?.(key, version.versionId) ?? Promise.resolve('unknown' as const));
  const retention = typeof shown === 'object' && 'outcome' in shown ? 'unknown' : shown;
  const weak = (kind: Weak['kind'], why: string): Weak => ({ firstSequence: place.firstSequence, key, kind, why });
  if (retention === 'unknown') return weak('unknown', 'unknown: there is no retention, or the store does not let it be seen');
  if (retention === 'none') return weak('none', 'no retention');
  if (retention.mode !== 'compliance' && retention.mode !== asked.mode) return weak('mode', `the mode is ${retention.mode}, asked for is ${asked.mode}`);
  const until = Date.parse(version.storedAt) + asked.days * DAY_MS;
  if (Date.parse(retention.retainUntil) >= until - SLACK_MS) return undefined;
  return weak('short', `stored at ${version.storedAt} and kept until ${retention.retainUntil}, asked for are ${asked.days} days`);
}

async function entryOf(store: StoreReader, trust: SegmentTrust, place: { readonly chainId: string; readonly firstSequence: number }, versions: readonly StoredVersion[]): Promise<StoredVersion | undefined> {
  const at = await retried(() => judgeVersions(store, trust, place, versions));
  return at.outcome === 'entry' ? versions.find(({ versionId }) => versionId === at.versionId) : undefined;
}
