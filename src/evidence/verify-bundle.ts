/** Checks a bundle with nothing else at hand, in constant memory. The checks are those of docs/format.md §8. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { base64Encode, hexEncode, sha256, sha256Hex, utf8Decode } from '#platform';
import { originOf } from '../core/chain.js';
import { openCheckpoint } from '../core/checkpoint.js';
import type { Checkpoint } from '../core/checkpoint.js';
import { MAX_PAYLOAD_BYTES, readPayload } from '../core/entry.js';
import { equalBytes, frontierRoot, HASH_BYTES, verifyConsistency } from '../core/merkle.js';
import { TreeExtension } from '../core/tree-extension.js';
import type { Frontier } from '../core/merkle.js';
import { formatVkey, noteKey } from '../core/note.js';
import type { NoteKey, PublicKey } from '../core/note.js';
import { publicKeysFrom } from '../verification/trust.js';
import type { GivenKey } from '../verification/trust.js';
import { MAX_FRAME_BYTES, parseHeader, parseManifest } from './bundle.js';
import type { BundleHeader, BundleManifest } from './bundle.js';
import { LineReader, LineTooLongError } from './lines.js';

export interface VerifyBundleOptions {
  /** Keys from elsewhere. Without them the bundle is checked against those it brings along. */
  readonly trustedKeys?: readonly GivenKey[];
  /** The deployment it has to be of. Default: the one it names. */
  readonly deployment?: string;
  readonly onProgress?: (entries: number, total: number) => void;
}

export type BundleCheck =
  | ({ readonly valid: true } & BundleFacts)
  | {
      readonly valid: false;
      readonly reason: string;
      /** Where in the range it went wrong, if it is about one entry. */
      readonly sequence?: number;
    };

export interface BundleFacts {
  readonly chainId: string;
  readonly deployment: string;
  /** Both inclusive. */
  readonly range: { readonly from: number; readonly to: number };
  readonly count: number;
  readonly firstReceivedAt: string;
  readonly lastReceivedAt: string;
  readonly lastEntryHash: string;
  readonly rangeRoot: string;
  /** Stated by whoever wrote the file; nothing proves it. */
  readonly createdAt: string;
  readonly checkpoint: { readonly size: number; readonly rootHash: string; readonly note: string };
  /** The keys that signed the checkpoint. */
  readonly publicKeys: readonly BundleKey[];
  /** `bundle`: they came with the file itself. */
  readonly trust: 'given' | 'bundle';
  /** What that means, in words. */
  readonly statement: string;
}

export interface BundleKey {
  readonly algorithm: PublicKey['algorithm'];
  /** Base64 of the DER SPKI. */
  readonly publicKey: string;
  /** SHA-256 of the DER SPKI, in hexadecimal. */
  readonly fingerprint: string;
  readonly keyId: string;
  readonly vkey: string;
}

/** @throws I/O errors of the file or stream; never for what it holds */
export async function verifyBundle(source: string | AsyncIterable<Uint8Array>, options: VerifyBundleOptions = {}): Promise<BundleCheck> {
  const lines = new LineReader(typeof source === 'string' ? (createReadStream(source, { highWaterMark: 1 << 18 }) as AsyncIterable<Uint8Array>) : source);
  try {
    return { valid: true, ...(await check(lines, options)) };
  } catch (error) {
    if (error instanceof Invalid) return { valid: false, reason: error.message, ...(error.sequence === undefined ? {} : { sequence: error.sequence }) };
    throw error;
  } finally {
    await lines.close();
  }
}

class Invalid extends Error {
  readonly sequence: number | undefined;

  constructor(reason: string, sequence?: number) {
    super(reason);
    this.sequence = sequence;
  }
}

