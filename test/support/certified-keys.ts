/** Certificates for tests: who vouches for which key. */
import { certificateText, certifiedKeyObject, fingerprintOf, rootKeyObject } from '#indelible/core/key-object.js';
import type { KeyDraft } from '#indelible/core/key-object.js';
import { canonicalize } from '#indelible/core/canonical.js';
import { TEST_DEPLOYMENT } from './chain-builder.js';
import type { TestKey } from './chain-builder.js';

export const CREATED_AT = '2026-01-01T00:00:00.000000Z';

export function keyName(key: TestKey): string {
  return `keys/${fingerprintOf(key.publicKey)}.json`;
}

export function rootObject(key: TestKey): string {
  return rootKeyObject(key.publicKey, CREATED_AT);
}

export function rotated(by: TestKey, next: TestKey, change: Partial<KeyDraft> = {}): string {
  return sealed(by, { publicKey: next.publicKey, createdAt: CREATED_AT, purpose: 'rotation', certifiedBy: fingerprintOf(by.publicKey), deployment: TEST_DEPLOYMENT, ...change });
}

export function delegated(by: TestKey, next: TestKey, notBefore: string, notAfter: string, change: Partial<KeyDraft> = {}): string {
  return rotated(by, next, { purpose: 'delegated', validity: { notBefore, notAfter }, ...change });
}

function sealed(by: TestKey, draft: KeyDraft): string {
  return certifiedKeyObject(draft, by.signNow(Buffer.from(certificateText(draft))));
}

/** What a new deployment states of itself. */
export function rootedDeployment(root: TestKey): string {
  return canonicalize({ createdAt: CREATED_AT, deployment: TEST_DEPLOYMENT, format: 'indelible/deployment/v2', rootKey: fingerprintOf(root.publicKey) });
}
