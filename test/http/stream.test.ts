import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pino from 'pino';
import type { Receipt } from '#indelible/core/receipt.js';
import { loadConfig } from '#indelible/config.js';
import { openLedger } from '#indelible/service.js';
import { event, TestServer, TOKEN } from './support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start({ limits: { heartbeatMs: 100, streamStallMs: 500, maxStreams: 4 } });
});
afterAll(() => server.close());

interface Received {
  readonly id: string;
  readonly data: string;
}

/** A client that reads events as they come. */
class Follower {
  readonly events: Received[] = [];
  comments = 0;
  status = 0;
  closed = false;
  #text = '';
  #response: IncomingMessage | undefined;
  #notify: () => void = () => undefined;

  static async open(target: TestServer, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Follower> {
    const follower = new Follower();
    await new Promise<void>((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port: target.port, path, headers: { authorization: `Bearer ${TOKEN}`, accept: 'text/event-stream', ...headers } });
      req.on('response', (res) => {
        follower.#response = res;
        follower.status = res.statusCode ?? 0;
        res.setEncoding('utf8');
        res.on('data', (text: string) => follower.#take(text));
        res.on('error', () => undefined);
        res.on('close', () => {
          follower.closed = true;
          follower.#notify();
        });
        resolve();
      });
      req.on('error', reject);
      req.end();
    });
    return follower;
  }

  #take(text: string): void {
    this.#text += text;
    const blocks = this.#text.split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) {
      if (block === ':') this.comments += 1;
      const match = /^id: (\d+)\ndata: (.*)$/.exec(block);
      if (match !== null) this.events.push({ id: match[1]!, data: match[2]! });
    }
    this.#notify();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.closed) throw new Error('the stream ended');
      await new Promise<void>((resolve) => (this.#notify = resolve));
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => (this.#notify = resolve));
  }

  close(): void {
    this.#response?.destroy();
  }
}

function expectSame(events: readonly Received[], receipts: readonly Receipt[]): void {
  expect(events.map(({ id }) => Number(id))).toEqual(receipts.map(({ sequence }) => sequence));
  expect(events.map(({ data }) => data)).toEqual(receipts.map(({ payload }) => payload));
}

async function fill(chainId: string, entries: number): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  for (let from = 0; from < entries; from += 500) {
    const body = Array.from({ length: Math.min(500, entries - from) }, (_, i) => event(from + i));
    receipts.push(...((await server.send('POST', `/v1/chains/${chainId}/entries/batch`, { body })).json['receipts'] as Receipt[]));
  }
  return receipts;
}

