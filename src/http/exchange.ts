/**
 * One request and its answer. Every answer goes through here, from the bare handlers and from Express alike,
 * so each is counted, logged and carries its request id.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Metrics } from './metrics.js';
import type { RequestSpan, RequestTracing } from './deps.js';
import { problemOf, renderProblem } from './problem.js';
import type { Problem } from './problem.js';

export interface ExchangeContext {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing: RequestTracing | undefined;
  /** True once the server is being closed: then no connection is kept. */
  closing: boolean;
}

/** A caller's own request id is taken over only if it can do no harm in a log or a header. */
const REQUEST_ID = /^[A-Za-z0-9._:@=+~/-]{1,128}$/;
const BOOT = randomBytes(6).toString('hex');
let requests = 0;

export class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly id: string;
  /** Of the route, with placeholders: what metrics may be told. */
  route = 'none';
  /** Name of the token. */
  principal: string | undefined;
  readonly #context: ExchangeContext;
  readonly #started = performance.now();
  readonly #span: RequestSpan | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, context: ExchangeContext) {
    this.req = req;
    this.res = res;
    this.#context = context;
    this.#span = context.tracing?.begin(req);
    const given = req.headers['x-request-id'];
    this.id = typeof given === 'string' && REQUEST_ID.test(given) ? given : `${BOOT}-${(++requests).toString(36)}`;
    if (context.closing) res.shouldKeepAlive = false;
  }

  /** Sends a whole answer. `headers` are flat name-value pairs, without content-length. */
  send(status: number, headers: readonly string[], body: string): void {
    const { res } = this;
    if (res.headersSent) return;
    const length = Buffer.byteLength(body);
    if (status === 204) res.writeHead(status, [...headers, 'x-request-id', this.id]);
    else res.writeHead(status, [...headers, 'content-length', String(length), 'x-request-id', this.id]);
    res.end(body);
    this.#done(status);
  }

  /** As `send`, for the hot path: JSON that is ASCII only, so its length is known and it needs no transcoding. */
  sendAscii(status: number, body: string | Buffer, location: string | undefined): void {
    const { res } = this;
    const headers = ['content-type', 'application/json', 'cache-control', 'no-store', 'content-length', String(body.length), 'x-request-id', this.id];
    if (location !== undefined) headers.push('location', location);
    res.writeHead(status, headers);
    if (typeof body === 'string') res.end(body, 'latin1');
    else res.end(body);
    this.#done(status);
  }

  json(status: number, body: string, headers: readonly string[] = []): void {
    this.send(status, ['content-type', 'application/json', 'cache-control', 'no-store', ...headers], body);
  }

  /** Sends the head of an answer whose body the caller writes. It counts as done when the connection is. */
  begin(status: number, headers: readonly string[]): void {
    const { res } = this;
    res.writeHead(status, [...headers, 'x-request-id', this.id]);
    res.once('close', () => this.#done(status));
  }

  /** Does the work within the request's trace, if it has one. */
  traced<T>(work: () => T): T {
    return this.#span === undefined ? work() : this.#span.run(work);
  }

  /** Answers with the problem that `error` is. */
  fail(error: unknown): void {
    const { res } = this;
    const problem = problemOf(error);
    if (res.headersSent) {
      // The answer was under way: all that is left is to make it visibly incomplete.
      res.destroy();
      if (problem.status >= 500) this.#context.log.error({ requestId: this.id, err: problem.cause }, 'answer broken off');
      return;
    }
    const { body, headers } = renderProblem(problem, this.id);
    res.writeHead(problem.status, headers);
    res.end(body);
    this.#done(problem.status, problem);
  }

  #done(status: number, problem?: Problem): void {
    const { log, metrics } = this.#context;
    const { req, route } = this;
    const milliseconds = performance.now() - this.#started;
    metrics.request(req.method ?? '', route, status, milliseconds);
    this.#span?.end(route, status);
    const level = levelOf(status);
    if (!log.isLevelEnabled(level)) return;
    log[level](
      {
        requestId: this.id,
        method: req.method,
        route,
        // Never the query: that is where a token sent by mistake would be.
        path: req.url?.split('?', 1)[0]?.slice(0, 500),
        status,
        code: problem?.code,
        token: this.principal,
        ms: Math.round(milliseconds * 1_000) / 1_000,
        ...(status >= 500 && { err: problem?.cause ?? problem }),
      },
      problem?.message ?? 'request',
    );
  }
}

/** Successful requests at debug: at thousands a second, a line each would cost more than the append. */
function levelOf(status: number): 'debug' | 'info' | 'warn' | 'error' {
  if (status < 400) return 'debug';
  if (status < 500) return 'info';
  return status === 500 ? 'error' : 'warn';
}
