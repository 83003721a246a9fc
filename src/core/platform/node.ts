/**
 * The few primitives the core takes from its host, for Node. The browser's are in browser.ts; package.json
 * chooses. Same functions, same results: test/core/platform.test.ts holds them against each other.
 */
import { createPublicKey, hash, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** SHA-256 (FIPS 180-4) as 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');
}

/**
 * Writes SHA-256(bytes) at `offset` of `target`. Through a Latin-1 string, because a one-shot hash that
 * returns a Buffer costs twice as much (a native allocation each); measured, see docs/performance.md.
 */
export function sha256Into(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  (target as Buffer).write(hash('sha256', bytes, 'binary'), offset, 32, 'latin1');
}

/**
 * SHA-256 as a string of 32 characters, one a byte: the cheapest form Node gives it in, and what inner loops
 * pass around. `binaryBytes` makes bytes of it.
 */
export function sha256Binary(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'binary');
}

/** Writes a string of bytes at `offset` of `target`, which `allocate` made. */
export function binaryInto(text: string, target: Uint8Array, offset: number): void {
  (target as Latin1Buffer).latin1Write(text, offset, text.length);
}

/** The bytes of a string of bytes. */
export function binaryBytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** bytes[start, end) as a string of bytes; `bytes` is one that `quick` made. */
export function binarySlice(bytes: Uint8Array, start: number, end: number): string {
  return (bytes as Latin1Buffer).latin1Slice(start, end);
}

/** The same bytes, not copied, in the form on which `indexOf` and `binarySlice` are quick. */
export function quick(bytes: Uint8Array): Uint8Array {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** What Buffer.write and Buffer.toString come down to, without the way there. */
interface Latin1Buffer extends Buffer {
  latin1Write(text: string, offset: number, length: number): number;
  latin1Slice(start: number, end: number): string;
}

/** SHA-256 as 64 lowercase hexadecimal digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** A zeroed byte array on which `sha256Into` works. */
export function allocate(length: number): Uint8Array {
  return Buffer.alloc(length);
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Writes `text` at `offset` and returns the number of bytes; there must be room for all. */
export function utf8Into(text: string, target: Uint8Array, offset: number): number {
  return (target as Buffer).write(text, offset, 'utf8');
}

export function utf8Encode(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws TypeError if the bytes are not valid UTF-8 */
export function utf8Decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function hexEncode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Lenient: callers check the form first (`parseHash`). */
export function hexDecode(text: string): Uint8Array {
  return Buffer.from(text, 'hex');
}

export function base64Encode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Lenient: callers check that the result encodes to the same text. */
export function base64Decode(text: string): Uint8Array {
  return Buffer.from(text, 'base64');
}

/** `spki` is DER SubjectPublicKeyInfo. False for a wrong signature *and* for a key that can't be read. */
export function verifySignature(
  algorithm: 'ed25519' | 'ecdsa-p256',
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const key = keyObject(spki);
    if (algorithm === 'ed25519') {
      return key.asymmetricKeyType === 'ed25519' && verify(null, message, key, signature);
    }
    return (
      key.asymmetricKeyType === 'ec' &&
      key.asymmetricKeyDetails?.namedCurve === 'prime256v1' &&
      verify('sha256', message, key, signature)
    );
  } catch {
    return false;
  }
}

/** Reading a key costs as much as half a signature, and a chain is signed by few. */
const keyObjects = new Map<string, KeyObject>();
const MAX_KEY_OBJECTS = 100;

function keyObject(spki: Uint8Array): KeyObject {
  const name = hexEncode(spki);
  let key = keyObjects.get(name);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    if (keyObjects.size >= MAX_KEY_OBJECTS) keyObjects.clear();
    keyObjects.set(name, key);
  }
  return key;
}
