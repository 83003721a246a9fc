import { generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkpointText, openCheckpoint, parseCheckpointText } from '#indelible/core/checkpoint.js';
import { formatNote, formatVkey, noteKey, noteSigners, parseNote, parseVkey } from '#indelible/core/note.js';
import { hasLowS, withLowS } from '#indelible/core/signature.js';
import { TEST_KEY, TestKey } from '../support/chain-builder.js';

const name = 'test.example/log/orders';
const key = noteKey(name, TEST_KEY.publicKey);
const text = checkpointText({ origin: name, size: 7, root: Buffer.alloc(32, 5) });
const line = { name, keyId: key.keyId, signature: TEST_KEY.signNow(Buffer.from(text)) };
const other = new TestKey(8);
const otherLine = { name: 'witness.example', keyId: noteKey('witness.example', other.publicKey).keyId, signature: other.signNow(Buffer.from(text)) };

describe('a note', () => {
  test('is read back as it was written', () => {
    expect(parseNote(formatNote(text, [line, otherLine]))).toEqual({ text, signatures: [line, otherLine] });
  });

  test('may hold empty lines in its text', () => {
    const odd = 'a\n\nb\n\n';
    expect(parseNote(formatNote(odd, [line])).text).toBe(odd);
  });

  test('opens with a key that signed it, whoever else did', () => {
    const note = formatNote(text, [otherLine, line]);
    expect(openCheckpoint(note, [key])).toMatchObject({ checkpoint: { origin: name, size: 7 }, signers: [key] });
    expect(openCheckpoint(note, [])).toBeUndefined();
    expect(openCheckpoint(note, [noteKey('another.example/orders', TEST_KEY.publicKey)])).toBeUndefined();
  });

  test('is refused whole if a trusted key appears with a wrong signature', () => {
    const wrong = { ...line, signature: other.signNow(Buffer.from(text)) };
    const witness = noteKey('witness.example', other.publicKey);
    expect(noteSigners(parseNote(formatNote(text, [otherLine, wrong])), [key, witness])).toEqual([]);
  });

  test('opens with an ECDSA key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const ecKey = noteKey(name, { algorithm: 'ecdsa-p256', spki: publicKey.export({ format: 'der', type: 'spki' }) });
    const signature = withLowS(sign('sha256', Buffer.from(text), privateKey));
    const note = formatNote(text, [{ name, keyId: ecKey.keyId, signature }]);
    expect(openCheckpoint(note, [key, ecKey])?.signers).toEqual([ecKey]);
    expect(parseVkey(formatVkey(ecKey))).toEqual(ecKey);
  });

  test('has no second form that someone without the key can make', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const spki = publicKey.export({ format: 'der', type: 'spki' });
    const ecKey = noteKey(name, { algorithm: 'ecdsa-p256', spki });
    const message = Buffer.from(text);
    let both = 0;
    for (let i = 0; i < 40; i++) {
      const made = sign('sha256', message, privateKey);
      const low = withLowS(made);
      // OpenSSL leaves open which half: both are signatures by the standard, one of them is one by ours.
      const [accepted, refused] = hasLowS(made) ? [made, undefined] : [low, made];
      expect(hasLowS(accepted)).toBe(true);
      expect(verify('sha256', message, publicKey, accepted)).toBe(true);
      expect(noteSigners(parseNote(formatNote(text, [{ name, keyId: ecKey.keyId, signature: accepted }])), [ecKey])).toEqual([ecKey]);
      if (refused === undefined) continue;
      both += 1;
      expect(verify('sha256', message, publicKey, refused)).toBe(true);
      expect(noteSigners(parseNote(formatNote(text, [{ name, keyId: ecKey.keyId, signature: refused }])), [ecKey])).toEqual([]);
    }
    expect(both).toBeGreaterThan(5);
    for (const junk of ['', '30', '3000', '300602010102', '30060201010201', '020101', '30060201010201ff00', `3006${'00'.repeat(6)}`]) {
      const bytes = Buffer.from(junk, 'hex');
      expect(() => hasLowS(bytes)).not.toThrow();
      expect(withLowS(bytes)).toEqual(bytes);
    }
  });

  test('opens with the right one of two keys that share a key ID', () => {
    const clash = { ...key, publicKey: other.publicKey };
    expect(noteSigners(parseNote(formatNote(text, [line])), [clash, key])).toEqual([key]);
    expect(noteSigners(parseNote(formatNote(text, [line])), [clash])).toEqual([]);
  });

  test.each([
    ['no signatures', text],
    ['an empty signature part', `${text}\n`],
    ['no line feed at the end', formatNote(text, [line]).slice(0, -1)],
    ['a carriage return', formatNote(text, [line]).replace('\n', '\r\n')],
    ['a tab', formatNote(text, [line]).replace('7', '\t7')],
    ['an ordinary dash', formatNote(text, [line]).replace('—', '-')],
    ['white space in base64', formatNote(text, [line]).replace(/(— \S+ \S{20})/, '$1 ')],
    ['base64 without padding', formatNote(text, [line]).replace(/=+\n$/, '\n')],
    ['stray bits in base64', formatNote(text, [line]).replace(/(.)=\n$/, (_, digit: string) => `${digit === 'B' ? 'C' : 'B'}=\n`)],
    ['a signature of no bytes', formatNote(text, [{ ...line, signature: new Uint8Array(0) }])],
    ['a hundred and one signatures', formatNote(text, Array<typeof line>(101).fill(line))],
  ])('with %s is refused', (_, note) => {
    expect(() => noteSigners(parseNote(note), [key]).length === 1 || (() => { throw new Error('not signed'); })()).toThrow();
  });

  test('never crashes on hostile text', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\n', '—', ' ', 'a', '=', '+', '7') })), (hostile) => {
      try {
        parseNote(hostile);
      } catch (error) {
        expect((error as Error).name).toBe('NoteFormatError');
      }
    }), { numRuns: 2_000 });
  });
});

describe('a checkpoint', () => {
  test('round-trips for any size and root', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (size, root) => {
      const parsed = parseCheckpointText(checkpointText({ origin: name, size, root }));
      expect([parsed.origin, parsed.size, Buffer.from(parsed.root).toString('hex')]).toEqual([name, size, Buffer.from(root).toString('hex')]);
    }));
  });
});

describe('a vkey', () => {
  test('round-trips, and is refused with another key ID', () => {
    const vkey = formatVkey(key);
    expect(formatVkey(parseVkey(vkey))).toBe(vkey);
    expect(parseVkey(vkey)).toMatchObject({ name, keyId: key.keyId });
    expect(() => parseVkey(vkey.replace(key.keyId, '00000000'))).toThrow(/key ID/);
    expect(() => parseVkey(vkey.replace(name, 'test.example/log/0rders'))).toThrow(/key ID/);
  });
});
