/** The log bucket's policy on the scratch bucket: it must deny the same there, or the drill shows something else. */
import { describe, expect, it } from 'vitest';
import { fitPolicy, withoutDenials } from '#indelible/guardrails/drill/scratch-policy.js';

interface Fitted {
  readonly Statement: readonly { readonly Resource?: unknown; readonly Condition?: unknown; readonly Principal?: unknown; readonly Sid?: string }[];
}

function fitted(policy: object, leastDays = 1): { readonly statements: Fitted['Statement']; readonly changes: readonly string[] } {
  const { text, changes } = fitPolicy(JSON.stringify(policy), 'log', 'log-drill-1', leastDays);
  return { statements: (JSON.parse(text) as Fitted).Statement, changes };
}

describe('a policy', () => {
  it('speaks of the scratch bucket where it spoke of the log bucket, and of nothing else', () => {
    const { statements, changes } = fitted({
      Version: '2012-10-17',
      Statement: [
        { Sid: 'A', Effect: 'Deny', Principal: { AWS: 'arn:aws:iam::1:role/log' }, Resource: ['arn:aws:s3:::log', 'arn:aws:s3:::log/*', 'arn:aws-cn:s3:::log/chains/*'] },
        { Sid: 'B', Effect: 'Deny', Principal: '*', Resource: ['arn:aws:s3:::log-other/*', 'arn:aws:s3:::other/log'] },
      ],
    });
    expect(statements[0]).toMatchObject({ Principal: { AWS: 'arn:aws:iam::1:role/log' }, Resource: ['arn:aws:s3:::log-drill-1', 'arn:aws:s3:::log-drill-1/*', 'arn:aws-cn:s3:::log-drill-1/chains/*'] });
    expect(statements[1]).toMatchObject({ Resource: ['arn:aws:s3:::log-other/*', 'arn:aws:s3:::other/log'] });
    expect(changes).toEqual([]);
  });

  it('asks for GOVERNANCE and for a day at most, and says by statement what it asked for before', () => {
    const { statements, changes } = fitted({
      Statement: [
        { Sid: 'Mode', Effect: 'Deny', Condition: { StringNotEquals: { 's3:object-lock-mode': 'COMPLIANCE' } } },
        { Sid: 'Least', Effect: 'Deny', Condition: { NumericLessThan: { 's3:object-lock-remaining-retention-days': '2190' } } },
        { Sid: 'Most', Effect: 'Deny', Condition: { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '3700' } } },
      ],
    });
    expect(statements.map(({ Condition }) => Condition)).toEqual([
      { StringNotEquals: { 's3:object-lock-mode': 'GOVERNANCE' } },
      { NumericLessThan: { 's3:object-lock-remaining-retention-days': '1' } },
      { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '3700' } },
    ]);
    expect(changes).toEqual(['Mode: the mode is GOVERNANCE instead of COMPLIANCE', 'Least: the least retention is 1 instead of 2190 days']);
  });

  it('is taken also with one statement that is no list', () => {
    expect(fitted({ Statement: { Sid: 'One', Effect: 'Deny', Resource: 'arn:aws:s3:::log/*' } }).statements).toMatchObject([{ Resource: 'arn:aws:s3:::log-drill-1/*' }]);
  });

  it('that is replaced keeps what lets the writer in, and loses what denies', () => {
    const policy = JSON.stringify({ Statement: [{ Sid: 'In', Effect: 'Allow' }, { Sid: 'No', Effect: 'Deny' }] });
    expect(JSON.parse(withoutDenials(policy) ?? '')).toEqual({ Statement: [{ Sid: 'In', Effect: 'Allow' }] });
    expect(withoutDenials(JSON.stringify({ Statement: { Effect: 'Deny' } }))).toBeUndefined();
  });
});
