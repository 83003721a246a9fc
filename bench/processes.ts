/**
 * Every process the benchmark starts is registered here, has a deadline, and is ended by its own id:
 * after a failure or Ctrl-C nothing may keep running on a machine others share.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set<ChildProcess>();
const folders = new Set<string>();

/** Ends everything at once; the last resort, safe to call twice. */
export function endEverything(): void {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

export function endEverythingOnSignals(): void {
  process.on('exit', endEverything);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(130));
  }
}

export function scratchFolder(parent: string): string {
  const folder = mkdtempSync(join(parent, 'indelible-bench-'));
  folders.add(folder);
  return folder;
}

export function dropFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port was assigned');
  server.close();
  await once(server, 'close');
  return address.port;
}

function register(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

export interface Finished {
  /** Exit code, or null when a signal (the deadline's, say) ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly deadlineSeconds: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to its standard input. */
  readonly input?: string;
}

/** Runs a command to its end; rejects only when it could not be started. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const started = performance.now();
  const child = register(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? process.env,
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A child that ends without reading its input is its own failure, reported by its exit code.
  child.stdin?.on('error', () => undefined).end(options.input ?? '');
  const deadline = setTimeout(() => child.kill('SIGKILL'), options.deadlineSeconds * 1000);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr, seconds: (performance.now() - started) / 1000 };
  } finally {
    clearTimeout(deadline);
  }
}

/** A server under measurement: its output goes to a file, so that nobody's pipe slows it down. */
export class Server {
  private exited: number | null | undefined;

  private readonly child: ChildProcess;
  private readonly name: string;
  private readonly logFile: string;

  private constructor(child: ChildProcess, name: string, logFile: string) {
    this.child = child;
    this.name = name;
    this.logFile = logFile;
    child.once('exit', (code) => (this.exited = code));
  }

  static async start(
    name: string,
    command: string,
    args: readonly string[],
    options: { readonly logFile: string; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string },
  ): Promise<Server> {
    const log = openSync(options.logFile, 'a');
    try {
      const child = register(command, args, {
        stdio: ['ignore', log, log],
        env: options.env ?? process.env,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      });
      await once(child, 'spawn');
      return new Server(child, name, options.logFile);
    } finally {
      closeSync(log);
    }
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} has no process id`);
    return pid;
  }

  /** Polls `probe` until it holds; a server that died meanwhile is reported with the end of its log. */
  async until(probe: () => Promise<boolean>, deadlineSeconds: number, everyMs = 20): Promise<void> {
    const deadline = performance.now() + deadlineSeconds * 1000;
    while (performance.now() < deadline) {
      this.assertAlive();
      if (await probe().catch(() => false)) return;
      await sleep(everyMs);
    }
    throw new Error(`${this.name} was not ready within ${deadlineSeconds} s\n${this.logTail()}`);
  }

  assertAlive(): void {
    if (this.exited !== undefined) {
      throw new Error(`${this.name} ended with code ${String(this.exited)}\n${this.logTail()}`);
    }
  }

  /** Asks politely, then insists: a graceful end also lets `--cpu-prof` write its file. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM', graceSeconds = 20): Promise<void> {
    if (this.exited !== undefined) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    const insist = setTimeout(() => this.child.kill('SIGKILL'), graceSeconds * 1000);
    await gone;
    clearTimeout(insist);
  }

  logTail(): string {
    return readFileSync(this.logFile, 'utf8').split('\n').slice(-12).join('\n');
  }
}
