import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { cli, eventLines, jsonOf, temporaryFolder } from './cli.js';

describe('reconcile and rebuild-index', () => {
  const dataDir = join(temporaryFolder(), 'data');
  const at = ['--data-dir', dataDir];

  it('say 0 for an index that equals the log', async () => {
    expect((await cli(['append', ...at, '--chain', 'a', '-'], { input: eventLines(50) })).code).toBe(0);
    const ended = await cli(['reconcile', ...at, '--json']);
    expect(ended.code).toBe(0);
    expect(jsonOf(ended)).toMatchObject({ verdict: 'equal', entriesCompared: 50, discrepancies: [] });
    expect((await cli(['reconcile', ...at, '--chain', 'a'])).stdout).toContain('EQUAL  50 entries of 1 chain compared');
  });

  it('find what somebody changed, say so with 2, and put it right', async () => {
    const db = new Database(join(dataDir, 'view', 'view.sqlite'));
    db.prepare("UPDATE documents SET document = replace(document, 'order.place', 'order.cancel') WHERE id = (SELECT min(id) + 7 FROM documents)").run();
    db.close();
    const found = await cli(['reconcile', ...at]);
    expect(found.code).toBe(2);
    expect(found.stdout).toContain('different: a #7');
    expect((await cli(['rebuild-index', ...at])).stdout).toContain('the local view was rebuilt: 50 entries of 1 chain');
    expect((await cli(['reconcile', ...at])).code).toBe(0);
    expect(jsonOf(await cli(['rebuild-index', ...at, '--json']))).toEqual({ index: 'sqlite', chains: 1, entries: 50, setAside: 0 });
  });

  it('make no ledger where there is none', async () => {
    for (const command of ['reconcile', 'rebuild-index']) {
      const ended = await cli([command, '--data-dir', join(dataDir, 'not-here')]);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain('there is no ledger');
    }
  });
});
