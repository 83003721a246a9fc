import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cli, ended, eventLines, jsonOf, start, temporaryFolder } from './cli.js';

const dir = temporaryFolder();
const data = path.join(dir, 'data');
const on = (chain: string): string[] => ['--data-dir', data, '--chain', chain];

describe('one event from options', () => {
  it('is durable when the command ends, and is read back as it was given', async () => {
    const appended = await cli([
      'append', ...on('one'), '--action', 'withdrawal.approve', '--actor', 'user:alice', '--target', 'account:a:1', 'account:2', '--outcome', 'success',
      '--category', 'financial', '--reason', 'two-man rule', '--occurred-at', '2026-11-23T10:00:00Z', '--metadata', '{"amount":"25.50"}', '--id', 'w-1', '--json',
    ]);
    expect(appended.code).toBe(0);
    expect(jsonOf(appended)).toMatchObject({ chainId: 'one', appended: 1, replayed: 0, firstSequence: 0, receipt: { sequence: 0, entryId: 'w-1' } });
    const got = jsonOf(await cli(['get', ...on('one'), '--id', 'w-1', '--json']));
    expect(got).toMatchObject({
      chainId: 'one', sequence: 0, entryId: 'w-1',
      entry: {
        event: {
          action: 'withdrawal.approve', actor: { type: 'user', id: 'alice' }, targets: [{ type: 'account', id: 'a:1' }, { type: 'account', id: '2' }],
          outcome: 'success', category: 'financial', reason: 'two-man rule', occurredAt: '2026-11-23T10:00:00Z', metadata: { amount: '25.50' },
        },
      },
    });
  });

  it('sent again with its id it is a replay; with other content it is refused', async () => {
    const args = ['append', ...on('one'), '--action', 'b', '--actor', 'user:x', '--id', 'again', '--json'];
    const first = jsonOf(await cli(args));
    expect(jsonOf(await cli(args))).toMatchObject({ appended: 0, replayed: 1, receipt: first['receipt'] });
    const other = await cli(['append', ...on('one'), '--action', 'c', '--actor', 'user:x', '--id', 'again']);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/again is taken by sequence 1/);
  });

  it('a number that would be changed is refused with its place and the rule', async () => {
    const { code, stderr } = await cli(['append', ...on('one'), '--action', 'a', '--actor', 'user:x', '--metadata', '{"n":9007199254740993}', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'json_number_not_exact', message: expect.stringContaining('/metadata/n') as string } });
  });
});

