import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, ended, eventLines, jsonOf, start, temporaryFolder } from './cli.js';
import type { Ended } from './cli.js';
import { until } from '../support/until.js';

interface Running {
  readonly url: string;
  /** What stood on stdout until it was ready. */
  readonly said: string;
  stop(...signals: NodeJS.Signals[]): Promise<Ended>;
}

async function serve(data: string, env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const child = start(['serve', '--data-dir', data, '--port', '0'], env);
  const end = ended(child);
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const match = /^indelible: listening on (\S+) \(data in .*\)$/m.exec(said);
      if (match?.[1] !== undefined) resolve(match[1]);
    });
    void end.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  });
  return {
    url,
    said,
    stop(...signals) {
      for (const signal of signals) child.kill(signal);
      return end;
    },
  };
}

const dir = temporaryFolder();

describe('serve', () => {
  it('finds by itself what was changed in its store, counts it and logs it', async () => {
    const data = path.join(dir, 'rounds');
    const token = 'a-token-for-this-test-alone';
    const service = await serve(data, { INDELIBLE_ADMIN_TOKEN: token, INDELIBLE_VERIFY_EVERY_SECONDS: '1' });
    const metrics = async (): Promise<string> => (await fetch(`${service.url}/metrics`)).text();
    const env = { INDELIBLE_URL: service.url, INDELIBLE_TOKEN: token };
    expect(jsonOf(await cli(['append', '--chain', 'a', '--action', 'x', '--actor', 'user:y', '--json'], { env }))).toMatchObject({ appended: 1 });
    const folder = path.join(data, 'worm/chains/a/segments');
    const file = path.join(folder, readdirSync(folder)[0]!);
    // In one step: the service may look at any moment.
    writeFileSync(`${data}/changed`, readFileSync(file, 'utf8').replace('user', 'root'));
    renameSync(`${data}/changed`, file);
    await until(async () => /^indelible_findings_total\{code="hash_mismatch"\} [1-9]/m.test(await metrics()));
    const { code, stderr } = await service.stop('SIGTERM');
    expect(code).toBe(0);
    const logged = stderr.split('\n').flatMap((line) => (line.includes('verification: tampered') ? [JSON.parse(line) as unknown] : []));
    expect(logged[0]).toMatchObject({ level: 50, chainId: 'a', verdict: 'tampered', firstBadSequence: 0, findings: [{ code: 'hash_mismatch' }] });
  });

  it('shows the token it made once, never logs or stores it, and stops cleanly on SIGTERM', async () => {
    const data = path.join(dir, 'first');
    const service = await serve(data);
    const token = /stored only as a hash: (\S+)/.exec(service.said)?.[1] ?? '';
    expect(token.length).toBeGreaterThanOrEqual(16);
    const env = { INDELIBLE_URL: service.url, INDELIBLE_TOKEN: token };
    expect(jsonOf(await cli(['append', '--chain', 'a', '--action', 'x', '--actor', 'user:y', '--json'], { env }))).toMatchObject({ appended: 1 });
    const refused = await cli(['append', '--chain', 'a', '--action', 'x', '--actor', 'user:y'], { env: { INDELIBLE_URL: service.url } });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('INDELIBLE_TOKEN') as string });
    const { code, stdout, stderr } = await service.stop('SIGTERM');
    expect(code).toBe(0);
    expect(stdout.split(token).length).toBe(2);
    expect(stderr).not.toContain(token);
    const stored = readdirSync(path.join(data, 'access')).map((file) => readFileSync(path.join(data, 'access', file), 'utf8')).join('');
    expect(stored).not.toContain(token);
    expect(stored).toContain(createHash('sha256').update(token).digest('hex'));
    const again = await serve(data);
    expect(again.said).not.toContain('token');
    expect((await again.stop('SIGINT')).code).toBe(0);
  });

  it('does everything the embedded commands do, over HTTP', { timeout: 180_000 }, async () => {
    const data = path.join(dir, 'twin');
    const token = 'a-token-for-this-test-alone';
    const service = await serve(data, { INDELIBLE_ADMIN_TOKEN: token });
    expect(service.said).not.toContain(token);
    const at = ['--url', service.url];
    const env = { INDELIBLE_TOKEN: token };
    const run = (...args: string[]): Promise<Ended> => cli([...args, ...at], { env });
    expect(jsonOf(await cli(['append', '--chain', 'many', '--id-from', 'metadata.n', '--json', '-', ...at], { env, input: eventLines(2_500) }))).toMatchObject({ appended: 2_500, replayed: 0 });
    expect(jsonOf(await cli(['append', '--chain', 'many', '--id-from', 'metadata.n', '--json', '-', ...at], { env, input: eventLines(400, 2_300) }))).toMatchObject({ appended: 200, replayed: 200 });
    expect(jsonOf(await run('get', '--chain', 'many', '7', '--json'))).toEqual(jsonOf(await cli(['get', '--data-dir', data, '--chain', 'many', '7', '--json'])));
    expect(jsonOf(await run('get', '--chain', 'many', '--id', '42', '--json'))).toMatchObject({ sequence: 42 });
    expect((await run('tail', '--chain', 'many', '-n', '3')).stdout.split('\n').map((line) => line.slice(0, 5))).toEqual(['#2697', '#2698', '#2699', '']);
    expect(jsonOf(await run('chains', '--json'))).toMatchObject({ chainId: 'many', state: 'open', size: 2_700 });
    expect((await run('checkpoint', '--chain', 'many')).stdout).toBe((await cli(['checkpoint', '--data-dir', data, '--chain', 'many'])).stdout);
    expect(jsonOf(await run('keys', '--chain', 'many', '--json'))).toEqual(jsonOf(await cli(['keys', '--data-dir', data, '--chain', 'many', '--json'])));
    expect(jsonOf(await run('search', '--actor', 'user:u-3', '--limit', '5', '--json'))).toMatchObject({ completeThrough: { many: 2_700 } });
    expect(jsonOf(await run('get', '--chain', 'many', '9', '--proof'))).toMatchObject({ format: 'indelible/receipt/v1', sequence: 9 });
    const following = start(['tail', '--chain', 'many', '-n', '1', '-f', '--json', ...at], env);
    const seen: number[] = [];
    const both = new Promise<void>((resolve) => {
      following.stdout.on('data', (chunk: Buffer) => {
        for (const line of chunk.toString().trimEnd().split('\n')) seen.push((JSON.parse(line) as { sequence: number }).sequence);
        if (seen.length === 1) void run('append', '--chain', 'many', '--action', 'late', '--actor', 'user:x');
        if (seen.length === 2) resolve();
      });
    });
    await both;
    following.kill('SIGINT');
    expect(seen).toEqual([2_699, 2_700]);
    const conflict = await run('append', '--chain', 'many', '--action', 'other', '--actor', 'user:x', '--id', '42');
    expect(conflict).toMatchObject({ code: 1, stderr: expect.stringContaining('42') as string });
    expect((await service.stop('SIGTERM')).code).toBe(0);
  });

  it('says which setting is wrong, and that a service is not there', async () => {
    const wrong = await cli(['serve', '--data-dir', path.join(dir, 'never'), '--retention-days', '0']);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('INDELIBLE_RETENTION_DAYS') as string });
    const gone = await cli(['chains', '--url', 'http://127.0.0.1:9']);
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining('no answer from http://127.0.0.1:9') as string });
  });
});