async function check(lines: LineReader, options: VerifyBundleOptions): Promise<BundleFacts> {
  const headerLine = await line(lines, MAX_FRAME_BYTES, 'its header');
  const header = attempt(() => parseHeader(utf8Decode(headerLine)));
  const headerSha256 = sha256(Buffer.concat([headerLine, Buffer.from('\n')]));

  const entries = await readEntries(lines, header, options.onProgress);

  const manifestLine = await line(lines, MAX_FRAME_BYTES, 'its manifest');
  const manifest = attempt(() => parseManifest(utf8Decode(manifestLine)));
  if (!(await lines.atEnd())) throw new Invalid('bytes follow the manifest');
  if (!equalBytes(manifest.headerSha256, headerSha256)) throw new Invalid('headerSha256 is not that of the header');
  if (!equalBytes(manifest.entriesSha256, entries.sha256)) throw new Invalid('entriesSha256 is not that of the entries');
  if (!equalBytes(manifest.lastEntryHash, entries.lastEntryHash)) throw new Invalid('lastEntryHash is not the hash the entries lead to');
  const rangeRoot = frontierRoot(entries.frontier);
  if (!equalBytes(manifest.rangeRoot, rangeRoot)) throw new Invalid('rangeRoot is not the root the entries lead to');

  const { checkpoint, signers } = openSigned(header, manifest, entries.lastReceivedAt, options);
  if (!verifyConsistency(header.to + 1, checkpoint.size, rangeRoot, checkpoint.root, manifest.consistencyProof)) {
    throw new Invalid(`the range is not shown to lie in the signed tree of size ${checkpoint.size}`);
  }
  const publicKeys = signers.map(describe);
  const given = options.trustedKeys !== undefined && options.trustedKeys.length > 0;
  return {
    chainId: header.chainId,
    deployment: header.deployment,
    range: { from: header.from, to: header.to },
    count: header.to - header.from + 1,
    firstReceivedAt: entries.firstReceivedAt,
    lastReceivedAt: entries.lastReceivedAt,
    lastEntryHash: hexEncode(entries.lastEntryHash),
    rangeRoot: hexEncode(rangeRoot),
    createdAt: header.createdAt,
    checkpoint: { size: checkpoint.size, rootHash: hexEncode(checkpoint.root), note: manifest.checkpoint },
    publicKeys,
    trust: given ? 'given' : 'bundle',
    statement: given
      ? 'Signed by a key that was given from outside the bundle.'
      : `Self-signed evidence: the bundle was checked with the key it brings along. Compare this key with one from elsewhere: ${publicKeys.map((key) => key.fingerprint).join(', ')}.`,
  };
}

interface Entries {
  readonly sha256: Uint8Array;
  readonly lastEntryHash: Uint8Array;
  readonly frontier: Frontier;
  readonly firstReceivedAt: string;
  readonly lastReceivedAt: string;
}

/** Leaves hashed into the tree at a time. */
const BATCH = 1_000;

async function readEntries(lines: LineReader, header: BundleHeader, onProgress: VerifyBundleOptions['onProgress']): Promise<Entries> {
  const { from, to, chainId } = header;
  const digest = createHash('sha256');
  const leaf = Buffer.alloc(1 + HASH_BYTES + MAX_PAYLOAD_BYTES + 1);
  leaf.set(header.prevHash, 1);
  let frontier: Frontier = { size: from, hashes: header.frontier };
  let batch = Buffer.alloc(BATCH * HASH_BYTES);
  let held = 0;
  const flush = (): void => {
    frontier = new TreeExtension(frontier, batch.subarray(0, held * HASH_BYTES)).frontier();
    batch = Buffer.alloc(BATCH * HASH_BYTES);
    held = 0;
  };
  let firstReceivedAt = '';
  let lastReceivedAt = '';
  for (let sequence = from; sequence <= to; sequence++) {
    const payload = await line(lines, MAX_PAYLOAD_BYTES, `entry ${sequence}`, sequence);
    lastReceivedAt = receivedAt(payload, chainId, sequence, lastReceivedAt);
    if (sequence === from) firstReceivedAt = lastReceivedAt;
    const end = 1 + HASH_BYTES + payload.length;
    leaf.set(payload, 1 + HASH_BYTES);
    leaf[end] = 0x0a;
    digest.update(leaf.subarray(1 + HASH_BYTES, end + 1));
    batch.set(sha256(leaf.subarray(0, end)), held * HASH_BYTES);
    leaf.set(sha256(leaf.subarray(1, end)), 1);
    held += 1;
    if (held === BATCH) {
      flush();
      onProgress?.(sequence + 1 - from, to + 1 - from);
    }
  }
  if (held > 0) flush();
  onProgress?.(to + 1 - from, to + 1 - from);
  return { sha256: digest.digest(), lastEntryHash: Buffer.from(leaf.subarray(1, 1 + HASH_BYTES)), frontier, firstReceivedAt, lastReceivedAt };
}

