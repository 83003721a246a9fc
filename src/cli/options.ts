/** What several commands take, said and checked once. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { isChainId, isEntryId } from '../core/chain.js';

export interface LedgerOptions {
  readonly url?: string;
  readonly token?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON (docs/cli.md)');
}

export function dataDirOption(): Option {
  return new Option('--data-dir <dir>', 'folder of the ledger (default: INDELIBLE_DATA_DIR or ./data)');
}

export function chainOption(description = 'the chain'): Option {
  return new Option('--chain <id>', description).argParser(chainId);
}

export function progressOption(): Option {
  return new Option('--progress', 'report progress on stderr, also where it is no terminal');
}

/** Where the ledger is: a folder, or a running service. */
export function withLedger(command: Command): Command {
  return command
    .addOption(dataDirOption())
    .addOption(new Option('--url <url>', 'use a running service instead of a folder').env('INDELIBLE_URL').conflicts('dataDir'))
    .addOption(new Option('--token <token>', 'bearer token for --url; better kept in the variable').env('INDELIBLE_TOKEN'))
    .addOption(jsonOption());
}

export function chainId(text: string): string {
  if (!isChainId(text)) throw new InvalidArgumentError('Expected 1 to 100 characters of a-z 0-9 . _ -, the first a letter or digit.');
  return text;
}

export function entryId(text: string): string {
  if (!isEntryId(text)) throw new InvalidArgumentError('Expected 1 to 128 characters of A-Z a-z 0-9 . _ : @ = + ~ -, the first a letter or digit.');
  return text;
}

export function sequence(text: string): number {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new InvalidArgumentError('Expected a whole number from 0 to 2^53-1.');
  }
  return Number(text);
}

/** A whole number within bounds. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return value;
  };
}

export interface PartyArgument {
  readonly type: string;
  readonly id: string;
}

/** `type:id`; an id may hold colons, a type may not. */
export function party(text: string): PartyArgument {
  const colon = text.indexOf(':');
  if (colon <= 0 || colon === text.length - 1) throw new InvalidArgumentError('Expected type:id, such as user:alice.');
  return { type: text.slice(0, colon), id: text.slice(colon + 1) };
}

/** Collects an option that may be given more than once. */
export function repeated<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}
