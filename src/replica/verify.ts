/** Verifies chains of the first bucket, each held against the second. */
import { isChainId } from '../core/chain.js';
import { verdictOf } from '../core/findings.js';
import { chainIds } from '../ledger/reader.js';
import { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';
import type { VerificationReport } from '../verification/report.js';
import { resolveTrust } from '../verification/trust.js';
import { worstVerdict } from '../verification/verify-all.js';
import { verifyChain } from '../verification/verify-chain.js';
import type { VerifyChainOptions } from '../verification/verify-chain.js';
import { compareChain, evidenceOf } from './compare.js';
import type { Comparison } from './compare.js';

export interface VerifyAgainstOptions extends Omit<VerifyChainOptions, 'chainId' | 'from' | 'to' | 'mark' | 'pool'> {
  readonly second: StoreReader;
  /** Default: every chain that either bucket holds, or evidence speaks of. */
  readonly chainId?: string | undefined;
}

const MAX_FINDINGS = 1_000;

/** One report a chain, in order of chain ids. @throws StoreError */
export async function* verifyAgainst({ second, chainId, ...common }: VerifyAgainstOptions): AsyncGenerator<VerificationReport> {
  const { store: first, against = [], maxFindings = MAX_FINDINGS } = common;
  for (const id of chainId === undefined ? await chainsOf(first, second, against) : [chainId]) {
    // Before the first is read: what is in the second was in the first before.
    const trust = await trustOf([first, second], id, common.trust);
    const evidence = trust === undefined ? undefined : await evidenceOf(second, id, trust);
    const report = await verifyChain({ ...common, chainId: id, against: evidence === undefined ? against : [...against, evidence] });
    // Without a key nothing can be said of either.
    yield trust === undefined ? report : withComparison(report, await compareChain({ first, second, chainId: id, trust, maxFindings }), second.location);
  }
}

async function chainsOf(first: StoreReader, second: StoreReader, against: VerifyAgainstOptions['against'] = []): Promise<readonly string[]> {
  const ids = new Set(against.map(({ origin }) => origin.slice(origin.lastIndexOf('/') + 1)).filter(isChainId));
  for (const store of [first, second]) for await (const id of chainIds(store)) ids.add(id);
  return [...ids].sort();
}

async function trustOf(stores: readonly StoreReader[], chainId: string, given: VerifyChainOptions['trust']): Promise<ChainTrust | undefined> {
  for (const store of stores) {
    const { keys } = await resolveTrust(store, chainId, given);
    if (keys !== undefined) return new ChainTrust(keys.deployment, keys.publicKeys);
  }
  return undefined;
}

export function withComparison(report: VerificationReport, { segments, findings }: Comparison, location: string): VerificationReport {
  const { items, codes, omitted, firstBad } = findings;
  const bad = [report.firstBadSequence, firstBad].flatMap((sequence) => sequence ?? []);
  const compared = verdictOf(codes.map((code) => ({ code, chainId: report.chainId, detail: '' })));
  return {
    ...report,
    // What the chain alone gave rise to say stays said: nothing that is compared makes it better.
    verdict: worstVerdict([report.verdict, compared]),
    ...(bad.length > 0 && { firstBadSequence: Math.min(...bad) }),
    findings: [...report.findings, ...items],
    findingsOmitted: report.findingsOmitted + omitted,
    statements: [...report.statements, `Compared with ${location}: ${segments} segments hold the same bytes there.`],
  };
}
