/** Whom a verification trusts: keys given from outside or those that lie in the store, and what they certify. */
import { base64Decode } from '#platform';
import { originOf } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { parseStrict } from '../core/json.js';
import { CERTIFIED_KEY_FORMAT, followKeys, parseKeyObject, rootKey } from '../core/key-object.js';
import type { KeyStatement, KnownKey } from '../core/key-object.js';
import { noteKey, NoteFormatError, parseVkey, strictBase64 } from '../core/note.js';
import type { NoteKey, PublicKey, TrustedKey } from '../core/note.js';
import { readPublicKey } from '../core/public-key.js';
import { DEPLOYMENT_KEY, keyObjectName, KeyObjects, KEYS_PREFIX, parseDeployment } from '../ledger/key-objects.js';
import type { DeploymentStatement } from '../ledger/key-objects.js';
import type { SegmentTrust } from '../ledger/segment-at.js';
import { followStatement } from '../ledger/trust.js';
import type { StoredVersion, StoreReader } from '../storage/worm-store.js';

/** A key from outside. With a `name` (it came as a vkey) it speaks for that origin alone. */
export interface GivenKey {
  readonly publicKey: TrustedKey;
  readonly name?: string;
}

export interface GivenTrust {
  readonly keys: readonly GivenKey[];
  /** Default: what a vkey's name says, else what the store says of itself. */
  readonly deployment?: string;
}

/** Enough to judge one chain's signatures. Can be sent to a worker thread. */
export interface ChainKeys {
  readonly deployment: string;
  readonly publicKeys: readonly TrustedKey[];
}

export interface ResolvedTrust {
  readonly source: 'given' | 'store' | 'none';
  readonly deployment: string | undefined;
  /** Absent if there is no key, or no name of the deployment. */
  readonly keys: ChainKeys | undefined;
  /** About `deployment.json` and `keys/`. */
  readonly findings: readonly Finding[];
}

export function noteKeysOf({ deployment, publicKeys }: ChainKeys, chainId: string): readonly NoteKey[] {
  const origin = originOf(deployment, chainId);
  return publicKeys.map((publicKey) => noteKey(origin, publicKey));
}

/**
 * What outside keys and the store say together: the keys that are trusted, and those that certificates in the store
 * lead to from them. Damaged statements of the store, and keys that nobody vouches for, are findings.
 * @param stated what the store says, if it was read already @throws StoreError
 */
export async function resolveTrust(store: StoreReader, chainId: string, given: GivenTrust | undefined, stated?: StoreStatements): Promise<ResolvedTrust> {
  const { statement, statements, faults, trusted } = stated ?? (await readStatements(store));
  const findings: Finding[] = faults.map((fault) => ({ chainId, ...fault }));
  if (given === undefined || given.keys.length === 0) {
    const deployment = given?.deployment ?? statement?.deployment;
    const publicKeys = trusted.map(({ publicKey }) => publicKey);
    const keys = deployment === undefined || publicKeys.length === 0 ? undefined : { deployment, publicKeys };
    return { source: keys === undefined ? 'none' : 'store', deployment, keys, findings };
  }
  const deployment = given.deployment ?? deploymentOfVkeys(given.keys, chainId) ?? statement?.deployment;
  if (deployment === undefined) return { source: 'none', deployment, keys: undefined, findings };
  if (statement !== undefined && statement.deployment !== deployment) {
    findings.push({ code: 'foreign_object', chainId, key: DEPLOYMENT_KEY, detail: `the store says it belongs to ${statement.deployment}, expected ${deployment}` });
  }
  const publicKeys = publicKeysFrom(given.keys, deployment, originOf(deployment, chainId), statements);
  return {
    source: publicKeys.length === 0 ? 'none' : 'given',
    deployment,
    keys: publicKeys.length === 0 ? undefined : { deployment, publicKeys },
    findings,
  };
}

/** The given keys that may speak for `origin`, and those that the statements certify from them on. */
export function publicKeysFrom(given: readonly GivenKey[], deployment: string, origin: string, statements: readonly KeyStatement[]): readonly TrustedKey[] {
  const roots = given.flatMap(({ publicKey, name }) => (name === undefined || name === origin ? [rootKey(publicKey)] : []));
  return followKeys(deployment, roots, statements).trusted.map(({ publicKey }) => publicKey);
}

/**
 * Looks for keys that were certified since `keys` were resolved: a chain that lives may be signed by one before its
 * verification has come to the end.
 */
export class LaterKeys implements SegmentTrust {
  readonly #objects: KeyObjects;
  readonly #noteKeys = new Map<string, readonly NoteKey[]>();
  #keys: ChainKeys;

  constructor(store: StoreReader, keys: ChainKeys) {
    this.#objects = new KeyObjects(store);
    this.#keys = keys;
  }

  get deployment(): string {
    return this.#keys.deployment;
  }

  get publicKeys(): readonly TrustedKey[] {
    return this.#keys.publicKeys;
  }

  keysOf(chainId: string): readonly NoteKey[] {
    const known = this.#noteKeys.get(chainId) ?? noteKeysOf(this.#keys, chainId);
    this.#noteKeys.set(chainId, known);
    return known;
  }

