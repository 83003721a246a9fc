/** Stands before S3 and counts the requests that really go there, retries and all. */
import { createServer, request } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export class CountingProxy {
  /** By method: `PUT`, `GET`, … */
  readonly requests = new Map<string, number>();
  readonly #server: Server;

  static async start(target: string): Promise<CountingProxy> {
    const proxy = new CountingProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor(target: string) {
    this.#server = createServer((req, res) => {
      const method = req.method ?? '';
      this.requests.set(method, (this.requests.get(method) ?? 0) + 1);
      // The host it was signed for goes along.
      const forwarded = request(new URL(req.url ?? '/', target), { method, headers: req.headers }, (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
      });
      forwarded.on('error', () => req.socket.destroy());
      req.pipe(forwarded);
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get total(): number {
    return [...this.requests.values()].reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
