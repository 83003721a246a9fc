/**
 * The settings, as the start checks them. At stake: a log that can never be deleted because nobody was asked, a second
 * copy in the same bucket, a role that does nothing, and an operator who is not told which of forty settings is wrong.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, describeSettings, hasRole, loadConfig } from '#indelible/config.js';
import type { Config } from '#indelible/config.js';
import { scratchFolders } from './support/scratch.js';

const scratch = scratchFolders();
const NO_FILE = '/nowhere/indelible.config.json';
const load = (environment: Readonly<Record<string, string>>): Config => loadConfig(environment, {}, NO_FILE);

/** The lines of the refusal; a start that is not refused fails the test. */
function refusal(environment: Readonly<Record<string, string>>, file = NO_FILE): readonly string[] {
  try {
    loadConfig(environment, {}, file);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message.split('\n');
  }
  throw new Error('it was not refused');
}

const S3 = { INDELIBLE_STORE: 's3', INDELIBLE_S3_BUCKET: 'log' };

describe('settings that do not fit together are refused, and named:', () => {
  const compliance = { INDELIBLE_RETENTION_MODE: 'compliance' };
  const sasl = { INDELIBLE_KAFKA_BROKERS: 'one:9092', INDELIBLE_KAFKA_SASL_MECHANISM: 'scram-sha-512' };

  it.each<readonly [string, Readonly<Record<string, string>>, RegExp, Readonly<Record<string, string>>]>([
    [
      'compliance that nobody has acknowledged, which no one could undo',
      compliance,
      /^INDELIBLE_RETENTION_MODE \(retentionMode\): compliance can not be undone: .*INDELIBLE_ACKNOWLEDGE_COMPLIANCE=true/,
      { INDELIBLE_ACKNOWLEDGE_COMPLIANCE: 'true' },
    ],
    ['S3 without a bucket', { INDELIBLE_STORE: 's3' }, /^INDELIBLE_S3_BUCKET \(s3Bucket\): needed for INDELIBLE_STORE=s3$/, { INDELIBLE_S3_BUCKET: 'log' }],
    ['KMS without a key', { INDELIBLE_SIGNER: 'kms' }, /^INDELIBLE_KMS_KEY_ID \(kmsKeyId\): needed for INDELIBLE_SIGNER=kms$/, { INDELIBLE_KMS_KEY_ID: 'alias/log' }],
    [
      'SASL without a user',
      { ...sasl, INDELIBLE_KAFKA_PASSWORD: 'p' },
      /^INDELIBLE_KAFKA_USERNAME \(kafkaUsername\): needed for INDELIBLE_KAFKA_SASL_MECHANISM$/,
      { INDELIBLE_KAFKA_USERNAME: 'u' },
    ],
    [
      'SASL without a password',
      { ...sasl, INDELIBLE_KAFKA_USERNAME: 'u' },
      /^INDELIBLE_KAFKA_PASSWORD \(kafkaPassword\): needed for INDELIBLE_KAFKA_SASL_MECHANISM$/,
      { INDELIBLE_KAFKA_PASSWORD: 'p' },
    ],
    [
      'a second bucket that is the first',
      { ...S3, INDELIBLE_S3_REPLICA_BUCKET: 'log' },
      /^INDELIBLE_S3_REPLICA_BUCKET \(s3ReplicaBucket\): expected another bucket than INDELIBLE_S3_BUCKET$/,
      { INDELIBLE_S3_REPLICA_BUCKET: 'log-copy' },
    ],
    [
      'the same one with its endpoint named twice',
      { ...S3, INDELIBLE_S3_ENDPOINT: 'https://s3.example.com', INDELIBLE_S3_REPLICA_BUCKET: 'log', INDELIBLE_S3_REPLICA_ENDPOINT: 'https://s3.example.com' },
      /^INDELIBLE_S3_REPLICA_BUCKET .*expected another bucket/,
      // The same name at another S3 is another bucket.
      { INDELIBLE_S3_REPLICA_ENDPOINT: 'https://s3.elsewhere.example.com' },
    ],
    [
      'a second bucket beside a folder',
      { INDELIBLE_S3_REPLICA_BUCKET: 'copy' },
      /^INDELIBLE_S3_REPLICA_BUCKET \(s3ReplicaBucket\): expected only with INDELIBLE_STORE=s3$/,
      S3,
    ],
    ['the role mirror with nothing to mirror to', { INDELIBLE_ROLES: 'api,mirror' }, /^INDELIBLE_KAFKA_BROKERS \(kafkaBrokers\): needed for the role mirror \(or INDELIBLE_S3_REPLICA_BUCKET\)$/, { INDELIBLE_KAFKA_BROKERS: 'one:9092' }],
    ['the role indexer without Elasticsearch', { INDELIBLE_ROLES: 'indexer' }, /^INDELIBLE_ELASTICSEARCH_URL \(elasticsearchUrl\): needed for the role indexer$/, { INDELIBLE_ELASTICSEARCH_URL: 'http://127.0.0.1:9200' }],
  ])('%s', (_, wrong, said, mended) => {
    expect(refusal(wrong)).toEqual([expect.stringMatching(said)]);
    // What is asked for is enough.
    expect(() => load({ ...wrong, ...mended })).not.toThrow();
  });

  it('all of them at once, a line each', () => {
    const lines = refusal({ ...compliance, INDELIBLE_STORE: 's3', INDELIBLE_SIGNER: 'kms', INDELIBLE_KAFKA_SASL_MECHANISM: 'plain', INDELIBLE_ROLES: 'indexer' });
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      'INDELIBLE_S3_BUCKET', 'INDELIBLE_KMS_KEY_ID', 'INDELIBLE_KAFKA_USERNAME', 'INDELIBLE_KAFKA_PASSWORD', 'INDELIBLE_RETENTION_MODE', 'INDELIBLE_ELASTICSEARCH_URL',
    ]);
  });

  it('but not the role mirror with a second bucket instead of Kafka, nor the role all without any server', () => {
    expect(() => load({ ...S3, INDELIBLE_ROLES: 'mirror', INDELIBLE_S3_REPLICA_BUCKET: 'copy' })).not.toThrow();
    expect(() => load({ INDELIBLE_ROLES: 'all' })).not.toThrow();
  });
});

