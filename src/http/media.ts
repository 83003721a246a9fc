/** Media types: what a body is, and what the caller can take (RFC 9110 §8.3, §12.5.1). */
import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.js';

export const JSON_TYPE = 'application/json';
export const NDJSON_TYPE = 'application/x-ndjson';

/** Other names that producers use for one JSON text a line. */
const SAME = new Map([
  ['application/ndjson', NDJSON_TYPE],
  ['application/jsonl', NDJSON_TYPE],
]);

/**
 * The media type of the body, which must be one of `taken`.
 * @throws Problem media_type_unsupported, charset_unsupported, content_encoding_unsupported
 */
export function bodyType(req: IncomingMessage, taken: readonly string[]): string {
  const { headers } = req;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    // A few kilobytes of gzip can be gigabytes of JSON, and the signed bytes are those sent.
    throw new Problem('content_encoding_unsupported', 'send the body as it is, without Content-Encoding', { field: 'content-encoding' });
  }
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new Problem('content_encoding_unsupported', 'the only transfer coding taken is chunked', { field: 'transfer-encoding' });
  }
  const header = headers['content-type'];
  if (header === JSON_TYPE && taken.includes(JSON_TYPE)) return JSON_TYPE;
  const [name = '', ...parameters] = (header ?? '').split(';').map((part) => part.trim().toLowerCase());
  const type = SAME.get(name) ?? name;
  if (!taken.includes(type)) {
    throw new Problem('media_type_unsupported', `send Content-Type ${taken.join(' or ')}`, { field: 'content-type' });
  }
  for (const parameter of parameters) {
    if (parameter.startsWith('charset=') && !/^charset=(utf-8|"utf-8")$/.test(parameter)) {
      throw new Problem('charset_unsupported', 'JSON is sent as UTF-8', { field: 'content-type' });
    }
  }
  return type;
}

/** The first of `offered` that Accept prefers. @throws Problem not_acceptable */
export function acceptable<T extends string>(accept: string | undefined, offered: readonly [T, ...T[]]): T {
  if (accept === undefined || accept === '*/*') return offered[0];
  let best: T | undefined;
  let bestQuality = 0;
  for (const type of offered) {
    const quality = qualityOf(accept, type);
    if (quality > bestQuality) [best, bestQuality] = [type, quality];
  }
  if (best === undefined) throw new Problem('not_acceptable', `this can be had as ${offered.join(' or ')}`, { field: 'accept' });
  return best;
}

/** Of the most specific range that covers the type. */
function qualityOf(accept: string, type: string): number {
  let quality = 0;
  let specificity = -1;
  for (const range of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    const specific = name === type ? 2 : name === `${type.slice(0, type.indexOf('/'))}/*` ? 1 : name === '*/*' ? 0 : -1;
    if (specific <= specificity) continue;
    specificity = specific;
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const value = q === undefined ? 1 : Number(q.slice(2));
    quality = value >= 0 && value <= 1 ? value : 0;
  }
  return quality;
}
