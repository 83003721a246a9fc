/** A real server over a real ledger in a scratch folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import pino from 'pino';
import type { Receipt } from '#indelible/core/receipt.js';
import { Tokens } from '#indelible/access/tokens.js';
import { loadConfig } from '#indelible/config.js';
import type { HttpDeps, HttpLimits } from '#indelible/http/deps.js';
import { Metrics } from '#indelible/http/metrics.js';
import { ExportJobs } from '#indelible/evidence/exports.js';
import { systemHost } from '#indelible/ledger/host.js';
import { ReconciliationJobs } from '#indelible/reconcile/jobs.js';
import { VerificationJobs } from '#indelible/verification/jobs.js';
import { createHttpServer } from '#indelible/http/server.js';
import type { HttpServer } from '#indelible/http/server.js';
import { dataPaths } from '#indelible/data-paths.js';
import { openLedger } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';
import type { JobLimits } from '#indelible/verification/job-board.js';
import { auditFolder } from '../../support/audit.js';
import type { AuditedChain } from '../../support/audit.js';
import { Contract } from './contract.js';

export const TOKEN = 'test-admin-token-0123456789';

export interface ServerOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly deps?: Partial<HttpDeps>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly jobs?: JobLimits;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** A text or bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
  /** Default: the admin token; `null`: none. */
  readonly token?: string | null;
}

export class TestServer {
  readonly opened: OpenLedger;
  readonly jobs: Jobs;
  readonly tokens: Tokens;
  readonly http: HttpServer;
  readonly port: number;
  readonly dataDir: string;
  readonly contract: Contract;
  /** Parsed lines of the log. */
  readonly logged: Record<string, unknown>[];
  readonly #agent = new Agent({ keepAlive: true });
  #closed = false;

  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'indelible-http-'));
    const logged: Record<string, unknown>[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        for (const line of chunk.toString().trimEnd().split('\n')) logged.push(JSON.parse(line) as Record<string, unknown>);
        done();
      },
    });
    const log = pino({ level: 'debug' }, sink);
    const config = loadConfig({}, { dataDir, adminToken: TOKEN, ...options.config }, join(dataDir, 'none.json'));
    const metrics = new Metrics({ process: false });
    const opened = await openLedger(config, log, metrics);
    const { tokens } = await Tokens.open(dataPaths(dataDir).access, { adminToken: TOKEN, now: '2026-01-01T00:00:00Z' });
    const jobs = await openJobs(opened, dataDir, options.jobs);
    const deps: HttpDeps = {
      ...opened,
      access: tokens,
      verification: jobs.verifications,
      exports: jobs.exports,
      reconciliation: jobs.reconciliations,
      metrics,
      log,
      version: '0.0.0-test',
      readiness: () => Promise.resolve({ ready: true, checks: [{ name: 'store', status: 'ok' }] }),
      ...options.deps,
      limits: { timeoutCheckMs: 100, streamPollMs: 50, ...options.limits },
    };
    const http = createHttpServer(deps);
    const { port } = await http.listen(0, '127.0.0.1');
    const server = new TestServer(opened, jobs, tokens, http, port, dataDir, logged);
    server.contract.load((await server.send('GET', '/openapi.json')).json);
    return server;
  }

  private constructor(opened: OpenLedger, jobs: Jobs, tokens: Tokens, http: HttpServer, port: number, dataDir: string, logged: Record<string, unknown>[]) {
    this.opened = opened;
    this.jobs = jobs;
    this.tokens = tokens;
    this.http = http;
    this.port = port;
    this.dataDir = dataDir;
    this.logged = logged;
    this.contract = new Contract();
  }

  /** Sends a request, and fails the test if the answer is not one that the OpenAPI document promises. */
  async send(method: string, path: string, { headers = {}, body, token = TOKEN }: RequestOptions = {}): Promise<Answer> {
    const bytes = body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const all: Record<string, string | undefined> = {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(bytes !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(bytes)) }),
      ...headers,
    };
    const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    const answer = await new Promise<Answer>((resolve, reject) => {
      const req = request({ port: this.port, host: '127.0.0.1', method, path, headers: given, agent: this.#agent }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = /json$/.test(res.headers['content-type'] ?? '') && text !== '' && !/ndjson/.test(res.headers['content-type'] ?? '');
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} });
        });
      });
      req.on('error', reject);
      req.end(bytes);
    });
    this.contract.check(method, path, answer);
    return answer;
  }

  async append(chainId: string, event: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Receipt> {
    const answer = await this.send('POST', `/v1/chains/${chainId}/entries`, { body: event, headers });
    if (answer.status !== 201) throw new Error(`append answered ${answer.status}: ${answer.text}`);
    return answer.json as unknown as Receipt;
  }

  /** Reads the chain from the folder, with nothing of the server, and holds the receipts against it. */
  async audit(chainId: string, receipts: readonly Receipt[] = []): Promise<AuditedChain> {
    const { trust, signer } = this.opened;
    return auditFolder(dataPaths(this.dataDir).worm, { deployment: trust.deployment, chainId, publicKey: signer.publicKey }, receipts);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#agent.destroy();
    await this.http.close(1_000);
    await this.jobs.verifications.close();
    await this.jobs.exports.close();
    await this.jobs.reconciliations.close();
    await this.opened.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

interface Jobs {
  readonly verifications: VerificationJobs;
  readonly exports: ExportJobs;
  readonly reconciliations: ReconciliationJobs;
}

async function openJobs(opened: OpenLedger, dataDir: string, limits: JobLimits = {}): Promise<Jobs> {
  const { store, trust, index } = opened;
  const keys = trust.publicKeys.map((publicKey) => ({ publicKey }));
  return {
    verifications: new VerificationJobs({ store, trust: { keys, deployment: trust.deployment }, ...limits }),
    exports: await ExportJobs.open({ folder: join(dataPaths(dataDir).exports, 'test'), store, trust, hashes: (chainId) => index.hashes(chainId), ...limits }),
    reconciliations: new ReconciliationJobs({ ledger: opened.ledger, host: systemHost, copies: [opened.searchParts.copy(opened)] }, limits),
  };
}

/** A small event that is told from others by `n`. */
export function event(n: number | string = 0): Record<string, unknown> {
  return { action: 'order.create', actor: { type: 'user', id: `usr_${n}` } };
}
