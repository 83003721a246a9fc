/**
 * The composition root: with `compose/`, where each part is made as the settings say, the one place that knows which
 * adapter is in use. `openLedger` is the ledger alone (command line, tests); `startService` adds HTTP and what it needs.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Authenticator } from './access/authenticator.js';
import { Tokens } from './access/tokens.js';
import { plainEndpoints } from './compose/plain-endpoints.js';
import { openSearch } from './compose/search.js';
import type { SearchParts } from './compose/search.js';
import { openSecond, startReplica } from './compose/second-bucket.js';
import { delegate, openSigner } from './compose/signer.js';
import { capabilitiesEvent, openWriteStore, outliveEarlierWrites, retentionOf, startError, SYSTEM_CHAIN } from './compose/store.js';
import { hasRole } from './config.js';
import type { Config } from './config.js';
import { dataPaths } from './data-paths.js';
import { exportFolder } from './evidence/export-folder.js';
import { ExportJobs } from './evidence/exports.js';
import { GuardrailWatch } from './guardrails/watch.js';
import type { ReadinessCheck } from './http/deps.js';
import type { Metrics } from './http/metrics.js';
import { DEFAULT_LIMITS } from './http/deps.js';
import { LedgerError } from './ledger/errors.js';
import { formatMicros, newWriterId, systemHost } from './ledger/host.js';
import { Ledger } from './ledger/ledger.js';
import { SegmentReader } from './ledger/reader.js';
import { DEPLOYMENT_KEY, establishTrust } from './ledger/trust.js';
import type { ChainTrust } from './ledger/trust.js';
import { FallbackReader } from './replica/fallback-reader.js';
import type { Replica } from './replica/replica.js';
import type { ReconciledCopy } from './reconcile/copies.js';
import { ReconciliationJobs } from './reconcile/jobs.js';
import type { SearchIndex } from './search/search-index.js';
import { ReadinessBoard, signerCheck, storeCheck } from './readiness.js';
import type { BrokenSigner } from './signing/breaker.js';
import type { Signer } from './signing/signer.js';
import { boundCalls } from './storage/bounded.js';
import type { BrokenStore } from './storage/breaker.js';
import { selfTest } from './storage/self-test.js';
import type { WormStore } from './storage/worm-store.js';
import { storeConfigOf } from './verification/store-config.js';
import type { Tracing } from './tracing.js';
import { ViewIndex } from './view/entry-index.js';
import { ViewWriter } from './view/writer.js';
import { VerificationJobs } from './verification/jobs.js';
import { leafHints } from './view/leaf-hints.js';
import { MarkFolder } from './verification/mark.js';
import { MarkAges } from './verification/mark-ages.js';
import { VerificationRounds } from './verification/rounds.js';

export interface OpenLedger {
  readonly store: WormStore;
  readonly signer: Signer;
  readonly trust: ChainTrust;
  readonly ledger: Ledger;
  readonly writerId: string;
  readonly search: SearchIndex;
  readonly searchParts: SearchParts;
  /** What was derived from the log and can be compared with it. */
  readonly copies: readonly ReconciledCopy[];
  readonly view: ViewWriter;
  readonly index: ViewIndex;
  /** The second bucket, if there is one. */
  readonly replica: Replica | undefined;
  /** Of a service alone. */
  readonly guards?: Guards;
  /** Finishes accepted appends within the configured time, then lets go of everything. */
  close(): Promise<void>;
}

/** Circuit breakers: a command of a moment needs none. */
export interface Guards {
  readonly store: BrokenStore;
  /** A key of this process has none. */
  readonly signer: BrokenSigner | undefined;
}

/**
 * @param intent `read`: nothing is appended; a bucket is then not tried, which would leave objects in it
 * @throws DeploymentError, StoreSetupError, SelfTestFailed, StoreError, SignerError, ViewError: each says what to do
 */
