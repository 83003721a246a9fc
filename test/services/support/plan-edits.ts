/** The table of plans (plan-cases.yaml), and what an edit of it does to a copy of the corpus. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export interface Edit {
  readonly in: string;
  readonly replace?: string;
  readonly with?: string;
  readonly drop?: string;
  readonly add?: string | Readonly<Record<string, unknown>>;
  readonly statement?: string;
  readonly property?: string;
  readonly set?: unknown;
}

export type StateEdit = { readonly remove: string } | { readonly address: string; readonly set: Readonly<Record<string, unknown>> };

/** A resource that no provider at hand has, or a change that Terraform would not plan. */
export interface MadeChange {
  readonly address: string;
  readonly type: string;
  readonly actions: readonly string[];
  readonly before?: unknown;
  readonly after?: unknown;
  readonly previous_address?: string;
}

export interface PlanCase {
  readonly name: string;
  readonly edits?: readonly Edit[];
  readonly options?: readonly string[];
  readonly state?: 'none' | 'as applied' | readonly StateEdit[];
  readonly refresh?: boolean;
  readonly inventory?: boolean;
  readonly refused?: readonly string[];
  /** Made by editing the JSON of the plan that changes nothing. */
  readonly json?: { readonly why: string; readonly set?: Readonly<Record<string, unknown>>; readonly whole?: unknown; readonly changes?: readonly MadeChange[] };
}

interface Table {
  readonly values: Readonly<Record<string, readonly [string, string, string, string]>>;
  readonly dangerous: readonly PlanCase[];
  readonly harmless: readonly PlanCase[];
}

export const table = parse(await readFile(fileURLToPath(new URL('plan-cases.yaml', import.meta.url)), 'utf8')) as Table;

export interface State {
  readonly resources: { module?: string; mode: string; type: string; name: string; instances: { attributes: Record<string, unknown> }[] }[];
}

function found(state: State, module: string, type: string, name: string): State['resources'][number] {
  const resource = state.resources.find((each) => each.mode === 'managed' && (each.module ?? '') === module && each.type === type && each.name === name);
  if (resource === undefined) throw new Error(`plan-cases.yaml: the state has no ${module} ${type}.${name}`);
  return resource;
}

/** What `$NAME` stands for. */
export function valuesOf(state: State): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(table.values).map(([name, [module, type, resource, attribute]]) => [
      `$${name}`,
      String(found(state, module, type, resource).instances[0]!.attributes[attribute]),
    ]),
  );
}

export function editState(state: State, edits: readonly StateEdit[]): State {
  const copy = structuredClone(state);
  for (const edit of edits) {
    const address = 'remove' in edit ? edit.remove : edit.address;
    const parts = /^(?:(module\..+)\.)?([a-z0-9_]+)\.([a-z0-9_]+)$/.exec(address);
    if (parts === null) throw new Error(`plan-cases.yaml: ${address} is no address`);
    const resource = found(copy, parts[1] ?? '', parts[2]!, parts[3]!);
    if ('remove' in edit) copy.resources.splice(copy.resources.indexOf(resource), 1);
    else Object.assign(resource.instances[0]!.attributes, edit.set);
  }
  return copy;
}

/** The block that begins with `head`, to its closing brace. */
function block(text: string, head: string): string {
  const start = text.indexOf(head);
  let depth = 0;
  for (let i = start; start !== -1 && i < text.length; i++) {
    if (text[i] === '{') depth++;
    if (text[i] === '}' && --depth === 0) return text.slice(start, i + 1);
  }
  throw new Error(`plan-cases.yaml: there is no block ${head}`);
}

interface Policy {
  Statement: Record<string, unknown>[];
}

function edited(text: string, edit: Edit, fill: (text: string) => string): string {
  if (edit.replace !== undefined) {
    if (!text.includes(edit.replace)) throw new Error(`plan-cases.yaml: ${edit.in} has no ${edit.replace}`);
    return text.replaceAll(edit.replace, () => fill(edit.with ?? ''));
  }
  if (edit.drop !== undefined) return text.replace(block(text, edit.drop), '');
  if (edit.statement !== undefined) {
    const policy = JSON.parse(text) as Policy;
    const index = policy.Statement.findIndex(({ Sid }) => Sid === edit.statement);
    if (index === -1) throw new Error(`plan-cases.yaml: ${edit.in} has no statement ${edit.statement}`);
    if (edit.set !== undefined) Object.assign(policy.Statement[index]!, edit.set);
    else if (edit.add !== undefined) policy.Statement.push(edit.add as Record<string, unknown>);
    else policy.Statement.splice(index, 1);
    return JSON.stringify(policy);
  }
  if (edit.property !== undefined) {
    const settings = JSON.parse(text) as Record<string, unknown>;
    if (!(edit.property in settings)) throw new Error(`plan-cases.yaml: ${edit.in} has no ${edit.property}`);
    return JSON.stringify({ ...settings, [edit.property]: edit.set });
  }
  if (typeof edit.add === 'string') return `${text}\n${fill(edit.add)}\n`;
  throw new Error(`plan-cases.yaml: an edit of ${edit.in} says nothing`);
}

/** Edits a copy of terraform/ and policies/ that lies in `folder`. */
export async function editFiles(folder: string, edits: readonly Edit[], values: ReadonlyMap<string, string>): Promise<void> {
  const fill = (text: string): string => [...values].reduce((filled, [name, value]) => filled.replaceAll(name, value), text);
  for (const edit of edits) {
    const file = join(folder, edit.in.startsWith('policies/') ? '' : 'terraform', edit.in);
    await writeFile(file, edited(await readFile(file, 'utf8'), edit, fill));
  }
}

/** The JSON of a plan, with what the case says instead. */
export function editPlan(plan: Readonly<Record<string, unknown>>, { set = {}, whole, changes = [] }: NonNullable<PlanCase['json']>): unknown {
  if (whole !== undefined) return whole;
  const made = changes.map(({ address, type, actions, before = null, after = null, previous_address }) => ({
    address,
    mode: 'managed',
    type,
    name: address.split('.').at(-1),
    provider_name: `registry.terraform.io/example/${type.split('_')[0]!}`,
    ...(previous_address !== undefined && { previous_address }),
    change: { actions, before, after, after_unknown: {} },
  }));
  return { ...plan, ...set, resource_changes: [...(plan['resource_changes'] as unknown[]), ...made] };
}
