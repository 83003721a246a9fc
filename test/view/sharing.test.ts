import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { rootAt } from '#indelible/core/merkle.js';
import { SqliteSearchIndex } from '#indelible/search/sqlite.js';
import type { ViewNote } from '#indelible/view/view.js';
import { View } from '#indelible/view/view.js';
import { scratchFolders } from '../support/scratch.js';
import { historyOf } from './history.js';

const scratch = scratchFolders();
const run = promisify(execFile);
const PROCESS = fileURLToPath(new URL('./sharing-process.mjs', import.meta.url));

describe('processes that share a view', () => {
  it('end with one content when each adds everything at the same time', async () => {
    const folder = await scratch();
    const file = join(folder, 'view.sqlite');
    const counts = Array.from({ length: 120 }, (_, i) => 1 + ((i * 37) % 60));
    const histories = ['a', 'b'].map((chainId) => historyOf(chainId, counts));
    const [a, b] = histories as [(typeof histories)[0], (typeof histories)[0]];
    const mixed = a.segments.flatMap((segment, i) => [segment, b.segments[i]!]);
    const segmentsFile = join(folder, 'segments.json');
    await writeFile(segmentsFile, JSON.stringify(mixed.map((it) => ({ ...it, leafHashes: Buffer.from(it.leafHashes).toString('hex') }))));

    const outputs = await Promise.all([1, 2, 3, 4].map((seed) => run(process.execPath, [PROCESS, file, segmentsFile, String(seed)])));

    const outcomes = outputs.map(({ stdout }) => JSON.parse(stdout) as { added: number; already: number; gap: number });
    expect(outcomes.reduce((sum, it) => sum + it.added, 0)).toBe(mixed.length);
    expect(outcomes.reduce((sum, it) => sum + it.already, 0)).toBe(3 * mixed.length);
    const view = View.open(file);
    const reference = View.open(':memory:');
    reference.addSegments(mixed, 'now');
    for (const { segments, entryIds } of histories) {
      const chainId = segments[0]!.chainId;
      const size = entryIds.length;
      expect(view.through(chainId)).toEqual({ size, lastEntryHash: segments.at(-1)!.lastEntryHash });
      expect(view.ids(chainId)).toEqual(entryIds.toSorted());
      expect(Buffer.compare(rootAt(view.hashes(chainId), size), rootAt(reference.hashes(chainId), size))).toBe(0);
      for (let sequence = 0; sequence < size; sequence += 13) {
        expect(view.segmentCovering(chainId, sequence)).toEqual(reference.segmentCovering(chainId, sequence));
      }
    }
    const everything = { text: 'entry', order: 'newest', limit: 1_000 } as const;
    const [shared, alone] = [view, reference].map((it) => new SqliteSearchIndex(() => it));
    expect(await shared!.search(everything)).toEqual(await alone!.search(everything));
    view.close();
    reference.close();
  });

  it('open one new file when they find it damaged at the same time', async () => {
    const folder = await scratch();
    const file = join(folder, 'view.sqlite');
    const { segments, entryIds } = historyOf('a', [5, 5, 5]);
    const segmentsFile = join(folder, 'segments.json');
    await writeFile(segmentsFile, JSON.stringify(segments.map((it) => ({ ...it, leafHashes: Buffer.from(it.leafHashes).toString('hex') }))));
    for (let round = 0; round < 3; round++) {
      await writeFile(file, 'SQLite format 3\0 but not really'.repeat(300));
      await Promise.all([1, 2, 3, 4].map((seed) => run(process.execPath, [PROCESS, file, segmentsFile, String(seed)])));
      const view = View.open(file);
      expect(view.ids('a')).toEqual(entryIds.toSorted());
      expect(view.indexed('a')).toBe(15);
      view.close();
    }
  });
});

