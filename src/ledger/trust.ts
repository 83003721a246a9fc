/** Which deployment the store belongs to, and which keys may sign its chains. */
import { base64Encode, sha256Hex, utf8Decode, utf8Encode } from '#platform';
import { canonicalize } from '../core/canonical.js';
import { isDeployment, originOf } from '../core/chain.js';
import { equalBytes } from '../core/merkle.js';
import { noteKey, strictBase64 } from '../core/note.js';
import { publicKeyFault } from '../core/public-key.js';
import type { NoteKey, PublicKey } from '../core/note.js';
import type { Signer } from '../signing/signer.js';
import type { Retention, StoreReader, WormStore } from '../storage/worm-store.js';

export const DEPLOYMENT_KEY = 'deployment.json';
export const KEYS_PREFIX = 'keys/';

/** What a reader or writer of a chain needs to judge its signatures. */
export class ChainTrust {
  readonly deployment: string;
  readonly publicKeys: readonly PublicKey[];
  readonly #keys = new Map<string, readonly NoteKey[]>();

  constructor(deployment: string, publicKeys: readonly PublicKey[]) {
    this.deployment = deployment;
    this.publicKeys = publicKeys;
  }

  /** Looks for keys that were added since; true if there are any. @throws StoreError */
  refresh(): Promise<boolean> {
    return Promise.resolve(false);
  }

  /** The deployment's keys under the chain's origin. */
  keysOf(chainId: string): readonly NoteKey[] {
    let keys = this.#keys.get(chainId);
    if (keys === undefined) {
      const origin = originOf(this.deployment, chainId);
      keys = this.publicKeys.map((publicKey) => noteKey(origin, publicKey));
      this.#keys.set(chainId, keys);
    }
    return keys;
  }
}

/** The store's own statement is missing, unreadable, or not the one expected. */
export class DeploymentError extends Error {
  override readonly name = 'DeploymentError';
}

/** What the store says of itself; `undefined` for an empty store. @throws DeploymentError, StoreError */
export async function readTrust(store: StoreReader): Promise<ChainTrust | undefined> {
  const bytes = await store.read(DEPLOYMENT_KEY);
  if (bytes === undefined) return undefined;
  const deployment = parseDeployment(bytes);
  const publicKeys: PublicKey[] = [];
  const page = await store.list(KEYS_PREFIX, { limit: 1_000 });
  if (page.more) throw new DeploymentError(`${KEYS_PREFIX}: more than 1,000 keys`);
  for (const key of page.keys) publicKeys.push(parseKey(key, (await store.read(key)) ?? new Uint8Array(0)));
  return new ChainTrust(deployment, publicKeys);
}

/**
 * At a writer's start: states deployment and key in an empty store; in one that has them, refuses another
 * name or a key the store does not know. @throws DeploymentError, StoreError
 */
export async function establishTrust(
  store: WormStore,
  signer: Signer,
  options: { readonly deployment: string | undefined; readonly now: string; readonly retention: Retention },
): Promise<ChainTrust> {
  const { deployment, now, retention } = options;
  const found = await readTrust(store);
  if (found === undefined || found.publicKeys.length === 0) {
    const name = deployment ?? found?.deployment ?? 'indelible.local';
    if (!isDeployment(name)) throw new DeploymentError(`deployment ${JSON.stringify(name)} is not a valid name: [A-Za-z0-9][A-Za-z0-9._/-]{0,199}`);
    const { algorithm, spki } = signer.publicKey;
    const key = { algorithm, createdAt: now, format: 'indelible/key/v1', publicKey: base64Encode(spki) };
    await store.create(DEPLOYMENT_KEY, utf8Encode(canonicalize({ createdAt: now, deployment: name, format: 'indelible/deployment/v1' })), retention);
    await store.create(`${KEYS_PREFIX}${sha256Hex(spki)}.json`, utf8Encode(canonicalize(key)), retention);
  }
  const trust = found !== undefined && found.publicKeys.length > 0 ? found : await readTrust(store);
  if (trust === undefined) throw new DeploymentError(`${DEPLOYMENT_KEY} was written and can not be read back`);
  if (deployment !== undefined && deployment !== trust.deployment) {
    throw new DeploymentError(`the deployment is set to ${JSON.stringify(deployment)}, the store belongs to ${JSON.stringify(trust.deployment)}`);
  }
  if (!trust.publicKeys.some((key) => equalBytes(key.spki, signer.publicKey.spki))) {
    throw new DeploymentError(`the signing key ${sha256Hex(signer.publicKey.spki)} is not a key of this store (${trust.publicKeys.map((key) => sha256Hex(key.spki)).join(', ')})`);
  }
  return trust;
}

/** The name in `deployment.json`. @throws DeploymentError */
export function parseDeployment(bytes: Uint8Array): string {
  const { deployment } = readObject(bytes, DEPLOYMENT_KEY, 'indelible/deployment/v1');
  if (typeof deployment !== 'string' || !isDeployment(deployment)) throw new DeploymentError(`${DEPLOYMENT_KEY}: "deployment" is not a valid name`);
  return deployment;
}

/** The key in the object at `key`. @throws DeploymentError */
export function parseKey(key: string, bytes: Uint8Array): PublicKey {
  const { algorithm, publicKey } = readObject(bytes, key, 'indelible/key/v1');
  if ((algorithm !== 'ed25519' && algorithm !== 'ecdsa-p256') || typeof publicKey !== 'string') {
    throw new DeploymentError(`${key}: "algorithm" or "publicKey" is not valid`);
  }
  let spki: Uint8Array;
  try {
    spki = strictBase64(publicKey, key);
  } catch (error) {
    throw new DeploymentError((error as Error).message, { cause: error });
  }
  if (key !== `${KEYS_PREFIX}${sha256Hex(spki)}.json`) throw new DeploymentError(`${key}: the key in it has another fingerprint`);
  const fault = publicKeyFault({ algorithm, spki });
  if (fault !== undefined) throw new DeploymentError(`${key}: ${fault}`);
  return { algorithm, spki };
}

function readObject(bytes: Uint8Array, key: string, format: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8Decode(bytes));
  } catch (error) {
    throw new DeploymentError(`${key}: not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || (value as Record<string, unknown>)['format'] !== format) {
    throw new DeploymentError(`${key}: not of format ${format}`);
  }
  return value as Record<string, unknown>;
}
