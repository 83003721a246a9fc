/**
 * Every cell of `policies/table.yaml`, judged by the evaluator that `guardrails check` uses. An IAM evaluator of others
 * judges the same table (test/services/policies-table.test.ts): where one of the two is wrong, they differ.
 */
import { expect, it } from 'vitest';
import { decide } from '#indelible/guardrails/policy.js';
import { readPolicy } from '#indelible/guardrails/policy-document.js';
import { carriedBy, readTable, variablesFor } from '../policies/table.js';
import type { Cell, Section } from '../policies/table.js';
import { policyOf } from '../policies/templates.js';
import type { Statement } from '../policies/templates.js';

const table = readTable();
const EVERYTHING: Statement = { Sid: 'everything', Effect: 'Allow', Action: '*', Resource: '*' };
const REACHED_BY_RCP = new Set(['s3', 'kms', 'sts']);

interface Applying {
  readonly sid: string;
  readonly effect: 'Allow' | 'Deny';
  /** Its account's own policies must let it, too. */
  readonly byAccount: boolean;
}

/** Each statement by itself, so that all that apply are known and not the first alone. */
function applying(section: Section, template: string, ask: { readonly arn: string; readonly action: string; readonly resource: string; readonly keys: ReadonlyMap<string, string> }): Applying[] {
  const { Version, Statement } = template === 'everything' ? { Version: '2012-10-17', Statement: [EVERYTHING] } : policyOf(template, variablesFor(table, section, template));
  return Statement.flatMap((statement) => {
    const policy = readPolicy(JSON.stringify({ Version, Statement: [statement] }));
    const value = decide(policy, { asker: { arn: ask.arn }, action: ask.action, resource: ask.resource, keys: (key) => (ask.keys.has(key) ? [ask.keys.get(key) ?? ''] : 'absent') });
    if (value.decision === 'unknown') throw new Error(`${template}/${statement.Sid}: ${value.why}`);
    const byAccount = /^arn:aws:iam::\d+:root$/.test(String((statement.Principal as { AWS?: unknown } | undefined)?.AWS));
    return value.decision === 'silent' ? [] : [{ sid: template === 'everything' ? statement.Sid : `${template}/${statement.Sid}`, effect: statement.Effect, byAccount }];
  });
}

function judge(section: Section, cell: Cell): { readonly is: string; readonly by: readonly string[] } {
  const principal = table.principals[cell.who]!;
  const [name = '', ...key] = cell.on.split('/');
  const resource = table.resources[name]!;
  const account = principal.arn.split(':')[4] ?? '';
  const service = cell.does.split(':')[0] ?? '';
  const outside = principal.outside || cell['from outside'];
  const carried: Record<string, string | boolean | null> = {
    'aws:PrincipalArn': principal.arn,
    'aws:PrincipalAccount': account,
    'aws:PrincipalIsAWSService': false,
    'aws:ResourceAccount': resource.account,
    'aws:PrincipalOrgID': outside ? 'o-another' : table.variables['organization_id']!,
    'aws:SecureTransport': true,
    ...(service === 's3' && { 's3:TlsVersion': '1.3' }),
    ...carriedBy(table, cell),
  };
  const keys = new Map(Object.entries(carried).flatMap(([of, value]) => (value === null ? [] : [[of.toLowerCase(), String(value)] as const])));
  const ask = { arn: principal.arn, action: cell.does, resource: key.length === 0 ? resource.arn : `${resource.arn}/${key.join('/')}`, keys };
  const organization = section.layers.includes('organization');
  const identity = applying(section, principal.identity, ask);
  const opened: Applying[] = [{ sid: 'opened', effect: 'Allow', byAccount: false }];
  const ofResource = resource.policy === undefined ? [] : section.layers.includes('resource') ? applying(section, resource.policy, ask) : opened;
  const scp = organization && !outside && table.accounts.includes(account) ? applying(section, 'organization/scp', ask) : [];
  const rcp = organization && REACHED_BY_RCP.has(service) ? applying(section, 'organization/rcp', ask) : [];
  const sids = (of: readonly Applying[], effect: string): string[] => [...new Set(of.filter((one) => one.effect === effect).map(({ sid }) => sid))].sort();
  const denies = sids([...scp, ...rcp, ...ofResource, ...identity], 'Deny');
  if (denies.length > 0) return { is: 'denied', by: denies };
  const [own, others] = [sids(identity, 'Allow').length > 0, ofResource.filter(({ effect }) => effect === 'Allow')];
  const direct = others.some(({ byAccount }) => !byAccount);
  const isAllowed = (): boolean => {
    if (cell.granted) return true;
    if (resource.policy === undefined) return own;
    if (account !== resource.account) return own && others.length > 0;
    return service === 'kms' ? direct || (own && others.length > 0) : own || direct;
  };
  return isAllowed() ? { is: 'allowed', by: sids([...identity, ...others], 'Allow') } : { is: 'denied', by: [] };
}

it.each(table.sections.flatMap((section) => section.cells.map((cell) => [`${section.title}: ${cell.who} ${cell.does} ${cell.on} ${JSON.stringify(cell.with)}`, section, cell] as const)))('%s', (_name, section, cell) => {
  expect(judge(section, cell)).toEqual({ is: cell.is, by: [...cell.by].sort() });
});
