/** The report of a drill: what an auditor is handed. docs/guardrails.md explains it; the JSON is a documented promise. */
import type { Config } from '../../config.js';
import type { Attack, Rights } from './attack.js';
import type { DrillRun } from './drill.js';
import type { Verdict } from './judge.js';

export const DRILL_FORMAT = 'indelible/guardrails-drill/v1';

export interface AttackResult extends Pick<Attack, 'id' | 'family' | 'title' | 'means'> {
  readonly rights: Rights;
  readonly tried: string;
  readonly outcome: Verdict;
  readonly evidence: readonly string[];
}

/** Of all the attacks: each with each of the rights counts. */
export type DrillCounts = Readonly<Record<Verdict['verdict'], number>>;

export interface DrillReport {
  /** The first sentence: whether the bucket has a lock. */
  readonly lock: string;
  readonly format: typeof DRILL_FORMAT;
  /** `passed`: nothing was missed. `incomplete`: nothing that was tried, but not all was. */
  readonly result: 'passed' | 'missed' | 'incomplete';
  /** RFC 3339 UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly counts: DrillCounts;
  readonly environment: Environment;
  /** What a reader must know to read the results rightly. */
  readonly notes: readonly string[];
  readonly attacks: readonly (Omit<AttackResult, 'outcome'> & Verdict)[];
  readonly cleanup: { readonly removed: boolean; readonly stays: readonly { readonly what: string; readonly until?: string; readonly how: string }[] };
}

export interface Environment {
  readonly version: string;
  readonly logBucket: string;
  readonly scratchBucket: string;
  readonly secondScratchBucket?: string;
  /** Of another S3 than that of AWS. */
  readonly endpoint?: string;
  readonly region: string;
  readonly singleWriter: boolean;
  readonly signer: string;
  readonly scratchTopic?: string;
  readonly scratchIndex?: string;
  /** How long monitoring was given for each attack that took effect, in seconds. */
  readonly foundWithinSeconds: number;
}

export interface ReportOptions {
  readonly config: Config;
  readonly run: DrillRun;
  readonly version: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly withinMs: number;
}

export function reportOfDrill({ config, run, version, startedAt, finishedAt, withinMs }: ReportOptions): DrillReport {
  const { scratch, results, remains, notes } = run;
  const counts = countsOf(results);
  const { s3Bucket = '', s3Endpoint, s3Region, singleWriter, signer } = config;
  return {
    lock: lockSentence(s3Bucket, run),
    format: DRILL_FORMAT,
    result: resultOf(counts),
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    counts,
    environment: {
      version,
      logBucket: s3Bucket,
      scratchBucket: scratch.config.s3Bucket ?? '',
      ...(scratch.second !== undefined && { secondScratchBucket: scratch.second }),
      ...(s3Endpoint !== undefined && { endpoint: new URL(s3Endpoint).origin }),
      region: s3Region,
      singleWriter,
      signer,
      ...(config.kafkaBrokers !== undefined && { scratchTopic: scratch.config.kafkaTopic }),
      ...(config.elasticsearchUrl !== undefined && { scratchIndex: scratch.config.elasticsearchIndex }),
      foundWithinSeconds: withinMs / 1000,
    },
    notes,
    attacks: results.map(({ id, family, title, rights, tried, outcome, evidence, means }) => ({ id, family, title, rights, tried, ...outcome, evidence, means })),
    cleanup: { removed: remains.length === 0, stays: remains.map(({ what, until, how }) => ({ what, ...(until !== undefined && { until }), how })) },
  };
}

/** What every form of the report says first. */
export function lockSentence(logBucket: string, { scratch: { locked, logBucket: protection, config } }: DrillRun): string {
  const scratch = config.s3Bucket ?? '';
  if (!protection.lock) return `NO LOCK: bucket ${logBucket} has no Object Lock. Whoever may delete can destroy the log; what follows shows at best that it is found.`;
  if (!locked) return `NO LOCK: the prepared bucket ${scratch} has no Object Lock, unlike bucket ${logBucket}. What follows shows nothing of what the lock of the log stops.`;
  return `LOCK: bucket ${logBucket} has Object Lock, and so has the scratch bucket ${scratch} (GOVERNANCE, at most a day).`;
}

export function countsOf(results: readonly Pick<AttackResult, 'outcome'>[]): DrillCounts {
  const of = (verdict: Verdict['verdict']): number => results.filter(({ outcome }) => outcome.verdict === verdict).length;
  return { refused: of('refused'), found: of('found'), missed: of('missed'), untried: of('untried'), inapplicable: of('inapplicable') };
}

/** A drill in which nothing was tried has shown nothing. */
function resultOf({ refused, found, missed, untried }: DrillCounts): DrillReport['result'] {
  if (missed > 0) return 'missed';
  return untried > 0 || refused + found === 0 ? 'incomplete' : 'passed';
}

/** 0 nothing was missed, 2 something was, 1 not everything could be tried. */
export function drillExitCode({ result }: Pick<DrillReport, 'result'>): 0 | 1 | 2 {
  switch (result) {
    case 'passed':
      return 0;
    case 'missed':
      return 2;
    case 'incomplete':
      return 1;
  }
}

/** One sentence. */
export function verdictText(outcome: Verdict): string {
  switch (outcome.verdict) {
    case 'refused':
      return `refused by ${outcome.by}`;
    case 'found':
      return `found in ${outcome.seconds} seconds as ${outcome.as} (${outcome.by})`;
    case 'missed':
      return `MISSED: ${outcome.because}`;
    case 'untried':
      return `not tried: ${outcome.because}`;
    case 'inapplicable':
      return `nothing to attack: ${outcome.because}`;
  }
}

/** The file's text. Its first line says whether there is a lock, for who looks at no more. */
export function drillJson(report: DrillReport): string {
  const { lock, ...rest } = report;
  return `{"lock": ${JSON.stringify(lock)},${JSON.stringify(rest, null, 2).slice(1)}\n`;
}

/** How many of each, in words. */
export function countsText({ refused, found, missed, untried, inapplicable }: DrillCounts): string {
  const parts = [`${refused} refused`, `${found} found`, `${missed} missed`];
  if (untried > 0) parts.push(`${untried} not tried`);
  if (inapplicable > 0) parts.push(`${inapplicable} with nothing to attack`);
  return parts.join(', ');
}
