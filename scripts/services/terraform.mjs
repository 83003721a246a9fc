// @ts-check
/**
 * Terraform: where the command and the provider are, and how a root is run. Both come from whoever runs the tests; neither
 * is on a package manager of Node or Python. Without a plugin folder `terraform init` asks the registry.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scratchFolder } from './process.mjs';

const PROVIDER = 'registry.terraform.io/hashicorp/aws';
/** As in the versions.tf of all modules: >= 5.100, < 6. */
const FITS = /^5\.(\d{3,})\.\d+$/;
const SEARCH_MS = 60_000;

/**
 * @typedef {object} Terraform
 * @property {string} command
 * @property {string | undefined} plugins folder for `init -plugin-dir=`; undefined: the registry is asked
 */

/** @typedef {{ code: number, out: string, err: string }} Outcome */

/** @type {Promise<Terraform> | undefined} */
let found;

/** Finds both, once a process. @returns {Promise<Terraform>} @throws Error if the command is not there */
export function install() {
  found ??= find();
  return found;
}

/** @returns {Promise<Terraform>} */
async function find() {
  const command = process.env['INDELIBLE_TERRAFORM'] ?? 'terraform';
  const { code, err } = await spawned(command, ['version'], {}).catch((/** @type {unknown} */ error) => ({ code: 1, err: String(error) }));
  if (code !== 0) throw new Error(`terraform is not there (${err.trim().slice(0, 200)}). Install Terraform 1.11 or later, or name it in INDELIBLE_TERRAFORM.`);
  return { command, plugins: await plugins() };
}

/** @returns {Promise<string | undefined>} */
async function plugins() {
  const named = process.env['INDELIBLE_TERRAFORM_PLUGINS'];
  if (named !== undefined) {
    if (holds(named)) return named;
    throw new Error(`INDELIBLE_TERRAFORM_PLUGINS: ${named} has no ${PROVIDER}/5.100.0 or later of 5. Name the folder that has registry.terraform.io in it, or leave the setting out.`);
  }
  const data = process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share');
  const usual = [
    process.env['TF_PLUGIN_CACHE_DIR'],
    join(homedir(), '.terraform.d/plugins'),
    join(homedir(), '.terraform.d/plugin-cache'),
    join(data, 'terraform/plugins'),
    '/usr/local/share/terraform/plugins',
    '/usr/share/terraform/plugins',
  ];
  return usual.find((folder) => folder !== undefined && holds(folder)) ?? (await searched());
}

/** @param {string} folder */
function holds(folder) {
  const versions = join(folder, PROVIDER);
  return existsSync(versions) && readdirSync(versions).some((version) => FITS.test(version) && existsSync(join(versions, version, platform())));
}

function platform() {
  return `${process.platform === 'win32' ? 'windows' : process.platform}_${process.arch === 'x64' ? 'amd64' : process.arch}`;
}

/** Looks over the disk, for a minute at most: a folder of plugins may lie anywhere. @returns {Promise<string | undefined>} */
async function searched() {
  const skipped = ['-path', '/proc', '-o', '-path', '/sys', '-o', '-path', '/dev', '-o', '-name', 'node_modules', '-o', '-name', '.terraform', '-o', '-name', '.git'];
  const args = ['/', '-maxdepth', '10', '(', ...skipped, ')', '-prune', '-o', '-name', 'terraform-provider-aws*', '-print'];
  const { out } = await spawned('find', args, { timeoutMs: SEARCH_MS }).catch(() => ({ out: '' }));
  for (const line of out.split('\n')) {
    const folder = line.split(`/${PROVIDER}/`)[0] ?? '';
    if (folder !== line && holds(folder)) return folder;
  }
  return undefined;
}

/**
 * A copy of terraform/ and policies/, so that nothing is written into the repository, and roots may be pointed at a
 * stand-in by an override file.
 * @returns {Promise<{ path: (...parts: string[]) => string, dispose: () => Promise<void> }>}
 */
export async function workspace() {
  const folder = scratchFolder('terraform');
  for (const room of ['terraform', 'policies']) {
    await cp(fileURLToPath(new URL(`../../${room}`, import.meta.url)), join(folder, room), {
      recursive: true,
      filter: (source) => !/\/\.terraform(\/|$)|\.tfstate|\.terraform\.lock\.hcl$/.test(source),
    });
  }
  return { path: (...parts) => join(folder, 'terraform', ...parts), dispose: () => rm(folder, { recursive: true, force: true }) };
}

/** `terraform init` in a root. @param {string} root @param {{ backend?: boolean }} [options] */
export async function init(root, { backend = true } = {}) {
  const { plugins } = await install();
  const args = ['init', '-input=false', '-no-color', ...(backend ? [] : ['-backend=false']), ...(plugins === undefined ? [] : [`-plugin-dir=${plugins}`])];
  const outcome = await terraform(root, args);
  if (outcome.code !== 0) {
    const hint = plugins === undefined ? ' No folder with the provider was found: name one in INDELIBLE_TERRAFORM_PLUGINS.' : '';
    throw new Error(`terraform init failed in ${root}.${hint}\n${outcome.err.slice(-2_000)}`);
  }
}

/**
 * Runs terraform in a root, to its end; what it answers is the caller's to judge.
 * @param {string} root @param {readonly string[]} args @param {{ env?: Readonly<Record<string, string>> }} [options]
 * @returns {Promise<Outcome>}
 */
export async function terraform(root, args, { env = {} } = {}) {
  const { command } = await install();
  return spawned(command, args, { cwd: root, env });
}

/**
 * @param {string} command @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Readonly<Record<string, string>>, timeoutMs?: number }} options
 * @returns {Promise<Outcome>}
 */
async function spawned(command, args, { cwd, env, timeoutMs }) {
  const child = spawn(command, args, { cwd, env: { ...clean(), ...env }, stdio: ['ignore', 'pipe', 'pipe'], ...(timeoutMs !== undefined && { timeout: timeoutMs }) });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (err += text));
  const [code] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : 1, out, err };
}

/** No account and no setting of whoever runs the tests: they work on stand-ins alone. */
function clean() {
  const config = process.env['TF_CLI_CONFIG_FILE'];
  /** @type {NodeJS.ProcessEnv} */
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(AWS_|TF_VAR_|TF_CLI_ARGS)/.test(name)));
  // One that is not there is a warning in every answer.
  if (config !== undefined && !existsSync(config)) delete env['TF_CLI_CONFIG_FILE'];
  return { ...env, TF_IN_AUTOMATION: '1', CHECKPOINT_DISABLE: '1', AWS_EC2_METADATA_DISABLED: 'true' };
}
