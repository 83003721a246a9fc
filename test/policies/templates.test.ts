/** The policies as files: what AWS would refuse when they are applied, and what nobody would find written down. */
import { describe, expect, it } from 'vitest';
import { readTable, variablesFor } from './table.js';
import type { Variables } from './templates.js';
import { policyNames, policyOf, readPolicyFile, rendered, template, templateNames, VARIABLES, variablesOf } from './templates.js';

const table = readTable();
const variables: Variables = { ...variablesFor(table, table.sections[0]!, ''), topic: 'audit.events', deployment: 'audit.example.com', msk_cluster_arn: 'arn:aws:kafka:eu-central-1:111111111111:cluster/audit/1' };
const minified = (name: string): string => JSON.stringify(rendered(name, variables));
/** As long as a role's ARN may become: 64 characters of a name below a path. */
const LONG = Object.fromEntries(
  Object.keys(variables).map((name) => [name, name.endsWith('role_arn') ? `arn:aws-us-gov:iam::111111111111:role/${'r'.repeat(64)}` : name.endsWith('_key_arn') ? `arn:aws-us-gov:kms:ap-southeast-1:111111111111:key/${'0'.repeat(36)}` : /bucket/.test(name) ? 'b'.repeat(63) : '9999']),
);

describe('a template', () => {
  it.each(templateNames())('%s names no variable that Terraform does not give, and is JSON once they are put in', (name) => {
    expect([...variablesOf(template(name))].filter((variable) => !VARIABLES.includes(variable as (typeof VARIABLES)[number]))).toEqual([]);
    expect(rendered(name, variables)).toBeTypeOf('object');
    // Terraform takes this for a directive.
    expect(template(name)).not.toContain('%{');
  });

  it('without a value for a variable is refused, naming it', () => {
    expect(() => rendered('s3/log-bucket', {})).toThrow('the variable partition has no value');
  });
});

describe('a policy', () => {
  it.each(policyNames())('%s has statements with a name each, of which none is there twice', (name) => {
    const sids = policyOf(name, variables).Statement.map(({ Sid }) => Sid);
    expect(sids.filter((sid) => !/^[A-Za-z0-9]+$/.test(sid))).toEqual([]);
    expect(new Set(sids).size).toBe(sids.length);
  });

  it.each(policyNames())('%s says of each statement what AWS wants said', (name) => {
    for (const statement of policyOf(name, variables).Statement) {
      expect([statement.Action, statement.NotAction].filter((part) => part !== undefined), statement.Sid).toHaveLength(1);
      expect([statement.Resource, statement.NotResource].filter((part) => part !== undefined), statement.Sid).toHaveLength(1);
      expect(statement.Principal !== undefined, statement.Sid).toBe(/^(s3|kms)\/|rcp$/.test(name));
      if (name.startsWith('organization/')) expect(statement.Effect, statement.Sid).toBe('Deny');
      if (name === 'organization/rcp') expect({ Principal: statement.Principal, NotAction: statement.NotAction }, statement.Sid).toEqual({ Principal: '*', NotAction: undefined });
      if (name.startsWith('s3/')) {
        // A bucket's policy speaks of that bucket alone.
        const bucket = name === 's3/log-bucket' ? variables['bucket'] : variables['replica_bucket'];
        expect([statement.Resource ?? statement.NotResource ?? []].flat().filter((arn) => arn !== `arn:aws:s3:::${bucket ?? ''}` && !arn.startsWith(`arn:aws:s3:::${bucket ?? ''}/`))).toEqual([]);
      }
    }
  });

  it.each([
    ...policyNames().filter((name) => name.startsWith('s3/')).map((name) => [name, 20_480] as const),
    ...policyNames().filter((name) => name.startsWith('kms/')).map((name) => [name, 32_768] as const),
    ...policyNames().filter((name) => name.startsWith('iam/')).map((name) => [name, 6_144] as const),
    ...policyNames().filter((name) => name.startsWith('organization/')).map((name) => [name, 5_120] as const),
  ])('%s is not longer than AWS takes (%i), with the longest names', (name, most) => {
    expect(JSON.stringify(policyOf(name, { ...variables, ...LONG })).length).toBeLessThanOrEqual(most);
    expect(minified(name).length).toBeLessThanOrEqual(most);
  });

  it('allows nobody anything in the log bucket: who could be added there would need no right of the account', () => {
    expect(policyOf('s3/log-bucket', variables).Statement.filter(({ Effect }) => Effect === 'Allow')).toEqual([]);
  });
});

describe('policies/README.md', () => {
  const sections = new Map(
    readPolicyFile('README.md')
      .split(/^### `/m)
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf('.json`')), text.split(/^## /m)[0] ?? '']),
  );

  it.each(policyNames())('has a line for each statement of %s, and names its variables', (name) => {
    const section = sections.get(name) ?? '';
    const described = [...section.matchAll(/^\| `(\w+)` \| .{10,}/gm)].map(([, sid]) => sid);
    expect(described).toEqual(policyOf(name, variables).Statement.map(({ Sid }) => Sid));
    const named = [...(/^Variables: (.*)$/m.exec(section)?.[1] ?? '').matchAll(/`(\w+)`/g)].map(([, variable]) => variable);
    expect(named).toEqual([...variablesOf(template(name))].sort());
  });

  it('speaks of every role and setting of Kafka and Elasticsearch', () => {
    const text = readPolicyFile('README.md');
    const broker = rendered('kafka/broker', variables) as Record<string, string>;
    const roles = rendered('elasticsearch/roles', variables) as Record<string, unknown>;
    const said = ['auto.create.topics.enable', 'delete.topic.enable', 'default.replication.factor', 'min.insync.replicas', 'unclean.leader.election.enable', 'log.retention.ms', 'log.retention.bytes', 'allow.everyone.if.no.acl.found'];
    for (const setting of said) expect(text).toContain(`${setting}=${broker[setting] ?? 'not there'}`);
    for (const role of Object.keys(roles)) expect(text).toContain(`\`${role}\``);
  });
});
