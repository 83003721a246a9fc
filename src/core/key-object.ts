/**
 * Key objects: what the store says of the keys that sign its chains, and which of them are to be believed
 * (docs/format.md §6.1).
 *
 * Whoever can write to the store can put a key there. So a key counts only if it is a root (named by
 * `deployment.json`, or given from outside) or carries a certificate by a key that counts.
 */
import { base64Encode, sha256Hex, utf8Encode } from '#platform';
import { canonicalize } from './canonical.js';
import { isDeployment, parseHash } from './chain.js';
import { isReceivedAt } from './entry.js';
import { parseStrict } from './json.js';
import type { JsonObject, JsonValue } from './json.js';
import { strictBase64 } from './note.js';
import { publicKeyFault } from './public-key.js';
import type { PublicKey, TrustedKey, Validity } from './public-key.js';
import { isSignatureBy } from './signature.js';

export const ROOT_KEY_FORMAT = 'indelible/key/v1';
export const CERTIFIED_KEY_FORMAT = 'indelible/key/v2';

/** What a certified key may do: all that its certifier may, or sign segments of a certain time. */
export type KeyPurpose = 'rotation' | 'delegated';

/** Who vouches for a key, for what, and how. Not believed until `followKeys` has looked at it. */
export interface KeyCertificate {
  readonly purpose: KeyPurpose;
  /** Fingerprint. */
  readonly certifiedBy: string;
  readonly deployment: string;
  /** Of a delegated key, and only of such. */
  readonly validity?: Validity;
  readonly signature: Uint8Array;
}

/** A key object as it was read. */
export interface KeyStatement {
  /** SHA-256 of the DER SPKI, in hexadecimal. */
  readonly fingerprint: string;
  readonly publicKey: PublicKey;
  readonly createdAt: string;
  /** Absent: the key stands by itself. */
  readonly certificate?: KeyCertificate;
  /** The object's exact content. */
  readonly text: string;
}

/** The text is no key object in its one form. The message names the rule. */
export class KeyFormatError extends Error {
  override readonly name = 'KeyFormatError';
}

export function fingerprintOf({ spki }: PublicKey): string {
  return sha256Hex(spki);
}

/** The object of a key that needs no certificate. */
export function rootKeyObject({ algorithm, spki }: PublicKey, createdAt: string): string {
  return canonicalize({ algorithm, createdAt, format: ROOT_KEY_FORMAT, publicKey: base64Encode(spki) });
}

/** What a certificate says, before it is signed. */
export type KeyDraft = Omit<KeyCertificate, 'signature'> & { readonly publicKey: PublicKey; readonly createdAt: string };

/** What the certifier signs: begins with a line that no checkpoint and no mark begins with. */
export function certificateText(draft: KeyDraft): string {
  return `${CERTIFIED_KEY_FORMAT}\n${canonicalize(members(draft))}\n`;
}

/** The object of a certified key. */
export function certifiedKeyObject(draft: KeyDraft, signature: Uint8Array): string {
  return canonicalize({ ...members(draft), signature: base64Encode(signature) });
}

function members({ publicKey: { algorithm, spki }, createdAt, purpose, certifiedBy, deployment, validity }: KeyDraft): JsonObject {
  return { algorithm, certifiedBy, createdAt, deployment, format: CERTIFIED_KEY_FORMAT, publicKey: base64Encode(spki), purpose, ...validity };
}

const ROOT_MEMBERS = ['algorithm', 'createdAt', 'format', 'publicKey'];
const ROTATION_MEMBERS = [...ROOT_MEMBERS, 'certifiedBy', 'deployment', 'purpose', 'signature'];
const DELEGATED_MEMBERS = [...ROTATION_MEMBERS, 'notAfter', 'notBefore'];
const RFC3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

