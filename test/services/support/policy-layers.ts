/**
 * One answer out of the layers of AWS: a deny anywhere counts; the organization's policies must let the request pass
 * (FullAWSAccess stands beside ours, so only their denies matter); within an account the identity's or the resource's
 * policy must allow it, of a key its own policy in any case; across accounts both must.
 *
 * Which statements of one policy apply is asked of iam-rs, once for all. The answers without a statement come from the
 * same: so a statement's worth can be told without asking again.
 */
import { run } from '../../../scripts/services/process.mjs';
import { carriedBy, variablesFor } from '../../policies/table.js';
import type { Cell, Section, Table } from '../../policies/table.js';
import { policyOf } from '../../policies/templates.js';

export interface Answer {
  readonly is: 'allowed' | 'denied';
  /** Every statement that denies it; else all that allow it. As `template/Sid`. */
  readonly by: readonly string[];
}

export interface Judged {
  readonly section: Section;
  readonly cell: Cell;
  /** @param without a statement that is left out, as `template/Sid` */
  readonly answer: (without?: string) => Answer;
}

interface Asked {
  readonly policy: string;
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string | boolean>>;
}

type Applying = readonly (readonly [sid: string, effect: 'Allow' | 'Deny'])[];

/** AdministratorAccess, and a bucket or a key that somebody has opened to the world. */
const STAND_INS = {
  everything: { Version: '2012-10-17', Statement: [{ Sid: 'everything', Effect: 'Allow', Action: '*', Resource: '*' }] },
  opened: { Version: '2012-10-17', Statement: [{ Sid: 'opened', Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }] },
} as const;
/** Those of our services that resource control policies reach. */
const REACHED_BY_RCP = new Set(['s3', 'kms', 'sts']);

/** A question of iam-rs, and where its answer is needed. */
class Questions {
  readonly policies: Record<string, unknown> = { ...STAND_INS };
  readonly requests: Asked[] = [];
  answers: readonly Applying[] = [];

  ask(asked: Asked): () => Applying {
    const at = this.requests.push(asked) - 1;
    return () => {
      const found = this.answers[at];
      if (found === undefined) throw new Error('not answered yet');
      return found.map(([sid, effect]) => [asked.policy in STAND_INS ? sid : `${asked.policy.replace(/@.*/, '')}/${sid}`, effect] as const);
    };
  }
}

/** @param evaluator path of the program that scripts/services/iam-evaluator.mjs builds */
export async function judgeAll(evaluator: string, table: Table): Promise<Judged[]> {
  const questions = new Questions();
  const judged = table.sections.flatMap((section, at) => section.cells.map((cell) => prepare(questions, table, section, String(at), cell)));
  const said = await run(evaluator, [], { input: JSON.stringify({ policies: questions.policies, requests: questions.requests }) });
  questions.answers = JSON.parse(said) as readonly Applying[];
  return judged;
}

function prepare(questions: Questions, table: Table, section: Section, world: string, cell: Cell): Judged {
  const principal = table.principals[cell.who];
  const [name = '', ...key] = cell.on.split('/');
  const resource = table.resources[name];
  if (principal === undefined || resource === undefined) throw new Error(`table.yaml: there is no principal ${cell.who}, or no resource ${name}`);
  const arn = key.length === 0 ? resource.arn : `${resource.arn}/${key.join('/')}`;
  const account = principal.arn.split(':')[4] ?? '';
  const root = `arn:aws:iam::${account}:root`;
  // An SCP binds the accounts it is attached to; a resource control policy binds whoever comes to their resources.
  const outside = principal.outside || cell['from outside'];
  const service = cell.does.split(':')[0] ?? '';
  const carried: Record<string, string | boolean | null> = {
    'aws:PrincipalArn': principal.arn,
    'aws:PrincipalAccount': account,
    'aws:PrincipalIsAWSService': false,
    'aws:ResourceAccount': resource.account,
    'aws:PrincipalOrgID': outside ? 'o-another' : (table.variables['organization_id'] ?? ''),
    'aws:SecureTransport': true,
    ...(service === 's3' && { 's3:TlsVersion': '1.3' }),
    ...carriedBy(table, cell),
  };
  const context = Object.fromEntries(Object.entries(carried).filter((entry): entry is [string, string | boolean] => entry[1] !== null));
  const asking = (policy: string, as: string): (() => Applying) => {
    let named = policy;
    if (!(policy in STAND_INS)) {
      named = `${policy}@${world}`;
      questions.policies[named] ??= policyOf(policy, variablesFor(table, section, policy));
    }
    return questions.ask({ policy: named, principal: as, action: cell.does, resource: arn, context });
  };
  const organization = section.layers.includes('organization');
  const identity = asking(principal.identity, principal.arn);
  const ofResource = resource.policy === undefined ? undefined : section.layers.includes('resource') ? resource.policy : 'opened';
  const direct = ofResource === undefined ? undefined : asking(ofResource, principal.arn);
  // A policy that names an account means everybody in it whom that account's own policies let.
  const delegated = ofResource === undefined ? undefined : asking(ofResource, root);
  const scp = organization && !outside && table.accounts.includes(account) ? asking('organization/scp', principal.arn) : undefined;
  const rcp = organization && REACHED_BY_RCP.has(service) ? asking('organization/rcp', principal.arn) : undefined;

  return {
    section,
    cell,
    answer: (without) => {
      const of = (effect: 'Allow' | 'Deny', layer: (() => Applying) | undefined): string[] => (layer?.() ?? []).filter(([sid, found]) => found === effect && sid !== without).map(([sid]) => sid);
      const denies = unique([scp, rcp, direct, delegated, identity].flatMap((layer) => of('Deny', layer)));
      if (denies.length > 0) return { is: 'denied', by: denies };
      const byIdentity = of('Allow', identity);
      const byResource = of('Allow', direct);
      const byAccount = of('Allow', delegated);
      const both = unique([...byIdentity, ...byResource, ...byAccount]);
      const allowed = ((): boolean => {
        if (cell.granted) return true;
        if (ofResource === undefined) return byIdentity.length > 0;
        if (account !== resource.account) return byIdentity.length > 0 && byAccount.length > 0;
        if (service === 'kms') return byResource.length > 0 || (byIdentity.length > 0 && byAccount.length > 0);
        return byIdentity.length > 0 || byResource.length > 0;
      })();
      return allowed ? { is: 'allowed', by: both } : { is: 'denied', by: [] };
    },
  };
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
