/**
 * How a refusal is told to the producer: a stable code, where, and which rule met what.
 */

export type JsonErrorCode =
  | 'json_encoding'
  | 'json_too_large'
  | 'json_syntax'
  | 'json_too_deep'
  | 'json_duplicate_member'
  | 'json_lone_surrogate'
  | 'json_number_not_exact'
  | 'json_negative_zero';

export type EventErrorCode = 'event_field_unknown' | 'event_field_missing' | 'event_field_invalid';

export type IntakeErrorCode = JsonErrorCode | EventErrorCode;

/** What a producer sent is refused. The message starts with the path and names the rule and what was got. */
export class IntakeError extends Error {
  override readonly name = 'IntakeError';
  readonly code: IntakeErrorCode;
  /** JSON Pointer (RFC 6901) to the offending value; '' is the whole document. */
  readonly path: string;
  /** What was expected and what was got, without the path. */
  readonly rule: string;

  constructor(code: IntakeErrorCode, path: string, rule: string, options?: ErrorOptions) {
    super(path === '' ? rule : `${clip(path, 200)}: ${rule}`, options);
    this.code = code;
    this.path = path;
    this.rule = rule;
  }
}

/** One segment of a JSON Pointer with its slash (RFC 6901 §3). */
export function pointerSegment(name: string | number): string {
  return `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A value from outside as it may stand in a message: short, quoted, and without control characters. */
export function shown(text: string): string {
  return `"${clip(text, 40)}"`;
}

function clip(text: string, length: number): string {
  const short = text.length > length ? `${text.slice(0, length)}…` : text;
  return short.replace(/[\p{Cc}\p{Cs}]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
