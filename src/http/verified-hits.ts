/**
 * Search hits held against the log. The index is derived and may be wrong, or may have been made wrong; an answer
 * that is to be relied on is made from the WORM store, with the receipt that proves each entry.
 */
import { isDeepStrictEqual } from 'node:util';
import { isChainId } from '../core/chain.js';
import type { Receipt } from '../core/receipt.js';
import { LedgerError } from '../ledger/errors.js';
import type { Ledger } from '../ledger/ledger.js';
import { searchDocument } from '../search/document.js';
import type { SearchDocument } from '../search/search-index.js';

export interface VerifiedHits {
  /** As the log has them. */
  readonly hits: readonly (SearchDocument & { readonly receipt: Receipt })[];
  /** What the index claims and the log does not. */
  readonly contradicted: readonly { readonly chainId: string; readonly sequence: number; readonly reason: string }[];
}

/** @throws LedgerError, StoreError where the log can't be asked: that is not the same as a contradiction */
export async function verifyHits(ledger: Ledger, claimed: readonly SearchDocument[]): Promise<VerifiedHits> {
  const hits: (SearchDocument & { receipt: Receipt })[] = [];
  const contradicted: { chainId: string; sequence: number; reason: string }[] = [];
  for (const claim of claimed) {
    const { chainId, sequence } = claim;
    const receipt = isChainId(chainId) ? await receiptOf(ledger, chainId, sequence) : undefined;
    if (receipt === undefined) contradicted.push({ chainId, sequence, reason: 'the log has no such entry' });
    else if (isDeepStrictEqual(searchDocument(receipt.payload), claim)) hits.push({ ...claim, receipt });
    else contradicted.push({ chainId, sequence, reason: 'the log says something else of this entry' });
  }
  return { hits, contradicted };
}

async function receiptOf(ledger: Ledger, chainId: string, sequence: number): Promise<Receipt | undefined> {
  try {
    return await ledger.receipt(chainId, sequence);
  } catch (error) {
    if (error instanceof LedgerError && (error.code === 'entry_not_found' || error.code === 'chain_not_found')) return undefined;
    throw error;
  }
}
