/**
 * What a policy says of one request: denied by which statement, allowed by which, or neither. It knows the parts of the
 * policy language that policies for a log use; whatever else decides makes the answer `unknown`, never `denied`.
 *
 * It judges one document. What else AWS asks (identity policies, policies of the organisation) is for its caller.
 */
import { holds } from './condition.js';
import type { Keys } from './condition.js';
import { matches, patternOf, resourceMatches } from './pattern.js';
import type { Resolve } from './pattern.js';
import type { Policy, Principals, Statement } from './policy-document.js';
import { all, any, NO, not, truthOf, unknown, YES } from './truth.js';
import type { Truth } from './truth.js';

/** Who asks. A session of a role asks by the ARN of the role. */
export interface Asker {
  /** `undefined`: nobody who is known (anonymous), or an AWS service. */
  readonly arn?: string;
  /** Such as `logging.s3.amazonaws.com`. */
  readonly service?: string;
}

export interface Question {
  readonly asker: Asker;
  /** Such as `s3:PutObject`. */
  readonly action: string;
  readonly resource: string;
  readonly keys: Keys;
}

export type Decision =
  | { readonly decision: 'denied'; readonly by: string }
  | { readonly decision: 'allowed'; readonly by: string }
  /** No statement speaks of it. */
  | { readonly decision: 'silent' }
  | { readonly decision: 'unknown'; readonly why: string };

export function decide(policy: Policy, question: Question): Decision {
  const denying = judged(policy, question, 'Deny');
  if (denying?.truth.is === 'yes') return { decision: 'denied', by: denying.by };
  if (denying?.truth.is === 'unknown') return { decision: 'unknown', why: `${denying.by}: ${denying.truth.why}` };
  const allowing = judged(policy, question, 'Allow');
  if (allowing?.truth.is === 'yes') return { decision: 'allowed', by: allowing.by };
  if (allowing?.truth.is === 'unknown') return { decision: 'unknown', why: `${allowing.by}: ${allowing.truth.why}` };
  return { decision: 'silent' };
}

/** The first statement of that effect that applies; without one, the first that may. */
function judged(policy: Policy, question: Question, effect: Statement['effect']): { readonly by: string; readonly truth: Truth } | undefined {
  const found = policy.statements
    .filter((statement) => statement.effect === effect)
    .map((statement) => ({ by: statement.name, truth: applies(statement, question, policy.hasVariables) }));
  return found.find(({ truth }) => truth.is === 'yes') ?? found.find(({ truth }) => truth.is === 'unknown');
}

function applies(statement: Statement, { asker, action, resource, keys }: Question, hasVariables: boolean): Truth {
  const { principals, actions, resources, conditions, effect, unread } = statement;
  const resolve: Resolve | undefined = hasVariables ? (key) => onlyValue(keys(key)) : undefined;
  // What was not understood may reach further than what was.
  if (unread !== undefined) return unknown(`can not be read (${unread})`);
  return all([
    negatedIf(actions.not, truthOf(actions.patterns.some((pattern) => actionMatches(pattern, action)))),
    negatedIf(resources.not, any(resources.patterns.map((text) => resourceTruth(text, resource, resolve)))),
    principals === undefined ? YES : principals.not ? isNoneOf(principals.of, asker) : isOneOf(principals.of, asker),
    ...conditions.map((condition) => holds(condition, effect, keys, hasVariables)),
  ]);
}

function negatedIf(negated: boolean, truth: Truth): Truth {
  return negated ? not(truth) : truth;
}

function actionMatches(pattern: string, action: string): boolean {
  return matches(patternOf(pattern.toLowerCase(), undefined) ?? [], action.toLowerCase());
}

function resourceTruth(text: string, resource: string, resolve: Resolve | undefined): Truth {
  const pattern = patternOf(text, resolve);
  return pattern === undefined ? unknown(`variable in ${text}`) : resourceMatches(pattern, resource);
}

function onlyValue(value: ReturnType<Keys>): string | undefined {
  return typeof value === 'object' && value.length === 1 ? value[0] : undefined;
}

const ACCOUNT = /^(?:arn:[^:]+:iam::)?(\d{12})(?::root)?$/;

export function accountOf(arn: string): string | undefined {
  return /^arn:[^:]*:[^:]*:[^:]*:(\d{12}):/.exec(arn)?.[1];
}

function isOneOf(principals: Principals, asker: Asker): Truth {
  if (principals === 'everyone') return YES;
  const { arn, service } = asker;
  if (service !== undefined) return truthOf(principals.service.includes(service));
  if (arn === undefined) return NO;
  return any([...principals.aws.map((named) => isNamed(named, arn)), ...principals.others.map((other) => unknown(`principal ${other}`))]);
}

/** An account names all in it. */
function isNamed(named: string, arn: string): Truth {
  if (named === arn) return YES;
  const account = ACCOUNT.exec(named)?.[1];
  if (account !== undefined) return truthOf(accountOf(arn) === account);
  if (!named.startsWith('arn:') || named.includes('*')) return unknown(`principal ${named}`);
  // A session is named by the name of its role, without the role's path.
  const session = /^arn:[^:]+:sts::(\d{12}):assumed-role\/([^/]+)\//.exec(named);
  if (session === null) return NO;
  return session[1] === accountOf(arn) && arn.endsWith(`/${session[2] ?? ''}`) ? unknown(`principal ${named}, a session`) : NO;
}

/** Who is named is left out. That an account is named leaves out its root alone; of the others there it says little. */
function isNoneOf(principals: Principals, asker: Asker): Truth {
  if (principals === 'everyone') return NO;
  const { arn, service } = asker;
  if (service !== undefined) return truthOf(!principals.service.includes(service));
  if (arn === undefined) return YES;
  return all(
    [...principals.aws, ...principals.others].map((named) => {
      if (named === arn || (ACCOUNT.test(named) && /:root$/.test(arn) && isNamed(named, arn).is === 'yes')) return NO;
      const isMeant = isNamed(named, arn);
      return isMeant.is === 'yes' ? unknown(`NotPrincipal ${named}`) : not(isMeant);
    }),
  );
}

/** The principals a policy names one by one, or by a pattern: those it makes exceptions for, or means. */
export function namedPrincipals(policy: Policy): readonly string[] {
  const found = new Set<string>();
  for (const { principals, conditions } of policy.statements) {
    const of = principals?.of;
    if (of !== undefined && of !== 'everyone') for (const named of of.aws) if (named.startsWith('arn:')) found.add(named);
    for (const { key, values } of conditions) if (key === 'aws:principalarn') for (const value of values) found.add(value);
  }
  return [...found];
}
