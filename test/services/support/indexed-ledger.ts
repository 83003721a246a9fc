/** A ledger in a folder whose search index is in Elasticsearch, fed as the service feeds it. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import pino from 'pino';
import { expect } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { canonicalize } from '#indelible/core/canonical.js';
import { dataPaths } from '#indelible/data-paths.js';
import { Metrics } from '#indelible/http/metrics.js';
import { systemHost } from '#indelible/ledger/host.js';
import { reconcile } from '#indelible/reconcile/reconcile.js';
import type { ReconcileReport } from '#indelible/reconcile/reconcile.js';
import type { SearchWork } from '#indelible/compose/search.js';
import { openLedger } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';
import { auditFolder } from '../../support/audit.js';
import { until } from '../../support/until.js';

export interface EsDocument {
  readonly _id: string;
  readonly _source: {
    readonly event: { readonly id: string; readonly sequence: number; readonly action: string };
    readonly indelible: { readonly chain_id: string };
    readonly user: { readonly id: string };
    readonly '@timestamp': string;
  };
}

interface Event {
  readonly action: string;
  readonly actor: { readonly type: string; readonly id: string; readonly name?: string };
  readonly occurredAt?: string;
  readonly outcome?: string;
  readonly category?: string;
  readonly reason?: string;
  readonly context?: { readonly ip?: string; readonly requestId?: string; readonly traceId?: string };
  readonly targets?: readonly { readonly type: string; readonly id: string; readonly name?: string }[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** The document that docs/search.md promises for an entry, made with nothing of the service. Texts are Latin here, and `metadata` is flat. */
function expectedSource(payload: string): unknown {
  const { chainId, sequence, entryId, receivedAt, event } = JSON.parse(payload) as { chainId: string; sequence: number; entryId: string; receivedAt: string; event: Event };
  const { action, actor, occurredAt, outcome, category, reason, context = {}, targets = [], metadata = {} } = event;
  const { ip, requestId, traceId } = context;
  const texts = [action, reason, actor.name, actor.id, ...targets.flatMap(({ name, id }) => [name, id]), ...Object.values(metadata)];
  const message = texts.filter((one): one is string => typeof one === 'string' && one !== '').join(' ');
  const [whole = '', micros = ''] = /\.(\d{6})Z$/.exec(receivedAt) ?? [];
  return {
    '@timestamp': receivedAt,
    event: { id: entryId, sequence, action, ...(occurredAt !== undefined && { start: occurredAt }), ...(outcome !== undefined && { outcome }), ...(category !== undefined && { category }) },
    user: { id: actor.id, ...(actor.name !== undefined && { name: actor.name }) },
    ...(ip !== undefined && { source: { address: ip, ip } }),
    ...(requestId !== undefined && { http: { request: { id: requestId } } }),
    ...(traceId !== undefined && { trace: { id: traceId } }),
    message,
    indelible: {
      chain_id: chainId,
      // As its digits: what counts is the `long` that Elasticsearch makes of it.
      received_micros: String(Date.parse(receivedAt.replace(whole, 'Z')) * 1_000 + Number(micros)),
      actor_type: actor.type,
      targets: targets.map(({ type, id }) => `${type}:${id}`),
      target_ids: [...new Set(targets.map(({ id }) => id))],
      words: [...new Set(message.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== ''))],
    },
  };
}

export class IndexedLedger {
  readonly opened: OpenLedger;
  readonly work: SearchWork;
  readonly alias: string;
  readonly dataDir: string;
  readonly #endpoint: string;
  readonly #metrics: Metrics;
  #count = 0;

