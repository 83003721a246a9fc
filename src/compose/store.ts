/** The store that the settings name, opened for writing and for its trial: what the service and `doctor` share. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { canonicalize } from '../core/canonical.js';
import { FilesystemStore } from '../storage/filesystem/store.js';
import type { SelfTestOptions, SelfTestReport } from '../storage/self-test.js';
import { StoreSetupError } from '../storage/setup-error.js';
import { StoreError } from '../storage/worm-store.js';
import type { Retention, WormStore } from '../storage/worm-store.js';
import { storeConfigOf } from '../verification/store-config.js';

const DAY_MS = 86_400_000;

export interface WriteStore {
  readonly store: WormStore;
  /** How to try it, `selfTest(store, trial)`; `undefined` where a trial would leave objects for nothing. */
  readonly trial: SelfTestOptions | undefined;
}

/** @param intent `read`: nothing is going to be written to it. @throws StoreSetupError, StoreError: each says what to do */
export async function openWriteStore(config: Config, intent: 'append' | 'read' = 'append'): Promise<WriteStore> {
  const settings = storeConfigOf(config);
  if (settings.kind === 'filesystem') return { store: await FilesystemStore.open(settings.root), trial: {} };
  const { openS3Reader, openS3Store } = await import('../storage/s3/open.js');
  if (intent === 'read') return { store: await openS3Reader(settings), trial: undefined };
  const { singleWriter } = config;
  const { store, trialRetention } = await openS3Store({ ...settings, singleWriter }, retentionOf(config));
  return { store, trial: { singleWriter, retention: trialRetention } };
}

/** The service's own chain. */
export const SYSTEM_CHAIN = '_system';

/** What the store was found to do, as an event: who reads the log later learns what it could rely on. */
export function capabilitiesEvent(writerId: string, { kind, location, testedAt, promises }: SelfTestReport): string {
  return canonicalize({
    action: 'store.capabilities',
    actor: { type: 'service', id: writerId },
    category: 'system',
    occurredAt: testedAt,
    metadata: { kind, location, promises: promises.map(({ promise, kept, detail }) => ({ promise, kept, detail })) },
  });
}

/**
 * The error of a start, with the setting to look at where it does not name one. A bucket that refuses the first object
 * of the log has taken those of the trials, so what it refuses is what sets that object apart: its retention.
 */
export function startError(error: unknown, config: Config): unknown {
  const cause = error instanceof StoreError ? error.cause : error;
  const { path, message } = (cause instanceof Error ? cause : {}) as Partial<NodeJS.ErrnoException>;
  if (path !== undefined && message !== undefined && resolve(path).startsWith(resolve(config.dataDir))) {
    return new StoreSetupError(`INDELIBLE_DATA_DIR: ${message}`, { cause: error });
  }
  if (config.store !== 's3') return error;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof StoreError) || cause.operation !== 'create' || cause.stored !== 'no') continue;
    const { mode, retainUntil } = retentionOf(config);
    return new StoreSetupError(
      `the store took objects of the self-test, and refuses those of the log, which have a retention of ${mode} until ${retainUntil}: check INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS, and the bucket's policy (${cause.message})`,
      { cause: error },
    );
  }
  return error;
}

/** Of an object written now; `extraDays` longer than the settings say. */
export function retentionOf({ retentionMode, retentionDays }: Pick<Config, 'retentionMode' | 'retentionDays'>, extraDays = 0): Retention {
  return { mode: retentionMode, retainUntil: new Date(Date.now() + (retentionDays + extraDays) * DAY_MS).toISOString() };
}

/**
 * Where the store has no real condition, a write of an earlier process that is still under way could land after this
 * process has looked, and nothing would refuse it: so it waits until such a write has ended.
 */
export async function outliveEarlierWrites({ promises }: SelfTestReport, config: Pick<Config, 'storeTimeoutMs'>, log: Logger): Promise<void> {
  if (!promises.some(({ kept, essential }) => essential === 'many-writers' && kept !== 'yes')) return;
  const waitMs = 2 * config.storeTimeoutMs;
  log.warn({ waitMs }, `the store has no fence between writers: waiting ${waitMs} ms (twice INDELIBLE_STORE_TIMEOUT_MS), so that no write of an earlier process lands after this one has looked`);
  await sleep(waitMs);
}
