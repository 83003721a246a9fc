/** What an answer of S3, or the lack of one, says about the request. */

interface Answered {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

function statusOf(error: unknown): number | undefined {
  return (error as Answered).$metadata?.httpStatusCode;
}

export function codeOf(error: unknown): string {
  const { name, code } = error as Answered;
  return name ?? code ?? String(statusOf(error) ?? error);
}

/** 412: something is at the key. 409 is not: it says that somebody else was at work there. */
export function isExists(error: unknown): boolean {
  return statusOf(error) === 412;
}

/** No such key or version; a version id that can't be one is a 400. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 ? codeOf(error) !== 'NoSuchBucket' : statusOf(error) === 400 && codeOf(error) === 'InvalidArgument';
}

/**
 * Whether a PUT that failed so may have stored its object, now or later. Only a refusal (4xx) says that it did not;
 * 409 and 408 are asked again, and so is everything without an answer.
 */
export function mayBeStored(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined || status >= 500 || status === 409 || status === 408 || status === 429;
}
