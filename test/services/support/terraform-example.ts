/** One of the examples of terraform/, applied to the stand-in for AWS as a user would apply it to AWS. */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { init, terraform } from '../../../scripts/services/terraform.mjs';

/** What a run with -json says went wrong. */
export interface Diagnostic {
  readonly severity: string;
  readonly summary: string;
  readonly detail: string;
}

type Settings = Readonly<Record<string, unknown>>;

export class Root {
  readonly folder: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string, endpoint: string) {
    this.folder = folder;
    this.#env = { AWS_ENDPOINT_URL: endpoint };
  }

  /** With the settings of its terraform.tfvars.example, changed by `settings`, and pointed at the stand-in. */
  static async open(folder: string, endpoint: string, aliases: readonly string[], settings: Settings): Promise<Root> {
    const provider = (alias: string): string =>
      `provider "aws" {\n${alias === '' ? '' : `  alias = "${alias}"\n`}  access_key = "pipeline"\n  secret_key = "none"\n  s3_use_path_style = true\n}\n`;
    await writeFile(join(folder, 'stand_in_override.tf'), `terraform {\n  backend "local" {}\n}\n${['', ...aliases].map(provider).join('')}`);
    await copyFile(join(folder, 'terraform.tfvars.example'), join(folder, 'terraform.tfvars'));
    const root = new Root(folder, endpoint);
    await root.set(settings);
    await init(folder);
    return root;
  }

  async set(settings: Settings): Promise<void> {
    await writeFile(join(this.folder, 'stand_in.auto.tfvars.json'), JSON.stringify(settings));
  }

  /** @throws with what terraform said */
  async apply(): Promise<void> {
    const { code, err } = await this.#run(['apply', '-auto-approve', '-input=false', '-no-color']);
    if (code !== 0) throw new Error(`terraform apply in ${this.folder}: ${err.slice(-3_000)}`);
  }

  /** A second plan, 0 if nothing would change and 2 if something would, and what its apply says. */
  async again(): Promise<{ readonly code: number; readonly out: string; readonly applied: string }> {
    const { code, out, err } = await this.#run(['plan', '-detailed-exitcode', '-out=again', '-input=false', '-no-color']);
    const applied = await this.#run(['apply', '-input=false', '-no-color', 'again']);
    return { code, out: out + err, applied: applied.out + applied.err };
  }

  /** What keeps a plan, or a destruction, from happening. */
  async refusals(command: 'plan' | 'destroy'): Promise<{ code: number; errors: readonly Diagnostic[] }> {
    const { code, out } = await this.#run([command, ...(command === 'destroy' ? ['-auto-approve'] : []), '-input=false', '-json']);
    const errors = out
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => {
        const { diagnostic } = JSON.parse(line) as { diagnostic?: Diagnostic };
        return diagnostic?.severity === 'error' ? [diagnostic] : [];
      });
    return { code, errors };
  }

  async outputs(): Promise<Readonly<Record<string, unknown>>> {
    const { out } = await this.#run(['output', '-json']);
    return Object.fromEntries(Object.entries(JSON.parse(out) as Record<string, { value: unknown }>).map(([name, { value }]) => [name, value]));
  }

  /** Addresses of all resources in the state, without data sources. */
  async resources(): Promise<readonly string[]> {
    const { out } = await this.#run(['state', 'list']);
    return out.split('\n').filter((line) => line !== '' && !/(^|\.)data\./.test(line));
  }

  #run(args: readonly string[]): ReturnType<typeof terraform> {
    return terraform(this.folder, args, { env: this.#env });
  }
}
