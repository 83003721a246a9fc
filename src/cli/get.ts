/** `indelible get`: one entry, or what proves it. */
import { Argument, Command, Option } from 'commander';
import type { CliContext } from './command.js';
import { entryDetails } from './entry-text.js';
import { CliError } from './failure.js';
import { openClient } from './open-client.js';
import { chainOption, entryId, sequence, withLedger } from './options.js';
import type { LedgerOptions } from './options.js';

interface Options extends LedgerOptions {
  readonly chain: string;
  readonly id?: string;
  readonly receipt?: boolean;
  readonly proof?: boolean;
}

export function command({ output }: CliContext): Command {
  const get = new Command('get')
    .description('Print one entry, by its sequence or its id.')
    .addArgument(new Argument('[sequence]', 'position in the chain, from 0').argParser(sequence))
    .addOption(chainOption().makeOptionMandatory())
    .addOption(new Option('--id <id>', 'the entry with this id').argParser(entryId))
    .addOption(new Option('--receipt', 'print its receipt, a file to keep (JSON)'))
    .addOption(new Option('--proof', 'print a receipt that leads to the newest checkpoint (JSON)').conflicts('receipt'));
  return withLedger(get).action(async (position: number | undefined, options: Options) => {
    if ((position === undefined) === (options.id === undefined)) throw new CliError('usage', 'name the entry by its sequence or by --id, one of them');
    const client = await openClient(options, 'read');
    try {
      const at = position ?? (await client.sequenceOf(options.chain, options.id ?? ''));
      if (at === undefined) throw new CliError('entry_not_found', `chain ${options.chain} has no entry with the id ${options.id ?? ''}`);
      if (options.proof === true) output.json(await client.proof(options.chain, at));
      else if (options.receipt === true) output.json(await client.receipt(options.chain, at));
      else {
        const view = await client.entry(options.chain, at);
        if (options.json === true) output.json(view);
        else output.line(entryDetails(view));
      }
    } finally {
      await client.close();
    }
  });
}
