/** The plan gate, over plans that Terraform made: what would remove or weaken the log is refused, for the right reason. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judge, type Verdict } from '../../scripts/plan-gate.mjs';
import * as opaServer from '../../scripts/services/opa.mjs';
import { run } from '../../scripts/services/process.mjs';
import { PlanCorpus, type Planned } from './support/plan-corpus.js';
import { editPlan, table, type PlanCase } from './support/plan-edits.js';

const RULES = fileURLToPath(new URL('../../policies/gate', import.meta.url));
/** Plans that are made at the same time: each keeps half a core busy. */
const AT_ONCE = 4;

let opa: string;
let corpus: PlanCorpus;
const made = new Map<string, Planned | Error>();
const verdicts = new Map<string, Verdict | Error>();
const refusedBy = new Map<string, readonly string[]>();

const cases = [...table.dangerous, ...table.harmless];

async function inParallel(all: readonly PlanCase[], each: (planCase: PlanCase) => Promise<void>): Promise<void> {
  const waiting = [...all];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await each(next);
    }),
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

beforeAll(async () => {
  [opa, corpus] = await Promise.all([opaServer.install(), PlanCorpus.open()]);
  await inParallel(cases, async (planCase) => {
    const planned = await corpus.plan(planCase.json === undefined ? planCase : { name: 'nothing changes' }).catch(asError);
    made.set(planCase.name, planned);
    verdicts.set(planCase.name, planned instanceof Error ? planned : await verdictOn(planCase, planned).catch(asError));
  });
}, 3_600_000);
afterAll(() => corpus.dispose());

async function verdictOn({ json, inventory = false }: PlanCase, { plan, unchanged }: Planned): Promise<Verdict> {
  const known = inventory ? (await judge(unchanged, { opa })).protected : [];
  return judge(json === undefined ? plan : editPlan(unchanged, json), { opa, inventory: known });
}

function rulesAgainst({ name }: PlanCase): readonly string[] {
  const verdict = verdicts.get(name)!;
  if (verdict instanceof Error) throw verdict;
  for (const { address, message } of verdict.refusals) {
    // One sentence that names the resource, and one that says what to do.
    expect(message).toMatch(/^.+: .+\. [A-Z].+$/s);
    expect(message).toContain(address);
  }
  const rules = [...new Set(verdict.refusals.map(({ rule }) => rule))].sort();
  refusedBy.set(name, rules);
  return rules;
}

describe('a plan that would remove or weaken what protects the log', () => {
  it.each(table.dangerous)('is refused, and for that reason: $name', (planCase) => {
    expect(rulesAgainst(planCase)).toEqual([...planCase.refused!].sort());
  });
});

describe('a plan that does no harm', () => {
  it.each(table.harmless)('passes: $name', (planCase) => {
    expect(rulesAgainst(planCase)).toEqual([]);
  });
});

describe('the table', () => {
  it('has forty dangerous plans and twenty harmless ones that Terraform made', () => {
    const byTerraform = (all: readonly PlanCase[]): number => all.filter(({ json }) => json === undefined).length;
    expect(byTerraform(table.dangerous)).toBeGreaterThanOrEqual(40);
    expect(byTerraform(table.harmless)).toBeGreaterThanOrEqual(20);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it('would notice the loss of each rule: without it some dangerous plan would pass', async () => {
    const files = (await readdir(RULES)).filter((file) => file.endsWith('.rego') && !file.endsWith('_test.rego'));
    const sources = await Promise.all(files.map((file) => readFile(join(RULES, file), 'utf8')));
    const rules = new Set(sources.flatMap((source) => [...source.matchAll(/(?:refusal\(\s*|"rule": )"([a-z-]+)"/g)].map(([, rule]) => rule!)));
    expect(rules.size).toBeGreaterThan(40);
    const alone = new Set([...refusedBy.values()].filter(({ length }) => length === 1).flat());
    expect([...rules].filter((rule) => !alone.has(rule))).toEqual([]);
  });
});

describe('the rules themselves', () => {
  it('compile strictly, are formatted, and pass their own tests', async () => {
    await run(opa, ['check', '--strict', RULES]);
    expect(await run(opa, ['fmt', '--list', RULES])).toBe('');
    const results = JSON.parse(await run(opa, ['test', '--format', 'json', RULES])) as { fail?: boolean; name: string }[];
    expect(results.length).toBeGreaterThan(30);
    expect(results.filter(({ fail }) => fail === true)).toEqual([]);
  });
});

describe('plan-gate.mjs', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'indelible-plan-gate-'));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  const file = async (name: string, value: unknown): Promise<string> => {
    await writeFile(join(scratch, name), typeof value === 'string' ? value : JSON.stringify(value));
    return join(scratch, name);
  };
  const gate = (...args: readonly string[]): { code: number | null; out: string; err: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('../../scripts/plan-gate.mjs', import.meta.url)), ...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${dirname(opa)}:${process.env['PATH'] ?? ''}` },
    });
    return { code: status, out: stdout, err: stderr };
  };
  const planned = (name: string): Planned => {
    const found = made.get(name);
    if (found === undefined || found instanceof Error) throw found ?? new Error(name);
    return found;
  };

  it('ends with 0 for a plan that passes, and says that nobody looked for what left the state', async () => {
    const { code, out, err } = gate(await file('unchanged.json', planned('nothing changes').unchanged));
    expect([code, out]).toEqual([0, expect.stringMatching(/^passed: \d\d protected resources/)]);
    expect(err).toContain('no --inventory');
  });

  it('ends with 2 for one that is refused, with a line for each reason', async () => {
    const { code, out } = gate(await file('suspended.json', planned('versions are suspended').plan));
    expect(code).toBe(2);
    expect(out).toBe('refused (versioning-off): module.log_bucket.aws_s3_bucket_versioning.log: versions would be Suspended. Set versioning_configuration.status = "Enabled"\n');
  });

  it('ends with 1, never 0, for what it can not judge', async () => {
    expect(gate(join(scratch, 'none.json')).code).toBe(1);
    expect(gate(await file('text.json', 'no JSON')).code).toBe(1);
    expect(gate(await file('null.json', null)).code).toBe(1);
    expect(gate(await file('empty.json', {})).code).toBe(1);
    expect(gate().code).toBe(1);
    expect(gate(join(scratch, 'unchanged.json'), '--inventory', await file('inventory-of-others.json', { protected: [] })).code).toBe(1);
    expect(gate(join(scratch, 'unchanged.json'), '--invented').code).toBe(1);
  });

  it('writes an inventory that shows what left the state, and does not forget it', async () => {
    const inventory = join(scratch, 'inventory.json');
    const { plan, unchanged } = planned('the policy of the bucket was removed from the state');
    expect(gate(await file('applied.json', unchanged), '--write-inventory', inventory).code).toBe(0);
    const written = await readFile(inventory, 'utf8');
    expect(written).toContain('"module.log_bucket.aws_s3_bucket_policy.log"');
    // Without one the policy is only made, it seems.
    expect(gate(await file('removed.json', plan)).code).toBe(0);
    expect(gate(join(scratch, 'removed.json'), '--inventory', inventory)).toMatchObject({ code: 2, out: expect.stringContaining('refused (state-removed): module.log_bucket.aws_s3_bucket_policy.log') as unknown });
    expect(gate(join(scratch, 'removed.json'), '--write-inventory', inventory).code).toBe(2);
    expect(await readFile(inventory, 'utf8')).toBe(written);
  });
});
