/**
 * `serve` as a person starts it, with one thing set wrongly. At stake: a service that signs with a key nobody vouches
 * for, one that says "ready" and is not, and an operator who is not told which setting it was.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import * as kafka from '../../scripts/services/kafka.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import * as moto from '../../scripts/services/moto.mjs';
import { freePort } from '../../scripts/services/process.mjs';
import { cli, temporaryFolder } from '../cli/cli.js';
import { environment, serve } from './support/serve.js';

const folder = temporaryFolder();
const servers = {} as {
  minio: Awaited<ReturnType<typeof minio.start>>;
  moto: Awaited<ReturnType<typeof moto.start>>;
  kafka: Awaited<ReturnType<typeof kafka.start>>;
  elasticsearch: Awaited<ReturnType<typeof elasticsearch.start>>;
};
/** Of a log that is signed by a key in a file, and of one that is signed by KMS. */
let local: Record<string, string>;
let byKms: Record<string, string>;
let nobody: string;

beforeAll(async () => {
  [servers.minio, servers.moto, servers.kafka, servers.elasticsearch] = await Promise.all([minio.start(), moto.start(), kafka.start(), elasticsearch.start()]);
  nobody = `http://127.0.0.1:${await freePort()}`;
  local = environment(servers.minio, await servers.minio.createBucket('refused-local'), { INDELIBLE_DEPLOYMENT: 'audit.example.com' });
  byKms = environment(servers.minio, await servers.minio.createBucket('refused-kms'), {
    INDELIBLE_SIGNER: 'kms',
    INDELIBLE_KMS_KEY_ID: await servers.moto.createKey(),
    INDELIBLE_KMS_ENDPOINT: servers.moto.endpoint,
  });
  for (const [name, env] of [['local', local], ['kms', byKms]] as const) expect((await (await serve(join(folder, name), env)).stop('SIGTERM')).code).toBe(0);
});
afterAll(() => Promise.all(Object.values(servers).map((server) => server.dispose())));

/** The one line it ends with; that it ends at all, with exit code 1 and without having said that it listens. */
async function refusal(dataDir: string, env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(['serve', '--data-dir', dataDir, '--port', '0', ...args], { env });
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
  const lines = stderr.trimEnd().split('\n');
  const line = lines.at(-1) ?? '';
  // The last line, and the only one of its kind: the AWS SDK has its say about the version of Node before it.
  expect(line, stderr).toMatch(/^indelible: /);
  expect(lines.filter((one) => one.startsWith('indelible: '))).toHaveLength(1);
  for (const [name, value] of Object.entries(env)) if (name === 'AWS_SECRET_ACCESS_KEY') expect(line).not.toContain(value);
  return line.slice('indelible: '.length);
}

describe('a start is refused, and the setting named,', () => {
  it('with another signing key than the log was made with: in a file, in KMS, and one for the other', async () => {
    expect(await refusal(join(folder, 'other-key'), local)).toMatch(/^keys\/ in INDELIBLE_DATA_DIR: the signing key \S+ is not a key of this store/);
    expect(await refusal(join(folder, 'kms'), { ...byKms, INDELIBLE_KMS_KEY_ID: await servers.moto.createKey() })).toMatch(/^INDELIBLE_KMS_KEY_ID: the signing key \S+ is not a key of this store/);
    expect(await refusal(join(folder, 'kms'), { ...byKms, INDELIBLE_SIGNER: 'local' })).toMatch(/^keys\/ in INDELIBLE_DATA_DIR: the signing key/);
  });

  it('with a KMS key that is not there', async () => {
    expect(await refusal(join(folder, 'kms'), { ...byKms, INDELIBLE_KMS_KEY_ID: 'alias/none' })).toMatch(/^INDELIBLE_KMS_KEY_ID: there is no key alias\/none in region us-east-1 \(INDELIBLE_KMS_REGION\)/);
  });

  it('with the name of another deployment', async () => {
    expect(await refusal(join(folder, 'local'), { ...local, INDELIBLE_DEPLOYMENT: 'elsewhere.example.com' })).toMatch(/^INDELIBLE_DEPLOYMENT: the deployment is set to "elsewhere\.example\.com", the store belongs to "audit\.example\.com"$/);
  });

  it('with an endpoint nobody listens on', async () => {
    expect(await refusal(join(folder, 'local'), { ...local, INDELIBLE_S3_ENDPOINT: nobody })).toMatch(/nothing listens there: check INDELIBLE_S3_ENDPOINT$/);
    expect(await refusal(join(folder, 'kms'), { ...byKms, INDELIBLE_KMS_ENDPOINT: nobody })).toMatch(/^INDELIBLE_KMS_ENDPOINT: http\S+ does not answer/);
  });

  it.each(['kafka', 'elasticsearch'] as const)('with the port of %s for an endpoint', async (name) => {
    const endpoint = `http://127.0.0.1:${servers[name].port}`;
    expect(await refusal(join(folder, 'local'), { ...local, INDELIBLE_S3_ENDPOINT: endpoint })).toMatch(/INDELIBLE_S3_ENDPOINT/);
    expect(await refusal(join(folder, 'kms'), { ...byKms, INDELIBLE_KMS_ENDPOINT: endpoint })).toMatch(/^INDELIBLE_KMS_ENDPOINT: /);
  });

  it('with an endpoint of S3 for KMS, and of KMS for S3', async () => {
    expect(await refusal(join(folder, 'local'), { ...local, INDELIBLE_S3_ENDPOINT: servers.moto.endpoint })).toMatch(/INDELIBLE_S3_(ENDPOINT|BUCKET)/);
    expect(await refusal(join(folder, 'kms'), { ...byKms, INDELIBLE_KMS_ENDPOINT: servers.minio.endpoint })).toMatch(/^INDELIBLE_KMS_ENDPOINT: /);
  });

  it('with a second bucket that is not there, and files of authorities that are not there', async () => {
    expect(await refusal(join(folder, 'local'), { ...local, INDELIBLE_S3_REPLICA_BUCKET: 'not-there' })).toMatch(/there is no bucket not-there: check INDELIBLE_S3_REPLICA_BUCKET/);
    const onFolder = join(folder, 'on-a-folder');
    expect(await refusal(onFolder, { INDELIBLE_KAFKA_BROKERS: servers.kafka.broker, INDELIBLE_KAFKA_TLS: 'true', INDELIBLE_KAFKA_TLS_CA_FILE: '/nowhere.pem' })).toMatch(/INDELIBLE_KAFKA_TLS_CA_FILE/);
    expect(await refusal(onFolder, { INDELIBLE_ELASTICSEARCH_URL: 'https://127.0.0.1:1', INDELIBLE_ELASTICSEARCH_TLS_CA_FILE: '/nowhere.pem' })).toMatch(/INDELIBLE_ELASTICSEARCH_TLS_CA_FILE/);
  });

  it('with a port that is taken, an address of another machine, and a data folder that can not be one', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const onFolder = join(folder, 'listening');
    expect(await refusal(onFolder, {}, '--port', String(port))).toMatch(new RegExp(`^INDELIBLE_PORT=${port}: .*EADDRINUSE`));
    taken.close();
    expect(await refusal(onFolder, {}, '--host', '192.0.2.1')).toMatch(/^INDELIBLE_HOST=192\.0\.2\.1: /);
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    expect(await refusal(file, local)).toMatch(/^INDELIBLE_DATA_DIR: /);
    expect(await refusal(file, {})).toMatch(/^INDELIBLE_DATA_DIR: /);
  });
});
