/** A filesystem store between processes: racing, killed, out of room, without permission; and the order of its system calls. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { utimes, stat, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import { startChild, type Child } from '../support/child.js';
import { scratchFolders } from '../support/scratch.js';

interface Line {
  readonly key?: string;
  readonly outcome?: 'created' | 'exists';
  readonly error?: string;
  readonly stored?: 'no' | 'unknown';
  readonly code?: string;
  readonly message?: string;
  readonly failed?: string;
}

const WRITER = fileURLToPath(new URL('child-writer.mjs', import.meta.url));
const scratchFolder = scratchFolders();
const retention = { mode: 'governance', retainUntil: '2035-01-01T00:00:00Z' } as const;
const isRoot = process.getuid?.() === 0;

let root: string;
beforeEach(async () => {
  root = join(await scratchFolder(), 'worm');
});

const write = (task: string, argument: string | number): Child<Line> =>
  startChild<Line>(process.execPath, [WRITER, root, task, String(argument)]);

describe('eight processes that race for 200 keys', () => {
  it('create each key exactly once, and its bytes are those of the process that created it', async () => {
    const children = Array.from({ length: 8 }, () => write('race', 200));
    expect(await Promise.all(children.map((child) => child.ended))).toEqual(Array(8).fill(0));
    const store = await FilesystemStore.open(root);
    for (let i = 0; i < 200; i++) {
      const key = `race/${i % 5}/${i}`;
      const answers = children.flatMap((child) => child.lines.filter((line) => line.key === key).map((line) => ({ ...line, pid: child.process.pid })));
      expect(answers).toHaveLength(8);
      const winners = answers.filter(({ outcome }) => outcome === 'created');
      expect(winners).toHaveLength(1);
      expect(answers.filter(({ outcome }) => outcome === 'exists')).toHaveLength(7);
      expect(Buffer.from((await store.read(key)) ?? []).toString()).toBe(`${winners[0]?.pid} ${i}`);
    }
    await store.close();
    expect(readdirSync(join(root, '.tmp'))).toEqual([]);
  });
});

describe('a process that is killed while it writes', () => {
  it('leaves only whole objects, all that it was told of, and a store that goes on', async () => {
    for (let round = 0; round < 6; round++) {
      const child = write('endless', `round${round}`);
      while (child.lines.length < 3 + round * 5) await new Promise((resolve) => setTimeout(resolve, 5));
      child.process.kill('SIGKILL');
      expect(await child.ended).toBe('SIGKILL');

      const store = await FilesystemStore.open(root);
      const seen = new Set<string>();
      for await (const key of everyKey(store, `round${round}/`)) {
        const bytes = (await store.read(key)) ?? new Uint8Array();
        const hash = createHash('sha256').update(bytes.subarray(32)).digest();
        expect(Buffer.compare(hash, bytes.subarray(0, 32))).toBe(0);
        seen.add(key);
      }
      for (const line of child.lines) expect(line).toMatchObject({ outcome: 'created' });
      expect(child.lines.filter(({ key }) => !seen.has(key ?? ''))).toEqual([]);
      for await (const stray of store.strays('')) expect.fail(`a stray: ${stray}`);
      expect(await store.create(`round${round}/after`, Buffer.from('x'), retention)).toMatchObject({ outcome: 'created' });
      await store.close();
    }
  });
});

describe('a store without room', () => {
  it('says that an object larger than the limit for files is not stored, shows nothing of it, and goes on', async () => {
    const limited = ['-c', 'ulimit -f 64; exec "$0" "$@"', process.execPath, WRITER, root, 'sizes', '1000,500000,2000'];
    const child = startChild<Line>('bash', limited);
    expect(await child.ended).toBe(0);
    expect(child.lines.map(({ key, outcome, stored, code }) => ({ key, outcome, stored, code })).slice(0, 4)).toEqual([
      { key: 'sizes/1000', outcome: 'created' },
      { key: 'sizes/500000', stored: 'no', code: 'EFBIG' },
      { key: 'sizes/2000', outcome: 'created' },
      { key: 'sizes/small', outcome: 'created' },
    ]);
    expect(readdirSync(join(root, 'sizes')).sort()).toEqual(['1000', '2000', 'small']);
    expect(readdirSync(join(root, '.tmp'))).toEqual([]);
  });

  describe.runIf(isRoot && canMount())('on a small file system of its own', () => {
    beforeEach(() => {
      mkdirSync(root);
      mount('size=1m,nr_inodes=40,strictatime');
    });
    afterEach(() => execFileSync('umount', ['-l', root]));

    it('says of a full disk that nothing was stored, shows nothing, and goes on when there is room', async () => {
      const store = await FilesystemStore.open(root);
      const half = Buffer.alloc(600_000, 'x');
      await store.create('a', half, retention);
      await expect(store.create('b', half, retention)).rejects.toMatchObject({ stored: 'no', cause: { code: 'ENOSPC' } });
      expect((await store.list('', { limit: 10 })).keys).toEqual(['a']);
      expect(await store.read('b')).toBeUndefined();
      expect(await store.create('c', Buffer.from('small'), retention)).toMatchObject({ outcome: 'created' });
      rmSync(join(root, 'a'));
      expect(await store.create('b', half, retention)).toMatchObject({ outcome: 'created' });
      await store.close();
      expect(readdirSync(join(root, '.tmp'))).toEqual([]);
    });

    it('says so too if there is room for bytes but not for names', async () => {
      const store = await FilesystemStore.open(root);
      const answers: string[] = [];
      for (let i = 0; i < 60; i++) {
        const answer = store.create(`folder${i}/a`, Buffer.from('x'), retention);
        answers.push(await answer.then(({ outcome }) => outcome, (error: unknown) => (error as Line).stored ?? 'other'));
      }
      expect(new Set(answers)).toEqual(new Set(['created', 'no']));
      for (const [i, answer] of answers.entries()) expect((await store.versions(`folder${i}/a`)).length).toBe(answer === 'created' ? 1 : 0);
      await store.close();
    });

    it('says of a file system that became read-only that nothing was stored, and still reads', async () => {
      const store = await FilesystemStore.open(root);
      await store.create('a', Buffer.from('x'), retention);
      execFileSync('mount', ['-o', 'remount,ro', root]);
      await expect(store.create('b', Buffer.from('x'), retention)).rejects.toMatchObject({ stored: 'no', cause: { code: 'EROFS' } });
      expect(await store.read('a')).toEqual(Buffer.from('x'));
      expect((await store.list('', { limit: 10 })).keys).toEqual(['a']);
      await store.close();
    });

    it('does not lose the note of the retention by reading, on a mount that records every access', async () => {
      const store = await FilesystemStore.open(root);
      await store.create('a', Buffer.from('x'), retention);
      await store.read('a');
      await store.create('a', Buffer.from('y'), retention);
      expect((await store.versions('a'))[0]?.retention).toEqual({ mode: 'recorded', retainUntil: '2035-01-01T00:00:00.000Z' });
      await store.close();
    });
  });
});

describe('a store without permission', () => {
  it('says that nothing was stored, and goes on elsewhere', async () => {
    const store = await FilesystemStore.open(root);
    await store.create('open/a', Buffer.from('x'), retention);
    await store.create('shut/a', Buffer.from('x'), retention);
    await store.close();
    for (const folder of [join(root, '..'), root, join(root, '.tmp'), join(root, 'open')]) chmodSync(folder, 0o777);
    chmodSync(join(root, 'shut'), 0o555);
    // Permissions don't hold root back: the child is somebody else, for whom the compiled store must be readable.
    const module = join(root, '../storage/filesystem/store.js');
    cpSync(fileURLToPath(import.meta.resolve('#indelible/storage')), join(root, '../storage'), { recursive: true });
    cpSync(WRITER, join(root, '../storage/writer.mjs'));
    writeFileSync(join(root, '../storage/package.json'), '{"type":"module"}');
    const child = startChild<Line>(process.execPath, [join(root, '../storage/writer.mjs'), root, 'keys', 'shut/b,open/b,open/a'], {
      env: { ...process.env, STORE_MODULE: module },
      cwd: '/',
      ...(isRoot ? { uid: 65534, gid: 65534 } : {}),
    });
    await child.ended;
    expect(child.errors.join('')).toBe('');
    expect(child.lines.map(({ key, outcome, stored, code }) => ({ key, outcome, stored, code })).slice(0, 3)).toEqual([
      { key: 'shut/b', stored: 'no', code: 'EACCES' },
      { key: 'open/b', outcome: 'created' },
      { key: 'open/a', outcome: 'exists' },
    ]);
    expect(existsSync(join(root, 'shut/b'))).toBe(false);
    expect(readdirSync(join(root, '.tmp'))).toEqual([]);
  });

  it('reads files of another user, whose access time it may not spare', async () => {
    const store = await FilesystemStore.open(root);
    await store.create('a', Buffer.from('x'), retention);
    const { mtime } = await stat(join(root, 'a'));
    await chmod(join(root, 'a'), 0o444);
    await utimes(join(root, 'a'), new Date('2035-01-01T00:00:00Z'), mtime);
    expect(await store.read('a')).toEqual(Buffer.from('x'));
    await store.close();
  });
});

function mount(options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', root]);
}

function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
