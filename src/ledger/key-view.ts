/** The deployment's keys as people and programs are shown them. */
import { base64Encode } from '#platform';
import { originOf } from '../core/chain.js';
import type { KnownKey } from '../core/key-object.js';
import { formatVkey, noteKey } from '../core/note.js';
import type { ChainTrust } from './trust.js';

export interface KeyView {
  readonly algorithm: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal. */
  readonly fingerprint: string;
  /** Base64 of the DER SubjectPublicKeyInfo. */
  readonly publicKey: string;
  /** `root`: needs nobody to vouch for it; `rotation`: may do all its certifier may; `delegated`: signs for a while. */
  readonly purpose: KnownKey['purpose'];
  readonly createdAt?: string;
  /** Fingerprint of the key that vouches for it. */
  readonly certifiedBy?: string;
  readonly notBefore?: string;
  readonly notAfter?: string;
  /** The key object with its certificate, exactly as stored. */
  readonly certificate?: string;
  /** Of the chain asked for. */
  readonly vkey?: string;
}

/** Roots first; each other key behind the one that vouches for it. */
export function keyViews(trust: ChainTrust, chainId: string | undefined): readonly KeyView[] {
  return trust.keys.map(({ fingerprint, publicKey, purpose, statement }) => ({
    algorithm: publicKey.algorithm,
    fingerprint,
    publicKey: base64Encode(publicKey.spki),
    purpose,
    ...(statement !== undefined && { createdAt: statement.createdAt }),
    ...(statement?.certificate !== undefined && { certifiedBy: statement.certificate.certifiedBy, certificate: statement.text }),
    ...publicKey.validity,
    ...(chainId !== undefined && { vkey: formatVkey(noteKey(originOf(trust.deployment, chainId), publicKey)) }),
  }));
}
