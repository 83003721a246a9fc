/**
 * When a signature counts, and the one form of an ECDSA P-256 signature. With (r, s) also (r, n − s) is a signature of the same message by the
 * same key, and anybody can compute it: a stored segment would have a second valid form. So s has to be in the lower
 * half ("low s"), and signers whose library or service leaves that open bring it there.
 *
 * Works on DER (RFC 3279 §2.2.3): SEQUENCE { INTEGER r, INTEGER s }, whose lengths here all fit one byte.
 */
import { hexEncode, verifySignature } from '#platform';
import type { PublicKey } from './public-key.js';

const P256_N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const HALF_N = P256_N >> 1n;

/** Whether `signature` is that of the key over `message`, in its one form. Hostile input: never throws. */
export function isSignatureBy({ algorithm, spki }: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  return (algorithm === 'ed25519' || hasLowS(signature)) && verifySignature(algorithm, spki, message, signature);
}

/** Whether s is in the lower half. False for what is no such DER; whether the rest of it is right is not looked at. */
export function hasLowS(der: Uint8Array): boolean {
  const integers = readIntegers(der);
  return integers !== undefined && integers.s <= HALF_N;
}

/** The same signature with s in the lower half. What is no signature comes back as it is. */
export function withLowS(der: Uint8Array): Uint8Array {
  const integers = readIntegers(der);
  if (integers === undefined || integers.s <= HALF_N || integers.s >= P256_N) return der;
  const body = [...writeInteger(integers.r), ...writeInteger(P256_N - integers.s)];
  return Uint8Array.from([0x30, body.length, ...body]);
}

function readIntegers(der: Uint8Array): { readonly r: bigint; readonly s: bigint } | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const rEnd = 4 + (der[3] ?? 0);
  const sEnd = rEnd + 2 + (der[rEnd + 1] ?? 0);
  if (der[2] !== 0x02 || der[rEnd] !== 0x02 || sEnd !== der.length || rEnd === 4 || sEnd === rEnd + 2) return undefined;
  return { r: bigEndian(der.subarray(4, rEnd)), s: bigEndian(der.subarray(rEnd + 2)) };
}

function bigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${hexEncode(bytes)}`);
}

/** Minimal, and with a zero in front where the first bit is set, which would mean a negative number. */
function writeInteger(value: bigint): readonly number[] {
  const hex = value.toString(16);
  const bytes = (hex.length % 2 === 0 ? hex : `0${hex}`).match(/../g)?.map((byte) => Number.parseInt(byte, 16)) ?? [];
  const body = (bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : bytes;
  return [0x02, body.length, ...body];
}
