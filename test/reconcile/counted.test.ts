/** An alert is raised by what the service counts: were a finding of a reconciliation not counted, nobody would be told. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pino from 'pino';
import { expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { dataPaths } from '#indelible/data-paths.js';
import { startService } from '#indelible/service.js';

const TOKEN = 'counted-token-0123456789';

it('a reconciliation over HTTP counts what it finds, by copy and kind', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'indelible-counted-'));
  const service = await startService(loadConfig({}, { dataDir, port: 0, adminToken: TOKEN }, join(dataDir, 'none.json')), pino({ level: 'silent' }));
  try {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const events = Array.from({ length: 20 }, (_, n) => ({ action: `order.n${n}`, actor: { type: 'user', id: 'u' } }));
    expect((await fetch(`${service.url}/v1/chains/orders/entries/batch`, { method: 'POST', headers, body: JSON.stringify(events) })).status).toBe(201);
    const reconciled = async (): Promise<string> => {
      const started = await fetch(`${service.url}/v1/reconciliations`, { method: 'POST', headers, body: '{}' });
      expect(started.status).toBe(202);
      for (;;) {
        const job = (await (await fetch(new URL(started.headers.get('location')!, service.url), { headers })).json()) as { finishedAt?: string; report?: { verdict: string } };
        if (job.finishedAt !== undefined) return job.report!.verdict;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const counted = async (): Promise<string[]> => ((await (await fetch(`${service.url}/metrics`)).text()).match(/^indelible_copy_findings_total\{copy="index".*$/gm) ?? []).filter((line) => !line.endsWith(' 0'));
    expect(await reconciled()).toBe('equal');
    expect(await counted()).toEqual([]);

    const db = new Database(dataPaths(dataDir).view);
    const row = db.prepare<[], { id: number; document: string }>("SELECT id, document FROM documents WHERE document LIKE '%order.n7\"%'").get()!;
    db.prepare('UPDATE documents SET document = ? WHERE id = ?').run(row.document.replace('order.n7', 'order.x7'), row.id);
    db.prepare('DELETE FROM documents WHERE id = ?').run(row.id + 3);
    db.close();
    expect(await reconciled()).toBe('different');
    expect(await counted()).toEqual(['indelible_copy_findings_total{copy="index",kind="missing"} 1', 'indelible_copy_findings_total{copy="index",kind="different"} 1']);
  } finally {
    await service.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
