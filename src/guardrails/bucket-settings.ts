/** The settings of a bucket, one after another: what each does for the log. */
import type { LifecycleRule } from '@aws-sdk/client-s3';
import { DEPLOYMENT_KEY, KEYS_PREFIX } from '../ledger/trust.js';
import type { GuardrailCheck, Judge } from './report.js';
import type { BucketFacts, Fact } from './s3-facts.js';

/** The keys of the log; what lies elsewhere is no part of it. */
const LOG_PREFIXES = ['chains/', KEYS_PREFIX, DEPLOYMENT_KEY];

export interface Copies {
  /** Where the service copies the log to by itself. */
  readonly to: string | undefined;
  /** This bucket is such a copy: it needs none of its own. */
  readonly isCopy: boolean;
}

export function settingChecks(judge: Judge, facts: BucketFacts, copies: Copies): GuardrailCheck[] {
  return [versioning(judge, facts), lock(judge, facts), ...lifecycle(judge, facts), publicAccess(judge, facts), access(judge, facts), encryption(judge, facts), ...replication(judge, facts, copies)];
}

/** @param absent what it means that the bucket has no such setting; likewise `notOffered`, by default the same */
function judged<T>(judge: Judge, name: string, what: string, fact: Fact<T>, known: (value: T) => GuardrailCheck, absent: () => GuardrailCheck, notOffered = absent): GuardrailCheck {
  switch (fact.is) {
    case 'known':
      return known(fact.value);
    case 'absent':
      return absent();
    case 'not offered':
      return notOffered();
    case 'unknown':
      return judge.unknown(name, `${what} can not be seen: ${fact.why}`, fact.advice);
  }
}

function versioning(judge: Judge, facts: BucketFacts): GuardrailCheck {
  const name = 'versioning';
  const off = (state: string): GuardrailCheck => judge.unprotected(name, `versioning is ${state}: what is written over or deleted is gone`, 'turn on versioning, or use another bucket with Object Lock');
  return judged(judge, name, 'versioning', facts.versioning, (state) => (state === 'Enabled' ? judge.protects(name, 'versioning is on: writing over an object, or deleting it without naming a version, removes nothing') : off(state)), () => off('off'));
}

function lock(judge: Judge, facts: BucketFacts): GuardrailCheck {
  const name = 'object-lock';
  const none = (): GuardrailCheck => judge.unprotected(name, 'the bucket has no Object Lock: every version can be deleted', 'use a bucket with Object Lock, or turn it on and copy the log anew');
  return judged(
    judge,
    name,
    'Object Lock',
    facts.lock,
    (found) => {
      if (found.ObjectLockEnabled !== 'Enabled') return none();
      const { Mode, Days, Years } = found.Rule?.DefaultRetention ?? {};
      const period = Days !== undefined ? `${Days} days` : Years !== undefined ? `${Years} years` : undefined;
      return judge.protects(name, `Object Lock is on, ${Mode === undefined || period === undefined ? 'without a default retention' : `with a default of ${period} in mode ${Mode}`}`);
    },
    none,
  );
}

function lifecycle(judge: Judge, facts: BucketFacts): GuardrailCheck[] {
  const nothing = (name: string): GuardrailCheck => judge.protects(name, 'no lifecycle rule touches the log');
  const both = ['lifecycle-expiration', 'lifecycle-noncurrent'] as const;
  if (facts.lifecycle.is !== 'known') {
    return [judged(judge, both[0], 'the lifecycle rules', facts.lifecycle, () => nothing(both[0]), () => nothing(both[0]))];
  }
  const rules = facts.lifecycle.value.filter((rule) => rule.Status === 'Enabled' && touchesLog(rule));
  const of = (does: (rule: LifecycleRule) => boolean): string => rules.filter(does).map((rule) => rule.ID ?? 'without a name').join(', ');
  const expiring = of(({ Expiration }) => Expiration?.Days !== undefined || Expiration?.Date !== undefined);
  const clearing = of(({ Expiration }) => Expiration?.ExpiredObjectDeleteMarker === true);
  const noncurrent = of(({ NoncurrentVersionExpiration }) => NoncurrentVersionExpiration !== undefined);
  const tiers = of(({ Transitions }) => (Transitions?.length ?? 0) > 0);
  const calm = judge.protects(both[0], rules.length === 0 ? 'no lifecycle rule touches the log' : `no lifecycle rule expires a current version${tiers === '' ? '' : `; ${tiers} moves objects to another storage class, which keeps their lock`}`);
  return [
    expiring === '' ? calm : judge.unprotected(both[0], `the lifecycle rule ${expiring} puts a delete marker over every entry when its time has come; no policy stops that`, 'remove the rule, or limit it to the prefix _self-test/'),
    ...(clearing === '' ? [] : [judge.weak('lifecycle-markers', `the lifecycle rule ${clearing} removes delete markers, and with them the trace of who hid an entry`, 'remove the rule')]),
    noncurrent === ''
      ? judge.protects(both[1], 'no lifecycle rule removes versions')
      : judge.weak(both[1], `the lifecycle rule ${noncurrent} removes versions below others once their lock ends: traces of an attack, and every entry that lies below a delete marker`, 'remove NoncurrentVersionExpiration from the rule'),
  ];
}

/** Also if a tag decides: who may set tags decides then. */
function touchesLog(rule: LifecycleRule): boolean {
  const prefix = prefixOf({ ...rule });
  return LOG_PREFIXES.some((own) => own.startsWith(prefix) || prefix.startsWith(own));
}

