/** What an auditor is handed: one page and one file that say the same, and can't be made to say something else. */
import { describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { ATTACKS } from '#indelible/guardrails/drill/attacks.js';
import type { DrillRun } from '#indelible/guardrails/drill/drill.js';
import { drillHtml, escapeHtml } from '#indelible/guardrails/drill/html.js';
import type { Verdict } from '#indelible/guardrails/drill/judge.js';
import { drillExitCode, drillJson, reportOfDrill } from '#indelible/guardrails/drill/report.js';
import type { AttackResult, DrillReport } from '#indelible/guardrails/drill/report.js';

const FOUND: Verdict = { verdict: 'found', by: 'verification', as: 'delete_marker', seconds: 0.4 };
const MISSED: Verdict = { verdict: 'missed', because: 'it took effect, and nothing told of it within 30 s' };

function report(outcomes: readonly Verdict[], options: { readonly lock?: boolean; readonly scratchLock?: boolean; readonly evidence?: string } = {}): DrillReport {
  const { lock = true, scratchLock = lock, evidence = 'Nothing had changed.' } = options;
  const config = loadConfig({}, { store: 's3', s3Bucket: 'log', s3Endpoint: 'https://user:secret@s3.test/path' }, '/nowhere.json');
  const results = outcomes.map((outcome, at): AttackResult => ({ id: `attack-${at}`, family: 'versions', title: `Attack ${at}`, means: 'It would be bad.', rights: 'writer', tried: 'It was tried.', outcome, evidence: [evidence] }));
  const run: DrillRun = {
    scratch: { config: { ...config, s3Bucket: 'log-drill-1' }, logBucket: { lock, versioning: true, defaultRetention: undefined, policy: { state: 'none' }, publicAccessBlock: undefined }, notes: [], locked: scratchLock, second: undefined },
    results,
    remains: [],
    notes: ['A note.'],
  };
  return reportOfDrill({ config, run, version: '1.2.3', startedAt: new Date(0), finishedAt: new Date(60_000), withinMs: 30_000 });
}

describe('the result of a drill', () => {
  it.each<[string, readonly Verdict[], DrillReport['result'], number]>([
    ['all refused or found', [{ verdict: 'refused', by: 'AccessDenied' }, FOUND], 'passed', 0],
    ['one missed', [FOUND, MISSED, { verdict: 'untried', because: 'no answer' }], 'missed', 2],
    ['one not tried', [FOUND, { verdict: 'untried', because: 'no answer' }], 'incomplete', 1],
    ['nothing tried: that shows nothing', [], 'incomplete', 1],
    ['nothing to attack at all', [{ verdict: 'inapplicable', because: 'no lock' }], 'incomplete', 1],
  ])('%s', (_, outcomes, result, code) => {
    expect(report(outcomes).result).toBe(result);
    expect(drillExitCode(report(outcomes))).toBe(code);
  });
});

describe('every form of the report says first whether there is a lock', () => {
  it.each([
    ['with one', report([FOUND]), /^LOCK: /],
    ['without one', report([FOUND], { lock: false }), /^NO LOCK: bucket log has no Object Lock/],
    ['where only the prepared bucket has none', report([FOUND], { scratchLock: false }), /^NO LOCK: the prepared bucket log-drill-1/],
  ])('%s', (_, made, sentence) => {
    expect(made.lock).toMatch(sentence);
    const [line = ''] = drillJson(made).split('\n');
    expect(line).toContain(made.lock);
    expect(JSON.parse(drillJson(made))).toEqual(JSON.parse(JSON.stringify(made)));
    const text = drillHtml(made).replace(/<head>[\s\S]*<\/head>/, '').replace(/<[^>]*>/g, '').trim();
    expect(text.split('\n')[0]).toMatch(sentence);
  });
});

describe('the page', () => {
  it('shows what servers said as text, never as markup, and can not be turned round', () => {
    const hostile = '<script>alert(1)</script><img src=x onerror="alert(1)"> \' & \u202eevil\u0007';
    const page = drillHtml(report([{ verdict: 'refused', by: hostile }, { verdict: 'missed', because: hostile }], { evidence: hostile }));
    expect(page).not.toMatch(/<script|<img|onerror="/i);
    expect(page).not.toContain('\u202e');
    expect(page).not.toContain('\u0007');
    expect(page.split('&lt;script&gt;alert(1)&lt;/script&gt;').length - 1).toBeGreaterThanOrEqual(4);
    expect(escapeHtml(hostile)).toBe('&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &#39; &amp; \\u202eevil\\u0007');
  });

  it('loads nothing and runs nothing', () => {
    const page = drillHtml(report([FOUND]));
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/<(script|link|iframe|object|img)\b|https?:\/\/(?!s3\.test)|@import|url\(/);
  });

  it('names each attack with each of the rights, its verdict and what it means, and holds no credential', () => {
    const made = report([FOUND, MISSED]);
    const page = drillHtml(made);
    for (const { title } of made.attacks) expect(page.split(title).length - 1).toBeGreaterThanOrEqual(2);
    expect(page).toContain('found in 0.4 seconds as delete_marker (verification)');
    expect(page).toContain('Failed: at least one attack took effect and was not found.');
    expect(page + drillJson(made)).not.toMatch(/user:secret|secret@/);
  });
});

describe('the attacks', () => {
  it('each have an id of their own, and tell an auditor what they would do', () => {
    expect(new Set(ATTACKS.map(({ id }) => id)).size).toBe(ATTACKS.length);
    for (const { id, means, title, rights } of ATTACKS) {
      expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(means.length, id).toBeGreaterThan(40);
      expect(title, id).not.toBe('');
      expect(rights, id).toContain('administrator');
    }
  });

  it('are all that were asked for', () => {
    expect(ATTACKS.map(({ id }) => id)).toEqual([
      'purge-records', 'delete-topic', 'forge-messages',
      'edit-document', 'drop-document', 'delete-index',
      'stop-verifier', 'forge-mark',
      'delete-version', 'delete-version-bypass', 'place-delete-marker', 'overwrite', 'overwrite-conditional', 'put-over-marker',
      'shorten-retention', 'shorten-retention-bypass', 'lower-mode', 'put-without-retention',
      'swap-segments', 'cut-tail', 'delete-chain', 'roll-back', 'junk-next', 'junk-ahead', 'forge-segment',
      'suspend-versioning', 'change-lock', 'add-expiration', 'replace-policy', 'delete-policy',
      'slip-key', 'replace-root', 'schedule-key-deletion', 'disable-key', 'weaken-key-policy',
    ]);
  });
});
