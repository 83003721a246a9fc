import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalize } from '#indelible/core/canonical.js';
import { IntakeError } from '#indelible/core/intake-error.js';
import type { IntakeErrorCode } from '#indelible/core/intake-error.js';
import { decodeStrict, parseStrict } from '#indelible/core/json.js';
import type { JsonObject, ParseOptions } from '#indelible/core/json.js';
import { brokenText, jsonText, numberLiteral } from './json-arbitraries.js';
import { brokenNumberRule, brokenRules } from './json-reference.js';

interface IntakeCase {
  readonly name: string;
  readonly text?: string;
  readonly hex?: string;
  readonly canonical?: string;
  readonly error?: { readonly code: IntakeErrorCode; readonly path: string };
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/json-intake.json', import.meta.url), 'utf8')) as {
  cases: IntakeCase[];
};

function refusal(run: () => unknown): IntakeError {
  try {
    run();
  } catch (error) {
    if (error instanceof IntakeError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

function parseRefusal(text: string, options?: ParseOptions): IntakeError {
  return refusal(() => parseStrict(text, options));
}

function bytesOf({ text, hex }: IntakeCase): Uint8Array {
  return hex === undefined ? Buffer.from(text ?? '', 'utf8') : Buffer.from(hex, 'hex');
}

describe('the published intake vectors', () => {
  it.each(vectors.cases.filter((c) => c.canonical !== undefined))('accepts: $name', (c) => {
    const canonical = canonicalize(parseStrict(decodeStrict(bytesOf(c))));
    expect(canonical).toBe(c.canonical);
    expect(canonicalize(parseStrict(canonical))).toBe(canonical);
  });

  it.each(vectors.cases.filter((c) => c.error !== undefined))('refuses: $name', (c) => {
    const { code, path } = refusal(() => parseStrict(decodeStrict(bytesOf(c))));
    expect({ code, path }).toEqual(c.error);
  });
});

describe('an accepted text keeps every value a producer sent', () => {
  it('takes a text exactly if JSON does and no rule of the format is broken, and reads the same value', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const broken = brokenRules(text);
        if (broken.size === 0) expect(JSON.stringify(parseStrict(text))).toBe(JSON.stringify(JSON.parse(text)));
        else expect(broken).toContain(parseRefusal(text).code);
      }),
      { numRuns: 3000 },
    );
  });

  it('never takes a text that JSON does not', () => {
    fc.assert(
      fc.property(brokenText, (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        if (!valid) parseRefusal(text);
        else if (brokenRules(text).size === 0) expect(JSON.stringify(parseStrict(text))).toBe(JSON.stringify(JSON.parse(text)));
        else expect(brokenRules(text)).toContain(parseRefusal(text).code);
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses exactly the numbers whose decimal value a double would change', () => {
    fc.assert(
      fc.property(numberLiteral, (literal) => {
        const rule = brokenNumberRule(literal);
        if (rule === undefined) expect(parseStrict(literal)).toBe(Number(literal));
        else expect(parseRefusal(`[${literal}]`)).toMatchObject({ code: rule, path: '/0' });
      }),
      { numRuns: 5000 },
    );
  });

  it('takes every double back as it was written', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        fc.pre(!Object.is(value, -0));
        expect(parseStrict(String(value))).toBe(value);
        expect(parseStrict(value.toExponential())).toBe(value);
      }),
    );
  });

  it('refuses a lone surrogate that stands in the text itself', () => {
    expect(parseRefusal('["a\ud83d"]')).toMatchObject({ code: 'json_lone_surrogate', path: '/0' });
    expect(parseRefusal('{"\ude00":1}')).toMatchObject({ code: 'json_lone_surrogate', path: '' });
    expect(parseStrict('"\ud83d\ude00"')).toBe('😀');
  });

  it('keeps members named like parts of JavaScript objects as plain data', () => {
    const value = parseStrict('{"__proto__":{"polluted":1},"constructor":{"prototype":2}}') as JsonObject;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getOwnPropertyDescriptor(value, '__proto__')).toMatchObject({ value: { polluted: 1 }, enumerable: true });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('a hostile text costs a refusal, not the service', () => {
  const million = 1_000_000;

  it.each<[string, string, IntakeErrorCode]>([
    ['a million open arrays', '['.repeat(million), 'json_too_deep'],
    ['a million open objects', '{"a":'.repeat(million), 'json_too_deep'],
    ['a million digits', '1'.repeat(million), 'json_number_not_exact'],
    ['a million zeros before a digit', `0.${'0'.repeat(million)}1`, 'json_number_not_exact'],
    ['runs of zeros between digits', `0.${'0000000001'.repeat(million / 10)}`, 'json_number_not_exact'],
    ['an exponent of a million digits', `1e${'9'.repeat(million)}`, 'json_number_not_exact'],
    ['a string that never ends', `"${'a'.repeat(million)}`, 'json_syntax'],
    ['a million backslashes and no end', `"${'\\'.repeat(million)}`, 'json_syntax'],
    ['a million spaces', ' '.repeat(million), 'json_syntax'],
    ['a million minus signs', '-'.repeat(million), 'json_syntax'],
    ['a member twice under a long name', `{"${'n'.repeat(million)}":1,"${'n'.repeat(million)}":2}`, 'json_duplicate_member'],
  ])('%s', (_, text, code) => {
    const start = performance.now();
    const error = parseRefusal(text);
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(500);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('takes a million trailing zeros that change nothing', () => {
    expect(parseStrict(`1.${'0'.repeat(million)}`)).toBe(1);
    expect(parseStrict(`1${'0'.repeat(million)}e-1000000`)).toBe(1);
  });

  it('answers random bytes with a refusal and nothing else', () => {
    const random = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)));
    fc.assert(
      fc.property(random, (bytes) => {
        try {
          parseStrict(decodeStrict(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(IntakeError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('takes no more bytes or characters than it was told to', () => {
    expect(decodeStrict(Buffer.from('[1]'), 3)).toBe('[1]');
    expect(refusal(() => decodeStrict(Buffer.from('[10]'), 3)).code).toBe('json_too_large');
    expect(parseStrict('[1]', { maxLength: 3 })).toEqual([1]);
    expect(parseRefusal('[10]', { maxLength: 3 }).code).toBe('json_too_large');
    expect(parseRefusal(' '.repeat(8_388_609)).code).toBe('json_too_large');
  });
});

describe('a refusal tells the producer what to mend', () => {
  it('names the place, the rule and what was got', () => {
    expect(parseRefusal('{"metadata":{"id":9007199254740993}}').message).toBe(
      '/metadata/id: expected a number that an IEEE-754 double holds to the digit, got "9007199254740993", ' +
        'which would become 9007199254740992: send it as a string',
    );
    expect(parseRefusal('{"a":1,}').message).toBe('expected a member name in double quotes at position 7, got "}"');
    expect(parseRefusal('[1').message).toBe('expected "," or "]" at position 2, got the end of the text');
  });

  it('keeps control characters out of the message, since it ends up in a terminal', () => {
    const error = parseRefusal('{"\\u001b[31m":[-0]}');
    expect(error.path).toBe('/\u001b[31m/0');
    expect(error.message).toMatch(/^\/\\u001b\[31m\/0: /);
  });

  it('keeps why the bytes could not be decoded', () => {
    expect(refusal(() => decodeStrict(Uint8Array.of(0xff))).cause).toBeInstanceOf(TypeError);
  });

  it('says which event of a batch is at fault, and lets each be as deep as one sent alone', () => {
    const event = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    const batch = (levels: number) => `[{},${event(levels)}]`;
    expect(parseStrict(batch(32), { outerLevels: 1 })).toHaveLength(2);
    expect(parseRefusal(batch(33), { outerLevels: 1 })).toMatchObject({ code: 'json_too_deep', path: `/1${'/0'.repeat(32)}` });
    expect(parseRefusal('{"a":-0}', { path: '/7' })).toMatchObject({ path: '/7/a' });
    expect(parseRefusal('', { path: '/7' })).toMatchObject({ path: '/7' });
  });
});
