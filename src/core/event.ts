/**
 * The event: what a producer says happened. docs/format.md §1.1.
 *
 * A verifier takes any JSON object for an event; the rules here are those of the door. One schema serves
 * the check and the JSON Schema that the service publishes.
 */
import { z } from 'zod';
import { ENTRY_ID } from './chain.js';
import { instantMillis } from './instant.js';
import { IntakeError, pointerSegment, shown } from './intake-error.js';
import type { EventErrorCode } from './intake-error.js';
import type { JsonObject, JsonValue } from './json.js';

export interface Party {
  readonly type: string;
  readonly id: string;
  readonly name?: string;
}

export interface Change {
  readonly field: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

export interface Attachment {
  readonly name: string;
  /** Of the attached bytes, 64 lowercase hexadecimal digits. */
  readonly sha256: string;
  readonly mediaType?: string;
  /** In bytes. */
  readonly size?: number;
  readonly uri?: string;
}

export interface EventFields {
  readonly action: string;
  readonly actor: Party;
  /** RFC 3339 with an offset, as the producer wrote it; see `instantMillis`. */
  readonly occurredAt?: string;
  readonly targets?: readonly Party[];
  readonly context?: Readonly<Record<string, string>>;
  readonly outcome?: 'success' | 'failure' | 'denied';
  readonly reason?: string;
  readonly changes?: readonly Change[];
  readonly metadata?: JsonObject;
  readonly category?: 'user' | 'system' | 'financial';
  readonly schemaVersion?: string;
  readonly attachments?: readonly Attachment[];
}

export type AuditEvent = EventFields & JsonObject;

/** What a producer appends: an event, and the id under which it may be sent again. */
export interface AppendItem {
  readonly event: AuditEvent;
  readonly entryId?: string;
}

/** C0, DEL and C1: names end up in terminals and indices. */
// eslint-disable-next-line no-control-regex -- forbidding them is the point
const NO_CONTROLS = /^[^\u0000-\u001f\u007f-\u009f]*$/;

/** Lengths count Unicode code points, as those of JSON Schema do. */
function text(min: number, max: number) {
  const error = `a string of ${min} to ${max} characters`;
  return z
    .string({ error })
    .refine((value) => hasLength(value, min, max), { error })
    .meta({ minLength: min, maxLength: max });
}

function label(min: number, max: number) {
  const error = `a string of ${min} to ${max} characters, none a control character`;
  return z
    .string({ error })
    .refine((value) => hasLength(value, min, max) && NO_CONTROLS.test(value), { error })
    .meta({ minLength: min, maxLength: max, pattern: NO_CONTROLS.source });
}

function form(pattern: RegExp, error: string) {
  return z.string({ error }).regex(pattern, { error });
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: `one of ${values.map((value) => `"${value}"`).join(', ')}` });
}

/** The length is checked before the items are, so that refusing millions of them is cheap. */
function list<T extends z.ZodType>(item: T, max: number) {
  const error = `an array of at most ${max} items`;
  return z
    .custom<readonly unknown[]>((value) => Array.isArray(value) && value.length <= max, { error })
    .pipe(z.array(item))
    .meta({ maxItems: max });
}

function members<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, { error: `an object with the members ${Object.keys(shape).join(', ')}` });
}

const jsonObject = z.custom<JsonObject>(isObject, { error: 'an object' }).meta({ type: 'object' });

