/** The ledger in a folder, opened by this process. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../config.js';
import type { Config } from '../config.js';
import { receiptOf } from '../core/receipt.js';
import type { Receipt } from '../core/receipt.js';
import type { Segment } from '../core/segment.js';
import { dataPaths } from '../data-paths.js';
import { LedgerError } from '../ledger/errors.js';
import { keyViews } from '../ledger/key-view.js';
import { findHead } from '../ledger/head.js';
import type { FoundHead } from '../ledger/head.js';
import { SegmentReader } from '../ledger/reader.js';
import { DEPLOYMENT_KEY, readTrust } from '../ledger/trust.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { SearchPage, SearchQuery } from '../search/search-index.js';
import type { OpenLedger } from '../service.js';
import type { StoreReader } from '../storage/worm-store.js';
import { openStore, storeConfigOf } from '../verification/store-config.js';
import { CliError } from './failure.js';
import { ClientError } from './ledger-client.js';
import type { AppendAnswer, ClientItem, EntryView, KeysView, LedgerClient, ListedChain } from './ledger-client.js';

/** Refusals that pass: the queue drains, the view catches up, the disk gets room. */
const PASSING = new Set(['queue_full', 'view_behind', 'store_unavailable', 'signer_unavailable']);
const RETRY_AFTER_MS = 250;
const INDEX_WAIT_MS = 120_000;
const PROOF_WAIT_MS = 10_000;
const INDEX_POLL_MS = 20;

export class EmbeddedClient implements LedgerClient {
  readonly location: string;
  readonly #config: Config;
  readonly #intent: 'append' | 'read';
  /** The ledger as a writer has it: view, signer and all. Reading alone needs none of it. */
  #open: Promise<OpenLedger> | undefined;
  #reading: Promise<Reading> | undefined;

  static open(dataDir: string | undefined, intent: 'append' | 'read'): EmbeddedClient {
    const config = loadConfig(process.env, dataDir === undefined ? {} : { dataDir });
    if (intent === 'read') requireLedger(config);
    return new EmbeddedClient(config, intent);
  }

  private constructor(config: Config, intent: 'append' | 'read') {
    this.#config = config;
    this.#intent = intent;
    this.location = placeOf(config);
  }

  async append(chainId: string, items: readonly ClientItem[]): Promise<AppendAnswer> {
    const { ledger } = await this.#opened();
    try {
      const entries = await ledger.append(chainId, items);
      return { receipts: entries.map(({ segment, at }) => receiptOf(segment, at)), replayed: entries.filter((entry) => entry.replayed).length };
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      throw new ClientError(error.code, error.message, {
        item: error.item,
        retryAfterMs: PASSING.has(error.code) ? RETRY_AFTER_MS : undefined,
        cause: error,
      });
    }
  }

  async entry(chainId: string, sequence: number): Promise<EntryView> {
    const { segment, at } = await this.#stored(chainId, sequence);
    return viewOf(segment, at);
  }

  async entries(chainId: string, from: number, limit: number): Promise<readonly EntryView[]> {
    const { reader } = await this.#read();
    const views: EntryView[] = [];
    let segment = await reader.covering(chainId, from);
    while (segment !== undefined && views.length < limit) {
      for (let at = Math.max(0, from - segment.firstSequence); at < segment.count && views.length < limit; at++) views.push(viewOf(segment, at));
      segment = await reader.at(chainId, segment.firstSequence + segment.count);
    }
    return views;
  }

  async receipt(chainId: string, sequence: number): Promise<Receipt> {
    const { segment, at } = await this.#stored(chainId, sequence);
    return receiptOf(segment, at);
  }

  async proof(chainId: string, sequence: number): Promise<Receipt> {
    const { ledger } = await this.#opened();
    const deadline = performance.now() + PROOF_WAIT_MS;
    for (;;) {
      const receipt = await ledger.freshReceipt(chainId, sequence);
      const { last } = await ledger.chain(chainId);
      // Until the view has all hashes the first receipt is what there is.
      if (receipt.checkpoint === last.checkpoint || performance.now() > deadline) return receipt;
      await pause(INDEX_POLL_MS);
    }
  }

