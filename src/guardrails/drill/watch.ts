/** What an operator's monitoring looks at: verification, reconciliation, the guardrails check, the age of the last verification. */
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Config } from '../../config.js';
import type { Finding } from '../../core/findings.js';
import { systemHost } from '../../ledger/host.js';
import { kafkaErrorType } from '../../mirror/kafka.js';
import type { ReconciledCopy } from '../../reconcile/copies.js';
import { reconcile } from '../../reconcile/reconcile.js';
import type { Discrepancy } from '../../reconcile/reconcile.js';
import { verifyAgainst } from '../../replica/verify.js';
import type { StoreReader } from '../../storage/worm-store.js';
import type { VerificationReport } from '../../verification/report.js';
import { verifyChain } from '../../verification/verify-chain.js';
import { checkGuardrails } from '../check.js';
import type { GuardrailCheck, Protection } from '../report.js';
import type { ScratchChain } from './scratch-chain.js';
import type { ScratchLedger } from './scratch-ledger.js';
import { STALE_AFTER_SECONDS } from './scratch-marks.js';
import type { ScratchMarks } from './scratch-marks.js';

export type WatcherName = 'verification' | 'the service itself' | 'reconciliation' | 'guardrails check' | 'age of the last verification';

/** Something that monitoring tells. */
export interface Signal {
  /** What it is about: told again, it is the same. */
  readonly id: string;
  /** The same with more weight is news. */
  readonly weight: number;
  /** Its code, as monitoring shows it. */
  readonly as: string;
  readonly detail: string;
}

export interface Watched {
  readonly chain: ScratchChain;
  /** What is shown in place of the log. */
  readonly presented?: StoreReader | undefined;
  /** When somebody looks. */
  readonly nowMs: number;
}

/** May throw what keeps it from looking. */
export interface Watcher {
  readonly name: WatcherName;
  look(watched: Watched): Promise<readonly Signal[]>;
}

export interface VerifierParts {
  readonly store: StoreReader;
  readonly ledger: ScratchLedger;
  readonly second: StoreReader | undefined;
  /** Whether there is a lock whose retention can be asked for. */
  readonly locked: boolean;
}

/** Held against the receipts, which were kept outside, with the public key from outside; and the second bucket, if there is one. */
export function verifier({ store, ledger, second, locked }: VerifierParts): Watcher {
  return {
    name: 'verification',
    async look({ chain, presented }) {
      const options = {
        store: presented ?? store,
        chainId: chain.chainId,
        trust: { keys: [{ publicKey: ledger.signer.publicKey }], deployment: ledger.trust.deployment },
        against: chain.evidence,
        workers: 0,
        ...(locked && presented === undefined && { retention: chain.asked }),
      };
      const reports: VerificationReport[] = [];
      if (second === undefined || presented !== undefined) reports.push(await verifyChain(options));
      else for await (const report of verifyAgainst({ ...options, second })) reports.push(report);
      return reports.flatMap(({ findings }) => findings.map(signalOf)).sort(byGravity);
    },
  };
}

/** A writer meets what does not belong there, goes on over it, and says so: in its log and in indelible_findings_total. */
export function serviceWatcher(ledger: ScratchLedger): Watcher {
  return { name: 'the service itself', look: ({ chain }) => Promise.resolve(ledger.findings(chain.chainId).map(signalOf)) };
}

function signalOf({ code, key = '', detail }: Finding): Signal {
  return { id: `${code} ${key} ${detail}`, weight: 1, as: code, detail: key === '' ? detail : `${key}: ${detail}` };
}

/** That an object is not kept long enough is the least of what can be wrong with it. */
function byGravity(a: Signal, b: Signal): number {
  return Number(a.as === 'retention_weak') - Number(b.as === 'retention_weak');
}

/** One chain in one copy. */
export function reconciler(ledger: ScratchLedger, copy: ReconciledCopy): Watcher {
  return {
    name: 'reconciliation',
    async look({ chain }) {
      const report = await reconcile({ ledger: ledger.ledger, host: systemHost, copies: [copy], chainId: chain.chainId }).catch((error: unknown) => {
        // It can't be done, and says why: the topic is not there.
        if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
        return undefined;
      });
      if (report === undefined) return [{ id: 'no topic', weight: 1, as: `${copy.name} topic absent`, detail: 'the reconciliation failed, because the brokers know no such topic' }];
      const { discrepancies, unread } = report;
      return [...discrepancies.map(discrepancySignal), ...unread.map(({ chainId, reason }): Signal => ({ id: `unread ${chainId}`, weight: 1, as: 'unread', detail: reason }))];
    },
  };
}

function discrepancySignal({ copy, kind, chainId = '', sequence, lastSequence, id = '' }: Discrepancy): Signal {
  const entries = sequence === undefined ? '' : ` entry ${sequence}${lastSequence === undefined ? '' : ` to ${lastSequence}`}`;
  return { id: `${copy} ${kind} ${chainId} ${sequence ?? ''} ${lastSequence ?? ''} ${id}`, weight: 1, as: `${copy} ${kind}`, detail: `${copy} of chain ${chainId}:${entries} ${kind}${id === '' ? '' : ` (${id})`}` };
}

/** A change for the worse, whatever was amiss before. */
const WEIGHTS: Readonly<Record<Protection, number>> = { protected: 0, unknown: 1, weak: 2, unprotected: 3 };

export interface CheckerParts {
  /** Of the scratch names. */
  readonly config: Config;
  readonly credentials: S3ClientConfig['credentials'];
}

export function checker({ config, credentials }: CheckerParts): Watcher {
  return {
    name: 'guardrails check',
    async look() {
      const checks: GuardrailCheck[] = [];
      for await (const check of checkGuardrails(config, { ...(credentials !== undefined && { credentials }) })) checks.push(check);
      return checks.filter(({ protection }) => protection !== 'protected').map(checkSignal);
    },
  };
}

function checkSignal({ subject, name, protection, detail }: GuardrailCheck): Signal {
  return { id: `${subject} ${name}`, weight: WEIGHTS[protection], as: `${name} ${protection}`, detail: `${subject}: ${detail}` };
}

/** As the alerts IndelibleVerificationStale and IndelibleNeverVerified do. */
export function ageWatcher(marks: ScratchMarks): Watcher {
  return {
    name: 'age of the last verification',
    async look({ chain, nowMs }) {
      const age = await marks.ageSeconds(chain.chainId, nowMs);
      if (age === undefined) return [{ id: 'never_verified', weight: 1, as: 'never_verified', detail: `no mark of a key of the log says that chain ${chain.chainId} was verified` }];
      if (age <= STALE_AFTER_SECONDS) return [];
      return [{ id: 'verification_stale', weight: 1, as: 'verification_stale', detail: `chain ${chain.chainId} was verified ${Math.round(age)} s ago, the limit is ${STALE_AFTER_SECONDS} s` }];
    },
  };
}

export type Baseline = ReadonlyMap<WatcherName, readonly Signal[]>;

/** What is told before the attack, and so is none of its. @throws what keeps a watcher from looking */
export async function baselineOf(watchers: readonly Watcher[], watched: Watched): Promise<Baseline> {
  const baseline = new Map<WatcherName, readonly Signal[]>();
  for (const watcher of watchers) baseline.set(watcher.name, await watcher.look(watched));
  return baseline;
}

export function newSignals(signals: readonly Signal[], before: readonly Signal[] = []): readonly Signal[] {
  return signals.filter(({ id, weight }) => !before.some((known) => known.id === id && known.weight >= weight));
}
