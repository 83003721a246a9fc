/** `indelible guardrails check`: what protects buckets, keys, topics and search index, and what to do where nothing does. */
import { Command } from 'commander';
import { loadConfig } from '../config.js';
import { checkGuardrails } from '../guardrails/check.js';
import { countOf, exitCodeOf, reportOf } from '../guardrails/report.js';
import type { GuardrailCheck, GuardrailReport, Protection } from '../guardrails/report.js';
import type { CliContext } from './command.js';
import { requireLedger } from './embedded-client.js';
import { dataDirOption, jsonOption } from './options.js';
import type { Colour } from './output.js';
import { safe } from './terminal.js';

const COLOURS: Readonly<Record<Protection, Colour>> = { protected: 'green', weak: 'yellow', unprotected: 'red', unknown: 'yellow' };
const WIDTH = 11;

export function guardrailsCheck({ output, exit }: CliContext): Command {
  return new Command('check')
    .description('Read the settings and policies of bucket, keys, topic and search index, and say what protects the log, what does not, and what to do. Changes nothing. Exit 0 if all protect, 2 if one does not or weakly, 3 if it could not all be seen.')
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .action(async ({ dataDir, json }: { readonly dataDir?: string; readonly json?: boolean }) => {
      const config = loadConfig(process.env, dataDir === undefined ? {} : { dataDir });
      requireLedger(config);
      const at = new Date();
      const checks: GuardrailCheck[] = [];
      for await (const check of checkGuardrails(config)) {
        if (json !== true) show(check, checks.at(-1)?.subject);
        checks.push(check);
      }
      const report = reportOf(checks, at);
      if (json === true) output.json(report);
      else summary(report);
      exit(exitCodeOf(report));
    });

  function show({ subject, name, protection, detail, advice }: GuardrailCheck, before: string | undefined): void {
    if (subject !== before) output.line(`${before === undefined ? '' : '\n'}${output.paint('bold', safe(subject))}`);
    output.line(`${output.paint(COLOURS[protection], protection.padEnd(WIDTH))}  ${name}: ${safe(detail)}`);
    if (advice !== undefined) output.line(`${' '.repeat(WIDTH + 2)}to do: ${safe(advice)}`);
  }

  function summary(report: GuardrailReport): void {
    const counts = (['protected', 'weak', 'unprotected', 'unknown'] as const).map((protection) => `${countOf(report, protection)} ${protection}`);
    output.line(`\n${output.paint(COLOURS[report.protection], report.protection.toUpperCase())}  ${counts.join(', ')}`);
  }
}
