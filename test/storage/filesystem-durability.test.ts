/**
 * That `created` means durable: no answer before the bytes, the name and the folders above it are flushed. A
 * killed process can't show it (the kernel keeps what it was given), so the system calls are watched.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { startChild } from '../support/child.js';
import { scratchFolders } from '../support/scratch.js';

const scratchFolder = scratchFolders();
const hasStrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

/** A system call that succeeded: from the line at which it began to the one at which it returned. */
interface Call {
  readonly name: string;
  readonly text: string;
  readonly began: number;
  readonly ended: number;
}

describe.runIf(hasStrace || process.env['CI'] === 'true')('the order of system calls (strace)', () => {
  it('has the bytes flushed before the name is made, and all names flushed before the answer', async () => {
    const { calls, root } = await watch('chains/new/segments/0,chains/new/segments/1');
    for (const key of ['chains/new/segments/0', 'chains/new/segments/1']) {
      const path = join(root, key);
      const linked = only(calls, (call) => call.name.startsWith('link') && call.text.includes(`"${path}"`));
      const temp = /"([^"]+\/\.tmp\/[^"]+)"/.exec(linked.text)?.[1] ?? 'no temp file';
      const written = only(calls, (call) => /^p?write/.test(call.name) && call.text.includes(`<${temp}>`));
      const flushed = only(calls, (call) => call.name === 'fsync' && call.text.includes(`<${temp}>`));
      const answered = only(calls, (call) => call.name === 'write' && call.text.includes(`\\"key\\":\\"${key}\\",\\"outcome\\":\\"created\\"`));
      expect(written.ended).toBeLessThan(flushed.began);
      expect(flushed.ended).toBeLessThan(linked.began);
      expect(flushesOf(calls, dirname(path), linked.ended, answered.began)).not.toEqual([]);
      // Nothing is written to the object after its flush.
      expect(calls.filter((call) => /write|truncate/.test(call.name) && call.text.includes(`<${temp}>`))).toEqual([written]);
    }
  });

  it('has the name of every new folder flushed before the answer', async () => {
    const { calls, root } = await watch('chains/new/segments/0');
    const answered = only(calls, (call) => call.name === 'write' && call.text.includes('\\"outcome\\":\\"created\\"'));
    for (const folder of [root, join(root, 'chains'), join(root, 'chains/new'), join(root, 'chains/new/segments')]) {
      const made = only(calls, (call) => call.name.startsWith('mkdir') && call.text.includes(`"${folder}"`));
      expect(flushesOf(calls, dirname(folder), made.ended, answered.began)).not.toEqual([]);
    }
  });

  it('does not answer "exists" before what another process made is flushed: folders, name and bytes', async () => {
    const root = join(await scratchFolder(), 'worm');
    const other = await FilesystemStore.open(root);
    await other.create('chains/other/segments/0', Buffer.from('x'), { mode: 'governance', retainUntil: '2035-01-01T00:00:00Z' });
    await other.close();
    const { calls } = await watch('chains/other/segments/0', root);
    const path = join(root, 'chains/other/segments/0');
    const answered = only(calls, (call) => call.name === 'write' && call.text.includes('\\"outcome\\":\\"exists\\"'));
    for (let flushed = path; flushed !== dirname(root); flushed = dirname(flushed)) {
      expect(flushesOf(calls, flushed, 0, answered.began), flushed).not.toEqual([]);
    }
  });
});

async function watch(keys: string, at?: string): Promise<{ readonly calls: readonly Call[]; readonly root: string }> {
  const root = at ?? join(await scratchFolder(), 'worm');
  const log = join(await scratchFolder(), 'strace');
  const traced = 'trace=openat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,link,linkat,mkdir,mkdirat,unlink';
  const writer = fileURLToPath(new URL('child-writer.mjs', import.meta.url));
  const child = startChild('strace', ['-f', '-y', '-s', '300', '-o', log, '-e', traced, process.execPath, writer, root, 'keys', keys]);
  expect(await child.ended).toBe(0);
  return { calls: parse(readFileSync(log, 'utf8')), root };
}

function parse(log: string): readonly Call[] {
  const calls: Call[] = [];
  const open = new Map<string, { readonly began: number; readonly text: string }>();
  for (const [i, line] of log.split('\n').entries()) {
    const match = /^(\d+) +(.*)$/.exec(line);
    const [, thread = '', rest = ''] = match ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, { began: i, text: rest.slice(0, -'<unfinished ...>'.length) });
      continue;
    }
    const begun = resumed === null ? undefined : open.get(thread);
    const text = begun === undefined ? rest : begun.text + (resumed?.[1] ?? '');
    const name = /^(\w+)\(/.exec(text)?.[1];
    if (name !== undefined && / = \d/.test(text)) calls.push({ name, text, began: begun?.began ?? i, ended: i });
  }
  return calls;
}

function only(calls: readonly Call[], matches: (call: Call) => boolean): Call {
  const found = calls.filter(matches);
  expect(found.map(({ text }) => text)).toHaveLength(1);
  return found[0]!;
}

function flushesOf(calls: readonly Call[], path: string, after: number, before: number): readonly Call[] {
  return calls.filter((call) => call.name === 'fsync' && call.text.includes(`<${path}>`) && call.began >= after && call.ended < before);
}