export async function openLedger(
  config: Config,
  log: Logger,
  metrics?: Metrics,
  intent: 'append' | 'read' = 'append',
  tracing?: Tracing,
): Promise<OpenLedger> {
  const paths = dataPaths(config.dataDir);
  // Beside the trial of the store: one waits for a thread to start, the other for the disk.
  const opening = openView(paths.view, log);
  // It is awaited below; until then its failure is not unhandled.
  opening.catch(() => undefined);
  let opened: OpenLedger | undefined;
  try {
    const { store: written, trial } = await openWriteStore(config, intent);
    const report = trial && (await selfTest(written, trial));
    if (report !== undefined) {
      log.debug({ report }, 'store self-test passed');
      await outliveEarlierWrites(report, config, log);
    }
    const store = metrics?.measured(written) ?? written;
    opened = await assemble(config, log, metrics, tracing, store, await opening);
    if (report?.kind === 's3') await opened.ledger.append(SYSTEM_CHAIN, [{ event: capabilitiesEvent(opened.writerId, report) }]);
    return opened;
  } catch (error) {
    if (opened !== undefined) await opened.close();
    else {
      await opening.then(
        (view) => view.close(),
        () => undefined,
      );
    }
    throw startError(error, config);
  }
}

async function openView(file: string, log: Logger): Promise<ViewWriter> {
  await mkdir(join(file, '..'), { recursive: true });
  return ViewWriter.open(file, {
    onNote: (note) => log.warn({ note: note.kind, chainId: note.chainId }, note.message),
  });
}

async function assemble(
  config: Config,
  log: Logger,
  metrics: Metrics | undefined,
  tracing: Tracing | undefined,
  store: WormStore,
  view: ViewWriter,
): Promise<OpenLedger> {
  const key = await openSigner(config);
  const guards = metrics === undefined ? undefined : await guard(config, metrics, tracing, store, key);
  const guarded = guards?.signing ?? key;
  const bounded = boundCalls(store, (ms, callback) => systemHost.after(ms, callback), config.storeTimeoutMs);
  const trust = await establishTrust(bounded, key, {
    deployment: config.deployment,
    now: formatMicros(systemHost.micros()),
    retention: retentionOf(config),
    onRefused: (refused) => log.error({ refused }, 'an object below keys/ is not a key of this log, and is not believed'),
  });
  const delegates = config.signer === 'kms' && config.kmsDelegationHours > 0 && hasRole(config, 'api');
  const signer = delegates ? await delegate(config, log, bounded, trust, guarded) : guarded;
  const searchParts = await openSearch(config, view, log, (kind) => metrics?.copyFinding('index', kind));
  // Here as below, kafkajs is loaded only where there are brokers.
  const topic = config.kafkaBrokers && (await import('./mirror/open.js')).openTopicCopy(config, log);
  const index = new ViewIndex(view, randomInt(2 ** 32));
  // A command without metrics is gone before anything is copied: the second bucket is the service's.
  const second = metrics === undefined ? undefined : await openSecond(config, log, store);
  const writerId = newWriterId();
  const ledger: Ledger = new Ledger({
    store: guards?.store.store ?? store,
    signer,
    trust,
    index,
    host: systemHost,
    writerId,
    limits: {
      maxQueuedEntries: config.maxQueuedEntries,
      maxQueuedBytes: config.maxQueuedBytes,
      answerWithinMs: config.answerWithinMs,
      callTimeoutMs: config.storeTimeoutMs,
    },
    observer: metrics === undefined ? undefined : (tracing?.commits(metrics.commits) ?? metrics.commits),
    retention: () => retentionOf(config),
    onCommitted: (segment, own) => metrics?.segment(segment.count, own),
    onFinding: (finding) => {
      metrics?.finding(finding.code);
      log.error({ finding }, `security finding: ${finding.code}`);
    },
    onTrouble: (chainId, error) => {
      metrics?.trouble(error);
      const halted = error instanceof LedgerError && error.code === 'chain_halted';
      log[halted ? 'error' : 'warn']({ chainId, err: error }, halted ? 'chain halted' : 'commit trouble');
    },
    cutOff: (chainId) => replica?.cutOff(chainId),
    witness: (chainId) => replica?.replicaHead(chainId) ?? Promise.resolve(undefined),
    readThrough: (reader) => (second === undefined ? reader : new FallbackReader(reader, new SegmentReader(second.store, trust), (segment, cause) => {
      metrics?.fallback();
      log.error({ chainId: segment.chainId, key: segment.key, err: cause }, 'read from the second bucket');
    })),
  });
  const replica: Replica | undefined = second && startReplica({ config, log, metrics, ledger, first: store, second, trust });
  // An append before the second bucket has been heard could take the places of entries that the first has lost.
  await replica?.looked();
  return {
    store,
    signer,
    trust,
    ledger,
    writerId,
    view,
    index,
    replica,
    search: searchParts.index,
    searchParts,
    copies: [searchParts.copy({ ledger, index }), ...(topic === undefined ? [] : [topic.copy])],
    ...(guards !== undefined && { guards }),
    async close() {
      let cancel = (): void => undefined;
      const giveUp = new Promise<void>((resolve) => {
        cancel = systemHost.after(config.shutdownMs, resolve);
      });
      await ledger.close(giveUp);
      cancel();
      await replica?.close();
      await second?.store.close();
      signer.close?.();
      key.close?.();
      await Promise.all([searchParts.close(), topic?.close()]);
      await view.close();
      guards?.store.close();
      guards?.signer?.circuit.close();
      await store.close();
    },
  };
}

