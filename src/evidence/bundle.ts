/** The two lines of a bundle that are not entries (docs/format.md §8): making and reading them. */
import { base64Encode, hexEncode } from '#platform';
import { canonicalize } from '../core/canonical.js';
import { isChainId, isDeployment, parseHash } from '../core/chain.js';
import { parseStrict } from '../core/json.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import { CERTIFIED_KEY_FORMAT, parseKeyObject } from '../core/key-object.js';
import type { KeyStatement } from '../core/key-object.js';
import { frontierLength } from '../core/merkle.js';
import { strictBase64 } from '../core/note.js';
import { publicKeyFault } from '../core/public-key.js';
import type { PublicKey } from '../core/public-key.js';

export const BUNDLE_FORMAT = 'indelible/bundle/v1';
export const MANIFEST_FORMAT = 'indelible/bundle-manifest/v1';
/** More than a header with a thousand keys or a manifest with a hundred signatures needs. */
export const MAX_FRAME_BYTES = 1_048_576;

export interface BundleHeader {
  readonly chainId: string;
  readonly deployment: string;
  readonly createdAt: string;
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  /** The chain before `from`. */
  readonly prevHash: Uint8Array;
  readonly frontier: readonly Uint8Array[];
  /** Keys that are roots to who believes the bundle alone. */
  readonly publicKeys: readonly PublicKey[];
  /** Those that are certified, as the store states them. */
  readonly certified: readonly KeyStatement[];
}

export interface BundleManifest {
  /** Signed note, of size ≥ to + 1. */
  readonly checkpoint: string;
  readonly consistencyProof: readonly Uint8Array[];
  readonly entriesSha256: Uint8Array;
  readonly headerSha256: Uint8Array;
  readonly lastEntryHash: Uint8Array;
  readonly rangeRoot: Uint8Array;
}

/** The line is not one of a bundle. The message names the rule. */
export class BundleFormatError extends Error {
  override readonly name = 'BundleFormatError';
}

export function formatHeader({ chainId, deployment, createdAt, from, to, prevHash, frontier, publicKeys, certified }: BundleHeader): string {
  return canonicalize({
    chainId,
    count: to - from + 1,
    createdAt,
    deployment,
    firstSequence: from,
    format: BUNDLE_FORMAT,
    frontier: frontier.map(hexEncode),
    prevHash: hexEncode(prevHash),
    publicKeys: [
      ...publicKeys.map(({ algorithm, spki }) => ({ algorithm, publicKey: base64Encode(spki) })),
      ...certified.map(({ text }) => JSON.parse(text) as JsonObject),
    ],
    range: { from, to },
  });
}

export function formatManifest({ checkpoint, consistencyProof, entriesSha256, headerSha256, lastEntryHash, rangeRoot }: BundleManifest): string {
  return canonicalize({
    checkpoint,
    consistencyProof: consistencyProof.map(hexEncode),
    entriesSha256: hexEncode(entriesSha256),
    format: MANIFEST_FORMAT,
    headerSha256: hexEncode(headerSha256),
    lastEntryHash: hexEncode(lastEntryHash),
    rangeRoot: hexEncode(rangeRoot),
  });
}

const RFC3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;
const HEADER_MEMBERS = ['chainId', 'count', 'createdAt', 'deployment', 'firstSequence', 'format', 'frontier', 'prevHash', 'publicKeys', 'range'];
const MANIFEST_MEMBERS = ['checkpoint', 'consistencyProof', 'entriesSha256', 'format', 'headerSha256', 'lastEntryHash', 'rangeRoot'];

/** @throws BundleFormatError */
export function parseHeader(line: string): BundleHeader {
  const value = parseFrame(line, BUNDLE_FORMAT, HEADER_MEMBERS);
  const { chainId, count, createdAt, deployment, firstSequence, range } = value;
  if (typeof chainId !== 'string' || !isChainId(chainId)) throw new BundleFormatError('header: "chainId" is not a chain id');
  if (typeof deployment !== 'string' || !isDeployment(deployment)) throw new BundleFormatError('header: "deployment" is not a valid name');
  if (typeof createdAt !== 'string' || !RFC3339.test(createdAt)) throw new BundleFormatError('header: "createdAt" is not an RFC 3339 time');
  const bounds = members(range, 'header: "range"', ['from', 'to']);
  const from = sequence(bounds['from'], 'header: "range.from"');
  const to = sequence(bounds['to'], 'header: "range.to"');
  if (to < from || firstSequence !== from || count !== to - from + 1) throw new BundleFormatError('header: "firstSequence", "count" and "range" do not agree');
  const frontier = hashes(value['frontier'], 'header: "frontier"');
  if (frontier.length !== frontierLength(from)) throw new BundleFormatError(`header: "frontier" expected ${frontierLength(from)} hashes, got ${frontier.length}`);
  const prevHash = hash(value['prevHash'], 'header: "prevHash"');
  if (from === 0 && prevHash.some((byte) => byte !== 0)) throw new BundleFormatError('header: "prevHash" of sequence 0 expected zeros');
  return { chainId, deployment, createdAt, from, to, prevHash, frontier, ...keys(array(value['publicKeys'], 'header: "publicKeys"')) };
}

