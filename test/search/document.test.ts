import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { searchDocument, targetId } from '#indelible/search/document.js';
import { foldText, wordsOf } from '#indelible/search/words.js';

function payload(event: unknown): string {
  return JSON.stringify({
    chainId: 'orders',
    entryId: 'e-1',
    event,
    format: 'indelible/entry/v1',
    receivedAt: '2026-11-23T20:52:07.123456Z',
    sequence: 7,
    writerId: 'w1',
  });
}

const HEAD = { chainId: 'orders', entryId: 'e-1', sequence: 7, receivedAt: '2026-11-23T20:52:07.123456Z' };

describe('the search document of an entry', () => {
  it('holds each member that can be asked for', () => {
    const event = {
      action: 'invoice.approve',
      actor: { id: 'u-1', name: 'Ada Lovelace', type: 'user' },
      category: 'financial',
      changes: [{ after: 'secret after', before: 'secret before', field: 'iban' }],
      context: { ip: '10.0.0.1', requestId: 'r-1', traceId: 't-1', userAgent: 'curl' },
      metadata: { amount: 12, nested: { list: ['alpha', { deep: 'beta' }] }, note: 'gamma' },
      occurredAt: '2026-11-23T20:00:00Z',
      outcome: 'denied',
      reason: 'over limit',
      targets: [{ id: 'i-9', name: 'Invoice nine', type: 'invoice' }, { id: 'a:b', type: 'arn' }],
    };
    const expected = {
      ...HEAD,
      occurredAt: '2026-11-23T20:00:00Z',
      action: 'invoice.approve',
      actorType: 'user',
      actorId: 'u-1',
      actorName: 'Ada Lovelace',
      outcome: 'denied',
      category: 'financial',
      ip: '10.0.0.1',
      requestId: 'r-1',
      traceId: 't-1',
      targets: ['invoice:i-9', 'arn:a:b'],
      text: 'invoice.approve over limit Ada Lovelace u-1 Invoice nine i-9 a:b alpha beta gamma',
    };
    expect(searchDocument(payload(event))).toEqual(expected);
    expect(searchDocument(JSON.parse(payload(event)) as object)).toEqual(expected);
    expect(expected.targets.map(targetId)).toEqual(['i-9', 'a:b']);
  });

  it('has only what is there', () => {
    const bare = { ...HEAD, action: '', actorType: '', actorId: '', targets: [], text: '' };
    for (const event of [{}, null, [], 'x', 7]) expect(searchDocument(payload(event))).toEqual(bare);
  });

  it('leaves out what is of another type, whatever an event holds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('action', 'actor', 'context', 'targets', 'metadata', 'reason', 'outcome'), fc.jsonValue()), (event) => {
        const document = searchDocument(payload(event));
        for (const value of [document.action, document.actorId, document.text, ...document.targets]) expect(typeof value).toBe('string');
        for (const value of [document.outcome, document.ip]) expect(['string', 'undefined']).toContain(typeof value);
      }),
    );
  });

  it('keeps at most 8 KiB of text, cut between characters', () => {
    for (const character of ['x', 'ü', '査', '\u{1F600}']) {
      for (const lead of ['', 'a', 'ab', 'abc']) {
        const { text } = searchDocument(payload({ action: lead, reason: character.repeat(9_000) }));
        const bytes = Buffer.byteLength(text, 'utf8');
        expect(bytes).toBeLessThanOrEqual(8_192);
        expect(bytes).toBeGreaterThan(8_192 - 4);
        expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text);
      }
    }
  });

  it('is refused of what is no entry', () => {
    expect(() => searchDocument('{')).toThrow(SyntaxError);
    for (const other of ['{}', '[]', 'null', '{"chainId":"a","sequence":"0","entryId":"x","receivedAt":"y"}']) {
      expect(() => searchDocument(other)).toThrow(TypeError);
    }
  });
});

describe('words', () => {
  it('are runs of letters and digits, folded, each once', () => {
    expect(wordsOf('User.Login: ada@example.org, ADA')).toEqual(['user', 'login', 'ada', 'example', 'org']);
    expect(wordsOf('Ünïcödé STRASSE Ⅷ')).toEqual(['unicode', 'strasse', 'viii']);
    expect(wordsOf('監査ログ')).toEqual(['監', '査', 'ロ', 'ク']);
    expect(wordsOf(' _-"\'*()\u0000\u{1F600}')).toEqual([]);
  });

  it('of a text are the words of the folded text, split as the simplest tokenizer does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string()), (text) => {
        const folded = foldText(text);
        // ASCII letters and digits, and everything that is not ASCII, make a token; ASCII case is ignored.
        const tokens = folded.toLowerCase().match(/[a-z0-9\u0080-\u{10ffff}]+/gu) ?? [];
        expect(new Set(tokens)).toEqual(new Set(wordsOf(text)));
        expect(wordsOf(wordsOf(text).join(' '))).toEqual(wordsOf(text));
      }),
      { numRuns: 500 },
    );
  });
});
