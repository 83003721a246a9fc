/** `indelible export`: one file a regulator can keep. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { loadConfig } from '../config.js';
import { bundleName, writeFileAtomically } from '../evidence/exports.js';
import { writeBundle } from '../evidence/write-bundle.js';
import { findHead } from '../ledger/head.js';
import { formatMicros, systemHost } from '../ledger/host.js';
import type { CliContext } from './command.js';
import { openLedgerStore, placeOf } from './embedded-client.js';
import { CliError } from './failure.js';
import { chainOption, dataDirOption, jsonOption, progressOption, sequence } from './options.js';
import { Progress } from './progress.js';
import { bytesText, fields, grouped, safe } from './terminal.js';

interface Options {
  readonly dataDir?: string;
  readonly chain: string;
  readonly from: number;
  readonly to?: number;
  readonly output?: string;
  readonly progress?: boolean;
  readonly json?: boolean;
}

export function command(context: CliContext): Command {
  return new Command('export')
    .description('Write a range of a chain with its proofs and public key to one file, which verify-bundle checks anywhere. Everything is verified on the way.')
    .addOption(dataDirOption())
    .addOption(chainOption().makeOptionMandatory())
    .addOption(new Option('--from <sequence>', 'first sequence').argParser(sequence).default(0))
    .addOption(new Option('--to <sequence>', 'last sequence (default: the newest)').argParser(sequence))
    .addOption(new Option('-o, --output <file>', 'the file to write; must not exist (default: CHAIN-FROM-TO.bundle.ndjson)'))
    .addOption(progressOption())
    .addOption(jsonOption())
    .action((options: Options) => run(context, options));
}

async function run({ output }: CliContext, options: Options): Promise<void> {
  const { chain, from } = options;
  const config = loadConfig(process.env, options.dataDir === undefined ? {} : { dataDir: options.dataDir });
  const { store, trust } = await openLedgerStore(config);
  const { head } = await findHead(store, chain, trust);
  if (head.size === 0) throw new CliError('chain_not_found', `there is no chain ${chain} in ${placeOf(config)}`);
  const to = options.to ?? head.size - 1;
  if (from > to || to >= head.size) throw new CliError('range_invalid', `expected from ≤ to < ${head.size}, got from ${from}, to ${to}`);
  const file = options.output ?? bundleName(chain, from, to);
  // What is there may be somebody's evidence.
  if (existsSync(file)) throw new CliError('output_exists', `${file} exists already`);
  const progress = new Progress(options.progress);
  const digest = createHash('sha256');
  let bytes = 0;
  async function* measured(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      digest.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  try {
    const onProgress = (entries: number): void => progress.show(() => `${grouped(entries)} of ${grouped(to - from + 1)} entries written`);
    await writeFileAtomically(file, measured(writeBundle({ store, trust, chainId: chain, from, to, createdAt: formatMicros(systemHost.micros()), onProgress })));
  } finally {
    progress.done();
    await store.close();
  }
  const result = { chainId: chain, from, to, count: to - from + 1, file, bytes, sha256: digest.digest('hex') };
  if (options.json === true) {
    output.json(result);
    return;
  }
  output.line(`exported ${grouped(result.count)} entries of ${safe(chain)} to ${safe(file)}`);
  output.line(fields([['sequences', `${from} to ${to}`], ['size', bytesText(bytes)], ['SHA-256', result.sha256], ['check with', `indelible verify-bundle ${file}`]], '  '));
}
