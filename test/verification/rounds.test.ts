/** Verification that nobody asks for. What is at stake: tampering that stays unseen because no person ran a command. */
import { afterEach, describe, expect, it } from 'vitest';
import { MarkFolder } from '#indelible/verification/mark.js';
import { VerificationJobs } from '#indelible/verification/jobs.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { VerificationRounds } from '#indelible/verification/rounds.js';
import { buildSegments, storeObjects, TEST_KEY } from '../support/chain-builder.js';
import { scratchFolders } from '../support/scratch.js';
import type { MemoryStore } from '../support/memory-store.js';
import { overriding, storeOf } from '../support/stores.js';
import { StoreError } from '#indelible/storage/worm-store.js';
import type { StoreReader } from '#indelible/storage/worm-store.js';
import { until } from '../support/until.js';

const scratch = scratchFolders();
const soon = (condition: () => boolean): Promise<void> => until(condition);
const orders = buildSegments({ chainId: 'orders', counts: [4, 1, 7, 2] });
const payments = buildSegments({ chainId: 'payments', counts: [3, 3] });

interface World {
  readonly marks: MarkFolder;
  readonly broken: VerificationReport[];
  readonly trouble: (string | undefined)[];
  readonly reports: VerificationReport[];
  readonly rounds: VerificationRounds;
  /** Bytes that the store holds from now on. */
  readonly tamper: (key: string, bytes: Uint8Array | undefined) => void;
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function world(methods: (store: MemoryStore) => Partial<StoreReader> = () => ({})): Promise<World> {
  const stored = storeOf(storeObjects([orders, payments]));
  const store = overriding(stored, methods(stored));
  const marks = new MarkFolder(await scratch());
  const reports: VerificationReport[] = [];
  const jobs = new VerificationJobs({ store, workers: 0, marks: { folder: marks, signer: TEST_KEY }, onReport: (report) => reports.push(report) });
  const broken: VerificationReport[] = [];
  const trouble: (string | undefined)[] = [];
  const rounds = new VerificationRounds({
    jobs,
    store,
    marks,
    everyMs: 5,
    onBroken: (report) => broken.push(report),
    onTrouble: (chainId) => trouble.push(chainId),
  });
  open.push(() => rounds.close(), () => jobs.close());
  return { marks, broken, trouble, reports, rounds, tamper: (key, bytes) => stored.tamper(key, bytes) };
}

const changed = (segment: { readonly bytes: Uint8Array }): Uint8Array => Buffer.from(Buffer.from(segment.bytes).toString().replace('"action":"', '"action":"x'));

describe('verification in rounds', () => {
  it('verifies each chain, leaves a mark, and goes on from there', async () => {
    const { reports, marks, broken } = await world();
    await soon(() => reports.filter(({ chainId }) => chainId === 'payments').length >= 2);
    expect(await marks.chains()).toEqual(['orders', 'payments']);
    const [first, second] = reports.filter(({ chainId }) => chainId === 'orders');
    expect([first, second].map((report) => [report!.verdict, report!.entriesChecked])).toEqual([['intact', 14], ['intact', 0]]);
    expect(second!.restsOnMark).toMatchObject({ size: 14 });
    expect(broken).toEqual([]);
  });

  it('tells of a chain that is not intact, each round again, and verifies the others all the same', async () => {
    const { tamper, broken, reports } = await world();
    tamper(orders[2]!.key, changed(orders[2]!));
    await soon(() => broken.length >= 2);
    expect(broken.slice(0, 2)).toEqual([expect.objectContaining({ chainId: 'orders', verdict: 'tampered', firstBadSequence: 5 }), expect.objectContaining({ chainId: 'orders', verdict: 'tampered' })]);
    await soon(() => reports.some(({ chainId, verdict }) => chainId === 'payments' && verdict === 'intact'));
  });

  it('finds, within 24 rounds, what was changed below the mark', async () => {
    const { tamper, broken, reports } = await world();
    await soon(() => reports.length >= 2);
    tamper(orders[0]!.key, changed(orders[0]!));
    await soon(() => broken.length > 0);
    const found = broken[0]!;
    expect(found).toMatchObject({ chainId: 'orders', verdict: 'tampered', firstBadSequence: 0 });
    // The rounds go on while this test looks: what counts is how many there had been when it was found.
    const rounds = reports.slice(0, reports.indexOf(found) + 1).filter(({ chainId }) => chainId === 'orders').length;
    expect(rounds).toBeGreaterThan(0);
    expect(rounds).toBeLessThanOrEqual(24);
  });

  it('finds a chain that is gone altogether, and one that was cut, by the mark it left', async () => {
    const { tamper, broken, reports } = await world();
    // Marks are written after the report; the second report of a chain rests on one.
    await soon(() => reports.filter(({ restsOnMark }) => restsOnMark !== undefined).length >= 2);
    tamper(orders.at(-1)!.key, undefined);
    for (const { key } of payments) tamper(key, undefined);
    await soon(() => new Set(broken.map(({ chainId }) => chainId)).size === 2);
    for (const { findings } of broken) expect(findings).toContainEqual(expect.objectContaining({ code: 'truncated_tail' }));
  });

  it('goes on after the store did not answer, and says so', async () => {
    let failures = 2;
    const { trouble, reports } = await world((store) => ({
      list: (prefix, options) => (prefix === 'chains/' && failures-- > 0 ? Promise.reject(new StoreError('list', prefix, 'no', 'away')) : store.list(prefix, options)),
    }));
    await soon(() => reports.some(({ chainId }) => chainId === 'payments'));
    expect(trouble).toEqual([undefined, undefined]);
  });

  it('ends when it is told to, and starts nothing after', async () => {
    const { rounds, reports } = await world();
    await soon(() => reports.length > 0);
    await rounds.close();
    const before = reports.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reports.length).toBe(before);
  });
});
