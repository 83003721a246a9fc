import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { raw } from './support/raw.js';
import { bytes } from './support/requests.js';
import { event, TestServer, TOKEN } from './support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.close());

describe('is it alive, is it ready', () => {
  it('alive as long as it answers', async () => {
    expect((await server.send('GET', '/healthz', { token: null })).json).toEqual({ status: 'ok' });
  });

  it('ready, degraded, or not, with the reasons', async () => {
    expect((await server.send('GET', '/readyz', { token: null })).json).toMatchObject({ status: 'ready' });
    const view = { name: 'view', status: 'degraded' as const, detail: 'behind by 7' };
    const store = { name: 'store', status: 'failed' as const, detail: 'away' };
    let ready = true;
    const other = await TestServer.start({ deps: { readiness: () => Promise.resolve({ ready, checks: ready ? [view] : [store, view] }) } });
    expect((await other.send('GET', '/readyz', { token: null })).json).toEqual({ status: 'degraded', checks: [view] });
    ready = false;
    const answer = await other.send('GET', '/readyz', { token: null });
    expect(answer.json).toMatchObject({ status: 503, code: 'not_ready', detail: 'store: away; view: behind by 7', checks: [store, view] });
    expect(answer.headers['retry-after']).toBe('5');
    await other.close();
  });
});

