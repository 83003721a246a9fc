import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import { canonicalize } from '#indelible/core/canonical.js';
import { appendItemSchema, eventSchema, jsonSchemaOf, parseEvent } from '#indelible/core/event.js';
import type { EventFields } from '#indelible/core/event.js';
import { instantMillis } from '#indelible/core/instant.js';
import { IntakeError } from '#indelible/core/intake-error.js';
import type { IntakeErrorCode } from '#indelible/core/intake-error.js';
import { parseStrict } from '#indelible/core/json.js';
import type { JsonObject, JsonValue } from '#indelible/core/json.js';

const least = { action: 'order.create', actor: { type: 'user', id: 'usr_41' } };
const SHA256 = 'ab'.repeat(32);

const full = {
  ...least,
  actor: { type: 'user', id: 'usr_41', name: 'Zoë 😀' },
  occurredAt: '2026-03-14T09:26:53.123456789+01:00',
  targets: [{ type: 'order', id: 'ord_1' }, { type: 'order', id: 'ord_2', name: '' }],
  context: { ip: '2001:db8::7', userAgent: 'desk/4.2', requestId: 'r', traceId: 't', sessionId: 's', location: 'x', tenant: 'y' },
  outcome: 'denied',
  reason: 'limit\nreached',
  changes: [{ field: 'status', before: null, after: { deep: [1, true] } }, { field: 'note' }],
  metadata: { anything: [null, { goes: 1.5 }] },
  category: 'financial',
  schemaVersion: '1',
  attachments: [{ name: 'a.pdf', sha256: SHA256, mediaType: 'application/pdf', size: 0, uri: 's3://b/a.pdf' }],
} as const;

function refusal(value: unknown, path?: string): IntakeError {
  try {
    parseEvent(value as JsonValue, path);
  } catch (error) {
    if (error instanceof IntakeError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

/** `least` with one member set. */
const withMember = (name: string, value: unknown) => ({ ...least, [name]: value });
const contextOf = (size: number) => Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, '']));
const attached = (members: object) => withMember('attachments', [{ name: 'a', sha256: SHA256, ...members }]);

describe('an event a producer may send', () => {
  it.each<[string, unknown]>([
    ['action and actor alone', least],
    ['every member', full],
    ['empty lists and objects', { ...least, targets: [], changes: [], attachments: [], context: {}, metadata: {}, reason: '' }],
    ['the longest action, counted in characters', withMember('action', '😀'.repeat(256))],
    ['100 targets', withMember('targets', Array(100).fill({ type: 't', id: 'i' }))],
    ['50 context members', withMember('context', contextOf(50))],
    ['a control character in free text', withMember('reason', 'a\u0007b')],
    ['the largest attachment size', attached({ size: Number.MAX_SAFE_INTEGER })],
    ['a context member named __proto__', withMember('context', parseStrict('{"__proto__":"x"}'))],
    ['metadata named like parts of objects', withMember('metadata', parseStrict('{"__proto__":1,"constructor":2}'))],
  ])('has %s', (_, event) => {
    expect(parseEvent(event as JsonValue)).toEqual({ event });
  });

  it('comes back as it was sent, member for member', () => {
    const text = canonicalize(full);
    expect(canonicalize(parseEvent(parseStrict(text)).event)).toBe(text);
  });

  it('may carry the id of the producer, which is not part of the event', () => {
    expect(parseEvent({ ...full, entryId: 'ord-1:created' })).toEqual({ event: full, entryId: 'ord-1:created' });
    expect(parseEvent({ entryId: 'A._:@=+~-', ...least }).entryId).toBe('A._:@=+~-');
  });

  it.each([
    ...['0.0.0.0', '203.0.113.57', '255.255.255.255', '::', '::1', '1::', '2001:DB8::7', '1:2:3:4:5:6:7:8'],
    ...['::ffff:192.0.2.1', '1:2:3:4:5:6:192.0.2.1', '1:2:3:4:5:6:7::'],
  ])('may come from %s', (ip) => {
    expect(parseEvent(withMember('context', { ip }) as JsonObject).event.context).toEqual({ ip });
  });
});

