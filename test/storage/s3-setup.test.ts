/** A start that refuses says in one sentence which setting to look at: without it, an operator guesses at a production outage. */
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openS3Reader, openS3Store } from '#indelible/storage/s3/open.js';
import { selfTest } from '#indelible/storage/self-test.js';
import { storeConfigOf } from '#indelible/verification/store-config.js';
import { loadConfig } from '#indelible/config.js';
import { cli } from '../cli/cli.js';
import { CREDENTIALS, error, fakeS3, listing, type Answer, type Asked, type FakeS3 } from '../support/fake-s3.js';
import { scratchFolders } from '../support/scratch.js';

const retention = { mode: 'governance', retainUntil: '2099-01-01T00:00:00Z' } as const;
const scratchFolder = scratchFolders();

let server: FakeS3 | undefined;
afterEach(() => server?.close());

/** A good bucket, but for what `play` says. */
function bucket(play: (asked: Asked) => Answer | undefined): (asked: Asked) => Answer {
  return (asked) => {
    const { method, url } = asked;
    const special = play(asked);
    if (special !== undefined) return special;
    if (url.searchParams.has('object-lock')) return { status: 200, body: '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>' };
    if (url.searchParams.has('versioning')) return { status: 200, body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>' };
    if (url.searchParams.has('versions')) return listing(url.searchParams.get('prefix') ?? '', ['v1']);
    if (method === 'HEAD') return { status: 200, headers: { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00Z' } };
    return { status: 200 };
  };
}

async function opening(play: (asked: Asked) => Answer | undefined, options: { readonly kmsKeyId?: string; readonly requestTimeoutMs?: number } = {}): Promise<string> {
  server = await fakeS3(bucket(play));
  return openingAt(server.endpoint, options);
}

async function openingAt(endpoint: string, options: { readonly kmsKeyId?: string; readonly requestTimeoutMs?: number } = {}): Promise<string> {
  try {
    const { store } = await openS3Store({ bucket: 'bucket', region: 'eu-west-1', endpoint, forcePathStyle: true, credentials: CREDENTIALS, requestTimeoutMs: 60_000, ...options }, retention);
    await store.close();
    return 'opened';
  } catch (thrown) {
    expect(thrown).toMatchObject({ name: 'StoreSetupError' });
    return (thrown as Error).message;
  }
}

const isPut = ({ method }: Asked): boolean => method === 'PUT';

describe('a start on S3', () => {
  it('opens a bucket that is as it should be, and says how long trials are kept', async () => {
    server = await fakeS3(bucket(() => undefined));
    const { store, trialRetention } = await openS3Store({ bucket: 'bucket', region: 'us-east-1', endpoint: server.endpoint, forcePathStyle: true, credentials: CREDENTIALS, requestTimeoutMs: 60_000 }, retention);
    await store.close();
    expect(trialRetention.mode).toBe('governance');
    expect(Date.parse(trialRetention.retainUntil) - Date.now()).toBeLessThan(70_000);
  });

  it.each<[string, (asked: Asked) => Answer | undefined, RegExp]>([
    ['a web page', () => ({ status: 200, body: '<html>welcome</html>' }), /what answers there is no S3: check INDELIBLE_S3_ENDPOINT/],
    ['a web server', () => ({ status: 404, body: '<html>not found</html>' }), /what answers there \(HTTP 404\) is no S3: check INDELIBLE_S3_ENDPOINT/],
    ['a JSON interface', () => ({ status: 403, body: '{"error":"no"}' }), /what answers there \(HTTP 403\) is no S3: check INDELIBLE_S3_ENDPOINT/],
    ['another region', () => error(400, 'AuthorizationHeaderMalformed', '<Region>eu-central-1</Region>'), /bucket bucket is in region eu-central-1, not in eu-west-1: check INDELIBLE_S3_REGION/],
    ['a redirect to another region', () => error(301, 'PermanentRedirect'), /bucket bucket is not in region eu-west-1: check INDELIBLE_S3_REGION/],
    ['a redirect that names the region', () => ({ status: 301, headers: { 'x-amz-bucket-region': 'us-west-2' } }), /bucket bucket is in region us-west-2.*: check INDELIBLE_S3_REGION/],
    ['an expired session', () => error(400, 'ExpiredToken'), /session token \(ExpiredToken\): check AWS_SESSION_TOKEN/],
    ['a store that is overloaded', () => error(503, 'SlowDown'), /answers SlowDown again and again/],
    ['versioning suspended', ({ url }) => (url.searchParams.has('versioning') ? { status: 200, body: '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>' } : undefined), /keeps no versions \(versioning is Suspended\).*INDELIBLE_S3_BUCKET/],
    ['no Object Lock', ({ url }) => (url.searchParams.has('object-lock') ? error(404, 'ObjectLockConfigurationNotFoundError') : undefined), /bucket bucket has no Object Lock.*INDELIBLE_S3_BUCKET/],
    ['Object Lock said to be nothing', ({ url }) => (url.searchParams.has('object-lock') ? { status: 200, body: '<ObjectLockConfiguration/>' } : undefined), /has no Object Lock/],
    ['a retention it refuses', (asked) => (isPut(asked) ? error(400, 'InvalidRetentionPeriod') : undefined), /refuses the retention asked for, governance until 2099-01-01T00:00:00Z .*INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS/],
    ['a retention it does not show', ({ method }) => (method === 'HEAD' ? { status: 200 } : undefined), /does not show the retention.*s3:GetObjectRetention/],
    ['no right to write', (asked) => (isPut(asked) ? error(403, 'AccessDenied') : undefined), /do s3:PutObject and s3:PutObjectRetention \(governance until 2099-01-01T00:00:00Z, by INDELIBLE_RETENTION_MODE and INDELIBLE_RETENTION_DAYS\) on bucket bucket.*docs\/s3\.md/],
  ])('refuses %s', async (_, play, sentence) => {
    const said = await opening(play);
    expect(said).toMatch(/^the S3 store at http:\/\/127\.0\.0\.1:\d+\/bucket: /);
    expect(said).toMatch(sentence);
    expect(said).not.toMatch(/\n|secret/);
  });

  it('refuses a clock that is more than five minutes off, whichever way, and takes one that is four', async () => {
    const at = (minutes: number): Answer => ({ ...(listing('', []) as { status: number; body: string }), headers: { date: new Date(Date.now() + minutes * 60_000).toUTCString() } });
    for (const minutes of [6, -6]) {
      expect(await opening(({ url }) => (url.searchParams.has('versions') ? at(minutes) : undefined))).toMatch(/another time than the clock of this machine by 3[56]\d s \(here .*there .*\): set this machine's clock/);
      await server?.close();
    }
    expect(await opening(({ url }) => (url.searchParams.has('versions') && url.searchParams.get('prefix') === '_self-test/' ? at(4) : undefined))).toBe('opened');
  });

  it('tells the KMS key from the other reasons why a write fails', async () => {
    const isEncrypted = ({ headers }: Asked): boolean => headers['x-amz-server-side-encryption-aws-kms-key-id'] !== undefined;
    const said = await opening((asked) => (isPut(asked) && isEncrypted(asked) ? error(400, 'KMS.DisabledException') : undefined), { kmsKeyId: 'key-1' });
    expect(said).toMatch(/can not encrypt with the KMS key of INDELIBLE_S3_KMS_KEY_ID \(KMS\.DisabledException: said KMS\.DisabledException\)/);
    await server?.close();
    expect(await opening((asked) => (isPut(asked) ? error(403, 'AccessDenied') : undefined), { kmsKeyId: 'key-1' })).toMatch(/s3:PutObject and/);
  });

  it('takes the configured retention for its trials where the bucket allows no shorter one', async () => {
    server = await fakeS3(bucket((asked) => (isPut(asked) && !String(asked.headers['x-amz-object-lock-retain-until-date']).startsWith('2099') ? error(403, 'AccessDenied') : undefined)));
    const { store, trialRetention } = await openS3Store({ bucket: 'bucket', region: 'us-east-1', endpoint: server.endpoint, forcePathStyle: true, credentials: CREDENTIALS, requestTimeoutMs: 60_000 }, retention);
    await store.close();
    expect(trialRetention).toEqual(retention);
  });

  it('refuses an address where nothing listens, that nobody knows, that says nothing, or that speaks another language', async () => {
    expect(await openingAt('http://127.0.0.1:9')).toMatch(/nothing listens there: check INDELIBLE_S3_ENDPOINT/);
    expect(await openingAt('http://nowhere.invalid')).toMatch(/the host nowhere\.invalid is not known: check INDELIBLE_S3_ENDPOINT$/);
    expect(await opening(() => 'hang', { requestTimeoutMs: 300 })).toMatch(/no answer within 300 ms: check INDELIBLE_S3_ENDPOINT, the network, and INDELIBLE_STORE_TIMEOUT_MS/);
    const plain = createServer((socket) => socket.end('220 mail ready\r\n'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    expect(await openingAt(`http://127.0.0.1:${port}`)).toMatch(/no answer that could be read \(HPE_INVALID_CONSTANT\): check whether INDELIBLE_S3_ENDPOINT names an S3/);
    expect(await openingAt(`https://127.0.0.1:${port}`)).toMatch(/does not speak TLS 1\.3.*check INDELIBLE_S3_ENDPOINT/);
    plain.close();
  });

  it('for reading asks one thing, and writes nothing', async () => {
    server = await fakeS3(() => error(404, 'NoSuchBucket'));
    // The address of the SDK's environment, as a command has it.
    const settings = { bucket: 'bucket', region: 'us-east-1', endpoint: server.endpoint, forcePathStyle: true, requestTimeoutMs: 60_000 };
    process.env['AWS_ACCESS_KEY_ID'] = 'id';
    process.env['AWS_SECRET_ACCESS_KEY'] = 'secret';
    try {
      await expect(openS3Reader(settings)).rejects.toThrow(/there is no bucket bucket: check INDELIBLE_S3_BUCKET/);
    } finally {
      delete process.env['AWS_ACCESS_KEY_ID'];
      delete process.env['AWS_SECRET_ACCESS_KEY'];
    }
    expect(server.asked.map(({ method }) => method)).toEqual(['GET']);
  });

  it('refuses what the self-test finds to be unknown, if it must be known', async () => {
    // A store that answers everything with "done": its lock, its order and its conditions are nothing.
    server = await fakeS3(bucket(() => undefined));
    await expect(selfTest(server.store())).rejects.toMatchObject({ name: 'SelfTestFailed' });
  });
});

describe('the region', () => {
  it('is INDELIBLE_S3_REGION, else that of the other tools for AWS', () => {
    const of = (environment: Record<string, string>): unknown => storeConfigOf(loadConfig({ INDELIBLE_STORE: 's3', INDELIBLE_S3_BUCKET: 'b', ...environment }, {}, 'none.json'));
    expect(of({})).toMatchObject({ kind: 's3', region: 'us-east-1' });
    expect(of({ AWS_DEFAULT_REGION: 'eu-west-1' })).toMatchObject({ region: 'eu-west-1' });
    expect(of({ AWS_DEFAULT_REGION: 'eu-west-1', AWS_REGION: 'eu-west-2' })).toMatchObject({ region: 'eu-west-2' });
    expect(of({ AWS_REGION: 'eu-west-2', INDELIBLE_S3_REGION: 'eu-west-3' })).toMatchObject({ region: 'eu-west-3' });
  });
});

describe('over TLS', () => {
  let key: string, cert: string, certFile: string;
  beforeAll(async () => {
    const folder = await scratchFolder();
    const keyFile = join(folder, 'key.pem');
    certFile = join(folder, 'cert.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
    [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')];
  });

  /** As a person has it: the authority of the certificate is named to Node. */
  async function doctor(endpoint: string, trusted = true): Promise<string> {
    const env = {
      INDELIBLE_STORE: 's3',
      INDELIBLE_S3_BUCKET: 'bucket',
      INDELIBLE_S3_ENDPOINT: endpoint,
      INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      ...(trusted && { NODE_EXTRA_CA_CERTS: certFile }),
    };
    const { code, stdout } = await cli(['doctor', '--data-dir', await scratchFolder()], { env });
    expect(code).toBe(1);
    return stdout.split('\n')[0] ?? '';
  }

  it('refuses a server that speaks TLS 1.2 at most, and speaks to one of 1.3', async () => {
    server = await fakeS3(() => error(404, 'NoSuchBucket'), { key, cert, maxVersion: 'TLSv1.2' });
    expect(await doctor(server.endpoint)).toMatch(/does not speak TLS 1\.3.*check INDELIBLE_S3_ENDPOINT/);
    expect(server.asked).toEqual([]);
    await server.close();
    server = await fakeS3(() => error(404, 'NoSuchBucket'), { key, cert, minVersion: 'TLSv1.3' });
    expect(await doctor(server.endpoint)).toMatch(/there is no bucket bucket/);
    expect(server.asked).toHaveLength(1);
  });

  it('refuses a certificate that nobody vouches for', async () => {
    server = await fakeS3(() => error(404, 'NoSuchBucket'), { key, cert });
    expect(await doctor(server.endpoint, false)).toMatch(/TLS certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\).*NODE_EXTRA_CA_CERTS/);
    expect(server.asked).toEqual([]);
  });
});