describe('metrics', () => {
  it('count entries by outcome and requests by route, without naming chains, ids or tokens', async () => {
    await server.send('POST', '/v1/chains/secret-chain/entries', { body: { ...event('secret-actor'), entryId: 'secret-id' } });
    await server.send('POST', '/v1/chains/secret-chain/entries', { body: { ...event('secret-actor'), entryId: 'secret-id' } });
    await server.send('POST', '/v1/chains/secret-chain/entries', { body: {} });
    await server.send('POST', '/v1/chains/secret-chain/entries/batch', { body: [event(), event(), event()] });
    await server.send('GET', '/v1/chains/secret-chain/entries/0');
    await server.send('GET', '/secret-path');
    const { text, headers } = await server.send('GET', '/metrics', { token: null });
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    expect(text).toMatch(/^indelible_append_entries_total\{outcome="appended"\} 4$/m);
    expect(text).toMatch(/^indelible_append_entries_total\{outcome="replayed"\} 1$/m);
    expect(text).toMatch(/^indelible_append_entries_total\{outcome="refused"\} 1$/m);
    expect(text).toMatch(/^indelible_http_request_seconds_count\{method="POST",route="\/v1\/chains\/\{chainId\}\/entries",status="201"\} 1$/m);
    expect(text).toMatch(/^indelible_http_request_seconds_count\{method="GET",route="none",status="404"\} 1$/m);
    expect(text).toMatch(/^indelible_commit_seconds_count\{outcome="committed"\} \d+$/m);
    expect(text).toMatch(/^indelible_segment_entries_sum\{origin="own"\} 4$/m);
    expect(text).toMatch(/^indelible_queued_entries 0$/m);
    expect(text).not.toContain('secret');
  });

  it('histograms are cumulative and end in +Inf', async () => {
    const { text } = await server.send('GET', '/metrics');
    const buckets = [...text.matchAll(/^indelible_http_request_seconds_bucket\{method="GET",route="\/metrics",status="200",le="([^"]+)"\} (\d+)$/gm)];
    const counts = buckets.map((match) => Number(match[2]));
    expect(buckets.at(-1)?.[1]).toBe('+Inf');
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBeGreaterThan(0);
  });
});

describe('request ids and the log', () => {
  it('each answer has an id of its own; a caller\'s harmless one is kept, another not', async () => {
    const first = await server.send('GET', '/healthz');
    const second = await server.send('POST', '/v1/chains/ids/entries', { body: event() });
    expect(first.headers['x-request-id']).not.toBe(second.headers['x-request-id']);
    expect((await server.send('GET', '/nothing', { headers: { 'x-request-id': 'abc-1/2' } })).json).toMatchObject({ instance: 'urn:indelible:request:abc-1/2' });
    for (const id of ['a b', '"', 'x'.repeat(129), '<script>']) {
      expect((await server.send('GET', '/healthz', { headers: { 'x-request-id': id } })).headers['x-request-id']).not.toBe(id);
    }
  });

  it('each request is a line, with its id, and never a token, a query or a body', async () => {
    server.logged.length = 0;
    await server.send('POST', '/v1/chains/log/entries', { body: event('body-text'), headers: { 'x-request-id': 'log-1' } });
    await server.send('GET', '/v1/chains/log/entries?access_token=query-text', { headers: { 'x-request-id': 'log-2' } });
    expect(server.logged).toContainEqual(expect.objectContaining({ requestId: 'log-1', level: 20, method: 'POST', route: '/v1/chains/{chainId}/entries', status: 201, token: 'admin' }));
    expect(server.logged).toContainEqual(expect.objectContaining({ requestId: 'log-2', level: 30, status: 400, code: 'query_parameter_unknown', path: '/v1/chains/log/entries' }));
    expect(JSON.stringify(server.logged)).not.toMatch(new RegExp(`${TOKEN}|query-text|body-text`));
  });

  it('what nobody foresaw is a 500 that says nothing, and is in the log with its stack', async () => {
    const broken = await TestServer.start({ deps: { readiness: () => Promise.reject(new Error('the secret reason')) } });
    const answer = await broken.send('GET', '/readyz', { headers: { 'x-request-id': 'log-3' } });
    expect(answer.json).toMatchObject({ status: 500, code: 'internal_error' });
    expect(answer.text).not.toContain('secret reason');
    const line = broken.logged.find((entry) => entry['requestId'] === 'log-3' && entry['level'] === 50);
    expect(line?.['err']).toMatchObject({ message: 'the secret reason', stack: expect.stringContaining('operations.test') as string });
    await broken.close();
  });
});

describe('methods', () => {
  it('OPTIONS says what there is; anything else is 405 with Allow', async () => {
    const options = await server.send('OPTIONS', '/v1/chains/x/entries', { token: null });
    expect([options.status, options.headers.allow]).toEqual([204, 'POST, GET, HEAD, OPTIONS']);
    for (const [method, path, allow] of [
      ['DELETE', '/v1/chains/x/entries', 'POST, GET, HEAD, OPTIONS'], ['PUT', '/v1/chains/x/entries/0', 'GET, HEAD, OPTIONS'], ['PATCH', '/v1/chains/x/entries/0', 'GET, HEAD, OPTIONS'],
      ['GET', '/v1/chains/x/entries/batch', 'POST, OPTIONS'], ['POST', '/v1/search', 'GET, HEAD, OPTIONS'], ['DELETE', '/v1/exports/x', 'GET, HEAD, OPTIONS'], ['TRACE', '/healthz', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const answer = await server.send(method, path);
      expect(answer.json, `${method} ${path}`).toMatchObject({ status: 405, code: 'method_not_allowed' });
      expect(answer.headers.allow).toBe(allow);
    }
  });
});

describe('shutting down', () => {
  it('answers what it has accepted, closes idle connections, and takes no new ones', async () => {
    const other = await TestServer.start();
    await other.append('end', event(0));
    const appends = Array.from({ length: 20 }, (_, n) => other.append('end', event(n + 1)));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const closed = other.http.close(5_000);
    const results = await Promise.allSettled(appends);
    await closed;
    const receipts = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const { payloads } = await other.audit('end', receipts);
    expect(payloads.length).toBe(receipts.length + 1);
    await expect(other.send('GET', '/healthz')).rejects.toThrow();
    await other.close();
  });

  it('cuts off after the time it is given what does not end', async () => {
    const other = await TestServer.start();
    const req = request({ port: other.port, host: '127.0.0.1', method: 'POST', path: '/v1/chains/x/entries', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'content-length': '100' } });
    const failed = new Promise((resolve) => req.once('error', resolve));
    req.write('{');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await other.http.close(200);
    await failed;
    await other.close();
  });
});

describe('rubbish on a connection', () => {
  it('behind a good request does not become its answer', async () => {
    const good = bytes('{"action":"a","actor":{"id":"1","type":"user"}}', { target: '/v1/chains/rubbish/entries' })[0] as Buffer;
    const rubbish = Buffer.from('rubbish\r\n\r\n');
    await server.append('rubbish', event());
    let acknowledged = 1;
    for (let n = 0; n < 20; n++) {
      const answers = await raw(server.port, n % 2 === 0 ? [Buffer.concat([good, rubbish])] : [good, n / 10, rubbish]);
      // Its own answer or none, never another one's. The rubbish has one only behind that.
      expect([[], [201], [201, 400]]).toContainEqual(answers.map(({ status }) => status));
      acknowledged += Math.min(answers.length, 1);
    }
    expect((await server.audit('rubbish')).payloads.length).toBeGreaterThanOrEqual(acknowledged);
  });
});

describe('a client that goes away', () => {
  it('in the middle of its body leaves nothing behind', async () => {
    const head = `POST /v1/chains/gone/entries HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"action":`;
    await Promise.race([raw(server.port, [head]), new Promise((resolve) => setTimeout(resolve, 50))]);
    expect((await server.send('GET', '/v1/chains/gone/checkpoint')).json).toMatchObject({ code: 'chain_not_found' });
  });

  it('before its answer does no harm; the entry is there', async () => {
    for (let n = 0; n < 20; n++) {
      const req = request({ port: server.port, host: '127.0.0.1', method: 'POST', path: '/v1/chains/left/entries', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' } });
      req.on('error', () => undefined);
      req.end(JSON.stringify(event(n)));
      await new Promise((resolve) => setTimeout(resolve, n % 4));
      req.destroy();
    }
    await server.append('left', event('last'));
    await server.audit('left');
    expect((await server.send('GET', '/healthz')).status).toBe(200);
  });
});
