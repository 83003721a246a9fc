/**
 * Who could do something dangerous by the policy on a bucket or a key: an administrator of its account, the account's
 * root, somebody from outside, and each principal that the policy names (those it makes exceptions for).
 */
import type { Keys, KeyValue } from './condition.js';
import { accountOf, decide, namedPrincipals } from './policy.js';
import type { Asker, Decision } from './policy.js';
import type { Policy } from './policy-document.js';

export interface Guarded {
  /** `undefined`: there is none, so nothing is denied. */
  readonly policy: Policy | undefined;
  /** Of its owner; `undefined` if it is not known. */
  readonly account: string | undefined;
  readonly partition: string;
  /** What nobody in the account is denied, its administrators can do (S3), or only what the policy allows (KMS). */
  readonly undeniedIs: 'open' | 'refused';
}

export interface Attempt {
  /** All of them must be refused. */
  readonly actions: readonly string[];
  readonly resource: string;
  /** What is true of the request whoever sends it. */
  readonly keys: Keys;
}

export interface Standing {
  /** Statements that refuse it. */
  readonly refusedBy: readonly string[];
  /** Those that can do it, and were meant to be kept from it. */
  readonly openTo: readonly string[];
  /** Principals the policy names, that can do it. */
  readonly exceptions: readonly string[];
  /** Why it can't be told. */
  readonly unknown: readonly string[];
}

interface Party {
  readonly name: string;
  readonly asker: Asker;
  readonly account: string | undefined;
  readonly kind: 'insider' | 'outsider' | 'named';
}

/** Nobody's, for questions about somebody whose name no policy holds. */
const NO_ACCOUNT = '000000000000';

export function standingOf(guarded: Guarded, attempt: Attempt, without: readonly string[] = []): Standing {
  const found = { refusedBy: new Set<string>(), openTo: new Set<string>(), exceptions: new Set<string>(), unknown: new Set<string>() };
  for (const party of partiesOf(guarded).filter(({ name }) => !without.includes(name))) {
    for (const action of attempt.actions) {
      const decision = guarded.policy === undefined ? ({ decision: 'silent' } as const) : decide(guarded.policy, { asker: party.asker, action, resource: attempt.resource, keys: keysOf(guarded, party, attempt.keys) });
      if (decision.decision === 'denied') found.refusedBy.add(decision.by);
      else if (decision.decision === 'unknown') found.unknown.add(`${party.name}: ${decision.why}`);
      else if (isOpen(guarded, party, decision)) found[party.kind === 'named' ? 'exceptions' : 'openTo'].add(party.name);
    }
  }
  return { refusedBy: [...found.refusedBy], openTo: [...found.openTo], exceptions: [...found.exceptions], unknown: [...found.unknown] };
}

export const ADMINISTRATOR = 'an administrator of the account';
export const ROOT = 'the root of the account';
export const OUTSIDER = 'somebody outside the account';

function isOpen({ undeniedIs, account }: Guarded, party: Party, { decision }: Decision): boolean {
  if (decision === 'allowed') return true;
  // Somebody of another account needs to be allowed in.
  const isInside = party.kind === 'insider' || (party.kind === 'named' && (account === undefined || party.account === account));
  return isInside && undeniedIs === 'open';
}

function partiesOf({ policy, account, partition }: Guarded): readonly Party[] {
  const own = account ?? NO_ACCOUNT;
  const texts = policy === undefined ? [] : namedPrincipals(policy);
  const arn = (id: string, name: string): string => `arn:${partition}:iam::${id}:${name}`;
  // In an account that the policy does not name, and under a name that it does not name.
  const foreign = ['999999999999', '888888888888', '777777777777'].find((id) => !texts.some((text) => text.includes(id))) ?? NO_ACCOUNT;
  const known: Party[] = [
    { name: ADMINISTRATOR, asker: { arn: arn(own, 'role/indelible-question-administrator') }, account: own, kind: 'insider' },
    { name: ROOT, asker: { arn: arn(own, 'root') }, account: own, kind: 'insider' },
    { name: OUTSIDER, asker: { arn: arn(foreign, 'role/indelible-question-outsider') }, account: foreign, kind: 'outsider' },
    { name: OUTSIDER, asker: {}, account: undefined, kind: 'outsider' },
  ];
  const named = texts.filter((text) => text.startsWith('arn:') && !text.includes('${')).map((text): Party => {
    const example = exampleOf(text, own);
    return { name: text, asker: { arn: example }, account: accountOf(example), kind: 'named' };
  });
  return [...known, ...named.filter(({ asker }) => known.every((one) => one.asker.arn !== asker.arn))];
}

/** Somebody whom a pattern fits. */
function exampleOf(pattern: string, account: string): string {
  return pattern.split(':').map((part, i) => (i === 4 && part === '*' ? account : part.replaceAll(/[*?]/g, 'x'))).join(':');
}

function keysOf({ account }: Guarded, { asker, account: own, kind }: Party, keys: Keys): Keys {
  const { arn } = asker;
  const isOutside = kind === 'outsider';
  const known: Readonly<Record<string, KeyValue>> = {
    'aws:principalarn': arn === undefined ? 'absent' : [arn],
    'aws:principalaccount': arn === undefined ? 'absent' : own === undefined || own === NO_ACCOUNT ? 'unknown' : [own],
    'aws:principaltype': [arn === undefined ? 'Anonymous' : arn.endsWith(':root') ? 'Account' : arn.includes(':user/') ? 'User' : 'AssumedRole'],
    // Inside means: not kept out by it.
    'aws:principalorgid': arn === undefined ? 'absent' : isOutside ? ['o-outside0000'] : 'free',
    'aws:principalisawsservice': ['false'],
    'aws:principalservicename': 'absent',
    'aws:sourcearn': 'absent',
    'aws:sourceaccount': 'absent',
    'aws:sourceorgid': 'absent',
    'aws:viaawsservice': ['false'],
    'aws:calledvia': 'absent',
    'aws:securetransport': ['true'],
    'aws:resourceaccount': account === undefined ? 'unknown' : [account],
  };
  return (key) => (Object.hasOwn(known, key) ? (known[key] ?? 'unknown') : keys(key));
}
