/** What each command's module exports. */
import type { Command } from 'commander';
import type { ExitCode } from './failure.js';
import type { Output } from './output.js';

export interface CliContext {
  readonly output: Output;
  /** Sets the code the process ends with; the last one counts. */
  readonly exit: (code: ExitCode) => void;
}

export interface CommandModule {
  /** The command with its options; its action throws CliError or what the layers below throw. */
  readonly command: (context: CliContext) => Command;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Only the command that is asked for is loaded: `--help` must not wait for a database. */
  readonly load: () => Promise<CommandModule>;
}
