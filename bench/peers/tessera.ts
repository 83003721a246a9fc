/**
 * Tessera's POSIX log (github.com/transparency-dev/tessera) with its own load tool and its own
 * checker, as published: its conformance server, built through the Go module proxy into a cache.
 *
 * Nothing here is a remembered figure: without Go, or when the build fails, Tessera is "not measured".
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { eventTemplate } from '../event.js';
import type { LoadTarget } from '../load/phase.js';
import { freePort, run, Server } from '../processes.js';

/** Pinned, so that two runs of the bench compare with the same thing. */
const VERSION = 'v1.0.4';
const MODULE = 'github.com/transparency-dev/tessera';
const COMMANDS = ['cmd/conformance/posix', 'internal/hammer', 'cmd/fsck'];
const BUILD_DEADLINE_SECONDS = 600;

/**
 * The tool writes `leaf_min_size` hexadecimal digits, a space and a counter: with four or five
 * digits of counter that is 413 or 414 bytes.
 */
const LEAF_MIN_SIZE = 408;

export type Tools = { readonly here: true; readonly folder: string } | { readonly here: false; readonly why: string };

export async function installTessera(): Promise<Tools> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(cache, 'indelible-bench', `tessera-${VERSION}`);
  if (COMMANDS.every((path) => existsSync(join(folder, binaryName(path))))) return { here: true, folder };
  const go = await run('go', ['version'], { deadlineSeconds: 20 }).catch(() => undefined);
  if (go?.code !== 0) return { here: false, why: 'no Go' };
  mkdirSync(folder, { recursive: true });
  const built = await run('go', ['install', ...COMMANDS.map((path) => `${MODULE}/${path}@${VERSION}`)], {
    deadlineSeconds: BUILD_DEADLINE_SECONDS,
    env: { ...process.env, GOBIN: folder },
  });
  if (built.code !== 0) return { here: false, why: `go install failed: ${built.stderr.trim().split('\n').at(-1) ?? ''}` };
  return { here: true, folder };
}

function binaryName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** A note key pair in the golang.org/x/mod/sumdb/note encoding: algorithm 1 is Ed25519. */
function noteKeys(name: string): { readonly secret: string; readonly verifier: string } {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const raw = (text: string | undefined): Buffer => Buffer.concat([Buffer.of(1), Buffer.from(text ?? '', 'base64url')]);
  const verifier = raw(jwk.x);
  const id = createHash('sha256').update(`${name}\n`).update(verifier).digest('hex').slice(0, 8);
  return {
    secret: `PRIVATE+KEY+${name}+${id}+${raw(jwk.d).toString('base64')}`,
    verifier: `${name}+${id}+${verifier.toString('base64')}`,
  };
}

interface Checkpoint {
  readonly size: number;
  readonly at: number;
}

export interface FsckResult {
  readonly entries: number;
  readonly seconds: number;
  readonly code: number | null;
  readonly intact: boolean;
}

export class TesseraPeer {
  private readonly tools: string;
  private readonly log: string;
  private readonly keys: { readonly secret: string; readonly verifier: string };
  private readonly server: Server;
  private readonly port: number;

  private constructor(
    tools: string,
    log: string,
    keys: { readonly secret: string; readonly verifier: string },
    server: Server,
    port: number,
  ) {
    this.tools = tools;
    this.log = log;
    this.keys = keys;
    this.server = server;
    this.port = port;
  }

  static async start(tools: string, folder: string): Promise<TesseraPeer> {
    const log = join(folder, 'tessera');
    mkdirSync(log);
    const keys = noteKeys('bench.example/tessera');
    const port = await freePort();
    const server = await Server.start(
      "Tessera's POSIX log",
      join(tools, 'posix'),
      [`--storage_dir=${log}`, `--listen=127.0.0.1:${port}`],
      // The key goes in by the environment: arguments are visible to everyone on the machine.
      { logFile: join(folder, 'tessera.log'), env: { ...process.env, LOG_PRIVATE_KEY: keys.secret } },
    );
    const peer = new TesseraPeer(tools, log, keys, server, port);
    await server.until(async () => (await fetch(`http://127.0.0.1:${port}/checkpoint`)).ok, 20);
    return peer;
  }

