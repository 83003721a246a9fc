/** A server that says what no real S3 can be made to say: it plays answers, and keeps the requests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { S3Store, type S3StoreOptions } from '#indelible/storage/s3/store.js';

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** `reset`: the connection goes, without an answer. `hang`: nothing comes. `half`: headers, half a body, and then nothing. */
export type Answer = 'reset' | 'hang' | 'half' | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> };

export interface FakeS3 {
  readonly endpoint: string;
  readonly asked: Asked[];
  store(options?: Partial<S3StoreOptions>): S3Store;
  close(): Promise<void>;
}

export const CREDENTIALS = { accessKeyId: 'id', secretAccessKey: 'secret' };

export function error(status: number, code: string, more = ''): Answer {
  return { status, body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said ${code}</Message>${more}</Error>` };
}

/** A listing of versions of one key, newest first. */
export function listing(key: string, versionIds: readonly string[]): Answer {
  const versions = versionIds.map((id) => `<Version><Key>${key}</Key><VersionId>${id}</VersionId><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"e"</ETag><Size>1</Size></Version>`);
  return { status: 200, body: `<?xml version="1.0"?><ListVersionsResult><Name>bucket</Name><IsTruncated>false</IsTruncated>${versions.join('')}</ListVersionsResult>` };
}

export async function fakeS3(play: (asked: Asked, count: number) => Answer, tls?: ServerOptions): Promise<FakeS3> {
  const asked: Asked[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = { method: request.method ?? '', url: new URL(request.url ?? '', 'http://fake'), headers: request.headers, body: Buffer.concat(chunks) };
      asked.push(one);
      const answer = play(one, asked.length);
      if (answer === 'hang') return;
      if (answer === 'reset') request.socket.destroy();
      else if (answer === 'half') response.writeHead(200, { 'content-length': '100' }).write('half of it');
      else response.writeHead(answer.status, { 'x-amz-version-id': 'v1', ...answer.headers }).end(answer.body);
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const opened: S3Store[] = [];
  return {
    endpoint,
    asked,
    store(options = {}) {
      const store = new S3Store({ bucket: 'bucket', region: 'us-east-1', endpoint, forcePathStyle: true, credentials: CREDENTIALS, requestTimeoutMs: 60_000, ...options });
      opened.push(store);
      return store;
    },
    async close() {
      for (const store of opened) await store.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
