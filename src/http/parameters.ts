/** Parameters of paths and queries: how each is read, what is refused, and how OpenAPI describes it. */
import { isChainId, isEntryId } from '../core/chain.js';
import type { JsonObject } from '../core/json.js';
import { CHAIN_ID_RULE, ENTRY_ID_RULE } from './append.js';
import { Problem } from './problem.js';
import type { ProblemCode } from './problem-codes.js';

export interface Parameter<T> {
  readonly description: string;
  readonly schema: JsonObject;
  readonly required: boolean;
  /** Sent if the text is not acceptable in a path; in a query it is always query_parameter_invalid. */
  readonly problem: ProblemCode;
  /** What an acceptable text looks like: "expected …". */
  readonly rule: string;
  /** `undefined` for a text that is not acceptable. */
  read(text: string): T | undefined;
  /** For a text that is absent. */
  readonly absent?: T;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;
export type ValuesOf<P extends Parameters> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

export const chainIdParameter: Parameter<string> = {
  description: 'The chain.',
  schema: { type: 'string', pattern: '^(?:[a-z0-9][a-z0-9._-]{0,99}|_[a-z0-9][a-z0-9._-]{0,98})$' },
  required: true,
  problem: 'chain_id_invalid',
  rule: CHAIN_ID_RULE,
  read: (text) => (isChainId(text) ? text : undefined),
};

export const entryIdParameter: Parameter<string> = {
  description: 'The producer\'s own id of the entry, or the one the service made.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._:@=+~-]{0,127}$' },
  required: true,
  problem: 'entry_id_invalid',
  rule: ENTRY_ID_RULE,
  read: (text) => (isEntryId(text) ? text : undefined),
};

export function integerParameter(description: string, minimum: number, maximum: number): Parameter<number> {
  return {
    description,
    schema: { type: 'integer', minimum, maximum },
    required: true,
    problem: 'sequence_invalid',
    rule: `expected a whole number from ${minimum} to ${maximum === Number.MAX_SAFE_INTEGER ? '2^53-1' : maximum}`,
    read(text) {
      if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
      const value = Number(text);
      return value >= minimum && value <= maximum ? value : undefined;
    },
  };
}

export function sequenceParameter(description: string): Parameter<number> {
  return integerParameter(description, 0, Number.MAX_SAFE_INTEGER);
}

export const jobIdParameter: Parameter<string> = {
  description: 'The job, from the answer that started it.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
  required: true,
  problem: 'job_id_invalid',
  rule: 'expected a job id: 1 to 64 characters of A-Z a-z 0-9 _ -',
  read: (text) => (/^[A-Za-z0-9_-]{1,64}$/.test(text) ? text : undefined),
};

/** Any text; the one who uses it knows more. */
export function textParameter(description: string, maxLength: number): Parameter<string> {
  return {
    description,
    schema: { type: 'string', minLength: 1, maxLength },
    required: true,
    problem: 'query_parameter_invalid',
    rule: `expected 1 to ${maxLength} characters`,
    read: (text) => (text.length >= 1 && text.length <= maxLength ? text : undefined),
  };
}

export function choiceParameter<const T extends string>(description: string, values: readonly T[]): Parameter<T> {
  return {
    description,
    schema: { type: 'string', enum: values },
    required: true,
    problem: 'query_parameter_invalid',
    rule: `expected one of ${values.join(', ')}`,
    read: (text) => values.find((value) => value === text),
  };
}

export function optional<T>(parameter: Parameter<T>): Parameter<T | undefined> {
  return { ...parameter, required: false };
}

export function withDefault<T extends string | number>(parameter: Parameter<T>, value: T): Parameter<T> {
  return { ...parameter, required: false, absent: value, schema: { ...parameter.schema, default: value } };
}

/** The path's values, as Express has decoded them. @throws Problem */
export function readPath(definitions: Parameters, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(definitions)) {
    const value = parameter.read(String(values[name]));
    if (value === undefined) throw new Problem(parameter.problem, parameter.rule, { field: name, rule: parameter.rule });
    read[name] = value;
  }
  return read;
}

/** The query of a request target. Nothing in it is passed over. @throws Problem */
export function readQuery(definitions: Parameters, url: string): Record<string, unknown> {
  const given = splitQuery(url);
  const read: Record<string, unknown> = {};
  for (const name of given.keys()) {
    if (!Object.hasOwn(definitions, name)) {
      const known = Object.keys(definitions).join(', ') || 'none';
      throw new Problem('query_parameter_unknown', `no parameter ${JSON.stringify(name.slice(0, 100))}; there are: ${known}`, { field: name.slice(0, 100) });
    }
  }
  for (const [name, parameter] of Object.entries(definitions)) {
    const text = given.get(name);
    if (text === undefined) {
      if (parameter.required) throw new Problem('query_parameter_missing', `${name}: ${parameter.rule}`, { field: name, rule: parameter.rule });
      read[name] = parameter.absent;
      continue;
    }
    const value = parameter.read(text);
    if (value === undefined) throw new Problem('query_parameter_invalid', `${name}: ${parameter.rule}`, { field: name, rule: parameter.rule });
    read[name] = value;
  }
  return read;
}

/** Unlike URLSearchParams, refuses what is repeated and what is not UTF-8. */
function splitQuery(url: string): Map<string, string> {
  const given = new Map<string, string>();
  const at = url.indexOf('?');
  if (at < 0) return given;
  for (const part of url.slice(at + 1).split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    if (given.has(name)) throw new Problem('query_parameter_repeated', `${JSON.stringify(name.slice(0, 100))} is given more than once`, { field: name.slice(0, 100) });
    given.set(name, equals < 0 ? '' : decode(part.slice(equals + 1)));
  }
  return given;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new Problem('query_parameter_invalid', 'the query is not validly percent-encoded UTF-8', { cause });
  }
}
