/** Has a key certified by one that counts already, and states it in the store (docs/format.md §6.1). */
import { utf8Encode } from '#platform';
import { certificateText, certifiedKeyObject, fingerprintOf, parseKeyObject } from '../core/key-object.js';
import type { KnownKey } from '../core/key-object.js';
import { equalBytes } from '../core/merkle.js';
import type { PublicKey } from '../core/public-key.js';
import type { Signer } from '../signing/signer.js';
import { StoreError } from '../storage/worm-store.js';
import type { Retention, WormStore } from '../storage/worm-store.js';
import { DeploymentError, keyObjectName } from './key-objects.js';
import type { ChainTrust } from './trust.js';

type KeyStore = Pick<WormStore, 'create' | 'read'>;

/** Of a create whose outcome is not known, always of the same bytes. */
const TRIES = 4;

/**
 * Makes `next` a key that may do all that the certifier may. Done already, it is left as it is.
 * @throws DeploymentError, SignerError, StoreError
 */
export async function certifyKey(
  store: KeyStore,
  trust: ChainTrust,
  certifier: Signer,
  next: PublicKey,
  options: { readonly now: string; readonly retention: Retention },
): Promise<KnownKey> {
  await trust.refresh();
  const by = trust.find(certifier.publicKey);
  if (by === undefined || by.purpose === 'delegated') throw new DeploymentError(`key ${fingerprintOf(certifier.publicKey)} is none of this log that may certify others`);
  const found = trust.find(next);
  if (found?.purpose === 'delegated') throw new DeploymentError(`key ${found.fingerprint} was delegated for a while, and can not be more than that`);
  if (found !== undefined) return found;
  const draft = { publicKey: next, createdAt: options.now, purpose: 'rotation', certifiedBy: by.fingerprint, deployment: trust.deployment } as const;
  const signature = await certifier.sign(utf8Encode(certificateText(draft)));
  return stateKey(store, trust, certifiedKeyObject(draft, signature), options.retention);
}

/**
 * States a certified key: once this returns, it is durable, and everyone who looks believes it.
 * @throws DeploymentError if its place is taken, or nobody would believe it; StoreError: it may be stored or not
 */
export async function stateKey(store: KeyStore, trust: ChainTrust, text: string, retention: Retention): Promise<KnownKey> {
  const { fingerprint, publicKey } = parseKeyObject(text);
  const name = keyObjectName(fingerprint);
  const bytes = utf8Encode(text);
  await settle(store, name, bytes, retention);
  const stored = await store.read(name);
  if (stored === undefined || !equalBytes(stored, bytes)) throw new DeploymentError(`${name} is there already, with other content`);
  await trust.refresh();
  const known = trust.find(publicKey);
  if (known === undefined) throw new DeploymentError(`${name} was stated, and its certificate does not count`);
  return known;
}

async function settle(store: KeyStore, name: string, bytes: Uint8Array, retention: Retention): Promise<void> {
  for (let round = 1; ; round++) {
    try {
      await store.create(name, bytes, retention);
      return;
    } catch (error) {
      if (!(error instanceof StoreError) || round === TRIES) throw error;
    }
  }
}
