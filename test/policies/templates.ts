/** The policies as they lie in `policies/`, with their variables put in: what Terraform's templatefile() makes of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../policies/', import.meta.url));

/** The only ones a template may name. */
export const VARIABLES = [
  'bucket', 'account_id', 'region', 'partition', 'writer_role_arn', 'mirror_role_arn', 'verifier_role_arn', 'retention_extender_role_arn',
  'hold_manager_role_arn', 'replication_role_arn', 'pipeline_role_arn', 'replica_bucket', 'replica_account_id', 'signing_key_arn', 'store_key_arn',
  'retention_mode', 'min_retention_days', 'max_retention_days', 'organization_id', 'msk_cluster_arn', 'topic', 'deployment', 'log_bucket_prefix',
] as const;

export type Variables = Readonly<Record<string, string>>;

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: unknown;
  readonly Action?: string | readonly string[];
  readonly NotAction?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly NotResource?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

/** Of every template: its path below `policies/` without `.json`. */
export function templateNames(): string[] {
  return readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && !file.startsWith('gate'))
    .map((file) => relative('.', file).split(sep).join('/').replace(/\.json$/, ''))
    .sort();
}

/** Those that hold statements of IAM. */
export function policyNames(): string[] {
  return templateNames().filter((name) => /^(s3|kms|iam|organization)\//.test(name));
}

export function template(name: string): string {
  return readFileSync(join(ROOT, `${name}.json`), 'utf8');
}

export function variablesOf(text: string): Set<string> {
  return new Set([...text.matchAll(/\$\{([^}]*)\}/g)].map(([, name = '']) => name));
}

/** @throws Error naming a variable that has no value, as Terraform does */
export function rendered(name: string, variables: Variables): unknown {
  const text = template(name).replaceAll(/\$\{([^}]*)\}/g, (_, variable: string) => {
    const value = variables[variable];
    if (value === undefined) throw new Error(`policies/${name}.json: the variable ${variable} has no value`);
    return value;
  });
  return JSON.parse(text) as unknown;
}

export function policyOf(name: string, variables: Variables): Policy {
  return rendered(name, variables) as Policy;
}

export function readPolicyFile(name: string): string {
  return readFileSync(join(ROOT, name), 'utf8');
}
