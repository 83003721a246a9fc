/** The check beside a service. At stake: a service that does not start, or does not end, because of what it only looks at. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import type { checkGuardrails } from '#indelible/guardrails/check.js';
import type { GuardrailCheck } from '#indelible/guardrails/report.js';
import { GuardrailWatch } from '#indelible/guardrails/watch.js';
import { until } from '../support/until.js';

const config = loadConfig({}, {}, 'no-such-file.json');
const WEAK: GuardrailCheck = { subject: 'bucket b', name: 'overwrite', protection: 'weak', detail: 'arn:aws:iam::1:role/x can', advice: 'deny it' };
const GOOD: GuardrailCheck = { subject: 'bucket b', name: 'versioning', protection: 'protected', detail: 'on' };

const open: GuardrailWatch[] = [];
afterEach(() => Promise.all(open.splice(0).map((watch) => watch.close())));

function start(check: typeof checkGuardrails, options: { everyMs?: number; withinMs?: number; record?: (event: string) => Promise<unknown> } = {}): { watch: GuardrailWatch; said: Record<string, unknown>[]; events: string[] } {
  const said: Record<string, unknown>[] = [];
  const events: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void said.push(JSON.parse(line) as Record<string, unknown>) });
  const watch = new GuardrailWatch({ config, log, writerId: 'w-1', startAfterMs: 0, everyMs: 20, check, record: (event) => Promise.resolve(events.push(event)), ...options });
  open.push(watch);
  return { watch, said, events };
}

/** Gives these, one list a look; the last one again and again. */
function giving(...looks: readonly (readonly GuardrailCheck[])[]): typeof checkGuardrails {
  let next = 0;
  // eslint-disable-next-line @typescript-eslint/require-await -- as the real one
  return async function* () {
    yield* looks[Math.min(next++, looks.length - 1)] ?? [];
  };
}

/** Answers nothing, whatever it is told. */
const hanging: typeof checkGuardrails = async function* () {
  await new Promise(() => undefined);
  yield GOOD;
};

describe('the guardrails beside a service', () => {
  it('are no number before they were looked at, and then what was found', async () => {
    const { watch } = start(giving([GOOD, WEAK]));
    expect(watch.count('weak')).toBeNaN();
    await until(() => watch.count('weak') === 1);
    expect(watch.count('unprotected')).toBe(0);
  });

  it('what is not protected is logged with its advice; what is, is not', async () => {
    const { said } = start(giving([GOOD, WEAK]));
    await until(() => said.some(({ msg }) => msg === 'guardrails checked'));
    expect(said.filter(({ guardrail }) => guardrail !== undefined)[0]).toMatchObject({ level: 40, subject: 'bucket b', guardrail: 'overwrite', protection: 'weak', advice: 'deny it' });
    expect(said.some(({ guardrail }) => guardrail === 'versioning')).toBe(false);
  });

  it('an entry is made of the first outcome and of each other one, not of the same again; it holds counts and names alone', async () => {
    const { events, said } = start(giving([GOOD, WEAK], [GOOD, WEAK], [GOOD]));
    await until(() => said.filter(({ msg }) => msg === 'guardrails checked').length >= 5);
    expect(events.map((event) => (JSON.parse(event) as { metadata: unknown }).metadata)).toEqual([
      { protection: 'weak', protected: 1, weak: 1, unprotected: 0, unknown: 0, notProtected: [{ subject: 'bucket b', name: 'overwrite', protection: 'weak' }] },
      { protection: 'protected', protected: 1, weak: 0, unprotected: 0, unknown: 0, notProtected: [] },
    ]);
    expect(JSON.parse(events[0] ?? '')).toMatchObject({ action: 'guardrails.checked', actor: { type: 'service', id: 'w-1' }, category: 'system' });
    expect(events[0]).not.toContain('role/x');
  });

  it('an entry that could not be made is made after the next look', async () => {
    let tries = 0;
    const { said } = start(giving([WEAK]), { record: () => (++tries === 1 ? Promise.reject(new Error('the store is down')) : Promise.resolve()) });
    await until(() => tries === 2);
    expect(said.some(({ msg }) => msg === 'the guardrails could not be checked; it is tried again')).toBe(true);
  });

  it('a look that fails is said, and followed by another', async () => {
    let looks = 0;
    const { watch } = start(() => (++looks === 1 ? failing() : giving([GOOD])(config)));
    await until(() => watch.count('unknown') === 0);
    expect(looks).toBeGreaterThan(1);
  });

  it('closing waits for no look and for no entry', async () => {
    for (const options of [{}, { record: () => new Promise(() => undefined) }]) {
      const { watch } = start('record' in options ? giving([WEAK]) : hanging, options);
      await new Promise((resolve) => setTimeout(resolve, 30));
      await watch.close();
    }
  });

  it('keeps no process from ending', async () => {
    const script = `
      import { loadConfig } from '#indelible/config.js';
      import { GuardrailWatch } from '#indelible/guardrails/watch.js';
      const log = { debug() {}, info() {}, warn() {} };
      new GuardrailWatch({ config: loadConfig({}, {}, 'none.json'), log, writerId: 'w', startAfterMs: 600_000 });
      new GuardrailWatch({ config: loadConfig({}, {}, 'none.json'), log, writerId: 'w', startAfterMs: 0, check: async function* () { await new Promise(() => {}); } });
      setTimeout(() => {}, 200);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    expect(await once(child, 'exit')).toEqual([0, null]);
    clearTimeout(timer);
  });
});

// eslint-disable-next-line @typescript-eslint/require-await, require-yield -- as the real one
async function* failing(): AsyncGenerator<GuardrailCheck> {
  throw new Error('out of order');
}
