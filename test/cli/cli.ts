/** Runs the command as people do: a process of its own, with nothing of this machine's settings. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

export const MAIN = path.resolve(import.meta.dirname, '../../dist/cli/main.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcessWithoutNullStreams {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('INDELIBLE_')));
  return spawn(process.execPath, [MAIN, ...args], { env: { ...clean, ...env }, cwd: tmpdir() });
}

export function cli(args: readonly string[], { input, env }: RunOptions = {}): Promise<Ended> {
  const child = start(args, env);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return ended(child);
}

export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

/** The last line of stdout, parsed. */
export function jsonOf({ stdout, stderr }: Ended): Record<string, unknown> {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (line === '') throw new Error(`nothing on stdout; stderr: ${stderr}`);
  return JSON.parse(line) as Record<string, unknown>;
}

/** A folder that is gone after the file's tests. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'indelible-cli-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Events of one shape, a line each. */
export function eventLines(count: number, from = 0): string {
  return Array.from({ length: count }, (_, i) => `{"action":"order.place","actor":{"type":"user","id":"u-${(from + i) % 7}"},"metadata":{"n":${from + i}}}\n`).join('');
}