const dateTime = z
  .string({ error: 'an RFC 3339 date-time' })
  .superRefine((value, issues) => {
    try {
      instantMillis(value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      issues.addIssue({ code: 'custom', message: error.message });
    }
  })
  .meta({ format: 'date-time' });

const party = members({ type: label(1, 64), id: label(1, 512), name: label(0, 512).optional() });

const MAX_CONTEXT = 50;
const CONTEXT_VALUE = 'a string of 0 to 2048 characters';
/** Those with a meaning to the service; any other name is taken too. */
const contextValue = { type: 'string', maxLength: 2048 } as const;

/** Not a zod record: that would leave a member named `__proto__` unchecked, and look at a million others. */
const context = z
  .custom<Readonly<Record<string, string>>>(
    (value) => isObject(value) && Object.keys(value).length <= MAX_CONTEXT,
    { error: `an object of at most ${MAX_CONTEXT} members` },
  )
  .superRefine((value, issues) => {
    for (const [name, member] of Object.entries<unknown>(value)) {
      if (typeof member !== 'string' || !hasLength(member, 0, 2048)) {
        issues.addIssue({ code: 'custom', path: [name], message: CONTEXT_VALUE });
      } else if (name === 'ip' && !isIpAddress(member)) {
        issues.addIssue({ code: 'custom', path: [name], message: 'an IPv4 or IPv6 address' });
      }
    }
  })
  .meta({
    type: 'object',
    properties: {
      ip: { type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
      userAgent: contextValue,
      requestId: contextValue,
      traceId: contextValue,
      sessionId: contextValue,
      location: contextValue,
    },
    additionalProperties: contextValue,
    maxProperties: MAX_CONTEXT,
  });

const change = members({ field: text(1, 512), before: z.unknown().optional(), after: z.unknown().optional() });

const attachment = members({
  name: text(1, 512),
  sha256: form(/^[0-9a-f]{64}$/, 'a SHA-256 of 64 lowercase hexadecimal digits'),
  mediaType: text(1, 255).optional(),
  size: z.int({ error: 'an integer from 0 to 2^53-1' }).min(0, { error: 'an integer from 0 to 2^53-1' }).optional(),
  uri: text(1, 2048).optional(),
});

/** The rules of an event as a zod schema. Check with `parseEvent`: zod's own output is a copy. */
export const eventSchema = members({
  action: label(1, 256),
  actor: party,
  occurredAt: dateTime.optional(),
  targets: list(party, 100).optional(),
  context: context.optional(),
  outcome: oneOf(['success', 'failure', 'denied']).optional(),
  reason: text(0, 4096).optional(),
  changes: list(change, 200).optional(),
  metadata: jsonObject.optional(),
  category: oneOf(['user', 'system', 'financial']).optional(),
  schemaVersion: text(1, 64).optional(),
  attachments: list(attachment, 50).optional(),
});

/** An item of a request: the event's members, and the producer's own id among them. */
export const appendItemSchema = members({
  ...eventSchema.shape,
  entryId: form(ENTRY_ID, `an id that matches ${ENTRY_ID.source}`).optional(),
});

/** JSON Schema 2020-12, which OpenAPI 3.1 takes. It can't say that a date exists or is past 1969. */
export function jsonSchemaOf(schema: typeof eventSchema | typeof appendItemSchema): JsonObject {
  return z.toJSONSchema(schema, { unrepresentable: 'any' }) as JsonObject;
}

/**
 * Checks one item of a request and lifts the producer's id out of it. The event is kept as it was sent.
 *
 * @param value what `parseStrict` returned
 * @param path JSON Pointer of the value in its document, put before the path of an error
 * @throws IntakeError `event_field_unknown`, `event_field_missing` or `event_field_invalid`
 */
export function parseEvent(value: JsonValue, path = ''): AppendItem {
  const result = appendItemSchema.safeParse(value);
  if (!result.success) throw intakeError(result.error.issues[0] as z.core.$ZodIssue, value, path);
  const { entryId, ...event } = value as AuditEvent & { readonly entryId?: string };
  return entryId === undefined ? { event: value as AuditEvent } : { event, entryId };
}

function intakeError(issue: z.core.$ZodIssue, value: JsonValue, base: string): IntakeError {
  const names = issue.path as (string | number)[];
  const pointer = base + names.map(pointerSegment).join('');
  if (issue.code === 'unrecognized_keys') {
    const hint = names.length === 0 ? '; free data goes to metadata' : '';
    const [name = ''] = issue.keys;
    const rule = `no such member; expected ${issue.message}${hint}`;
    return new IntakeError('event_field_unknown', pointer + pointerSegment(name), rule);
  }
  const got = names.reduce<JsonValue | undefined>(memberOf, value);
  const code: EventErrorCode = got === undefined ? 'event_field_missing' : 'event_field_invalid';
  return new IntakeError(code, pointer, `expected ${issue.message}, got ${described(got)}`);
}

function memberOf(value: JsonValue | undefined, name: string | number): JsonValue | undefined {
  return (value as JsonObject)[name];
}

function described(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `${shown(value)} (${codePoints(value)} characters)`;
  if (Array.isArray(value)) return `an array of ${value.length} items`;
  if (value !== null && typeof value === 'object') return `an object of ${Object.keys(value).length} members`;
  return String(value);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasLength(value: string, min: number, max: number): boolean {
  // A code point is one or two code units, so most strings need no counting.
  if (value.length > 2 * max || value.length < min) return false;
  if (value.length <= max && value.length >= 2 * min) return true;
  const length = codePoints(value);
  return length >= min && length <= max;
}

/** Of a well-formed string. */
function codePoints(value: string): number {
  let count = 0;
  for (let i = 0; i < value.length; i++) if ((value.charCodeAt(i) & 0xfc00) !== 0xdc00) count++;
  return count;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const IPV6_GROUP = /^[0-9a-fA-F]{1,4}$/;

/** RFC 4291 §2.2, with an IPv4 tail or without; no zone, since it means nothing on another host. */
export function isIpAddress(value: string): boolean {
  if (!value.includes(':')) return IPV4.test(value);
  const tail = value.slice(value.lastIndexOf(':') + 1);
  const groups = tail.includes('.') && IPV4.test(tail) ? `${value.slice(0, -tail.length)}0:0` : value;
  const halves = groups.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const all = halves.flat();
  const fits = halves.length === 1 ? all.length === 8 : halves.length === 2 && all.length <= 7;
  return fits && all.every((group) => IPV6_GROUP.test(group));
}