/** What stands between the ledger and the services it calls: breakers, measures and traces. */
async function guard(config: Config, metrics: Metrics, tracing: Tracing | undefined, store: WormStore, key: Signer): Promise<Guards & { readonly signing: Signer }> {
  // Loaded here, since it takes as long to load as a command takes to run.
  const { breakCalls } = await import('./storage/breaker.js');
  const bounded = boundCalls(tracing?.tracedStore(store) ?? store, (ms, callback) => systemHost.after(ms, callback), config.storeTimeoutMs);
  const guarded = breakCalls(bounded, DEPLOYMENT_KEY);
  const measured = metrics.measuredSigner(tracing?.tracedSigner(key) ?? key);
  // A key in this process answers or does not exist.
  const { breakSigner } = await import('./signing/breaker.js');
  const signer = key.kind === 'local' ? undefined : breakSigner(measured, config.answerWithinMs);
  metrics.circuits(guarded.writing, guarded.reading, ...(signer === undefined ? [] : [signer.circuit]));
  return { store: guarded, signer, signing: signer?.signer ?? measured };
}

export interface Service {
  readonly url: string;
  readonly port: number;
  /** The admin token, if this start made it: to be shown once. It is kept nowhere. */
  readonly newToken: string | undefined;
  /** Takes nothing new, finishes what was accepted, within the configured time. */
  close(): Promise<void>;
}

