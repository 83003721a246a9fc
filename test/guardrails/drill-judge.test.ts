/** When a drill says refused, found or missed. At stake: an auditor who is told of a protection that is none. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { refusalIn } from '#indelible/guardrails/drill/answer.js';
import type { Answer } from '#indelible/guardrails/drill/answer.js';
import type { Attempt } from '#indelible/guardrails/drill/attack.js';
import { judge } from '#indelible/guardrails/drill/judge.js';
import type { JudgeOptions, Judged } from '#indelible/guardrails/drill/judge.js';
import { ScratchChain } from '#indelible/guardrails/drill/scratch-chain.js';
import { STALE_AFTER_SECONDS } from '#indelible/guardrails/drill/scratch-marks.js';
import type { Signal, Watcher, WatcherName } from '#indelible/guardrails/drill/watch.js';

const done: Answer = { request: 'DeleteObject', done: true };
const denied: Answer = { request: 'DeleteObject', done: false, code: 'AccessDenied', message: 'explicit deny in a resource-based policy' };
const signal = (as: string, weight = 1): Signal => ({ id: as, weight, as, detail: `${as} of something` });

/** Tells each of these in turn, the last again and again. */
function watcher(name: WatcherName, ...looks: (readonly Signal[] | Error)[]): Watcher {
  let at = 0;
  return {
    name,
    look() {
      const found = looks[Math.min(at++, looks.length - 1)] ?? [];
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
  };
}

async function judged(attempt: Partial<Attempt>, watchers: readonly Watcher[], more: Partial<JudgeOptions> = {}): Promise<Judged & { readonly waited: number }> {
  let now = 1_000_000;
  const start = now;
  const result = await judge({
    attempt: { tried: 'It was tried.', answers: [done], effect: 'something is gone', ...attempt },
    watchers,
    before: new Map(),
    watched: { chain: new ScratchChain('orders', { mode: 'governance', days: 1 }, [], []) },
    lost: () => Promise.resolve([]),
    entries: () => 6,
    withinMs: 10_000,
    clock: { now: () => now, sleep: (ms) => Promise.resolve(void (now += ms)) },
    ...more,
  });
  return { ...result, waited: now - start };
}

describe('an attack that changed nothing', () => {
  it('is refused, by what the server said, and no monitoring is asked', async () => {
    const { verdict } = await judged({ answers: [denied], effect: undefined }, [watcher('verification', [signal('noise')])]);
    expect(verdict).toEqual({ verdict: 'refused', by: 'AccessDenied: explicit deny in a resource-based policy' });
  });

  it('is refused also if the server said that it was done: the answer alone is no proof of an effect', async () => {
    expect((await judged({ answers: [done], effect: undefined }, [])).verdict).toEqual({ verdict: 'refused', by: expect.stringContaining('nothing had changed') as string });
  });

  it('is not refused if acknowledged entries are gone all the same', async () => {
    const { verdict } = await judged({ answers: [denied], effect: undefined }, [watcher('verification', [])], { lost: () => Promise.resolve([3]) });
    expect(verdict).toMatchObject({ verdict: 'missed' });
  });
});

describe('an attack that took effect', () => {
  it('is found by what monitoring newly tells, with the time that it took', async () => {
    const { verdict } = await judged({}, [watcher('verification', [], [], [signal('delete_marker')])]);
    expect(verdict).toEqual({ verdict: 'found', by: 'verification', as: 'delete_marker', seconds: 1 });
  });

  it('took effect also if the server said that it refused: what is there counts', async () => {
    expect((await judged({ answers: [denied] }, [watcher('verification', [])])).verdict).toMatchObject({ verdict: 'missed' });
  });

  it('is missed if what is told was told before it', async () => {
    const { verdict, waited } = await judged({}, [watcher('guardrails check', [signal('versioning', 3)])], { before: new Map([['guardrails check', [signal('versioning', 3)]]]) });
    expect(verdict).toMatchObject({ verdict: 'missed', because: expect.stringContaining('10 s') as string });
    expect(waited).toBeGreaterThanOrEqual(10_000);
  });

  it('is found if what was told before has become worse', async () => {
    const { verdict } = await judged({}, [watcher('guardrails check', [signal('versioning', 3)])], { before: new Map([['guardrails check', [signal('versioning', 2)]]]) });
    expect(verdict).toMatchObject({ verdict: 'found', as: 'versioning' });
  });

  it('is missed if monitoring can not look, and the report says so', async () => {
    const { verdict, evidence } = await judged({}, [watcher('verification', new Error('access denied'))]);
    expect(verdict).toMatchObject({ verdict: 'missed' });
    expect(evidence.join()).toContain('The verification could not be done: access denied');
  });

  it('is missed if entries are lost and only something else is told of than their loss', async () => {
    const lost = { lost: () => Promise.resolve([4, 5]) };
    expect((await judged({}, [watcher('guardrails check', [signal('versioning')]), watcher('verification', [])], lost)).verdict).toMatchObject({ verdict: 'missed', because: expect.stringContaining('entries were lost') as string });
    const found = await judged({}, [watcher('guardrails check', [signal('versioning')]), watcher('verification', [signal('truncated_tail')])], lost);
    expect(found.verdict).toMatchObject({ verdict: 'found', as: 'truncated_tail' });
    expect(found.evidence.join()).toContain('2 of 6 acknowledged entries could not be read any more (sequences 4, 5)');
  });

  it('that shows only after a time counts that time, without waiting for it', async () => {
    const { verdict, waited } = await judged({ laterMs: 172_860_000 }, [{ name: 'age of the last verification', look: ({ nowMs }) => Promise.resolve(nowMs > 172_860_000 ? [signal('verification_stale')] : []) }]);
    expect(verdict).toMatchObject({ verdict: 'found', seconds: 172_860 });
    expect(waited).toBe(0);
  });
});

describe('an answer', () => {
  const s3 = (name: string, httpStatusCode: number): Error => Object.assign(new Error(`${name}.`), { name, $metadata: { httpStatusCode } });

  it('is a refusal only if the server says that it will not, not if it can not now or is not there', () => {
    expect(refusalIn(s3('AccessDenied', 403))).toEqual({ code: 'AccessDenied', message: 'AccessDenied' });
    expect(refusalIn(s3('NotImplemented', 501))).toMatchObject({ code: 'NotImplemented' });
    expect(refusalIn(s3('InvalidBucketState', 409))).toMatchObject({ code: 'InvalidBucketState' });
    for (const error of [s3('SlowDown', 503), s3('InternalError', 500), s3('OperationAborted', 409), s3('TooManyRequests', 429), Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })]) expect(refusalIn(error), error.name).toBeUndefined();
    expect(refusalIn(Object.assign(new Error('broker'), { type: 'TOPIC_AUTHORIZATION_FAILED' }))).toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' });
    expect(refusalIn(Object.assign(new Error('broker'), { type: 'NOT_LEADER_FOR_PARTITION' }))).toBeUndefined();
    expect(refusalIn(Object.assign(new Error('es'), { statusCode: 403, body: { error: { type: 'security_exception', reason: 'not yours' } } }))).toEqual({ code: '403 security_exception', message: 'not yours' });
  });
});

it('a verification counts as too old when the alert says so', () => {
  const alerts = readFileSync(new URL('../../docs/monitoring/alerts.yml', import.meta.url), 'utf8');
  const [, days = ''] = /indelible_verified_through_age_seconds > (\d+) \* 86400/.exec(alerts) ?? [];
  expect(STALE_AFTER_SECONDS).toBe(Number(days) * 86_400);
});
