/** What a filesystem store does once, when it opens. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { absent, linkIfAbsentHere, lstat } from './files.js';
import { StoreError } from '../worm-store.js';

/** After this long an unfinished file is debris of a process that died. See `removeDebris`. */
const DEBRIS_AGE_MS = 3_600_000;

/** ext2/3/4, XFS, tmpfs, ZFS: a folder has two links and one more for each folder in it. Others (btrfs, overlay) don't count. */
const COUNTS_FOLDERS = new Set([0xef53, 0x58465342, 0x01021994, 0x2fc12fc1]);

/**
 * Makes the root, and its name durable: a log in a folder that a power failure takes away is lost with it.
 * Not by `mkdir` with `recursive`: that loops for ever where a folder refuses new ones with ENOENT (/proc).
 */
export async function makeRoot(path: string): Promise<void> {
  const make = (): Promise<void> => mkdir(path, { mode: 0o750 });
  try {
    await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      // Perhaps made a moment ago, by a process that has not flushed it yet. (A folder above that may not be
      // read is of long standing: who makes one can read it.)
      await syncFolder(dirname(path)).catch(() => undefined);
      return;
    }
    if (code !== 'ENOENT' || path === dirname(path)) throw error;
    await makeRoot(dirname(path));
    await make().catch((again: unknown) => {
      if ((again as NodeJS.ErrnoException).code !== 'EEXIST') throw again; // another process was quicker
    });
  }
  await syncFolder(dirname(path));
}

/** Tries what the store lives by. @throws StoreError naming what is missing */
export async function tryFileSystem(root: string, temp: string): Promise<void> {
  const probe = join(temp, uniqueName('probe'));
  try {
    const handle = await open(probe, 'wx', 0o600);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (!linkIfAbsentHere(probe, `${probe}-link`)) throw new Error('a new name is taken already');
    if (linkIfAbsentHere(probe, `${probe}-link`)) throw new Error('a second link of the same name succeeded');
    for (const folder of [root, temp]) await syncFolder(folder);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const needs =
      'a log needs a file system that can be written to, with hard links that fail if the name is taken, and with ' +
      `folders that can be flushed (ext4, XFS, btrfs, ZFS, tmpfs, APFS and NFS have them): ${why}`;
    throw new StoreError('open', root, 'no', new Error(needs, { cause: error }));
  } finally {
    await rm(probe, { force: true });
    await rm(`${probe}-link`, { force: true });
  }
}

/**
 * A file system's clock ticks (4 ms on Linux, 2 s on FAT), and a change is stamped with the last tick. After
 * this long no new change can have the stamp of an old one.
 */
const LONGEST_TICK_NS = 3_000_000_000n;

/** See ListingOptions.isOver. Asks the file system for its time: ours may be ahead of that of a file server. */
export async function isOver(stamp: bigint, temp: string): Promise<boolean> {
  // By our clock it isn't over: don't go to the trouble.
  if (BigInt(Date.now()) * 1_000_000n - stamp < LONGEST_TICK_NS) return false;
  try {
    return (await fileSystemTime(temp)) - stamp >= LONGEST_TICK_NS;
  } catch {
    return false; // a full or read-only disk: reading goes on without
  }
}

/** What the file system stamps on a change made now, in nanoseconds. */
export async function fileSystemTime(temp: string): Promise<bigint> {
  const path = join(temp, uniqueName('clock'));
  const handle = await open(path, 'wx', 0o600);
  try {
    return (await handle.stat({ bigint: true })).mtimeNs;
  } finally {
    await handle.close();
    await rm(path, { force: true });
  }
}

/** For a file in the folder of unfinished objects: no two processes or machines come to the same. */
export function uniqueName(purpose: string): string {
  return `${process.pid}-${randomBytes(8).toString('hex')}-${purpose}`;
}

export async function linksCountFolders(root: string): Promise<boolean> {
  return process.platform === 'linux' && COUNTS_FOLDERS.has((await statfs(root)).type);
}

/**
 * Removes what processes that died have left. By age alone: process numbers mean nothing between
 * containers that share the folder. Should the writer live after all (a suspended machine), its link(2)
 * fails as there is no such file, which means "certainly not stored", and its caller is told so.
 */
export async function removeDebris(temp: string, nowMs: number): Promise<void> {
  for (const name of await readdir(temp)) {
    const path = join(temp, name);
    const status = await lstat(path).catch(absent);
    if (status !== undefined && nowMs - Math.max(status.mtimeMs, status.ctimeMs) > DEBRIS_AGE_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
