import { execFile } from 'node:child_process';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { rootAt } from '#indelible/core/merkle.js';
import { View } from '#indelible/view/view.js';
import type { ViewFeedNote } from '#indelible/view/feed.js';
import { InlineViewFeed } from '#indelible/view/feed.js';
import type { ViewWriterOptions } from '#indelible/view/writer.js';
import { ViewWriter } from '#indelible/view/writer.js';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';
import { historyOf } from './history.js';

const scratch = scratchFolders();
const run = promisify(execFile);
const FULL_DISK_PROCESS = fileURLToPath(new URL('./full-disk-process.mjs', import.meta.url));
const opened: ViewWriter[] = [];
afterEach(async () => {
  for (const writer of opened.splice(0)) await writer.close();
});

async function open_(file: string, options: ViewWriterOptions = {}): Promise<{ writer: ViewWriter; notes: ViewFeedNote[] }> {
  const notes: ViewFeedNote[] = [];
  const writer = await ViewWriter.open(file, { onNote: (note) => notes.push(note), ...options });
  opened.push(writer);
  return { writer, notes };
}

describe('the writer of a view', () => {
  it('brings what is posted into the view, and then makes it searchable', async () => {
    const { writer, notes } = await open_(join(await scratch(), 'view.sqlite'));
    const { segments, entryIds } = historyOf('orders', Array.from({ length: 60 }, (_, i) => 1 + (i % 90)));
    for (const segment of segments) expect(writer.post(segment)).toBe('accepted');
    expect(writer.backlog).toBe(entryIds.length);
    await writer.drained('orders', 5);
    expect(writer.view.sequenceOf('orders', 'id-4')).toBe(4);
    await writer.drained('orders', entryIds.length);
    expect(writer.backlog).toBe(0);
    expect(writer.view.through('orders')).toEqual({ size: entryIds.length, lastEntryHash: segments.at(-1)!.lastEntryHash });
    expect(writer.view.ids('orders')).toEqual(entryIds.toSorted());
    expect(rootAt(writer.view.hashes('orders'), entryIds.length)).toHaveLength(32);
    await until(() => writer.view.indexed('orders') === entryIds.length);
    expect(notes).toEqual([]);
    // What is there already is drained at once.
    await writer.drained('orders', 1);
  });

  it('writes what was posted before it closes, and goes on with it after a restart', async () => {
    const file = join(await scratch(), 'view.sqlite');
    const { segments } = historyOf('orders', new Array<number>(30).fill(300));
    const { writer } = await open_(file);
    for (const segment of segments) writer.post(segment);
    await writer.close();
    expect(writer.post(segments[0]!)).toBe('behind');
    await expect(writer.drained('orders', 10_000)).rejects.toMatchObject({ code: 'closed' });
    const again = await open_(file);
    expect(again.writer.view.through('orders').size).toBe(9_000);
    await until(() => again.writer.view.indexed('orders') === 9_000);
  });

  it('tells whoever waits for what will not come', async () => {
    const { writer, notes } = await open_(join(await scratch(), 'view.sqlite'));
    const { segments } = historyOf('orders', [2, 2, 2]);
    await expect(writer.drained('orders', 1)).rejects.toMatchObject({ name: 'ViewError', code: 'behind' });
    writer.post(segments[0]!);
    writer.post(segments[2]!);
    const [reached, missed] = await Promise.allSettled([writer.drained('orders', 2), writer.drained('orders', 6)]);
    expect(reached.status).toBe('fulfilled');
    expect(missed).toMatchObject({ status: 'rejected', reason: { code: 'behind' } });
    expect(notes.map((note) => [note.kind, note.chainId])).toEqual([['gap', 'orders']]);
    expect(writer.view.through('orders').size).toBe(2);
    // Fed from there, all is well again.
    writer.post(segments[1]!);
    writer.post(segments[2]!);
    await writer.drained('orders', 6);
  });

  it('lets whoever feeds it wait until there is room, and drops what does not fit', async () => {
    const { writer } = await open_(join(await scratch(), 'view.sqlite'), { maxBacklog: 1_000 });
    const { segments } = historyOf('orders', new Array<number>(40).fill(100));
    const outcomes = segments.map((segment) => writer.post(segment));
    expect(outcomes.slice(0, 10)).toEqual(new Array(10).fill('accepted'));
    expect(outcomes.slice(10)).toEqual(new Array(30).fill('behind'));
    await writer.whenBelow(1);
    expect(writer.backlog).toBe(0);
    for (const segment of segments) {
      await writer.whenBelow(500);
      expect(writer.post(segment)).toBe('accepted');
    }
    await writer.drained('orders', 4_000);
  });

  it('refuses a segment that contradicts itself, at once', async () => {
    const { writer } = await open_(join(await scratch(), 'view.sqlite'));
    const { segments } = historyOf('orders', [2]);
    expect(() => writer.post({ ...segments[0]!, leafHashes: new Uint8Array(1) })).toThrow(RangeError);
    expect(writer.backlog).toBe(0);
  });

  it('starts its thread again when that died', async () => {
    const { writer, notes } = await open_(join(await scratch(), 'view.sqlite'));
    const { segments } = historyOf('orders', [2, 2]);
    // The thread trusts its caller that payloads are entries.
    writer.post({ ...segments[0]!, payloads: ['x', 'y'] });
    await expect(writer.drained('orders', 2)).rejects.toMatchObject({ name: 'ViewError' });
    expect(writer.failure).toBeDefined();
    expect(writer.backlog).toBe(0);
    await until(() => writer.failure === undefined);
    expect(notes.map((note) => note.kind)).toEqual(['failing', 'restarted']);
    writer.post(segments[0]!);
    await writer.drained('orders', 2);
  });

  it('makes a damaged view anew and can be fed again', async () => {
    const file = join(await scratch(), 'view.sqlite');
    const counts = new Array<number>(40).fill(500);
    const { segments } = historyOf('orders', counts, { terse: true });
    const first = await open_(file);
    for (const segment of segments.slice(0, 30)) first.writer.post(segment);
    await first.writer.drained('orders', 15_000);
    await until(() => first.writer.view.indexed('orders') === 15_000);
    await first.writer.close();
    // Everything but the first pages: it opens, and fails later.
    const { size } = await stat(file);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(size - 40 * 4_096, 0x5a), 0, size - 40 * 4_096, 40 * 4_096);
    await handle.close();

    const { writer, notes } = await open_(file);
    for (const segment of segments.slice(30)) writer.post(segment);
    await expect(writer.drained('orders', 20_000)).rejects.toMatchObject({ code: 'behind' });
    expect(notes.map((note) => note.kind)).toContain('remade');
    expect(writer.view.through('orders').size).toBe(0);
    for (const segment of segments) writer.post(segment);
    await writer.drained('orders', 20_000);
    expect(writer.view.sequenceOf('orders', 'id-19999')).toBe(19_999);
  });

  it('makes the view anew when asked to', async () => {
    const file = join(await scratch(), 'view.sqlite');
    const { writer, notes } = await open_(file);
    const { segments } = historyOf('orders', [2, 2]);
    for (const segment of segments) writer.post(segment);
    await writer.drained('orders', 4);
    const before = writer.view;
    await writer.remake('a lookup found it damaged');
    expect(writer.view).not.toBe(before);
    expect(writer.view.through('orders').size).toBe(0);
    expect(notes.map((note) => note.kind)).toEqual(['remade']);
    for (const segment of segments) writer.post(segment);
    await writer.drained('orders', 4);
  });

  it('goes on without the file being there, and makes a new one at the next start', async () => {
    const file = join(await scratch(), 'view.sqlite');
    const { writer } = await open_(file);
    const { segments } = historyOf('orders', [2, 2]);
    writer.post(segments[0]!);
    await writer.drained('orders', 2);
    for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true });
    writer.post(segments[1]!);
    await writer.drained('orders', 4);
    await writer.close();
    const again = await open_(file);
    expect(again.writer.view.through('orders').size).toBe(0);
  });

  it('drops segments, and holds nobody up, when there is no space left', async () => {
    const folder = await scratch();
    const { segments } = historyOf('orders', new Array<number>(200).fill(100));
    const segmentsFile = join(folder, 'segments.json');
    await writeFile(segmentsFile, JSON.stringify(segments.map((it) => ({ ...it, leafHashes: Buffer.from(it.leafHashes).toString('hex') }))));
    // 1 MiB a file: enough for some thousands of entries.
    const command = `ulimit -f 2048; exec "$0" "$@"`;
    const { stdout } = await run('sh', ['-c', command, process.execPath, FULL_DISK_PROCESS, join(folder, 'view.sqlite'), segmentsFile]);
    const result = JSON.parse(stdout) as Record<string, unknown> & { posted: { behind: number }; through: number; backlog: number; drained: string };
    expect(result['notes']).toEqual(['failing']);
    expect(['io', 'full']).toContain(result['failure']);
    expect(result.drained).toBe(result['failure']);
    expect(result.posted.behind).toBeGreaterThan(0);
    expect(result.backlog).toBeLessThan(5_100);
    expect(result.through % 100).toBe(0);
    expect(result.through).toBeLessThan(20_000);
  });

  it('says so when the view cannot be opened', async () => {
    const folder = await scratch();
    await writeFile(join(folder, 'file'), '');
    await expect(ViewWriter.open(join(folder, 'file', 'view.sqlite'))).rejects.toMatchObject({ name: 'ViewError', code: 'io' });
    await expect(ViewWriter.open(':memory:')).rejects.toBeInstanceOf(RangeError);
  });

  it('shares the file with another process', async () => {
    const file = join(await scratch(), 'view.sqlite');
    const { writer } = await open_(file);
    const { segments } = historyOf('orders', [2, 2, 2]);
    const other = View.open(file);
    other.addSegment(segments[0]!);
    writer.post(segments[0]!);
    writer.post(segments[1]!);
    await writer.drained('orders', 4);
    expect(other.through('orders').size).toBe(4);
    other.addSegment(segments[2]!);
    // Never posted here, but there.
    await writer.drained('orders', 6);
    other.close();
    expect((await readFile(file)).length).toBeGreaterThan(0);
  });
});

describe('a feed without a thread', () => {
  it('does the same at once', async () => {
    const notes: ViewFeedNote[] = [];
    const feed = new InlineViewFeed(':memory:', (note) => notes.push(note));
    const { segments } = historyOf('orders', [2, 2, 2]);
    expect(feed.post(segments[0]!)).toBe('accepted');
    expect(feed.post(segments[2]!)).toBe('behind');
    expect(feed.view.indexed('orders')).toBe(2);
    await feed.drained('orders', 2);
    await expect(feed.drained('orders', 3)).rejects.toMatchObject({ code: 'behind' });
    await feed.whenBelow();
    await feed.remake('asked to');
    expect(feed.view.through('orders').size).toBe(0);
    expect(notes.map((note) => note.kind)).toEqual(['gap', 'remade']);
    await feed.close();
  });
});