/** Form only: nothing is verified. Hostile input. @throws KeyFormatError */
export function parseKeyObject(text: string): KeyStatement {
  let value: JsonValue;
  try {
    value = parseStrict(text);
  } catch (error) {
    throw new KeyFormatError(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new KeyFormatError('not a JSON object');
  const object = value as JsonObject;
  const { format, purpose, createdAt } = object;
  const certified = format === CERTIFIED_KEY_FORMAT;
  if (!certified && format !== ROOT_KEY_FORMAT) throw new KeyFormatError(`not of format ${ROOT_KEY_FORMAT} or ${CERTIFIED_KEY_FORMAT}`);
  const expected = certified ? (purpose === 'delegated' ? DELEGATED_MEMBERS : ROTATION_MEMBERS) : ROOT_MEMBERS;
  const names = Object.keys(object);
  if (names.length !== expected.length || !expected.every((name) => Object.hasOwn(object, name))) {
    throw new KeyFormatError(`expected the members ${[...expected].sort().join(', ')}`);
  }
  // Written once in one form: other bytes of the same meaning were written by somebody else.
  if (canonicalize(object) !== text) throw new KeyFormatError('not canonical JSON (RFC 8785)');
  if (typeof createdAt !== 'string' || !RFC3339.test(createdAt)) throw new KeyFormatError('"createdAt" is not an RFC 3339 time');
  const publicKey = readKey(object);
  const statement = { fingerprint: fingerprintOf(publicKey), publicKey, createdAt, text };
  return certified ? { ...statement, certificate: readCertificate(object) } : statement;
}

function readKey({ algorithm, publicKey }: JsonObject): PublicKey {
  if ((algorithm !== 'ed25519' && algorithm !== 'ecdsa-p256') || typeof publicKey !== 'string') {
    throw new KeyFormatError('"algorithm" or "publicKey" is not valid');
  }
  const key: PublicKey = { algorithm, spki: base64(publicKey, 'publicKey') };
  const fault = publicKeyFault(key);
  if (fault !== undefined) throw new KeyFormatError(`"publicKey" is ${fault}`);
  return key;
}

function readCertificate(object: JsonObject): KeyCertificate {
  const { purpose, certifiedBy, deployment, signature, notBefore, notAfter } = object;
  if (purpose !== 'rotation' && purpose !== 'delegated') throw new KeyFormatError('"purpose" expected rotation or delegated');
  if (typeof certifiedBy !== 'string' || parseHash(certifiedBy) === undefined) throw new KeyFormatError('"certifiedBy" is not a fingerprint');
  if (typeof deployment !== 'string' || !isDeployment(deployment)) throw new KeyFormatError('"deployment" is not a valid name');
  if (typeof signature !== 'string') throw new KeyFormatError('"signature" expected a string');
  const certificate: KeyCertificate = { purpose, certifiedBy, deployment, signature: base64(signature, 'signature') };
  if (purpose === 'rotation') return certificate;
  if (typeof notBefore !== 'string' || typeof notAfter !== 'string' || !isReceivedAt(notBefore) || !isReceivedAt(notAfter) || notBefore > notAfter) {
    throw new KeyFormatError('"notBefore" and "notAfter" expected two times with microseconds, in order');
  }
  return { ...certificate, validity: { notBefore, notAfter } };
}

function base64(text: string, name: string): Uint8Array {
  try {
    return strictBase64(text, `"${name}"`);
  } catch (error) {
    throw new KeyFormatError((error as Error).message, { cause: error });
  }
}

/** A key to be believed, and why. */
export interface KnownKey {
  readonly fingerprint: string;
  readonly publicKey: TrustedKey;
  readonly purpose: 'root' | KeyPurpose;
  /** Its object in the store, where there is one. */
  readonly statement?: KeyStatement;
}

export interface FollowedKeys {
  /** Roots first; each other key behind the one that vouches for it. */
  readonly trusted: readonly KnownKey[];
  readonly refused: readonly { readonly statement: KeyStatement; readonly reason: string }[];
}

/** A key that needs nobody to vouch for it. One with a `validity` was delegated, and vouches for no other. */
export function rootKey(publicKey: TrustedKey, statements: readonly KeyStatement[] = []): KnownKey {
  const fingerprint = fingerprintOf(publicKey);
  const statement = statements.find((candidate) => candidate.fingerprint === fingerprint);
  return { fingerprint, publicKey, purpose: publicKey.validity === undefined ? 'root' : 'delegated', ...(statement !== undefined && { statement }) };
}

/** Which of the statements are to be believed because `known` keys lead to them. */
export function followKeys(deployment: string, known: readonly KnownKey[], statements: readonly KeyStatement[]): FollowedKeys {
  const trusted = new Map(known.map((key) => [key.fingerprint, key]));
  const open = statements.filter(({ fingerprint }) => !trusted.has(fingerprint));
  const byCertifier = new Map<string, KeyStatement[]>();
  for (const statement of open) {
    const { certifiedBy } = statement.certificate ?? {};
    if (certifiedBy === undefined) continue;
    const others = byCertifier.get(certifiedBy);
    if (others === undefined) byCertifier.set(certifiedBy, [statement]);
    else others.push(statement);
  }
  const reasons = new Map<string, string>();
  // A map that grows while it is walked: what is added comes last.
  for (const certifier of trusted.values()) {
    for (const statement of byCertifier.get(certifier.fingerprint) ?? []) {
      if (trusted.has(statement.fingerprint)) continue;
      const fault = certificateFault(statement, certifier, deployment);
      if (fault === undefined) trusted.set(statement.fingerprint, certifiedKey(statement));
      else reasons.set(statement.fingerprint, fault);
    }
  }
  const refused = open.flatMap((statement) => {
    const { certificate, fingerprint } = statement;
    if (trusted.has(fingerprint)) return [];
    const other = certificate === undefined ? 'it has no certificate, and is not the root key' : `it is certified by ${certificate.certifiedBy}, which is no key of this log`;
    return [{ statement, reason: reasons.get(fingerprint) ?? other }];
  });
  return { trusted: [...trusted.values()], refused };
}

function certifiedKey(statement: KeyStatement): KnownKey {
  const { fingerprint, publicKey, certificate } = statement;
  const { purpose, validity } = certificate as KeyCertificate;
  return { fingerprint, publicKey: validity === undefined ? publicKey : { ...publicKey, validity }, purpose, statement };
}

/** Why the certificate of `statement` does not count, though it names `certifier`, which does. */
function certificateFault({ publicKey, createdAt, certificate }: KeyStatement, certifier: KnownKey, deployment: string): string | undefined {
  if (certificate === undefined) return 'it has no certificate';
  if (certifier.publicKey.validity !== undefined) return `it is certified by ${certifier.fingerprint}, a delegated key, which may not certify others`;
  if (certificate.deployment !== deployment) return `it is certified for deployment ${certificate.deployment}`;
  const message = utf8Encode(certificateText({ ...certificate, publicKey, createdAt }));
  if (!isSignatureBy(certifier.publicKey, message, certificate.signature)) return `its certificate is not signed by ${certifier.fingerprint}`;
  return undefined;
}