/** @throws BundleFormatError */
export function parseManifest(line: string): BundleManifest {
  const value = parseFrame(line, MANIFEST_FORMAT, MANIFEST_MEMBERS);
  const { checkpoint } = value;
  if (typeof checkpoint !== 'string') throw new BundleFormatError('manifest: "checkpoint" expected a string');
  return {
    checkpoint,
    consistencyProof: hashes(value['consistencyProof'], 'manifest: "consistencyProof"'),
    entriesSha256: hash(value['entriesSha256'], 'manifest: "entriesSha256"'),
    headerSha256: hash(value['headerSha256'], 'manifest: "headerSha256"'),
    lastEntryHash: hash(value['lastEntryHash'], 'manifest: "lastEntryHash"'),
    rangeRoot: hash(value['rangeRoot'], 'manifest: "rangeRoot"'),
  };
}

function parseFrame(line: string, format: string, names: readonly string[]): JsonObject {
  let value: JsonValue;
  try {
    value = parseStrict(line);
  } catch (error) {
    throw new BundleFormatError(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  const found = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject)['format'] : undefined;
  if (found !== format) throw new BundleFormatError(`format expected ${format}, got ${JSON.stringify(found)}`);
  const object = members(value, format, names);
  // In a file that is kept as evidence there is no second way to write the same.
  if (canonicalize(object) !== line) throw new BundleFormatError(`${format}: not canonical JSON (RFC 8785)`);
  return object;
}

function members(value: JsonValue | undefined, label: string, names: readonly string[]): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new BundleFormatError(`${label} expected an object`);
  const object = value as JsonObject;
  const own = Object.keys(object);
  if (own.length !== names.length || !names.every((name) => Object.hasOwn(object, name))) throw new BundleFormatError(`${label} expected the members ${names.join(', ')}`);
  return object;
}

/** Certified ones are recognised by their format. */
function keys(items: readonly JsonValue[]): Pick<BundleHeader, 'publicKeys' | 'certified'> {
  const isCertified = (item: JsonValue): boolean => typeof item === 'object' && item !== null && (item as JsonObject)['format'] === CERTIFIED_KEY_FORMAT;
  return { publicKeys: items.filter((item) => !isCertified(item)).map(publicKey), certified: items.filter(isCertified).map(certifiedKey) };
}

function certifiedKey(value: JsonValue): KeyStatement {
  try {
    // The header is canonical, so this is the very text that was certified.
    return parseKeyObject(canonicalize(value));
  } catch (error) {
    throw new BundleFormatError(`header: a public key: ${(error as Error).message}`, { cause: error });
  }
}

function publicKey(value: JsonValue): PublicKey {
  const { algorithm, publicKey: text } = members(value, 'header: a public key', ['algorithm', 'publicKey']);
  if ((algorithm !== 'ed25519' && algorithm !== 'ecdsa-p256') || typeof text !== 'string') throw new BundleFormatError('header: a public key is neither Ed25519 nor ECDSA P-256');
  let key: PublicKey;
  try {
    key = { algorithm, spki: strictBase64(text, 'header: a public key') };
  } catch (error) {
    throw new BundleFormatError((error as Error).message, { cause: error });
  }
  const fault = publicKeyFault(key);
  if (fault !== undefined) throw new BundleFormatError(`header: a public key is ${fault}`);
  return key;
}

function sequence(value: JsonValue | undefined, label: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new BundleFormatError(`${label} expected an integer from 0`);
  return value as number;
}

function array(value: JsonValue | undefined, label: string): readonly JsonValue[] {
  if (!Array.isArray(value)) throw new BundleFormatError(`${label} expected an array`);
  return value as readonly JsonValue[];
}

function hashes(value: JsonValue | undefined, label: string): readonly Uint8Array[] {
  return array(value, label).map((item) => hash(item, label));
}

function hash(value: JsonValue | undefined, label: string): Uint8Array {
  const bytes = parseHash(value);
  if (bytes === undefined) throw new BundleFormatError(`${label} expected 64 lowercase hexadecimal digits`);
  return bytes;
}

