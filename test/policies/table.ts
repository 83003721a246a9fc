/** The table of `policies/table.yaml`, read strictly: a misspelt name would make a cell test nothing. */
import { parse } from 'yaml';
import { z } from 'zod';
import { readPolicyFile } from './templates.js';
import type { Variables } from './templates.js';

const text = z.string().min(1);
const context = z.record(text, z.union([text, z.boolean(), z.null()]));

const cell = z.strictObject({
  who: text,
  does: text.regex(/^[a-z0-9-]+:[A-Za-z]+$/),
  on: text,
  with: z.array(z.union([text, context])).default([]),
  /** A grant of KMS lets this principal do it. */
  granted: z.boolean().default(false),
  /** The principal's account is of another organization. */
  'from outside': z.boolean().default(false),
  is: z.enum(['allowed', 'denied']),
  by: z.array(text),
});

const table = z.strictObject({
  /** To which the organization's policies are attached. */
  accounts: z.array(text),
  variables: z.record(text, text),
  overrides: z.record(text, z.record(text, text)),
  principals: z.record(text, z.strictObject({ arn: text, identity: text, outside: z.boolean().default(false) })),
  resources: z.record(text, z.strictObject({ arn: text, policy: text.optional(), account: text })),
  requests: z.record(text, context),
  sections: z.array(
    z.strictObject({
      title: text,
      layers: z.array(z.enum(['organization', 'resource', 'identity'])),
      variables: z.record(text, text).default({}),
      cells: z.array(cell).min(1),
    }),
  ),
});

export type Table = z.infer<typeof table>;
export type Section = Table['sections'][number];
export type Cell = Section['cells'][number];

export function readTable(): Table {
  return table.parse(parse(readPolicyFile('table.yaml')));
}

/** The values a template gets in a section. */
export function variablesFor({ variables, overrides }: Table, section: Section, template: string): Variables {
  return { ...variables, ...section.variables, ...overrides[template] };
}

/** What a cell's request carries; `null` where it lacks even what every request carries. @throws Error for a name that is none */
export function carriedBy({ requests }: Table, { with: parts }: Cell): Record<string, string | boolean | null> {
  const carried: Record<string, string | boolean | null> = {};
  for (const part of parts) {
    const values = typeof part === 'string' ? requests[part] : part;
    if (values === undefined) throw new Error(`table.yaml: there is no request ${JSON.stringify(part)}`);
    Object.assign(carried, values);
  }
  return carried;
}