/** In a filter, or, as of old, beside it. */
function prefixOf(rule: { readonly Filter?: LifecycleRule['Filter']; readonly [old: string]: unknown }): string {
  const old = rule['Prefix'];
  return rule.Filter?.Prefix ?? rule.Filter?.And?.Prefix ?? (typeof old === 'string' ? old : '');
}

const BLOCKS = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'] as const;

function publicAccess(judge: Judge, facts: BucketFacts): GuardrailCheck {
  const name = 'public-access';
  const advice = 'turn on all four blocks of public access';
  return judged(
    judge,
    name,
    'the block of public access',
    facts.publicAccess,
    (found) => {
      const open = BLOCKS.filter((block) => found[block] !== true);
      return open.length === 0 ? judge.protects(name, 'public access is blocked, by policy and by access lists') : judge.weak(name, `public access is not blocked in full: ${open.join(', ')} is off`, advice);
    },
    () => judge.weak(name, 'public access is not blocked: one statement in the policy would open the log', advice),
    () => judge.protects(name, 'this S3 has no block of public access; what the policy opens to everybody is checked below'),
  );
}

const EVERYBODY = /\/groups\/global\/(AllUsers|AuthenticatedUsers)$/;

function access(judge: Judge, { ownership, grants }: BucketFacts): GuardrailCheck {
  const name = 'access-lists';
  if (ownership.is === 'known' && ownership.value === 'BucketOwnerEnforced') return judge.protects(name, 'access lists are off: the owner of the bucket owns every object');
  if (ownership.is === 'unknown') return judge.unknown(name, `whether access lists are on can not be seen: ${ownership.why}`, ownership.advice);
  const off = 'turn access lists off (BucketOwnerEnforced)';
  return judged(
    judge,
    name,
    'the access list of the bucket',
    grants,
    (found) => {
      const others = found.grants.filter(({ Grantee }) => Grantee?.ID === undefined || Grantee.ID !== found.owner);
      const everybody = others.filter(({ Grantee }) => EVERYBODY.test(Grantee?.URI ?? ''));
      if (everybody.length > 0) return judge.unprotected(name, `the access list of the bucket gives everybody ${everybody.map(({ Permission }) => Permission).join(', ')}`, off);
      if (others.some(({ Grantee }) => Grantee?.ID !== undefined || Grantee?.URI !== undefined || Grantee?.EmailAddress !== undefined)) return judge.weak(name, 'the access list of the bucket gives rights to others than its owner', off);
      return ownership.is === 'not offered' ? judge.protects(name, 'the access list of the bucket names nobody but its owner') : judge.weak(name, 'access lists are on: an object or the bucket can be opened to others by one', off);
    },
    () => judge.weak(name, 'access lists are on: an object or the bucket can be opened to others by one', off),
  );
}

function encryption(judge: Judge, facts: BucketFacts): GuardrailCheck {
  const name = 'encryption';
  const none = (): GuardrailCheck => judge.weak(name, 'the bucket encrypts nothing by itself', 'give the bucket a default encryption');
  return judged(judge, name, 'the default encryption', facts.encryption, ({ SSEAlgorithm, KMSMasterKeyID }) => {
    if (SSEAlgorithm === undefined) return none();
    return judge.protects(name, KMSMasterKeyID === undefined ? `objects are encrypted (${SSEAlgorithm})` : `objects are encrypted with the KMS key ${KMSMasterKeyID}, which is checked below`);
  }, none);
}

function replication(judge: Judge, facts: BucketFacts, { to, isCopy }: Copies): GuardrailCheck[] {
  const name = 'second-copy';
  const own = to === undefined ? undefined : judge.protects(name, `the service copies each segment to ${to}, and checks the copy`);
  const advice = 'keep a second copy in another region and account: INDELIBLE_S3_REPLICA_BUCKET, or replication by S3 (docs/replica.md)';
  const none = (): GuardrailCheck => own ?? judge.weak(name, 'there is one copy of the log: with its account or region it is lost', advice);
  if (isCopy && facts.replication.is !== 'known') return [];
  const copy = judged(judge, name, 'the replication', facts.replication, (found) => {
    const rules = (found.Rules ?? []).filter(({ Status }) => Status === 'Enabled');
    const whole = rules.filter((rule) => prefixOf({ ...rule }) === '' && rule.Filter?.Tag === undefined && (rule.Filter?.And?.Tags ?? []).length === 0);
    const marking = rules.filter(({ DeleteMarkerReplication }) => DeleteMarkerReplication?.Status === 'Enabled');
    if (marking.length > 0) return judge.weak('second-copy', `replication copies delete markers, too: who hides an entry here hides it there (${marking.map(({ ID }) => ID ?? 'a rule').join(', ')})`, 'turn off DeleteMarkerReplication');
    if (whole.length === 0) return own ?? judge.weak(name, 'no replication rule that is on covers the whole log', 'make one that has no filter, or turn it on');
    const places = whole.map(({ Destination }) => `${Destination?.Bucket ?? 'a bucket'}${Destination?.Account === undefined ? ' (no other account is named)' : ` in account ${Destination.Account}`}`);
    return judge.protects(name, `S3 replicates the log to ${places.join(', ')}, without delete markers; S3 copies each lock with its object`);
  }, none);
  return [copy];
}
