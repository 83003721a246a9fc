/**
 * Every way in which the service says no, once. Codes are stable: clients branch on them, OpenAPI and the
 * documentation list them, and a code that is not here can't be sent.
 */
import type { IntakeErrorCode } from '../core/intake-error.js';
import type { LedgerErrorCode } from '../ledger/errors.js';

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Seconds to wait before the same request may succeed. */
  readonly retryAfter?: number;
}

export const PROBLEMS = {
  http_malformed: { status: 400, title: 'The request is not valid HTTP/1.1' },
  host_missing: { status: 400, title: 'The Host header is missing' },
  path_invalid: { status: 400, title: 'The path is not validly percent-encoded UTF-8' },
  chain_id_invalid: { status: 400, title: 'The chain id is not well-formed' },
  entry_id_invalid: { status: 400, title: 'The entry id is not well-formed' },
  sequence_invalid: { status: 400, title: 'The sequence is not a whole number from 0 to 2^53-1' },
  job_id_invalid: { status: 400, title: 'The job id is not well-formed' },
  query_parameter_unknown: { status: 400, title: 'There is no such query parameter' },
  query_parameter_invalid: { status: 400, title: 'A query parameter is not acceptable' },
  query_parameter_missing: { status: 400, title: 'A required query parameter is missing' },
  query_parameter_repeated: { status: 400, title: 'A query parameter is given more than once' },
  header_invalid: { status: 400, title: 'A header is not acceptable' },
  json_syntax: { status: 400, title: 'The body is not JSON' },
  json_encoding: { status: 400, title: 'The body is not UTF-8 without a byte-order mark' },

  token_missing: { status: 401, title: 'A bearer token is needed' },
  token_invalid: { status: 401, title: 'The bearer token is not valid' },
  scope_missing: { status: 403, title: 'The token does not permit this' },
  chain_reserved: { status: 403, title: 'Chains whose id starts with "_" are written by the service alone' },

  route_not_found: { status: 404, title: 'There is nothing at this path' },
  chain_not_found: { status: 404, title: 'There is no such chain' },
  entry_not_found: { status: 404, title: 'There is no such entry' },
  job_not_found: { status: 404, title: 'There is no such job' },
  method_not_allowed: { status: 405, title: 'This path does not take this method' },
  not_acceptable: { status: 406, title: 'No media type in Accept can be served here' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  entry_id_conflict: { status: 409, title: 'The entry id is taken by an entry with other content' },
  export_not_ready: { status: 409, title: 'The export is not finished', retryAfter: 2 },
  length_required: { status: 411, title: 'Content-Length or chunked transfer coding is needed' },
  body_too_large: { status: 413, title: 'The body is too large' },
  json_too_large: { status: 413, title: 'The JSON text is too large' },
  batch_too_large: { status: 413, title: 'The batch is too large' },
  entry_too_large: { status: 413, title: 'The entry is too large' },
  media_type_unsupported: { status: 415, title: 'The body has a media type that is not taken here' },
  charset_unsupported: { status: 415, title: 'The body must be UTF-8' },
  content_encoding_unsupported: { status: 415, title: 'The body must not be compressed or otherwise encoded' },
  expectation_failed: { status: 417, title: 'The expectation in Expect is not known' },

  json_too_deep: { status: 422, title: 'The JSON is nested too deeply' },
  json_duplicate_member: { status: 422, title: 'An object has two members of the same name' },
  json_lone_surrogate: { status: 422, title: 'A string holds a lone surrogate' },
  json_number_not_exact: { status: 422, title: 'A number would not be kept exactly' },
  json_negative_zero: { status: 422, title: 'Negative zero would not be kept' },
  event_field_unknown: { status: 422, title: 'The event has a member that is not known' },
  event_field_missing: { status: 422, title: 'The event lacks a required member' },
  event_field_invalid: { status: 422, title: 'A member of the event is not acceptable' },
  occurred_in_future: { status: 422, title: 'occurredAt is too far in the future' },
  idempotency_key_mismatch: { status: 422, title: 'Idempotency-Key and entryId differ' },
  batch_invalid: { status: 422, title: 'The batch is not a list of events' },
  body_field_unknown: { status: 422, title: 'The body has a member that is not known' },
  body_field_invalid: { status: 422, title: 'A member of the body is missing or not acceptable' },
  range_invalid: { status: 422, title: 'The range does not lie within the chain' },
  range_too_large: { status: 422, title: 'The range is too large for one call' },

  too_many_jobs: { status: 429, title: 'Too many jobs are under way', retryAfter: 10 },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something unforeseen went wrong' },

  role_not_served: { status: 503, title: 'This process does not serve the log; another one does', retryAfter: 1 },
  queue_full: { status: 503, title: 'Too many appends are waiting; nothing was appended', retryAfter: 1 },
  shutting_down: { status: 503, title: 'The service is shutting down; nothing was appended', retryAfter: 5 },
  signer_unavailable: { status: 503, title: 'The signing key can not be used; nothing was appended', retryAfter: 5 },
  view_behind: { status: 503, title: 'The index is still being built', retryAfter: 2 },
  store_unavailable: { status: 503, title: 'The store does not answer; repeat with the same entry id', retryAfter: 2 },
  chain_halted: { status: 503, title: 'The chain is halted until an operator has looked', retryAfter: 60 },
  search_unavailable: { status: 503, title: 'The search index does not answer', retryAfter: 5 },
  too_many_streams: { status: 503, title: 'Too many streams are open', retryAfter: 10 },
  not_ready: { status: 503, title: 'The service is not ready', retryAfter: 5 },
} as const satisfies Record<LedgerErrorCode | IntakeErrorCode, ProblemKind> & Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

export function problemKind(code: ProblemCode): ProblemKind {
  return PROBLEMS[code];
}

/** A name, not an address: it must mean the same wherever the service runs. */
export function problemType(code: ProblemCode): string {
  return `urn:indelible:problem:${code}`;
}