describe('a value against the rule of its setting', () => {
  /** For each setting with a rule, one value it refuses and one it takes. */
  const VALUES: Readonly<Record<string, readonly [wrong: string, right: string]>> = {
    port: ['65536', '65535'],
    roles: ['writer', 'api,indexer'],
    deployment: ['-audit', 'audit.example.com/log'],
    adminToken: ['fifteen-letters', 'sixteen-letters-'],
    store: ['S3', 's3'],
    s3Endpoint: ['s3.example.com', 'https://s3.example.com'],
    s3ForcePathStyle: ['yes', 'true'],
    s3ReplicaEndpoint: ['ftp://s3.example.com', 'http://s3.example.com'],
    s3ReplicaCopiedBy: ['s3', 'provider'],
    singleWriter: ['1', 'true'],
    retentionMode: ['GOVERNANCE', 'governance'],
    retentionDays: ['0', '36500'],
    acknowledgeCompliance: ['TRUE', 'true'],
    signer: ['aws', 'kms'],
    kmsEndpoint: ['kms', 'https://kms.example.com'],
    kmsDelegationHours: ['169', '168'],
    kafkaBrokers: ['one', 'one:9092, two:9092'],
    kafkaTopic: ['audit events', 'audit.events'],
    kafkaPartitions: ['1.5', '1000'],
    kafkaReplicationFactor: ['0', '3'],
    kafkaTls: ['on', 'true'],
    kafkaSaslMechanism: ['gssapi', 'plain'],
    elasticsearchUrl: ['localhost:9200', 'https://localhost:9200'],
    elasticsearchIndex: ['Audit', 'audit-entries'],
    maxQueuedEntries: ['999', '1000'],
    maxQueuedBytes: ['many', '8388608'],
    storeTimeoutMs: ['9', '600000'],
    answerWithinMs: ['600001', '10'],
    verifyEverySeconds: ['604801', '0'],
    shutdownMs: ['-1', '0'],
    logLevel: ['loud', 'debug'],
  };
  /** Any text will do. */
  const TEXTS = new Set(['dataDir', 'host', 's3Bucket', 's3Region', 's3KmsKeyId', 's3ReplicaBucket', 's3ReplicaRegion', 'kmsKeyId', 'kmsRegion', 'kafkaTlsCaFile', 'kafkaUsername', 'kafkaPassword', 'elasticsearchApiKey', 'elasticsearchTlsCaFile']);

  it.each(describeSettings().filter(({ name }) => !TEXTS.has(name)))('$variable', ({ name, variable }) => {
    const values = VALUES[name];
    if (values === undefined) throw new Error(`a setting without a value for this test: ${name}`);
    const [wrong, right] = values;
    const [line = '', ...more] = refusal({ [variable]: wrong });
    expect(more).toEqual([]);
    expect(line).toMatch(new RegExp(`^${variable} \\(${name}\\)(\\.\\d+)?: expected `));
    // What the refusal holds against it is the rule, and nothing else that this value would bring about.
    let said = '';
    try {
      load({ [variable]: right });
    } catch (error) {
      said = (error as Error).message;
    }
    expect(said).not.toMatch(new RegExp(`^${variable} [^:]*: expected (?!only with)`, 'm'));
  });

  it('a secret is refused without being shown', () => {
    const [line] = refusal({ INDELIBLE_ADMIN_TOKEN: 'too-short-hush' });
    expect(line).not.toContain('hush');
  });
});

describe('where a setting comes from', () => {
  async function fileWith(content: string): Promise<string> {
    const file = join(await scratch(), 'indelible.config.json');
    writeFileSync(file, content);
    return file;
  }

  it('the command line wins over the environment, that over the file, that over the default; an empty variable is none', async () => {
    const file = await fileWith('{"port": 1001, "retentionDays": 7, "kafkaBrokers": ["one:9092", "two:9092"], "host": "::1"}');
    const config = loadConfig({ INDELIBLE_PORT: '1002', INDELIBLE_RETENTION_DAYS: '8', INDELIBLE_HOST: '' }, { port: 1003 }, file);
    expect(config).toMatchObject({ port: 1003, retentionDays: 8, host: '::1', kafkaBrokers: ['one:9092', 'two:9092'], storeTimeoutMs: 5_000 });
  });

  it('an unknown key of the file is refused: a misspelt retention would else be the default of one day', async () => {
    const file = await fileWith('{"retentionDay": 3650}');
    expect(refusal({}, file)).toEqual([`${file}: there is no setting "retentionDay"`]);
  });

  it.each([['[]', /expected a JSON object/], ['{', /JSON/], ['null', /expected a JSON object/]])('a file that holds %s is refused, and named', async (content, said) => {
    const file = await fileWith(content);
    const [line = ''] = refusal({}, file);
    expect(line.startsWith(`${file}: `)).toBe(true);
    expect(line).toMatch(said);
  });
});

it('the role all is each of them; a list is those it names', () => {
  expect((['api', 'mirror', 'indexer'] as const).map((role) => hasRole({ roles: ['all'] }, role))).toEqual([true, true, true]);
  expect((['api', 'mirror', 'indexer'] as const).map((role) => hasRole({ roles: ['api', 'indexer'] }, role))).toEqual([true, false, true]);
});
