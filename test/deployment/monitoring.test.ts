/**
 * Dashboard, alert rules, runbooks and the list of metrics, held against a running service. At stake: an alert that can
 * never fire since its metric is called otherwise, and somebody woken at night who finds no runbook.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '#indelible/config.js';
import { startService } from '#indelible/service.js';
import type { Service } from '#indelible/service.js';

const TOKEN = 'monitoring-token-0123456789';
const file = (path: string): Promise<string> => readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

const alerts = parse(await file('docs/monitoring/alerts.yml')) as { groups: { name: string; rules: Rule[] }[] };
const rules = alerts.groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(await file('docs/monitoring/grafana-dashboard.json')) as { panels: Panel[]; uid: string };
const operations = await file('docs/operations.md');

let service: Service;
let dataDir: string;
/** Names as in HELP lines, and with labels as they are exposed after an append. */
let exposed: string;
let names: Set<string>;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'indelible-monitoring-'));
  const config = loadConfig({}, { dataDir, port: 0, adminToken: TOKEN }, join(dataDir, 'none.json'));
  service = await startService(config, pino({ level: 'silent' }));
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  await fetch(`${service.url}/v1/chains/monitored/entries`, { method: 'POST', headers, body: '{"action":"a","actor":{"type":"t","id":"i"}}' });
  await fetch(`${service.url}/v1/chains/monitored/verify`, { headers });
  exposed = await (await fetch(`${service.url}/metrics`)).text();
  names = new Set([...exposed.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]!));
});
afterAll(async () => {
  await service.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** Metrics that an expression asks for; a histogram has three series. */
function metricsOf(expr: string): string[] {
  return [...expr.matchAll(/\b(?:indelible|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''));
}

/** As Git forges make them. */
const anchors = new Set(
  [...operations.matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.toLowerCase().replaceAll(/[^a-z0-9 -]/g, '').replaceAll(' ', '-')),
);

describe('alert rules', () => {
  it('there are some, each named once', () => {
    expect(rules.length).toBeGreaterThan(15);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it.each(rules.map((rule) => [rule.alert, rule] as const))('%s asks for what is exposed, and leads to a runbook', (_name, rule) => {
    const asked = metricsOf(rule.expr);
    expect(asked.length).toBeGreaterThan(0);
    for (const name of asked) expect(names, rule.expr).toContain(name);
    expect(['critical', 'warning']).toContain(rule.labels.severity);
    expect(rule.annotations.summary.length).toBeGreaterThan(20);
    const [page, anchor] = rule.annotations.runbook_url.split('#');
    expect(page).toBe('docs/operations.md');
    expect(anchors).toContain(anchor);
  });

  it('label values they compare with are ones the service sends, so that they can fire', () => {
    for (const { expr } of rules) {
      for (const [, name, label, value] of expr.matchAll(/(indelible_[a-z_]+)\{([a-z]+)="([^"]+)"/g)) {
        // Outcomes come into being when they happen; the others stand there from the start.
        if (label === 'outcome' && value === 'failed') continue;
        const base = name!.replace(/_bucket$/, '_count');
        // A key in a file is not behind a circuit, but its check is there.
        expect(exposed, expr).toMatch(new RegExp(`^${base}\\{(?:[^}]*,)?${label}="${value}"`, 'm'));
      }
    }
  });

  it('what happens once is seen: counters of findings and halts stand at 0 from the start', () => {
    for (const line of ['indelible_findings_total{code="shadow_version"} 0', 'indelible_findings_total{code="fork"} 0', 'indelible_commit_troubles_total{code="chain_halted"} 0']) {
      expect(exposed).toContain(line);
    }
  });

  it('each runbook below "Runbooks" is led to by some alert', () => {
    const runbooks = operations.slice(operations.indexOf('\n# Runbooks'));
    const headings = [...runbooks.matchAll(/^## (.+)$/gm)].map((match) => match[1]!.toLowerCase().replaceAll(/[^a-z0-9 -]/g, '').replaceAll(' ', '-'));
    const led = new Set(rules.map((rule) => rule.annotations.runbook_url.split('#')[1]));
    expect(headings.filter((heading) => !led.has(heading))).toEqual([]);
  });
});

describe('the dashboard', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  it('asks for what is exposed', () => {
    for (const { title, targets } of panels) {
      expect(targets?.length, title).toBeGreaterThan(0);
      for (const { expr } of targets ?? []) {
        const asked = metricsOf(expr);
        expect(asked.length, expr).toBeGreaterThan(0);
        for (const name of asked) expect(names, `${title}: ${expr}`).toContain(name);
      }
    }
  });

  it('shows every metric of the service', () => {
    const shown = new Set(panels.flatMap(({ targets }) => (targets ?? []).flatMap(({ expr }) => metricsOf(expr))));
    expect([...names].filter((name) => name.startsWith('indelible_') && !shown.has(name))).toEqual([]);
  });

  it('is laid out without overlaps, each panel once', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const [at, a] of dashboard.panels.entries()) {
      expect(a.gridPos.x + a.gridPos.w).toBeLessThanOrEqual(24);
      for (const b of dashboard.panels.slice(at + 1)) {
        const apart = (start: 'x' | 'y', size: 'w' | 'h'): boolean =>
          a.gridPos[start] + a.gridPos[size] <= b.gridPos[start] || b.gridPos[start] + b.gridPos[size] <= a.gridPos[start];
        expect(apart('x', 'w') || apart('y', 'h'), `${a.title} and ${b.title}`).toBe(true);
      }
    }
  });
});

describe('the list of metrics in docs/operations.md', () => {
  it('is exactly what the service exposes', () => {
    const section = operations.slice(operations.indexOf('\n## Metrics'), operations.indexOf('\n## Traces'));
    const listed = [...section.matchAll(/^\| `(indelible_[a-z_]+)`/gm)].map((match) => match[1]!);
    expect(listed.sort()).toEqual([...names].filter((name) => name.startsWith('indelible_')).sort());
  });
});
