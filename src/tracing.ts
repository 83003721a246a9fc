/**
 * OpenTelemetry traces, from a request to the commit that answers it:
 *
 *   POST /v1/chains/{chainId}/entries      its parent is the `traceparent` of the request
 *   ├─ queue                               until a commit takes it
 *   └─ commit                              one for many requests: in the trace of the first, with a link to each
 *      ├─ build                            ids looked up, entries chained, tree extended
 *      ├─ sign
 *      ├─ store.create
 *      └─ confirm                          (where the store keeps versions) ours is the oldest
 *
 * Loaded only where the standard variables name a collector (`tracingWanted`). Nothing global is registered, so a
 * process may hold several services, and nobody else's code starts to trace.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, isSpanContextValid, trace } from '@opentelemetry/api';
import type { Context, Span, SpanContext, Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { RequestSpan, RequestTracing } from './http/deps.js';
import type { CommitObserver, WaitingCaller } from './ledger/observer.js';
import type { Signer } from './signing/signer.js';
import { aroundCalls } from './storage/around.js';
import type { CreateOutcome, WormStore } from './storage/worm-store.js';

/** Asked every few seconds by machines; a trace of it tells nothing. */
const UNTRACED = new Set(['/healthz', '/readyz', '/metrics']);
/** For what is left to be sent when the service ends. */
const LAST_EXPORT_MS = 2_000;
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** What is under way here. */
interface Scope {
  readonly context: Context;
  /** Within a commit: what goes before the signature. */
  build?: Span;
  /** Within a commit: the segment was created; what is asked now confirms it. */
  created?: boolean;
}

export class Tracing implements RequestTracing {
  readonly #provider: NodeTracerProvider;
  readonly #tracer: Tracer;
  readonly #scopes = new AsyncLocalStorage<Scope>();

  constructor(version: string) {
    this.#provider = new NodeTracerProvider({
      // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
      resource: defaultResource()
        .merge(resourceFromAttributes({ 'service.name': 'indelible', 'service.version': version }))
        .merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
    });
    this.#tracer = this.#provider.getTracer('indelible', version);
  }

  begin(req: IncomingMessage): RequestSpan | undefined {
    const [path] = (req.url ?? '').split('?', 1);
    if (UNTRACED.has(path ?? '')) return undefined;
    const parent = remoteParent(req.headers['traceparent']);
    const from = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const method = req.method ?? '';
    const span = this.#tracer.startSpan(method, { kind: SpanKind.SERVER, attributes: { 'http.request.method': method } }, from);
    const scope: Scope = { context: trace.setSpan(from, span) };
    return {
      run: (work) => this.#scopes.run(scope, work),
      end: (route, status) => {
        span.updateName(`${method} ${route}`);
        span.setAttributes({ 'http.route': route, 'http.response.status_code': status });
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  /** For the ledger's `observer`, round the one that measures. */
  commits(inner: CommitObserver): CommitObserver {
    return {
      queued: () => this.#scopes.getStore()?.context,
      commit: (chainId, callers, commit) => inner.commit(chainId, callers, () => this.#commit(chainId, callers, commit)),
    };
  }

  /** The signer, with a span for each signature within a request or a commit. */
  tracedSigner(signer: Signer): Signer {
    return {
      kind: signer.kind,
      get publicKey() {
        return signer.publicKey;
      },
      sign: (message) => {
        const scope = this.#scopes.getStore();
        scope?.build?.end();
        return this.#step(scope, 'sign', () => signer.sign(message));
      },
    };
  }

  /** The store, with a span for each call within a request or a commit. */
  tracedStore(store: WormStore): WormStore {
    return aroundCalls(store, async (operation, _key, call) => {
      const scope = this.#scopes.getStore();
      const confirms = scope?.created === true && operation === 'versions';
      const result = await this.#step(scope, confirms ? 'confirm' : `store.${operation}`, call);
      if (scope !== undefined && operation === 'create') scope.created = (result as CreateOutcome).outcome === 'created';
      return result;
    });
  }

  /** Sends what is left. A collector that is away must not keep the service from ending. */
  async close(): Promise<void> {
    const gone = new Promise((resolve) => setTimeout(resolve, LAST_EXPORT_MS).unref());
    await Promise.race([this.#provider.shutdown().catch(() => undefined), gone]);
  }

  async #commit(chainId: string, callers: readonly WaitingCaller[], commit: () => Promise<boolean>): Promise<boolean> {
    const traced = callers.flatMap(({ mark, receivedMicros }) => (mark === undefined ? [] : [{ context: mark as Context, receivedMicros }]));
    const [first] = traced;
    if (first === undefined) return this.#scopes.exit(commit);
    const now = performance.timeOrigin + performance.now();
    for (const { context, receivedMicros } of traced) this.#tracer.startSpan('queue', { startTime: receivedMicros / 1_000 }, context).end(now);
    const links = traced.flatMap(({ context }) => {
      const spanContext = trace.getSpanContext(context);
      return spanContext === undefined ? [] : [{ context: spanContext }];
    });
    const span = this.#tracer.startSpan('commit', { links, attributes: { 'indelible.chain': chainId, 'indelible.callers': callers.length } }, first.context);
    const context = trace.setSpan(first.context, span);
    const build = this.#tracer.startSpan('build', {}, context);
    try {
      const done = await this.#scopes.run({ context, build }, commit);
      span.setAttribute('indelible.race', done ? 'none' : 'lost');
      if (callers.some(({ answered }) => answered)) span.setStatus({ code: SpanStatusCode.ERROR });
      return done;
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      build.end();
      span.end();
    }
  }

  async #step<T>(scope: Scope | undefined, name: string, call: () => Promise<T>): Promise<T> {
    if (scope === undefined) return call();
    const span = this.#tracer.startSpan(name, {}, scope.context);
    try {
      return await call();
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  }
}

function fail(span: Span, error: unknown): void {
  // The name alone: a message may quote what a caller sent.
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'error' });
}

function remoteParent(header: string | string[] | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(typeof header === 'string' ? header.trim() : '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const context: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}
