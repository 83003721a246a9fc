import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventText } from '../../bench/event.js';
import { canonicalize } from '#indelible/core/canonical.js';
import { parseEvent } from '#indelible/core/event.js';
import { instantMillis } from '#indelible/core/instant.js';
import { parseStrict } from '#indelible/core/json.js';
import { readPlainEvent, readPlainEvents } from '#indelible/core/plain-event.js';
import type { PlainEvent } from '#indelible/core/plain-event.js';
import { jsonText, stringLiteral, whiteSpace } from './json-arbitraries.js';

/** What the long way says; `undefined` if it refuses. */
function longWay(text: string): PlainEvent | undefined {
  try {
    const { event, entryId } = parseEvent(parseStrict(text));
    return { entryId, event: canonicalize(event), occurredMillis: event.occurredAt === undefined ? undefined : instantMillis(event.occurredAt) };
  } catch {
    return undefined;
  }
}

function expectSame(text: string): PlainEvent | undefined {
  const plain = readPlainEvent(text);
  if (plain !== undefined) expect(plain, text).toEqual(longWay(text));
  return plain;
}

const ACTOR = '"actor":{"id":"1","type":"user"}';
const MINIMAL = `{"action":"a",${ACTOR}}`;

function withMember(text: string): string {
  return `{"action":"a",${ACTOR},${text}}`;
}

/** Values at the edges of each rule, right and wrong. */
const edges = ['success', 'denied', 'user', 'maybe', '', 'x', '203.0.113.7', '::1', '1.2.3', '2026-02-28T00:00:00Z', '2026-02-30T00:00:00Z', 'a\u007f', 'a\u0085b', 'é', '-x', 'x:1', 'x/1', '__proto__']
  .map((value) => JSON.stringify(value));
const edge = fc.constantFrom(...edges, ...[63, 64, 65, 128, 129, 255, 256, 257, 511, 512, 513, 2_048, 2_049, 4_096, 4_097].map((length) => `"${'x'.repeat(length)}"`));

const members = (names: readonly string[], value: fc.Arbitrary<string>, least = 0) =>
  fc
    .tuple(fc.array(fc.tuple(fc.constantFrom(...names), value), { minLength: least, maxLength: 5 }), whiteSpace)
    .map(([list, space]) => `{${space}${list.map(([name, text]) => `"${name}"${space}:${space}${text}`).join(`${space},${space}`)}${space}}`);

const anything = fc.oneof(edge, stringLiteral, jsonText);
const party = fc.oneof({ weight: 3, arbitrary: members(['type', 'id', 'name'], edge, 2) }, { weight: 1, arbitrary: members(['type', 'id', 'x'], anything) });
const list = (item: fc.Arbitrary<string>) => fc.array(item, { maxLength: 3 }).map((items) => `[${items.join(', ')}]`);
const context = members(['ip', 'userAgent', 'traceId', '__proto__', ''], edge);

const mostly = (usual: readonly string[], other: fc.Arbitrary<string> = edge) =>
  fc.option(fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: other }), { nil: undefined });

const eventSource = fc
  .tuple(
    fc.record({
      action: fc.option(fc.oneof({ weight: 12, arbitrary: fc.constant('"a.b"') }, { weight: 1, arbitrary: edge }), { nil: undefined, freq: 30 }),
      actor: fc.option(fc.oneof({ weight: 12, arbitrary: fc.constantFrom('{"type":"t","id":"i"}', '{"id": "i", "name":"", "type":"t" }') }, { weight: 1, arbitrary: party }), { nil: undefined, freq: 30 }),
      occurredAt: mostly(['"2026-02-28T00:00:00Z"', '"2026-02-28T00:00:00.123456789+05:30"']),
      targets: mostly(['[]', '[ ]', '[{"type":"t","id":"i"}]', '[ {"id":"i","type":"t"} ,{"type":"t","name":"n","id":"i"}]'], list(party)),
      context: mostly(['{}', '{ "ip":"::1"}', '{"userAgent":"x","ip":"1.2.3.4"}', '{"a":"" ,"__proto__":"y"}'], context),
      outcome: mostly(['"success"', '"denied"']),
      category: mostly(['"user"', '"financial"']),
      reason: mostly(['""', '"r é"']),
      schemaVersion: mostly(['"1"']),
      metadata: mostly(['{}', '{"b":1,"a":[true,-0.5,{"z":[],"y": null}]}', '{"10":1,"9":{"é":"","e":2}}'], fc.oneof(jsonText, members(['a', 'b', '10', '9', 'é', ''], jsonText))),
      changes: fc.option(fc.constant('[]'), { nil: undefined, freq: 1 }),
      entryId: mostly(['"id-1"']),
    }),
    fc.array(fc.nat(), { minLength: 14, maxLength: 14 }),
    whiteSpace,
  )
  .map(([record, order, space]) => {
    const sources = Object.entries(record).flatMap(([name, value], i) => (value === undefined ? [] : [{ text: `"${name}"${space}:${value}`, order: order[i]! }]));
    return `${space}{${sources.sort((a, b) => a.order - b.order).map(({ text }) => text).join(`${space},`)}}${space}`;
  });

