/**
 * What goes over a network. At stake: entries, keys and passwords that somebody on the way reads, because a server was
 * set to an old protocol, or an address to none, and nobody was told.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { plainEndpoints } from '#indelible/compose/plain-endpoints.js';
import { loadConfig } from '#indelible/config.js';
import type { ConfigInput } from '#indelible/config.js';
import { kafkaClient, kafkaTrouble } from '#indelible/mirror/kafka.js';
import { connect } from '#indelible/search/elasticsearch-client.js';
import { cli, jsonOf } from './cli/cli.js';
import { serve } from './services/support/serve.js';
import { scratchFolders } from './support/scratch.js';

const scratch = scratchFolders();
let key: string, cert: string, certFile: string;
beforeAll(async () => {
  const folder = await scratch();
  certFile = join(folder, 'cert.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'key.pem'), '-out', certFile], { stdio: 'ignore' });
  [key, cert] = [readFileSync(join(folder, 'key.pem'), 'utf8'), readFileSync(certFile, 'utf8')];
});

const OLD: TlsOptions = { maxVersion: 'TLSv1.2' };
const NEW: TlsOptions = { minVersion: 'TLSv1.3' };

let server: Server | undefined;
afterEach(() => new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve()))));

async function listening(made: Server): Promise<number> {
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return (made.address() as AddressInfo).port;
}

/** Counts the requests that came through, and refuses each. */
async function https(versions: TlsOptions): Promise<{ readonly url: string; readonly came: string[] }> {
  const came: string[] = [];
  const port = await listening(
    createHttpsServer({ key, cert, ...versions }, (request, response) => {
      came.push(request.socket instanceof TLSSocket ? (request.socket.getProtocol() ?? '') : '');
      response.writeHead(400, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch', connection: 'close' }).end('{"__type":"NotFoundException"}');
    }),
  );
  return { url: `https://127.0.0.1:${port}`, came };
}

describe('TLS 1.3 is the least that is accepted', () => {
  async function startWithKms(url: string): Promise<string> {
    const env = { INDELIBLE_SIGNER: 'kms', INDELIBLE_KMS_KEY_ID: 'alias/x', INDELIBLE_KMS_ENDPOINT: url, AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', NODE_EXTRA_CA_CERTS: certFile };
    const { code, stderr } = await cli(['serve', '--data-dir', await scratch(), '--port', '0'], { env });
    expect(code).toBe(1);
    return stderr.trimEnd().split('\n').at(-1) ?? '';
  }

  it('of KMS', async () => {
    const old = await https(OLD);
    expect(await startWithKms(old.url)).toMatch(/^indelible: INDELIBLE_KMS_ENDPOINT: \S+ does not speak TLS 1\.3, the least that is accepted/);
    expect(old.came).toEqual([]);
    await new Promise((resolve) => server?.close(resolve));
    const recent = await https(NEW);
    expect(await startWithKms(recent.url)).toMatch(/there is no key alias\/x/);
    expect(recent.came).toContain('TLSv1.3');
  });

  it('of Elasticsearch', async () => {
    const ask = async (url: string): Promise<unknown> => {
      const client = connect({ url, tlsCaFile: certFile });
      try {
        return await client.ping().catch((error: unknown) => error);
      } finally {
        await client.close();
      }
    };
    const old = await https(OLD);
    expect(await ask(old.url)).toMatchObject({ name: 'ConnectionError', message: expect.stringMatching(/protocol/i) as string });
    expect(old.came).toEqual([]);
    await new Promise((resolve) => server?.close(resolve));
    const recent = await https(NEW);
    await ask(recent.url);
    expect(recent.came).toEqual(['TLSv1.3']);
  });

  it('of Kafka', async () => {
    const reach = async (versions: TlsOptions): Promise<{ readonly protocols: string[]; readonly said: string }> => {
      const protocols: string[] = [];
      const port = await listening(
        createTlsServer({ key, cert, ...versions }, (socket) => {
          protocols.push(socket.getProtocol() ?? '');
          socket.on('error', () => undefined).destroy();
        }),
      );
      const settings = loadConfig({}, { kafkaBrokers: `127.0.0.1:${port}`, kafkaTls: true, kafkaTlsCaFile: certFile }, '/nowhere.json');
      const client = kafkaClient(settings, 'tls', pino({ level: 'silent' }));
      const admin = client.kafka.admin({ retry: { retries: 0 } });
      const failure = await admin.connect().then(
        () => new Error('it connected'),
        (error: unknown) => error,
      );
      client.close();
      await new Promise((resolve) => server?.close(resolve));
      server = undefined;
      return { protocols, said: kafkaTrouble(failure, settings) };
    };
    const old = await reach(OLD);
    expect(old.protocols).toEqual([]);
    expect(old.said).toMatch(/do not speak TLS 1\.3, the least that INDELIBLE_KAFKA_TLS accepts/);
    expect((await reach(NEW)).protocols).toContain('TLSv1.3');
  });
});

describe('an address that is not encrypted', () => {
  const s3 = { store: 's3', s3Bucket: 'b' };
  const warned = (input: ConfigInput): string[] => plainEndpoints(loadConfig({}, input, '/nowhere.json'));

  it.each<readonly [ConfigInput, RegExp]>([
    [{ ...s3, s3Endpoint: 'http://minio.internal:9000' }, /^INDELIBLE_S3_ENDPOINT is not encrypted \(http:\/\/minio\.internal\): .*read every entry.*stored which was not/],
    [{ ...s3, s3ReplicaBucket: 'c', s3ReplicaEndpoint: 'http://10.0.0.5:9000' }, /^INDELIBLE_S3_REPLICA_ENDPOINT is not encrypted/],
    [{ signer: 'kms', kmsKeyId: 'k', kmsEndpoint: 'http://kms.internal' }, /^INDELIBLE_KMS_ENDPOINT is not encrypted.*session token/],
    [{ elasticsearchUrl: 'http://elastic:hush@search.internal:9200' }, /^INDELIBLE_ELASTICSEARCH_URL is not encrypted \(http:\/\/search\.internal\): .*INDELIBLE_ELASTICSEARCH_API_KEY.*change what a search finds/],
    [{ kafkaBrokers: '127.0.0.1:9092,kafka.internal:9092', kafkaSaslMechanism: 'plain', kafkaUsername: 'u', kafkaPassword: 'p' }, /^INDELIBLE_KAFKA_BROKERS .*\(kafka\.internal:9092\).*INDELIBLE_KAFKA_PASSWORD.*INDELIBLE_KAFKA_TLS=true/],
    // 127.evil.example is a name like any other.
    [{ ...s3, s3Endpoint: 'http://127.0.0.1.evil.example' }, /^INDELIBLE_S3_ENDPOINT/],
  ])('%j is warned of, with what could be read or changed', (input, said) => {
    expect(warned(input)).toEqual([expect.stringMatching(said)]);
    expect(warned(input).join()).not.toContain('hush');
  });

  it.each<readonly [ConfigInput]>([
    [{ ...s3, s3Endpoint: 'https://minio.internal' }],
    [{ ...s3, s3Endpoint: 'http://localhost:9000' }],
    [{ ...s3, s3Endpoint: 'http://[::1]:9000' }],
    [{ ...s3, s3Endpoint: 'http://127.8.8.8:9000' }],
    [{ kafkaBrokers: 'kafka.internal:9093', kafkaTls: true }],
    [{ kafkaBrokers: 'localhost:9092' }],
    [{}],
  ])('%j is not', (input) => {
    expect(warned(input)).toEqual([]);
  });

  it('is told at each start, and by doctor', async () => {
    const dataDir = await scratch();
    // Nobody is there: the index is asked for later, and appends do not need it.
    const env = { INDELIBLE_ELASTICSEARCH_URL: 'http://192.0.2.1:9200' };
    const service = await serve(dataDir, env);
    const { stderr } = await service.stop('SIGTERM');
    const lines = stderr.split('\n').filter((line) => line.includes('is not encrypted'));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 40, msg: expect.stringMatching(/^INDELIBLE_ELASTICSEARCH_URL is not encrypted/) as string });
    const report = jsonOf(await cli(['doctor', '--data-dir', dataDir, '--json'], { env })) as { checks: { name: string; status: string; detail: string }[] };
    expect(report.checks.find(({ name }) => name === 'settings')).toMatchObject({ status: 'warning', detail: expect.stringMatching(/^INDELIBLE_ELASTICSEARCH_URL is not encrypted/) as string });
  });
});
