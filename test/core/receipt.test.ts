import { describe, expect, test } from 'vitest';
import { originOf } from '#indelible/core/chain.js';
import { noteKey } from '#indelible/core/note.js';
import { receiptOf, verifyReceipt, verifyReceiptText } from '#indelible/core/receipt.js';
import { buildSegments, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';

const origin = originOf(TEST_DEPLOYMENT, 'orders');
const keys = [noteKey(origin, TEST_KEY.publicKey)];
const segments = buildSegments({ chainId: 'orders', counts: [1, 4, 9, 2] });
const trusted = (name: string): typeof keys => (name === origin ? keys : []);

describe('a receipt', () => {
  test('of every entry verifies, offline, with the key alone', () => {
    for (const segment of segments) {
      for (let at = 0; at < segment.count; at++) {
        const receipt = receiptOf(segment, at);
        const check = verifyReceiptText(JSON.stringify(receipt, null, 2), trusted);
        expect(check).toMatchObject({ valid: true, signedBy: [keys[0]!.keyId], checkpoint: { size: segment.head.size } });
        expect(receipt).toMatchObject({ chainId: 'orders', sequence: segment.firstSequence + at, entryId: `e-${segment.firstSequence + at}` });
      }
    }
  });

  test('of an entry the segment does not hold is refused', () => {
    expect(() => receiptOf(segments[1]!, 4)).toThrow(RangeError);
    expect(() => receiptOf(segments[1]!, -1)).toThrow(RangeError);
  });

  test('does not verify once any character of it is another', () => {
    const text = JSON.stringify(receiptOf(segments[2]!, 5));
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`;
      expect(verifyReceiptText(changed, trusted).valid).toBe(false);
    }
  });

  test('says why not', () => {
    const receipt = receiptOf(segments[2]!, 5);
    const reason = (changes: object, keysFor = trusted): string => {
      const check = verifyReceipt({ ...receipt, ...changes }, keysFor);
      return check.valid ? 'valid' : check.reason;
    };
    expect(reason({})).toBe('valid');
    expect(reason({ somethingElse: 1 })).toBe('valid');
    expect(reason({}, () => [])).toBe('the checkpoint is not signed by a trusted key');
    expect(reason({}, () => [noteKey(origin, new TestKey(3).publicKey)])).toBe('the checkpoint is not signed by a trusted key');
    expect(reason({ entryHash: '0'.repeat(64) })).toMatch(/entryHash is not/);
    expect(reason({ entryId: 'other' })).toMatch(/entryId is "other", the payload says "e-10"/);
    expect(reason({ chainId: 'payments' })).toMatch(/not of chain payments/);
    expect(reason({ sequence: 3 })).toMatch(/sequence is 3, the payload says 10/);
    expect(reason({ inclusionProof: receipt.inclusionProof.slice(1) })).toMatch(/does not lead to the signed root/);
    expect(reason({ checkpoint: segments[3]!.checkpoint })).toMatch(/does not lead to the signed root/);
    expect(reason({ checkpoint: 'nonsense' })).toMatch(/is of|note/);
    expect(reason({ format: 'indelible/receipt/v2' })).toMatch(/format expected/);
  });

  test.each([null, 7, 'text', [], {}, { format: 'indelible/receipt/v1' }, { format: 'indelible/receipt/v1', inclusionProof: [{}] }])('%j is none, and no error', (value) => {
    expect(verifyReceipt(value, trusted).valid).toBe(false);
  });

  test.each(['', '{', '[]', '{"format":"indelible/receipt/v1","format":"indelible/receipt/v1"}'])('the text %j is none, and no error', (text) => {
    expect(verifyReceiptText(text, trusted).valid).toBe(false);
  });
});
