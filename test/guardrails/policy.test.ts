/**
 * The evaluator of bucket and key policies. At stake: an operator who reads "protected" although the policy denies
 * nothing, or only seems to.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arnMatches, matches, patternOf } from '#indelible/guardrails/pattern.js';
import { decide, namedPrincipals } from '#indelible/guardrails/policy.js';
import type { Asker, Decision } from '#indelible/guardrails/policy.js';
import { PolicyError, readPolicy } from '#indelible/guardrails/policy-document.js';
import type { KeyValue } from '#indelible/guardrails/condition.js';

const ROLE = 'arn:aws:iam::111111111111:role/writer';
const OBJECT = 'arn:aws:s3:::log/chains/a/1';

interface Asked {
  readonly keys?: Readonly<Record<string, KeyValue>>;
  readonly asker?: Asker;
  readonly action?: string;
  readonly resource?: string;
  readonly version?: string;
}

function answer(statement: object, { keys = {}, asker = { arn: ROLE }, action = 's3:PutObject', resource = OBJECT, version = '2012-10-17' }: Asked = {}): Decision['decision'] {
  const whole = { Sid: 'One', Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: '*', ...statement };
  return decide(readPolicy(JSON.stringify({ Version: version, Statement: [whole] })), { asker, action, resource, keys: (key) => keys[key] ?? 'absent' }).decision;
}

const under = (Condition: object, keys: Asked['keys'] = {}, more: Asked = {}): Decision['decision'] => answer({ Condition }, { ...more, keys });

describe('what a denial reaches', () => {
  it.each([
    ['s3:PutObject', 'denied'], ['S3:putobject', 'denied'], ['s3:Put*', 'denied'], ['s3:?utObject', 'denied'], ['*', 'denied'],
    ['s3:PutObjectAcl', 'silent'], ['s3:Put', 'silent'], ['kms:*', 'silent'],
  ])('action %s: %s', (Action, expected) => expect(answer({ Action })).toBe(expected));

  it.each([
    ['*', 'denied'], ['arn:aws:s3:::log/*', 'denied'], ['arn:aws:s3:::*', 'denied'], ['arn:aws:s3:::log/chains/?/1', 'denied'],
    ['arn:aws:s3:::log', 'silent'], ['arn:aws:s3:::LOG/*', 'silent'], ['arn:aws:s3:::other/*', 'silent'],
    // Whether a wildcard reaches over a colon is nowhere said for certain.
    ['arn:aws:s3*', 'unknown'],
  ])('resource %s: %s', (Resource, expected) => expect(answer({ Resource })).toBe(expected));

  it('NotAction and NotResource reach all but what they name', () => {
    expect(answer({ Action: undefined, NotAction: 's3:Get*' })).toBe('denied');
    expect(answer({ Action: undefined, NotAction: 's3:Put*' })).toBe('silent');
    expect(answer({ Resource: undefined, NotResource: 'arn:aws:s3:::log/_self-test/*' })).toBe('denied');
    expect(answer({ Resource: undefined, NotResource: 'arn:aws:s3:::log/*' })).toBe('silent');
  });

  it.each([
    ['*', ROLE, 'denied'],
    [{ AWS: '*' }, ROLE, 'denied'],
    [{ AWS: ROLE }, ROLE, 'denied'],
    [{ AWS: '111111111111' }, ROLE, 'denied'],
    [{ AWS: 'arn:aws:iam::111111111111:root' }, ROLE, 'denied'],
    [{ AWS: ['arn:aws:iam::222222222222:root', ROLE] }, ROLE, 'denied'],
    [{ AWS: 'arn:aws:iam::222222222222:root' }, ROLE, 'silent'],
    [{ AWS: 'arn:aws:iam::111111111111:role/other' }, ROLE, 'silent'],
    [{ Service: 'logging.s3.amazonaws.com' }, ROLE, 'silent'],
    // A session, a wildcard where none is allowed, an id of somebody who was deleted, a user of another system.
    [{ AWS: 'arn:aws:sts::111111111111:assumed-role/writer/session' }, ROLE, 'unknown'],
    [{ AWS: 'arn:aws:sts::111111111111:assumed-role/other/session' }, ROLE, 'silent'],
    [{ AWS: 'arn:aws:iam::111111111111:role/*' }, ROLE, 'unknown'],
    [{ AWS: 'AROAEXAMPLEEXAMPLE' }, ROLE, 'unknown'],
    [{ CanonicalUser: 'abc' }, ROLE, 'unknown'],
  ])('principal %j', (Principal, arn, expected) => expect(answer({ Principal }, { asker: { arn } })).toBe(expected));

  it('who is nobody is reached by a denial of everybody alone', () => {
    expect(answer({ Principal: '*' }, { asker: {} })).toBe('denied');
    expect(answer({ Principal: { AWS: '111111111111' } }, { asker: {} })).toBe('silent');
    expect(answer({ Principal: { Service: 'logging.s3.amazonaws.com' } }, { asker: { service: 'logging.s3.amazonaws.com' } })).toBe('denied');
  });

  it('NotPrincipal leaves out who is named; that an account is named says nothing sure of the others in it', () => {
    const not = (NotPrincipal: object | string, arn = ROLE): string => answer({ Principal: undefined, NotPrincipal }, { asker: { arn } });
    expect(not({ AWS: ROLE })).toBe('silent');
    expect(not({ AWS: 'arn:aws:iam::111111111111:role/other' })).toBe('denied');
    expect(not({ AWS: 'arn:aws:iam::111111111111:root' }, 'arn:aws:iam::111111111111:root')).toBe('silent');
    expect(not({ AWS: 'arn:aws:iam::111111111111:root' })).toBe('unknown');
    expect(not('*')).toBe('silent');
  });
});

describe('conditions', () => {
  it.each<[object, Asked['keys'], string]>([
    [{ StringEquals: { 'aws:k': 'a' } }, { 'aws:k': ['a'] }, 'denied'],
    [{ StringEquals: { 'AWS:K': ['b', 'a'] } }, { 'aws:k': ['a'] }, 'denied'],
    [{ StringEquals: { k: 'A' } }, { k: ['a'] }, 'silent'],
    [{ StringEqualsIgnoreCase: { k: 'A' } }, { k: ['a'] }, 'denied'],
    [{ StringNotEqualsIgnoreCase: { k: 'A' } }, { k: ['a'] }, 'silent'],
    [{ StringEquals: { k: 'a*' } }, { k: ['ab'] }, 'silent'],
    [{ StringLike: { k: 'a*' } }, { k: ['ab'] }, 'denied'],
    [{ StringNotLike: { k: ['x*', 'a?'] } }, { k: ['ab'] }, 'silent'],
    [{ StringNotEquals: { k: ['a', 'b'] } }, { k: ['c'] }, 'denied'],
    [{ StringNotEquals: { k: ['a', 'b'] } }, { k: ['b'] }, 'silent'],
    [{ ArnEquals: { k: 'arn:aws:iam::*:role/writer' } }, { k: [ROLE] }, 'denied'],
    [{ ArnLike: { k: 'arn:aws:iam::1*:role/w*' } }, { k: [ROLE] }, 'denied'],
    [{ ArnNotEquals: { k: ROLE } }, { k: [ROLE] }, 'silent'],
    [{ ArnNotLike: { k: 'arn:aws:iam::*:role/other' } }, { k: [ROLE] }, 'denied'],
    [{ ArnLike: { k: 'arn:aws:iam*' } }, { k: [ROLE] }, 'unknown'],
    [{ Bool: { k: 'false' } }, { k: ['false'] }, 'denied'],
    [{ Bool: { k: false } }, { k: ['False'] }, 'denied'],
    [{ Bool: { k: 'no' } }, { k: ['false'] }, 'unknown'],
    [{ NumericLessThan: { k: '10' } }, { k: ['9'] }, 'denied'],
    [{ NumericLessThan: { k: 10 } }, { k: ['10'] }, 'silent'],
    [{ NumericLessThanEquals: { k: '10' } }, { k: ['10'] }, 'denied'],
    [{ NumericGreaterThan: { k: '1.1' } }, { k: ['1.2'] }, 'denied'],
    [{ NumericGreaterThanEquals: { k: '2' } }, { k: ['1'] }, 'silent'],
    [{ NumericEquals: { k: '1.0' } }, { k: ['1'] }, 'denied'],
    [{ NumericNotEquals: { k: '1' } }, { k: ['1'] }, 'silent'],
    [{ NumericLessThan: { k: 'ten' } }, { k: ['9'] }, 'unknown'],
    [{ Null: { k: 'true' } }, {}, 'denied'],
    [{ Null: { k: 'true' } }, { k: ['a'] }, 'silent'],
    [{ Null: { k: 'false' } }, { k: ['a'] }, 'denied'],
    [{ Null: { k: 'maybe' } }, {}, 'unknown'],
  ])('%j with %j: %s', (condition, keys, expected) => expect(under(condition, keys)).toBe(expected));

  it('a key that is not there: no comparison holds, every negated one does, and with IfExists all do', () => {
    for (const operator of ['StringEquals', 'StringLike', 'ArnLike', 'Bool', 'NumericLessThan']) {
      expect(under({ [operator]: { k: '1' } }), operator).toBe('silent');
      expect(under({ [`${operator}IfExists`]: { k: '1' } }), operator).toBe('denied');
    }
    for (const operator of ['StringNotEquals', 'StringNotLike', 'ArnNotEquals', 'ArnNotLike', 'NumericNotEquals']) {
      expect(under({ [operator]: { k: '1' } }), operator).toBe('denied');
      expect(under({ [`${operator}IfExists`]: { k: '1' } }), operator).toBe('denied');
    }
  });

  it('of several values all or any are asked for; without saying which, it can not be judged', () => {
    const keys = { k: ['a', 'b'] };
    expect(under({ StringEquals: { k: 'a' } }, keys)).toBe('unknown');
    expect(under({ 'ForAnyValue:StringEquals': { k: 'a' } }, keys)).toBe('denied');
    expect(under({ 'ForAllValues:StringEquals': { k: 'a' } }, keys)).toBe('silent');
    expect(under({ 'ForAllValues:StringEquals': { k: ['a', 'b'] } }, keys)).toBe('denied');
    expect(under({ 'ForAnyValue:StringNotEquals': { k: 'a' } }, keys)).toBe('denied');
    expect(under({ 'ForAllValues:StringEquals': { k: 'a' } })).toBe('denied');
    expect(under({ 'ForAnyValue:StringEquals': { k: 'a' } })).toBe('silent');
  });

  it('all of them must hold: one that does not decides, whatever of the others can not be judged', () => {
    expect(under({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' }, StringEquals: { k: 'a' } }, { k: ['b'], 'aws:sourceip': ['10.0.0.1'] })).toBe('silent');
    expect(under({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' }, StringEquals: { k: 'a' } }, { k: ['a'], 'aws:sourceip': ['10.0.0.1'] })).toBe('unknown');
  });

  it('variables take the value of their key; in old policies they are plain text', () => {
    const keys = { k: ['alice'], 'aws:username': ['alice'] };
    expect(under({ StringEquals: { k: '${aws:username}' } }, keys)).toBe('denied');
    expect(under({ StringEquals: { k: '${aws:username}' } }, keys, { version: '2008-10-17' })).toBe('silent');
    expect(under({ StringLike: { k: '${*}' } }, { k: ['anything'] })).toBe('silent');
    expect(under({ StringEquals: { k: "${aws:none, 'alice'}" } }, keys)).toBe('denied');
    expect(under({ StringEquals: { k: '${aws:none}' } }, keys)).toBe('unknown');
    expect(answer({ Resource: 'arn:aws:s3:::log/${aws:username}/*' }, { keys, resource: 'arn:aws:s3:::log/alice/1' })).toBe('denied');
  });

  it('what the sender chooses denies nothing, and allows what it can', () => {
    expect(under({ StringNotEquals: { k: 'a' } }, { k: 'free' })).toBe('silent');
    expect(answer({ Effect: 'Allow', Condition: { StringEquals: { k: 'a' } } }, { keys: { k: 'free' } })).toBe('allowed');
  });
});

describe('what it does not know', () => {
  it.each<[string, object]>([
    ['an operator', { Condition: { DateGreaterThan: { k: '2020-01-01T00:00:00Z' } } }],
    ['an operator of another name', { Condition: { toString: { k: 'a' } } }],
    ['an element', { Surprise: true }],
    ['both Action and NotAction', { NotAction: 's3:Get*' }],
    ['a condition of another shape', { Condition: { StringEquals: 'a' } }],
    ['no resource', { Resource: undefined }],
  ])('%s makes the answer unknown, never denied', (_what, statement) => expect(answer(statement, { keys: { k: ['a'] } })).toBe('unknown'));

  it('is not asked where another statement denies', () => {
    const policy = readPolicy(JSON.stringify({ Statement: [{ Effect: 'Deny', Principal: '*', Action: '*', Resource: '*', Condition: { IpAddress: { k: '::' } } }, { Sid: 'Sure', Effect: 'Deny', Principal: '*', Action: '*', Resource: '*' }] }));
    expect(decide(policy, { asker: {}, action: 's3:PutObject', resource: OBJECT, keys: () => ['x'] })).toEqual({ decision: 'denied', by: 'Sure' });
  });

  it('what is no policy is refused', () => {
    for (const text of ['', '[]', '{"Statement":[{"Effect":"deny"}]}', '{"Statement":["x"]}']) expect(() => readPolicy(text), text).toThrow(PolicyError);
  });

  it('whatever the condition, an operator it does not know never denies', () => {
    const operator = fc.string({ minLength: 1 }).filter((text) => !/^(For(All|Any)Values?:)?(String|Arn|Bool|Numeric|Null)/.test(text));
    fc.assert(fc.property(operator, fc.string(), (name, value) => under({ [name]: { k: value } }, { k: [value] }) !== 'denied'));
  });
});

describe('patterns', () => {
  it('match as the same regular expression would', () => {
    const text = fc.stringMatching(/^[ab*?]{0,8}$/);
    fc.assert(
      fc.property(text, fc.stringMatching(/^[ab]{0,8}$/), (pattern, value) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(value);
        expect(matches(patternOf(pattern, undefined) ?? [], value)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('take no time that a policy could use up', () => {
    const started = performance.now();
    expect(matches(patternOf('*a'.repeat(500), undefined) ?? [], 'a'.repeat(499))).toBe(false);
    // A pattern that is tried in each way there is takes longer than anybody waits.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('of ARNs are compared part by part', () => {
    expect(arnMatches(patternOf('arn:aws:iam::*:role/a', undefined) ?? [], 'arn:aws:iam::1:x:role/a').is).toBe('no');
    expect(arnMatches(patternOf('arn:aws:iam::1:*', undefined) ?? [], 'arn:aws:iam::1:role/a:b').is).toBe('yes');
  });
});

it('names whom a policy makes exceptions for', () => {
  const policy = readPolicy(JSON.stringify({ Statement: [{ Effect: 'Deny', Principal: '*', Action: '*', Resource: '*', Condition: { ArnNotEquals: { 'aws:PrincipalArn': [ROLE] } } }, { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::2:root' }, Action: '*', Resource: '*' }] }));
  expect(namedPrincipals(policy)).toEqual([ROLE, 'arn:aws:iam::2:root']);
});
