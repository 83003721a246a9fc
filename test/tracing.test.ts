/**
 * Traces, taken in by a collector of the test (OTLP over HTTP, as JSON). At stake: an operator who looks for where a
 * slow append spent its time, and finds spans that hang together with nothing.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { startService } from '#indelible/service.js';
import type { Service } from '#indelible/service.js';
import { until } from './support/until.js';

const TOKEN = 'tracing-token-0123456789';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

let collector: Server;
let endpoint: string;
let spans: CollectedSpan[];
let resource: string;
beforeAll(async () => {
  collector = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { resource: unknown; scopeSpans: { spans: CollectedSpan[] }[] }[];
      };
      for (const { resource: of, scopeSpans } of body.resourceSpans) {
        resource = JSON.stringify(of);
        for (const scope of scopeSpans) spans.push(...scope.spans);
      }
      res.setHeader('content-type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});
afterAll(() => collector.close());

let service: Service;
let dataDir: string;
beforeEach(async () => {
  spans = [];
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = endpoint;
  process.env['OTEL_BSP_SCHEDULE_DELAY'] = '100';
  dataDir = await mkdtemp(join(tmpdir(), 'indelible-tracing-'));
  const config = loadConfig({}, { dataDir, port: 0, adminToken: TOKEN }, join(dataDir, 'none.json'));
  service = await startService(config, pino({ level: 'silent' }));
});
afterEach(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  delete process.env['OTEL_BSP_SCHEDULE_DELAY'];
  await service.close();
  await rm(dataDir, { recursive: true, force: true });
});

function append(n: number, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${service.url}/v1/chains/traced/entries`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ action: 'secret-action', actor: { type: 'user', id: `secret-${n}` } }),
  });
}

const REQUEST = 'POST /v1/chains/{chainId}/entries';
const named = (name: string): CollectedSpan[] => spans.filter((span) => span.name === name);
const nanos = (text: string): bigint => BigInt(text);

describe('an append', () => {
  it('is one connected trace from the request to the store, in the trace of who called', async () => {
    expect((await append(1, { traceparent: `00-${TRACE}-${PARENT}-01` })).status).toBe(201);
    await until(() => named('commit').length === 1 && named(REQUEST).length === 1);
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const request = named(REQUEST)[0]!;
    const commit = named('commit')[0]!;
    const parentOf = (name: string): string | undefined => named(name)[0]?.parentSpanId;
    expect(request.parentSpanId).toBe(PARENT);
    expect(parentOf('queue')).toBe(request.spanId);
    expect(commit.parentSpanId).toBe(request.spanId);
    expect(commit.links.map(({ spanId }) => spanId)).toEqual([request.spanId]);
    for (const step of ['build', 'sign', 'store.create']) expect(parentOf(step), step).toBe(commit.spanId);
    // Everything hangs together, and each step lies within the commit.
    const ids = new Set(spans.map(({ spanId }) => spanId));
    for (const span of spans) expect(ids.has(span.parentSpanId ?? '') || span.parentSpanId === PARENT, span.name).toBe(true);
    for (const step of ['build', 'sign', 'store.create']) {
      const span = named(step)[0]!;
      expect(nanos(span.startTimeUnixNano) >= nanos(commit.startTimeUnixNano) && nanos(span.endTimeUnixNano) <= nanos(commit.endTimeUnixNano), step).toBe(true);
    }
    expect(request.attributes).toContainEqual({ key: 'http.response.status_code', value: { intValue: 201 } });
    expect(resource).toContain('"indelible"');
    // What was appended is no business of whoever runs the collector.
    expect(JSON.stringify(spans)).not.toMatch(/secret|tracing-token/);
  });

  it('shares its commit with others: the commit has a link to each request it answers', async () => {
    await append(0);
    await until(() => named(REQUEST).length === 1 && named('commit').length === 1);
    spans = [];
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => append(n + 1)));
    expect(answers.every(({ status }) => status === 201)).toBe(true);
    await until(() => named(REQUEST).length === 20 && named('commit').flatMap(({ links }) => links).length === 20);
    const linked = named('commit').flatMap(({ links }) => links.map(({ spanId }) => spanId));
    expect(new Set(linked)).toEqual(new Set(named(REQUEST).map(({ spanId }) => spanId)));
    expect(named('queue').map(({ parentSpanId }) => parentSpanId).sort()).toEqual(named(REQUEST).map(({ spanId }) => spanId).sort());
  });

  it('with a traceparent that is none begins a trace of its own; health checks leave no trace', async () => {
    for (const traceparent of ['rubbish', `ff-${TRACE}-${PARENT}-01`, `00-${'0'.repeat(32)}-${PARENT}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`]) {
      expect((await append(0, { traceparent })).status).toBe(201);
    }
    for (const path of ['/healthz', '/readyz', '/metrics']) await fetch(service.url + path);
    await until(() => named(REQUEST).length === 4);
    expect(named(REQUEST).map(({ parentSpanId }) => parentSpanId ?? '')).toEqual(['', '', '', '']);
    expect(spans.some(({ traceId }) => traceId === TRACE)).toBe(false);
    expect(spans.filter(({ name }) => name.startsWith('GET'))).toEqual([]);
  });

  it('that the caller has not sampled is not sent', async () => {
    await append(0, { traceparent: `00-${TRACE}-${PARENT}-00` });
    await append(1, { traceparent: `00-${TRACE}-${PARENT}-01` });
    await until(() => named(REQUEST).length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(named(REQUEST)).toHaveLength(1);
  });
});

describe('without a collector', () => {
  it.each([
    [{}, 'off'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' }, 'off'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, 'on'],
  ] as const)('%j: tracing is %s, and nothing of it is loaded when it is off; a collector that is away harms nothing', async (env, expected) => {
    const hook = "process.on('exit', () => process.stderr.write('LOADED ' + Object.keys(require.cache).filter((f) => f.includes('opentelemetry/sdk')).length))";
    const file = join(dataDir, 'hook.cjs');
    await writeFile(file, hook);
    const child = spawn(process.execPath, ['--require', file, CLI, 'serve'], {
      env: { PATH: process.env['PATH'], INDELIBLE_PORT: '0', INDELIBLE_DATA_DIR: join(dataDir, 'other'), INDELIBLE_ADMIN_TOKEN: TOKEN, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const closed = once(child, 'close');
    await until(() => out.includes('listening on'));
    const url = /listening on (\S+)/.exec(out)?.[1] ?? '';
    const answer = await fetch(`${url}/v1/chains/traced/entries`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: '{"action":"a","actor":{"type":"t","id":"i"}}',
    });
    expect(answer.status).toBe(201);
    child.kill('SIGTERM');
    expect((await closed)[0]).toBe(0);
    // Worker threads say it, too.
    const loaded = Math.max(...[...err.matchAll(/LOADED (\d+)/g)].map((match) => Number(match[1])));
    if (expected === 'off') expect(loaded).toBe(0);
    else expect(loaded).toBeGreaterThan(0);
  });
});
