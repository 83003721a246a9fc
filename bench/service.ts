/** Indelible itself as a contestant: the built command, started and driven like a user would. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { eventTemplate, eventText } from './event.js';
import type { LoadTarget } from './load/phase.js';
import { freePort, run, Server } from './processes.js';

const PEAK_MEMORY = new URL('peak-memory.js', import.meta.url);

/** As in the package's `start` script: what is measured is what users are told to run. */
const NODE_OPTIONS: readonly string[] = ['--max-semi-space-size=32'];

export type BatchFormat = 'json' | 'ndjson';

export interface Verification {
  readonly entries: number;
  readonly verdict: string;
  readonly code: number | null;
  readonly seconds: number;
  readonly peakMemoryMiB: number;
}

export interface ServiceOptions {
  readonly cli: string;
  readonly folder: string;
  readonly profileFolder: string | undefined;
}

export class Service {
  private readonly options: ServiceOptions;
  private readonly token: string;
  private readonly server: Server;
  private readonly port: number;

  private constructor(options: ServiceOptions, token: string, server: Server, port: number) {
    this.options = options;
    this.token = token;
    this.server = server;
    this.port = port;
  }

  static isBuilt(cli: string): boolean {
    return existsSync(cli);
  }

  /** Starts it and waits until it says it is ready. */
  static async start(options: ServiceOptions): Promise<Service> {
    const service = await Service.spawn(options);
    await service.server.until(async () => (await fetch(service.url('/readyz'))).ok, 60);
    return service;
  }

  /** Starts it and does not wait: for measuring how long it takes until an append is acknowledged. */
  static async spawn(options: ServiceOptions): Promise<Service> {
    const dataFolder = dataFolderOf(options.folder);
    mkdirSync(dataFolder, { recursive: true });
    const token = `bench-${randomBytes(24).toString('hex')}`;
    const port = await freePort();
    const profiling =
      options.profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profileFolder}`];
    const server = await Server.start(
      'the service',
      process.execPath,
      [...NODE_OPTIONS, ...profiling, options.cli, 'serve', '--data-dir', dataFolder, '--port', String(port)],
      {
        logFile: join(options.folder, 'service.log'),
        cwd: options.folder,
        env: { ...cleanEnvironment(), INDELIBLE_ADMIN_TOKEN: token },
      },
    );
    return new Service(options, token, server, port);
  }

  single(chain: string): LoadTarget {
    return this.target(`/v1/chains/${chain}/entries`, 'application/json', eventTemplate());
  }

  batch(chain: string, format: BatchFormat, size: number): LoadTarget {
    const events = Array.from({ length: size }, (_, n) => eventText(n));
    const [type, head] =
      format === 'json'
        ? ['application/json', `[${events.join(',')}]`]
        : ['application/x-ndjson', `${events.join('\n')}\n`];
    return this.target(`/v1/chains/${chain}/entries/batch`, type, { head, tail: null });
  }

  /** One append; resolves to its status, or rejects while nobody is listening. */
  async appendOnce(chain: string): Promise<number> {
    const { path, headers } = this.single(chain);
    const response = await fetch(this.url(path), { method: 'POST', headers: { ...headers }, body: eventText(0) });
    await response.arrayBuffer();
    return response.status;
  }

  async until(probe: () => Promise<boolean>, deadlineSeconds: number, everyMs: number): Promise<void> {
    await this.server.until(probe, deadlineSeconds, everyMs);
  }

  /** Waits until work put off to after the acknowledgement is done: it must not slow the next one down. */
  async settle(): Promise<void> {
    const deadline = performance.now() + 15_000;
    let before = this.cpuTicks();
    while (before !== undefined && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const after = this.cpuTicks();
      // Ticks are hundredths of a second: at most 5 % of one core.
      if (after === undefined || after - before <= 2.5) return;
      before = after;
    }
  }

  /** By the offline command, as an auditor would: it shares nothing with the running server. */
  verify(chain: string): Promise<Verification> {
    return verifyChain(this.options, chain);
  }

  stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    return this.server.stop(signal);
  }

  /** Peak resident memory of the server so far; undefined where /proc is not there. */
  peakMemoryMiB(): number | undefined {
    const text = procFile(this.server.pid, 'status');
    const kib = text === undefined ? undefined : /^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  }

  private cpuTicks(): number | undefined {
    const text = procFile(this.server.pid, 'stat');
    // Fields after the parenthesised command name; utime and stime are the 12th and 13th of them.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields === undefined ? undefined : Number(fields[11]) + Number(fields[12]);
  }

  private url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  private target(path: string, type: string, body: { readonly head: string; readonly tail: string | null }): LoadTarget {
    return { port: this.port, path, headers: { authorization: `Bearer ${this.token}`, 'content-type': type }, ...body };
  }
}

function dataFolderOf(folder: string): string {
  return join(folder, 'service-data');
}

/** Defaults are what is measured: neither the caller's settings nor a config file in its folder count. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('INDELIBLE_'));
  return { ...Object.fromEntries(ours), NODE_ENV: 'production' };
}

function procFile(pid: number, name: string): string | undefined {
  const path = `/proc/${pid}/${name}`;
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

export async function verifyChain(options: ServiceOptions, chain: string): Promise<Verification> {
  const peakFile = join(options.folder, 'peak-memory');
  const profiling =
    options.profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profileFolder}`];
  const { code, stdout, stderr, seconds } = await run(
    process.execPath,
    [
      ...profiling,
      ...['--import', fileURLToPath(PEAK_MEMORY), options.cli],
      ...['verify', '--data-dir', dataFolderOf(options.folder), '--chain', chain, '--json'],
    ],
    {
      deadlineSeconds: 300,
      cwd: options.folder,
      env: { ...cleanEnvironment(), INDELIBLE_BENCH_PEAK_FILE: peakFile },
    },
  );
  try {
    const report = JSON.parse(stdout) as { readonly verdict: string; readonly chains: readonly { readonly entriesChecked: number }[] };
    return {
      entries: report.chains.reduce((sum, chain) => sum + chain.entriesChecked, 0),
      verdict: report.verdict,
      code,
      seconds,
      peakMemoryMiB: Number(readFileSync(peakFile, 'utf8')) / 1024,
    };
  } catch (cause) {
    throw new Error(`verify ended with ${String(code)} and no report: ${stdout.slice(0, 400)}${stderr.slice(-400)}`, { cause });
  }
}
