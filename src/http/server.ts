/**
 * The HTTP server: node:http in front, so that the two hot routes are answered without Express, which takes
 * everything else.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { isChainId } from '../core/chain.js';
import { createApp } from './app.js';
import { AppendHandlers } from './append.js';
import { DEFAULT_LIMITS } from './deps.js';
import type { HttpDeps } from './deps.js';
import { Exchange } from './exchange.js';
import type { ExchangeContext } from './exchange.js';
import { Problem, renderProblem } from './problem.js';
import type { ProblemCode } from './problem-codes.js';
import { problemKind } from './problem-codes.js';
import { StreamHub } from './stream-hub.js';

export interface HttpServer {
  readonly server: Server;
  /** Resolves with the address once connections are taken. Port 0 chooses one. */
  listen(port: number, host: string): Promise<AddressInfo>;
  /** Takes no new requests, ends the streams, finishes the rest; what is not done after `graceMs` is cut off. */
  close(graceMs: number): Promise<void>;
}

const CHAINS = '/v1/chains/';
const ENTRIES = '/entries';
const BATCH = '/entries/batch';
/** How often a closing server looks for connections that have become idle. */
const CLOSE_POLL_MS = 25;

export function createHttpServer(deps: HttpDeps): HttpServer {
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const { log, metrics, ledger, access, now = Date.now, servesLog = true } = deps;
  const context: ExchangeContext = { log, metrics, tracing: deps.tracing, closing: false };
  const appends = new AppendHandlers({ ledger, access, metrics, now });
  const streams = new StreamHub(ledger, limits);
  metrics.observe({ openStreams: () => streams.size });
  const app = createApp({ deps, limits, appends, streams, context });

  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    if (req.httpVersionMajor !== 1) {
      // The parser lets 0.9 and 2.0 pass, and then reads them by the rules of 1.1.
      new Exchange(req, res, context).fail(new Problem('http_malformed', `expected HTTP/1.1, got ${req.httpVersion}`));
      return;
    }
    const url = req.url ?? '';
    if (servesLog && req.method === 'POST' && url.startsWith(CHAINS) && req.headers.host !== undefined) {
      // Anything unusual about the address (a query, an escape) fails these and is left to Express.
      if (url.endsWith(ENTRIES)) {
        const chainId = url.slice(CHAINS.length, -ENTRIES.length);
        if (isChainId(chainId)) {
          appends.single(new Exchange(req, res, context), chainId);
          return;
        }
      } else if (url.endsWith(BATCH)) {
        const chainId = url.slice(CHAINS.length, -BATCH.length);
        if (isChainId(chainId)) {
          appends.batch(new Exchange(req, res, context), chainId);
          return;
        }
      }
    }
    app(req, res);
  };

  const server = createServer(
    {
      requestTimeout: limits.requestTimeoutMs,
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
      connectionsCheckingInterval: limits.timeoutCheckMs,
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.maxHeaderBytes,
      insecureHTTPParser: false,
      // A repeated header then shows as one value that nothing accepts; by default the first would win,
      // and a proxy before us may have looked at the last.
      joinDuplicateHeaders: true,
      // Checked by ourselves, to answer with a problem.
      requireHostHeader: false,
      noDelay: true,
    },
    handle,
  );
  server.maxRequestsPerSocket = 0;
  // The handlers say "100 Continue" themselves, once the headers are found good.
  server.on('checkContinue', handle);
  server.on('checkExpectation', (req, res) => {
    new Exchange(req, res, context).fail(new Problem('expectation_failed', 'the only expectation known is 100-continue', { field: 'expect' }));
  });
  server.on('connect', (_req, socket) => answerRaw(socket, 'method_not_allowed', 'this is not a proxy'));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const [code, detail] = clientProblem(error);
    // The connection is gone, or the answer to a request before is still to come: ours would be taken for it.
    if (code === undefined || !socket.writable || owesAnswer(socket)) {
      socket.destroy();
      return;
    }
    log.info({ code, cause: error.code }, 'request refused before it was one');
    answerRaw(socket, code, detail);
  });

  return {
    server,
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host, backlog: 4_096 }, () => {
          server.off('error', reject);
          resolve(server.address() as AddressInfo);
        });
      }),
    close: (graceMs) =>
      new Promise((resolve) => {
        context.closing = true;
        streams.close();
        const poll = setInterval(() => server.closeIdleConnections(), CLOSE_POLL_MS);
        const cut = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearInterval(poll);
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}

function clientProblem(error: NodeJS.ErrnoException): [ProblemCode | undefined, string] {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['request_timeout', 'the request was not complete in time'];
    case 'HPE_HEADER_OVERFLOW':
      return ['headers_too_large', 'the request line and headers are too large'];
    default:
      return error.code?.startsWith('HPE_') === true ? ['http_malformed', error.message] : [undefined, ''];
  }
}

/** A request of this connection has arrived whole and is not answered yet. */
function owesAnswer(socket: Duplex): boolean {
  // Node's own default handler looks at this member too; there is no public one.
  const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse | null };
  return response?.req.complete === true;
}

/** Answers where node:http has no response to write to, and closes. */
function answerRaw(socket: Duplex, code: ProblemCode, detail: string): void {
  const { body, headers } = renderProblem(new Problem(code, detail, code === 'method_not_allowed' ? { allow: 'GET, HEAD, POST, OPTIONS' } : {}), 'none');
  const lines = [`HTTP/1.1 ${problemKind(code).status} ${code}`, 'connection: close'];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i] ?? ''}: ${headers[i + 1] ?? ''}`);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
