/** `indelible reconcile`: whether what was derived from the log still says what the log says. */
import { Command } from 'commander';
import { systemHost } from '../ledger/host.js';
import { DIFFERENCES, reconcile } from '../reconcile/reconcile.js';
import type { Discrepancy, ReconcileReport, ReconcileVerdict } from '../reconcile/reconcile.js';
import type { CliContext } from './command.js';
import type { ExitCode } from './failure.js';
import { openExisting } from './open-ledger.js';
import { chainOption, dataDirOption, jsonOption, progressOption } from './options.js';
import { Progress } from './progress.js';
import { counted, grouped, safe } from './terminal.js';

interface Options {
  readonly dataDir?: string;
  readonly chain?: string;
  readonly backfill?: boolean;
  readonly json?: boolean;
  readonly progress?: boolean;
}

const EXIT: Readonly<Record<ReconcileVerdict, ExitCode>> = { equal: 0, different: 2, incomplete: 3 };
/** Discrepancies shown; `--json` has more. */
const SHOWN = 20;

export function command({ output, exit }: CliContext): Command {
  return new Command('reconcile')
    .description('Compare the search index, and the mirror if there is one, with the log, entry by entry. Exit 0 equal, 2 it held what the log does not say, 3 entries are lacking.')
    .addOption(dataDirOption())
    .addOption(chainOption('only this chain; default: all'))
    .option('--backfill', 'put right what is missing or wrong in the index')
    .addOption(progressOption())
    .addOption(jsonOption())
    .action(async ({ dataDir, chain, backfill, json, progress: asked }: Options) => {
      const opened = await openExisting(dataDir);
      const progress = new Progress(asked);
      try {
        const report = await reconcile({
          ledger: opened.ledger,
          host: systemHost,
          copies: opened.copies,
          ...(chain !== undefined && { chainId: chain }),
          ...(backfill === true && { backfill }),
          onProgress: (at) => progress.show(() => `${at.chainId}: ${grouped(at.entries)} of ${grouped(at.size)} entries compared with the ${at.copy}`),
        });
        progress.done();
        if (json === true) output.json(report);
        else output.line(textOf(report));
        exit(EXIT[report.verdict]);
      } finally {
        progress.done();
        await opened.close();
      }
    });
}

function textOf({ verdict, entriesCompared, chains, discrepancies, discrepanciesLeftOut, unread }: ReconcileReport): string {
  const lines = [`${verdict.toUpperCase()}  ${counted(entriesCompared, 'entry', 'entries')} of ${counted(chains.length, 'chain')} compared`];
  for (const { copy, chainId, found, repaired } of chains) {
    const counts = DIFFERENCES.filter((kind) => found[kind] > 0).map((kind) => `${grouped(found[kind])} ${kind}`);
    if (counts.length > 0) lines.push(`${copy} of ${chainId}: ${counts.join(', ')}; put right: ${grouped(repaired)}`);
  }
  for (const discrepancy of discrepancies.slice(0, SHOWN)) lines.push(`  ${lineOf(discrepancy)}`);
  const more = discrepancies.length - SHOWN + discrepanciesLeftOut;
  if (more > 0) lines.push(`  and ${grouped(more)} more`);
  for (const { chainId, reason } of unread) lines.push(`chain ${chainId} could not be read: ${safe(reason)}`);
  return lines.join('\n');
}

function lineOf({ copy, kind, chainId, sequence, lastSequence, id }: Discrepancy): string {
  const entry = sequence === undefined ? '' : ` #${sequence}${lastSequence === undefined ? '' : `–${lastSequence}`}`;
  return `${kind}: ${chainId ?? copy}${entry}${id === undefined ? '' : ` (${safe(id)})`}`;
}