  /**
   * Entries a second under Tessera's hammer. Read off the log itself, between two publications of
   * its checkpoint: the tool prints no rate without its terminal interface. The tool idles in its
   * first second, and the first publications are ramp-up, so three seconds are not counted.
   */
  async hammer(writers: number, seconds: number): Promise<number> {
    const rampUp = 3;
    const load = run(
      join(this.tools, 'hammer'),
      [
        `--log_public_key=${this.keys.verifier}`,
        `--log_url=http://127.0.0.1:${this.port}/`,
        `--num_writers=${writers}`,
        // Tokens are dealt out once a second; this many never run out.
        '--max_write_ops=1000000',
        ...['--max_read_ops=0', '--num_readers_random=0', '--num_readers_full=0'],
        ...[`--leaf_min_size=${LEAF_MIN_SIZE}`, '--dup_chance=0', '--show_ui=false'],
        // One second more than is read: the last publication must still lie under load.
        `--max_runtime=${rampUp + seconds + 1}s`,
      ],
      { deadlineSeconds: rampUp + seconds + 30 },
    );
    await sleep(rampUp * 1000);
    const first = await this.checkpoint();
    await sleep(seconds * 1000);
    const last = await this.checkpoint();
    await load;
    this.server.assertAlive();
    // No publication in between is a rate below one entry a second, not a division by zero.
    return last.at === first.at ? 0 : (last.size - first.size) / (last.at - first.at);
  }

  /** For the same load generator as the service's. Leaves must differ: the server deduplicates. */
  target(): LoadTarget {
    return { port: this.port, path: '/add', headers: { 'content-type': 'application/json' }, ...eventTemplate() };
  }

  /** Lets the log grow to at least `entries`, or as far as it comes in the time. */
  async grow(entries: number, deadlineSeconds: number): Promise<void> {
    const { size } = await this.checkpoint();
    if (size >= entries) return;
    await run(
      join(this.tools, 'hammer'),
      [
        `--log_public_key=${this.keys.verifier}`,
        `--log_url=http://127.0.0.1:${this.port}/`,
        ...['--num_writers=1024', '--max_write_ops=1000000', '--max_read_ops=0'],
        ...['--num_readers_random=0', '--num_readers_full=0'],
        ...[`--leaf_min_size=${LEAF_MIN_SIZE}`, '--dup_chance=0', '--show_ui=false'],
        ...[`--leaf_write_goal=${entries - size}`, `--max_runtime=${deadlineSeconds}s`],
      ],
      { deadlineSeconds: deadlineSeconds + 30 },
    );
  }

  /** The log is checked at rest: stop the server first, so that its last checkpoint is published. */
  async fsck(workers: number): Promise<FsckResult> {
    const keyFile = `${this.log}.vkey`;
    writeFileSync(keyFile, this.keys.verifier);
    const { size } = await this.checkpoint();
    const { code, stderr, seconds } = await run(
      join(this.tools, 'fsck'),
      [`--storage_url=file://${this.log}/`, `--public_key=${keyFile}`, `--N=${workers}`, '--ui=false'],
      { deadlineSeconds: 300 },
    );
    // Its exit code is 0 on corruption too; only the log line tells.
    return { entries: size, seconds, code, intact: stderr.includes('Successfully fsck') };
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  private async checkpoint(): Promise<Checkpoint> {
    // Size and time from one handle: the file is replaced by rename at any moment.
    const file = await open(join(this.log, 'checkpoint'));
    try {
      const { mtimeMs } = await file.stat();
      const size = Number((await file.readFile('utf8')).split('\n')[1]);
      return { size, at: mtimeMs / 1000 };
    } finally {
      await file.close();
    }
  }
}
