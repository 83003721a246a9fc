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

const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')], { error: 'expected true or false' });

const text = z.string().min(1, 'expected a value');

const url = text.refine((value) => /^https?:\/\//.test(value) && URL.canParse(value), 'expected an http:// or https:// address');

/** A comma-separated list, or an array in the configuration file. */
const listOf = <T extends z.ZodType>(item: T): z.ZodType<z.output<T>[]> =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
    z.array(item).min(1, 'expected at least one'),
  );

export const ROLES = ['api', 'mirror', 'indexer'] as const;
export type Role = (typeof ROLES)[number];

/** A type and not an interface: zod wants an index signature. */
type SettingMeta = {
  readonly variable: string;
  readonly description: string;
  /** Belongs on no command line (other users of the machine can read it there) and in no log. */
  readonly secret?: true;
};
const set = (variable: string, description: string): SettingMeta => ({ variable: `INDELIBLE_${variable}`, description });
const setSecret = (variable: string, description: string): SettingMeta => ({ ...set(variable, description), secret: true });

const schema = {
  dataDir: text.meta(set('DATA_DIR', 'folder of what this process keeps: the view, keys, tokens, and the write-once store if that is a folder')).default('./data'),
  host: text.meta(set('HOST', 'address to listen on; loopback unless set')).default('127.0.0.1'),
  port: integer(0, 65_535).meta(set('PORT', 'port to listen on; 0 takes a free one')).default(8_080),
  roles: listOf(z.enum(['all', ...ROLES], 'expected all, api, mirror or indexer'))
    .meta(set('ROLES', 'what this process does, separated by commas: api (HTTP and appends), mirror (WORM to Kafka, and to the second bucket), indexer (to Elasticsearch), or all'))
    .default(['all']),
  deployment: z
    .string()
    .refine(isDeployment, 'expected [A-Za-z0-9][A-Za-z0-9._/-]{0,199}')
    .optional()
    .meta(set('DEPLOYMENT', 'name under which checkpoints are signed, such as audit.example.com; fixed by the first start (then: indelible.local)')),
  adminToken: z
    .string()
    .min(16, 'expected at least 16 characters')
    .regex(/^[\x21-\x7e]+$/, 'expected printable ASCII without spaces')
    .optional()
    .meta(setSecret('ADMIN_TOKEN', 'the first bearer token; without it one is made at first start and shown once')),

  store: z.enum(['filesystem', 's3'], 'expected filesystem or s3').meta(set('STORE', 'where the log is written once: a folder (filesystem) or a bucket with Object Lock (s3)')).default('filesystem'),
  s3Bucket: text.optional().meta(set('S3_BUCKET', 'bucket of the log; it must have Object Lock')),
  s3Region: text.meta(set('S3_REGION', 'region of the bucket (default: AWS_REGION, AWS_DEFAULT_REGION)')).default('us-east-1'),
  s3Endpoint: url.optional().meta(set('S3_ENDPOINT', 'address of another S3 than that of AWS')),
  s3ForcePathStyle: flag.meta(set('S3_FORCE_PATH_STYLE', 'name the bucket in the path of a request, not in its host: what most other S3 stores need')).default(false),
  s3KmsKeyId: text.optional().meta(set('S3_KMS_KEY_ID', 'encrypt objects with this KMS key (SSE-KMS); else as the bucket says')),
  s3ReplicaBucket: text.optional().meta(set('S3_REPLICA_BUCKET', 'second bucket, of another fault domain, to which each segment is copied and where it is checked')),
  s3ReplicaRegion: text.optional().meta(set('S3_REPLICA_REGION', 'region of the second bucket (default: that of the first)')),
  s3ReplicaEndpoint: url.optional().meta(set('S3_REPLICA_ENDPOINT', 'address of the S3 of the second bucket (default: that of the first)')),
  s3ReplicaCopiedBy: z
    .enum(['service', 'provider'], 'expected service or provider')
    .meta(set('S3_REPLICA_COPIED_BY', "who copies to the second bucket: processes with the role mirror (service), or the bucket's own replication (provider); then each copy is read and compared, and nothing is written there"))
    .default('service'),
  singleWriter: flag
    .meta(set('SINGLE_WRITER', 'this process alone ever writes to the store: what a store without a real conditional write needs'))
    .default(false),
  retentionMode: z
    .enum(['governance', 'compliance'], 'expected governance or compliance')
    .meta(set('RETENTION_MODE', 'Object Lock mode of each object; compliance can not be undone by anyone, not even the account owner'))
    .default('governance'),
  retentionDays: integer(1, 36_500).meta(set('RETENTION_DAYS', 'retention of each object from its write on, in days; one day suits trials, not a log that must be kept')).default(1),
  acknowledgeCompliance: flag
    .meta(set('ACKNOWLEDGE_COMPLIANCE', 'must be true for retention mode compliance: nobody can delete such objects, or stop paying for them, before their time'))
    .default(false),

  signer: z.enum(['local', 'kms'], 'expected local or kms').meta(set('SIGNER', 'what signs checkpoints: a key file of this process (local) or AWS KMS (kms)')).default('local'),
  kmsKeyId: text.optional().meta(set('KMS_KEY_ID', 'id, ARN or alias of the signing key: ECC_NIST_P256 or an Ed25519 key, for SIGN_VERIFY')),
  kmsRegion: text.optional().meta(set('KMS_REGION', 'region of the key (default: that of the bucket)')),
  kmsEndpoint: url.optional().meta(set('KMS_ENDPOINT', 'address of another KMS than that of AWS')),
  kmsDelegationHours: integer(0, 168)
    .meta(set('KMS_DELEGATION_HOURS', '0: KMS signs each checkpoint; else this process signs with a key of its own, certified by KMS for so many hours'))
    .default(0),

  kafkaBrokers: listOf(text.regex(/^[^:,\s]+:\d+$/, 'expected host:port')).optional().meta(set('KAFKA_BROKERS', 'brokers of the mirror, as host:port, separated by commas; without them there is no mirror')),
  kafkaTopic: text.regex(/^[A-Za-z0-9._-]{1,200}$/, 'expected [A-Za-z0-9._-]{1,200}').meta(set('KAFKA_TOPIC', 'topic of the mirror')).default('audit.events'),
  kafkaPartitions: integer(1, 1_000).meta(set('KAFKA_PARTITIONS', 'partitions of the topic when it is created')).default(12),
  kafkaReplicationFactor: integer(1, 9).meta(set('KAFKA_REPLICATION_FACTOR', 'copies of each partition; from 3 on, two must be in step for a write to count')).default(3),
  kafkaTls: flag.meta(set('KAFKA_TLS', 'talk to the brokers over TLS')).default(false),
  kafkaTlsCaFile: text.optional().meta(set('KAFKA_TLS_CA_FILE', 'PEM file of the authority that signed the certificates of the brokers')),
  kafkaSaslMechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'expected plain, scram-sha-256 or scram-sha-512').optional().meta(set('KAFKA_SASL_MECHANISM', 'how this process proves who it is to the brokers')),
  kafkaUsername: text.optional().meta(set('KAFKA_USERNAME', 'name for SASL')),
  kafkaPassword: text.optional().meta(setSecret('KAFKA_PASSWORD', 'password for SASL')),

  elasticsearchUrl: url.optional().meta(set('ELASTICSEARCH_URL', 'address of Elasticsearch; without it the search index is the local view')),
  elasticsearchIndex: text.regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'expected [a-z0-9][a-z0-9._-]{0,99}').meta(set('ELASTICSEARCH_INDEX', 'alias of the index')).default('audit-entries'),
  elasticsearchApiKey: text.optional().meta(setSecret('ELASTICSEARCH_API_KEY', 'API key for Elasticsearch')),
  elasticsearchTlsCaFile: text.optional().meta(set('ELASTICSEARCH_TLS_CA_FILE', 'PEM file of the authority that signed its certificate')),

  maxQueuedEntries: integer(1_000, 10_000_000).meta(set('MAX_QUEUED_ENTRIES', 'entries of one chain that may wait for a commit; more are answered 503')).default(20_000),
  maxQueuedBytes: integer(8_388_608, 2_147_483_648).meta(set('MAX_QUEUED_BYTES', 'bytes of one chain that may wait for a commit')).default(67_108_864),
  storeTimeoutMs: integer(10, 600_000).meta(set('STORE_TIMEOUT_MS', 'a call to the store that takes longer counts as failed, and is repeated with the same bytes')).default(5_000),
  answerWithinMs: integer(10, 600_000).meta(set('ANSWER_WITHIN_MS', 'an append that can not be settled is answered 503 after this time')).default(5_000),
  verifyEverySeconds: integer(0, 604_800)
    .meta(set('VERIFY_EVERY_SECONDS', 'each chain is verified again after so long, by processes with the role api: what is new each time, everything each 24th time; 0: only when asked to'))
    .default(3_600),
  shutdownMs: integer(0, 600_000).meta(set('SHUTDOWN_MS', 'time to finish accepted appends when asked to stop')).default(20_000),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'expected fatal, error, warn, info, debug, trace or silent')
    .meta(set('LOG_LEVEL', 'least level that is logged; each request is logged at debug'))
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
  /** What is accepted, in words. */
  readonly rule: string;
  readonly secret: boolean;
}

