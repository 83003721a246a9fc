import { describe, expect, test } from 'vitest';
import { emptyHead, originOf } from '#indelible/core/chain.js';
import type { ChainHead } from '#indelible/core/chain.js';
import { formatPayload } from '#indelible/core/entry.js';
import { noteKey } from '#indelible/core/note.js';
import { draftSegment, MAX_SEGMENT_BYTES } from '#indelible/core/segment.js';
import { loadSegment, verifySegment } from '#indelible/core/verify-segment.js';
import type { Segment } from '#indelible/core/segment.js';
import { buildSegments, defaultEvent, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';
import { hex } from '../support/bytes.js';

const chainId = 'orders';
const key = noteKey(originOf(TEST_DEPLOYMENT, chainId), TEST_KEY.publicKey);
const segments = buildSegments({ chainId, counts: [4, 3, 1, 6] });
const [, second] = segments as [Segment, Segment];
const before = segments[0]!.head;

function check(bytes: Uint8Array, options: { firstSequence?: number; before?: ChainHead; keys?: typeof key[]; chainId?: string; deployment?: string } = {}) {
  const { firstSequence = 4, keys = [key], ...rest } = options;
  return verifySegment(bytes, { deployment: TEST_DEPLOYMENT, chainId, firstSequence, ...rest }, keys);
}

function fault(bytes: Uint8Array, options: Parameters<typeof check>[1] = {}): string | undefined {
  const result = check(bytes, options);
  return result.outcome === 'valid' ? undefined : `${result.fault.code} at ${result.fault.at}`;
}

/** The second segment with one part of its text replaced. */
function edited(find: string | RegExp, replacement: string): Uint8Array {
  const text = Buffer.from(second.bytes).toString();
  const changed = text.replace(find, replacement);
  expect(changed).not.toBe(text);
  return Buffer.from(changed);
}

function lines(change: (lines: string[]) => string[]): Uint8Array {
  const text = Buffer.from(second.bytes).toString();
  const end = text.indexOf('\n\n');
  const [header, ...payloads] = text.slice(0, end).split('\n');
  return Buffer.from(`${[header, ...change(payloads)].join('\n')}${text.slice(end)}`);
}

describe('a segment', () => {
  test('is read back as it was written, by its header alone or after its predecessor', () => {
    for (const start of [undefined, before]) {
      const result = check(second.bytes, start === undefined ? {} : { before: start });
      if (result.outcome !== 'valid') throw new Error(result.fault.detail);
      expect(result.after).toEqual(second.head);
      expect(result.signedBy).toEqual([key.keyId]);
      const loaded = loadSegment(second.bytes, result);
      expect(loaded.payloads).toEqual(second.payloads);
      expect([hex(loaded.entryHashes), hex(loaded.leafHashes), loaded.checkpoint]).toEqual([hex(second.entryHashes), hex(second.leafHashes), second.checkpoint]);
    }
  });

  test('is lines that jq and sha256sum read', () => {
    const [header, ...rest] = Buffer.from(second.bytes).toString().split('\n');
    expect(JSON.parse(header!)).toMatchObject({ format: 'indelible/segment/v1', firstSequence: 4, count: 3, chainId });
    expect(rest.slice(0, 3)).toEqual(second.payloads);
    expect(rest[3]).toBe('');
    expect(rest.slice(4).join('\n')).toBe(second.checkpoint);
  });

  test('of the first entry continues nothing', () => {
    const first = segments[0]!;
    expect(fault(first.bytes, { firstSequence: 0 })).toBeUndefined();
    const text = Buffer.from(first.bytes).toString();
    const other = Buffer.from(text.replace(`"prevHash":"00`, `"prevHash":"01`));
    expect(fault(other, { firstSequence: 0 })).toBe('link_mismatch at 0');
    expect(fault(other, { firstSequence: 0, before: emptyHead(chainId) })).toBe('link_mismatch at 0');
  });
});

describe('a changed segment', () => {
  const withBefore = { before };
  test.each<[string, () => Uint8Array, string]>([
    ['a letter of an event', () => edited('"action":"order', '"action":"order_'), 'hash_mismatch at 0'],
    ['the id of an entry', () => edited('"entryId":"e-5"', '"entryId":"e-9"'), 'hash_mismatch at 0'],
    ['the sequence of an entry, up', () => edited('"sequence":5', '"sequence":7'), 'sequence_gap at 1'],
    ['the sequence of an entry, down', () => edited('"sequence":6', '"sequence":5'), 'sequence_duplicate at 2'],
    ['the writer of an entry', () => edited(/"sequence":5,"writerId":"writer1"/, '"sequence":5,"writerId":"writer9"'), 'hash_mismatch at 1'],
    ['the writer of the first entry', () => edited(/"sequence":4,"writerId":"writer1"/, '"sequence":4,"writerId":"writer9"'), 'hash_mismatch at 0'],
    ['the format of an entry', () => edited('"format":"indelible/entry/v1"', '"format":"indelible/entry/v2"'), 'hash_mismatch at 0'],
    ['the chain an entry names', () => edited('\n{"chainId":"orders"', '\n{"chainId":"0rders"'), 'hash_mismatch at 0'],
    ['a time that runs back', () => edited('"receivedAt":"2026-01-01T00:00:02.', '"receivedAt":"2025-01-01T00:00:02.'), 'hash_mismatch at 0'],
    ['a line dropped', () => lines((all) => all.toSpliced(1, 1)), 'sequence_gap at 1'],
    ['the last line dropped', () => lines((all) => all.slice(0, -1)), 'sequence_gap at 2'],
    ['a line twice', () => lines((all) => all.toSpliced(1, 0, all[1]!)), 'sequence_duplicate at 2'],
    ['lines swapped', () => lines(([a, b, c]) => [a!, c!, b!]), 'sequence_gap at 1'],
    ['no line', () => lines(() => []), 'sequence_gap at 0'],
    ['a line of something else', () => lines((all) => [...all, '{}']), 'hash_mismatch at 2'],
    ['the last line twice', () => lines((all) => [...all, all[2]!]), 'sequence_duplicate at 2'],
    ['the count in the header', () => edited('"count":3', '"count":2'), 'link_mismatch at 0'],
    ['the first sequence in the header', () => edited('"firstSequence":4', '"firstSequence":5'), 'link_mismatch at 0'],
    ['the writer in the header', () => edited(/"writerId":"writer1"\}\n/, '"writerId":"writer2"}\n'), 'link_mismatch at 0'],
    ['the signer in the header', () => edited(/"signerKeyId":"[0-9a-f]{8}"/, '"signerKeyId":"00000000"'), 'signature_invalid at 0'],
    ['the chain in the header', () => edited('{"chainId":"orders","count"', '{"chainId":"0rders","count"'), 'foreign_object at 0'],
    ['the version in the header', () => edited('indelible/segment/v1', 'indelible/segment/v2'), 'unknown_format at 0'],
    ['the order of the header', () => edited(/\{"chainId":"orders","count":3/, '{"count":3,"chainId":"orders"'), 'link_mismatch at 0'],
    ['a space in the header', () => edited('"count":3', '"count": 3'), 'link_mismatch at 0'],
    ['a member more in the header', () => edited('"count":3', '"count":3,"extra":1'), 'link_mismatch at 0'],
    ['a hash less in the frontier', () => edited(/"frontier":\["[0-9a-f]{64}"/, '"frontier":['), 'link_mismatch at 0'],
    ['the prevHash in the header', () => edited(/"prevHash":"./, '"prevHash":"x').map((byte) => (byte === 0x78 ? 0x30 : byte)), 'link_mismatch at 0'],
    ['the root of the checkpoint', () => edited(/\n7\n./, '\n7\nZ'), 'signature_invalid at 0'],
    ['the size of the checkpoint', () => edited('\n7\n', '\n8\n'), 'signature_invalid at 0'],
    ['the checkpoint of another segment', () => edited(/\n\n[^]*$/, `\n\n${segments[2]!.checkpoint}`), 'checkpoint_mismatch at 0'],
    ['a signature line twice', () => edited(/(— .*\n)$/, '$1$1'), 'signature_invalid at 0'],
    ['the end cut off', () => second.bytes.subarray(0, -1), 'signature_invalid at 0'],
    ['the checkpoint cut off', () => second.bytes.subarray(0, Buffer.from(second.bytes).indexOf('\n\n') + 1), 'unknown_format at 0'],
    ['cut within a line', () => second.bytes.subarray(0, 700), 'unknown_format at 0'],
    ['something behind it', () => Buffer.concat([second.bytes, Buffer.from('x')]), 'signature_invalid at 0'],
    ['an empty line behind it', () => Buffer.concat([second.bytes, Buffer.from('\n')]), 'signature_invalid at 0'],
    ['nothing', () => new Uint8Array(0), 'unknown_format at 0'],
    ['no text', () => Buffer.alloc(5_000, 0xff), 'unknown_format at 0'],
    ['JSON that is no header', () => Buffer.from('null\n'), 'unknown_format at 0'],
    ['too many entries', () => lines((all) => Array.from({ length: 1_001 }, () => all[0]!)), 'unknown_format at 0'],
    ['too many bytes', () => Buffer.concat([second.bytes, Buffer.alloc(MAX_SEGMENT_BYTES)]), 'unknown_format at 0'],
    ['an entry that is too long', () => lines(([a, ...rest]) => [a!.replace('"event":{', `"event":{"a":"${'x'.repeat(66_000)}",`), ...rest]), 'hash_mismatch at 0'],
  ])('%s', (_, change, expected) => {
    expect(fault(change(), withBefore)).toBe(expected);
    // Judged by its own header it is no better.
    expect(fault(change())).toBeDefined();
  });

  test('says what a key signed of it, for whoever localises the change', () => {
    const result = check(edited('"action":"order', '"action":"0rder'), withBefore);
    if (result.outcome === 'valid') throw new Error('valid');
    expect(result.claimed).toMatchObject({ count: 3, signed: { size: 7 } });
    expect(hex(result.claimed!.leafHashes)).not.toBe(hex(second.leafHashes));
  });
});

describe('a segment in the wrong place', () => {
  test.each<[string, Parameters<typeof check>[1], string]>([
    ['at another key', { firstSequence: 5 }, 'link_mismatch at 0'],
    ['in another chain', { chainId: 'payments' }, 'foreign_object at 0'],
    ['in another deployment', { deployment: 'elsewhere' }, 'checkpoint_mismatch at 0'],
    ['after another predecessor', { before: { ...before, lastEntryHash: new Uint8Array(32) } }, 'link_mismatch at 0'],
    ['after another tree', { before: { ...before, frontier: { size: 4, hashes: [new Uint8Array(32)] } } }, 'link_mismatch at 0'],
    ['after a later time', { before: { ...before, lastReceivedAt: '2030-01-01T00:00:00.000000Z' } }, 'clock_regression at 0'],
    ['without a key', { keys: [] }, 'signature_invalid at 0'],
    ['with the wrong key', { keys: [noteKey(key.name, new TestKey(9).publicKey)] }, 'signature_invalid at 0'],
  ])('%s', (_, options, expected) => {
    expect(fault(second.bytes, options)).toBe(expected);
  });
});

describe('what a key signed and should not have', () => {
  function signed(payloads: readonly string[], writerId = 'w'): Uint8Array {
    const draft = draftSegment(emptyHead(chainId), payloads, '2026-01-01T00:00:00.000000Z', writerId, key);
    return draft.seal(TEST_KEY.signNow(Buffer.from(draft.checkpointText))).bytes;
  }
  const entry = (changes: Partial<Parameters<typeof formatPayload>[0]>): string =>
    formatPayload({ chainId, entryId: 'e', event: defaultEvent(0), receivedAt: '2026-01-01T00:00:00.000000Z', sequence: 0, writerId: 'w', ...changes });

  test.each<[string, string[], string | undefined]>([
    ['all is well', [entry({}), entry({ sequence: 1 })], undefined],
    ['time runs back', [entry({}), entry({ sequence: 1, receivedAt: '2025-12-31T23:59:59.999999Z' })], 'clock_regression at 1'],
    ['a day that does not exist', [entry({ receivedAt: '2026-02-29T00:00:00.000000Z' })], 'hash_mismatch at 0'],
    ['a second that does not exist', [entry({ receivedAt: '2026-06-30T23:59:60.000000Z' })], 'hash_mismatch at 0'],
    ['a hole', [entry({}), entry({ sequence: 2 })], 'sequence_gap at 1'],
    ['two writers', [entry({}), entry({ sequence: 1, writerId: 'v' })], 'hash_mismatch at 1'],
    ['another chain', [entry({ chainId: 'payments' })], 'hash_mismatch at 0'],
  ])('%s', (_, payloads, expected) => {
    expect(fault(signed(payloads), { firstSequence: 0 })).toBe(expected);
  });

  test('leap days and the last second of a day are times', () => {
    for (const receivedAt of ['2024-02-29T23:59:59.999999Z', '2000-02-29T00:00:00.000000Z', '2026-12-31T00:00:00.000000Z', '2026-04-30T00:00:00.000000Z']) {
      expect(fault(signed([entry({ receivedAt })]), { firstSequence: 0 })).toBeUndefined();
    }
    for (const receivedAt of ['1900-02-29T00:00:00.000000Z', '2026-04-31T00:00:00.000000Z', '2026-00-10T00:00:00.000000Z', '2026-01-00T00:00:00.000000Z', '2026-01-01T24:00:00.000000Z']) {
      expect(fault(signed([entry({ receivedAt })]), { firstSequence: 0 })).toBeDefined();
    }
  });
});

describe('any single byte', () => {
  test('of a segment is covered: no other value of it passes', () => {
    for (let at = 0; at < second.bytes.length; at++) {
      for (const bit of [1, 0x20]) {
        const bytes = Uint8Array.from(second.bytes);
        bytes[at]! ^= bit;
        expect(check(bytes, { before }).outcome).toBe('invalid');
        expect(check(bytes).outcome).toBe('invalid');
      }
    }
  });
});

describe('drafting', () => {
  test('refuses what does not fit a segment', () => {
    const payload = formatPayload({ chainId, entryId: 'e', event: `{"a":"${'x'.repeat(66_000)}"}`, receivedAt: '2026-01-01T00:00:00.000000Z', sequence: 0, writerId: 'w' });
    expect(() => draftSegment(emptyHead(chainId), [], '', 'w', key)).toThrow(RangeError);
    expect(() => draftSegment(emptyHead(chainId), [payload], '', 'w', key)).toThrow(/payload 0 is 66\d{3} bytes/);
    expect(() => draftSegment(emptyHead(chainId), Array<string>(1_001).fill('{}'), '', 'w', key)).toThrow(RangeError);
  });
});
