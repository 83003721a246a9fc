import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { canonicalize as otherCanonicalize } from 'json-canonicalize';
import { describe, expect, it } from 'vitest';
import { canonicalize } from '#indelible/core/canonical.js';
import { parseStrict } from '#indelible/core/json.js';
import type { JsonValue } from '#indelible/core/json.js';
import { jsonText, whiteSpace } from './json-arbitraries.js';
import { brokenRules } from './json-reference.js';

interface NumberCase {
  readonly bits: string;
  readonly text?: string;
  readonly refused?: true;
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/jcs-numbers.json', import.meta.url), 'utf8')) as {
  cases: NumberCase[];
};

/** JSON values whose strings are well formed and whose numbers are not -0. */
const value = fc
  .jsonValue({ stringUnit: 'binary', maxDepth: 4 })
  .map((generated) => JSON.parse(JSON.stringify(generated)) as JsonValue);

/** RFC 8785 §3.2.3 by the letter: members sorted by the UTF-16 code units of their names. */
function sorted(input: JsonValue): string {
  if (input === null || typeof input !== 'object') return JSON.stringify(input);
  if (Array.isArray(input)) return `[${(input as JsonValue[]).map(sorted).join(',')}]`;
  const units = (name: string) => Buffer.from(name, 'utf16le').swap16();
  const members = Object.entries(input).sort(([a], [b]) => Buffer.compare(units(a), units(b)));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${sorted(member)}`).join(',')}}`;
}

/** The same value as other text: members in another order, white space anywhere. */
function disguised(input: JsonValue, space: () => string, order: <T>(items: T[]) => T[]): string {
  const join = (parts: string[]) => parts.map((part) => space() + part + space()).join(',');
  if (input === null || typeof input !== 'object') return JSON.stringify(input);
  if (Array.isArray(input)) return `[${join((input as JsonValue[]).map((item) => disguised(item, space, order)))}]`;
  const members = order(Object.entries(input)).map(
    ([name, member]) => `${JSON.stringify(name)}${space()}:${disguised(member, space, order)}`,
  );
  return `{${join(members)}}`;
}

describe('one value has one text, so a hash can stand for it', () => {
  it.each(vectors.cases)('writes the double $bits as $text', ({ bits, text }) => {
    const number = Buffer.from(bits, 'hex').readDoubleBE();
    if (text === undefined) expect(() => canonicalize(number)).toThrow(TypeError);
    else expect(canonicalize(number)).toBe(text);
  });

  it('writes the example of RFC 8785 §3.2.2', () => {
    const example = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    ) as JsonValue;
    expect(canonicalize(example)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('agrees with another implementation, and with sorting by the letter', () => {
    fc.assert(
      fc.property(value, (input) => {
        expect(canonicalize(input)).toBe(otherCanonicalize(input));
        expect(canonicalize(input)).toBe(sorted(input));
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same bytes however a producer orders members and spaces them', () => {
    fc.assert(
      fc.property(value, fc.infiniteStream(whiteSpace), fc.infiniteStream(fc.nat()), (input, spaces, numbers) => {
        const next = <T>(stream: Iterator<T>): T => stream.next().value as T;
        const order = <T>(items: T[]): T[] =>
          items
            .map((item) => [next(numbers), item] as const)
            .sort(([a], [b]) => a - b)
            .map(([, item]) => item);
        expect(canonicalize(parseStrict(disguised(input, () => next(spaces), order)))).toBe(canonicalize(input));
      }),
    );
  });

  it('is its own canonical form', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        fc.pre(brokenRules(text).size === 0);
        const canonical = canonicalize(parseStrict(text));
        expect(canonicalize(parseStrict(canonical))).toBe(canonical);
        expect(canonical).not.toContain('\n');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what JSON has no form for is not hashed as something else', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['an undefined member, which JSON.stringify leaves out', { a: undefined }],
    ['a hole in an array', [1, , 2]], // eslint-disable-line no-sparse-arrays
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a bigint', 1n],
    ['NaN', NaN],
    ['Infinity', [Infinity]],
    ['-Infinity', [-Infinity]],
    ['negative zero', { a: -0 }],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00a'],
    ['surrogates in the wrong order', '\ude00\ud83d'],
    ['a lone surrogate in a name', { '\ud800': 1 }],
    ['a date', new Date(0)],
    ['a map', new Map([['a', 1]])],
    ['a boxed number', Object(1)],
    ['bytes', new Uint8Array(2)],
    ['a cycle', cyclic],
  ])('refuses %s', (_, input) => {
    expect(() => canonicalize(input as JsonValue)).toThrow(TypeError);
  });

  it('takes objects without a prototype, and members named __proto__', () => {
    expect(canonicalize(Object.assign(Object.create(null), { b: 1, a: '😀' }) as JsonValue)).toBe('{"a":"😀","b":1}');
    expect(canonicalize(JSON.parse('{"b":1,"__proto__":{"a":1}}') as JsonValue)).toBe('{"__proto__":{"a":1},"b":1}');
  });
});
