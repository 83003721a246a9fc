/** The S3 store against a real MinIO. */
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3Store } from '#indelible/storage/s3/store.js';
import { selfTest } from '#indelible/storage/self-test.js';
import type { KeyVersions } from '#indelible/storage/worm-store.js';
import * as minio from '../../scripts/services/minio.mjs';
import { wormStoreContract } from '../storage/contract.js';

let server: Awaited<ReturnType<typeof minio.start>>;
beforeAll(async () => {
  server = await minio.start();
  await server.createBucket('contract');
  await server.createBucket('attacked');
});
afterAll(() => server.dispose());

const opened: S3Store[] = [];
afterAll(() => Promise.all(opened.map((store) => store.close())));

function open(bucket: string): S3Store {
  const { endpoint, credentials } = server;
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 10_000 });
  opened.push(store);
  return store;
}

const retention = { mode: 'governance', retainUntil: '2099-12-31T23:59:59Z' } as const;

wormStoreContract('S3 on MinIO', () =>
  Promise.resolve({ store: open('contract'), another: () => Promise.resolve(open('contract')), dispose: () => Promise.resolve() }),
);

describe('MinIO', () => {
  it('keeps every promise', async () => {
    const { promises } = await selfTest(open('attacked'));
    expect(promises.map(({ kept }) => kept)).toEqual(Array(10).fill('yes'));
  });

  it('lets a delete marker be written over, and shows it, with what lies below: that is what a writer looks for', async () => {
    const store = open('attacked');
    const first = await store.create('hidden/a', Buffer.from('entry'), retention);
    await server.admin.send(new DeleteObjectCommand({ Bucket: 'attacked', Key: 'hidden/a' }));
    expect(Buffer.from((await store.read('hidden/a')) ?? []).toString()).toBe('entry');
    const second = await store.create('hidden/a', Buffer.from('forged'), retention);
    expect(second.outcome).toBe('created');
    expect(Buffer.from((await store.read('hidden/a')) ?? []).toString()).toBe('entry');
    const versions = await store.versions('hidden/a');
    expect(versions.map(({ deleteMarker }) => deleteMarker)).toEqual([false, true, false]);
    expect([versions[0]?.versionId, versions[2]?.versionId]).toEqual([first, second].map((made) => (made.outcome === 'created' ? made.versionId : '')));
    expect((await store.list('hidden/', { limit: 10 })).keys).toEqual(['hidden/a']);
  });

  it('writes over debris only as long as the debris is the newest version', async () => {
    const store = open('attacked');
    const put = (body: string): Promise<unknown> => server.admin.send(new PutObjectCommand({ Bucket: 'attacked', Key: 'debris', Body: body }));
    await put('junk');
    const newest = async () => (await store.versions('debris', { retention: false })).at(-1)!;
    const debris = await newest();
    await put('more junk');
    expect(await store.createOver('debris', debris, Buffer.from('ours'), retention)).toEqual({ outcome: 'exists' });
    const over = await newest();
    const outcomes = await Promise.all(Array.from({ length: 8 }, (_, i) => open('attacked').createOver('debris', over, Buffer.from(`writer ${i}`), retention)));
    expect(outcomes.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    await server.admin.send(new DeleteObjectCommand({ Bucket: 'attacked', Key: 'debris' }));
    expect(await store.createOver('debris', over, Buffer.from('late'), retention)).toEqual({ outcome: 'exists' });
  });

  it('names the keys that hold anything but one version, and no others', async () => {
    const store = open('attacked');
    for (const key of ['odd/1', 'odd/2', 'odd/3', 'odd/4']) await store.create(key, Buffer.from('entry'), retention);
    await server.admin.send(new PutObjectCommand({ Bucket: 'attacked', Key: 'odd/2', Body: 'shadow' }));
    await server.admin.send(new DeleteObjectCommand({ Bucket: 'attacked', Key: 'odd/4' }));
    const found: KeyVersions[] = [];
    for await (const one of store.contested('odd/')) found.push(one);
    expect(found.map(({ key, versions }) => [key, versions.map(({ deleteMarker }) => deleteMarker)])).toEqual([
      ['odd/2', [false, false]],
      ['odd/4', [false, true]],
    ]);
  });

  it('is asked with a key that XML can not hold, and still lists the others', async () => {
    const store = open('attacked');
    await store.create('xml/a', Buffer.from('x'), retention);
    for (const name of ['xml/\u0001', 'xml/b c+d%41é&<']) await server.admin.send(new PutObjectCommand({ Bucket: 'attacked', Key: name, Body: 'junk' }));
    expect((await store.list('xml/', { limit: 10 })).keys).toEqual(['xml/a']);
    const strays: string[] = [];
    for await (const stray of store.strays('xml/')) strays.push(stray);
    expect(strays).toEqual(['xml/\u0001', 'xml/b c+d%41é&<']);
  });

  it('that hangs makes a call fail in time, and a write of unknown outcome; killed and started again it goes on', async () => {
    const { endpoint, credentials } = server;
    const store = new S3Store({ bucket: 'attacked', region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 500 });
    opened.push(store);
    expect(await open('attacked').create('life/a', Buffer.from('x'), retention)).toMatchObject({ outcome: 'created' });
    server.server.pause();
    await expect(store.create('life/b', Buffer.from('x'), retention)).rejects.toMatchObject({ name: 'StoreError', stored: 'unknown' });
    await expect(store.read('life/a')).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    server.server.resume();
    await server.server.kill();
    await expect(store.create('life/c', Buffer.from('x'), retention)).rejects.toMatchObject({ name: 'StoreError' });
    await server.server.start();
    const again = open('attacked');
    expect(Buffer.from((await again.read('life/a')) ?? []).toString()).toBe('x');
    expect(['created', 'exists']).toContain((await again.create('life/b', Buffer.from('x'), retention)).outcome);
    expect((await again.versions('life/b')).length).toBe(1);
  });
});