  /** Whether there are more keys than before. @throws StoreError: a key that can't be read must not become a false verdict */
  async refresh(): Promise<boolean> {
    if (!(await this.#objects.read())) return false;
    const { deployment, publicKeys } = this.#keys;
    const { trusted } = followKeys(deployment, publicKeys.map((key) => rootKey(key)), this.#objects.statements);
    if (trusted.length === publicKeys.length) return false;
    this.#keys = { deployment, publicKeys: trusted.map(({ publicKey }) => publicKey) };
    this.#noteKeys.clear();
    return true;
  }
}

function deploymentOfVkeys(keys: readonly GivenKey[], chainId: string): string | undefined {
  const name = keys.map((key) => key.name).find((candidate) => candidate?.endsWith(`/${chainId}`) === true);
  return name?.slice(0, -chainId.length - 1);
}

/** What the store says of itself, and what of it is wrong by its own word. */
export interface StoreStatements {
  readonly statement: DeploymentStatement | undefined;
  readonly statements: readonly KeyStatement[];
  /** The keys that count by what the store says. */
  readonly trusted: readonly KnownKey[];
  readonly faults: readonly Pick<Finding, 'code' | 'key' | 'detail'>[];
}

/** Of each kind of fault so many are told. */
const MAX_FAULTS = 1_000;

/** @throws StoreError */
export async function readStatements(store: StoreReader): Promise<StoreStatements> {
  const faults: Pick<Finding, 'code' | 'key' | 'detail'>[] = [];
  const bytes = await store.read(DEPLOYMENT_KEY);
  let statement: DeploymentStatement | undefined;
  try {
    statement = bytes === undefined ? undefined : parseDeployment(bytes);
  } catch (error) {
    faults.push({ code: 'unknown_format', key: DEPLOYMENT_KEY, detail: (error as Error).message });
  }
  const objects = new KeyObjects(store);
  await objects.read();
  faults.push(...objects.faults.slice(0, MAX_FAULTS));
  for (const prefix of [DEPLOYMENT_KEY, KEYS_PREFIX]) {
    for await (const { key, versions } of store.contested?.(prefix) ?? []) if (faults.length < 2 * MAX_FAULTS) faults.push(...overFirst(key, versions));
  }
  const { statements } = objects;
  if (statement === undefined) return { statement, statements, faults, trusted: [] };
  const { trusted, refused } = followStatement(statement, statements);
  for (const { statement: { fingerprint }, reason } of refused.slice(0, MAX_FAULTS)) faults.push({ code: 'foreign_object', key: keyObjectName(fingerprint), detail: `not a key of this log: ${reason}` });
  return { statement, statements, faults, trusted };
}

/** A statement is the oldest version of its key that is no delete marker. */
function* overFirst(key: string, versions: readonly StoredVersion[]): Generator<Pick<Finding, 'code' | 'key' | 'detail'>> {
  const counts = versions.find(({ deleteMarker }) => !deleteMarker)?.versionId;
  for (const { versionId, deleteMarker, storedAt } of versions) {
    if (deleteMarker) yield { code: 'delete_marker', key, detail: `a delete marker (${versionId}, ${storedAt}) hides the object` };
    else if (versionId !== counts) yield { code: 'shadow_version', key, detail: `version ${versionId} (${storedAt}) was written over ${counts}` };
  }
}

const PEM = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/g;
const SPKI_ED25519 = 44;
const SPKI_P256 = 91;

/**
 * Public keys as people keep them: PEM, a key object of the store (`keys/….json`), or one a line as vkey or
 * base64 DER SPKI. @throws NoteFormatError
 */
export function parsePublicKeys(text: string): readonly GivenKey[] {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return [{ publicKey: fromKeyObject(trimmed) }];
  if (trimmed.includes('-----BEGIN')) {
    const blocks = [...trimmed.matchAll(PEM)];
    if (blocks.length === 0) throw new NoteFormatError('public key: the PEM text holds no PUBLIC KEY');
    return blocks.map((block) => ({ publicKey: fromSpki(base64Decode((block[1] as string).replace(/\s/g, ''))) }));
  }
  const lines = trimmed.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (lines.length === 0) throw new NoteFormatError('public key: the text is empty');
  return lines.map((line) => {
    // A name such as deployment/chain is all base64 digits too: the two forms differ in length and in '+'.
    const spki = base64Decode(line);
    if (spki.length === SPKI_ED25519 || spki.length === SPKI_P256) return { publicKey: fromSpki(strictBase64(line, 'public key')) };
    const { name, publicKey } = parseVkey(line);
    return { name, publicKey };
  });
}

function fromSpki(spki: Uint8Array): PublicKey {
  const key = readPublicKey(spki);
  if (typeof key === 'string') throw new NoteFormatError(`public key: ${key}`);
  return key;
}

function fromKeyObject(text: string): TrustedKey {
  try {
    const value = parseStrict(text) as Readonly<Record<string, unknown>>;
    if (value['format'] === CERTIFIED_KEY_FORMAT) {
      // Whoever is given a delegated key trusts it for the time it was delegated for.
      const { publicKey, certificate } = parseKeyObject(text);
      return certificate?.validity === undefined ? publicKey : { ...publicKey, validity: certificate.validity };
    }
    if (typeof value['publicKey'] !== 'string') throw new NoteFormatError('the object has no "publicKey"');
    return fromSpki(strictBase64(value['publicKey'], 'public key'));
  } catch (error) {
    throw new NoteFormatError(`public key: ${(error as Error).message}`, { cause: error });
  }
}
