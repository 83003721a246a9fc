/** How long ago the chains were verified, by the marks in this data folder: what no lock stops, only a verification finds. */
import { segmentPrefix } from '../core/chain.js';
import { chainIds } from '../ledger/reader.js';
import { readTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';
import type { MarkFolder } from '../verification/mark.js';
import { verifiedAtOf } from '../verification/mark-ages.js';
import { judgeOf } from './report.js';
import type { GuardrailCheck } from './report.js';

/** As the alert IndelibleVerificationStale has it. */
const STALE_MS = 2 * 86_400_000;
/** Each costs a listing. */
const MAX_CHAINS = 100;

export async function* verificationChecks(store: StoreReader, marks: MarkFolder, now: Date): AsyncGenerator<GuardrailCheck> {
  const judge = judgeOf('verification');
  const name = 'verified-through';
  const trust = await readTrust(store);
  if (trust === undefined) return;
  const [stale, never]: [string[], string[]] = [[], []];
  let seen = 0;
  for await (const chainId of chainIds(store)) {
    if (seen === MAX_CHAINS) break;
    seen += 1;
    const verifiedAt = await verifiedAtOf(marks, trust, chainId);
    if (verifiedAt === undefined ? await isOlder(store, chainId, now) : now.getTime() - verifiedAt > STALE_MS) (verifiedAt === undefined ? never : stale).push(chainId);
  }
  if (seen === 0) return;
  const advice = 'run indelible verify on a schedule with this data folder, best from a machine that nobody who administers the log administers; then check again';
  const named = (chains: readonly string[]): string => `${chains.slice(0, 5).join(', ')}${chains.length > 5 ? ` and ${chains.length - 5} more` : ''}`;
  const found = [
    ...(never.length === 0 ? [] : [`never verified, as far as this data folder knows: ${named(never)}`]),
    ...(stale.length === 0 ? [] : [`last verified more than two days ago: ${named(stale)}`]),
  ];
  if (found.length > 0) yield judge.weak(name, found.join('; '), advice);
  else yield judge.protects(name, `${seen === MAX_CHAINS ? `the first ${seen} chains were` : 'each chain was'} verified within two days, or is younger than that`);
}

/** Than what a chain may be before it is first verified. */
async function isOlder(store: StoreReader, chainId: string, now: Date): Promise<boolean> {
  const [first] = (await store.list(segmentPrefix(chainId), { limit: 1 })).keys;
  const version = first === undefined ? undefined : (await store.versions(first, { retention: false }))[0];
  return version !== undefined && now.getTime() - Date.parse(version.storedAt) > STALE_MS;
}
