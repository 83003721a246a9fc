/** `indelible chains`: what there is. */
import { Command } from 'commander';
import type { CliContext } from './command.js';
import { openClient } from './open-client.js';
import { withLedger } from './options.js';
import type { LedgerOptions } from './options.js';
import { table } from './terminal.js';

export function command({ output }: CliContext): Command {
  return withLedger(new Command('chains').description('List the chains with their size, their newest entry, and how much of them is in the second bucket.')).action(async (options: LedgerOptions) => {
    const client = await openClient(options, 'read');
    try {
      const rows: (string | number)[][] = [['chain', 'entries', 'last received', 'replicated']];
      for await (const chain of client.chains()) {
        if (options.json === true) output.json(chain);
        else rows.push(chain.state === 'open' ? [chain.chainId, chain.size, chain.lastReceivedAt, chain.replicatedThrough ?? '-'] : [chain.chainId, '-', `HALTED: ${chain.detail}`, '-']);
        if (output.closed) return;
      }
      if (options.json !== true && rows.length > 1) output.line(table(rows));
      if (options.json !== true && rows.length === 1) output.note('no chain has an entry yet');
    } finally {
      await client.close();
    }
  });
}
