/** A ledger in a folder whose search index is in Elasticsearch, fed as the service feeds it. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { expect } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { canonicalize } from '#indelible/core/canonical.js';
import { dataPaths } from '#indelible/data-paths.js';
import { systemHost } from '#indelible/ledger/host.js';
import { reconcile } from '#indelible/reconcile/reconcile.js';
import type { ReconcileReport } from '#indelible/reconcile/reconcile.js';
import type { SearchWork } from '#indelible/compose/search.js';
import { openLedger } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';
import { auditFolder } from '../../support/audit.js';

/** Fails the test if it does not come true in time. */
export async function eventually(what: string, isTrue: () => Promise<boolean> | boolean, ms = 110_000): Promise<void> {
  for (const deadline = Date.now() + ms; ; ) {
    if (await isTrue()) return;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export interface EsDocument {
  readonly _id: string;
  readonly _source: {
    readonly event: { readonly id: string; readonly sequence: number; readonly action: string };
    readonly indelible: { readonly chain_id: string };
    readonly user: { readonly id: string };
    readonly '@timestamp': string;
  };
}

export class IndexedLedger {
  readonly opened: OpenLedger;
  readonly work: SearchWork;
  readonly alias: string;
  readonly dataDir: string;
  readonly #endpoint: string;
  #count = 0;

  static async start(endpoint: string, options: { readonly alias?: string; readonly via?: string; readonly dataDir?: string } = {}): Promise<IndexedLedger> {
    const { alias = `t-${randomBytes(4).toString('hex')}`, via = endpoint } = options;
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'indelible-es-')));
    const config = loadConfig({}, { dataDir, elasticsearchUrl: via, elasticsearchIndex: alias }, join(dataDir, 'none.json'));
    const opened = await openLedger(config, pino({ level: 'silent' }));
    return new IndexedLedger(opened, opened.searchParts.follow(opened.ledger), alias, dataDir, endpoint);
  }

  private constructor(opened: OpenLedger, work: SearchWork, alias: string, dataDir: string, endpoint: string) {
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

  async caughtUp(chainId: string): Promise<void> {
    const { head } = await this.opened.ledger.chain(chainId);
    await eventually(`the index holds ${head.size} entries of ${chainId}`, async () => {
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
    const { envelopes } = await auditFolder(dataPaths(this.dataDir).worm, { deployment: trust.deployment, chainId, publicKey: signer.publicKey });
    const documents = await this.documents(chainId);
    expect(documents.length).toBe(envelopes.length);
    for (const [i, { _id, _source }] of documents.entries()) {
      const { entryId, receivedAt, event } = envelopes[i]!;
      const { action, actor } = JSON.parse(event) as { action: string; actor: { id: string } };
      if (_id !== `${chainId}:${i}` || _source.event.id !== entryId || _source['@timestamp'] !== receivedAt || _source.event.action !== action || _source.user.id !== actor.id) {
        throw new Error(`entry ${i} is not what the index holds for it: ${JSON.stringify(_source)}`);
      }
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
