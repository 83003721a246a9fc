/** `indelible rebuild-index`: the search index anew, from nothing but the log. */
import { Command } from 'commander';
import type { CliContext } from './command.js';
import { openExisting } from './open-ledger.js';
import { dataDirOption, jsonOption, progressOption } from './options.js';
import { Progress } from './progress.js';
import { counted, grouped } from './terminal.js';

interface Options {
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly progress?: boolean;
}

export function command({ output, exit }: CliContext): Command {
  return new Command('rebuild-index')
    .description('Make the search index anew from the log. An index in Elasticsearch goes on answering meanwhile, and is replaced in one step; the local view starts empty and fills. Exit 3 if documents had to be set aside.')
    .addOption(dataDirOption())
    .addOption(progressOption())
    .addOption(jsonOption())
    .action(async ({ dataDir, json, progress: asked }: Options) => {
      const opened = await openExisting(dataDir);
      const progress = new Progress(asked);
      try {
        const { kind } = opened.search;
        const result = await opened.searchParts.rebuild(opened.ledger, ({ chainId, entries, size }) =>
          progress.show(() => `${chainId}: ${grouped(entries)} of ${grouped(size)} entries indexed`),
        );
        progress.done();
        if (json === true) output.json({ index: kind, ...result });
        else {
          output.line(`${kind === 'sqlite' ? 'the local view' : 'the index in Elasticsearch'} was rebuilt: ${counted(result.entries, 'entry', 'entries')} of ${counted(result.chains, 'chain')}`);
          if (result.setAside > 0) output.line(`${counted(result.setAside, 'document')} set aside: the index would not take them`);
        }
        exit(result.setAside > 0 ? 3 : 0);
      } finally {
        progress.done();
        await opened.close();
      }
    });
}
