import { readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { formatNote, noteKey, parseNote } from '#indelible/core/note.js';
import { MarkFolder, markText, openMark, signMark } from '#indelible/verification/mark.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { readEvidence } from '#indelible/verification/evidence.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import { buildSegments, storeObjects, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';
import { scratchFolders } from '../support/scratch.js';
import { storeOf } from '../support/stores.js';

const chainId = 'orders';
const origin = `${TEST_DEPLOYMENT}/${chainId}`;
const segments = buildSegments({ chainId, counts: [4, 1, 7, 2, 3, 3] });
const size = segments.at(-1)!.head.size;
const scratch = scratchFolders();

/** The chain's first `count` segments, with some replaced. */
function chain(count = segments.length, ...changed: [number, Uint8Array | undefined][]): ReturnType<typeof storeOf> {
  const store = storeOf(storeObjects([segments.slice(0, count)]));
  for (const [at, bytes] of changed) store.tamper(segments[at]!.key, bytes);
  return store;
}

async function markAfter(count: number, signer = TEST_KEY): Promise<string> {
  return signMark(signer, await verifyChain({ store: chain(count), chainId }));
}

function verify(store: ReturnType<typeof storeOf>, mark: string): Promise<VerificationReport> {
  return verifyChain({ store, chainId, mark });
}

describe('a mark', () => {
  test('is the note of docs/format.md §9', async () => {
    const mark = await markAfter(3);
    const [format, name, count, , entryHash, receivedAt] = parseNote(mark).text.split('\n');
    expect([format, name, count]).toEqual(['indelible/verified-through/v1', origin, '12']);
    expect(receivedAt).toBe(segments[2]!.head.lastReceivedAt);
    expect(entryHash).toBe(Buffer.from(segments[2]!.head.lastEntryHash).toString('hex'));
    expect(openMark(mark, [noteKey(origin, TEST_KEY.publicKey)])?.mark.size).toBe(12);
    expect(openMark(mark, [noteKey(origin, new TestKey(5).publicKey)])).toBeUndefined();
  });

  test('lets the next verification begin where the last one ended, and says so', async () => {
    const report = await verify(chain(), await markAfter(3));
    expect(report).toMatchObject({ verdict: 'intact', range: { from: 12, to: size - 1 }, entriesChecked: size - 12, restsOnMark: { size: 12 }, head: { size } });
    expect(report.statements.join()).toMatch(/Entries before 12 were not read again/);
  });

  test('with nothing new behind it rests on the mark alone', async () => {
    const report = await verify(chain(3), await markAfter(3));
    expect(report).toMatchObject({ verdict: 'intact', range: { from: 12, to: 11 }, entriesChecked: 0, restsOnMark: { size: 12 }, head: { size: 12 } });
    expect(await signMark(TEST_KEY, report)).toContain('\n12\n');
  });

  test('does not see a change before it: that is what it means', async () => {
    expect(await verify(chain(6, [0, Buffer.from('junk')]), await markAfter(3))).toMatchObject({ verdict: 'intact', range: { from: 12 } });
  });

  test('finds changes behind it, also in the first segment there', async () => {
    for (const at of [3, 4, 5]) {
      expect(await verify(chain(6, [at, Buffer.from('junk')]), await markAfter(3))).toMatchObject({ verdict: 'tampered', firstBadSequence: segments[at]!.firstSequence });
    }
    const [other] = buildSegments({ chainId, counts: [2], after: { ...segments[2]!.head, lastEntryHash: new Uint8Array(32) } });
    expect(await verify(chain(6, [3, other!.bytes]), await markAfter(3))).toMatchObject({ verdict: 'tampered', findings: [{ code: 'fork', sequence: 12 }, { code: 'fork', sequence: 14 }] });
  });

  test('can be the basis of the next mark, which stands for all', async () => {
    const second = await signMark(TEST_KEY, await verify(chain(5), await markAfter(3)));
    expect(await verify(chain(), second)).toMatchObject({ verdict: 'intact', restsOnMark: { size: 17 }, range: { from: 17 } });
  });

  test('is evidence, like a checkpoint', async () => {
    const against = [readEvidence(Buffer.from(await markAfter(5)), 'mark')];
    expect(await verifyChain({ store: chain(), chainId, against })).toMatchObject({ verdict: 'intact', heldAgainst: [{ kind: 'mark', outcome: 'contained', size: 17 }] });
    expect(await verifyChain({ store: chain(3), chainId, against })).toMatchObject({ verdict: 'tampered', findings: [{ code: 'truncated_tail', sequence: 12, lastSequence: 16 }] });
  });
});

describe('a mark that is not to be used', () => {
  const whole = { range: { from: 0, to: size - 1 }, entriesChecked: size };

  async function statement(mark: string, expected: object = { verdict: 'intact', ...whole }): Promise<string> {
    const report = await verify(chain(), mark);
    expect(report).toMatchObject(expected);
    expect(report.restsOnMark).toBeUndefined();
    return report.statements.find((text) => text.startsWith('The mark was not used'))!;
  }

  test('because nobody trusted signed it: everything is read', async () => {
    const mark = await markAfter(3);
    const lines = mark.split('\n');
    expect(await statement(mark.replace('\n12\n', '\n14\n'))).toMatch(/not signed by a trusted key/);
    expect(await statement(await markAfter(3, new TestKey(5)))).toMatch(/not signed by a trusted key/);
    expect(await statement('nonsense')).toMatch(/note: no empty line/);
    expect(await statement(segments[0]!.checkpoint)).toMatch(/mark: expected the seven lines/);
    expect(await statement(lines.toSpliced(5, 1, '2026-13-01T00:00:00.000000Z').join('\n'))).toMatch(/time of the last entry/);
  });

  test('because it is of another chain: everything is read', async () => {
    const others = buildSegments({ chainId: 'payments', counts: [12] });
    const mark = await signMark(TEST_KEY, await verifyChain({ store: storeOf(storeObjects([others])), chainId: 'payments' }));
    expect(await statement(mark)).toMatch(/it is of test.example\/log\/payments, not of test.example\/log\/orders/);
  });

  test('because the chain is not the one it was made for: everything is read, and the contradiction is found', async () => {
    const { root, entryHash } = { root: Buffer.alloc(32, 1), entryHash: '1'.repeat(64) };
    const text = markText({ origin, size: 12, root, entryHash, receivedAt: segments[2]!.head.lastReceivedAt, verifiedAt: '2026-01-01T00:00:00Z' });
    const key = noteKey(origin, TEST_KEY.publicKey);
    const mark = formatNote(text, [{ name: origin, keyId: key.keyId, signature: TEST_KEY.signNow(Buffer.from(text)) }]);
    const report = await verify(chain(), mark);
    expect(report).toMatchObject({ verdict: 'tampered', ...whole, findings: [{ code: 'fork', sequence: 0, lastSequence: 11 }], heldAgainst: [{ kind: 'mark', outcome: 'contradicted' }] });
  });

  test('because the chain was cut before it: everything is read, and the loss is found', async () => {
    const report = await verify(chain(3), await markAfter(5));
    expect(report).toMatchObject({ verdict: 'tampered', range: { from: 0, to: 11 }, findings: [{ code: 'truncated_tail', sequence: 12, lastSequence: 16 }] });
  });

  test('because the segment before it is damaged: everything is read', async () => {
    const report = await verify(chain(6, [2, Buffer.from('junk')]), await markAfter(3));
    expect(report).toMatchObject({ verdict: 'tampered', range: { from: 0 }, firstBadSequence: 5 });
    expect(report.restsOnMark).toBeUndefined();
  });

  test('together with a range', async () => {
    await expect(verifyChain({ store: chain(), chainId, mark: await markAfter(3), from: 4 })).rejects.toThrow(RangeError);
  });
});

describe('no mark is signed', () => {
  test('for a chain that is not intact, or was not read to its end, or from its beginning', async () => {
    const reports = [
      await verifyChain({ store: chain(6, [2, undefined]), chainId }),
      await verifyChain({ store: chain(), chainId, from: 12 }),
      await verifyChain({ store: chain(), chainId, to: 12 }),
      await verifyChain({ store: chain(0), chainId }),
    ];
    for (const report of reports) await expect(signMark(TEST_KEY, report)).rejects.toThrow(RangeError);
  });
});

describe('a folder of marks', () => {
  test('keeps one a chain, and replaces it whole', async () => {
    const dir = `${await scratch()}/marks`;
    const folder = new MarkFolder(dir);
    expect(await folder.read(chainId)).toBeUndefined();
    await folder.write(chainId, 'first');
    await folder.write(chainId, await markAfter(3));
    expect(await folder.read(chainId)).toContain('\n12\n');
    expect(await readdir(dir)).toEqual(['orders.note']);
    await expect(folder.read('../orders')).rejects.toThrow(RangeError);
  });
});
