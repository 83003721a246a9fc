// @ts-check
/**
 * Real servers for tests and for a laptop without a container engine: where they are installed, how one is started,
 * waited for and ended. Each server has a file of its own beside this one, with `install()` and `start()`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Kept between runs: a server is installed once. @param {string} name @returns {Promise<string>} */
export async function cacheFolder(name) {
  const folder = join(process.env['INDELIBLE_SERVICES_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'indelible-services'), name);
  await mkdir(folder, { recursive: true });
  return folder;
}

/** A new folder for one server's data and log. @param {string} name */
export function scratchFolder(name) {
  return mkdtempSync(join(tmpdir(), `indelible-${name}-`));
}

/** @type {Set<number>} */
const given = new Set();

/**
 * A port nobody listens on now, on loopback, and that no process has been given that still runs: a server that is stopped
 * for a while finds its own again. Not from the range out of which the system takes the ports of outgoing connections: one
 * of those could take it before the server does.
 * @param {number} [count] so many in a row, of which the first is returned
 * @returns {Promise<number>}
 */
export async function freePort(count = 1) {
  const from = 20_000 + (process.pid % 12) * 1_000;
  for (let attempt = 0; attempt < 500; attempt++) {
    const port = from + Math.floor(Math.random() * (1_001 - count));
    const row = Array.from({ length: count }, (_, at) => port + at);
    if (row.some((one) => given.has(one))) continue;
    let all = true;
    for (const one of row) all &&= (await canListen(one)) && (await hold(`port-${one}`)) !== undefined;
    if (!all) continue;
    for (const one of row) given.add(one);
    return port;
  }
  throw new Error(`no free port between ${from} and ${from + 999}`);
}

/** @param {number} port */
async function canListen(port) {
  const server = createServer();
  const free = await listens(server, { host: '127.0.0.1', port });
  if (free) {
    server.close();
    await once(server, 'close');
  }
  return free;
}

/** @param {import('node:net').Server} server @param {import('node:net').ListenOptions} where @returns {Promise<boolean>} */
function listens(server, where) {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false)).listen(where, () => resolve(true));
  });
}

/**
 * Keeps a name for this process against all others of this machine, until it lets go or ends: by a socket that has a name
 * and no file. Linux alone has such; elsewhere nobody is kept out.
 * @param {string} name @returns {Promise<(() => void) | undefined>} lets go; `undefined` while another has it
 */
async function hold(name) {
  if (process.platform !== 'linux') return () => undefined;
  const holder = createServer();
  if (!(await listens(holder, { path: `\0indelible-${name}` }))) return undefined;
  holder.unref();
  return () => void holder.close();
}

/**
 * Does what two must not do at once, as to install a server, one after the other: who comes second looks again.
 * @template T @param {string} name @param {() => Promise<T>} work @returns {Promise<T>}
 */
export async function oneAtATime(name, work) {
  let letGo;
  while ((letGo = await hold(`work-${name}`)) === undefined) await sleep(100);
  try {
    return await work();
  } finally {
    letGo();
  }
}

/**
 * Runs a command to its end and gives its standard output. @throws Error with what it said, if it fails
 * @param {string} command @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Readonly<Record<string, string | undefined>>, input?: string }} [options]
 * @returns {Promise<string>}
 */
export async function run(command, args, { cwd, env, input } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (err += text));
  // Not every command reads what it is given.
  child.stdin.on('error', () => undefined).end(input ?? '');
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}: ${err.slice(-2_000) || out.slice(-2_000)}`);
  return out;
}

/**
 * @typedef {object} ServerOptions
 * @property {string} name
 * @property {string} command
 * @property {readonly string[]} args
 * @property {string} folder its log is written there; it is the working folder, too
 * @property {Readonly<Record<string, string | undefined>>} [env]
 * @property {number} [uid] runs as this user (Elasticsearch refuses root)
 * @property {() => Promise<boolean>} ready asked until it says true; what it throws means "not yet"
 * @property {number} [readyMs]
 */

/**
 * The address of a server that runs already, for tests; `undefined` where they start their own. @param {string} variable @param {object} options of the
 * start: a server that is asked for with any of its own is never one of somebody else @returns {string | undefined}
 */
export function runningServer(variable, options) {
  const address = process.env[variable];
  return address === undefined || address === '' || Object.values(options).some((value) => value !== undefined) ? undefined : address;
}

/** What stands for the process of a server that was running before. @returns {never} */
export function notOurs() {
  throw new Error('the server was running before: whoever ends or pauses one starts it with { own: true }');
}

/** One server process that this one has started, and ends: by its id, never by its name. */
export class Server {
  /** @type {ServerOptions} */ #options;
  /** @type {import('node:child_process').ChildProcess | undefined} */ #child;

  /** @param {ServerOptions} options */
  constructor(options) {
    this.#options = options;
    // Whatever way the parent ends, its servers end with it.
    process.once('exit', () => this.#signal('SIGKILL'));
  }

  get logFile() {
    return join(this.#options.folder, `${this.#options.name}.log`);
  }

  get pid() {
    return this.#child?.pid;
  }

  /** It runs no more, or not yet. */
  get ended() {
    const child = this.#child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null;
  }

  /** Starts it, also again after `stop` or `kill`; returns once it answers. */
  async start() {
    const { name, command, args, folder, env, uid, ready, readyMs = 300_000 } = this.#options;
    const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...(uid !== undefined && { uid }) });
    this.#child = child;
    const log = createWriteStream(this.logFile, { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    /** @type {unknown} */ let failure;
    child.once('error', (error) => (failure = error));
    const deadline = Date.now() + readyMs;
    for (;;) {
      if (failure !== undefined || child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        const said = await readFile(this.logFile, 'utf8').catch(() => '');
        await this.kill();
        throw new Error(`${name} did not come up: ${failure instanceof Error ? failure.message : said.slice(-2_000)}`);
      }
      if (await ready().catch(() => false)) return;
      await sleep(100);
    }
  }

  /** Asks it to end and waits; after 20 seconds it is killed. */
  async stop() {
    await this.#end('SIGTERM');
  }

  /** As a crash would. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** It hangs, as a network would make it seem, until `resume`. */
  pause() {
    this.#signal('SIGSTOP');
  }

  resume() {
    this.#signal('SIGCONT');
  }

  /** Ends it and removes its folder. */
  async dispose() {
    await this.kill();
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  /** @param {NodeJS.Signals} signal */
  async #end(signal) {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'exit');
    this.#signal(signal);
    const killer = setTimeout(() => this.#signal('SIGKILL'), 20_000);
    await closed;
    clearTimeout(killer);
  }

  /** To it and all it has started. @param {NodeJS.Signals} signal */
  #signal(signal) {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}
