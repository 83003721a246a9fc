/** Whether a copy of the log that says something else is found out, whatever is wrong with it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { canonicalize } from '#indelible/core/canonical.js';
import { segmentKey } from '#indelible/core/chain.js';
import { dataPaths } from '#indelible/data-paths.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { ReconciledCopy } from '#indelible/reconcile/copies.js';
import { reconcile } from '#indelible/reconcile/reconcile.js';
import type { ReconcileOptions, ReconcileReport } from '#indelible/reconcile/reconcile.js';
import { openLedger } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';

let dataDir: string;
let opened: OpenLedger;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'indelible-reconcile-'));
  opened = await openLedger(loadConfig({}, { dataDir }, join(dataDir, 'none.json')), pino({ level: 'silent' }));
  for (const [chainId, count] of [['a', 1_200], ['b', 3]] as const) {
    const items = Array.from({ length: count }, (_, n) => ({ entryId: `e-${n}`, event: canonicalize({ action: `order.n${n}`, actor: { type: 'user', id: `u-${n % 5}` } }) }));
    for (let i = 0; i < count; i += 700) await opened.ledger.append(chainId, items.slice(i, i + 700));
  }
});
afterAll(async () => {
  await opened.close();
  await rm(dataDir, { recursive: true, force: true });
});

type Entries = { sequence: number; payload: string }[];

async function entriesOf(chainId: string): Promise<Entries> {
  const entries: Entries = [];
  const { head } = await opened.ledger.chain(chainId);
  for (let next = 0; next < head.size; ) {
    const segment = (await opened.ledger.reader.at(chainId, next))!;
    entries.push(...segment.payloads.map((payload, i) => ({ sequence: next + i, payload })));
    next = segment.head.size;
  }
  return entries;
}

/** A mirror in memory. */
interface MirrorReader {
  entries(chainId: string): AsyncIterable<{ readonly sequence: number; readonly payload: string }>;
}

function mirrorCopy(mirror: MirrorReader): ReconciledCopy {
  return {
    name: 'mirror',
    async *items(chainId) {
      for await (const { sequence, payload } of mirror.entries(chainId)) {
        yield { sequence, id: `${chainId}:${sequence}`, place: sequence, agrees: (expected) => expected === payload };
      }
    },
  };
}

function mirrorOf(chains: Readonly<Record<string, Entries>>): MirrorReader {
  return {
    // eslint-disable-next-line @typescript-eslint/require-await -- the contract is asynchronous
    async *entries(chainId) {
      yield* chains[chainId] ?? [];
    },
  };
}

const run = (options: Pick<ReconcileOptions, 'copies'> & Partial<ReconcileOptions>): Promise<ReconcileReport> => reconcile({ ledger: opened.ledger, host: systemHost, ...options });

