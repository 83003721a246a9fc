/** What a killed service leaves of its exports must not fill the disk, and what a living one holds must not go. */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { exportFolder } from '#indelible/evidence/export-folder.js';
import { scratchFolders } from '../support/scratch.js';

const scratchFolder = scratchFolders();

it('removes what ended processes of this host left, and nothing else', async () => {
  const root = join(await scratchFolder(), 'exports');
  const mine = await exportFolder(root);
  await mkdir(mine);
  const [host = '', pid = '', started = ''] = basename(mine).split('.');
  const dead = String(spawnSync(process.execPath, ['-e', '']).pid);
  const kept = [basename(mine), `${host}.${process.ppid}.${started}.0`, `other-host.${dead}.${started}.0`, 'somebodys-notes'];
  const gone = [`${host}.${dead}.${started}.0`, `${host}.${pid}.${Number(started) - 1}.0`];
  for (const name of [...kept, ...gone]) {
    await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, name, 'a.bundle'), 'x');
  }
  const another = await exportFolder(root);
  expect((await readdir(root)).sort()).toEqual([...kept].sort());
  expect(another).not.toBe(mine);
  expect(host).toBe(hostname().replaceAll(/[^A-Za-z0-9-]/g, '_'));
});
