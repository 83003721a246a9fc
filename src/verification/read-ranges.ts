/** Has ranges judged in parallel and joins what comes back, in order: the same result as one walk over all. */
import { emptyState, joins } from './range-task.js';
import type { PlainState, RangeResult, RangeTask } from './range-task.js';
import type { Executor } from './executor.js';
import { FindingList } from './finding-list.js';
import type { Looked } from './chain-walk.js';
import type { PlannedRange } from './plan.js';

export interface ReadRangesOptions {
  readonly plan: AsyncIterable<PlannedRange>;
  readonly executor: Executor;
  /** What all tasks have in common. */
  readonly task: Pick<RangeTask, 'chainId' | 'keys' | 'wanted' | 'countFrom' | 'maxFindings'>;
  /** Where the chain stands before the first range; absent if that is not known. */
  readonly state: PlainState | undefined;
  readonly onProgress: (entries: number, segments: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** What was read, from the first range on without a hole. */
export interface Reading extends Looked {
  entries: number;
  segments: number;
  readonly findings: FindingList;
  state: PlainState;
  /** One past the last sequence that any object holds or claims; absent if there was no object. */
  end: number | undefined;
  /** Of the last sound segment. */
  checkpoint: string | undefined;
  readonly signers: Set<string>;
  /** Ended early, because the signal asked for it. */
  aborted: boolean;
}

export async function readRanges(options: ReadRangesOptions): Promise<Reading> {
  const { plan, executor, task: common, signal } = options;
  const reading: Reading = {
    entries: 0,
    segments: 0,
    findings: new FindingList(common.maxFindings),
    state: options.state ?? emptyState,
    end: undefined,
    checkpoint: undefined,
    signers: new Set(),
    roots: new Map(),
    entryHashes: new Map(),
    aborted: false,
  };
  // Enough ahead that no thread waits while the oldest range is still under way.
  const ahead = executor.width === 1 ? 1 : 2 * executor.width;
  const underWay: { readonly task: RangeTask; readonly result: Promise<RangeResult> }[] = [];
  const settleOldest = async (): Promise<void> => {
    const oldest = underWay.shift();
    if (oldest === undefined) return;
    const { task } = oldest;
    let result = await oldest.result;
    // Judged without knowing what comes before, and it makes a difference: judge it again, knowing.
    if (task.state === undefined && !joins(reading.state, task, result)) {
      result = await executor.run({ ...task, state: reading.state }, () => undefined, signal);
    }
    merge(reading, result);
  };
  try {
    for await (const { firsts, versions, following } of plan) {
      while (underWay.length >= ahead) await settleOldest();
      signal?.throwIfAborted();
      const known = underWay.length === 0 && (reading.end !== undefined || options.state !== undefined);
      const task: RangeTask = { ...common, firsts, versions, following, state: known ? reading.state : undefined };
      const result = executor.run(task, options.onProgress, signal);
      // It is awaited in its turn; until then its failure is not unhandled.
      result.catch(() => undefined);
      underWay.push({ task, result });
    }
    while (underWay.length > 0) await settleOldest();
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    reading.aborted = true;
  }
  return reading;
}

function merge(reading: Reading, result: RangeResult): void {
  reading.entries += result.entries;
  reading.segments += result.segments;
  reading.findings.addAll(result.findings);
  reading.state = result.state;
  // A range of nothing but what is not of the chain has no end.
  if (result.end > 0) reading.end = Math.max(reading.end ?? 0, result.end);
  reading.checkpoint = result.checkpoint ?? reading.checkpoint;
  for (const keyId of result.signers) reading.signers.add(keyId);
  for (const [size, root] of result.roots) reading.roots.set(size, root);
  for (const [sequence, entryHash] of result.entryHashes) reading.entryHashes.set(sequence, entryHash);
}
