/**
 * Signs checkpoints. Obligations: `sign` may be called many times at once; the private key never leaves
 * the adapter, never appears in an error or a log; a signature verifies under `publicKey` or `sign`
 * throws (a key changed behind our back must stop the writer, not produce a chain nobody can check).
 */
export interface Signer {
  readonly kind: 'local' | 'kms';
  readonly publicKey: PublicKey;
  /** `message`: 1 to 4,096 bytes, which is what KMS takes. Ed25519: 64 bytes over it. ECDSA P-256: ASN.1 DER over SHA-256(message), s in the lower half. @throws SignerError */
  sign(message: Uint8Array): Promise<Uint8Array>;
  /**
   * Where another key than `publicKey` signs segments: the one for a segment whose last entry was received at
   * `receivedAt`. It is stated in the store already. @throws SignerError
   */
  keyFor?(receivedAt: string): Promise<SegmentKey>;
  /** Lets go of connections. */
  close?(): void;
}

/** A key that signs segments. */
export interface SegmentKey {
  readonly publicKey: TrustedKey;
  /** As that of a signer. @throws SignerError */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export type { PublicKey } from '../core/note.js';
import type { PublicKey, TrustedKey } from '../core/note.js';

export class SignerError extends Error {
  override readonly name = 'SignerError';
}
