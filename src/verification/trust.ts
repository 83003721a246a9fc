/** Whom a verification trusts: keys given from outside, or those that lie in the store. */
import { base64Decode, utf8Decode } from '#platform';
import { canonicalize } from '../core/canonical.js';
import { originOf } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { parseStrict } from '../core/json.js';
import { noteKey, NoteFormatError, parseVkey, strictBase64 } from '../core/note.js';
import type { NoteKey, PublicKey } from '../core/note.js';
import { readPublicKey } from '../core/public-key.js';
import { DEPLOYMENT_KEY, DeploymentError, KEYS_PREFIX, parseDeployment, parseKey } from '../ledger/trust.js';
import { everyKey } from '../storage/worm-store.js';
import type { StoreReader } from '../storage/worm-store.js';

/** A key from outside. With a `name` (it came as a vkey) it speaks for that origin alone. */
export interface GivenKey {
  readonly publicKey: PublicKey;
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
  readonly publicKeys: readonly PublicKey[];
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

/** What outside keys and the store say together. Damaged statements of the store are findings. @throws StoreError */
export async function resolveTrust(store: StoreReader, chainId: string, given: GivenTrust | undefined): Promise<ResolvedTrust> {
  const stated = await readStatements(store, chainId);
  const findings = [...stated.findings];
  if (given === undefined || given.keys.length === 0) {
    const deployment = given?.deployment ?? stated.deployment;
    const keys = deployment === undefined || stated.publicKeys.length === 0 ? undefined : { deployment, publicKeys: stated.publicKeys };
    return { source: keys === undefined ? 'none' : 'store', deployment, keys, findings };
  }
  const deployment = given.deployment ?? deploymentOfVkeys(given.keys, chainId) ?? stated.deployment;
  if (deployment === undefined) return { source: 'none', deployment, keys: undefined, findings };
  if (stated.deployment !== undefined && stated.deployment !== deployment) {
    findings.push({ code: 'foreign_object', chainId, key: DEPLOYMENT_KEY, detail: `the store says it belongs to ${stated.deployment}, expected ${deployment}` });
  }
  const origin = originOf(deployment, chainId);
  const publicKeys = given.keys.flatMap(({ publicKey, name }) => (name === undefined || name === origin ? [publicKey] : []));
  return {
    source: publicKeys.length === 0 ? 'none' : 'given',
    deployment,
    keys: publicKeys.length === 0 ? undefined : { deployment, publicKeys },
    findings,
  };
}

function deploymentOfVkeys(keys: readonly GivenKey[], chainId: string): string | undefined {
  const name = keys.map((key) => key.name).find((candidate) => candidate?.endsWith(`/${chainId}`) === true);
  return name?.slice(0, -chainId.length - 1);
}

const KEY_OBJECT = /^keys\/[0-9a-f]{64}\.json$/;

interface Statements {
  readonly deployment: string | undefined;
  readonly publicKeys: readonly PublicKey[];
  readonly findings: readonly Finding[];
}

async function readStatements(store: StoreReader, chainId: string): Promise<Statements> {
  const findings: Finding[] = [];
  const attempt = <T>(key: string, bytes: Uint8Array, parse: (bytes: Uint8Array) => T): T | undefined => {
    try {
      const value = parse(bytes);
      // Written once in one form: other bytes of the same meaning were written by somebody else.
      const text = utf8Decode(bytes);
      if (canonicalize(parseStrict(text)) !== text) throw new DeploymentError(`${key}: not canonical JSON`);
      return value;
    } catch (error) {
      findings.push({ code: 'unknown_format', chainId, key, detail: (error as Error).message });
      return undefined;
    }
  };
  const bytes = await store.read(DEPLOYMENT_KEY);
  const deployment = bytes === undefined ? undefined : attempt(DEPLOYMENT_KEY, bytes, parseDeployment);
  const publicKeys: PublicKey[] = [];
  for await (const key of everyKey(store, KEYS_PREFIX)) {
    if (!KEY_OBJECT.test(key)) {
      findings.push({ code: 'foreign_object', chainId, key, detail: 'not a key, by its name' });
      continue;
    }
    const publicKey = attempt(key, (await store.read(key)) ?? new Uint8Array(0), (content) => parseKey(key, content));
    if (publicKey !== undefined) publicKeys.push(publicKey);
    if (publicKeys.length + findings.length > 1_000) break;
  }
  return { deployment, publicKeys, findings };
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

function fromKeyObject(text: string): PublicKey {
  let publicKey: unknown;
  try {
    ({ publicKey } = parseStrict(text) as Record<string, unknown>);
  } catch (error) {
    throw new NoteFormatError(`public key: not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof publicKey !== 'string') throw new NoteFormatError('public key: the object has no "publicKey"');
  return fromSpki(strictBase64(publicKey, 'public key'));
}