export function describeSettings(): readonly SettingDescription[] {
  return (Object.keys(schema) as (keyof Config)[]).map((name) => {
    const meta = metaOf(name);
    const fallback = schema[name].safeParse(undefined);
    const value = fallback.success ? fallback.data : undefined;
    const { variable, description, secret = false } = meta;
    return { name, variable, description, default: value === undefined ? undefined : String(value), rule: ruleOf(schema[name]), secret };
  });
}

/** As the schema itself says it, to a value that nothing but a text of any kind would take. */
function ruleOf(setting: z.ZodType): string {
  let type = setting;
  while ('unwrap' in type) type = (type as unknown as { unwrap(): z.ZodType }).unwrap();
  if (type instanceof z.ZodNumber) return `a whole number from ${type.minValue ?? ''} to ${type.maxValue ?? ''}`;
  if (type instanceof z.ZodEnum) return type.options.join(', ');
  const said = type.safeParse('\u0000').error?.issues.map(({ message }) => message.replace(/^expected /, '')) ?? [];
  return said.length === 0 ? 'a text' : said.join(', ');
}

function metaOf(name: keyof Config): SettingMeta {
  let type: z.ZodType = schema[name];
  while (type.meta() === undefined && 'unwrap' in type) type = (type as unknown as { unwrap(): z.ZodType }).unwrap();
  return type.meta() as unknown as SettingMeta;
}

