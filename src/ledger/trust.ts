/** Which deployment the store belongs to, and which keys may sign its chains. */
import { utf8Encode } from '#platform';
import { isDeployment, originOf } from '../core/chain.js';
import { fingerprintOf, followKeys, rootKey as asRoot, rootKeyObject } from '../core/key-object.js';
import type { FollowedKeys, KeyStatement, KnownKey } from '../core/key-object.js';
import { equalBytes } from '../core/merkle.js';
import { noteKey } from '../core/note.js';
import type { NoteKey, PublicKey, TrustedKey } from '../core/note.js';
import type { Signer } from '../signing/signer.js';
import type { Retention, StoreReader, WormStore } from '../storage/worm-store.js';
import { DEPLOYMENT_KEY, DeploymentError, deploymentObject, keyObjectName, KeyObjects, parseDeployment } from './key-objects.js';
import type { DeploymentStatement } from './key-objects.js';

export { DEPLOYMENT_KEY, DeploymentError, KEYS_PREFIX } from './key-objects.js';

/** An object below `keys/` that is not believed, and why. */
export interface RefusedKey {
  readonly key: string;
  readonly reason: string;
}

export interface TrustOptions {
  /** Told once of each object below `keys/` that is not believed. It never signs for anything, and stops nothing. */
  readonly onRefused?: (refused: RefusedKey) => void;
}

/**
 * What a reader or writer of a chain needs to judge its signatures. It may grow: another process may have had its
 * key certified since.
 */
export class ChainTrust {
  readonly deployment: string;
  readonly #objects: KeyObjects | undefined;
  readonly #statement: DeploymentStatement;
  readonly #onRefused: ((refused: RefusedKey) => void) | undefined;
  readonly #reported = new Set<string>();
  #refused: readonly RefusedKey[] = [];
  #known: readonly KnownKey[] = [];
  #publicKeys: readonly TrustedKey[] = [];
  readonly #noteKeys = new Map<string, readonly NoteKey[]>();
  #running: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  /** Keys that are believed as they are. {@link readTrust} takes them from a store. */
  constructor(deployment: string, publicKeys: readonly TrustedKey[], from?: { readonly objects: KeyObjects; readonly statement: DeploymentStatement } & TrustOptions) {
    this.deployment = deployment;
    this.#known = publicKeys.map((publicKey) => asRoot(publicKey));
    this.#objects = from?.objects;
    this.#statement = from?.statement ?? { deployment };
    this.#onRefused = from?.onRefused;
    this.#follow();
  }

  /** All keys that may sign, roots first. */
  get publicKeys(): readonly TrustedKey[] {
    return this.#publicKeys;
  }

  /** The same with what is known of them: the history of the deployment's keys. */
  get keys(): readonly KnownKey[] {
    return this.#known;
  }

  /** Those that need nobody to vouch for them, and that vouch for the others. */
  get roots(): readonly PublicKey[] {
    return this.#known.flatMap(({ purpose, publicKey }) => (purpose === 'root' ? [publicKey] : []));
  }

  /** What lies below `keys/` and is not believed. */
  get refused(): readonly RefusedKey[] {
    return this.#refused;
  }

  /** The deployment's keys under the chain's origin. */
  keysOf(chainId: string): readonly NoteKey[] {
    let keys = this.#noteKeys.get(chainId);
    if (keys === undefined) {
      const origin = originOf(this.deployment, chainId);
      keys = this.publicKeys.map((publicKey) => noteKey(origin, publicKey));
      this.#noteKeys.set(chainId, keys);
    }
    return keys;
  }

  /** The key, if it may sign. */
  find({ spki }: PublicKey): KnownKey | undefined {
    return this.#known.find(({ publicKey }) => equalBytes(publicKey.spki, spki));
  }

