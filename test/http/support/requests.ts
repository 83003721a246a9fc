/** Requests as bytes, for what no HTTP client would send. */
import { TOKEN } from './server.js';
import type { Piece } from './raw.js';

export const HOSTILE_CHAIN = 'hostile';
export const ENTRIES = `/v1/chains/${HOSTILE_CHAIN}/entries`;
export const BATCH = `${ENTRIES}/batch`;

export interface Shape {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** In place of those made from the rest; a `null` value leaves the header out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Further header lines, as they are. */
  readonly lines?: readonly string[];
}

/** One request. Unless told otherwise it is an append that would be taken. */
export function bytes(body: string | Uint8Array, shape: Shape = {}): Piece[] {
  const { method = 'POST', target = ENTRIES, version = 'HTTP/1.1', headers = {}, lines = [] } = shape;
  const all: Record<string, string | null> = {
    host: 'localhost',
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const head = [`${method} ${target}${version === '' ? '' : ` ${version}`}`];
  for (const [name, value] of Object.entries(all)) if (value !== null) head.push(`${name}: ${value}`);
  return [Buffer.concat([Buffer.from(`${[...head, ...lines].join('\r\n')}\r\n\r\n`, 'latin1'), typeof body === 'string' ? Buffer.from(body) : body])];
}

/** As chunks of the given sizes' text. */
export function chunked(...parts: string[]): string {
  return [...parts.map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`), '0\r\n\r\n'].join('');
}

/** An event with one more member, given as JSON text. */
export function withMember(text: string): string {
  return `{"action":"a","actor":{"id":"1","type":"user"},${text}}`;
}

export function withMetadata(text: string): string {
  return withMember(`"metadata":${text}`);
}