/** Rules between settings: a line each for those that do not fit together. */
function misfits(config: Config): string[] {
  const found: string[] = [];
  const need = (name: keyof Config, because: string): void => {
    if (config[name] === undefined) found.push(`${metaOf(name).variable} (${name}): needed ${because}`);
  };
  if (config.store === 's3') need('s3Bucket', 'for INDELIBLE_STORE=s3');
  if (config.signer === 'kms') need('kmsKeyId', 'for INDELIBLE_SIGNER=kms');
  if (config.kafkaSaslMechanism !== undefined) {
    need('kafkaUsername', 'for INDELIBLE_KAFKA_SASL_MECHANISM');
    need('kafkaPassword', 'for INDELIBLE_KAFKA_SASL_MECHANISM');
  }
  if (config.retentionMode === 'compliance' && !config.acknowledgeCompliance) {
    found.push(
      `${metaOf('retentionMode').variable} (retentionMode): compliance can not be undone: nobody can delete such objects before their time; set INDELIBLE_ACKNOWLEDGE_COMPLIANCE=true if that is wanted`,
    );
  }
  if (config.s3ReplicaBucket !== undefined && config.store !== 's3') {
    found.push(`${metaOf('s3ReplicaBucket').variable} (s3ReplicaBucket): expected only with INDELIBLE_STORE=s3`);
  }
  if (config.s3ReplicaBucket !== undefined && config.s3ReplicaBucket === config.s3Bucket && (config.s3ReplicaEndpoint ?? config.s3Endpoint) === config.s3Endpoint) {
    found.push(`${metaOf('s3ReplicaBucket').variable} (s3ReplicaBucket): expected another bucket than INDELIBLE_S3_BUCKET`);
  }
  if (!config.roles.includes('all') && config.roles.includes('mirror') && config.s3ReplicaBucket === undefined) need('kafkaBrokers', 'for the role mirror (or INDELIBLE_S3_REPLICA_BUCKET)');
  if (!config.roles.includes('all') && config.roles.includes('indexer')) need('elasticsearchUrl', 'for the role indexer');
  return found;
}

/** Whether this process has the role. */
export function hasRole(config: Pick<Config, 'roles'>, role: Role): boolean {
  return config.roles.includes('all') || config.roles.includes(role);
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
  // As every other tool for AWS has it.
  input['s3Region'] ??= environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
  for (const name of names) if (commandLine[name] !== undefined) input[name] = commandLine[name];
  const parsed = config.safeParse(input);
  if (parsed.success) {
    const found = misfits(parsed.data);
    if (found.length > 0) throw new ConfigError(found.join('\n'));
    return parsed.data;
  }
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
