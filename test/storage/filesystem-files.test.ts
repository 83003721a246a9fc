/** What a filesystem store makes of what it finds in its folder. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { StoreError, type Retention } from '#indelible/storage/worm-store.js';
import { scratchFolders } from '../support/scratch.js';

const scratchFolder = scratchFolders();
const retention: Retention = { mode: 'compliance', retainUntil: '2035-06-01T12:00:00.250Z' };
const bytes = Buffer.from('some bytes');

let root: string;
let store: FilesystemStore;
const create = (key: string): ReturnType<FilesystemStore['create']> => store.create(key, bytes, retention);
const strays = async (prefix = ''): Promise<string[]> => {
  const found: string[] = [];
  for await (const stray of store.strays(prefix)) found.push(stray);
  return found.sort();
};
const listed = async (prefix = ''): Promise<readonly string[]> => (await store.list(prefix, { limit: 1000 })).keys;

beforeEach(async () => {
  root = join(await scratchFolder(), 'worm');
  store = await FilesystemStore.open(root);
});
afterEach(() => store.close());

describe('an object is a plain file', () => {
  it('at the path that is its key, read-only, and nothing else is left', async () => {
    await create('chains/a/segments/1.ndjson');
    await store.close();
    const path = join(root, 'chains/a/segments/1.ndjson');
    expect(await readFile(path)).toEqual(bytes);
    expect((await stat(path)).mode & 0o222).toBe(0);
    expect((await stat(path)).nlink).toBe(1);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('whose access time is the end of its retention, rounded up to a second', async () => {
    await create('a');
    const { atimeMs, mtimeMs } = await stat(join(root, 'a'));
    expect(new Date(atimeMs).toISOString()).toBe('2035-06-01T12:00:01.000Z');
    expect(Math.abs(Date.now() - mtimeMs)).toBeLessThan(60_000);
    expect((await store.versions('a'))[0]).toMatchObject({
      versionId: 'null',
      size: bytes.length,
      retention: { mode: 'recorded', retainUntil: '2035-06-01T12:00:01.000Z' },
    });
  });

  it('whose retention is unknown if the file came here by other ways, and none if it can be written to', async () => {
    await writeFile(join(root, 'copied'), 'x', { mode: 0o444 });
    await utimes(join(root, 'copied'), new Date(0), new Date());
    expect((await store.versions('copied'))[0]?.retention).toBe('unknown');
    await create('a');
    await chmod(join(root, 'a'), 0o644);
    expect((await store.versions('a'))[0]?.retention).toBe('none');
  });
});

describe('something else at a key', () => {
  const things: [string, (path: string) => Promise<unknown>, RegExp][] = [
    ['a folder', (path) => mkdir(path), /there is a folder where a plain file was expected/],
    ['a symbolic link to a file', (path) => writeFile(join(root, 'target'), 'secret').then(() => symlink('target', path)), /a symbolic link/],
    ['a symbolic link to nothing', (path) => symlink('nothing', path), /a symbolic link/],
    ['a FIFO', (path) => Promise.resolve(execFileSync('mkfifo', [path])), /a FIFO/],
    ['a socket', listenAt, /a socket/],
  ];

  it.each(things)('%s is named, not followed, and does not block', async (_, make, sentence) => {
    await mkdir(join(root, 'x'));
    await make(join(root, 'x/key'));
    for (const call of [() => store.read('x/key'), () => store.versions('x/key'), () => create('x/key')]) {
      const error: unknown = await call().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ stored: 'no', message: expect.stringMatching(sentence) as string });
    }
    await store.close();
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('is listed, so that it can not pass for the end of a chain, and reported', async () => {
    await create('x/1');
    await symlink('1', join(root, 'x/2'));
    execFileSync('mkfifo', [join(root, 'x/3')]);
    expect(await listed()).toEqual(['x/1', 'x/2', 'x/3']);
    expect(await strays()).toEqual(['x/2', 'x/3']);
  });

  it('a file that shrinks or is no object of ours is an error, not a short answer', async () => {
    await writeFile(join(root, 'huge'), '');
    await truncate(join(root, 'huge'), 2 ** 40);
    await expect(store.read('huge')).rejects.toThrow(/1099511627776 bytes, more than any object of ours/);
  });

  it('a file where a folder is needed, or a link to a folder elsewhere, stops a create', async () => {
    await create('a');
    await expect(create('a/b')).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    expect(await store.read('a/b')).toBeUndefined();
    const elsewhere = await scratchFolder();
    await symlink(elsewhere, join(root, 'linked'));
    await expect(create('linked/b')).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    expect(await readdir(elsewhere)).toEqual([]);
    expect(await strays()).toEqual(['linked']);
  });
});

describe('what does not belong', () => {
  it('is reported with its path and never listed', async () => {
    await create('chains/a/1');
    await mkdir(join(root, 'chains/.hidden'));
    await writeFile(join(root, 'chains/.hidden/1'), '');
    await writeFile(join(root, 'chains/a/1 (copy)'), '');
    await writeFile(join(root, 'chains/a/1~'), '');
    await writeFile(join(root, 'chains/ä'), '');
    await writeFile(Buffer.concat([Buffer.from(join(root, 'chains/')), Buffer.of(0xff)]), '');
    await writeFile(join(root, '.tmp/unfinished'), '');
    expect(await listed()).toEqual(['chains/a/1']);
    expect(await strays()).toEqual(['chains/.hidden', 'chains/a/1 (copy)', 'chains/a/1~', 'chains/ä', 'chains/\ufffd']);
    expect(await strays('chains/a/')).toEqual(['chains/a/1 (copy)', 'chains/a/1~']);
    expect(await strays('chains/b')).toEqual([]);
  });
});

describe('open', () => {
  it('makes the folder and those above it', async () => {
    const deep = join(await scratchFolder(), 'a/b/c');
    await (await FilesystemStore.open(deep)).close();
    expect(await readdir(deep)).toEqual(['.tmp']);
    expect((await stat(deep)).mode & 0o007).toBe(0);
  });

  it('removes what a process that died has left an hour ago, and nothing younger', async () => {
    const [old, young, scratch] = ['old', 'young', 'old-scratch'].map((name) => join(root, '.tmp', name));
    await writeFile(old!, 'x', { mode: 0o444 });
    await writeFile(young!, 'x');
    await mkdir(join(scratch!, 'a'), { recursive: true });
    const [first, last] = [(await stat(old!)).ctimeMs, (await stat(scratch!)).ctimeMs];
    // The change time can't be put back, so the clock is put forward: a file system that is two hours ahead.
    await (await FilesystemStore.open(root)).close();
    expect(await readdir(join(root, '.tmp'))).toEqual(['old', 'old-scratch', 'young']);
    const { removeDebris } = await import('#indelible/storage/filesystem/open.js');
    await removeDebris(join(root, '.tmp'), first + 3_599_000);
    expect(await readdir(join(root, '.tmp'))).toEqual(['old', 'old-scratch', 'young']);
    await utimes(young!, new Date(), new Date(last + 600_000));
    await removeDebris(join(root, '.tmp'), last + 3_700_000);
    expect(await readdir(join(root, '.tmp'))).toEqual(['young']);
  });

  it('follows a symbolic link that is the root itself, and says where it is', async () => {
    const link = join(await scratchFolder(), 'link');
    await symlink(root, link);
    const linked = await FilesystemStore.open(link);
    expect(linked.location).toBe(root);
    await linked.close();
  });

  it('says so if there is a file where the folder should be', async () => {
    const path = join(await scratchFolder(), 'file');
    await writeFile(path, 'x');
    await expect(FilesystemStore.open(path)).rejects.toMatchObject({ name: 'StoreError', operation: 'open', key: path });
  });

  it('says what is missing of a file system without what a log needs', async () => {
    await expect(FilesystemStore.open('/proc/indelible')).rejects.toThrow(StoreError);
    const { tryFileSystem } = await import('#indelible/storage/filesystem/open.js');
    await writeFile(join(root, 'not-a-folder'), '');
    await expect(tryFileSystem(join(root, 'not-a-folder'), join(root, '.tmp'))).rejects.toThrow(
      /needs a file system .* with hard links .* and with folders that can be flushed/,
    );
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });
});

describe('a store opened for reading only', () => {
  it('reads and lists, refuses to create, and writes nothing at all', async () => {
    await create('chains/a/1');
    await store.close();
    await rm(join(root, '.tmp'), { recursive: true });
    const before = (await stat(root)).ctimeMs;
    store = await FilesystemStore.open(root, { readOnly: true });
    expect(await store.read('chains/a/1')).toEqual(bytes);
    expect(await listed()).toEqual(['chains/a/1']);
    expect(await store.versions('chains/a/1')).toHaveLength(1);
    await store.settle('chains/');
    await expect(create('chains/a/2')).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    expect((await stat(root)).ctimeMs).toBe(before);
    expect(await listed()).toEqual(['chains/a/1']);
  });

  it('has to be there', async () => {
    const path = join(root, 'nothing');
    await expect(FilesystemStore.open(path, { readOnly: true })).rejects.toMatchObject({ name: 'StoreError', operation: 'open' });
    expect(await readdir(root)).toEqual(['.tmp']);
  });
});

describe('a folder that changes under a running store', () => {
  it('is not vouched for: the create that notices does not say "created", the next one does', async () => {
    await create('x/1');
    await rename(join(root, 'x'), join(await scratchFolder(), 'moved'));
    await mkdir(join(root, 'x'));
    await expect(create('x/2')).rejects.toMatchObject({ name: 'StoreError', stored: 'unknown' });
    expect(await create('x/2')).toEqual({ outcome: 'exists' });
    expect(await create('x/3')).toMatchObject({ outcome: 'created' });
  });

  it('is made again if it was removed', async () => {
    await create('x/y/1');
    await rm(join(root, 'x'), { recursive: true });
    await expect(create('x/y/2')).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    expect(await create('x/y/2')).toMatchObject({ outcome: 'created' });
  });

  it('is not made again where the whole store is gone: a disk that is not mounted is not written below', async () => {
    await create('x/1');
    await rename(root, `${root}-unmounted`);
    await mkdir(root);
    for (let i = 0; i < 3; i++) await expect(create('x/2')).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
    expect((await readdir(root, { recursive: true })).filter((name) => name.endsWith('2'))).toEqual([]);
  });
});

it('keeps working with more folders than it keeps open', async () => {
  const keys = Array.from({ length: 300 }, (_, i) => `chains/${String(i).padStart(3, '0')}/segments/0`);
  for (let i = 0; i < keys.length; i += 50) await Promise.all(keys.slice(i, i + 50).map(create));
  expect(await listed('chains/')).toEqual(keys);
  expect(await create('chains/000/segments/1')).toMatchObject({ outcome: 'created' });
  expect((await readdir('/proc/self/fd').catch(() => [])).length).toBeLessThan(250);
});

async function listenAt(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${dirname(path)}/key`, resolve));
  server.unref();
}
