#!/usr/bin/env node
/** The `indelible` command: finds the command asked for, runs it, and turns its end into an exit code. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { CliContext } from './command.js';
import { COMMANDS } from './commands.js';
import { CliError, codeOf, messageOf } from './failure.js';
import type { ExitCode } from './failure.js';
import { Output } from './output.js';
import { safeJson } from './terminal.js';

const EXIT_CODES = `
Exit codes: 0 done or intact, 1 usage or I/O, 2 tampered, 3 incomplete or indeterminate.
Each command explains its options with --help; docs/cli.md has the JSON shapes.`;

async function main(args: readonly string[]): Promise<ExitCode> {
  const output = new Output();
  let exitCode: ExitCode = 0;
  const context: CliContext = { output, exit: (code) => void (exitCode = code) };
  const program = new Command('indelible')
    .description('Immutable, hash-chained, signed audit log.')
    .version(version(), '-V, --version', 'print the version')
    .helpCommand('help [command]', 'explain a command')
    .addHelpText('after', EXIT_CODES)
    .showSuggestionAfterError()
    .exitOverride();
  const asked = args.filter((arg) => arg !== 'help' && arg !== '--').find((arg) => !arg.startsWith('-'));
  for (const entry of COMMANDS) {
    const command = entry.name === asked ? (await entry.load()).command(context) : new Command(entry.name);
    command.summary(entry.summary).copyInheritedSettings(program);
    if (command.description() === '') command.description(entry.summary);
    program.addCommand(command);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    exitCode = failed(output, error, args.includes('--json'));
  }
  await output.flushed();
  return exitCode;
}

function failed(output: Output, error: unknown, json: boolean): ExitCode {
  // Commander has said what is wrong already; help and version are no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
  const details = error instanceof CliError ? error.details : {};
  output.note(json ? safeJson({ error: { code: codeOf(error), message: messageOf(error), ...details } }) : `indelible: ${messageOf(error)}`);
  if (process.env['INDELIBLE_DEBUG'] !== undefined && error instanceof Error) output.note(error.stack ?? '');
  return error instanceof CliError ? error.exitCode : 1;
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  return text;
}

// Sockets kept alive and worker threads must not keep a finished command running.
process.exit(await main(process.argv.slice(2)));
