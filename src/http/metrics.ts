/**
 * What Prometheus may know. Numbers only: no label holds a chain, an id or anything a caller made up, so the
 * number of series is bounded and the page may be public.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { CreateOutcome, WormStore } from '../storage/worm-store.js';
import { Tally, Timings } from './timings.js';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ENTRIES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

/** `appended` and `replayed` are acknowledged; `refused` is the caller's fault, `failed` is ours. */
export type AppendOutcome = 'appended' | 'replayed' | 'refused' | 'failed';

/** Asked at each scrape. */
export interface Gauges {
  readonly queuedEntries: () => number;
  /** Entries that are committed and not yet in the local view, over all chains. */
  readonly viewLag: () => number;
  readonly openStreams: () => number;
  /** Entries that are not known to be in the second bucket, over all chains. */
  readonly replicaLag: () => number;
  /** What stands between the two buckets that should not. */
  readonly replicaDifferences: () => number;
  /** Entries that are committed and not known to be in the search index, where that is not the view. */
  readonly searchLag: () => number;
  /** Documents that the search index would not take. */
  readonly searchSetAside: () => number;
}

export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Timings('indelible_http_request_seconds', 'From the head of a request to the end of its answer', ['method', 'route', 'status'], SECONDS);
  readonly #appends = new Tally('indelible_append_entries_total', 'Entries sent to be appended, by outcome', ['outcome']);
  readonly #commits = new Timings('indelible_commit_seconds', 'Calls to the store that create a segment', ['outcome'], SECONDS);
  readonly #segments = new Timings('indelible_segment_entries', 'Entries of each segment that became part of a chain', ['origin'], ENTRIES);
  readonly #replicaFindings = new Tally('indelible_replica_findings_total', 'Differences found between the two buckets, by code', ['code']);
  readonly #fallbacks = new Tally('indelible_replica_reads_total', 'Segments that were read from the second bucket because the first failed or lacks them', []);
  readonly #gauges: Partial<Gauges> = {};

  constructor(options: { readonly process?: boolean } = {}) {
    for (const metric of [this.#requests, this.#appends, this.#commits, this.#segments, this.#replicaFindings, this.#fallbacks]) this.registry.registerMetric(metric.asMetric());
    if (options.process ?? true) collectDefaultMetrics({ register: this.registry });
    this.#gauge('indelible_queued_entries', 'Entries that wait to be committed', 'queuedEntries');
    this.#gauge('indelible_view_lag_entries', 'Entries that are committed and not yet in the local view', 'viewLag');
    this.#gauge('indelible_search_lag_entries', 'Entries that are committed and not known to be in Elasticsearch', 'searchLag');
    this.#gauge('indelible_search_set_aside_documents', 'Documents that Elasticsearch would not take', 'searchSetAside');
    this.#gauge('indelible_open_streams', 'Clients that follow a chain', 'openStreams');
    this.#gauge('indelible_replica_lag_entries', 'Entries that are committed and not known to be in the second bucket', 'replicaLag');
    this.#gauge('indelible_replica_differences', 'Chains and kinds in which the two buckets differ', 'replicaDifferences');
  }

  /** Sets what the gauges ask. Those never set read 0. */
  observe(gauges: Partial<Gauges>): void {
    Object.assign(this.#gauges, gauges);
  }

  request(method: string, route: string, status: number, milliseconds: number): void {
    this.#requests.observe(milliseconds / 1_000, method, route, String(status));
  }

  append(outcome: AppendOutcome, entries: number): void {
    this.#appends.add(entries, outcome);
  }

  replicaFinding(code: string): void {
    this.#replicaFindings.add(1, code);
  }

  /** A segment was read from the second bucket. */
  fallback(): void {
    this.#fallbacks.add(1);
  }

  /** For the ledger's `onCommitted`. */
  segment(entries: number, own: boolean): void {
    this.#segments.observe(entries, own ? 'own' : 'adopted');
  }

  /** The store, with its `create` timed. */
  measured(store: WormStore): WormStore {
    const createOver = store.createOver?.bind(store);
    const contested = store.contested?.bind(store);
    const timed = async (call: () => Promise<CreateOutcome>): Promise<CreateOutcome> => {
      const started = performance.now();
      let outcome = 'failed';
      try {
        const result = await call();
        outcome = result.outcome;
        return result;
      } finally {
        this.#commits.observe((performance.now() - started) / 1_000, outcome);
      }
    };
    return {
      kind: store.kind,
      location: store.location,
      versioned: store.versioned,
      create: (key, bytes, retention) => timed(() => store.create(key, bytes, retention)),
      ...(createOver !== undefined && { createOver: (key, over, bytes, retention) => timed(() => createOver(key, over, bytes, retention)) }),
      ...(contested !== undefined && { contested }),
      read: (key, versionId) => store.read(key, versionId),
      versions: (key, options) => store.versions(key, options),
      list: (prefix, options) => store.list(prefix, options),
      strays: (prefix) => store.strays(prefix),
      settle: (prefix) => store.settle(prefix),
      close: () => store.close(),
    };
  }

  #gauge(name: string, help: string, source: keyof Gauges): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => gauge.set(this.#gauges[source]?.() ?? 0) });
  }
}