describe('many events', () => {
  it('takes 10,000 lines from stdin in order, writes a receipt for each, and repeats harmlessly', { timeout: 180_000 }, async () => {
    const receipts = path.join(dir, 'receipts.ndjson');
    const input = eventLines(10_000);
    const first = await cli(['append', ...on('many'), '--id-from', 'metadata.n', '--receipts', receipts, '--json', '-'], { input });
    expect(jsonOf(first)).toEqual({ chainId: 'many', appended: 10_000, replayed: 0, skipped: 0, firstSequence: 0, lastSequence: 9_999 });
    const kept = readFileSync(receipts, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as { sequence: number; entryId: string });
    expect(kept.length).toBe(10_000);
    expect(kept.every(({ sequence, entryId }, i) => sequence === i && entryId === String(i))).toBe(true);
    // Half of it was there already: as after an import that was interrupted.
    const second = await cli(['append', ...on('many'), '--id-from', 'metadata.n', '--json', '-'], { input: eventLines(1_500, 9_000) });
    expect(jsonOf(second)).toMatchObject({ appended: 500, replayed: 1_000, lastSequence: 10_499 });
  });

  it('stops at the first bad line, says which and why, and stores nothing of its batch', async () => {
    const lines = `${eventLines(1_200)}{"action":"x","actor":{"type":"user"}}\n${eventLines(5)}`;
    const { code, stderr } = await cli(['append', ...on('stops'), '-'], { input: lines });
    expect(code).toBe(1);
    expect(stderr).toMatch(/line 1201: \/actor\/id: expected .*\(all is stored up to line 1000\)/);
    expect((await cli(['tail', ...on('stops'), '-n', '1'])).stdout).toMatch(/^#999 /);
  });

  it('with --skip-invalid puts bad lines aside with the reason, goes on, and still exits 1', async () => {
    const aside = path.join(dir, 'aside.ndjson');
    const lines = `${eventLines(3)}not json\n\n${eventLines(2, 3)}{"action":"a","actor":{"type":"t","id":"i"},"extra":1}\n`;
    const result = await cli(['append', ...on('skips'), '--skip-invalid', aside, '--json', '-'], { input: lines });
    expect(result.code).toBe(1);
    expect(jsonOf(result)).toMatchObject({ appended: 5, skipped: 2 });
    const refused = readFileSync(aside, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as object);
    expect(refused).toMatchObject([{ position: 4, code: 'json_syntax', text: 'not json' }, { position: 8, code: 'event_field_unknown' }]);
  });

  it('puts aside what the ledger itself refuses, and keeps the rest of the batch', async () => {
    const aside = path.join(dir, 'conflicts.ndjson');
    const line = (id: string, n: number): string => `{"action":"a","actor":{"type":"t","id":"i"},"entryId":"${id}","metadata":{"n":${n}}}\n`;
    await cli(['append', ...on('conflict'), '-'], { input: line('one', 1) });
    const result = await cli(['append', ...on('conflict'), '--skip-invalid', aside, '--json', '-'], { input: line('two', 2) + line('one', 3) + line('three', 3) });
    expect(result.code).toBe(1);
    expect(jsonOf(result)).toMatchObject({ appended: 2, skipped: 1 });
    expect(JSON.parse(readFileSync(aside, 'utf8'))).toMatchObject({ position: 2, code: 'entry_id_conflict' });
  });

  it('reads gzip, and ids by line make a repeated import harmless', async () => {
    const file = path.join(dir, 'events.ndjson.gz');
    writeFileSync(file, gzipSync(eventLines(40)));
    const args = ['append', ...on('gz'), '--file', file, '--id-from', 'line', '--json'];
    expect(jsonOf(await cli(args))).toMatchObject({ appended: 40, replayed: 0 });
    expect(jsonOf(await cli(args))).toMatchObject({ appended: 0, replayed: 40 });
  });
});

describe('reading', () => {
  it('tail, search, keys and checkpoint answer; control characters are shown, not obeyed', { timeout: 180_000 }, async () => {
    await cli(['append', ...on('esc'), '--action', 'note.add', '--actor', 'user:eve', '--reason', 'x\u001b[2Jy\u202e', '--id', 'esc-1']);
    const human = await cli(['get', ...on('esc'), '0']);
    expect(human.stdout).toContain('x\\u001b[2Jy\\u202e');
    expect(human.stdout).not.toContain('\u001b');
    const json = await cli(['get', ...on('esc'), '0', '--json']);
    for (const character of ['\u001b', '\u202e']) expect(json.stdout).not.toContain(character);
    expect(jsonOf(json)).toMatchObject({ entry: { event: { reason: 'x\u001b[2Jy\u202e' } } });
    expect((await cli(['tail', ...on('esc')])).stdout).toMatch(/^#0 .* note\.add {2}user:eve/);
    expect(jsonOf(await cli(['search', '--data-dir', data, '--chain', 'esc', '--actor', 'user:eve', '--json']))).toMatchObject({ hits: [{ sequence: 0, action: 'note.add' }], completeThrough: { esc: 1 } });
    expect(jsonOf(await cli(['keys', ...on('esc'), '--json']))).toMatchObject({ deployment: 'indelible.local', keys: [{ algorithm: 'ed25519', vkey: expect.stringMatching(/^indelible\.local\/esc\+/) as string }] });
    expect(jsonOf(await cli(['checkpoint', ...on('esc'), '--json']))).toMatchObject({ chainId: 'esc', size: 1, origin: 'indelible.local/esc' });
    const missing = await cli(['get', ...on('esc'), '5']);
    expect(missing).toMatchObject({ code: 1, stderr: 'indelible: chain esc has no entry 5; it has 1\n' });
  });

  it('ends quietly when nobody reads on', async () => {
    const child = start(['tail', ...on('many'), '-n', '10000', '--json']);
    child.stdout.once('data', () => child.stdout.destroy());
    const { code, stderr } = await ended(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
