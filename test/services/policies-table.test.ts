/**
 * Every cell of `policies/table.yaml`, judged by iam-rs: what the policies allow and deny, to whom, and by which
 * statement; and that no statement stands there for nothing.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { install } from '../../scripts/services/iam-evaluator.mjs';
import { run } from '../../scripts/services/process.mjs';
import { readTable, variablesFor } from '../policies/table.js';
import { policyNames, policyOf } from '../policies/templates.js';
import { judgeAll } from './support/policy-layers.js';
import type { Judged } from './support/policy-layers.js';

const table = readTable();
let evaluator: string;
let judged: Judged[];
beforeAll(async () => {
  evaluator = await install();
  judged = await judgeAll(evaluator, table);
});

const sorted = (values: readonly string[]): string[] => [...values].sort();
const cells = table.sections.flatMap(({ title, cells: inIt }) => inIt.map((cell) => ({ title, cell })));

describe('the table', () => {
  it.each(cells.map(({ title, cell }, at) => [`${title}: ${cell.who} ${cell.does} ${cell.on} ${JSON.stringify(cell.with)}`, at] as const))('%s', (_name, at) => {
    const { cell, answer } = judged[at]!;
    expect({ ...answer(), by: sorted(answer().by) }).toEqual({ is: cell.is, by: sorted(cell.by) });
  });

  it('has enough cells to say something of every duty', () => {
    expect(cells.length).toBeGreaterThan(200);
    const asked = new Set(cells.map(({ cell }) => cell.who));
    expect(sorted(Object.keys(table.principals))).toEqual(sorted([...asked]));
  });
});

describe('a statement', () => {
  const variables = variablesFor(table, table.sections[0]!, 's3/replica-bucket');
  const statements = policyNames().flatMap((name) => policyOf(name, variables).Statement.map(({ Sid, Effect }) => [`${name}/${Sid}`, Effect] as const));

  it.each(statements)('%s (%s) decides a cell: without it the answer is the opposite', (sid, effect) => {
    const turned = judged.filter(({ answer }) => answer().by.includes(sid) && answer(sid).is !== answer().is);
    expect(turned.map(({ answer }) => answer().is), `no cell turns on ${sid}`).toContain(effect === 'Deny' ? 'denied' : 'allowed');
  });
});

describe('the evaluator', () => {
  /** Which of these conditions hold for a request that carries `context`. */
  async function holding(context: Readonly<Record<string, unknown>>, conditions: Readonly<Record<string, unknown>>): Promise<string[]> {
    const Statement = Object.entries(conditions).map(([Sid, Condition]) => ({ Sid, Effect: 'Allow', Action: '*', Resource: '*', Condition }));
    const request = { policy: 'p', principal: 'arn:aws:iam::111111111111:role/a', action: 's3:PutObject', resource: 'arn:aws:s3:::b/k', context };
    const said = await run(evaluator, [], { input: JSON.stringify({ policies: { p: { Version: '2012-10-17', Statement } }, requests: [request] }) });
    return (JSON.parse(said) as [[string, string][]])[0].map(([sid]) => sid);
  }

  it('knows what the policies lean on: a negated comparison holds for what is absent, a plain one does not', async () => {
    const conditions = {
      stringNot: { StringNotEquals: { k: '*' } },
      stringNotOfTwo: { StringNotEquals: { k: ['a', 'b'] } },
      arnNot: { ArnNotEquals: { k: 'arn:aws:iam::1:role/a' } },
      arnNotLike: { ArnNotLike: { k: 'arn:aws:iam::*:role/a' } },
      string: { StringEquals: { k: 'a' } },
      arn: { ArnEquals: { k: 'a' } },
      less: { NumericLessThan: { k: '1' } },
      greater: { NumericGreaterThan: { k: '1' } },
      bool: { Bool: { k: 'false' } },
      boolIfExists: { BoolIfExists: { k: 'false' } },
      stringNotIfExists: { StringNotEqualsIfExists: { k: 'a' } },
      absent: { Null: { k: 'true' } },
      present: { Null: { k: 'false' } },
    };
    expect(await holding({}, conditions)).toEqual(['stringNot', 'stringNotOfTwo', 'arnNot', 'arnNotLike', 'boolIfExists', 'stringNotIfExists', 'absent']);
  });

  it('compares what is there: two values of a negated comparison must both differ, numbers are numbers', async () => {
    expect(await holding({ k: 'b' }, { ofTwo: { StringNotEquals: { k: ['a', 'b'] } }, ofOne: { StringNotEquals: { k: 'a' } }, present: { Null: { k: 'false' } } })).toEqual(['ofOne', 'present']);
    expect(await holding({ k: '9' }, { less: { NumericLessThan: { k: '10' } }, greater: { NumericGreaterThan: { k: '10' } } })).toEqual(['less']);
    expect(await holding({ k: '1.1' }, { old: { NumericLessThan: { k: '1.2' } } })).toEqual(['old']);
    expect(await holding({ k: 'arn:aws:iam::222:role/a' }, { like: { ArnNotLike: { k: 'arn:aws:iam::*:role/a' } }, other: { ArnNotLike: { k: 'arn:aws:iam::*:role/b' } } })).toEqual(['other']);
    expect(await holding({ k: false, m: '1' }, { both: { Bool: { k: 'false' }, Null: { m: 'false' } }, one: { Bool: { k: 'false' }, Null: { m: 'true' } } })).toEqual(['both']);
  });

  it('differs from AWS in two ways that no policy here depends on, and which the table avoids', async () => {
    // AWS takes a wildcard in ArnEquals as in ArnLike; and its values of a request are texts, also "false".
    expect(await holding({ k: 'arn:aws:iam::222:role/a' }, { arnEquals: { ArnEquals: { k: 'arn:aws:iam::*:role/a' } } })).toEqual([]);
    expect(await holding({ k: 'false' }, { bool: { Bool: { k: 'false' } } })).toEqual([]);
  });
});
