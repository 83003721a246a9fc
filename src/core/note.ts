/**
 * C2SP signed notes (c2sp.org/signed-note@v1.0.0) and the keys that sign them.
 *
 * A note arrives from outside: every field is hostile until its signature is checked.
 */
import { base64Decode, base64Encode, hexEncode, sha256, utf8Encode } from '#platform';
import { ED25519_SPKI_PREFIX, publicKeyFault } from './public-key.js';
import type { PublicKey, TrustedKey } from './public-key.js';
import { isSignatureBy } from './signature.js';

export type { PublicKey, TrustedKey } from './public-key.js';

/** A public key under the name it signs with; for us the name is a chain's origin. */
export interface NoteKey {
  readonly name: string;
  /** 8 lowercase hexadecimal digits. */
  readonly keyId: string;
  readonly publicKey: TrustedKey;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** The signed text; ends with a line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** The text is not a well-formed note, vkey or checkpoint. The message names the rule. */
export class NoteFormatError extends Error {
  override readonly name = 'NoteFormatError';
}

const TYPE_ED25519 = 0x01;
const TYPE_ECDSA = 0x02;
/** signed-note: verifiers MUST accept at least 16 and SHOULD cap. */
const MAX_SIGNATURES = 100;

/** @throws RangeError if `raw` is not 32 bytes */
export function ed25519PublicKey(raw: Uint8Array): PublicKey {
  if (raw.length !== 32) throw new RangeError(`"raw" expected 32 bytes, got ${raw.length}`);
  return { algorithm: 'ed25519', spki: concat(ED25519_SPKI_PREFIX, raw) };
}

function keyMaterial(key: PublicKey): Uint8Array {
  return key.algorithm === 'ed25519'
    ? concat(Uint8Array.of(TYPE_ED25519), key.spki.subarray(ED25519_SPKI_PREFIX.length))
    : concat(Uint8Array.of(TYPE_ECDSA), key.spki);
}

/** signed-note "Key ID": the ECDSA one is over the DER SPKI alone, so the name does not enter it. */
export function noteKey(name: string, publicKey: TrustedKey): NoteKey {
  const digest =
    publicKey.algorithm === 'ed25519'
      ? sha256(concat(utf8Encode(`${name}\n`), keyMaterial(publicKey)))
      : sha256(publicKey.spki);
  return { name, keyId: hexEncode(digest.subarray(0, 4)), publicKey };
}

/** `<name>+<key ID>+<base64 of type byte and key>` */
export function formatVkey(key: NoteKey): string {
  return `${key.name}+${key.keyId}+${base64Encode(keyMaterial(key.publicKey))}`;
}

/** @throws NoteFormatError */
export function parseVkey(vkey: string): NoteKey {
  // base64 may hold '+', a name may not: only the first two separate.
  const first = vkey.indexOf('+');
  const second = vkey.indexOf('+', first + 1);
  if (first <= 0 || second < 0) throw new NoteFormatError('vkey: expected <name>+<key ID>+<base64 key>');
  const name = vkey.slice(0, first);
  const material = strictBase64(vkey.slice(second + 1), 'vkey');
  let publicKey: PublicKey;
  if (material[0] === TYPE_ED25519 && material.length === 33) {
    publicKey = ed25519PublicKey(material.subarray(1));
  } else if (material[0] === TYPE_ECDSA) {
    publicKey = { algorithm: 'ecdsa-p256', spki: material.slice(1) };
  } else {
    throw new NoteFormatError(`vkey: key type 0x${(material[0] ?? 0).toString(16)} is not Ed25519 or ECDSA P-256`);
  }
  const fault = publicKeyFault(publicKey);
  if (fault !== undefined) throw new NoteFormatError(`vkey: ${fault}`);
  const key = noteKey(name, publicKey);
  if (key.keyId !== vkey.slice(first + 1, second)) {
    throw new NoteFormatError(`vkey: key ID ${vkey.slice(first + 1, second)} expected ${key.keyId}`);
  }
  return key;
}

/** The whole note: `text` (must end with a line feed) and one line a signature. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  let note = `${text}\n`;
  for (const { name, keyId, signature } of signatures) {
    const blob = new Uint8Array(4 + signature.length);
    for (let i = 0; i < 4; i++) blob[i] = Number.parseInt(keyId.slice(2 * i, 2 * i + 2), 16);
    blob.set(signature, 4);
    note += `— ${name} ${base64Encode(blob)}\n`;
  }
  return note;
}

/** Form only; nothing is verified. @throws NoteFormatError */
export function parseNote(note: string): SignedNote {
  // The text may hold empty lines itself: the signatures follow the last one.
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw new NoteFormatError('note: no empty line before the signatures');
  const text = note.slice(0, split + 1);
  // eslint-disable-next-line no-control-regex -- the specification forbids exactly these
  if (/[\x00-\x09\x0b-\x1f]/.test(note)) throw new NoteFormatError('note: control character');
  const tail = note.slice(split + 2);
  if (!tail.endsWith('\n')) throw new NoteFormatError('note: no line feed at the end');
  const lines = tail.slice(0, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new NoteFormatError(`note: more than ${MAX_SIGNATURES} signatures`);
  const signatures = lines.map((line) => {
    const match = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/u.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) throw new NoteFormatError('note: malformed signature line');
    const blob = strictBase64(match[2], 'note signature');
    if (blob.length < 5) throw new NoteFormatError('note: signature too short');
    return { name: match[1], keyId: hexEncode(blob.subarray(0, 4)), signature: blob.slice(4) };
  });
  return { text, signatures };
}

/**
 * The keys of `trusted` by which the note is signed. A signature of an unknown key is ignored; a wrong
 * one of a known key spoils the note (signed-note, "Verifiers").
 */
export function noteSigners(note: SignedNote, trusted: readonly NoteKey[]): readonly NoteKey[] {
  const signers: NoteKey[] = [];
  const message = utf8Encode(note.text);
  for (const { name, keyId, signature } of note.signatures) {
    // A key ID has 32 bits: of some ten thousand delegated keys, two may well share one.
    const candidates = trusted.filter((candidate) => candidate.keyId === keyId && candidate.name === name);
    if (candidates.length === 0) continue;
    const key = candidates.find((candidate) => isSignatureBy(candidate.publicKey, message, signature));
    if (key === undefined) return [];
    signers.push(key);
  }
  return signers;
}

/** Rejects what a lenient decoder lets through: white space, missing padding, stray bits in the last digit. */
export function strictBase64(text: string, label: string): Uint8Array {
  const bytes = base64Decode(text);
  if (base64Encode(bytes) !== text) throw new NoteFormatError(`${label}: not canonical base64`);
  return bytes;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
