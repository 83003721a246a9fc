/** Small JSON bodies, as strict as events: what is not understood is refused, not ignored. */
import type { z } from 'zod';
import { pointerSegment } from '../core/intake-error.js';
import { decodeStrict, parseStrict } from '../core/json.js';
import type { JsonValue } from '../core/json.js';
import { readBody } from './body.js';
import type { Exchange } from './exchange.js';
import { bodyType, JSON_TYPE } from './media.js';
import { Problem } from './problem.js';
import type { ProblemCode } from './problem-codes.js';

const MAX_BODY = 16_384;

export const JSON_BODY_PROBLEMS = [
  'json_syntax', 'json_encoding', 'json_too_deep', 'json_duplicate_member', 'json_lone_surrogate', 'json_number_not_exact', 'json_negative_zero',
  'body_too_large', 'media_type_unsupported', 'charset_unsupported', 'content_encoding_unsupported', 'length_required',
  'body_field_unknown', 'body_field_invalid',
] as const satisfies readonly ProblemCode[];

/** The body, checked by `schema`. With `absent`, a request without a body stands for that. @throws Problem, IntakeError */
export async function readJson<T>(exchange: Exchange, schema: z.ZodType<T>, absent?: JsonValue): Promise<T> {
  const { headers } = exchange.req;
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  if (!hasBody && absent !== undefined) return check(schema, absent);
  bodyType(exchange.req, [JSON_TYPE]);
  const body = await new Promise<Buffer>((resolve) => readBody(exchange, MAX_BODY, resolve));
  return check(schema, parseStrict(decodeStrict(body)));
}

function check<T>(schema: z.ZodType<T>, value: JsonValue): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map((name) => pointerSegment(String(name))).join('');
  if (issue?.code === 'unrecognized_keys') {
    const pointer = path + pointerSegment(issue.keys[0] ?? '');
    throw new Problem('body_field_unknown', `${pointer}: no such member`, { pointer, rule: 'no such member' });
  }
  const rule = issue?.message ?? 'not acceptable';
  throw new Problem('body_field_invalid', path === '' ? rule : `${path}: ${rule}`, { pointer: path, rule });
}
