/**
 * A proxy for HTTP between a replica and its store that fails by chance, as networks and stores do. It hands
 * requests on byte for byte (their signatures cover the Host header), and says what it did.
 */
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';

export const PROXY_FAULTS = [
  /** The connection is reset; the request never reached the store. */
  'reset before',
  /** The store did its work; the connection is reset before the answer. */
  'reset after',
  /** Half the answer, then the connection is reset. */
  'half answer',
  /** 500 InternalError; the request never reached the store. */
  'error 500',
  /** 500 InternalError; the store had done its work. */
  'error 500 after',
  /** 503 SlowDown; the request never reached the store. */
  'slow down',
  /** 409 ConditionalRequestConflict; the request never reached the store. */
  'conflict',
  /** No answer for as long as the client cares to wait; nothing done. */
  'hang',
  /** No answer; the store did its work. */
  'hang after',
  /** Reset; and the request reaches the store later, after what the client does next. Only of a PUT. */
  'late',
] as const;
export type ProxyFault = (typeof PROXY_FAULTS)[number];

interface Taken {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export class FaultProxy {
  /** Of each PUT, in [0, 1). Set to 0 for peace. */
  rate = 0;
  /** Of each other request, as a part of that: a start makes many of them, and is to come to its end. */
  readShare = 0.25;
  /** Of the faults of a PUT: more of them are `late` than chance gives. */
  lateShare = 0;
  /** The longest that a late PUT is on its way. */
  lateWithinMs = 1_500;
  readonly met = new Map<ProxyFault, number>();
  /** What the store answered to PUTs that came late, by status: 412 where the key was settled before. */
  readonly lateAnswers = new Map<number, number>();
  /** Late PUTs that the store took though it had the key: it keeps nothing out. */
  lateRepeats = 0;
  /** Requests that were handed on, by method. */
  readonly handedOn = new Map<string, number>();
  readonly #target: { readonly host: string; readonly port: number };
  readonly #random: () => number;
  readonly #server: Server;
  readonly #late = new Set<Promise<unknown>>();
  /** Paths of PUTs that the store has taken. */
  readonly #stored = new Set<string>();

  private constructor(target: string, random: () => number) {
    const { hostname, port } = new URL(target);
    this.#target = { host: hostname, port: Number(port) };
    this.#random = random;
    this.#server = createServer((req, res) => void this.#take(req, res).catch(() => res.destroy()));
  }

  static async start(target: string, random: () => number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, random);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  get faults(): number {
    return [...this.met.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What is still on its way to the store arrives first. */
  async calm(): Promise<void> {
    this.rate = 0;
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  async close(): Promise<void> {
    await this.calm();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const { method = 'GET', url: path = '/', headers, rawHeaders } = req;
    const taken: Taken = { method, path, headers, rawHeaders, body: Buffer.concat(chunks) };
    const fault = this.#fault(method);
    if (fault !== undefined) this.met.set(fault, (this.met.get(fault) ?? 0) + 1);
    switch (fault) {
      case undefined:
        answer(res, await this.#handOn(taken));
        return;
      case 'reset before':
        return void req.socket.destroy();
      case 'reset after':
        await this.#handOn(taken);
        return void req.socket.destroy();
      case 'half answer': {
        const { status, headers: answered, body } = await this.#handOn(taken);
        // With a body half of it, else half of the head.
        if (body.length > 1) {
          res.writeHead(status, { ...hopless(answered), 'content-length': body.length });
          res.write(body.subarray(0, body.length >> 1), () => req.socket.destroy());
        } else req.socket.write(`HTTP/1.1 ${status} O`, () => req.socket.destroy());
        return;
      }
      case 'error 500':
        answer(res, failure(500, 'InternalError'));
        return;
      case 'error 500 after':
        await this.#handOn(taken);
        answer(res, failure(500, 'InternalError'));
        return;
      case 'slow down':
        answer(res, failure(503, 'SlowDown'));
        return;
      case 'conflict':
        answer(res, failure(409, 'ConditionalRequestConflict'));
        return;
      case 'hang':
        return;
      case 'hang after':
        await this.#handOn(taken);
        return;
      case 'late': {
        const delay = 5 + this.#random() * this.lateWithinMs;
        const landing = new Promise((resolve) => setTimeout(resolve, delay))
          .then(async () => {
            const known = this.#stored.has(path);
            const { status } = await this.#handOn(taken);
            this.lateAnswers.set(status, (this.lateAnswers.get(status) ?? 0) + 1);
            if (known && status === 200) this.lateRepeats += 1;
          })
          .catch(() => undefined);
        this.#late.add(landing);
        void landing.finally(() => this.#late.delete(landing));
        return void req.socket.destroy();
      }
    }
  }

  #fault(method: string): ProxyFault | undefined {
    if (this.#random() >= (method === 'PUT' ? this.rate : this.rate * this.readShare)) return undefined;
    if (method === 'PUT' && this.#random() < this.lateShare) return 'late';
    const fault = PROXY_FAULTS[Math.floor(this.#random() * PROXY_FAULTS.length)] ?? 'hang';
    // What is no PUT has no effect that could come late, and no condition to conflict with.
    return method !== 'PUT' && (fault === 'late' || fault === 'conflict') ? 'reset before' : fault;
  }

  #handOn({ method, path, rawHeaders, body }: Taken): Promise<Answer> {
    this.handedOn.set(method, (this.handedOn.get(method) ?? 0) + 1);
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = {};
      for (let i = 0; i < rawHeaders.length; i += 2) headers[rawHeaders[i] as string] = rawHeaders[i + 1] as string;
      const out = httpRequest({ ...this.#target, method, path, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (method === 'PUT' && response.statusCode === 200) this.#stored.add(path);
          resolve({ status: response.statusCode ?? 500, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      out.on('error', reject);
      out.end(body);
    });
  }
}

function answer(res: ServerResponse, { status, headers, body }: Answer): void {
  res.writeHead(status, { ...hopless(headers), 'content-length': body.length });
  res.end(body);
}

/** Without what concerns one connection alone. */
function hopless(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(name)));
}

function failure(status: number, code: string): Answer {
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>by the proxy</Message></Error>`) };
}