function receivedAt(payload: Uint8Array, chainId: string, sequence: number, previous: string): string {
  const envelope = readPayload(attempt(() => utf8Decode(payload), sequence));
  if (envelope === undefined) throw new Invalid(`entry ${sequence} is no entry`, sequence);
  if (envelope.chainId !== chainId) throw new Invalid(`entry ${sequence} is of chain ${envelope.chainId}`, sequence);
  if (envelope.sequence !== sequence) throw new Invalid(`entry ${sequence} says it is ${envelope.sequence}`, sequence);
  if (envelope.receivedAt < previous) throw new Invalid(`entry ${sequence} was received before the one before it`, sequence);
  return envelope.receivedAt;
}

function openSigned(
  header: BundleHeader,
  manifest: BundleManifest,
  lastReceivedAt: string,
  { trustedKeys = [], deployment = header.deployment }: VerifyBundleOptions,
): { readonly checkpoint: Checkpoint; readonly signers: readonly NoteKey[] } {
  if (header.deployment !== deployment) throw new Invalid(`the bundle is of deployment ${header.deployment}, expected ${deployment}`);
  const origin = originOf(deployment, header.chainId);
  const roots: readonly GivenKey[] = trustedKeys.length > 0 ? trustedKeys : header.publicKeys.map((publicKey) => ({ publicKey }));
  const keys = publicKeysFrom(roots, deployment, origin, header.certified).map((publicKey) => noteKey(origin, publicKey));
  const opened = attempt(() => openCheckpoint(manifest.checkpoint, keys));
  if (opened === undefined) throw new Invalid(trustedKeys.length > 0 ? 'the checkpoint is not signed by a trusted key' : 'the checkpoint is not signed by a key of the bundle');
  if (opened.checkpoint.origin !== origin) throw new Invalid(`the checkpoint is of ${opened.checkpoint.origin}, expected ${origin}`);
  // A checkpoint has no time of its own, but none that covers the range is older than its last entry.
  const signers = opened.signers.filter(({ publicKey: { validity } }) => validity === undefined || lastReceivedAt <= validity.notAfter);
  if (signers.length === 0) throw new Invalid(`the range ends at ${lastReceivedAt}, when the key that signed the checkpoint was delegated no longer`);
  return { checkpoint: opened.checkpoint, signers };
}

function describe(key: NoteKey): BundleKey {
  const { algorithm, spki } = key.publicKey;
  return { algorithm, publicKey: base64Encode(spki), fingerprint: sha256Hex(spki), keyId: key.keyId, vkey: formatVkey(key) };
}

async function line(lines: LineReader, limit: number, what: string, sequence?: number): Promise<Uint8Array> {
  let found: Uint8Array | undefined;
  try {
    found = await lines.next(limit);
  } catch (error) {
    if (error instanceof LineTooLongError) throw new Invalid(`${what}: ${error.message}`, sequence);
    throw error;
  }
  if (found === undefined) throw new Invalid(`the file ends before ${what}`, sequence);
  return found;
}

/** What hostile text can throw is about the text. */
function attempt<T>(read: () => T, sequence?: number): T {
  try {
    return read();
  } catch (error) {
    throw new Invalid((error as Error).message, sequence);
  }
}
