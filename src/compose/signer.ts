/** The signer that the settings name. */
import type { Logger } from 'pino';
import { hasRole } from '../config.js';
import type { Config } from '../config.js';
import { dataPaths } from '../data-paths.js';
import { stateKey } from '../ledger/certify.js';
import { formatMicros, systemHost } from '../ledger/host.js';
import type { ChainTrust } from '../ledger/trust.js';
import { LocalKeySigner } from '../signing/local-key.js';
import type { Signer } from '../signing/signer.js';
import type { WormStore } from '../storage/worm-store.js';
import { retentionOf } from './store.js';

/** The key that the settings name. @throws SignerError */
export async function openSigner(config: Config): Promise<Signer> {
  if (config.signer === 'local') return LocalKeySigner.open(dataPaths(config.dataDir).keys);
  return openKms(config, config.kmsKeyId as string);
}

/** @throws SignerError naming the setting that is wrong */
export async function openKms(config: Config, keyId: string): Promise<Signer> {
  // The AWS SDK takes its time to load.
  const { KmsSigner } = await import('../signing/kms.js');
  // Without the role api nothing is signed: such a process knows the log by the public key, and has no right to the other.
  const trial = hasRole(config, 'api');
  return KmsSigner.open({ keyId, region: config.kmsRegion ?? config.s3Region, endpoint: config.kmsEndpoint, timeoutMs: config.storeTimeoutMs, trial });
}

/** A signer whose segments are signed by keys of this process, which `certifier` certifies. */
export async function delegate(config: Config, log: Logger, store: WormStore, trust: ChainTrust, certifier: Signer): Promise<Signer> {
  const { DelegatedSigner } = await import('../signing/delegated.js');
  const hours = config.kmsDelegationHours;
  const signer = new DelegatedSigner({
    certifier,
    deployment: trust.deployment,
    hours,
    now: () => systemHost.micros() / 1_000,
    random: () => systemHost.random(),
    // Kept as long as the last segment it may sign.
    state: async (text) => {
      await stateKey(store, trust, text, retentionOf(config, hours / 24));
    },
    onTrouble: (error) => log.warn({ err: error }, 'the delegated key could not be renewed; the one before goes on to its end'),
  });
  // A start that can't state a key fails at once, not at the first append.
  await signer.keyFor(formatMicros(systemHost.micros()));
  return signer;
}