  static async start(endpoint: string, options: { readonly alias?: string; readonly via?: string; readonly dataDir?: string } = {}): Promise<IndexedLedger> {
    const { alias = `t-${randomBytes(4).toString('hex')}`, via = endpoint } = options;
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'indelible-es-')));
    const config = loadConfig({}, { dataDir, elasticsearchUrl: via, elasticsearchIndex: alias }, join(dataDir, 'none.json'));
    const metrics = new Metrics({ process: false });
    const opened = await openLedger(config, pino({ level: 'silent' }), metrics);
    return new IndexedLedger(metrics, opened, opened.searchParts.follow(opened.ledger), alias, dataDir, endpoint);
  }

  private constructor(metrics: Metrics, opened: OpenLedger, work: SearchWork, alias: string, dataDir: string, endpoint: string) {
    this.#metrics = metrics;
    this.opened = opened;
    this.work = work;
    this.alias = alias;
    this.dataDir = dataDir;
    this.#endpoint = endpoint;
  }

  /** Appends as producers do; resolves when all are acknowledged. */
  async append(chainId: string, count: number, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    for (let done = 0; done < count; done += 500) {
      const items = Array.from({ length: Math.min(500, count - done) }, () => {
        const n = this.#count++;
        return { entryId: `e-${n}`, event: canonicalize({ action: `order.n${n % 7}`, actor: { type: 'user', id: `u-${n % 50}`, name: `Ada ${n}` }, ...more }) };
      });
      await this.opened.ledger.append(chainId, items);
    }
  }

  /** What the index was found to be false in, as an alert sees it: kinds, each with how often. */
  async findings(): Promise<Record<string, number>> {
    const page = await this.#metrics.registry.getSingleMetricAsString('indelible_copy_findings_total');
    const counted = [...page.matchAll(/\{copy="index",kind="(\w+)"\} (\d+)/g)].map(([, kind = '', count]): [string, number] => [kind, Number(count)]);
    expect(counted).toHaveLength(4);
    return Object.fromEntries(counted.filter(([, count]) => count > 0));
  }

  async caughtUp(chainId: string): Promise<void> {
    const { head } = await this.opened.ledger.chain(chainId);
    await until(async () => {
      const through = await this.opened.search.search({ chainId, order: 'newest', limit: 1 }).catch(() => undefined);
      return through?.completeThrough[chainId] === head.size;
    });
  }

  /** All documents behind the alias, read by plain HTTP. */
  async documents(chainId: string): Promise<EsDocument[]> {
    const found: EsDocument[] = [];
    for (let from = -1; ; ) {
      const page = (await this.es('POST', `/${this.alias}/_search`, {
        size: 5_000,
        query: { bool: { filter: [{ term: { 'indelible.chain_id': chainId } }, { range: { 'event.sequence': { gt: from } } }] } },
        sort: [{ 'event.sequence': 'asc' }],
      })) as { hits: { hits: EsDocument[] } };
      found.push(...page.hits.hits);
      if (page.hits.hits.length < 5_000) return found;
      from = found.at(-1)?._source.event.sequence ?? from;
    }
  }

  /** That the index holds exactly the entries of the folder: read on both sides with nothing of the service. */
  async expectEqual(chainId: string): Promise<void> {
    const { trust, signer } = this.opened;
    const { payloads } = await auditFolder(dataPaths(this.dataDir).worm, { deployment: trust.deployment, chainId, publicKey: signer.publicKey });
    const documents = await this.documents(chainId);
    expect(documents.length).toBe(payloads.length);
    for (const [i, { _id, _source }] of documents.entries()) {
      const expected = { _id: `${chainId}:${i}`, _source: expectedSource(payloads[i]!) };
      // Compared before it is asserted: an assertion for each of ten thousand documents takes minutes.
      if (!isDeepStrictEqual({ _id, _source }, expected)) expect({ _id, _source }, `entry ${i}`).toEqual(expected);
    }
  }

  reconcile(backfill = false, chainId?: string): Promise<ReconcileReport> {
    const { ledger, searchParts } = this.opened;
    return reconcile({ ledger, host: systemHost, copies: [searchParts.copy(this.opened)], backfill, ...(chainId !== undefined && { chainId }) });
  }

  /** Plain HTTP to Elasticsearch, around everything that is tested. */
  async es(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.#endpoint}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    return JSON.parse(text);
  }

  /** Name of the index behind the alias. */
  async index(): Promise<string> {
    return Object.keys((await this.es('GET', `/_alias/${this.alias}`)) as object)[0] ?? '';
  }

  async close(keep = false): Promise<void> {
    await this.work.close();
    await this.opened.close();
    if (!keep) await rm(this.dataDir, { recursive: true, force: true });
  }
}
