import { describe, expect, test } from 'vitest';
import { checkpointText } from '#indelible/core/checkpoint.js';
import { EMPTY_ROOT } from '#indelible/core/merkle.js';
import { formatNote, noteKey } from '#indelible/core/note.js';
import { receiptOf } from '#indelible/core/receipt.js';
import { readEvidence } from '#indelible/verification/evidence.js';
import type { VerifyChainOptions } from '#indelible/verification/verify-chain.js';
import { buildSegments, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';
import { storeOf } from '../support/stores.js';
import { chainId, objects, segments, size, verify } from './orders.js';

describe('evidence from outside', () => {
  const store = storeOf(objects);
  const against = (...texts: string[]): Pick<VerifyChainOptions, 'against'> => ({ against: texts.map((text, i) => readEvidence(Buffer.from(text), `file ${i}`)) });

  test('of every kind is found in the chain that gave it', async () => {
    const texts = segments.flatMap((segment) => [segment.checkpoint, JSON.stringify(receiptOf(segment, segment.count - 1), null, 1)]);
    const report = await verify(store, against(...texts));
    expect(report.verdict).toBe('intact');
    expect(report.heldAgainst.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual(segments.flatMap(() => ['checkpoint contained', 'receipt contained']));
    expect(report.statements.join()).toContain(`complete up to entry ${size - 1}`);
  });

  test('of a size at which no segment ends is compared with the tree at that size', async () => {
    // A chain with the same entries in other cuts has the same tree, and a checkpoint of any size.
    const single = buildSegments({ chainId, counts: Array<number>(size).fill(1), event: (sequence) => eventAt(sequence) });
    const sameEntries = single.every((segment, i) => segment.payloads[0] === payloadAt(i).replace(/writer\d/, `writer${i % 3}`));
    expect(sameEntries).toBe(true);
    const other = await verify(store, against(single[6]!.checkpoint));
    // The writers differ, so the entries do: another tree, at a size at which no key signed ours.
    expect(other).toMatchObject({ verdict: 'tampered', findings: [{ code: 'checkpoint_mismatch', sequence: 0, lastSequence: 6 }] });
  });

  test('that is another history is a fork, from the last size at which they agree', async () => {
    const branch = buildSegments({ chainId, counts: [2, 3], after: segments[2]!.head, event: () => '{"action":"other","actor":{"id":"a","type":"user"}}' });
    const report = await verify(store, against(segments[1]!.checkpoint, branch[0]!.checkpoint, JSON.stringify(receiptOf(branch[1]!, 0))));
    expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: 5 });
    expect(report.findings.map(({ code, sequence, lastSequence }) => [code, sequence, lastSequence])).toEqual([['fork', 5, 13], ['fork', 5, 16]]);
    expect(report.heldAgainst.map(({ outcome }) => outcome)).toEqual(['contained', 'contradicted', 'contradicted']);
  });

  test('of another chain is not held against this one', async () => {
    const payments = buildSegments({ chainId: 'payments', counts: [9] });
    expect(await verify(store, against(payments[0]!.checkpoint))).toMatchObject({ verdict: 'intact', heldAgainst: [{ outcome: 'other_chain' }] });
  });

  test('that no trusted key signed proves nothing, and the report does not hide it', async () => {
    const forged = buildSegments({ chainId, counts: [3], key: new TestKey(99) });
    const report = await verify(store, against(forged[0]!.checkpoint));
    expect(report).toMatchObject({ verdict: 'incomplete', heldAgainst: [{ outcome: 'unusable' }], findings: [{ code: 'unverified_range' }] });
  });

  test('about damaged or unread parts is not compared', async () => {
    const damaged = storeOf(objects);
    damaged.tamper(segments[2]!.key, Buffer.from('junk'));
    const report = await verify(damaged, against(segments[2]!.checkpoint, segments[3]!.checkpoint));
    expect(report.heldAgainst.map(({ outcome }) => outcome)).toEqual(['not_compared', 'contained']);
    const part = await verify(store, { from: 0, to: 4, ...against(segments[4]!.checkpoint) });
    expect(part).toMatchObject({ verdict: 'intact', heldAgainst: [{ outcome: 'not_compared' }] });
  });

  test('of an empty chain is in every chain', async () => {
    const name = `${TEST_DEPLOYMENT}/${chainId}`;
    const text = checkpointText({ origin: name, size: 0, root: EMPTY_ROOT });
    const note = formatNote(text, [{ name, keyId: noteKey(name, TEST_KEY.publicKey).keyId, signature: TEST_KEY.signNow(Buffer.from(text)) }]);
    expect(await verify(store, against(note))).toMatchObject({ verdict: 'intact', heldAgainst: [{ outcome: 'contained', size: 0 }] });
  });

  test.each(['', 'nonsense', '{}', '{"format":"indelible/receipt/v1"}', '{"format":"indelible/bundle/v1"}\n{}\n', 'a\n\n— b c\n', '\uFEFF{}'])('that is none (%j) is refused by name', (text) => {
    expect(() => readEvidence(Buffer.from(text), 'file')).toThrow(/^file: no receipt, checkpoint, mark or bundle: /);
  });
});

function payloadAt(sequence: number): string {
  const segment = segments.findLast(({ firstSequence }) => firstSequence <= sequence)!;
  return segment.payloads[sequence - segment.firstSequence]!;
}

function eventAt(sequence: number): string {
  return /"event":(.*),"format"/.exec(payloadAt(sequence))![1]!;
}

describe('hints', () => {
  const target = segments[2]!;
  const changed = storeOf(objects);
  changed.tamper(target.key, Buffer.from(Buffer.from(target.bytes).toString().replace('"n":8', '"n":9')));

  test('name the first changed entry, if they prove themselves', async () => {
    expect(await verify(changed)).toMatchObject({ firstBadSequence: 5, findings: [{ code: 'hash_mismatch', sequence: 5, lastSequence: 11 }] });
    const hints = { leafHashes: (_: string, first: number, count: number) => (first === 5 && count === 7 ? target.leafHashes : undefined) };
    expect(await verify(changed, { hints })).toMatchObject({ firstBadSequence: 8, findings: [{ code: 'hash_mismatch', sequence: 8, lastSequence: 11 }] });
  });

  test('that do not, are not believed', async () => {
    const wrong = Uint8Array.from(target.leafHashes);
    wrong[40]! ^= 1;
    for (const leaves of [wrong, wrong.subarray(32), undefined]) {
      expect(await verify(changed, { hints: { leafHashes: () => leaves } })).toMatchObject({ firstBadSequence: 5 });
    }
  });
});