describe('following a chain', () => {
  it('gives what is there from a place on, then what comes, in order, without gap or repeat', async () => {
    const receipts = await fill('live', 1_200);
    const follower = await Follower.open(server, '/v1/chains/live/entries/stream?from=3');
    const appends: Promise<Receipt>[] = [];
    for (let n = 0; n < 300; n++) {
      appends.push(server.append('live', event(`later-${n}`)));
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    receipts.push(...(await Promise.all(appends)).sort((a, b) => a.sequence - b.sequence));
    await follower.until(() => follower.events.length >= 1_497);
    expectSame(follower.events, receipts.slice(3));
    follower.close();
  });

  it('without a place gives only what comes', async () => {
    await fill('tail', 5);
    const follower = await Follower.open(server, '/v1/chains/tail/entries/stream');
    const receipt = await server.append('tail', event('new'));
    await follower.until(() => follower.events.length > 0);
    expectSame(follower.events, [receipt]);
    follower.close();
  });

  it('goes on behind Last-Event-ID, which goes before from', async () => {
    const receipts = await fill('resume', 700);
    const first = await Follower.open(server, '/v1/chains/resume/entries/stream?from=0');
    await first.until(() => first.events.length >= 100);
    first.close();
    const last = first.events.at(-1)!.id;
    const second = await Follower.open(server, '/v1/chains/resume/entries/stream?from=0', { 'last-event-id': last });
    await second.until(() => second.events.at(-1)?.id === '699');
    expectSame([...first.events, ...second.events], receipts);
    second.close();
  });

  it('shows what another process appended to the same folder', async () => {
    await fill('shared', 2);
    const follower = await Follower.open(server, '/v1/chains/shared/entries/stream?from=0');
    const other = await openLedger(loadConfig({}, { dataDir: server.dataDir }, 'none.json'), pino({ level: 'silent' }));
    const [appended] = await other.ledger.append('shared', [{ event: '{"action":"elsewhere","actor":{"id":"1","type":"user"}}' }]);
    await follower.until(() => follower.events.length === 3);
    expect(follower.events[2]).toEqual({ id: '2', data: appended!.segment.payloads[0]! });
    follower.close();
    await other.close();
  });

  it('sends a comment when there is nothing to send', async () => {
    await fill('quiet', 1);
    const follower = await Follower.open(server, '/v1/chains/quiet/entries/stream');
    await follower.until(() => follower.comments >= 3);
    expect(follower.events).toEqual([]);
    follower.close();
  });

  it('HEAD answers at once', async () => {
    await fill('head', 1);
    const answer = await server.send('HEAD', '/v1/chains/head/entries/stream');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/event-stream');
  });

  it('cuts off a client that takes nothing, and keeps little for it meanwhile', async () => {
    const big = { ...event(), metadata: { text: 'x'.repeat(60_000) } };
    for (let i = 0; i < 4; i++) await server.send('POST', '/v1/chains/heavy/entries/batch', { body: Array.from({ length: 100 }, () => big) });
    const before = process.memoryUsage().external;
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`GET /v1/chains/heavy/entries/stream?from=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`);
    socket.pause();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(process.memoryUsage().external - before).toBeLessThan(64 * 1024 * 1024);
    await new Promise((resolve) => setTimeout(resolve, 900));
    // The server has let go: what the kernel still held comes, then the end.
    socket.on('error', () => undefined);
    socket.resume();
    await closed;
    const { text } = await server.send('GET', '/metrics');
    expect(text).toMatch(/^indelible_open_streams 0$/m);
  });

  it('a client that goes away is forgotten', async () => {
    await fill('gone', 1);
    const follower = await Follower.open(server, '/v1/chains/gone/entries/stream');
    follower.close();
    await expect.poll(async () => (await server.send('GET', '/metrics')).text).toMatch(/^indelible_open_streams 0$/m);
  });
});

describe('what is refused', () => {
  const path = '/v1/chains/refused/entries/stream';
  beforeAll(() => fill('refused', 3));

  it.each([
    ['a chain that is not there', '/v1/chains/nowhere/entries/stream', {}, 404, 'chain_not_found'],
    ['a place behind the end: the chain was cut off, or it is another one', `${path}?from=4`, {}, 422, 'range_invalid'],
    ['a Last-Event-ID behind the end', path, { 'last-event-id': '3' }, 422, 'range_invalid'],
    ['a Last-Event-ID that is no sequence', path, { 'last-event-id': 'abc' }, 400, 'header_invalid'],
    ['an Accept without event streams', path, { accept: 'application/json' }, 406, 'not_acceptable'],
    ['a parameter it does not know', `${path}?since=1`, {}, 400, 'query_parameter_unknown'],
  ])('%s', async (_name, target, headers, status, code) => {
    expect((await server.send('GET', target, { headers })).json).toMatchObject({ status, code });
  });

  it('more streams than there is room for', async () => {
    const followers = await Promise.all(Array.from({ length: 4 }, () => Follower.open(server, path)));
    const answer = await server.send('GET', path);
    expect(answer.json).toMatchObject({ status: 503, code: 'too_many_streams' });
    expect(answer.headers['retry-after']).toBe('10');
    for (const follower of followers) follower.close();
  });
});

describe('when the service shuts down', () => {
  it('streams end, and the client can go on with the next one', async () => {
    const other = await TestServer.start();
    await other.append('end', event(1));
    const follower = await Follower.open(other, '/v1/chains/end/entries/stream?from=0');
    await follower.until(() => follower.events.length === 1);
    const closing = other.close();
    await follower.untilClosed();
    await closing;
    expect(follower.events).toHaveLength(1);
  });
});
