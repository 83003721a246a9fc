/** The change to another signing key: certified by the present one, then taken up (docs/signing.md). */
import type { Config } from '../config.js';
import { dataPaths } from '../data-paths.js';
import type { KnownKey } from '../core/key-object.js';
import { fingerprintOf } from '../core/key-object.js';
import { certifyKey } from '../ledger/certify.js';
import { formatMicros, systemHost } from '../ledger/host.js';
import { DeploymentError, readTrust } from '../ledger/trust.js';
import { openKms } from './signer.js';
import { LocalKeySigner } from '../signing/local-key.js';
import { openWriteStore, retentionOf } from './store.js';

export interface Rotation {
  readonly certified: KnownKey;
  readonly certifiedBy: string;
  /** What is left to do, in a sentence. */
  readonly next: string;
}

/**
 * Each step may be repeated: one that was done is left as it is.
 * @param to a KMS key; without it a new local key follows @throws DeploymentError, SignerError, StoreError
 */
export async function rotateKey(config: Config, to: string | undefined): Promise<Rotation> {
  const keys = dataPaths(config.dataDir).keys;
  if (config.signer === 'kms' && to === undefined) throw new DeploymentError('the signer is KMS: name the key that is to follow with --to');
  const { store } = await openWriteStore(config);
  try {
    const present = config.signer === 'kms' ? await openKms(config, config.kmsKeyId as string) : await LocalKeySigner.openExisting(keys);
    const trust = await readTrust(store);
    if (trust === undefined) throw new DeploymentError(`there is no log at ${store.location}`);
    const following = to === undefined ? await LocalKeySigner.next(keys) : await openKms(config, to);
    const options = { now: formatMicros(systemHost.micros()), retention: retentionOf(config) };
    const certified = await certifyKey(store, trust, present, following.publicKey, options);
    const certifiedBy = certified.statement?.certificate?.certifiedBy ?? fingerprintOf(present.publicKey);
    if (to !== undefined) return { certified, certifiedBy, next: `Now set INDELIBLE_SIGNER=kms and INDELIBLE_KMS_KEY_ID=${to}, and start the replicas again, one after another.` };
    const kept = await LocalKeySigner.promoteNext(keys);
    return { certified, certifiedBy, next: `Now start the replicas again, one after another. The old private key is in ${kept}: destroy it when none uses it any more.` };
  } finally {
    await store.close();
  }
}