  async sequenceOf(chainId: string, entryId: string): Promise<number | undefined> {
    const { ledger } = await this.#opened();
    const deadline = performance.now() + INDEX_WAIT_MS;
    for (;;) {
      try {
        return await ledger.sequenceOf(chainId, entryId);
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'view_behind' || performance.now() > deadline) throw error;
        await pause(INDEX_POLL_MS);
      }
    }
  }

  async size(chainId: string): Promise<number> {
    return (await this.#head(chainId)).head.size;
  }

  async *chains(): AsyncIterable<ListedChain> {
    const { reader } = await this.#read();
    for await (const chainId of reader.chains()) yield await this.#listed(chainId);
  }

  async checkpoint(chainId: string): Promise<string> {
    const { last } = await this.#head(chainId);
    return (last as Segment).checkpoint;
  }

  async keys(chainId: string | undefined): Promise<KeysView> {
    const { trust } = await this.#read();
    return { deployment: trust.deployment, keys: keyViews(trust, chainId) };
  }

  /** Waits until the view holds what the store has: a folder has nobody else who keeps it up. */
  async search(query: SearchQuery): Promise<SearchPage> {
    const { ledger, search } = await this.#opened();
    // Elasticsearch is fed by the service.
    if (search.kind !== 'sqlite') return search.search(query);
    const deadline = performance.now() + INDEX_WAIT_MS;
    const chainIds: string[] = [];
    if (query.chainId === undefined) for await (const chainId of ledger.reader.chains()) chainIds.push(chainId);
    else chainIds.push(query.chainId);
    for (const chainId of chainIds) {
      const { head } = await ledger.chain(chainId);
      while ((await search.through(chainId)) < head.size && performance.now() < deadline) await pause(INDEX_POLL_MS);
    }
    return search.search(query);
  }

  async close(): Promise<void> {
    const reading = await this.#reading?.catch(() => undefined);
    await reading?.store.close();
    const open = await this.#open?.catch(() => undefined);
    await open?.close();
  }

  async #stored(chainId: string, sequence: number): Promise<{ readonly segment: Segment; readonly at: number }> {
    const { reader } = await this.#read();
    const segment = await reader.covering(chainId, sequence);
    if (segment === undefined) {
      const { head } = await this.#head(chainId);
      throw new CliError('entry_not_found', `chain ${chainId} has no entry ${sequence}; it has ${head.size}`);
    }
    return { segment, at: sequence - segment.firstSequence };
  }

  async #listed(chainId: string): Promise<ListedChain> {
    try {
      const { head } = await this.#head(chainId);
      return { chainId, state: 'open', size: head.size, lastReceivedAt: head.lastReceivedAt };
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'chain_halted') throw error;
      return { chainId, state: 'halted', detail: error.message };
    }
  }

  async #head(chainId: string): Promise<FoundHead> {
    const { store, trust } = await this.#read();
    const found = await findHead(store, chainId, trust);
    if (found.last === undefined) throw new CliError('chain_not_found', `there is no chain ${chainId} in ${this.location}`);
    return found;
  }

  #read(): Promise<Reading> {
    this.#reading ??= openReading(this.#config);
    return this.#reading;
  }

  #opened(): Promise<OpenLedger> {
    this.#open ??= this.#openLedger();
    return this.#open;
  }

  async #openLedger(): Promise<OpenLedger> {
    const [{ openLedger }, { pino }] = await Promise.all([import('../service.js'), import('pino')]);
    // What goes wrong reaches the person as the command's error; the log is for who asks for it.
    const level = process.env['INDELIBLE_LOG_LEVEL'] === undefined ? 'silent' : this.#config.logLevel;
    return openLedger(this.#config, pino({ level }, pino.destination({ fd: 2, sync: true })), undefined, this.#intent);
  }
}

interface Reading {
  readonly store: StoreReader;
  readonly trust: ChainTrust;
  readonly reader: SegmentReader;
}

async function openReading(config: Config): Promise<Reading> {
  const { store, trust } = await openLedgerStore(config);
  return { store, trust, reader: new SegmentReader(store, trust) };
}

/** The store of the settings, for reading, if there is a ledger in it. @throws CliError, StoreError, StoreSetupError */
export async function openLedgerStore(config: Config): Promise<{ readonly store: StoreReader; readonly trust: ChainTrust }> {
  requireLedger(config);
  const store = await openStore(storeConfigOf(config));
  const trust = await readTrust(store);
  if (trust !== undefined) return { store, trust };
  await store.close();
  throw noLedger(config);
}

/** A mistyped folder must not become a new, empty ledger. @throws CliError */
export function requireLedger(config: Config): void {
  if (config.store === 'filesystem' && !existsSync(join(dataPaths(config.dataDir).worm, DEPLOYMENT_KEY))) throw noLedger(config);
}

/** Where the ledger is, for people. */
export function placeOf(config: Config): string {
  return config.store === 'filesystem' ? config.dataDir : `bucket ${config.s3Bucket ?? ''}`;
}

function noLedger(config: Config): CliError {
  const hint = config.store === 'filesystem' ? 'name its folder with --data-dir' : 'name its bucket in INDELIBLE_S3_BUCKET';
  return new CliError('ledger_not_found', `there is no ledger in ${placeOf(config)}; ${hint}, or a service with --url`);
}

function viewOf(segment: Segment, at: number): EntryView {
  const { chainId, sequence, entryId, receivedAt, entryHash, prevHash, payload } = receiptOf(segment, at);
  return { chainId, sequence, entryId, receivedAt, entryHash, prevHash, state: 'durable', entry: JSON.parse(payload) as EntryView['entry'] };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
