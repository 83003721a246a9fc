/** Problem details (RFC 9457): what went wrong, in a form that a program can branch on. */
import { IntakeError } from '../core/intake-error.js';
import { LedgerError } from '../ledger/errors.js';
import { SearchQueryError } from '../search/query.js';
import { StoreError } from '../storage/worm-store.js';
import { TooManyJobsError } from '../verification/job-board.js';
import { problemKind, problemType } from './problem-codes.js';
import type { ProblemCode } from './problem-codes.js';

export interface ProblemDetails {
  /** JSON Pointer (RFC 6901) into the body; for NDJSON into the line. */
  readonly pointer?: string;
  /** The query parameter or header to blame. */
  readonly field?: string;
  /** What was expected and what was got. */
  readonly rule?: string;
  /** Position of the item to blame within a batch, from 0. */
  readonly item?: number;
  /** Line of NDJSON, from 1. */
  readonly line?: number;
  /** Methods for the Allow header. */
  readonly allow?: string;
  /** Further members of the answer. */
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly details: ProblemDetails;

  constructor(code: ProblemCode, detail: string, details: ProblemDetails = {}) {
    super(detail, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return problemKind(this.code).status;
  }
}

/** Any error as a problem. What is not foreseen becomes `internal_error`, and its message stays inside. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof IntakeError) {
    return new Problem(error.code, error.message, { pointer: error.path, rule: error.rule, cause: error });
  }
  if (error instanceof LedgerError) {
    return new Problem(error.code, error.message, { ...(error.item !== undefined && { item: error.item }), cause: error });
  }
  if (error instanceof StoreError) return new Problem('store_unavailable', 'the store does not answer', { cause: error });
  if (error instanceof SearchQueryError) return new Problem('query_parameter_invalid', error.message, { field: error.field, rule: error.message, cause: error });
  if (error instanceof TooManyJobsError) return new Problem('too_many_jobs', error.message, { cause: error });
  if (isNamed(error, 'ViewError')) return new Problem('search_unavailable', 'the local view does not answer', { cause: error });
  if (isNamed(error, 'SearchIndexError')) return new Problem('search_unavailable', 'the search index does not answer as it should', { cause: error });
  return new Problem('internal_error', 'the failure is in the log under this request id', { cause: error });
}

// The adapters are chosen by the composition root; their errors are known here by name alone.
function isNamed(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name;
}

/** The body and the headers of the answer, as flat name-value pairs. */
export function renderProblem(problem: Problem, requestId: string): { readonly body: string; readonly headers: string[] } {
  const { code, message, details } = problem;
  const { status, title, retryAfter } = problemKind(code);
  const { pointer, field, rule, item, line, allow, extra } = details;
  const body = JSON.stringify({
    type: problemType(code), title, status, detail: message, code, instance: `urn:indelible:request:${requestId}`,
    pointer, field, rule, item, line, ...extra,
  });
  const headers = [
    'content-type', 'application/problem+json',
    'content-length', String(Buffer.byteLength(body)),
    'cache-control', 'no-store',
    'x-request-id', requestId,
  ];
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter));
  if (status === 401) headers.push('www-authenticate', code === 'token_invalid' ? 'Bearer realm="indelible", error="invalid_token"' : 'Bearer realm="indelible"');
  if (code === 'scope_missing') headers.push('www-authenticate', 'Bearer realm="indelible", error="insufficient_scope"');
  if (allow !== undefined) headers.push('allow', allow);
  return { body, headers };
}
