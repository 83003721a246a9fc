/**
 * The search index that the settings name, with what belongs to it: part of the composition root, which alone
 * knows which adapter is in use.
 */
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { hasRole } from '../config.js';
import type { ReadinessCheck } from '../http/deps.js';
import { systemHost } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import type { CopyFinding, ReconciledCopy } from '../reconcile/copies.js';
import { elasticsearchCopy, viewCopy } from '../reconcile/index-copies.js';
import { rebuildElasticsearch, rebuildView } from '../reconcile/rebuild.js';
import type { OnRebuildProgress, RebuildResult } from '../reconcile/rebuild.js';
import type { ElasticsearchIndex } from '../search/elasticsearch.js';
import type { IndexNote } from '../search/elasticsearch-generation.js';
import { Indexer } from '../search/indexer.js';
import type { SearchIndex } from '../search/search-index.js';
import { SqliteSearchIndex } from '../search/sqlite.js';
import { IndexWatch } from '../search/watch.js';
import type { ViewIndex } from '../view/entry-index.js';
import type { ViewWriter } from '../view/writer.js';

const WATCH_EVERY_MS = 5_000;
/** Of any number of replicas that both append and index, each indexes what it has appended. */
const OTHERS_WITHIN_MS = 2_000;
/** Entries behind which the index is said to be degraded: some seconds of a busy log. */
const MUCH_LAG = 50_000;

/** Documents that are set aside are not false: the log says so, too. */
const FINDING_OF: Readonly<Partial<Record<IndexNote['kind'], CopyFinding>>> = { differs: 'different', hole: 'missing', excess: 'extra', unreadable: 'extra' };

export interface SearchParts {
  readonly index: SearchIndex;
  /** For reconciliation. */
  copy(of: { readonly ledger: Ledger; readonly index: ViewIndex }): ReconciledCopy;
  /** A new index from the log alone. */
  rebuild(ledger: Ledger, onProgress: OnRebuildProgress): Promise<RebuildResult>;
  /** What this process does for the index while it serves: watches it, and feeds it if it has the role. */
  follow(ledger: Ledger): SearchWork;
  close(): Promise<void>;
}

export interface SearchWork {
  /** Entries that this process knows of and the index is not known to hold. */
  readonly lag: number;
  /** Documents the index would not take. */
  readonly setAside: number;
  /** `undefined` where the index is the view, which has a check of its own. */
  readonly check: ReadinessCheck | undefined;
  close(): Promise<void>;
}

/** @throws SearchIndexError for a setting that can not be used; whether Elasticsearch answers is seen later */
export async function openSearch(config: Config, view: ViewWriter, log: Logger, onFinding: (kind: CopyFinding) => void = () => undefined): Promise<SearchParts> {
  if (config.elasticsearchUrl === undefined) return searchOfView(view);
  // Loaded only where it is used: it takes longer than the rest of the start.
  const { ElasticsearchIndex } = await import('../search/elasticsearch.js');
  const index = new ElasticsearchIndex({
    url: config.elasticsearchUrl,
    index: config.elasticsearchIndex,
    apiKey: config.elasticsearchApiKey,
    tlsCaFile: config.elasticsearchTlsCaFile,
    host: systemHost,
    onNote: ({ kind, chainId, message }) => {
      log.error({ note: kind, chainId }, message);
      const finding = FINDING_OF[kind];
      if (finding !== undefined) onFinding(finding);
    },
  });
  return {
    index,
    copy: () => elasticsearchCopy(index),
    rebuild: (ledger, onProgress) => rebuildElasticsearch(index, ledger, onProgress),
    follow: (ledger) => followElasticsearch(index, ledger, config, log, onFinding),
    close: () => index.close(),
  };
}

function searchOfView(view: ViewWriter): SearchParts {
  const index = new SqliteSearchIndex(() => view.view);
  return {
    index,
    copy: ({ ledger, index: entries }) => viewCopy({ view: () => view.view, ledger, index: entries }),
    rebuild: (ledger, onProgress) => rebuildView(view, ledger, onProgress),
    follow: () => ({ lag: 0, setAside: 0, check: undefined, close: () => Promise.resolve() }),
    close: () => index.close(),
  };
}

function followElasticsearch(index: ElasticsearchIndex, ledger: Ledger, config: Config, log: Logger, onFinding: (kind: CopyFinding) => void): SearchWork {
  const indexer = hasRole(config, 'indexer')
    ? new Indexer({
        index,
        ledger,
        host: systemHost,
        // Without the role `api` nothing is its own, and it is there for what the others write.
        othersWithinMs: hasRole(config, 'api') ? OTHERS_WITHIN_MS : undefined,
        onTrouble: (chainId, err) => log.warn({ chainId, err }, 'the search index can not be brought up to date'),
      })
    : undefined;
  const watch = new IndexWatch({
    index,
    host: systemHost,
    everyMs: WATCH_EVERY_MS,
    onChange: (lost) => {
      if (lost) {
        log.warn('the index behind the alias was deleted: it is made and filled again');
        onFinding('missing');
      } else {
        log.info('another index stands behind the alias: each chain\'s place in it is asked for anew');
      }
      indexer?.startOver();
    },
  });
  return {
    get lag() {
      return indexer?.lag ?? 0;
    },
    get setAside() {
      return watch.setAside;
    },
    get check() {
      return checkOf(indexer, watch);
    },
    async close() {
      await Promise.all([indexer?.close(), watch.close()]);
    },
  };
}

function checkOf(indexer: Indexer | undefined, watch: IndexWatch): ReadinessCheck {
  const name = 'search';
  // Said in our own words: this is public, and an error may name a host.
  if (watch.failure !== undefined) return { name, status: 'degraded', detail: 'Elasticsearch does not answer as it should' };
  if (indexer?.failure !== undefined) return { name, status: 'degraded', detail: 'the index can not be brought up to date' };
  if (watch.setAside > 0) return { name, status: 'degraded', detail: `${watch.setAside} documents set aside: they can not be searched for` };
  if (indexer !== undefined && indexer.lag > MUCH_LAG) return { name, status: 'degraded', detail: `the index is ${indexer.lag} entries behind` };
  return { name, status: 'ok' };
}
