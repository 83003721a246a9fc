/** The chain that several of these tests judge, and the call that judges it. */
import type { StoreReader } from '#indelible/storage/worm-store.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import type { VerifyChainOptions } from '#indelible/verification/verify-chain.js';
import { buildSegments, storeObjects } from '../support/chain-builder.js';

export const chainId = 'orders';
export const segments = buildSegments({ chainId, counts: [4, 1, 7, 2, 3, 3] });
export const size = segments.at(-1)!.head.size;
export const objects = storeObjects([segments]);

export function verify(store: StoreReader, options: Partial<VerifyChainOptions> = {}): Promise<VerificationReport> {
  return verifyChain({ store, chainId, ...options });
}
