#!/usr/bin/env node
// @ts-check
/**
 * The gate before `terraform apply`: refuses a plan that would remove or weaken what protects the log.
 * docs/plan-gate.md says what it refuses, and what it can't see.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { find } from './services/opa.mjs';
import { run } from './services/process.mjs';

const RULES = fileURLToPath(new URL('../policies/gate', import.meta.url));
const FORMAT = 'indelible/plan-gate-inventory/v1';
const USAGE = `usage: node scripts/plan-gate.mjs PLAN.json [--inventory FILE] [--write-inventory FILE]

  PLAN.json               from \`terraform plan -out FILE\` and \`terraform show -json FILE\`
  --inventory FILE        what is protected and was applied: shows what was removed from the state
  --write-inventory FILE  writes that list, after an apply, from a plan that changes nothing

exit codes: 0 passed, 2 refused, 1 could not be judged (which is no pass)`;

/**
 * @typedef {{ readonly rule: string, readonly address: string, readonly message: string }} Refusal
 * @typedef {{ readonly address: string, readonly type: string, readonly id: string }} Protected
 * @typedef {{ readonly refusals: readonly Refusal[], readonly warnings: readonly string[], readonly protected: readonly Protected[] }} Verdict
 */

/**
 * What the rules say of a plan. @throws Error where they could say nothing
 * @param {unknown} plan @param {{ inventory?: readonly Protected[], opa?: string | undefined }} [options]
 * @returns {Promise<Verdict>}
 */
export async function judge(plan, { inventory = [], opa } = {}) {
  const binary = opa ?? (await find());
  if (binary === undefined) throw new Error('opa: not found on the PATH. Install Open Policy Agent 1.x, or run `node scripts/plan-gate.mjs --install`.');
  // Strict: a function that fails inside a rule must not make the rule silent.
  const args = ['eval', '--format', 'json', '--strict-builtin-errors', '--ignore', '*_test.rego', '--data', RULES, '--stdin-input', 'data.indelible.gate.verdict'];
  const answer = JSON.parse(await run(binary, args, { input: JSON.stringify({ plan, inventory }) }));
  const verdict = answer.result?.[0]?.expressions?.[0]?.value;
  if (!Array.isArray(verdict?.refusals) || !Array.isArray(verdict.warnings) || !Array.isArray(verdict.protected)) {
    throw new Error(`${RULES}: the rules gave no verdict. Are they complete?`);
  }
  return verdict;
}

/** @param {string} file @returns {Promise<unknown>} */
async function json(file) {
  const text = await readFile(file, 'utf8').catch((/** @type {Error} */ error) => {
    throw new Error(`${file}: can't be read (${error.message}).`);
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${file}: is no JSON. Make it with \`terraform show -json\`.`);
  }
}

/** @param {string} file @returns {Promise<readonly Protected[]>} */
async function inventoryOf(file) {
  const value = /** @type {{ format?: unknown, protected?: unknown } | null} */ (await json(file));
  const entries = value?.format === FORMAT ? value.protected : undefined;
  if (!Array.isArray(entries) || !entries.every((entry) => typeof entry?.address === 'string')) {
    throw new Error(`${file}: is no inventory (format ${FORMAT}). Write one with --write-inventory.`);
  }
  return entries;
}

/** @returns {Promise<number>} the exit code */
async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { inventory: { type: 'string' }, 'write-inventory': { type: 'string' }, install: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  if (values.install === true) {
    console.log(await (await import('./services/opa.mjs')).install());
    return 0;
  }
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error(USAGE);
  const target = values['write-inventory'];
  // What was written before stays: an inventory that forgets with the state would show nothing.
  const source = values.inventory ?? (target !== undefined && existsSync(target) ? target : undefined);
  const inventory = source === undefined ? [] : await inventoryOf(source);
  const verdict = await judge(await json(file), { inventory });
  for (const warning of verdict.warnings) console.error(`note: ${warning}`);
  if (source === undefined) console.error('note: no --inventory, so what was removed from the state by hand is not seen.');
  for (const { rule, message } of verdict.refusals) console.log(`refused (${rule}): ${message}`);
  if (verdict.refusals.length > 0) return verdict.refusals.every(({ rule }) => rule === 'unjudgeable') ? 1 : 2;
  console.log(`passed: ${verdict.protected.length} protected resources, none of them removed or weakened.`);
  if (target !== undefined) {
    const all = new Map([...inventory, ...verdict.protected].map((entry) => [entry.address, entry]));
    const entries = [...all.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
    await writeFile(target, `${JSON.stringify({ format: FORMAT, protected: entries }, undefined, 2)}\n`);
  }
  return 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().then(
    (code) => (process.exitCode = code),
    (/** @type {unknown} */ error) => {
      console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    },
  );
}
