/** A throughput counts only when the entries are really there: after each load the chain is verified. */
import { runClient } from '../load/bundled.js';
import type { Service } from '../service.js';
import { type Bench, type Counters, say } from './bench.js';

const EXACT_CLIENTS = 64;
const EXACT_REQUESTS = 3200;

/**
 * A generator that stops on the clock leaves up to `cutOff` requests unanswered: those entries may
 * be stored. Anything fewer than acknowledged is loss, anything more than that is invention.
 */
export async function auditPhase(service: Service, chain: string, acknowledged: number, cutOff: number): Promise<void> {
  const { entries, verdict, code } = await service.verify(chain);
  if (verdict !== 'intact' || code !== 0) throw new Error(`${chain}: verify said ${verdict} (exit ${String(code)})`);
  if (entries < acknowledged || entries > acknowledged + cutOff) {
    throw new Error(`${chain}: ${acknowledged} acknowledged (at most ${cutOff} cut off), but ${entries} stored`);
  }
}

/** Once a run: every answer is waited for, so acknowledged, distinct sequences and stored must be equal. */
export async function exactAudit({ report }: Bench, service: Service, counters: Counters): Promise<void> {
  const chain = 'exact-audit';
  const seen = await runClient({
    target: service.single(chain),
    clients: EXACT_CLIENTS,
    seconds: 60,
    maxRequests: EXACT_REQUESTS,
    firstCounter: counters.take(),
    collectSequences: true,
  });
  const { entries, verdict } = await service.verify(chain);
  const exact =
    seen.failed === 0 &&
    seen.acknowledged === EXACT_REQUESTS &&
    seen.distinctSequences === EXACT_REQUESTS &&
    seen.highestSequence === EXACT_REQUESTS - 1 &&
    entries === EXACT_REQUESTS &&
    verdict === 'intact';
  if (!exact) throw new Error(`exact audit: sent ${EXACT_REQUESTS}, saw ${JSON.stringify(seen)}, stored ${entries}, ${verdict}`);
  report.add('audit: acknowledged = distinct sequences = stored = verified', 'entries', entries);
  say(`  audit: ${entries} acknowledged, distinct, stored and verified`);
}
