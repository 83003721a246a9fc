/**
 * What Prometheus may know. Numbers only: no label holds a chain, an id or anything a caller made up, so the
 * number of series is bounded and the page may be public.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Circuit } from '../circuit.js';
import { FINDING_CODES } from '../core/findings.js';
import type { FindingCode } from '../core/findings.js';
import type { CommitObserver } from '../ledger/observer.js';
import { LedgerError } from '../ledger/errors.js';
import { COPIES, COPY_FINDINGS } from '../reconcile/copies.js';
import type { CopyFinding, CopyName } from '../reconcile/copies.js';
import type { Signer } from '../signing/signer.js';
import { aroundCalls } from '../storage/around.js';
import type { CreateOutcome, WormStore } from '../storage/worm-store.js';
import type { Readiness } from './deps.js';
import { Tally, Timings } from './timings.js';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ENTRIES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

/** `appended` and `replayed` are acknowledged; `refused` is the caller's fault, `failed` is ours. */
export type AppendOutcome = 'appended' | 'replayed' | 'refused' | 'failed';

/** Asked at each scrape. */
export interface Gauges {
  readonly queuedEntries: () => number;
  /** Chains whose last commit is neither known to be stored nor known not to be. */
  readonly unsettledChains: () => number;
  /** Entries that are committed and not yet in the local view, over all chains. */
  readonly viewLag: () => number;
  /** Likewise in the Kafka topic, Elasticsearch, the second bucket: as far as this process feeds them. */
  readonly mirrorLag: () => number;
  readonly searchLag: () => number;
  readonly replicaLag: () => number;
  /** Documents that the search index would not take. */
  readonly searchSetAside: () => number;
  /** Chains and kinds in which the two buckets differ. */
  readonly replicaDifferences: () => number;
  readonly openStreams: () => number;
  /** Seconds since the oldest of the marks that verifications left, one a chain. */
  readonly verifiedThroughAge: () => number;
  /** Chains this process has touched that have no such mark. */
  readonly neverVerifiedChains: () => number;
  /** What `indelible guardrails check` finds, as this process last found it; not a number before it has looked. */
  readonly guardrailsUnprotected: () => number;
  readonly guardrailsWeak: () => number;
  readonly guardrailsUnknown: () => number;
}

const GAUGES: Readonly<Record<keyof Gauges, readonly [name: string, help: string]>> = {
  queuedEntries: ['indelible_queued_entries', 'Entries that wait to be committed'],
  unsettledChains: ['indelible_unsettled_chains', 'Chains whose last commit is not settled'],
  viewLag: ['indelible_view_lag_entries', 'Entries that are committed and not yet in the local view'],
  mirrorLag: ['indelible_mirror_lag_entries', 'Entries that are committed and not yet in the Kafka topic'],
  searchLag: ['indelible_search_lag_entries', 'Entries that are committed and not yet in the search index, where that is not the view'],
  replicaLag: ['indelible_replica_lag_entries', 'Entries that are committed and not yet in the second bucket'],
  searchSetAside: ['indelible_search_set_aside_documents', 'Documents that the search index would not take'],
  replicaDifferences: ['indelible_replica_differences', 'Chains and kinds in which the two buckets differ'],
  openStreams: ['indelible_open_streams', 'Clients that follow a chain'],
  verifiedThroughAge: ['indelible_verified_through_age_seconds', 'Age of the oldest verified-through mark of a chain'],
  neverVerifiedChains: ['indelible_never_verified_chains', 'Chains in use that no verification has left a mark for'],
  guardrailsUnprotected: ['indelible_guardrails_unprotected', 'Checks of the guardrails that found nothing to protect the log'],
  guardrailsWeak: ['indelible_guardrails_weak', 'Checks of the guardrails that found a weak protection'],
  guardrailsUnknown: ['indelible_guardrails_unknown', 'Checks of the guardrails whose answer could not be seen'],
};

const STATES = { closed: 0, 'half-open': 1, open: 2 } as const;
const STATUSES = { ok: 0, degraded: 1, failed: 2 } as const;

