/** `indelible tail`: the newest entries, and those to come. */
import { Command, Option } from 'commander';
import type { CliContext } from './command.js';
import { entryLine } from './entry-text.js';
import { openClient } from './open-client.js';
import type { LedgerClient } from './ledger-client.js';
import { chainOption, integer, withLedger } from './options.js';
import type { LedgerOptions } from './options.js';

interface Options extends LedgerOptions {
  readonly chain: string;
  readonly lines: number;
  readonly follow?: boolean;
}

const PAGE = 1_000;
const POLL_MS = 500;

export function command({ output }: CliContext): Command {
  const tail = new Command('tail')
    .description('Print the newest entries of a chain, oldest first.')
    .addOption(chainOption().makeOptionMandatory())
    .addOption(new Option('-n, --lines <count>', 'how many').argParser(integer(0, 1_000_000)).default(10))
    .addOption(new Option('-f, --follow', 'go on with entries as they are appended'));
  return withLedger(tail).action(async (options: Options) => {
    const client = await openClient(options, 'read');
    try {
      const size = await client.size(options.chain);
      let next = Math.max(0, size - options.lines);
      const width = String(size).length;
      let end = size;
      for (;;) {
        next = await print(client, options, next, end, width);
        if (options.follow !== true || output.closed) return;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        end = Number.MAX_SAFE_INTEGER;
      }
    } finally {
      await client.close();
    }
  });

  /** Entries from…end−1, as far as there are any; where to go on. */
  async function print(client: LedgerClient, options: Options, from: number, end: number, width: number): Promise<number> {
    let next = from;
    while (next < end && !output.closed) {
      const page = await client.entries(options.chain, next, Math.min(PAGE, end - next));
      for (const view of page) {
        if (options.json === true) output.json(view);
        else output.line(entryLine(view, width));
      }
      if (page.length === 0) break;
      next += page.length;
    }
    return next;
  }
}