describe('the short way', () => {
  it('is taken by events as producers write them', () => {
    for (const text of [eventText(1), MINIMAL, ` ${MINIMAL}\n`, withMember('"metadata":{"n":250,"price":912.4,"deep":[{"x":null},[],{}],"é":true}'), withMember('"entryId":"order-1"')]) {
      expect(expectSame(text), text).toBeDefined();
    }
  });

  it('gives the long way\'s answer or none, for any event', () => {
    let taken = 0;
    fc.assert(
      fc.property(eventSource, (text) => {
        if (expectSame(text) !== undefined) taken += 1;
      }),
      { numRuns: 20_000 },
    );
    // Else this property would say nothing.
    expect(taken).toBeGreaterThan(2_000);
  });

  it('and for any JSON within one', () => {
    fc.assert(fc.property(jsonText, (json) => void expectSame(withMember(`"metadata":{"m":${json}}`))), { numRuns: 20_000 });
  });

  it('and for an event with any character put in, taken out or replaced, anywhere', () => {
    const source = withMember('"entryId":"id","metadata":{"a":-10.5,"b":[1,{"c":"x"}],"d":false},"context":{"ip":"1.2.3.4"},"occurredAt":"2026-02-28T00:00:00Z"');
    const characters = Array.from(' \t\n\r{}[]",:\\0159.eE+-tfnx\u0000\u001f\u007f\u009f\ud7ff\ue000é');
    let taken = 0;
    for (let at = 0; at <= source.length; at++) {
      for (const put of ['', ' \n', '"":0,', ...characters, '\ud800']) {
        for (const removed of [0, 1, 2]) if (expectSame(source.slice(0, at) + put + source.slice(at + removed)) !== undefined) taken += 1;
      }
    }
    expect(taken).toBeGreaterThan(500);
  });

  it.each([
    ['each limit', [1, 2, 63, 64, 65, 255, 256, 257, 511, 512, 513, 2_047, 2_048, 2_049, 4_095, 4_096, 4_097].flatMap((n) => {
      const long = 'x'.repeat(n);
      return [
        `{"action":"${long}",${ACTOR}}`, `{"action":"a","actor":{"type":"${long}","id":"1"}}`, `{"action":"a","actor":{"type":"t","id":"${long}"}}`, `{"action":"a","actor":{"type":"t","id":"1","name":"${long}"}}`,
        withMember(`"reason":"${long}"`), withMember(`"schemaVersion":"${long}"`), withMember(`"entryId":"${long}"`), withMember(`"context":{"${long}":"${long}"}`), withMember(`"context":{"ip":"${long}"}`),
      ];
    })],
    ['counts', [0, 1, 49, 50, 51, 64, 65, 99, 100, 101].flatMap((n) => [
      withMember(`"targets":[${Array(n).fill('{"type":"t","id":"1"}').join(',')}]`),
      withMember(`"context":{${Array.from({ length: n }, (_, i) => `"c${i}":""`).join(',')}}`),
      withMember(`"metadata":{${Array.from({ length: n }, (_, i) => `"c${i}":${i}`).join(',')}}`),
    ])],
    ['depths', [1, 2, 30, 31, 32, 33].flatMap((n) => [withMember(`"metadata":${'{"a":'.repeat(n)}1${'}'.repeat(n)}`), withMember(`"metadata":{"a":${'['.repeat(n)}${']'.repeat(n)}}`)])],
    ['numbers', ['0', '-0', '-1', '01', '1.0', '1.5', '1.50', '0.1', '0.01', '-0.5', '0.0', '1e3', '1E3', '123456789012345', '1234567890123456', '12345678901234.5', '123456789012345.6', '1.', '.5', '-', '1x', '-x', '9007199254740993', '100000000000000', '0.123456789012345', '0.1234567890123456'].map((n) => withMember(`"metadata":{"n":${n}}`))],
    ['names', ['"a":1,"a":2', '"b":1,"a":2', '"a":1,"a ":2,"a!":3,"a#":4', '"10":1,"9":2', '"":1', '"__proto__":1', '"__proto__":{},"__proto__":{}', '"é":1,"z":2', '"constructor":{}', '"a" : 1 , "b" :2'].map((m) => withMember(`"metadata":{${m}}`))],
    ['ids', ['"entryId":"a","entryId":"b"', '"entryId":"a","outcome":"denied","reason":"r"', '"targets":[],"entryId":"a","outcome":"denied"', '"metadata":{"entryId":"kept"}', '"entryId":""', '"entryId":1', '"entryId":"a b"'].map(withMember)],
    ['twice', ['"action":"b"', ACTOR, '"outcome":"denied","outcome":"denied"', '"context":{"a":"","a":""}', '"targets":[{"type":"t","type":"t","id":"1"}]'].map(withMember)],
    ['missing', ['{}', '{"action":"a"}', `{${ACTOR}}`, '{"action":"a","actor":{"type":"t"}}', '{"action":"a","actor":{}}', '{"action":"a","actor":{"id":"1","id":"2"}}', `{"action":"a","targets":[{"type":"t"}],${ACTOR}}`]],
    ['whole texts', ['', ' ', MINIMAL.slice(0, -1), `${MINIMAL},`, `${MINIMAL}${MINIMAL}`, `[${MINIMAL}]`, `${MINIMAL}\u0000`, `\ufeff${MINIMAL}`, `\u00a0${MINIMAL}`, 'null', '"x"', '1', `{${MINIMAL}}`, '{,}', '{"action":"a",}', `{"action" "a",${ACTOR}}`]],
  ])('agrees with the long way at %s', (_name, texts) => {
    for (const text of texts) expectSame(text);
  });

  it('lifts the id out wherever it stands, and keeps the order', () => {
    const rest = ['"targets":[]', '"outcome":"denied"', '"action":"a"', ACTOR, '"reason":"r"'];
    for (let at = 0; at <= rest.length; at++) {
      const text = `{${[...rest.slice(0, at), '"entryId":"e"', ...rest.slice(at)].join(',')}}`;
      expect(readPlainEvent(text)).toEqual({ entryId: 'e', event: `{"action":"a",${ACTOR},"outcome":"denied","reason":"r","targets":[]}`, occurredMillis: undefined });
    }
  });
});

describe('the short way for a batch', () => {
  it('gives all events or none', () => {
    expect(readPlainEvents(` [ ${MINIMAL} ,\n${withMember('"entryId":"x"')}]\n`)?.map(({ entryId }) => entryId)).toEqual([undefined, 'x']);
    for (const text of ['[]', '[', ']', `[${MINIMAL}`, `[${MINIMAL},]`, `[${MINIMAL} ${MINIMAL}]`, `[${MINIMAL}]x`, `[${MINIMAL},{}]`, MINIMAL, `[[${MINIMAL}]]`, `[${MINIMAL},"\\n"]`]) {
      expect(readPlainEvents(text), text).toBeUndefined();
    }
  });

  it('agrees with the long way on each event', () => {
    fc.assert(
      fc.property(fc.array(eventSource, { minLength: 1, maxLength: 3 }), (texts) => {
        const plain = readPlainEvents(`[${texts.join(',')}]`);
        if (plain !== undefined) expect(plain).toEqual(texts.map(longWay));
      }),
      { numRuns: 5_000 },
    );
  });
});