/** @throws as openLedger; TokenError; Node's error where the address can't be listened on */
export async function startService(config: Config, log: Logger): Promise<Service> {
  for (const sentence of plainEndpoints(config)) log.warn(sentence);
  const { Metrics } = await import('./http/metrics.js');
  const metrics = new Metrics();
  const version = packageVersion();
  metrics.build(version);
  // Only where it is wanted, since loading it takes a third of a second.
  const tracing = tracingWanted(process.env) ? new (await import('./tracing.js')).Tracing(version) : undefined;
  // Without the role api nothing is appended, and nobody is let in.
  const servesLog = hasRole(config, 'api');
  const opening = openLedger(config, log, metrics, servesLog ? 'append' : 'read', tracing);
  // Loading Express takes as long as opening a ledger, and the command line's ledger does without.
  const server = import('./http/server.js');
  server.catch(() => undefined);
  const opened = await opening;
  // What follows the ledger, and ends before it.
  const closing: (() => Promise<void>)[] = [];
  try {
    const { createHttpServer } = await server;
    const { access, issued } = servesLog ? await openAccess(config) : { access: NOBODY, issued: undefined };
    const { store, signer, trust, view, ledger } = opened;
    const markFolder = new MarkFolder(dataPaths(config.dataDir).marks);
    const verifications = new VerificationJobs({
      store,
      config: storeConfigOf(config),
      trust: { keys: trust.roots.map((publicKey) => ({ publicKey })), deployment: trust.deployment },
      hints: leafHints(view),
      marks: { folder: markFolder, signer },
      maxSynchronous: DEFAULT_LIMITS.maxVerifyEntries,
      onReport: ({ findings }) => findings.forEach(({ code }) => metrics.finding(code)),
    });
    if (servesLog && config.verifyEverySeconds > 0) {
      const rounds = new VerificationRounds({
        jobs: verifications,
        store,
        marks: markFolder,
        everyMs: config.verifyEverySeconds * 1_000,
        onBroken: ({ chainId, verdict, firstBadSequence, findings }) =>
          log.error({ chainId, verdict, firstBadSequence, findings: findings.slice(0, LOGGED_FINDINGS) }, `verification: ${verdict}`),
        onTrouble: (chainId, error) => log.warn({ chainId, err: error }, 'a chain could not be verified; it is tried again'),
      });
      closing.push(() => rounds.close());
    }
    const exports = await ExportJobs.open({
      folder: await exportFolder(dataPaths(config.dataDir).exports),
      store,
      trust,
      hashes: (chainId) => opened.index.hashes(chainId),
    });
    const mirror = config.kafkaBrokers && (await import('./mirror/open.js')).openMirror(config, { ledger, trust, writerId: opened.writerId, host: systemHost, log, onFollowed: () => metrics.followed(), onFinding: (kind) => metrics.copyFinding('mirror', kind) });
    if (mirror !== undefined) closing.push(() => mirror.close());
    const searchWork = opened.searchParts.follow(ledger);
    const reconciliations = new ReconciliationJobs({
      ledger,
      host: systemHost,
      copies: opened.copies,
      onDiscrepancy: ({ copy, kind }) => kind !== 'behind' && metrics.copyFinding(copy, kind),
    });
    const readiness = readinessOf(opened, config, { search: () => searchWork.check, mirror: mirror && (() => mirror.check) });
    metrics.readiness(() => readiness.check());
    // Only where the log is appended to, and to the service's own chain only where it has one.
    const guardrails = servesLog ? watchGuardrails(opened, config, log) : undefined;
    if (guardrails !== undefined) closing.push(() => guardrails.close());
    const marks = new MarkAges(markFolder, trust);
    metrics.observe({
      unsettledChains: () => [...ledger.open()].filter((chain) => chain.unsettled).length,
      verifiedThroughAge: () => marks.oldestSeconds(Date.now()),
      neverVerifiedChains: () => [...ledger.open()].filter(({ chainId, head }) => head !== undefined && head.size > 0 && !marks.has(chainId)).length,
      searchLag: () => searchWork.lag,
      searchSetAside: () => searchWork.setAside,
      queuedEntries: () => [...ledger.open()].reduce((sum, chain) => sum + chain.queuedEntries, 0),
      viewLag: () => view.backlog,
      mirrorLag: () => mirror?.lag ?? 0,
      replicaLag: () => opened.replica?.lag ?? 0,
      replicaDifferences: () => opened.replica?.differences.length ?? 0,
      guardrailsUnprotected: () => guardrails?.count('unprotected') ?? 0,
      guardrailsWeak: () => guardrails?.count('weak') ?? 0,
      guardrailsUnknown: () => guardrails?.count('unknown') ?? 0,
    });
    const http = createHttpServer({
      ledger,
      trust,
      search: opened.search,
      access,
      servesLog,
      verification: verifications,
      exports,
      replica: opened.replica,
      reconciliation: reconciliations,
      metrics,
      log,
      version,
      tracing,
      // With the mirror, what other replicas append is told, and looking for it is only for when that fails.
      ...(mirror !== undefined && { limits: { streamPollMs: 10_000 } }),
      readiness: () => readiness.check(),
    });
    const { port } = await http.listen(config.port, config.host).catch((error: unknown) => {
      throw listenError(error, config);
    });
    const host = config.host.includes(':') ? `[${config.host}]` : config.host;
    return {
      url: `http://${host}:${port}`,
      port,
      newToken: issued,
      async close() {
        // First the answers: what was accepted is committed while its callers still listen.
        await http.close(config.shutdownMs);
        await Promise.all([verifications.close(), exports.close(), reconciliations.close(), searchWork.close(), ...closing.map((close) => close())]);
        marks.close();
        await opened.close();
        await tracing?.close();
      },
    };
  } catch (error) {
    await Promise.all(closing.map((close) => close()));
    await opened.close();
    await tracing?.close();
    throw error;
  }
}