  /**
   * Looks for keys that were stated in the store since, and says whether there are more than when it was called.
   * What was stated before the call is seen, whoever else asks at the same time. @throws StoreError
   */
  async refresh(): Promise<boolean> {
    // Before anything is awaited: who asks has just judged by these, and another's look may find the key first.
    const before = this.#known.length;
    // One look at a time; those who ask meanwhile share the next one, which begins after they asked.
    this.#waiting ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#waiting = undefined;
        this.#running = this.#look();
        return this.#running;
      });
    await this.#waiting;
    return this.#known.length > before;
  }

  async #look(): Promise<void> {
    if ((await this.#objects?.read()) === true) this.#follow();
  }

  #follow(): void {
    const { trusted, refused } = followStatement(this.#statement, this.#objects?.statements ?? [], this.#known);
    this.#known = trusted;
    this.#publicKeys = trusted.map(({ publicKey }) => publicKey);
    this.#noteKeys.clear();
    const odd = [
      ...(this.#objects?.faults ?? []).map(({ key, detail }) => ({ key, reason: detail })),
      ...refused.map(({ statement, reason }) => ({ key: keyObjectName(statement.fingerprint), reason })),
    ];
    this.#refused = odd;
    for (const one of odd) {
      if (this.#reported.has(one.key)) continue;
      this.#reported.add(one.key);
      this.#onRefused?.(one);
    }
  }
}

/** The keys that count by what the store says of itself, beside those that are known to. */
export function followStatement({ deployment, rootKey }: DeploymentStatement, statements: readonly KeyStatement[], known: readonly KnownKey[] = []): FollowedKeys {
  const seen = new Set(known.map(({ fingerprint }) => fingerprint));
  const roots = statements.flatMap((statement): KnownKey[] => {
    const { fingerprint, publicKey, certificate } = statement;
    const isRoot = certificate === undefined && (rootKey === undefined || rootKey === fingerprint) && !seen.has(fingerprint);
    return isRoot ? [{ fingerprint, publicKey, purpose: 'root', statement }] : [];
  });
  return followKeys(deployment, [...known, ...roots], statements);
}

/** What the store says of itself; `undefined` for an empty store. @throws DeploymentError, StoreError */
export async function readTrust(store: Pick<StoreReader, 'read' | 'list'>, options: TrustOptions = {}): Promise<ChainTrust | undefined> {
  const bytes = await store.read(DEPLOYMENT_KEY);
  if (bytes === undefined) return undefined;
  const statement = parseDeployment(bytes);
  const objects = new KeyObjects(store);
  await objects.read();
  return new ChainTrust(statement.deployment, [], { objects, statement, ...options });
}

/**
 * At a writer's start: states deployment and key in an empty store, the key being its root; in one that has them,
 * refuses another name or a key that nobody vouches for. @throws DeploymentError, StoreError
 */
export async function establishTrust(
  store: WormStore,
  signer: Signer,
  options: { readonly deployment: string | undefined; readonly now: string; readonly retention: Retention } & TrustOptions,
): Promise<ChainTrust> {
  const { deployment, now, retention } = options;
  const fingerprint = fingerprintOf(signer.publicKey);
  const stated = await stateDeployment(store, fingerprint, options);
  if (deployment !== undefined && deployment !== stated.deployment) {
    throw new DeploymentError(`INDELIBLE_DEPLOYMENT: the deployment is set to ${JSON.stringify(deployment)}, the store belongs to ${JSON.stringify(stated.deployment)}`);
  }
  let trust = await readTrust(store, options);
  // The first start, or one that ended between the two objects.
  if (trust?.roots.length === 0 && (stated.rootKey ?? fingerprint) === fingerprint) {
    await store.create(keyObjectName(fingerprint), utf8Encode(rootKeyObject(signer.publicKey, now)), retention);
    trust = await readTrust(store, options);
  }
  if (trust === undefined) throw new DeploymentError(`${DEPLOYMENT_KEY} was written and can not be read back`);
  const known = trust.find(signer.publicKey);
  if (known === undefined) {
    const others = trust.keys.filter(({ purpose }) => purpose !== 'delegated').map((key) => key.fingerprint);
    const setting = signer.kind === 'kms' ? 'INDELIBLE_KMS_KEY_ID' : 'keys/ in INDELIBLE_DATA_DIR';
    throw new DeploymentError(`${setting}: the signing key ${fingerprint} is not a key of this store (${others.join(', ')}); a new key is certified by one of them: indelible keys rotate`);
  }
  if (known.purpose === 'delegated') throw new DeploymentError(`the signing key ${fingerprint} is a delegated key of this store, which signs for a while and certifies nothing`);
  return trust;
}

async function stateDeployment(
  store: WormStore,
  rootKey: string,
  { deployment = 'indelible.local', now, retention }: { readonly deployment: string | undefined; readonly now: string; readonly retention: Retention },
): Promise<DeploymentStatement> {
  const found = await store.read(DEPLOYMENT_KEY);
  if (found !== undefined) return parseDeployment(found);
  if (!isDeployment(deployment)) throw new DeploymentError(`deployment ${JSON.stringify(deployment)} is not a valid name: [A-Za-z0-9][A-Za-z0-9._/-]{0,199}`);
  await store.create(DEPLOYMENT_KEY, deploymentObject(deployment, rootKey, now), retention);
  // Not what was sent: another process may have been first.
  const stored = await store.read(DEPLOYMENT_KEY);
  if (stored === undefined) throw new DeploymentError(`${DEPLOYMENT_KEY} was written and can not be read back`);
  return parseDeployment(stored);
}
