/**
 * Every setting once: its name, what it means, its default and its rule. `serve --help` and the checks at
 * start are made from this table. Sources, the later one wins: default, `indelible.config.json` (the same
 * names without `INDELIBLE_`, in camel case), environment, command line.
 */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { isDeployment } from './core/chain.js';

const integer = (least: number, most: number): z.ZodType<number> =>
  z.coerce.number({ error: 'expected a number' }).int('expected a whole number').min(least, `expected at least ${least}`).max(most, `expected at most ${most}`);

const schema = {
  dataDir: z.string().min(1).meta({ variable: 'INDELIBLE_DATA_DIR', description: 'folder of the ledger: the write-once store, keys, tokens and the view' }).default('./data'),
  host: z.string().min(1).meta({ variable: 'INDELIBLE_HOST', description: 'address to listen on; loopback unless set' }).default('127.0.0.1'),
  port: integer(0, 65_535).meta({ variable: 'INDELIBLE_PORT', description: 'port to listen on; 0 takes a free one' }).default(8_080),
  deployment: z
    .string()
    .refine(isDeployment, 'expected [A-Za-z0-9][A-Za-z0-9._/-]{0,199}')
    .optional()
    .meta({ variable: 'INDELIBLE_DEPLOYMENT', description: 'name under which checkpoints are signed, such as audit.example.com; fixed by the first start (then: indelible.local)' }),
  adminToken: z
    .string()
    .min(16, 'expected at least 16 characters')
    .regex(/^[\x21-\x7e]+$/, 'expected printable ASCII without spaces')
    .optional()
    .meta({ variable: 'INDELIBLE_ADMIN_TOKEN', description: 'the first bearer token; without it one is made at first start and shown once', secret: true }),
  retentionDays: integer(1, 36_500).meta({ variable: 'INDELIBLE_RETENTION_DAYS', description: 'retention recorded with each object, in days' }).default(2_555),
  maxQueuedEntries: integer(1_000, 10_000_000).meta({ variable: 'INDELIBLE_MAX_QUEUED_ENTRIES', description: 'entries of one chain that may wait for a commit; more are answered 503' }).default(20_000),
  maxQueuedBytes: integer(8_388_608, 2_147_483_648).meta({ variable: 'INDELIBLE_MAX_QUEUED_BYTES', description: 'bytes of one chain that may wait for a commit' }).default(67_108_864),
  storeTimeoutMs: integer(10, 600_000).meta({ variable: 'INDELIBLE_STORE_TIMEOUT_MS', description: 'a call to the store that takes longer counts as failed, and is repeated with the same bytes' }).default(5_000),
  answerWithinMs: integer(10, 600_000).meta({ variable: 'INDELIBLE_ANSWER_WITHIN_MS', description: 'an append that can not be settled is answered 503 after this time' }).default(5_000),
  shutdownMs: integer(0, 600_000).meta({ variable: 'INDELIBLE_SHUTDOWN_MS', description: 'time to finish accepted appends when asked to stop' }).default(20_000),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .meta({ variable: 'INDELIBLE_LOG_LEVEL', description: 'least level that is logged; each request is logged at debug' })
    .default('info'),
} as const;

const config = z.strictObject(schema);

export type Config = z.infer<typeof config>;
export type ConfigInput = { readonly [K in keyof Config]?: unknown };

/** One or more settings are wrong; the message has a line for each, with its name. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface SettingDescription {
  readonly name: keyof Config;
  readonly variable: string;
  readonly description: string;
  readonly default: string | undefined;
}

export function describeSettings(): readonly SettingDescription[] {
  return (Object.keys(schema) as (keyof Config)[]).map((name) => {
    const meta = metaOf(name);
    const fallback = schema[name].safeParse(undefined);
    const value = fallback.success ? fallback.data : undefined;
    return { name, variable: meta.variable, description: meta.description, default: value === undefined ? undefined : String(value) };
  });
}

function metaOf(name: keyof Config): { readonly variable: string; readonly description: string } {
  let type: z.ZodType = schema[name];
  while (type.meta() === undefined && 'unwrap' in type) type = (type as unknown as { unwrap(): z.ZodType }).unwrap();
  return type.meta() as { variable: string; description: string };
}

/** @throws ConfigError naming each wrong setting */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  commandLine: ConfigInput = {},
  file = 'indelible.config.json',
): Config {
  const names = Object.keys(schema) as (keyof Config)[];
  const input: Record<string, unknown> = { ...readConfigFile(file) };
  for (const name of names) {
    const value = environment[metaOf(name).variable];
    // An empty variable is how a shell says "not set".
    if (value !== undefined && value !== '') input[name] = value;
  }
  for (const name of names) if (commandLine[name] !== undefined) input[name] = commandLine[name];
  const parsed = config.safeParse(input);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${file}: there is no setting ${JSON.stringify(key)}`);
    const name = String(issue.path[0]) as keyof Config;
    return [`${metaOf(name).variable} (${name}): ${issue.message}`];
  });
  throw new ConfigError(lines.join('\n'));
}

function readConfigFile(file: string): Record<string, unknown> {
  if (!existsSync(file)) return {};
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as unknown;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('expected a JSON object');
    return value as Record<string, unknown>;
  } catch (error) {
    throw new ConfigError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