/** The log names what is wrong; the report of a verification has all of it. */
const LOGGED_FINDINGS = 20;

/** A folder has no chain of the service's own: what there is to say of it stands in the log of the process. */
function watchGuardrails({ ledger, store, writerId }: OpenLedger, config: Config, log: Logger): GuardrailWatch {
  const record = (event: string): Promise<unknown> => ledger.append(SYSTEM_CHAIN, [{ event }]);
  return new GuardrailWatch({ config, log, writerId, ...(store.kind === 's3' && { record }) });
}

/** Node's error keeps its code, and gets the setting in its message. */
function listenError(error: unknown, { host, port }: Config): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  const setting = code === 'EADDRINUSE' || code === 'EACCES' ? `INDELIBLE_PORT=${port}` : `INDELIBLE_HOST=${host}`;
  return Object.assign(new Error(`${setting}: ${error.message}`, { cause: error }), { code });
}

const NOBODY: Authenticator = { authenticate: () => undefined };

/** @throws TokenError */
async function openAccess({ dataDir, adminToken }: Config): Promise<{ readonly access: Authenticator; readonly issued: string | undefined }> {
  const { tokens, issued } = await Tokens.open(dataPaths(dataDir).access, { adminToken, now: formatMicros(systemHost.micros()) });
  return { access: tokens, issued };
}

/** What the parts of a service that follow the log say of themselves. */
interface DerivedChecks {
  /** `undefined` where the index is the view, which has a check of its own. */
  readonly search: () => ReadinessCheck | undefined;
  readonly mirror: (() => ReadinessCheck) | undefined;
}

/** The parts of `/readyz`; a part that is added to the service adds itself here. */
function readinessOf({ ledger, view, guards, replica }: OpenLedger, config: Config, { search, mirror }: DerivedChecks): ReadinessBoard {
  const board = new ReadinessBoard();
  if (guards !== undefined) board.add('store', storeCheck(guards.store, ledger), true);
  const signer = guards?.signer;
  const delegated = config.kmsDelegationHours > 0;
  // With a delegated key appends go on without KMS until that key ends; without the role api nothing is signed.
  if (hasRole(config, 'api')) board.add('signer', signer === undefined ? () => ({ status: 'ok' }) : signerCheck(signer, delegated ? 'degraded' : 'failed'), !delegated);
  board.add('view', () => {
    const behind = [...ledger.open()].filter((chain) => chain.head !== undefined && !chain.indexed).length;
    if (view.failure === undefined && behind === 0) return { status: 'ok' };
    return { status: 'degraded', detail: view.failure?.message ?? `the index of ${behind} chains is being built` };
  });
  if (search() !== undefined) board.add('search', () => search() ?? { status: 'ok' });
  if (mirror !== undefined) board.add('mirror', mirror);
  // It fails, and does not only lag, when the first bucket has lost what the second holds.
  if (replica !== undefined) board.add('replica', () => replica.check());
  return board;
}

/** The standard variables name a collector, and nothing switches traces off. */
function tracingWanted(environment: NodeJS.ProcessEnv): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } = environment;
  const named = [OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT].some((address) => address !== undefined && address !== '');
  return named && OTEL_SDK_DISABLED !== 'true' && OTEL_TRACES_EXPORTER !== 'none';
}

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
