/** What the policy of a bucket refuses, attack by attack, and to whom. */
import type { Config } from '../config.js';
import { OUTSIDER, ROOT, standingOf } from './attack.js';
import type { Guarded, Standing } from './attack.js';
import { ATTACKS, putWith, requestKeys } from './bucket-attacks.js';
import type { Attack, Lock } from './bucket-attacks.js';
import type { KeyValue } from './condition.js';
import type { GuardrailCheck, Judge } from './report.js';

export interface BucketGuard {
  readonly guarded: Guarded;
  readonly bucket: string;
  readonly lock: Lock;
  /** Of what is written without a retention of its own, in days; `undefined` if there is none. */
  readonly defaultDays: number | undefined;
}

/** A minimum below this part of what the settings ask for was made for something else. */
const MUCH_SHORTER = 0.5;

export function policyChecks(judge: Judge, guard: BucketGuard, config: Pick<Config, 'retentionMode' | 'retentionDays'>): GuardrailCheck[] {
  const bypassIsRefused = isRefused(ask(guard, ['s3:BypassGovernanceRetention'], 'objects'));
  return [...ATTACKS.map((attack) => attackCheck(judge, guard, attack, bypassIsRefused)), ...retentionChecks(judge, guard, config)];
}

function isRefused({ openTo, exceptions, unknown }: Standing): boolean {
  return openTo.length + exceptions.length + unknown.length === 0;
}

function ask({ guarded, bucket }: BucketGuard, actions: readonly string[], on: Attack['on'], keys: Readonly<Record<string, KeyValue>> = {}): Standing {
  const arn = `arn:${guarded.partition}:s3:::${bucket}`;
  // Of a bucket's policy the root of its account can always rid itself: only the organisation keeps it from that.
  const without = actions.includes('s3:PutBucketPolicy') ? [ROOT] : [];
  return standingOf(guarded, { actions, resource: on === 'bucket' ? arn : `${arn}/chains/orders/segments/00000000000000000000.ndjson`, keys: requestKeys(actions, keys) }, without);
}

function attackCheck(judge: Judge, guard: BucketGuard, attack: Attack, bypassIsRefused: boolean): GuardrailCheck {
  const { name, actions, on, does, exceptions, without } = attack;
  const standing = ask(guard, actions, on, attack.keys);
  const advice = `deny ${actions.join(', ')} to everybody ${exceptions === 'meant' ? 'but the role that is meant to have it' : ''} in the bucket policy (docs/guardrails.md)`.replace('  ', ' ');
  const rights = standing.exceptions.join(', ');
  if (standing.openTo.includes(OUTSIDER)) return judge.unprotected(name, `${standing.openTo.join(' and ')} can ${does}`, advice);
  if (standing.openTo.length > 0 || (exceptions === 'hole' && standing.exceptions.length > 0)) {
    const who = [...standing.openTo, ...standing.exceptions].join(', ');
    const { protection, because } = without(guard.lock, bypassIsRefused);
    if (protection === 'protected') return judge.protects(name, `no statement keeps ${who} from trying to ${does}; ${because}`);
    const detail = `${who} can ${does}: ${because}`;
    return protection === 'unknown' ? judge.unknown(name, detail, `${advice}; and give these credentials the right s3:GetObjectRetention`) : judge[protection](name, detail, advice);
  }
  if (standing.unknown.length > 0) return judge.unknown(name, `whether anybody can ${does} can not be told from the policy (${standing.unknown.join('; ')})`, `see by hand what these statements do, or say the same without them: ${advice}`);
  const root = actions.includes('s3:PutBucketPolicy') ? `; ${ROOT} always can, unless a policy of the organisation denies it` : '';
  return judge.protects(name, `${refused(standing, `nobody${standing.exceptions.length === 0 ? '' : ` but ${rights}`} can ${does}`)}${root}`);
}

function refused({ refusedBy }: Standing, sentence: string): string {
  return refusedBy.length === 0 ? sentence : `${sentence} (denied by ${refusedBy.join(', ')})`;
}

