/**
 * The composition root: the one place that knows which adapter is in use. `openLedger` is the ledger alone
 * (command line, tests); `startService` adds HTTP and what it needs.
 */
import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { LedgerError } from './ledger/errors.js';
import { formatMicros, newWriterId, systemHost } from './ledger/host.js';
import { Ledger } from './ledger/ledger.js';
import { establishTrust } from './ledger/trust.js';
import type { ChainTrust } from './ledger/trust.js';
import type { Segment } from './core/segment.js';
import type { SearchIndex } from './search/search-index.js';
import { SqliteSearchIndex } from './search/sqlite.js';
import { LocalKeySigner } from './signing/local-key.js';
import type { Signer } from './signing/signer.js';
import { FilesystemStore } from './storage/filesystem.js';
import { selfTest } from './storage/self-test.js';
import type { Retention, WormStore } from './storage/worm-store.js';
import { ViewIndex } from './view/entry-index.js';
import { ViewWriter } from './view/writer.js';

const DAY_MS = 86_400_000;

/** Where the parts of a data folder lie. */
export function dataPaths(dataDir: string): {
  readonly worm: string;
  readonly keys: string;
  readonly view: string;
  readonly access: string;
  readonly marks: string;
  readonly exports: string;
} {
  return {
    worm: join(dataDir, 'worm'),
    keys: join(dataDir, 'keys'),
    view: join(dataDir, 'view', 'view.sqlite'),
    access: join(dataDir, 'access'),
    marks: join(dataDir, 'marks'),
    exports: join(dataDir, 'exports'),
  };
}

export interface OpenLedger {
  readonly store: WormStore;
  readonly signer: Signer;
  readonly trust: ChainTrust;
  readonly ledger: Ledger;
  readonly search: SearchIndex;
  readonly view: ViewWriter;
  /** Finishes accepted appends within the configured time, then lets go of everything. */
  close(): Promise<void>;
}

/** @throws DeploymentError, StoreError, SignerError, ViewError: each says what to do */
export async function openLedger(config: Config, log: Logger, onCommitted: (segment: Segment, own: boolean) => void = () => undefined): Promise<OpenLedger> {
  const paths = dataPaths(config.dataDir);
  const store = await FilesystemStore.open(paths.worm);
  const report = await selfTest(store);
  log.debug({ report }, 'store self-test passed');
  const signer = await LocalKeySigner.open(paths.keys);
  const retention = (): Retention => ({
    mode: 'governance',
    retainUntil: new Date(Date.now() + config.retentionDays * DAY_MS).toISOString(),
  });
  const trust = await establishTrust(store, signer, {
    deployment: config.deployment,
    now: formatMicros(systemHost.micros()),
    retention: retention(),
  });
  await mkdir(join(paths.view, '..'), { recursive: true });
  const view = await ViewWriter.open(paths.view, {
    onNote: (note) => log.warn({ note: note.kind, chainId: note.chainId }, note.message),
  });
  const ledger = new Ledger({
    store,
    signer,
    trust,
    index: new ViewIndex(view, randomInt(2 ** 32)),
    host: systemHost,
    writerId: newWriterId(),
    limits: {
      maxQueuedEntries: config.maxQueuedEntries,
      maxQueuedBytes: config.maxQueuedBytes,
      answerWithinMs: config.answerWithinMs,
      callTimeoutMs: config.storeTimeoutMs,
    },
    retention,
    onCommitted,
    onTrouble: (chainId, error) => {
      const halted = error instanceof LedgerError && error.code === 'chain_halted';
      log[halted ? 'error' : 'warn']({ chainId, err: error }, halted ? 'chain halted' : 'commit trouble');
    },
  });
  return {
    store,
    signer,
    trust,
    ledger,
    view,
    search: new SqliteSearchIndex(() => view.view),
    async close() {
      let cancel = (): void => undefined;
      const giveUp = new Promise<void>((resolve) => {
        cancel = systemHost.after(config.shutdownMs, resolve);
      });
      await ledger.close(giveUp);
      cancel();
      await view.close();
      await store.close();
    },
  };
}
