/** A policy as text, read into statements. What is not understood is kept as such: its statement then judges nothing. */

/** `everyone`, or the principals of each kind. */
export type Principals = 'everyone' | { readonly aws: readonly string[]; readonly service: readonly string[]; readonly others: readonly string[] };

export interface Condition {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
}

export interface Statement {
  /** Its Sid, or its place. */
  readonly name: string;
  readonly effect: 'Allow' | 'Deny';
  /** Absent in policies of identities and organisations, which speak of whom they are attached to. */
  readonly principals?: { readonly not: boolean; readonly of: Principals };
  readonly actions: { readonly not: boolean; readonly patterns: readonly string[] };
  readonly resources: { readonly not: boolean; readonly patterns: readonly string[] };
  readonly conditions: readonly Condition[];
  /** What could not be read. */
  readonly unread?: string;
}

export interface Policy {
  /** Policies before 2012 know no variables. */
  readonly hasVariables: boolean;
  readonly statements: readonly Statement[];
}

export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

const ELEMENTS = new Set(['Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition']);

/** @throws PolicyError for what is no policy at all */
export function readPolicy(text: string): Policy {
  const { Version, Statement: statements } = members(parsed(text), 'the policy');
  const all = Array.isArray(statements) ? (statements as unknown[]) : [statements];
  return { hasVariables: Version === '2012-10-17', statements: all.map((one, i) => readStatement(one, i + 1)) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PolicyError(`the policy is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function readStatement(value: unknown, place: number): Statement {
  const statement = members(value, `statement ${place}`);
  const { Sid, Effect: effect } = statement;
  const name = typeof Sid === 'string' && Sid !== '' ? Sid : `statement ${place}`;
  if (effect !== 'Allow' && effect !== 'Deny') throw new PolicyError(`${name}: "Effect" expected Allow or Deny`);
  const unread: string[] = Object.keys(statement).filter((element) => !ELEMENTS.has(element));
  const either = (element: string): { readonly not: boolean; readonly value: unknown } | undefined => {
    const [plain, negated] = [statement[element], statement[`Not${element}`]];
    if (plain !== undefined && negated !== undefined) unread.push(`both ${element} and Not${element}`);
    if (plain === undefined && negated === undefined) return undefined;
    return plain === undefined ? { not: true, value: negated } : { not: false, value: plain };
  };
  const patterns = (element: string): Statement['actions'] => {
    const found = either(element);
    const texts = found === undefined ? undefined : textsOf(found.value);
    if (texts === undefined) unread.push(`no ${element}`);
    return { not: found?.not ?? false, patterns: texts ?? [] };
  };
  const named = either('Principal');
  const principals = named && readPrincipals(named.value);
  if (named !== undefined && principals === undefined) unread.push('Principal');
  const actions = patterns('Action');
  const resources = patterns('Resource');
  const conditions = readConditions(statement['Condition']);
  if (conditions === undefined) unread.push('Condition');
  return {
    name,
    effect,
    ...(principals !== undefined && { principals: { not: named?.not === true, of: principals } }),
    actions,
    resources,
    conditions: conditions ?? [],
    ...(unread.length > 0 && { unread: unread.join(', ') }),
  };
}

function readPrincipals(value: unknown): Principals | undefined {
  if (value === '*') return 'everyone';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const kinds = Object.entries(value).map(([kind, names]): readonly [string, readonly string[] | undefined] => [kind, textsOf(names)]);
  const of = (kind: string): readonly string[] => kinds.filter(([name]) => name === kind).flatMap(([, names]) => names ?? []);
  if (kinds.some(([, names]) => names === undefined)) return undefined;
  if (of('AWS').includes('*')) return 'everyone';
  return { aws: of('AWS'), service: of('Service'), others: kinds.filter(([kind]) => kind !== 'AWS' && kind !== 'Service').flatMap(([, names]) => names ?? []) };
}

function readConditions(value: unknown): readonly Condition[] | undefined {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const found: Condition[] = [];
  for (const [operator, keys] of Object.entries(value as Record<string, unknown>)) {
    if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) return undefined;
    for (const [key, wanted] of Object.entries(keys as Record<string, unknown>)) {
      const values = textsOf(wanted);
      if (values === undefined) return undefined;
      found.push({ operator, key: key.toLowerCase(), values });
    }
  }
  return found;
}

/** A text, a number or a truth value, or a list of them. */
function textsOf(value: unknown): readonly string[] | undefined {
  const all = Array.isArray(value) ? (value as unknown[]) : [value];
  const texts = all.flatMap((one) => (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean' ? [String(one)] : []));
  return texts.length === all.length && texts.length > 0 ? texts : undefined;
}

function members(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new PolicyError(`${what}: expected a JSON object`);
  return value as Record<string, unknown>;
}
