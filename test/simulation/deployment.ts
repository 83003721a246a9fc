/** The one chain and the one key of all runs, and what the key has signed. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { originOf, parseSegmentKey } from '#indelible/core/chain.js';
import { noteKey } from '#indelible/core/note.js';
import type { PublicKey } from '#indelible/core/note.js';
import { verifySegment } from '#indelible/core/verify-segment.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Signer } from '#indelible/signing/signer.js';
import type { Retention } from '#indelible/storage/worm-store.js';
import type { DiskVersion } from './world.js';

export const CHAIN = 'orders';
export const DEPLOYMENT = 'simulation';
/** A fixed key: RFC 8032 test vector 1. */
const PRIVATE_KEY = createPrivateKey({
  key: Buffer.from('302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'),
  format: 'der',
  type: 'pkcs8',
});
const PUBLIC_KEY: PublicKey = { algorithm: 'ed25519', spki: createPublicKey(PRIVATE_KEY).export({ format: 'der', type: 'spki' }) };
export const SIGNER: Signer = { kind: 'local', publicKey: PUBLIC_KEY, sign: (message) => Promise.resolve(sign(null, message, PRIVATE_KEY)) };
export const TRUST = new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]);
export const KEY = noteKey(originOf(DEPLOYMENT, CHAIN), PUBLIC_KEY);
export const RETENTION: Retention = { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' };

const sizes = new WeakMap<DiskVersion, { readonly size: number | undefined }>();

/** Entries the chain had after the segment, if a key of the deployment signed this version for the place it is at. */
export function signedSize(name: string, version: DiskVersion): number | undefined {
  const known = sizes.get(version);
  if (known !== undefined) return known.size;
  const place = version.deleteMarker ? undefined : parseSegmentKey(name);
  const verified = place && verifySegment(version.bytes, { deployment: DEPLOYMENT, chainId: CHAIN, firstSequence: place.firstSequence }, [KEY]);
  const size = verified?.outcome === 'valid' ? verified.after.size : undefined;
  sizes.set(version, { size });
  return size;
}
