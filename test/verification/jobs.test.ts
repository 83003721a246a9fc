import { describe, expect, test } from 'vitest';
import { JobBoard, TooManyJobsError } from '#indelible/verification/job-board.js';
import { VerificationJobs } from '#indelible/verification/jobs.js';
import { MarkFolder } from '#indelible/verification/mark.js';
import { readEvidence } from '#indelible/verification/evidence.js';
import { verifyAll, worstVerdict } from '#indelible/verification/verify-all.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { buildSegments, putObjects, storeObjects, TEST_KEY } from '../support/chain-builder.js';
import { scratchFolders } from '../support/scratch.js';
import { storeOf } from '../support/stores.js';
import { openStore } from '#indelible/verification/store-config.js';

const scratch = scratchFolders();
const segments = buildSegments({ chainId: 'orders', counts: [4, 1, 7, 2] });
const payments = buildSegments({ chainId: 'payments', counts: [3, 3] });
const objects = storeObjects([segments, payments]);

describe('a board of jobs', () => {
  /** Jobs that end when they are told to. */
  function controlled(limits: object = {}): { board: JobBoard<string, number, string>; end: Map<string, () => void>; now: { ms: number }; forgotten: string[] } {
    const end = new Map<string, () => void>();
    const now = { ms: 0 };
    const forgotten: string[] = [];
    const board = new JobBoard<string, number, string>(
      (request, { signal, onProgress }) => new Promise((resolve, reject) => {
        onProgress(1);
        end.set(request, () => (request === 'bad' ? reject(new Error('it failed')) : resolve(`${request} done`)));
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      }),
      { ...limits, now: () => new Date(now.ms), onForgotten: ({ request }) => forgotten.push(request) },
    );
    return { board, end, now, forgotten };
  }

  test('runs some at once, the others wait, and more than that are refused', async () => {
    const { board, end } = controlled({ running: 2, queued: 2 });
    const jobs = ['a', 'b', 'c', 'd'].map((request) => board.start(request));
    expect(jobs.map(({ id }) => board.get(id)?.state)).toEqual(['running', 'running', 'queued', 'queued']);
    expect(board.get(jobs[0]!.id)?.progress).toBe(1);
    expect(() => board.start('e')).toThrow(TooManyJobsError);
    end.get('a')!();
    await board.finished(jobs[0]!.id);
    expect(jobs.map(({ id }) => board.get(id)?.state)).toEqual(['done', 'running', 'running', 'queued']);
    expect(board.get(jobs[0]!.id)?.result).toBe('a done');
    board.start('e');
    await board.close();
  });

  test('keeps what failed and why, and goes on', async () => {
    const { board, end } = controlled({ running: 1 });
    const [bad, next] = [board.start('bad'), board.start('next')];
    end.get('bad')!();
    await board.finished(bad.id);
    expect(board.get(bad.id)).toMatchObject({ state: 'failed', error: { message: 'it failed' } });
    expect(board.get(next.id)?.state).toBe('running');
    await board.close();
  });

  test('cancels what waits and what runs', async () => {
    const { board } = controlled({ running: 1 });
    const [running, waiting] = [board.start('a'), board.start('b')];
    expect([board.cancel(waiting.id), board.cancel(running.id), board.cancel('nobody')]).toEqual([true, true, false]);
    await board.finished(running.id);
    expect([board.get(running.id)?.state, board.get(waiting.id)?.state]).toEqual(['cancelled', 'cancelled']);
    expect(board.cancel(running.id)).toBe(false);
  });

  test('forgets the finished after a while, and the oldest when there are many', async () => {
    const { board, end, now, forgotten } = controlled({ running: 9, keepMs: 1_000, kept: 2 });
    for (const request of ['a', 'b', 'c']) {
      const { id } = board.start(request);
      end.get(request)!();
      await board.finished(id);
    }
    const running = board.start('still running');
    expect(forgotten).toEqual(['a']);
    now.ms = 1_000;
    expect(board.list().map(({ request }) => request)).toEqual(['still running']);
    expect(forgotten).toEqual(['a', 'b', 'c']);
    expect(board.get(running.id)?.state).toBe('running');
    await board.close();
    expect(() => board.start('late')).toThrow(TooManyJobsError);
  });

  test('turns an error thrown at once into a failed job', async () => {
    const board = new JobBoard<string, number, string>(() => {
      throw new Error('at once');
    });
    const { id } = board.start('a');
    await board.finished(id);
    expect(board.get(id)).toMatchObject({ state: 'failed', error: { message: 'at once' } });
  });
});

