/** `indelible doctor`: whether the ledger can do its work here, and what this store can not promise. */
import { Command } from 'commander';
import { loadConfig } from '../config.js';
import type { CliContext } from './command.js';
import { doctorChecks } from './doctor-checks.js';
import type { DoctorCheck } from './doctor-checks.js';
import { requireLedger } from './embedded-client.js';
import { dataDirOption, jsonOption } from './options.js';
import type { Colour } from './output.js';
import { safe } from './terminal.js';

const COLOURS: Readonly<Record<DoctorCheck['status'], Colour>> = { ok: 'green', warning: 'yellow', failed: 'red' };
const WIDTH = 7;

export function command({ output, exit }: CliContext): Command {
  return new Command('doctor')
    .description('Try what the store really does, look at keys, retention, clock, view, disk and settings, and say what this kind of store can not promise. Exit 1 if a check failed.')
    .addOption(dataDirOption())
    .addOption(jsonOption())
    .action(async (options: { readonly dataDir?: string; readonly json?: boolean }) => {
      const config = loadConfig(process.env, options.dataDir === undefined ? {} : { dataDir: options.dataDir });
      requireLedger(config);
      const checks: DoctorCheck[] = [];
      for await (const check of doctorChecks(config)) {
        checks.push(check);
        if (options.json !== true) show(check);
      }
      const status = worst(checks);
      if (options.json === true) output.json({ status, dataDir: config.dataDir, checks });
      exit(status === 'failed' ? 1 : 0);
    });

  function show({ name, status, detail, promises }: DoctorCheck): void {
    output.line(`${output.paint(COLOURS[status], status.padEnd(WIDTH))}  ${name}: ${safe(detail)}`);
    for (const { promise, kept, detail: why } of promises ?? []) {
      output.line(`${' '.repeat(WIDTH + 2)}${kept === 'yes' ? 'kept    ' : kept === 'no' ? 'NOT KEPT' : 'unknown '}  ${safe(promise)}`);
      if (kept !== 'yes') output.line(`${' '.repeat(WIDTH + 2)}          ${safe(why)}`);
    }
  }
}

function worst(checks: readonly DoctorCheck[]): DoctorCheck['status'] {
  if (checks.some(({ status }) => status === 'failed')) return 'failed';
  return checks.some(({ status }) => status === 'warning') ? 'warning' : 'ok';
}
