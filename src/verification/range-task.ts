/** One range of a chain's objects, judged by whoever is free: this thread or a worker. */
import { hexDecode, hexEncode } from '#platform';
import type { ChainHead } from '../core/chain.js';
import { judgeVersions } from '../ledger/segment-at.js';
import type { StoredVersion, StoreReader } from '../storage/worm-store.js';
import { ChainWalk, startAt } from './chain-walk.js';
import type { Wanted, WalkState } from './chain-walk.js';
import { FindingList } from './finding-list.js';
import type { FindingSummary } from './finding-list.js';
import { lookUp, readListed, readSegment, retried } from './object-reader.js';
import type { ObjectRead } from './object-reader.js';
import { LaterKeys } from './trust.js';
import type { ChainKeys } from './trust.js';

/** Plain data, because it travels between threads. */
export interface RangeTask {
  readonly chainId: string;
  readonly keys: ChainKeys;
  /** First sequences of the objects, by their keys, ascending; at least one. */
  readonly firsts: readonly number[];
  /** What each of their keys was listed with, where keys hold versions: what is read is read by these. */
  readonly versions: readonly (readonly StoredVersion[])[] | undefined;
  /** That of the object listed behind them. */
  readonly following: number | undefined;
  /** Where the chain stands before them, if that is known already. */
  readonly state: PlainState | undefined;
  readonly wanted: Wanted;
  readonly countFrom: number;
  readonly maxFindings: number;
}

export interface RangeResult {
  readonly entries: number;
  readonly segments: number;
  readonly findings: FindingSummary;
  /** What the first object states of the chain before it; absent if it is not sound by itself. */
  readonly claim: PlainHead | undefined;
  readonly firstReceivedAt: string;
  readonly state: PlainState;
  readonly end: number;
  readonly checkpoint: string | undefined;
  readonly signers: readonly string[];
  readonly roots: readonly (readonly [number, { readonly root: string; readonly signed: boolean }])[];
  readonly entryHashes: readonly (readonly [number, string])[];
}

export interface PlainHead {
  readonly size: number;
  readonly lastEntryHash: string;
  readonly frontier: readonly string[];
  readonly lastReceivedAt: string;
}

export interface PlainState {
  readonly next: number | undefined;
  readonly head: PlainHead | undefined;
  readonly signedRoot: string | undefined;
}

/** Nothing is known of what comes before. */
export const emptyState: PlainState = { next: undefined, head: undefined, signedRoot: undefined };

export function plainHead({ size, lastEntryHash, frontier, lastReceivedAt }: ChainHead): PlainHead {
  return { size, lastEntryHash: hexEncode(lastEntryHash), frontier: frontier.hashes.map(hexEncode), lastReceivedAt };
}

export function plainState({ next, head, signedRoot }: WalkState): PlainState {
  return {
    next,
    head: head === undefined ? undefined : plainHead(head),
    signedRoot: signedRoot === undefined ? undefined : hexEncode(signedRoot),
  };
}

export function chainHead(chainId: string, { size, lastEntryHash, frontier, lastReceivedAt }: PlainHead): ChainHead {
  return { chainId, size, lastEntryHash: hexDecode(lastEntryHash), frontier: { size, hashes: frontier.map(hexDecode) }, lastReceivedAt };
}

function walkState(chainId: string, { next, head, signedRoot }: PlainState): WalkState {
  return {
    next,
    head: head === undefined ? undefined : chainHead(chainId, head),
    signedRoot: signedRoot === undefined ? undefined : hexDecode(signedRoot),
  };
}

/** Entries between two calls of `onProgress`. */
const PROGRESS_STEP = 4_000;

export async function runRange(
  store: StoreReader,
  task: RangeTask,
  onProgress: (entries: number, segments: number) => void,
  signal?: AbortSignal,
): Promise<RangeResult> {
  const { chainId, firsts, versions, following } = task;
  const findings = new FindingList(task.maxFindings);
  const read = (i: number): Promise<ObjectRead> => {
    const held = versions?.[i];
    return held === undefined ? readSegment(store, chainId, firsts[i] as number) : readListed(store, chainId, firsts[i] as number, held);
  };
  const { wanted, countFrom } = task;
  const state = task.state === undefined ? startAt(firsts[0] as number) : walkState(chainId, task.state);
  const trust = new LaterKeys(store, task.keys);
  const walk = new ChainWalk(
    {
      chainId,
      trust,
      wanted,
      countFrom,
      versioned: store.versioned,
      lookUp: (first) => lookUp(store, chainId, first),
      judge: (firstSequence, before, held) => retried(() => judgeVersions(store, trust, { chainId, firstSequence, before }, held)),
    },
    state,
    findings,
  );

  let reported = { entries: 0, segments: 0 };
  // One object ahead: the disk works while this thread hashes.
  let ahead = read(0);
  for (let i = 0; i < firsts.length; i++) {
    signal?.throwIfAborted();
    const object = await ahead;
    const next = firsts[i + 1];
    if (next !== undefined) {
      ahead = read(i + 1);
      // It is awaited in the next round; until then its failure is not unhandled.
      ahead.catch(() => undefined);
    }
    await walk.step(firsts[i] as number, object, next ?? following);
    if (walk.entries - reported.entries >= PROGRESS_STEP || next === undefined) {
      onProgress(walk.entries - reported.entries, walk.segments - reported.segments);
      reported = { entries: walk.entries, segments: walk.segments };
    }
  }
  return {
    entries: walk.entries,
    segments: walk.segments,
    findings: findings.summary(),
    claim: walk.firstClaim === undefined ? undefined : plainHead(walk.firstClaim),
    firstReceivedAt: walk.firstReceivedAt,
    state: plainState(walk.state),
    end: walk.end,
    checkpoint: walk.checkpoint,
    signers: [...walk.signers],
    roots: [...walk.looked.roots],
    entryHashes: [...walk.looked.entryHashes],
  };
}

/**
 * Whether a range that was judged without knowing what comes before it says the same as if it had been
 * judged behind `state`.
 */
export function joins(state: PlainState, task: RangeTask, result: RangeResult): boolean {
  const first = task.firsts[0];
  const { claim } = result;
  // Behind one whose extent is not known, a first object that is none of the chain says nothing of where it goes on.
  if (state.head === undefined) return state.signedRoot === undefined && (state.next === first || (state.next === undefined && claim !== undefined));
  return (
    state.next === first &&
    claim !== undefined &&
    claim.size === state.head.size &&
    claim.lastEntryHash === state.head.lastEntryHash &&
    claim.frontier.length === state.head.frontier.length &&
    claim.frontier.every((hash, i) => hash === state.head?.frontier[i]) &&
    result.firstReceivedAt >= state.head.lastReceivedAt
  );
}
