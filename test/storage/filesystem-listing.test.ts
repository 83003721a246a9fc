/** That a remembered listing is never an old one. */
import { fork } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { Listing } from '#indelible/storage/filesystem/listing.js';
import { isOver } from '#indelible/storage/filesystem/open.js';
import { scratchFolders } from '../support/scratch.js';

const scratchFolder = scratchFolders();
const NAMES = 400;
const SECOND = 1_000_000_000n;

let root: string;
let folder: string;
/** How often a folder was read: each reading asks once whether the last change is over. */
let readings = 0;

const listing = (over: boolean | ((stamp: bigint) => boolean)): Listing =>
  new Listing(root, {
    isOver: (stamp) => {
      readings++;
      return Promise.resolve(typeof over === 'boolean' ? over : over(stamp));
    },
    linksCountFolders: true,
  });
const add = (name: string): void => linkSync(join(root, 'source'), join(folder, name));
const last = async (of: Listing, mayBeStale = false): Promise<string | undefined> =>
  (await of.page('c/', { from: 'c/l', limit: 1000, mayBeStale })).keys.at(-1);

beforeEach(async () => {
  readings = 0;
  root = await scratchFolder();
  folder = join(root, 'c');
  mkdirSync(folder);
  writeFileSync(join(root, 'source'), 'x');
  for (let i = 0; i < NAMES; i++) add(`k${String(i).padStart(6, '0')}`);
});

describe('a listing of a large folder', () => {
  it('is read once while the folder does not change', async () => {
    const quiet = listing(true);
    for (let i = 0; i < 50; i++) {
      const from = `c/k${String(i).padStart(6, '0')}`;
      expect((await quiet.page('c/', { from, limit: 2 })).keys[0]).toBe(from);
    }
    expect(readings).toBe(1);
  });

  it('is read again after a change', async () => {
    const quiet = listing(true);
    expect(await last(quiet)).toBeUndefined();
    // Longer than a tick: in this test every change counts as over at once.
    await new Promise((resolve) => setTimeout(resolve, 20));
    add('l1');
    expect(await last(quiet)).toBe('c/l1');
    expect(readings).toBe(2);
  });

  it('is not relied on while the last change is younger than a tick of the clock may be', async () => {
    const young = listing(false);
    for (let i = 0; i < 20; i++) {
      add(`l${String(i).padStart(2, '0')}`);
      expect(await last(young)).toBe(`c/l${String(i).padStart(2, '0')}`);
    }
    expect(readings).toBe(20);
  });

  it('is read again while it is not certain that the last change is over, though nothing seems to change', async () => {
    const young = listing(false);
    for (let i = 0; i < 3; i++) await last(young);
    expect(readings).toBe(3);
  });

  it('is relied on once the file system itself says that the last change is over', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    expect(await isOver(now, root)).toBe(false);
    expect(await isOver(now - 2n * SECOND, root)).toBe(false);
    expect(await isOver(now - 4n * SECOND, root)).toBe(true);
    expect(await isOver(now - 4n * SECOND, join(root, 'where nothing can be made'))).toBe(false);
  });

  it('may be an old one for who asks for no better', async () => {
    const living = listing(false);
    expect(await last(living)).toBeUndefined();
    add('l1');
    expect(await last(living, true)).toBeUndefined();
    expect(readings).toBe(1);
    expect(await last(living)).toBe('c/l1');
    expect(await last(living, true)).toBe('c/l1');
    expect(readings).toBe(2);
  });

  it('is shared by callers that come while it is waiting, never by one that came later', async () => {
    const living = listing(false);
    const first = last(living);
    add('l1');
    const others = Array.from({ length: 10 }, () => last(living));
    await first;
    expect(await Promise.all(others)).toEqual(Array.from({ length: 10 }, () => 'c/l1'));
    expect(readings).toBe(2);
  });

  it('is complete at every call while another process makes names, and is remembered in the pauses', async () => {
    // 30 ms: more than a tick of the kernel's clock (at most 10 ms), less than the longest pause.
    const living = listing((stamp) => BigInt(Date.now()) * 1_000_000n - stamp > 30_000_000n);
    const count = 400;
    const child = fork(fileURLToPath(new URL('child-linker.mjs', import.meta.url)), [folder, String(count)]);
    const there: string[] = [];
    child.on('message', (name: string) => there.push(`c/${name}`));
    let lists = 0;
    while (child.connected) {
      const known = [...there];
      const { keys } = await living.page('c/', { from: 'c/late', limit: 1000 });
      lists++;
      expect(keys.slice(0, known.length)).toEqual(known);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(there).toHaveLength(count);
    expect(readings).toBeLessThan(lists);
  });
});

describe('a folder too large for this thread', () => {
  it('is listed the same, with folders and names that are no keys', async () => {
    const big = join(root, 'big');
    mkdirSync(big);
    const names = Array.from({ length: 9000 }, (_, i) => `${String(i * 31).padStart(40, '0')}.ndjson`);
    for (const name of names) linkSync(join(root, 'source'), join(big, name));
    for (const extra of ['sub', 'sub2']) mkdirSync(join(big, extra));
    writeFileSync(join(big, 'sub/x'), '');
    writeFileSync(join(big, 'no key~'), '');
    const keys = [...names, 'sub/x'].map((name) => `big/${name}`);
    const found: string[] = [];
    const large = listing(true);
    let page = await large.page('big/', { limit: 1000 });
    found.push(...page.keys);
    while (page.more) {
      page = await large.page('big/', { from: `${page.keys.at(-1) ?? ''}-`, limit: 1000, continues: page });
      found.push(...page.keys);
    }
    expect(found).toEqual(keys);
    expect(readings).toBeLessThanOrEqual(3);
    const strays: string[] = [];
    for await (const stray of large.strays('')) strays.push(stray);
    expect(strays).toEqual(['big/no key~']);
    const folders: string[] = [];
    for await (const name of large.folders('big/')) folders.push(name);
    expect(folders).toEqual(['big', 'big/sub', 'big/sub2']);
    rmSync(big, { recursive: true });
    expect(await large.page('big/', { limit: 1 })).toEqual({ keys: [], more: false });
  });
});
