/** Stands before Elasticsearch and spoils bulk requests: refuses them, or takes them and loses the answer. */
import { createServer, request } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export type Spoil = 'pass' | 'too-many' | 'too-large' | 'lose-answer' | 'lose-request';

export class RefusingProxy {
  /** What to do with a bulk request of so many bytes: the `nth` to its path, since documents and their progress take turns. */
  spoil: (bytes: number, nth: number) => Spoil = () => 'pass';
  readonly counts: Record<Spoil, number> = { pass: 0, 'too-many': 0, 'too-large': 0, 'lose-answer': 0, 'lose-request': 0 };
  /** Bytes of each bulk request that came. */
  readonly sizes: number[] = [];
  /** The most bulk requests at a time. */
  mostAtATime = 0;
  #now = 0;
  readonly #seen = new Map<string, number>();
  readonly #server: Server;

  static async start(target: string): Promise<RefusingProxy> {
    const proxy = new RefusingProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor(target: string) {
    this.#server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const body = Buffer.concat(chunks);
        const [path = ''] = (req.url ?? '').split('?');
        const isBulk = path.endsWith('/_bulk');
        const nth = this.#seen.get(path) ?? 0;
        const spoil = isBulk ? this.spoil(body.length, nth) : 'pass';
        if (isBulk) {
          this.#seen.set(path, nth + 1);
          this.sizes.push(body.length);
          this.counts[spoil]++;
          this.mostAtATime = Math.max(this.mostAtATime, ++this.#now);
          res.once('close', () => this.#now--);
        }
        if (spoil === 'lose-request') {
          req.socket.destroy();
          return;
        }
        if (spoil === 'too-many' || spoil === 'too-large') {
          res.writeHead(spoil === 'too-many' ? 429 : 413, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' });
          res.end('{"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429}');
          return;
        }
        const forwarded = request(new URL(req.url ?? '/', target), { method: req.method, headers: req.headers }, (answer) => {
          if (spoil === 'lose-answer') {
            answer.resume();
            answer.on('end', () => req.socket.destroy());
            return;
          }
          res.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(res);
        });
        forwarded.on('error', () => req.socket.destroy());
        forwarded.end(body);
      });
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