describe('a view file', () => {
  const { segments, entryIds } = historyOf('orders', [300, 400, 300]);
  function filled(file: string, notes: ViewNote[] = []): View {
    const view = View.open(file, { onNote: (note) => notes.push(note) });
    for (const segment of segments) view.addSegment(segment);
    return view;
  }

  it('holds after a restart what it held before', async () => {
    const file = join(await scratch(), 'deep', 'er', 'view.sqlite');
    filled(file).close();
    const notes: ViewNote[] = [];
    const view = View.open(file, { onNote: (note) => notes.push(note) });
    expect(notes).toEqual([]);
    expect(view.through('orders').size).toBe(1_000);
    expect(view.ids('orders')).toEqual(entryIds.toSorted());
    expect(view.addSegment(segments[2]!)).toBe('already');
    expect(view.indexed('orders')).toBe(1_000);
    view.close();
  });

  it('is empty when it was deleted, and can be filled again', async () => {
    const file = join(await scratch(), 'view.sqlite');
    filled(file).close();
    for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true });
    const view = filled(file);
    expect(view.ids('orders')).toEqual(entryIds.toSorted());
    view.close();
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['is empty text', () => Buffer.alloc(0)],
    ['is something else', () => Buffer.from('not a database at all, '.repeat(1_000))],
    ['was cut in the middle', (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2))],
    ['was cut within the first page', (bytes) => bytes.subarray(0, 100)],
    ['has a damaged header', (bytes) => Buffer.concat([Buffer.alloc(50, 0xff), bytes.subarray(50)])],
    ['has a damaged schema', (bytes) => Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(3_996, 0xaa), bytes.subarray(4_096)])],
    ['is of another version', (bytes) => { bytes.writeUInt32BE(999, 60); return bytes; }],
    ['is of another application', (bytes) => { bytes.writeUInt32BE(1, 68); return bytes; }],
  ])('that %s is made anew', async (name, damage) => {
    const file = join(await scratch(), 'view.sqlite');
    filled(file).close();
    const { readFile } = await import('node:fs/promises');
    await writeFile(file, damage(await readFile(file)));
    const notes: ViewNote[] = [];
    const view = View.open(file, { onNote: (note) => notes.push(note) });
    expect(view.through('orders').size).toBe(0);
    // An empty file is what a new view begins as.
    expect(notes.map((note) => note.kind)).toEqual(name === 'is empty text' ? [] : ['remade']);
    for (const segment of segments) expect(view.addSegment(segment)).toBe('added');
    expect(view.ids('orders')).toEqual(entryIds.toSorted());
    view.close();
  });

  it('that lost a table is made anew', async () => {
    const file = join(await scratch(), 'view.sqlite');
    filled(file).close();
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(file);
    db.exec('DROP TABLE ids; CREATE TABLE ids (something TEXT)');
    db.close();
    const notes: ViewNote[] = [];
    const view = View.open(file, { onNote: (note) => notes.push(note) });
    expect(notes.map((note) => note.kind)).toEqual(['remade']);
    view.close();
  });

  it('says so when it cannot be opened at all', async () => {
    const folder = await scratch();
    await writeFile(join(folder, 'file'), '');
    expect(() => View.open(join(folder, 'file', 'view.sqlite'))).toThrow(expect.objectContaining({ name: 'ViewError', code: 'io' }));
    expect(() => View.open(join(folder, 'none.sqlite'), { readonly: true })).toThrow(expect.objectContaining({ name: 'ViewError', code: 'io' }));
    expect(() => View.open(folder)).toThrow(expect.objectContaining({ name: 'ViewError' }));
  });

  it('says closed after it was closed', async () => {
    const view = filled(join(await scratch(), 'view.sqlite'));
    view.close();
    for (const lookup of [() => view.through('orders'), () => view.sequenceOf('orders', 'x'), () => view.maintain(1)]) {
      expect(lookup).toThrow(expect.objectContaining({ name: 'ViewError', code: 'closed' }));
    }
  });
});
