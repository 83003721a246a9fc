/** `indelible guardrails`: what protects the log against those who run it. One file a subcommand. */
import { Command } from 'commander';
import type { CliContext } from './command.js';
import { guardrailsCheck } from './guardrails-check.js';
import { guardrailsDrill } from './guardrails-drill.js';

export function command(context: CliContext): Command {
  const guardrails = new Command('guardrails').description('Say what protects the log and what does not, and try it (docs/guardrails.md).');
  for (const subcommand of [guardrailsCheck, guardrailsDrill]) guardrails.addCommand(subcommand(context));
  return guardrails;
}
