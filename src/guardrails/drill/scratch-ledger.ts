/** A real ledger in the scratch bucket: the service's own append path, signer and index, in a folder that goes again. */
import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { openSigner } from '../../compose/signer.js';
import type { Config } from '../../config.js';
import { canonicalize } from '../../core/canonical.js';
import type { Finding } from '../../core/findings.js';
import { receiptOf } from '../../core/receipt.js';
import type { Receipt } from '../../core/receipt.js';
import { dataPaths } from '../../data-paths.js';
import { formatMicros, newWriterId, systemHost } from '../../ledger/host.js';
import { Ledger } from '../../ledger/ledger.js';
import { ChainTrust, establishTrust } from '../../ledger/trust.js';
import type { Signer } from '../../signing/signer.js';
import { boundCalls } from '../../storage/bounded.js';
import type { Retention, WormStore } from '../../storage/worm-store.js';
import { ViewIndex } from '../../view/entry-index.js';
import { ViewWriter } from '../../view/writer.js';
import { ScratchChain } from './scratch-chain.js';
import type { WrittenSegment } from './scratch-chain.js';

const DAY_MS = 86_400_000;
const SEGMENTS = 3;
const ENTRIES_A_SEGMENT = 2;

export class ScratchLedger {
  readonly signer: Signer;
  readonly writerId: string;
  readonly ledger: Ledger;
  /** Of the keys that the drill knows itself, whatever lies in the bucket. */
  readonly trust: ChainTrust;
  readonly #store: WormStore;
  readonly #config: Config;
  readonly view: ViewWriter;
  readonly #index: ViewIndex;
  readonly #retention: () => Retention;
  #chosen: Retention | undefined;
  #entries = 0;
  readonly #findings: Finding[] = [];

  private constructor(parts: { readonly store: WormStore; readonly signer: Signer; readonly trust: ChainTrust; readonly view: ViewWriter; readonly config: Config; readonly retention: () => Retention }) {
    const { store, signer, trust, view, config, retention } = parts;
    this.#store = store;
    this.signer = signer;
    this.trust = new ChainTrust(trust.deployment, [signer.publicKey]);
    this.view = view;
    this.#config = config;
    this.#index = new ViewIndex(view, randomInt(2 ** 32));
    this.#retention = retention;
    this.writerId = newWriterId();
    this.ledger = this.#over(store, this.#index);
  }

  /** @param config of the scratch names and a folder of its own @throws SignerError, DeploymentError, StoreError, ViewError */
  static async open(store: WormStore, config: Config, retention: () => Retention, log: Logger): Promise<ScratchLedger> {
    const signer = await openSigner(config);
    try {
      const bounded = boundCalls(store, (ms, callback) => systemHost.after(ms, callback), config.storeTimeoutMs);
      const trust = await establishTrust(bounded, signer, { deployment: config.deployment, now: formatMicros(systemHost.micros()), retention: retention() });
      const file = dataPaths(config.dataDir).view;
      await mkdir(dirname(file), { recursive: true });
      const view = await ViewWriter.open(file, { onNote: ({ message }) => log.debug(message) });
      return new ScratchLedger({ store, signer, trust, view, config, retention });
    } catch (error) {
      signer.close?.();
      throw error;
    }
  }

  /** A chain of some segments, its receipts kept. `retention`: of its objects. @throws LedgerError */
  async chain(chainId: string, retention: Retention = this.#retention()): Promise<ScratchChain> {
    this.#chosen = retention;
    const days = Math.max(0, Date.parse(retention.retainUntil) - Date.now()) / DAY_MS;
    try {
      const receipts: Receipt[] = [];
      for (let segment = 0; segment < SEGMENTS; segment++) receipts.push(...(await this.append(this.ledger, chainId, ENTRIES_A_SEGMENT)));
      return new ScratchChain(chainId, { mode: retention.mode, days }, await this.#written(chainId, receipts), receipts);
    } finally {
      this.#chosen = undefined;
    }
  }

  /** Appends as a producer does. The receipts. @throws LedgerError */
  async append(ledger: Ledger, chainId: string, count: number): Promise<Receipt[]> {
    const items = Array.from({ length: count }, () => {
      const n = this.#entries++;
      return { entryId: `drill-${n}`, event: canonicalize({ action: 'drill.entry', actor: { type: 'drill', id: `u-${n}` }, category: 'system', metadata: { n } }) };
    });
    const appended = await ledger.append(chainId, items);
    return appended.map(({ segment, at }) => receiptOf(segment, at));
  }

  /** Another writer of the same log, over another store, for as long as `work` takes. */
  async writer<T>(store: WormStore, work: (ledger: Ledger) => Promise<T>): Promise<T> {
    const index = new ViewIndex(this.view, randomInt(2 ** 32));
    const ledger = this.#over(store, index);
    try {
      return await work(ledger);
    } finally {
      await ledger.close(Promise.resolve());
    }
  }

  async close(): Promise<void> {
    await this.ledger.close(new Promise((resolve) => setTimeout(resolve, this.#config.shutdownMs).unref()));
    this.signer.close?.();
    await this.view.close();
  }

  /** What the service itself logs as a security finding, and counts in its metrics. */
  findings(chainId: string): readonly Finding[] {
    return this.#findings.filter((finding) => finding.chainId === chainId);
  }

  get index(): ViewIndex {
    return this.#index;
  }

  async #written(chainId: string, receipts: readonly Receipt[]): Promise<WrittenSegment[]> {
    const segments: WrittenSegment[] = [];
    for (let first = 0; first < receipts.length; first += ENTRIES_A_SEGMENT) {
      const segment = await this.ledger.reader.at(chainId, first);
      if (segment === undefined) throw new Error(`chain ${chainId}: the segment at ${first} was written and is not there`);
      const [version] = await this.#store.versions(segment.key, { retention: false });
      segments.push({ key: segment.key, firstSequence: first, versionId: version?.versionId ?? '', bytes: segment.bytes });
    }
    return segments;
  }

  #over(store: WormStore, index: ViewIndex): Ledger {
    const { maxQueuedEntries, maxQueuedBytes, answerWithinMs, storeTimeoutMs } = this.#config;
    return new Ledger({
      store,
      signer: this.signer,
      trust: this.trust,
      index,
      host: systemHost,
      writerId: this.writerId,
      limits: { maxQueuedEntries, maxQueuedBytes, answerWithinMs, callTimeoutMs: storeTimeoutMs },
      retention: () => this.#chosen ?? this.#retention(),
      onCommitted: () => undefined,
      onFinding: (finding) => void this.#findings.push(finding),
      onTrouble: () => undefined,
    });
  }
}
