/** Verifies every chain of a store, and those that evidence speaks of and the store does not hold. */
import { availableParallelism } from 'node:os';
import { isChainId } from '../core/chain.js';
import type { Verdict } from '../core/findings.js';
import { chainIds } from '../ledger/reader.js';
import { WorkerPool } from './executor.js';
import type { VerificationReport } from './report.js';
import { readStatements } from './trust.js';
import type { StoreStatements } from './trust.js';
import { verifyChain } from './verify-chain.js';
import type { VerifyChainOptions } from './verify-chain.js';

export interface VerifyAllOptions extends Omit<VerifyChainOptions, 'chainId' | 'from' | 'to' | 'mark' | 'pool' | 'stated'> {
  /** The mark of a chain, to begin where it ends. */
  readonly mark?: (chainId: string) => Promise<string | undefined>;
}

/**
 * One report a chain, in order of chain ids. A store without any chain yields nothing: what that means, the
 * caller knows.
 */
export async function* verifyAll(options: VerifyAllOptions): AsyncGenerator<VerificationReport> {
  const { mark, config, workers, ...common } = options;
  // Threads are shared by the chains, and start when the first chain is long enough to need them.
  const pool = config === undefined || workers === 0 ? undefined : new WorkerPool(config, workers ?? availableParallelism());
  const unseen = new Set((options.against ?? []).map(({ origin }) => origin.slice(origin.lastIndexOf('/') + 1)).filter(isChainId));
  const verify = async (chainId: string, stated: StoreStatements): Promise<VerificationReport> => {
    unseen.delete(chainId);
    const note = await mark?.(chainId);
    return verifyChain({ ...common, stated, chainId, ...(note === undefined ? {} : { mark: note }), ...(pool === undefined ? {} : { pool }) });
  };
  try {
    const stated = await readStatements(options.store);
    for await (const chainId of chainIds(options.store)) yield await verify(chainId, stated);
    for (const chainId of [...unseen].sort()) yield await verify(chainId, stated);
  } finally {
    await pool?.close();
  }
}

/** That of all chains together: tampered weighs most, then incomplete, then indeterminate. */
export function worstVerdict(verdicts: Iterable<Verdict>): Verdict {
  const order: readonly Verdict[] = ['intact', 'indeterminate', 'incomplete', 'tampered'];
  let worst = 0;
  for (const verdict of verdicts) worst = Math.max(worst, order.indexOf(verdict));
  return order[worst] as Verdict;
}
