/**
 * Whether bytes are a public key that may be trusted at all: the two SPKI forms, and points that are on the
 * curve and not of small order. Some libraries take any bytes for an Ed25519 key, and there are points under
 * which anything can be signed.
 */
import { hexDecode, hexEncode } from '#platform';

export interface PublicKey {
  readonly algorithm: 'ed25519' | 'ecdsa-p256';
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

/** Between which times, both inclusive, a key may have signed: as `receivedAt` has them, 27 characters each. */
export interface Validity {
  readonly notBefore: string;
  readonly notAfter: string;
}

/** A key that may sign checkpoints; a delegated one only within its time (docs/format.md §6.1). */
export interface TrustedKey extends PublicKey {
  readonly validity?: Validity;
}

/** RFC 8410 §4: an Ed25519 SPKI is this prefix and the 32-byte key. */
export const ED25519_SPKI_PREFIX: Uint8Array = hexDecode('302a300506032b6570032100');
/** RFC 5480 §2.1.1: id-ecPublicKey, prime256v1, a bit string with an uncompressed point. */
const P256_SPKI_PREFIX = hexDecode('3059301306072a8648ce3d020106082a8648ce3d03010703420004');

/** What is wrong with the key; `undefined` if nothing is. */
export function publicKeyFault({ algorithm, spki }: PublicKey): string | undefined {
  return algorithm === 'ed25519' ? ed25519Fault(spki) : p256Fault(spki);
}

/** The key in a SubjectPublicKeyInfo of either form, or what is wrong with it. */
export function readPublicKey(spki: Uint8Array): PublicKey | string {
  const key: PublicKey = { algorithm: startsWith(spki, P256_SPKI_PREFIX) ? 'ecdsa-p256' : 'ed25519', spki };
  return publicKeyFault(key) ?? key;
}

// RFC 8032 §5.1: the curve −x² + y² = 1 + d·x²·y² over the integers modulo p.
const ED_P = 2n ** 255n - 19n;
const ED_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
/** y of the eight points whose order divides 8; test/core/public-key.test.ts derives them anew. */
const SMALL_ORDER_Y: readonly bigint[] = [
  0n,
  1n,
  ED_P - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
];

function ed25519Fault(spki: Uint8Array): string | undefined {
  if (spki.length !== 44 || !startsWith(spki, ED25519_SPKI_PREFIX)) return 'not the SubjectPublicKeyInfo of an Ed25519 key';
  const encoded = littleEndian(spki.subarray(12));
  const sign = encoded >> 255n;
  const y = encoded & (2n ** 255n - 1n);
  if (y >= ED_P) return 'not a canonical Ed25519 point';
  if (SMALL_ORDER_Y.includes(y)) return 'an Ed25519 point of small order';
  // §5.1.3: x² = (y² − 1) / (d·y² + 1) must be a square; Euler's criterion says whether u·v is one.
  const u = modulo(y * y - 1n, ED_P);
  const v = modulo(ED_D * y * y + 1n, ED_P);
  if (u === 0n) return sign === 0n ? undefined : 'not a canonical Ed25519 point';
  return power(modulo(u * v, ED_P), (ED_P - 1n) / 2n, ED_P) === 1n ? undefined : 'not a point of the Ed25519 curve';
}

// FIPS 186-5, P-256: y² = x³ − 3x + b.
const P256_P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

function p256Fault(spki: Uint8Array): string | undefined {
  if (spki.length !== 91 || !startsWith(spki, P256_SPKI_PREFIX)) return 'not the SubjectPublicKeyInfo of a P-256 key with an uncompressed point';
  const x = bigEndian(spki.subarray(27, 59));
  const y = bigEndian(spki.subarray(59));
  if (x >= P256_P || y >= P256_P || modulo(y * y - (x * x * x - 3n * x + P256_B), P256_P) !== 0n) return 'not a point of the P-256 curve';
  return undefined;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

function bigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${hexEncode(bytes)}`);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bigEndian(Uint8Array.from(bytes).reverse());
}

function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
