/**
 * The log bucket's policy, made to fit the scratch bucket: what it says of the one it says of the other. Three things
 * differ, and each is told: the name, the mode (GOVERNANCE, so that nobody is left with a bucket that can't be
 * removed), and the least retention, which is a day at most.
 */

export interface FittedPolicy {
  readonly text: string;
  /** What reads otherwise than in the log bucket's policy, a sentence each. */
  readonly changes: readonly string[];
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

const MODE = 's3:object-lock-mode';
const DAYS = 's3:object-lock-remaining-retention-days';

/** @param leastDays what a least retention becomes @throws SyntaxError if the policy is no JSON */
export function fitPolicy(policy: string, bucket: string, scratch: string, leastDays: number): FittedPolicy {
  const changes = new Set<string>();
  const renamed = rename(JSON.parse(policy) as Json, bucket, scratch);
  const fitted = fitConditions(renamed, leastDays, changes);
  return { text: JSON.stringify(fitted), changes: [...changes] };
}

/** `arn:aws:s3:::name` and `arn:aws:s3:::name/…`; a name that only begins alike is another bucket. */
function rename(value: Json, bucket: string, scratch: string): Json {
  if (typeof value === 'string') return /^arn:[^:]*:s3:::/.test(value) ? renamed(value, bucket, scratch) : value;
  if (Array.isArray(value)) return value.map((one: Json) => rename(one, bucket, scratch));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, rename(one, bucket, scratch)]));
}

function renamed(arn: string, bucket: string, scratch: string): string {
  const at = arn.indexOf(':::') + 3;
  const [name = '', ...path] = arn.slice(at).split('/');
  return name === bucket ? [arn.slice(0, at) + scratch, ...path].join('/') : arn;
}

function fitConditions(policy: Json, leastDays: number, changes: Set<string>): Json {
  if (typeof policy !== 'object' || policy === null || !('Statement' in policy)) return policy;
  const { Statement } = policy as { readonly Statement: Json };
  const statements: readonly Json[] = Array.isArray(Statement) ? (Statement as readonly Json[]) : [Statement];
  return { ...(policy as Record<string, Json>), Statement: statements.map((statement) => fitStatement(statement, leastDays, changes)) };
}

function fitStatement(statement: Json, leastDays: number, changes: Set<string>): Json {
  if (typeof statement !== 'object' || statement === null || Array.isArray(statement)) return statement;
  const { Condition, Sid } = statement as { readonly [name: string]: Json };
  if (typeof Condition !== 'object' || Condition === null || Array.isArray(Condition)) return statement;
  const name = typeof Sid === 'string' ? Sid : 'a statement without a Sid';
  const fitted = Object.entries(Condition).map(([operator, keys]) => [operator, fitKeys(operator, keys, name, leastDays, changes)] as const);
  return { ...(statement as Record<string, Json>), Condition: Object.fromEntries(fitted) };
}

function fitKeys(operator: string, keys: Json, statement: string, leastDays: number, changes: Set<string>): Json {
  if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) return keys;
  return Object.fromEntries(
    Object.entries(keys).map(([key, value]): [string, Json] => {
      if (key.toLowerCase() === MODE && JSON.stringify(value).includes('COMPLIANCE')) {
        changes.add(`${statement}: the mode is GOVERNANCE instead of COMPLIANCE`);
        return [key, JSON.parse(JSON.stringify(value).replaceAll('COMPLIANCE', 'GOVERNANCE')) as Json];
      }
      if (key.toLowerCase() === DAYS && operator.startsWith('NumericLessThan')) {
        changes.add(`${statement}: the least retention is ${leastDays} instead of ${String(Array.isArray(value) ? value[0] : value)} days`);
        return [key, String(leastDays)];
      }
      return [key, value];
    }),
  );
}

/** The policy without a statement that denies; `undefined` if nothing is left of it. */
export function withoutDenials(policy: string): string | undefined {
  const parsed = JSON.parse(policy) as { readonly Statement?: unknown };
  const statements = (Array.isArray(parsed.Statement) ? parsed.Statement : [parsed.Statement]) as readonly { readonly Effect?: unknown }[];
  const kept = statements.filter((statement) => statement.Effect !== 'Deny');
  return kept.length === 0 ? undefined : JSON.stringify({ ...parsed, Statement: kept });
}