/** What a PUT may say of retention, for those who may put at all. */
function retentionChecks(judge: Judge, guard: BucketGuard, { retentionMode, retentionDays }: Pick<Config, 'retentionMode' | 'retentionDays'>): GuardrailCheck[] {
  const mode = retentionMode.toUpperCase();
  const put = (asMode: string | undefined, days: number | undefined): Standing => ask(guard, ['s3:PutObject'], 'objects', putWith(asMode, days));
  const who = ({ openTo, exceptions }: Standing): string => [...openTo, ...exceptions].join(', ');
  const found = [unlocked(judge, guard, put(undefined, undefined), retentionDays)];

  const least = leastDays((days) => put(mode, days), retentionDays);
  const advice = `deny s3:PutObject with s3:object-lock-remaining-retention-days below what must be kept (the settings ask for ${retentionDays})`;
  if (typeof least === 'object') found.push(judge.unknown('short-retention', `whether the policy lets objects be written with a short retention can not be told (${least.unknown.join('; ')})`, advice));
  else if (least === 0) found.push(judge.weak('short-retention', `${who(put(mode, 0))} can write objects whose retention ends at once; those the service wrote stay as they are`, advice));
  else if (least < retentionDays * MUCH_SHORTER) found.push(judge.weak('short-retention', `the policy lets objects be written for ${least} days, the settings ask for ${retentionDays}`, advice));
  else found.push(judge.protects('short-retention', least > retentionDays ? refused(put(mode, 0), 'nobody can write objects with a shorter retention') : refused(put(mode, least - 1), `objects are written for ${least} days at least, the settings ask for ${retentionDays}`)));

  if (retentionMode === 'compliance') {
    const lower = put('GOVERNANCE', retentionDays);
    const without = 'deny s3:PutObject with an s3:object-lock-mode other than COMPLIANCE';
    if (lower.openTo.length + lower.exceptions.length > 0) found.push(judge.weak('lower-mode', `${who(lower)} can write objects in mode GOVERNANCE; those the service wrote stay as they are`, without));
    else if (lower.unknown.length > 0) found.push(judge.unknown('lower-mode', `whether objects can be written in mode GOVERNANCE can not be told (${lower.unknown.join('; ')})`, without));
    else found.push(judge.protects('lower-mode', refused(lower, 'nobody can write objects in a lower mode')));
  }
  return found;
}

function unlocked(judge: Judge, { lock, defaultDays }: BucketGuard, standing: Standing, days: number): GuardrailCheck {
  const name = 'unlocked-write';
  const who = [...standing.openTo, ...standing.exceptions].join(', ');
  const advice = 'give the bucket a default retention, or deny s3:PutObject where s3:object-lock-remaining-retention-days is absent (Null)';
  if (who === '' && standing.unknown.length === 0) return judge.protects(name, refused(standing, 'nobody can write an object without a retention'));
  if (who !== '' && lock === 'none') return judge.unprotected(name, `${who} can write objects that nothing locks: the bucket has no Object Lock`, 'use a bucket with Object Lock');
  if (defaultDays !== undefined && lock !== 'none') {
    const detail = `what is written without a retention gets ${defaultDays} days, the bucket's default`;
    return defaultDays < days * MUCH_SHORTER ? judge.weak(name, `${detail}; the settings ask for ${days}`, advice) : judge.protects(name, detail);
  }
  if (who === '') return judge.unknown(name, `whether an object can be written without a retention can not be told (${standing.unknown.join('; ')})`, advice);
  return judge.weak(name, `${who} can write objects without any retention, and the bucket has no default; those the service wrote stay as they are`, advice);
}

/** The least number of days that somebody may write with; one more than `most` if nobody may even then. */
function leastDays(put: (days: number) => Standing, most: number): number | Standing {
  const isOpen = ({ openTo, exceptions }: Standing): boolean => openTo.length + exceptions.length > 0;
  const none = put(0);
  if (isOpen(none)) return 0;
  if (none.unknown.length > 0) return none;
  let [shut, open] = [0, most + 1];
  while (open - shut > 1) {
    const middle = Math.floor((shut + open) / 2);
    if (isRefused(put(middle))) shut = middle;
    else open = middle;
  }
  return open;
}

