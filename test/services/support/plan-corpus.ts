/**
 * Plans by `terraform plan`, each over an edited copy of the corpus: its root is applied once to a stand-in for AWS, and
 * each copy has the state of that. A plan is kept, by the hash of all it is made from: what has not changed is not
 * planned again.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as moto from '../../../scripts/services/moto.mjs';
import { cacheFolder, run, scratchFolder, Server } from '../../../scripts/services/process.mjs';
import { init, terraform, workspace } from '../../../scripts/services/terraform.mjs';
import { editFiles, editState, table, valuesOf, type PlanCase, type State } from './plan-edits.js';
import { slim, type SlimProvider } from './slim-provider.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const ROOT = 'terraform/corpus/log';

export interface Planned {
  readonly plan: Readonly<Record<string, unknown>>;
  /** The plan of the same world that changes nothing: what the inventory is written from. */
  readonly unchanged: Readonly<Record<string, unknown>>;
}

/** The stand-in, the provider, and what is applied. */
interface World {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly state: State;
  /** Before Terraform first looked at what it had made. */
  readonly stateAsApplied: State;
  readonly unchanged: Readonly<Record<string, unknown>>;
  readonly dispose: () => Promise<void>;
}

export class PlanCorpus {
  readonly #folder: string;
  #world: Promise<World> | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<PlanCorpus> {
    const hash = createHash('sha256');
    for (const folder of ['terraform/modules', 'policies', 'test/services/support/plan-corpus']) {
      for (const file of await filesBelow(join(repository, folder))) {
        if (file.includes('/policies/gate/') || !/\.(tf|json)$/.test(file)) continue;
        hash.update(`${relative(repository, file)}\n`).update(await readFile(file));
      }
    }
    hash.update((await terraform(repository, ['version', '-json'])).out);
    return new PlanCorpus(await cacheFolder(join('plan-corpus', hash.digest('hex').slice(0, 16))));
  }

  async plan(planCase: PlanCase): Promise<Planned> {
    const made = { ...planCase, refused: undefined, json: undefined, inventory: undefined };
    const file = join(this.#folder, `${createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 16)}.json`);
    const kept = await readFile(file, 'utf8').catch(() => undefined);
    if (kept !== undefined) return JSON.parse(kept) as Planned;
    this.#world ??= makeWorld();
    const world = await this.#world;
    const planned = { plan: await planIn(world, planCase), unchanged: world.unchanged };
    await writeFile(file, JSON.stringify(planned));
    return planned;
  }

  async dispose(): Promise<void> {
    await (await this.#world?.catch(() => undefined))?.dispose();
  }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
}

async function ran(folder: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { code, out, err } = await terraform(join(folder, ROOT), args, { env });
  if (code !== 0) throw new Error(`terraform ${args.join(' ')}: ${err.slice(-2_000)}`);
  return out;
}

async function stateIn(folder: string): Promise<State> {
  return JSON.parse(await readFile(join(folder, ROOT, 'terraform.tfstate'), 'utf8')) as State;
}

async function makeWorld(): Promise<World> {
  const [aws, copy] = await Promise.all([moto.start(), workspace()]);
  const folder = join(copy.path(), '..');
  await cp(join(repository, 'test/services/support/plan-corpus'), join(folder, 'terraform/corpus'), { recursive: true });
  await init(join(folder, ROOT));
  const account = {
    AWS_ENDPOINT_URL: aws.endpoint,
    AWS_ACCESS_KEY_ID: aws.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: aws.credentials.secretAccessKey,
    AWS_REGION: aws.region,
  };
  const provider = await startProvider(folder, account);
  const env = { ...account, TF_REATTACH_PROVIDERS: provider.reattach };
  const dispose = async (): Promise<void> => {
    provider.slim.dispose();
    await provider.server.dispose();
    await aws.dispose();
    await copy.dispose();
  };
  try {
    await ran(folder, ['apply', '-auto-approve', '-input=false', '-no-color', '-parallelism=20'], env);
    const stateAsApplied = await stateIn(folder);
    await ran(folder, ['apply', '-refresh-only', '-auto-approve', '-input=false', '-no-color', '-parallelism=20'], env);
    const state = await stateIn(folder);
    const world = { folder, env, state, stateAsApplied, unchanged: {}, dispose };
    return { ...world, unchanged: await planIn(world, { name: 'nothing changes' }) };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * One process of the provider for all plans, as its developers run it: a plan would else start it anew, twice, which
 * costs more than the plan. It is the same provider.
 */
async function startProvider(folder: string, account: Readonly<Record<string, string>>): Promise<{ server: Server; slim: SlimProvider; reattach: string }> {
  const binary = (await run('find', ['-L', join(folder, ROOT, '.terraform/providers'), '-name', 'terraform-provider-aws*', '-type', 'f'])).trim();
  const scratch = scratchFolder('provider');
  const attachment = /TF_REATTACH_PROVIDERS='(.+)'/;
  const said = (): Promise<string> => readFile(join(scratch, 'provider.log'), 'utf8');
  const server = new Server({
    name: 'provider',
    command: binary,
    args: ['-debug'],
    folder: scratch,
    // Set up a second time with a bundle of authorities it would fail. Unless told otherwise it logs each step, which
    // takes it longer than the step.
    env: { ...account, AWS_CA_BUNDLE: undefined, AWS_EC2_METADATA_DISABLED: 'true', TF_LOG: 'ERROR', TF_LOG_SDK: 'ERROR', TF_LOG_PROVIDER: 'ERROR' },
    ready: async () => attachment.test(await said()),
  });
  await server.start();
  const attached = JSON.parse(attachment.exec(await said())![1]!) as Record<string, { Addr: { String: string } }>;
  const [attach] = Object.values(attached);
  const provider = await slim(attach!.Addr.String, await typesIn(folder));
  attach!.Addr.String = provider.socket;
  return { server, slim: provider, reattach: JSON.stringify(attached) };
}

/** All types of resources that the corpus, or an edit of it, may name. */
async function typesIn(folder: string): Promise<ReadonlySet<string>> {
  const files = (await filesBelow(join(folder, 'terraform'))).filter((file) => file.endsWith('.tf') && !file.includes('/.terraform/'));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return new Set([...texts, JSON.stringify(table)].flatMap((text) => text.match(/\baws_[a-z0-9_]+/g) ?? []));
}

async function planIn(world: World, { name, edits = [], options = [], state, refresh = false }: PlanCase): Promise<Readonly<Record<string, unknown>>> {
  const folder = scratchFolder('plan');
  try {
    for (const room of ['terraform', 'policies']) {
      await cp(join(world.folder, room), join(folder, room), { recursive: true, filter: (source) => !source.includes('/.terraform/providers') && !source.includes('.tfstate') });
    }
    await mkdir(join(folder, ROOT, '.terraform'), { recursive: true });
    await symlink(join(world.folder, ROOT, '.terraform/providers'), join(folder, ROOT, '.terraform/providers'));
    for (const file of await filesBelow(join(folder, 'terraform'))) {
      if (!file.endsWith('.tf')) continue;
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replaceAll(/ *prevent_destroy = true\n/g, ''));
    }
    await editFiles(folder, edits, valuesOf(world.state));
    if (state !== 'none') {
      const before = state === 'as applied' ? world.stateAsApplied : editState(world.state, state ?? []);
      await writeFile(join(folder, ROOT, 'terraform.tfstate'), JSON.stringify(before));
    }
    await ran(folder, ['plan', '-out=plan', '-input=false', '-no-color', '-lock=false', ...(refresh ? [] : ['-refresh=false']), ...options], world.env);
    return JSON.parse(await ran(folder, ['show', '-json', 'plan'], world.env)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new Error(`${name}: no plan came about`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