describe('verification jobs', () => {
  async function folder(): Promise<{ root: string; jobs: VerificationJobs }> {
    const root = await scratch();
    await putObjects(root, objects);
    const config = { kind: 'filesystem', root } as const;
    const marks = { folder: new MarkFolder(`${root}-marks`), signer: TEST_KEY };
    return { root, jobs: new VerificationJobs({ store: await openStore(config), config, marks, maxSynchronous: 10 }) };
  }

  async function result(jobs: VerificationJobs, ...request: Parameters<VerificationJobs['start']>): Promise<VerificationReport | undefined> {
    const { id } = await jobs.start(...request);
    await jobs.finished(id);
    return jobs.get(id)?.report;
  }

  test('show their progress and keep their report', async () => {
    const { jobs } = await folder();
    const { id } = await jobs.start('orders');
    await jobs.finished(id);
    expect(jobs.get(id)).toMatchObject({ id, chainId: 'orders', state: 'done', from: 0, to: 13, entriesDone: 14, entriesTotal: 14, report: { verdict: 'intact', trust: { source: 'store' } } });
    expect(jobs.get('nobody')).toBeUndefined();
    expect(jobs.list()).toHaveLength(1);
    await jobs.close();
  });

  test('leave a mark when they find a whole chain intact, and begin there if asked', async () => {
    const { jobs } = await folder();
    expect(await result(jobs, 'orders', { incremental: true })).toMatchObject({ range: { from: 0, to: 13 } });
    expect(await result(jobs, 'orders', { incremental: true })).toMatchObject({ verdict: 'intact', range: { from: 14, to: 13 }, restsOnMark: { size: 14 } });
    expect(await result(jobs, 'orders')).toMatchObject({ range: { from: 0, to: 13 } });
    expect(await result(jobs, 'orders', { from: 3, to: 6 })).toMatchObject({ verdict: 'intact', range: { from: 0, to: 11 } });
    await jobs.close();
  });

  test('hold the chain against what they are given', async () => {
    const { jobs } = await folder();
    const later = buildSegments({ chainId: 'orders', counts: [2], after: segments.at(-1)!.head });
    const report = await result(jobs, 'orders', { against: [readEvidence(Buffer.from(later[0]!.checkpoint), 'kept')] });
    expect(report).toMatchObject({ verdict: 'tampered', findings: [{ code: 'truncated_tail' }] });
    await jobs.close();
  });

  test('refuse what makes no sense', async () => {
    const { jobs } = await folder();
    await expect(jobs.start('orders', { from: 4, to: 3 })).rejects.toMatchObject({ code: 'range_invalid' });
    await expect(jobs.start('orders', { incremental: true, from: 3 })).rejects.toMatchObject({ code: 'range_invalid' });
    await jobs.close();
  });

  test('answer at once for a few entries, and only for a few', async () => {
    const { jobs } = await folder();
    expect(await jobs.verifyRange('orders', { from: 4, to: 4 })).toMatchObject({ verdict: 'intact', range: { from: 4, to: 4 } });
    await expect(jobs.verifyRange('orders', { from: 0, to: 10 })).rejects.toMatchObject({ code: 'range_invalid' });
    await expect(jobs.verifyRange('orders', { from: 5, to: 4 })).rejects.toMatchObject({ code: 'range_invalid' });
    await jobs.close();
  });
});

describe('all chains', () => {
  async function reports(options: Parameters<typeof verifyAll>[0]): Promise<VerificationReport[]> {
    const all = [];
    for await (const report of verifyAll(options)) all.push(report);
    return all;
  }

  test('are verified one after another, in order', async () => {
    const root = await scratch();
    await putObjects(root, objects);
    const config = { kind: 'filesystem', root } as const;
    for (const workers of [0, 2]) {
      const all = await reports({ store: await openStore(config), config, workers });
      expect(all.map(({ chainId, verdict, entriesChecked }) => [chainId, verdict, entriesChecked])).toEqual([['orders', 'intact', 14], ['payments', 'intact', 6]]);
    }
  });

  test('include those of which only evidence is left', async () => {
    const lost = buildSegments({ chainId: 'lost', counts: [5] });
    const against = [readEvidence(Buffer.from(lost[0]!.checkpoint), 'kept'), readEvidence(Buffer.from(payments[1]!.checkpoint), 'also kept')];
    const all = await reports({ store: storeOf(objects), against });
    expect(all.map(({ chainId, verdict, firstBadSequence }) => [chainId, verdict, firstBadSequence])).toEqual([['orders', 'intact', undefined], ['payments', 'intact', undefined], ['lost', 'tampered', 0]]);
    expect(all[1]!.heldAgainst.map(({ outcome }) => outcome)).toEqual(['other_chain', 'contained']);
  });

  test('may each rest on a mark', async () => {
    const store = storeOf(objects);
    const { signMark } = await import('#indelible/verification/mark.js');
    const { verifyChain } = await import('#indelible/verification/verify-chain.js');
    const note = await signMark(TEST_KEY, await verifyChain({ store, chainId: 'orders' }));
    const all = await reports({ store, mark: (chainId) => Promise.resolve(chainId === 'orders' ? note : undefined) });
    expect(all.map(({ restsOnMark }) => restsOnMark?.size)).toEqual([14, undefined]);
  });

  test('together are as bad as the worst', () => {
    expect(worstVerdict([])).toBe('intact');
    expect(worstVerdict(['intact', 'indeterminate', 'intact'])).toBe('indeterminate');
    expect(worstVerdict(['incomplete', 'indeterminate'])).toBe('incomplete');
    expect(worstVerdict(['tampered', 'incomplete'])).toBe('tampered');
  });
});
