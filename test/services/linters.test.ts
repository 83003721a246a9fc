/** Dockerfile, workflow and alert rules, by the linters of their own worlds. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as linters from '../../scripts/services/linters.mjs';
import { run } from '../../scripts/services/process.mjs';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

let tools: Awaited<ReturnType<typeof linters.install>>;
let scratch: string;
beforeAll(async () => {
  tools = await linters.install();
  scratch = await mkdtemp(join(tmpdir(), 'indelible-linters-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('Dockerfile', () => {
  it('hadolint finds nothing, and would', async () => {
    expect(await run(tools.hadolint, [root('Dockerfile')])).toBe('');
    const bad = join(scratch, 'Dockerfile');
    await writeFile(bad, (await readFile(root('Dockerfile'), 'utf8')).replace('node:20.19.5-bookworm-slim', 'node'));
    await expect(run(tools.hadolint, [bad])).rejects.toThrow(/DL3006/);
  });
});

describe('workflow', () => {
  it('actionlint finds nothing, and would', async () => {
    const workflow = root('.github/workflows/guardrail.yml');
    expect(await run(tools.actionlint, [workflow])).toBe('');
    const bad = join(scratch, 'workflow.yml');
    await writeFile(bad, (await readFile(workflow, 'utf8')).replace('matrix.root }}.json', 'matrix.rot }}.json'));
    await expect(run(tools.actionlint, [bad])).rejects.toThrow(/property "rot" is not defined/);
  });

  it('pins each action to a version, and lets no job write', async () => {
    const { parse } = await import('yaml');
    const workflow = parse(await readFile(root('.github/workflows/guardrail.yml'), 'utf8')) as {
      permissions: Record<string, string>;
      jobs: Record<string, { permissions?: Record<string, string>; steps: { uses?: string }[] }>;
    };
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const { permissions = {}, steps } of Object.values(workflow.jobs)) {
      // The identity's token alone: it is what is exchanged for a role.
      expect(Object.entries(permissions).filter(([, right]) => right === 'write').map(([name]) => name).filter((name) => name !== 'id-token')).toEqual([]);
      for (const { uses } of steps) if (uses !== undefined) expect(uses).toMatch(/@v\d+\.\d+\.\d+$/);
    }
  });
});

describe('alert rules', () => {
  it('promtool takes them all, and would not take others', async () => {
    expect(await run(tools.promtool, ['check', 'rules', root('docs/monitoring/alerts.yml')])).toMatch(/SUCCESS: \d+ rules found/);
    const bad = join(scratch, 'alerts.yml');
    await writeFile(bad, (await readFile(root('docs/monitoring/alerts.yml'), 'utf8')).replace('indelible_unsettled_chains > 0', 'indelible_unsettled_chains >> 0'));
    await expect(run(tools.promtool, ['check', 'rules', bad])).rejects.toThrow(/parse error/);
  });

  it('fire when they must, and not when all is well', async () => {
    const series = (name: string, values: string): { series: string; values: string } => ({ series: name, values });
    const test = {
      rule_files: [root('docs/monitoring/alerts.yml')],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: [
            series('indelible_build_info{instance="one"}', '1x60'),
            series('indelible_check_status{check="store",instance="one"}', '0x10 2x50'),
            series('indelible_unsettled_chains{instance="one"}', '0x60'),
            series('indelible_findings_total{code="shadow_version",instance="one"}', '0x20 1x40'),
            series('indelible_findings_total{code="fork",instance="one"}', '0x60'),
            series('indelible_append_entries_total{outcome="appended",instance="one"}', '0+100x60'),
            series('indelible_append_entries_total{outcome="failed",instance="one"}', '0x30 0+10x30'),
          ],
          alert_rule_test: [
            { eval_time: '9m', alertname: 'IndelibleStoreFailed', exp_alerts: [] },
            { eval_time: '13m', alertname: 'IndelibleStoreFailed', exp_alerts: [alert('IndelibleStoreFailed', 'critical', { check: 'store' })] },
            { eval_time: '13m', alertname: 'IndelibleCommitUnsettled', exp_alerts: [] },
            { eval_time: '13m', alertname: 'IndelibleAbsent', exp_alerts: [] },
            { eval_time: '19m', alertname: 'IndelibleTampering', exp_alerts: [] },
            { eval_time: '23m', alertname: 'IndelibleTampering', exp_alerts: [alert('IndelibleTampering', 'critical', { code: 'shadow_version' })] },
            { eval_time: '29m', alertname: 'IndelibleAppendsFailing', exp_alerts: [] },
            { eval_time: '45m', alertname: 'IndelibleAppendsFailing', exp_alerts: [alert('IndelibleAppendsFailing', 'critical', {})] },
          ],
        },
        { interval: '1m', input_series: [], alert_rule_test: [{ eval_time: '5m', alertname: 'IndelibleAbsent', exp_alerts: [alert('IndelibleAbsent', 'critical', {}, false)] }] },
      ],
    };
    const file = join(scratch, 'test.yml');
    // JSON is YAML.
    await writeFile(file, JSON.stringify(test));
    expect(await run(tools.promtool, ['test', 'rules', file])).toContain('SUCCESS');
  });
});

const { groups } = (await import('yaml')).parse(await readFile(root('docs/monitoring/alerts.yml'), 'utf8')) as {
  groups: { rules: { alert: string; annotations: { summary: string; runbook_url: string; playbook_url?: string } }[] }[];
};

/** As promtool expects it: labels and annotations in full. */
function alert(name: string, severity: string, labels: Readonly<Record<string, string>>, instance = true): Record<string, unknown> {
  const all: Record<string, string> = { severity, ...(instance && { instance: 'one' }), ...labels };
  const { summary, ...pages } = groups.flatMap(({ rules }) => rules).find((rule) => rule.alert === name)!.annotations;
  return { exp_labels: all, exp_annotations: { ...pages, summary: summary.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => all[label] ?? '') } };
}
