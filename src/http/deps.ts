/** What the HTTP interface needs of the rest. The composition root provides it. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { Authenticator } from '../access/authenticator.js';
import type { Finding, Verdict } from '../core/findings.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { ReconciliationJob, ReconciliationRequest } from '../reconcile/jobs.js';
import type { SearchIndex } from '../search/search-index.js';
import type { Metrics } from './metrics.js';

export interface HttpDeps {
  readonly ledger: Ledger;
  readonly trust: ChainTrust;
  readonly search: SearchIndex;
  readonly access: Authenticator;
  readonly verification: VerificationService;
  readonly exports: ExportService;
  /** Absent without a second bucket. */
  readonly replica?: ReplicaService | undefined;
  readonly reconciliation: ReconciliationService;
  readonly metrics: Metrics;
  /** Absent: nothing is traced. */
  readonly tracing?: RequestTracing | undefined;
  readonly log: Logger;
  /** False: a process without the role `api`, which answers for itself and nothing of the log. Default true. */
  readonly servesLog?: boolean;
  /** Of the service, for `/openapi.json`. */
  readonly version: string;
  /** What stands between the service and its work right now. Answers within a second or so. */
  readiness(): Promise<Readiness>;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  readonly limits?: Partial<HttpLimits>;
}

export interface ReplicaService {
  /** Leading entries of the chain that are known to be in the second bucket, too. */
  replicatedThrough(chainId: string): number;
}

export interface HttpLimits {
  /** The whole request must have arrived after this time: what ends slow bodies. Default 60,000. */
  readonly requestTimeoutMs: number;
  /** Its headers after this. Default 15,000. */
  readonly headersTimeoutMs: number;
  /** How often the two are looked at. Default 5,000. */
  readonly timeoutCheckMs: number;
  /** How long an idle connection is kept. Longer than the 60 s of usual load balancers. Default 65,000. */
  readonly keepAliveMs: number;
  /** Default 16,384. */
  readonly maxHeaderBytes: number;
  /** Default 1,000. */
  readonly maxStreams: number;
  /** A comment is sent on a stream that has been silent for this long. Default 15,000. */
  readonly heartbeatMs: number;
  /** A stream whose client has taken nothing for this long is ended. Default 30,000. */
  readonly streamStallMs: number;
  /** How often a stream looks for entries that other processes appended. Default 1,000. */
  readonly streamPollMs: number;
  /** Entries that `GET …/verify` checks in one call. Default 100,000. */
  readonly maxVerifyEntries: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  requestTimeoutMs: 60_000,
  headersTimeoutMs: 15_000,
  timeoutCheckMs: 5_000,
  keepAliveMs: 65_000,
  maxHeaderBytes: 16_384,
  maxStreams: 1_000,
  heartbeatMs: 15_000,
  streamStallMs: 30_000,
  streamPollMs: 1_000,
  maxVerifyEntries: 100_000,
};

export interface RequestTracing {
  /** `undefined`: this one is not traced. */
  begin(req: IncomingMessage): RequestSpan | undefined;
}

export interface RequestSpan {
  /** What is done in `work`, and follows from it, belongs to the request. */
  run<T>(work: () => T): T;
  end(route: string, status: number): void;
}

export interface Readiness {
  /** False: appends would fail. */
  readonly ready: boolean;
  readonly checks: readonly ReadinessCheck[];
}

export interface ReadinessCheck {
  readonly name: string;
  /** `degraded`: appends go on, something derived is behind or away. */
  readonly status: 'ok' | 'degraded' | 'failed';
  /** Public: no secret, no entry content. */
  readonly detail?: string;
}

/** Sequences, both inclusive. */
export interface SequenceRange {
  readonly from?: number;
  readonly to?: number;
}

export interface VerificationService {
  /** Checks the entries from…to and answers when done; `signal` says that nobody waits any more. @throws LedgerError range_invalid */
  verifyRange(chainId: string, range: { readonly from: number; readonly to: number }, signal?: AbortSignal): Promise<VerificationReport>;
  /** Starts a job. @throws LedgerError; TooManyJobsError */
  start(chainId: string, options: SequenceRange & { readonly incremental?: boolean }): Promise<VerificationJob>;
  get(id: string): VerificationJob | undefined;
}

export interface VerificationReport {
  readonly verdict: Verdict;
  readonly chainId: string;
  readonly entriesChecked: number;
  readonly firstBadSequence?: number;
  readonly findings: readonly Finding[];
  /** The checkpoints from outside the store it was held against. */
  readonly heldAgainst: readonly unknown[];
}

export interface Job {
  readonly id: string;
  readonly chainId: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  /** Sequences, both inclusive; `to` is absent until it is fixed. */
  readonly from: number;
  readonly to?: number;
  readonly entriesDone: number;
  readonly entriesTotal?: number;
  readonly createdAt: string;
  readonly finishedAt?: string;
  /** Why it failed. Public. */
  readonly error?: string;
}

export interface VerificationJob extends Job {
  readonly report?: VerificationReport;
}

export interface ExportService {
  /** Starts a job. @throws LedgerError; TooManyJobsError */
  start(chainId: string, range: SequenceRange): Promise<ExportJob>;
  get(id: string): ExportJob | undefined;
  /** The file of a job that is done; `undefined` if there is none. */
  download(id: string): Promise<ExportFile | undefined>;
}

export interface ExportJob extends Job {
  /** Bytes and SHA-256 (hex) of the file, once done. */
  readonly bytes?: number;
  readonly sha256?: string;
}

export interface ExportFile {
  readonly fileName: string;
  readonly bytes: number;
  readonly stream: Readable;
}

export interface ReconciliationService {
  /** Starts a job. @throws TooManyJobsError */
  start(request: ReconciliationRequest): ReconciliationJob;
  get(id: string): ReconciliationJob | undefined;
}