export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Timings('indelible_http_request_seconds', 'From the head of a request to the end of its answer', ['method', 'route', 'status'], SECONDS);
  readonly #appends = new Tally('indelible_append_entries_total', 'Entries sent to be appended, by outcome', ['outcome']);
  readonly #queueWaits = new Timings('indelible_queue_wait_seconds', 'From the intake of an append to the beginning of its commit', [], SECONDS);
  readonly #commits = new Timings('indelible_commit_seconds', 'Commits, from planning the segment to its settlement', ['outcome'], SECONDS);
  readonly #segments = new Timings('indelible_segment_entries', 'Entries of each segment that became part of a chain', ['origin'], ENTRIES);
  readonly #replicaFindings = new Tally('indelible_replica_findings_total', 'Differences found between the two buckets, by code', ['code']);
  readonly #copyFindings = new Tally('indelible_copy_findings_total', 'Times a copy in Kafka or the search index was found not to hold what the log says, by copy and kind', ['copy', 'kind']);
  readonly #fallbacks = new Tally('indelible_replica_reads_total', 'Segments that were read from the second bucket because the first failed or lacks them', []);
  readonly #followed = new Tally('indelible_mirror_followed_segments_total', 'Segments of other replicas that came by the mirror before this process had read them from the store', []);
  readonly #storeCalls = new Timings('indelible_store_call_seconds', 'Calls to the write-once store', ['operation', 'outcome'], SECONDS);
  readonly #signatures = new Timings('indelible_signer_seconds', 'Calls to the signer', ['outcome'], SECONDS);
  readonly #troubles = new Tally('indelible_commit_troubles_total', 'What went wrong with commits, by code', ['code']);
  readonly #findings = new Tally('indelible_findings_total', 'Findings of verifications and of writers, by code', ['code']);
  readonly #gauges: Partial<Gauges> = {};
  readonly #circuits: Circuit[] = [];

  constructor(options: { readonly process?: boolean } = {}) {
    const series = [this.#requests, this.#appends, this.#queueWaits, this.#commits, this.#segments, this.#storeCalls, this.#signatures, this.#troubles, this.#findings, this.#replicaFindings, this.#copyFindings, this.#fallbacks, this.#followed];
    for (const metric of series) this.registry.registerMetric(metric.asMetric());
    // A counter that comes into being at 1 has not risen, to Prometheus: an alert would miss what happens once.
    for (const code of FINDING_CODES) this.#findings.add(0, code);
    for (const code of ['chain_halted', 'signer_unavailable', 'store_call']) this.#troubles.add(0, code);
    for (const copy of COPIES) for (const kind of COPY_FINDINGS) this.#copyFindings.add(0, copy, kind);
    if (options.process ?? true) collectDefaultMetrics({ register: this.registry });
    for (const [source, [name, help]] of Object.entries(GAUGES)) {
      const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => gauge.set(this.#gauges[source as keyof Gauges]?.() ?? 0) });
    }
  }

  /** Sets what the gauges ask. Those never set read 0. */
  observe(gauges: Partial<Gauges>): void {
    Object.assign(this.#gauges, gauges);
  }

  /** What runs here, as labels of a constant. */
  build(version: string): void {
    const info = { version, node: process.versions.node };
    new Gauge({ name: 'indelible_build_info', help: 'What runs here', labelNames: Object.keys(info), registers: [this.registry] }).set(info, 1);
  }

  /** The circuit's state and what it turns away. */
  circuits(...circuits: readonly Circuit[]): void {
    this.#circuits.push(...circuits);
    if (this.registry.getSingleMetric('indelible_circuit_state') !== undefined) return;
    const state: Gauge = new Gauge({
      name: 'indelible_circuit_state',
      help: 'Circuit breakers: 0 closed, 1 half-open, 2 open (calls are refused)',
      labelNames: ['circuit'],
      registers: [this.registry],
      collect: () => this.#circuits.forEach((circuit) => state.set({ circuit: circuit.name }, STATES[circuit.state])),
    });
    const refused = new Counter({
      name: 'indelible_circuit_refused_total',
      help: 'Calls that were not made because the circuit was open',
      labelNames: ['circuit'],
      registers: [this.registry],
      collect: () => {
        refused.reset();
        for (const circuit of this.#circuits) refused.inc({ circuit: circuit.name }, circuit.refused);
      },
    });
  }

  /** The parts of `/readyz`, asked at each scrape. */
  readiness(check: () => Promise<Readiness>): void {
    const gauge: Gauge = new Gauge({
      name: 'indelible_check_status',
      help: 'Parts of /readyz: 0 ok, 1 degraded, 2 failed',
      labelNames: ['check'],
      registers: [this.registry],
      collect: async () => {
        for (const { name, status } of (await check()).checks) gauge.set({ check: name }, STATUSES[status]);
      },
    });
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

  copyFinding(copy: CopyName, kind: CopyFinding): void {
    this.#copyFindings.add(1, copy, kind);
  }

  /** A segment was read from the second bucket. */
  fallback(): void {
    this.#fallbacks.add(1);
  }

  /** A segment of another replica came by the mirror. */
  followed(): void {
    this.#followed.add(1);
  }

  /** For the ledger's `onCommitted`. */
  segment(entries: number, own: boolean): void {
    this.#segments.observe(entries, own ? 'own' : 'adopted');
  }

  /** For the ledger's `onTrouble`. */
  trouble(error: unknown): void {
    this.#troubles.add(1, error instanceof LedgerError ? error.code : 'store_call');
  }

  finding(code: FindingCode): void {
    this.#findings.add(1, code);
  }

  /**
   * For the ledger's `observer`. `lost`: another writer was first, what is left is planned anew. `failed`: callers
   * were told 503, whatever became of the segment later.
   */
  get commits(): CommitObserver {
    return {
      queued: () => undefined,
      commit: async (_chainId, callers, commit) => {
        const started = performance.now();
        const startedMicros = (performance.timeOrigin + started) * 1_000;
        for (const { receivedMicros } of callers) this.#queueWaits.observe(Math.max(0, startedMicros - receivedMicros) / 1_000_000);
        let outcome = 'failed';
        try {
          const done = await commit();
          if (!done) outcome = 'lost';
          else if (!callers.some(({ answered }) => answered)) outcome = 'committed';
          return done;
        } finally {
          this.#commits.observe((performance.now() - started) / 1_000, outcome);
        }
      },
    };
  }

  /** The store, with its calls timed. */
  measured(store: WormStore): WormStore {
    return aroundCalls(store, (operation, _key, call) =>
      this.#timed(this.#storeCalls, [operation], call, (result) => (operation === 'create' ? (result as CreateOutcome).outcome : 'ok')),
    );
  }

  /** The signer, with its calls timed. */
  measuredSigner(signer: Signer): Signer {
    return {
      kind: signer.kind,
      get publicKey() {
        return signer.publicKey;
      },
      sign: (message) => this.#timed(this.#signatures, [], () => signer.sign(message), () => 'ok'),
    };
  }

  async #timed<T>(timings: Timings, labels: readonly string[], call: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T> {
    const started = performance.now();
    let outcome = 'failed';
    try {
      const result = await call();
      outcome = outcomeOf(result);
      return result;
    } finally {
      timings.observe((performance.now() - started) / 1_000, ...labels, outcome);
    }
  }
}
