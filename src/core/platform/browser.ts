/** The core's primitives without Node, on the noble libraries. See node.ts. */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';

export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}

export function sha256Into(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  target.set(nobleSha256(bytes), offset);
}

export function sha256Binary(bytes: Uint8Array): string {
  return binarySlice(nobleSha256(bytes), 0, 32);
}

export function binaryInto(text: string, target: Uint8Array, offset: number): void {
  for (let i = 0; i < text.length; i++) target[offset + i] = text.charCodeAt(i);
}

export function binaryBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function binarySlice(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  // In pieces: the arguments of one call have a limit.
  for (let at = start; at < end; at += 1_000) text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + 1_000)));
  return text;
}

export function quick(bytes: Uint8Array): Uint8Array {
  return bytes;
}

export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(nobleSha256(bytes));
}

export function allocate(length: number): Uint8Array {
  return new Uint8Array(length);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

export function utf8Into(text: string, target: Uint8Array, offset: number): number {
  return encoder.encodeInto(text, target.subarray(offset)).written;
}

export function utf8Encode(text: string): Uint8Array {
  return encoder.encode(text);
}

export function utf8Decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function hexEncode(bytes: Uint8Array): string {
  return bytesToHex(bytes);
}

export function hexDecode(text: string): Uint8Array {
  return hexToBytes(text);
}

export function base64Encode(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function base64Decode(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    // Same as Node's lenient decoder: the caller finds out by encoding again.
    return new Uint8Array(0);
  }
}

/** The fixed DER prefixes of the two SPKI forms (RFC 8410 §4; RFC 5480 §2.1.1 with an uncompressed point). */
const ED25519_SPKI_PREFIX = '302a300506032b6570032100';
const P256_SPKI_PREFIX = '3059301306072a8648ce3d020106082a8648ce3d030107034200';

export function verifySignature(
  algorithm: 'ed25519' | 'ecdsa-p256',
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const hex = bytesToHex(spki);
  try {
    if (algorithm === 'ed25519') {
      if (!hex.startsWith(ED25519_SPKI_PREFIX) || spki.length !== 44) return false;
      return ed25519.verify(signature, message, spki.subarray(12), { zip215: false });
    }
    if (!hex.startsWith(P256_SPKI_PREFIX) || spki.length !== 91) return false;
    return p256.verify(signature, message, spki.subarray(26), { format: 'der', lowS: false });
  } catch {
    return false;
  }
}