describe('an event that is refused, with the member and the rule', () => {
  const missing = 'event_field_missing';
  const unknown = 'event_field_unknown';
  const invalid = 'event_field_invalid';

  it.each<[string, unknown, IntakeErrorCode, string]>([
    ['no action', { actor: least.actor }, missing, '/action'],
    ['no actor', { action: 'a' }, missing, '/actor'],
    ['an actor without an id', withMember('actor', { type: 'user' }), missing, '/actor/id'],
    ['a target without a type', withMember('targets', [{ id: 'i' }]), missing, '/targets/0/type'],
    ['a change without a field', withMember('changes', [{ before: 1 }]), missing, '/changes/0/field'],
    ['an attachment without a hash', withMember('attachments', [{ name: 'a' }]), missing, '/attachments/0/sha256'],
    ['a misspelt member', withMember('ocurredAt', 'x'), unknown, '/ocurredAt'],
    ['free data at the top', withMember('a/b~c', 1), unknown, '/a~1b~0c'],
    ['a member named __proto__', parseStrict('{"action":"a","actor":{"type":"t","id":"i"},"__proto__":{}}'), unknown, '/__proto__'],
    ['free data in the actor', withMember('actor', { ...least.actor, email: 'x' }), unknown, '/actor/email'],
    ['free data in a target', withMember('targets', [{ type: 't', id: 'i', x: 1 }]), unknown, '/targets/0/x'],
    ['free data in a change', withMember('changes', [{ field: 'f', old: 1 }]), unknown, '/changes/0/old'],
    ['free data in an attachment', attached({ md5: '' }), unknown, '/attachments/0/md5'],
    ['a string for an event', 'event', invalid, ''],
    ['an array for an event', [least], invalid, ''],
    ['null for an event', null, invalid, ''],
    ['an empty action', withMember('action', ''), invalid, '/action'],
    ['an action that is too long', withMember('action', 'a'.repeat(257)), invalid, '/action'],
    ['an action too long in characters', withMember('action', '😀'.repeat(257)), invalid, '/action'],
    ['an escape sequence in an action', withMember('action', 'a\u001b[31m'), invalid, '/action'],
    ['a C1 control in an actor name', withMember('actor', { ...least.actor, name: '\u009b' }), invalid, '/actor/name'],
    ['a line feed in a target id', withMember('targets', [{ type: 't', id: 'a\nb' }]), invalid, '/targets/0/id'],
    ['an actor that is a string', withMember('actor', 'usr_41'), invalid, '/actor'],
    ['an actor id that is a number', withMember('actor', { type: 'user', id: 41 }), invalid, '/actor/id'],
    ['an actor type that is too long', withMember('actor', { type: 'a'.repeat(65), id: 'i' }), invalid, '/actor/type'],
    ['null for an optional member', withMember('reason', null), invalid, '/reason'],
    ['null for an optional name', withMember('actor', { ...least.actor, name: null }), invalid, '/actor/name'],
    ['a reason that is too long', withMember('reason', 'a'.repeat(4097)), invalid, '/reason'],
    ['101 targets', withMember('targets', Array(101).fill({ type: 't', id: 'i' })), invalid, '/targets'],
    ['201 changes', withMember('changes', Array(201).fill({ field: 'f' })), invalid, '/changes'],
    ['51 attachments', withMember('attachments', Array(51).fill({ name: 'a', sha256: SHA256 })), invalid, '/attachments'],
    ['an object for a list', withMember('targets', { type: 't', id: 'i' }), invalid, '/targets'],
    ['a context value that is no string', withMember('context', { retries: 3 }), invalid, '/context/retries'],
    ['a context value that is too long', withMember('context', { x: 'a'.repeat(2049) }), invalid, '/context/x'],
    ['a context member named __proto__ that is no string', withMember('context', parseStrict('{"__proto__":{}}')), invalid, '/context/__proto__'],
    ['51 context members', withMember('context', contextOf(51)), invalid, '/context'],
    ['an array for a context', withMember('context', []), invalid, '/context'],
    ['an unknown outcome', withMember('outcome', 'ok'), invalid, '/outcome'],
    ['an unknown category', withMember('category', 'User'), invalid, '/category'],
    ['metadata that is an array', withMember('metadata', []), invalid, '/metadata'],
    ['metadata that is null', withMember('metadata', null), invalid, '/metadata'],
    ['a schema version that is a number', withMember('schemaVersion', 1), invalid, '/schemaVersion'],
    ['a hash in capitals', attached({ sha256: SHA256.toUpperCase() }), invalid, '/attachments/0/sha256'],
    ['a negative size', attached({ size: -1 }), invalid, '/attachments/0/size'],
    ['a size with a fraction', attached({ size: 1.5 }), invalid, '/attachments/0/size'],
    ['an id with a space', withMember('entryId', 'a b'), invalid, '/entryId'],
    ['an id that is too long', withMember('entryId', 'a'.repeat(129)), invalid, '/entryId'],
    ['an id with a line feed at its end', withMember('entryId', 'a\n'), invalid, '/entryId'],
    ['an id that is null', withMember('entryId', null), invalid, '/entryId'],
    ['a date without a time', withMember('occurredAt', '2026-03-14'), invalid, '/occurredAt'],
  ])('%s', (_, event, code, path) => {
    const error = refusal(event);
    expect({ code: error.code, path: error.path }).toEqual({ code, path });
    expect(error.message).toMatch(/expected .+/);
  });

  it.each([
    ...['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.4\n', ' 1.2.3.4', 'localhost'],
    ...[':::', '1::2::3', '1:2:3:4::5:6:7:8', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', 'g::'],
    ...['fe80::1%eth0', '[::1]', '::1]/[', '::1.2.3', '1.2.3.4::'],
  ])('the address %j', (ip) => {
    expect(refusal(withMember('context', { ip }))).toMatchObject({ code: invalid, path: '/context/ip' });
  });

  it('says what was expected and what was got', () => {
    expect(refusal(withMember('outcome', 'ok')).message).toBe(
      '/outcome: expected one of "success", "failure", "denied", got "ok" (2 characters)',
    );
    expect(refusal({ action: 'a', actor: { type: 'user' } }).message).toBe(
      '/actor/id: expected a string of 1 to 512 characters, none a control character, got nothing',
    );
    expect(refusal(withMember('amount', 1)).message).toMatch(/free data goes to metadata$/);
    expect(refusal(withMember('action', `\u001b${'x'.repeat(100_000)}`)).message.length).toBeLessThan(300);
  });

  it('says which event of a batch it is', () => {
    expect(refusal({ action: 'a' }, '/17')).toMatchObject({ path: '/17/actor' });
  });

  it('is refused at once, however long its lists are', () => {
    const start = performance.now();
    expect(refusal(withMember('targets', Array(2_000_000).fill(0))).path).toBe('/targets');
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('when it happened', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T00:00:00.0019Z', 1],
    ['1969-12-31T23:00:00-01:00', 0],
    ['2000-02-29T00:00:00-00:00', Date.UTC(2000, 1, 29)],
    ['2026-03-14T09:26:53.5+01:00', Date.UTC(2026, 2, 14, 8, 26, 53, 500)],
    ['9999-12-31T23:59:59.999999999Z', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
  ])('%s is a moment', (text, millis) => {
    expect(instantMillis(text)).toBe(millis);
  });

  it('is the same moment that a calendar library sees, at any offset', () => {
    const moment = fc.date({ min: new Date(86_400_000), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true });
    fc.assert(
      fc.property(moment, fc.integer({ min: -1439, max: 1439 }), (date, minutes) => {
        const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
        const two = (n: number) => String(n).padStart(2, '0');
        const size = Math.abs(minutes);
        const text = `${local}${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
        expect(instantMillis(text)).toBe(date.getTime());
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['2026-02-29T00:00:00Z', /a day that its month has/],
    ['1900-02-29T00:00:00Z', /a day that its month has/],
    ['2026-04-31T00:00:00Z', /a day that its month has/],
    ['2026-01-00T00:00:00Z', /a day that its month has/],
    ['2026-00-10T00:00:00Z', /a month/],
    ['2026-13-10T00:00:00Z', /a month/],
    ['2026-01-10T24:00:00Z', /an hour/],
    ['2026-01-10T23:60:00Z', /a minute/],
    ['2016-12-31T23:59:60Z', /no leap second/],
    ['2026-01-10T23:59:61Z', /a second/],
    ['2026-01-10T00:00:00+24:00', /an offset/],
    ['2026-01-10T00:00:00+01:60', /an offset/],
    ['1969-12-31T23:59:59Z', /1970 to 9999/],
    ['1970-01-01T00:00:00+00:01', /1970 to 9999/],
    ['9999-12-31T23:59:59-00:01', /1970 to 9999/],
    ['2026-01-10T00:00:00', /RFC 3339/],
    ['2026-01-10 00:00:00Z', /RFC 3339/],
    ['2026-01-10t00:00:00z', /RFC 3339/],
    ['2026-01-10T00:00:00.Z', /RFC 3339/],
    ['2026-01-10T00:00:00.1234567890Z', /RFC 3339/],
    ['2026-01-10T00:00Z', /RFC 3339/],
    ['+02026-01-10T00:00:00Z', /RFC 3339/],
    ['2026-01-10T00:00:00Z\n', /RFC 3339/],
    ['２026-01-10T00:00:00Z', /RFC 3339/],
  ])('%s is none, and the refusal says why', (text, rule) => {
    expect(() => instantMillis(text)).toThrow(RangeError);
    expect(refusal(withMember('occurredAt', text))).toMatchObject({ code: 'event_field_invalid', path: '/occurredAt' });
    expect(refusal(withMember('occurredAt', text)).message).toMatch(rule);
  });
});

describe('the published JSON Schema', () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const matches = ajv.compile(jsonSchemaOf(appendItemSchema));

  const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('success', 'user', '', null, 0, [], {}));
  const word = fc.oneof(
    { weight: 30, arbitrary: fc.string({ minLength: 1, maxLength: 4 }) },
    fc.constantFrom('', 'a', 'a\u0007', '😀'.repeat(65), 'x'.repeat(65), 'y'.repeat(513)),
  );
  const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
    fc.oneof<fc.MaybeWeightedArbitrary<unknown>[]>({ weight: 40, arbitrary }, { weight: 1, arbitrary: anything });
  const object = (shape: Record<string, fc.Arbitrary<unknown>>, requiredKeys: string[]) =>
    fc
      .tuple(
        fc.record(shape, { requiredKeys }),
        fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, fc.constantFrom(...Object.keys(shape))),
        fc.boolean(),
      )
      .map(([record, name, stray]) => {
        if (name === undefined) return record;
        if (stray) return { ...record, stray: 1 };
        return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
      });
  const party = object({ type: maybe(word), id: maybe(word), name: maybe(word) }, ['type', 'id']);
  const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('1.2.3'));
  const attachment = object({ name: word, sha256: maybe(fc.constant(SHA256)), size: maybe(fc.nat()) }, ['name', 'sha256']);
  const item = object(
    {
      action: maybe(fc.constantFrom('a', 'b'.repeat(256))),
      actor: maybe(party),
      targets: maybe(fc.array(party, { maxLength: 2 })),
      context: maybe(fc.oneof(fc.dictionary(word, word), fc.record({ ip: address, tenant: word }))),
      outcome: maybe(fc.constant('success')),
      changes: maybe(fc.array(object({ field: maybe(word), before: anything }, ['field']), { maxLength: 2 })),
      metadata: maybe(fc.dictionary(fc.string(), anything)),
      category: maybe(fc.constant('user')),
      attachments: maybe(fc.array(attachment, { maxLength: 1 })),
      entryId: maybe(fc.constantFrom('a', 'b:1', '-a')),
    },
    ['action', 'actor'],
  );

  it('accepts what the service accepts, and refuses what it refuses', () => {
    let accepted = 0;
    fc.assert(
      fc.property(item, (generated) => {
        const value = JSON.parse(JSON.stringify(generated)) as JsonValue;
        let taken = true;
        try {
          parseEvent(value);
        } catch (error) {
          expect(error).toBeInstanceOf(IntakeError);
          taken = false;
        }
        accepted += Number(taken);
        expect(matches(value)).toBe(taken);
      }),
      { numRuns: 3000 },
    );
    // Otherwise the agreement is about refusals alone.
    expect(accepted).toBeGreaterThan(100);
  });

  it('holds for the full event, and closes every object but context and metadata', () => {
    expect(matches(full)).toBe(true);
    expect(jsonSchemaOf(eventSchema)).toMatchObject({ required: ['action', 'actor'], additionalProperties: false });
    expect(jsonSchemaOf(eventSchema)['properties']).not.toHaveProperty('entryId');
  });

  it('names the members that the types name', () => {
    expectTypeOf<keyof z.output<typeof eventSchema>>().toEqualTypeOf<keyof EventFields>();
    expect(Object.keys(eventSchema.shape).sort()).toEqual(Object.keys(full).sort());
  });
});
