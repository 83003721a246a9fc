/** JSON texts as a hostile or merely careless producer writes them. */
import fc from 'fast-check';

export const whiteSpace = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 2 });

const characterOf = (all: string) => fc.constantFrom(...all.split(/(?:)/));
const digits = (maxLength: number) => fc.string({ unit: characterOf('0123456789'), minLength: 1, maxLength });
const integer = fc.oneof(fc.constant('0'), fc.tuple(characterOf('123456789'), digits(20)).map((d) => d.join('')));

/** Any literal of RFC 8259 §6, mostly near the edges of what a double holds. */
export const numberLiteral = fc.oneof(
  fc
    .record({
      sign: fc.constantFrom('', '-'),
      integer,
      fraction: fc.option(digits(20), { nil: undefined }),
      exponent: fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'E-'), fc.integer({ min: 0, max: 345 })), { nil: undefined }),
    })
    .map(
      (n) =>
        n.sign + n.integer + (n.fraction === undefined ? '' : `.${n.fraction}`) + (n.exponent?.map(String).join('') ?? ''),
    ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc
    .tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: 1, max: 25 }))
    .map(([value, precision]) => value.toPrecision(precision)),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
);

/** Well-formed and not, raw and escaped, and the names that objects have already. */
export const stringLiteral = fc.oneof(
  fc.string({ unit: 'binary' }).map((value) => JSON.stringify(value)),
  fc
    .array(fc.constantFrom('a', 'é', '😀', '\\n', '\\"', '\\/', '\\u0041', '\\ud83d', '\\ude00', '\\u0000'), { maxLength: 5 })
    .map((parts) => `"${parts.join('')}"`),
  fc.constantFrom('"__proto__"', '"constructor"', '"toString"', '"a"', '"b"', '"\\u0061"', '"1"', '"0"'),
);

/** Valid JSON by RFC 8259; whether intake takes it is open. */
export const jsonText = fc.letrec<{ value: string; list: string; record: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(numberLiteral, stringLiteral, fc.constantFrom('true', 'false', 'null')),
    tie('list'),
    tie('record'),
  ),
  list: fc
    .tuple(fc.array(tie('value'), { maxLength: 4 }), whiteSpace)
    .map(([items, space]) => `[${space}${items.join(`,${space}`)}${space}]`),
  record: fc
    .tuple(fc.array(fc.tuple(stringLiteral, tie('value')), { maxLength: 4 }), whiteSpace)
    .map(([members, space]) => `{${space}${members.map(([name, value]) => `${name}${space}:${value}`).join(`${space},`)}}`),
})).value;

/** A text with a character taken out, put in or repeated. */
export const brokenText = fc
  .tuple(jsonText, fc.nat(), fc.oneof(fc.constant(''), characterOf('{}[]",:\\0-e.\u0001 \ud800')), fc.integer({ min: 0, max: 2 }))
  .map(([text, at, inserted, removed]) => {
    const position = at % (text.length + 1);
    return text.slice(0, position) + inserted + text.slice(position + removed);
  });
