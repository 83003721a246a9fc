/** The connection to Elasticsearch: how it is made, and what its failures mean to the rest. */
import { readFileSync } from 'node:fs';
import { Client, errors } from '@elastic/elasticsearch';

/** The index does not answer, or not as it should. Appends are never touched by it; a search is answered 503. */
export class SearchIndexError extends Error {
  override readonly name = 'SearchIndexError';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

export interface ElasticsearchConnection {
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** PEM file of the authority that signed the server's certificate. */
  readonly tlsCaFile?: string | undefined;
}

/** A search that takes longer is answered 503; so long a caller waits. */
export const SEARCH_TIMEOUT_MS = 10_000;
/** For calls nobody waits for. */
export const WORK_TIMEOUT_MS = 30_000;

/** @throws SearchIndexError if the file of the authority can not be read */
export function connect({ url, apiKey, tlsCaFile }: ElasticsearchConnection): Client {
  const ca = tlsCaFile === undefined ? undefined : readCa(tlsCaFile);
  return new Client({
    node: url,
    ...(apiKey !== undefined && { auth: { apiKey } }),
    ...(url.startsWith('https:') && { tls: { minVersion: 'TLSv1.3', ...(ca !== undefined && { ca }) } }),
    // Who calls decides what is tried again: a hidden retry would double the load on a struggling server.
    maxRetries: 0,
    requestTimeout: WORK_TIMEOUT_MS,
    compression: false,
  });
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new SearchIndexError(`INDELIBLE_ELASTICSEARCH_TLS_CA_FILE: ${(cause as Error).message}`, cause);
  }
}

/** Calls Elasticsearch; every failure comes out as a SearchIndexError whose message holds no document. */
export async function asking<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof SearchIndexError || !(error instanceof errors.ElasticsearchClientError)) throw error;
    throw new SearchIndexError(`${what}: ${describe(error)}`, error);
  }
}

/** The HTTP status of Elasticsearch's answer behind an error; `undefined` if there was none. */
export function statusOf(error: unknown): number | undefined {
  const cause = error instanceof SearchIndexError ? error.cause : error;
  return cause instanceof errors.ResponseError ? cause.statusCode : undefined;
}

/** The type Elasticsearch gives its error, such as `index_not_found_exception`. */
export function errorTypeOf(error: unknown): string | undefined {
  const cause = error instanceof SearchIndexError ? error.cause : error;
  if (!(cause instanceof errors.ResponseError)) return undefined;
  const body = cause.body as { readonly error?: { readonly type?: unknown } } | undefined;
  return typeof body?.error?.type === 'string' ? body.error.type : undefined;
}

function describe(error: errors.ElasticsearchClientError): string {
  if (error instanceof errors.ResponseError) return `Elasticsearch answered ${error.statusCode ?? 'nothing'} ${errorTypeOf(error) ?? ''}`.trimEnd();
  if (error instanceof errors.TimeoutError) return 'Elasticsearch did not answer in time';
  if (error instanceof errors.ConnectionError) return `no connection to Elasticsearch: ${error.message.split('\n')[0] ?? ''}`;
  return `${error.name}: ${error.message.slice(0, 200)}`;
}
