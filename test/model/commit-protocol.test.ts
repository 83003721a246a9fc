import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

// The script searches every state of test/model/commit.pml with spin. It fails, rather than skips,
// where spin is missing; see docs/commit-model.md.
const script = fileURLToPath(new URL('../../scripts/check-model.sh', import.meta.url));

interface Result {
  readonly states: number;
  /** `holds`, or the promise that was found broken. */
  readonly outcome: string;
}

interface Run {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function checkModel(): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(script, [], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}

let run: Run;
const results = new Map<string, Result>();

beforeAll(async () => {
  run = await checkModel();
  for (const [, name, states, outcome] of run.stdout.matchAll(/^ok +(\S+) +(\d+) states +(.+)$/gm)) {
    results.set(name!, { states: Number(states), outcome: outcome! });
  }
}, 900_000);

describe('the commit protocol, in every order in which its steps can happen', () => {
  it('was searched to the end, and nothing came out other than expected', () => {
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(run.stdout).not.toContain('FAILED');
    expect(run.stdout).toContain(`check-model: ${results.size} of ${results.size} configurations as expected`);
  });

  it.each([
    ['folder', 'when requests land late and a writer crashes', 900_000],
    ['folder-two-late-requests', 'when writers crash twice and two old requests are still under way', 1_000_000],
    ['folder-power-cut', 'when the power goes before a file is flushed', 180_000],
    ['folder-three-writers', 'when three writers race', 1_500_000],
    ['s3', 'when each writer confirms what it created', 700_000],
    ['s3-delete-marker-and-junk', 'when someone hides a segment and puts junk in its way', 600_000],
    ['s3-condition-ignored-but-confirmed', 'when the store ignores the condition but keeps versions in order', 100_000],
    ['single-writer-condition-ignored', 'when a declared single writer uses a store without a condition', 6_000],
    ['s3-second-bucket', 'when two processes copy what is stored to a second bucket, and someone hides things in either', 1_000_000],
    ['s3-second-bucket-marker-and-junk', 'when someone puts junk in the way of the copies, too', 1_000_000],
    ['changed-content-under-a-real-condition', 'when only the rule of the same bytes is broken', 30_000],
  ])('%s: no acknowledged entry is lost, moved or doubled %s', (name, _when, leastStates) => {
    expect(results.get(name)?.outcome).toBe('holds');
    expect(results.get(name)?.states).toBeGreaterThanOrEqual(leastStates);
  });
});

describe('each rule of the commit protocol is needed', () => {
  it.each([
    ['BREAK_ACK_BEFORE_DURABLE', 'a receipt would name an entry that was never stored', 'an_ack_stays_true'],
    ['BREAK_ANSWER_FROM_VISIBLE', 'a power cut would take an acknowledged entry', 'an_ack_stays_true'],
    ['BREAK_CHANGE_CONTENT_WHILE_UNSETTLED', 'an old request would replace an acknowledged segment', 'no_fork'],
    ['BREAK_COPY_FROM_MEMORY', 'the second bucket would hold what was planned and never stored', 'the_copy_is_the_log'],
    ['BREAK_EXISTS_MEANS_COPIED', 'an entry would be called replicated where junk lies in the place of its copy', 'replicated_is_there'],
    ['BREAK_EXISTS_MEANS_MINE', "the loser of a race would hand out receipts for the winner's place", 'no_fork'],
    ['BREAK_MOVE_ON_WHILE_UNSETTLED', 'the chain would have a hole', 'no_hole'],
    ['BREAK_NO_DEDUPE_ON_ADOPT', 'a retried event would be in the log twice', 'no_id_twice'],
    ['BREAK_RESTART_TOO_SOON', 'a request from before the crash would replace an acknowledged segment', 'no_fork'],
    ['BREAK_SKIP_ADOPT', 'an honest log would fail verification', 'every_link_matches'],
    ['BREAK_START_WITHOUT_IDS', 'an event retried after a restart would be in the log twice', 'no_id_twice'],
    ['BREAK_TRUST_CREATED', 'one delete marker would be enough to lose an acknowledged entry', 'no_fork'],
    ['BREAK_UNCONDITIONAL_PUT', 'the second writer would replace what the first has acknowledged', 'no_fork'],
  ])('without it (%s) %s', (name, _loss, promise) => {
    expect(results.get(name)?.outcome).toBe(promise);
  });
});

describe('the model is not empty', () => {
  it.each([
    ['REACH_EVERY_ID_ACKNOWLEDGED', 'every client gets its receipt, from two writers and after a crash'],
    ['REACH_LATE_REQUEST_OF_AN_EARLIER_LIFE', 'a request from before a crash is stored after it'],
  ])('%s: %s', (name) => {
    expect(results.get(name)?.outcome).toBe('never_reached');
  });
});
