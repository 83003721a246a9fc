/** What an answer of S3, or the lack of one, says about the request. */

interface Answered {
  readonly name?: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

export function statusOf(error: unknown): number | undefined {
  return (error as Answered).$metadata?.httpStatusCode;
}

/** S3's own name for what went wrong, or the system's. */
export function codeOf(error: unknown): string {
  const { name, code } = error as Answered;
  if (statusOf(error) === undefined && code !== undefined) return code;
  return name ?? code ?? String(statusOf(error) ?? error);
}

/** 412: something is at the key. 409 is not: it says that somebody else was at work there. */
export function isExists(error: unknown): boolean {
  return statusOf(error) === 412;
}

/**
 * No such key or version, by the word of S3: a 404 of anything else between us and the store must not make an entry
 * look missing. A version id that can't be one is a 400.
 */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'NoSuchKey' || code === 'NoSuchVersion' || (statusOf(error) === 400 && code === 'InvalidArgument');
}

/** Nothing was sent: there was no connection, or nobody to sign as. */
function isUnsent(error: unknown): boolean {
  const { syscall, name } = error as Answered;
  return syscall === 'connect' || syscall === 'getaddrinfo' || name === 'CredentialsProviderError' || name === 'TokenProviderError';
}

/**
 * Whether a PUT that failed so may have stored its object, now or later. Only a refusal (4xx, or 501) says that it
 * did not; 409 and those that say "try again" are asked again, and so is everything without an answer.
 */
export function mayBeStored(error: unknown): boolean {
  const status = statusOf(error);
  if (status === undefined) return !isUnsent(error);
  if (status === 501) return false;
  return status >= 500 || status < 400 || status === 408 || status === 409 || status === 429 || codeOf(error) === 'RequestTimeout';
}

/** Whether the same read may succeed if it is asked again. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return mayBeStored(error);
  const { name } = error as Answered;
  return name !== 'NoAnswer' && name !== 'CredentialsProviderError' && name !== 'TokenProviderError';
}
