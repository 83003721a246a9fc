/** `indelible checkpoint`: the signed note to keep elsewhere. */
import { Command } from 'commander';
import { parseCheckpointText } from '../core/checkpoint.js';
import { parseNote } from '../core/note.js';
import { hexEncode } from '#platform';
import type { CliContext } from './command.js';
import { openClient } from './open-client.js';
import { chainOption, withLedger } from './options.js';
import type { LedgerOptions } from './options.js';
import { safeLines } from './terminal.js';

export function command({ output }: CliContext): Command {
  const checkpoint = new Command('checkpoint')
    .description('Print the signed checkpoint of a chain. Kept elsewhere, it shows later that the tail was cut off (verify --against).')
    .addOption(chainOption().makeOptionMandatory());
  return withLedger(checkpoint).action(async (options: LedgerOptions & { readonly chain: string }) => {
    const client = await openClient(options, 'read');
    try {
      const note = await client.checkpoint(options.chain);
      if (options.json !== true) {
        output.raw(safeLines(note));
        return;
      }
      const { text, signatures } = parseNote(note);
      const { origin, size, root } = parseCheckpointText(text);
      output.json({ chainId: options.chain, origin, size, rootHash: hexEncode(root), keyIds: signatures.map(({ keyId }) => keyId), checkpoint: note });
    } finally {
      await client.close();
    }
  });
}
