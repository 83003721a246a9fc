/** The S3 store against a real Ceph RGW, which ignores the condition of a create: right for one declared writer alone. */
import { GetObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3Store } from '#indelible/storage/s3/store.js';
import { selfTest } from '#indelible/storage/self-test.js';
import * as ceph from '../../scripts/services/ceph.mjs';
import { wormStoreContract } from '../storage/contract.js';

let server: Awaited<ReturnType<typeof ceph.start>>;
beforeAll(async () => {
  server = await ceph.start();
  await server.createBucket('one-writer');
  await server.createBucket('many-writers');
});
afterAll(() => server.dispose());

const opened: S3Store[] = [];
afterAll(() => Promise.all(opened.map((store) => store.close())));

function open(bucket: string, singleWriter: boolean): S3Store {
  const { endpoint, credentials } = server;
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 20_000, singleWriter });
  opened.push(store);
  return store;
}

const retention = { mode: 'governance', retainUntil: '2099-12-31T23:59:59Z' } as const;

wormStoreContract(
  'S3 on Ceph, with one declared writer,',
  () => {
    const store = open('one-writer', true);
    // A reader beside the one writer; it writes only while that one does not.
    return Promise.resolve({ store, another: () => Promise.resolve(open('one-writer', true)), dispose: () => Promise.resolve() });
  },
  { oneWriter: true },
);

describe('Ceph', () => {
  it('is refused by the self-test for many writers, which names the condition', async () => {
    const store = open('many-writers', false);
    await expect(selfTest(store)).rejects.toMatchObject({ name: 'SelfTestFailed' });
    await expect(selfTest(store)).rejects.toThrow(/a second create of the same key succeeded: the store ignores the condition \(If-None-Match\).*or declare that there is a single writer/);
  });

  it('passes it for one declared writer: all is kept but the fence between writers', async () => {
    const { promises } = await selfTest(open('many-writers', true), { singleWriter: true });
    const notKept = promises.filter(({ kept }) => kept !== 'yes');
    expect(notKept.map(({ promise, kept, detail }) => [promise, kept, /; ([^;]*)$/.exec(detail)?.[1]])).toEqual([
      ['of many creates of one key at once exactly one succeeds', 'no', 'tolerated because a single writer is declared.'],
      ['a PUT on the condition that nothing is there (If-None-Match) is refused where something is', 'no', 'tolerated because a single writer is declared.'],
      // It refuses If-Match whatever is there.
      [expect.stringContaining('(If-Match)'), 'no', expect.stringContaining('with many writers')],
    ]);
  });

  it('writes over debris only as long as the debris is the newest version', async () => {
    const store = open('many-writers', true);
    await server.admin.send(new PutObjectCommand({ Bucket: 'many-writers', Key: 'debris', Body: 'junk' }));
    const [debris] = await store.versions('debris', { retention: false });
    if (debris === undefined) throw new Error('no debris');
    expect(await store.createOver('debris', debris, Buffer.from('ours'), retention)).toMatchObject({ outcome: 'created' });
    expect(await store.createOver('debris', debris, Buffer.from('late'), retention)).toEqual({ outcome: 'exists' });
    expect((await store.versions('debris')).length).toBe(2);
  });

  it('keeps what was stored, and goes on, when the gateway is killed and started again', async () => {
    const store = open('many-writers', true);
    expect(await store.create('survives', Buffer.from('bytes'), retention)).toMatchObject({ outcome: 'created' });
    await server.server.kill();
    await expect(store.create('refused', Buffer.from('x'), retention)).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    await server.server.start();
    expect(Buffer.from((await store.read('survives')) ?? []).toString()).toBe('bytes');
    expect(await store.create('survives', Buffer.from('other'), retention)).toEqual({ outcome: 'exists' });
    expect(await store.create('refused', Buffer.from('x'), retention)).toMatchObject({ outcome: 'created' });
  });

  it('is asked with a key that XML can not hold, and still lists the others', async () => {
    const store = open('many-writers', true);
    await store.create('odd/a', Buffer.from('x'), retention);
    for (const name of ['odd/\u0001', 'odd/b c+d%41é&<']) await server.admin.send(new PutObjectCommand({ Bucket: 'many-writers', Key: name, Body: 'junk' }));
    expect((await store.list('odd/', { limit: 10 })).keys).toEqual(['odd/a']);
    const strays: string[] = [];
    for await (const stray of store.strays('odd/')) strays.push(stray);
    expect(strays).toEqual(['odd/\u0001', 'odd/b c+d%41é&<']);
  });

  it('holds objects that any other S3 client reads, with the retention that was asked for', async () => {
    const store = open('many-writers', true);
    await store.create('plain', Buffer.from('bytes'), { mode: 'compliance', retainUntil: '2027-01-02T03:04:05.6Z' });
    const listed = await server.admin.send(new ListObjectVersionsCommand({ Bucket: 'many-writers', Prefix: 'plain' }));
    const read = await server.admin.send(new GetObjectCommand({ Bucket: 'many-writers', Key: 'plain', VersionId: listed.Versions?.[0]?.VersionId }));
    expect(await read.Body?.transformToString()).toBe('bytes');
    expect(read).toMatchObject({ ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date('2027-01-02T03:04:06Z') });
  });
});
