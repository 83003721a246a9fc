/** The second bucket that the settings name, opened and kept in step. */
import type { Logger } from 'pino';
import { hasRole } from '../config.js';
import type { Config } from '../config.js';
import type { Metrics } from '../http/metrics.js';
import { systemHost } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ChainTrust } from '../ledger/trust.js';
import { replicaConfigOf, trySecond } from '../replica/open.js';
import { Replica } from '../replica/replica.js';
import { boundCalls } from '../storage/bounded.js';
import { StoreSetupError } from '../storage/setup-error.js';
import type { WormStore } from '../storage/worm-store.js';
import { retentionOf } from './store.js';

const LOOK_MS = 30_000;
const INSPECT_MS = 300_000;

export interface Second {
  /** Each call of which is bounded in time. */
  readonly store: WormStore;
  /** Until it does not throw, nothing is written there. */
  readonly prepare: () => Promise<void>;
}

/** Refuses what is plainly no second bucket; one that does not answer is tried again later. @throws StoreSetupError */
export async function openSecond(config: Config, log: Logger, first: WormStore): Promise<Second | undefined> {
  const settings = replicaConfigOf(config);
  if (settings === undefined) return undefined;
  // Who has no second bucket does not wait for the AWS SDK to load.
  const { S3Store } = await import('../storage/s3/store.js');
  const options = { ...settings, singleWriter: config.singleWriter };
  let tried = false;
  const prepare = async (): Promise<void> => {
    if (!tried) await trySecond(first, options, copiesHere(config) ? retentionOf(config) : undefined);
    tried = true;
  };
  await prepare().catch((error: unknown) => {
    if (error instanceof StoreSetupError) throw error;
    log.warn({ err: error }, 'the second bucket can not be used now; it is tried again');
  });
  const store = new S3Store(options);
  return { store: boundCalls(store, (ms, callback) => systemHost.after(ms, callback), config.storeTimeoutMs), prepare };
}

/** Whether this process writes to the second bucket. */
function copiesHere(config: Config): boolean {
  return config.s3ReplicaCopiedBy === 'service' && hasRole(config, 'mirror');
}

export function startReplica(options: {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics | undefined;
  readonly ledger: Ledger;
  readonly first: WormStore;
  readonly second: Second;
  readonly trust: ChainTrust;
}): Replica {
  const { config, log, metrics, ledger, first, second, trust } = options;
  return new Replica({
    ledger,
    first: boundCalls(first, (ms, callback) => systemHost.after(ms, callback), config.storeTimeoutMs),
    second: second.store,
    trust,
    host: systemHost,
    copies: copiesHere(config),
    compares: config.s3ReplicaCopiedBy === 'provider',
    retention: () => retentionOf(config),
    prepare: second.prepare,
    lookEveryMs: LOOK_MS,
    inspectEveryMs: INSPECT_MS,
    onDifference: (difference) => {
      metrics?.replicaFinding(difference.code);
      log.error({ finding: difference }, `security finding: ${difference.code}`);
    },
    onTrouble: (chainId, error) => log.warn({ chainId, err: error }, 'second bucket'),
  });
}
