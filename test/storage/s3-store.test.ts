/**
 * What the S3 store makes of answers that no real server can be made to give. A refusal taken for "perhaps stored" only
 * costs time; a write that may land, taken for refused, loses an entry or doubles it.
 */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { StoreError, type Retention } from '#indelible/storage/worm-store.js';
import { CREDENTIALS, error, fakeS3, listing, type Answer, type Asked, type FakeS3 } from '../support/fake-s3.js';

const retention: Retention = { mode: 'compliance', retainUntil: '2030-01-02T03:04:05.1Z' };
const bytes = Buffer.from('the bytes');

let server: FakeS3 | undefined;
afterEach(() => server?.close());

async function playing(play: (asked: Asked, count: number) => Answer): Promise<FakeS3> {
  server = await fakeS3(play);
  return server;
}

describe('a create', () => {
  it('asks once, on condition, with the SHA-256 of the bytes and the retention in whole seconds', async () => {
    const fake = await playing(() => ({ status: 200 }));
    expect(await fake.store({ kmsKeyId: 'key-1' }).create('a/b', bytes, retention)).toEqual({ outcome: 'created', versionId: 'v1' });
    expect(fake.asked).toHaveLength(1);
    const [put] = fake.asked;
    expect(put).toMatchObject({ method: 'PUT', body: bytes });
    expect(put?.url.pathname).toBe('/bucket/a/b');
    expect(put?.headers).toMatchObject({
      'if-none-match': '*',
      'x-amz-checksum-sha256': createHash('sha256').update(bytes).digest('base64'),
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': '2030-01-02T03:04:06Z',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
    });
  });

  it('over debris asks on the condition that the debris is still there', async () => {
    const fake = await playing(() => ({ status: 200 }));
    const over = { versionId: 'v0', etag: '"e"', deleteMarker: false, size: 1, storedAt: '', retention: 'unknown' } as const;
    await fake.store().createOver('a', over, bytes, retention);
    expect(fake.asked[0]?.headers).toMatchObject({ 'if-match': '"e"', 'x-amz-object-lock-mode': 'COMPLIANCE' });
    expect(fake.asked[0]?.headers['if-none-match']).toBeUndefined();
    await expect(fake.store().createOver('a', { ...over, etag: undefined }, bytes, retention)).rejects.toMatchObject({ stored: 'no' });
    expect(fake.asked).toHaveLength(1);
  });

  it.each([
    ['412', error(412, 'PreconditionFailed')],
    ['412 without a body', { status: 412 }],
  ] as const)('answered %s says that something is there', async (_, answer) => {
    const fake = await playing(() => answer);
    expect(await fake.store().create('a', bytes, retention)).toEqual({ outcome: 'exists' });
    expect(fake.asked).toHaveLength(1);
  });

  it.each([
    ['409, a conflict: somebody was at work there', error(409, 'ConditionalRequestConflict'), 'unknown'],
    ['408', { status: 408 }, 'unknown'],
    ['429', { status: 429 }, 'unknown'],
    ['400 RequestTimeout', error(400, 'RequestTimeout'), 'unknown'],
    ['500', error(500, 'InternalError'), 'unknown'],
    ['502 of a proxy', { status: 502, body: '<html>bad gateway</html>' }, 'unknown'],
    ['503 SlowDown', error(503, 'SlowDown'), 'unknown'],
    ['504', { status: 504 }, 'unknown'],
    ['a redirect', error(307, 'TemporaryRedirect'), 'unknown'],
    ['a reset of the connection', 'reset', 'unknown'],
    ['nothing within the time', 'hang', 'unknown'],
    ['half an answer', { status: 500, body: '<Error><Co' }, 'unknown'],
    ['200 without a version', { status: 200, headers: { 'x-amz-version-id': 'null' } }, 'unknown'],
    ['400', error(400, 'InvalidRequest'), 'no'],
    ['403', error(403, 'AccessDenied'), 'no'],
    ['404, no such bucket', error(404, 'NoSuchBucket'), 'no'],
    ['501, condition not known', error(501, 'NotImplemented'), 'no'],
  ] as const)('answered by %s is asked once', async (_, answer, stored) => {
    const fake = await playing(() => answer);
    const failure = await fake.store().create('a', bytes, retention).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure).toMatchObject({ operation: 'create', key: 'a', stored });
    expect(fake.asked).toHaveLength(1);
  });

  it('that could not be sent is certainly not stored: nobody listens, no such host, no credentials, closed', async () => {
    const fake = await playing(() => ({ status: 200 }));
    const lost = (): Promise<never> => Promise.reject(Object.assign(new Error('none'), { name: 'CredentialsProviderError' }));
    for (const store of [fake.store({ endpoint: 'http://127.0.0.1:9' }), fake.store({ endpoint: 'http://nowhere.invalid' }), fake.store({ credentials: lost })]) {
      await expect(store.create('a', bytes, retention)).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    }
    const closed = fake.store();
    await closed.close();
    await expect(closed.create('a', bytes, retention)).rejects.toMatchObject({ stored: 'no' });
    expect(fake.asked).toEqual([]);
  });

  it('of a single writer looks first, and writes nothing where a version is or where it can not look', async () => {
    const taken = await playing(() => listing('a', ['v0']));
    expect(await taken.store({ singleWriter: true }).create('a', bytes, retention)).toEqual({ outcome: 'exists' });
    expect(taken.asked.map(({ method }) => method)).toEqual(['GET']);
    await taken.close();
    const blind = await playing(() => error(403, 'AccessDenied'));
    await expect(blind.store({ singleWriter: true }).create('a', bytes, retention)).rejects.toMatchObject({ operation: 'create', stored: 'no' });
    expect(blind.asked.map(({ method }) => method)).toEqual(['GET']);
    await blind.close();
    const free = await playing(({ method }) => (method === 'GET' ? listing('ab', ['v0']) : { status: 200 }));
    expect(await free.store({ singleWriter: true }).create('a', bytes, retention)).toMatchObject({ outcome: 'created' });
  });
});