describe('a mirror', () => {
  let a: Entries;
  let b: Entries;
  beforeAll(async () => {
    [a, b] = [await entriesOf('a'), await entriesOf('b')];
  });

  it('that holds each entry once, in order, is equal', async () => {
    const seen: number[] = [];
    const report = await run({ copies: [mirrorCopy(mirrorOf({ a, b }))], onProgress: ({ entriesCompared }) => seen.push(entriesCompared) });
    expect(report).toMatchObject({ verdict: 'equal', entriesCompared: 1_203, discrepancies: [], unread: [] });
    expect(seen.at(-1)).toBe(1_203);
    expect(seen).toEqual(seen.toSorted((x, y) => x - y));
  });

  const differing = (entries: Entries, at: number): Entries => entries.with(at, { sequence: at, payload: entries[at]!.payload.replace('order', 'ordeR') });

  it.each<[string, (entries: Entries) => Entries, string, object[]]>([
    ['that is empty', () => [], 'incomplete', [{ kind: 'missing', sequence: 0, lastSequence: 1_199 }]],
    ['that lacks the first entry', (it) => it.slice(1), 'incomplete', [{ kind: 'missing', sequence: 0 }]],
    ['that lacks the last entry', (it) => it.slice(0, -1), 'incomplete', [{ kind: 'missing', sequence: 1_199 }]],
    ['with two holes', (it) => it.filter((_, i) => i !== 5 && i !== 700 && i !== 701), 'incomplete', [{ kind: 'missing', sequence: 5 }, { kind: 'missing', sequence: 700, lastSequence: 701 }]],
    ['that says something else', (it) => differing(it, 699), 'different', [{ kind: 'different', sequence: 699 }]],
    ['that says something else first and last', (it) => differing(differing(it, 0), 1_199), 'different', [{ kind: 'different', sequence: 0 }, { kind: 'different', sequence: 1_199 }]],
    ['that says one twice', (it) => it.toSpliced(8, 0, it[7]!), 'different', [{ kind: 'doubled', sequence: 7 }]],
    ['that says one again at the end', (it) => [...it, it[3]!], 'different', [{ kind: 'doubled', sequence: 3 }]],
    ['in another order', (it) => it.with(4, it[5]!).with(5, it[4]!), 'different', [{ kind: 'missing', sequence: 4 }, { kind: 'doubled', sequence: 4 }]],
    ['that goes on behind the end', (it) => [...it, { sequence: 1_200, payload: '{}' }], 'different', [{ kind: 'extra', sequence: 1_200 }]],
  ])('%s is found out', async (_name, spoil, verdict, expected) => {
    const told: object[] = [];
    const report = await run({ copies: [mirrorCopy(mirrorOf({ a: spoil(a), b }))], onDiscrepancy: (found) => told.push(found) });
    expect(report.verdict).toBe(verdict);
    // What the metrics count, and so what raises the alert.
    expect(told).toEqual(report.discrepancies);
    expect(report.discrepancies).toMatchObject(expected.map((found) => ({ copy: 'mirror', chainId: 'a', ...found })));
    expect(report.discrepancies.length).toBe(expected.length);
    // And a chain that is not asked for is not looked at.
    expect(await run({ chainId: 'b', copies: [mirrorCopy(mirrorOf({ a: spoil(a), b }))] })).toMatchObject({ verdict: 'equal', entriesCompared: 3 });
  });

  it('that is wrong throughout is counted to the end, and listed as far as is of use', async () => {
    const wrong = a.map(({ sequence, payload }) => ({ sequence, payload: `${payload} ` }));
    const report = await run({ chainId: 'a', copies: [mirrorCopy(mirrorOf({ a: wrong }))] });
    expect(report.chains[0]?.found.different).toBe(1_200);
    expect(report.discrepancies.length + report.discrepanciesLeftOut).toBe(1_200);
    expect(report.discrepancies.length).toBe(1_000);
  });

  it('is not written to by backfill', async () => {
    expect(await run({ copies: [mirrorCopy(mirrorOf({ a: a.slice(1), b }))], backfill: true })).toMatchObject({ verdict: 'incomplete', chains: [{ repaired: 0 }, {}] });
  });

  it('that can not be read is no result', async () => {
    // eslint-disable-next-line @typescript-eslint/require-await, require-yield -- fails before anything comes
    const broken: MirrorReader = { async *entries() { throw new Error('no broker'); } };
    await expect(run({ copies: [mirrorCopy(broken)] })).rejects.toThrow('no broker');
  });

  it('is no longer read once nobody waits', async () => {
    const abort = new AbortController();
    abort.abort(new Error('cancelled'));
    await expect(run({ copies: [mirrorCopy(mirrorOf({ a, b }))], signal: abort.signal })).rejects.toThrow('cancelled');
  });
});

describe('the local view', () => {
  const copies = (): ReconcileOptions['copies'] => [opened.searchParts.copy(opened)];

  it('equals the log', async () => {
    expect(await run({ copies: copies() })).toMatchObject({ verdict: 'equal', entriesCompared: 1_203 });
  });

  it('that somebody changed is found out, and made anew by backfill', async () => {
    const db = new Database(dataPaths(dataDir).view);
    const row = db.prepare<[], { id: number; document: string }>("SELECT id, document FROM documents WHERE document LIKE '%order.n77\"%'").get()!;
    db.prepare('UPDATE documents SET document = ? WHERE id = ?').run(row.document.replace('order.n77', 'order.x77'), row.id);
    db.prepare('DELETE FROM documents WHERE id = ?').run(row.id + 10);
    db.close();
    const report = await run({ copies: copies() });
    expect(report.verdict).toBe('different');
    expect(report.discrepancies).toMatchObject([{ kind: 'different', chainId: 'a', sequence: 77 }, { kind: 'missing', chainId: 'a', sequence: 87 }]);
    expect(await run({ copies: copies(), backfill: true })).toMatchObject({ verdict: 'different' });
    expect(await run({ copies: copies() })).toMatchObject({ verdict: 'equal', discrepancies: [] });
    const { hits } = await opened.search.search({ action: 'order.n87', order: 'oldest', limit: 10 });
    expect(hits.map(({ chainId, sequence }) => `${chainId}:${sequence}`)).toEqual(['a:87']);
  });
});

describe('a log that can not be read', () => {
  it('is said, and hides no other chain', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'indelible-reconcile-'));
    const other = await openLedger(loadConfig({}, { dataDir: folder }, join(folder, 'none.json')), pino({ level: 'silent' }));
    await other.ledger.append('good', [{ entryId: 'e', event: canonicalize({ action: 'a', actor: { type: 'user', id: 'u' } }) }]);
    await other.ledger.append('halted', [{ entryId: 'e', event: canonicalize({ action: 'a', actor: { type: 'user', id: 'u' } }) }]);
    await writeFile(join(dataPaths(folder).worm, segmentKey('halted', 1)), 'no segment');
    const report = await reconcile({ ledger: other.ledger, host: systemHost, copies: [other.searchParts.copy(other)] });
    expect(report).toMatchObject({ verdict: 'incomplete', unread: [{ chainId: 'halted' }], chains: [{ chainId: 'good', size: 1 }] });
    await other.close();
    await rm(folder, { recursive: true, force: true });
  });
});