describe('a read', () => {
  it.each([
    ['503', error(503, 'SlowDown')],
    ['500', { status: 500 }],
    ['a reset', 'reset'],
  ] as const)('is asked again after %s', async (_, failure) => {
    const fake = await playing((_asked, count) => (count <= 2 ? failure : { status: 200, body: 'the bytes' }));
    expect(Buffer.from((await fake.store().read('a', 'v1')) ?? [])).toEqual(bytes);
    expect(fake.asked).toHaveLength(3);
  });

  it('is asked a few times at most, and fails in time', async () => {
    const fake = await playing(() => error(503, 'SlowDown'));
    await expect(fake.store().read('a', 'v1')).rejects.toMatchObject({ name: 'StoreError', operation: 'read', stored: 'no' });
    expect(fake.asked).toHaveLength(4);
  });

  it.each(['hang', 'half'] as const)('that gets no end (%s) fails in time', async (answer) => {
    const fake = await playing(() => answer);
    await expect(fake.store({ requestTimeoutMs: 400 }).read('a', 'v1')).rejects.toThrow(/no answer within 400 ms/);
  });

  it.each([
    ['404 by the word of S3', error(404, 'NoSuchKey')],
    ['404, no such version', error(404, 'NoSuchVersion')],
  ] as const)('answered %s finds nothing', async (_, answer) => {
    const fake = await playing(() => answer);
    expect(await fake.store().read('a', 'v1')).toBeUndefined();
  });

  it.each([
    ['a 404 of something else', { status: 404, body: '<html>not found</html>' }],
    ['404, no such bucket', error(404, 'NoSuchBucket')],
    ['403', error(403, 'AccessDenied')],
  ] as const)('answered by %s is a failure, and not a missing entry', async (_, answer) => {
    const fake = await playing(() => answer);
    await expect(fake.store().read('a', 'v1')).rejects.toThrow(StoreError);
    expect(fake.asked).toHaveLength(1);
  });

  it('of a list that is none fails: an empty one would mean that entries are missing', async () => {
    const fake = await playing(() => ({ status: 200, body: '<html>welcome</html>' }));
    await expect(fake.store().list('a/', { limit: 1 })).rejects.toThrow(StoreError);
    await expect(fake.store().versions('a')).rejects.toThrow(StoreError);
  });

  it('of a key’s versions costs one request without their retention, and one more a version with it', async () => {
    const fake = await playing(({ method }) => (method === 'HEAD' ? { status: 200, headers: { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': '2030-01-01T00:00:00Z' } } : listing('a', ['v2', 'v1'])));
    const quick = await fake.store().versions('a', { retention: false });
    expect(quick.map(({ versionId, etag, retention: shown }) => [versionId, etag, shown])).toEqual([
      ['v1', '"e"', 'unknown'],
      ['v2', '"e"', 'unknown'],
    ]);
    expect(fake.asked).toHaveLength(1);
    const full = await fake.store().versions('a');
    expect(full[0]?.retention).toEqual({ mode: 'governance', retainUntil: '2030-01-01T00:00:00.000Z' });
    expect(fake.asked).toHaveLength(4);
  });

  it.each([
    ['no headers', { status: 200 }],
    ['403', { status: 403 }],
    ['404', { status: 404 }],
  ] as const)('of a retention that is not shown (%s) says unknown, never none', async (_, answer) => {
    const fake = await playing(({ method }) => (method === 'HEAD' ? answer : listing('a', ['v1'])));
    expect((await fake.store().versions('a'))[0]?.retention).toBe('unknown');
  });
});

it('names its place without a credential', async () => {
  const fake = await playing(() => ({ status: 200 }));
  const { location } = fake.store({ endpoint: 'http://user:password@127.0.0.1:9/', credentials: CREDENTIALS });
  expect(location).toBe('http://127.0.0.1:9/bucket');
});
