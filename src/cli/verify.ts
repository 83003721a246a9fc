/** `indelible verify`: judges chains in a folder, without a service and without changing anything. */
import { Command, Option } from 'commander';
import { loadConfig } from '../config.js';
import type { Config } from '../config.js';
import { exitCodeOf } from '../core/findings.js';
import type { Verdict } from '../core/findings.js';
import { dataPaths } from '../data-paths.js';
import { EvidenceFormatError, readEvidenceFile } from '../verification/evidence.js';
import type { Evidence } from '../verification/evidence.js';
import type { StoreReader } from '../storage/worm-store.js';
import { MarkFolder, signMark } from '../verification/mark.js';
import type { VerificationReport } from '../verification/report.js';
import { openStore, storeConfigOf } from '../verification/store-config.js';
import type { StoreConfig } from '../verification/store-config.js';
import { verifyAll, worstVerdict } from '../verification/verify-all.js';
import { verifyChain } from '../verification/verify-chain.js';
import type { CliContext } from './command.js';
import { CliError, messageOf } from './failure.js';
import { chainOption, dataDirOption, integer, jsonOption, progressOption, sequence } from './options.js';
import { Progress } from './progress.js';
import { deploymentOption, publicKeyOption, publicKeysOf } from './public-keys.js';
import { reportText } from './report-text.js';
import { grouped } from './terminal.js';
import { openHints } from './view-hints.js';

interface Options {
  readonly dataDir?: string;
  readonly chain?: string;
  readonly from?: number;
  readonly to?: number;
  readonly against?: readonly string[];
  readonly publicKey?: readonly string[];
  readonly deployment?: string;
  readonly incremental?: boolean;
  readonly replica?: boolean;
  readonly againstReplica?: boolean;
  readonly retention?: boolean;
  readonly workers?: number;
  readonly json?: boolean;
  readonly progress?: boolean;
}

export function command(context: CliContext): Command {
  return new Command('verify')
    .description('Verify chains as they lie in the folder. Needs no running service and no private key, and changes nothing.')
    .addOption(dataDirOption())
    .addOption(chainOption('only this chain; default: all'))
    .addOption(new Option('--from <sequence>', 'first sequence; needs --chain').argParser(sequence))
    .addOption(new Option('--to <sequence>', 'last sequence; needs --chain').argParser(sequence))
    .addOption(new Option('--against <file...>', 'hold the chains against receipts (one, or one a line), checkpoints, marks or bundles kept elsewhere: shows a tail cut off'))
    .addOption(publicKeyOption())
    .addOption(deploymentOption())
    .addOption(new Option('--incremental', 'begin where the last one ended, and sign for what was found intact').conflicts(['from', 'to']))
    .addOption(new Option('--replica', 'verify the second bucket (INDELIBLE_S3_REPLICA_BUCKET) by itself').conflicts(['againstReplica', 'incremental']))
    .addOption(new Option('--against-replica', 'hold the chains against the second bucket, byte for byte').conflicts(['from', 'to', 'incremental']))
    .addOption(new Option('--retention', 'also ask for the retention of each segment and hold it against the settings: a request a segment').conflicts(['replica', 'againstReplica']))
    .addOption(new Option('--workers <count>', 'threads; 0: none beside the main one').argParser(integer(0, 256)))
    .addOption(progressOption())
    .addOption(jsonOption())
    .action((options: Options) => run(context, options));
}

async function run({ output, exit }: CliContext, options: Options): Promise<void> {
  if (options.chain === undefined && (options.from !== undefined || options.to !== undefined)) throw new CliError('usage', '--from and --to need --chain');
  const settings = loadConfig(process.env, options.dataDir === undefined ? {} : { dataDir: options.dataDir });
  const { dataDir } = settings;
  const paths = dataPaths(dataDir);
  const keys = publicKeysOf(options.publicKey);
  const against = (await Promise.all((options.against ?? []).map(evidence))).flat();
  const config = options.replica === true ? await secondOf(settings) : storeConfigOf(settings);
  const store = await openStore(config);
  const second = options.againstReplica === true ? await openStore(await secondOf(settings)) : undefined;
  const hints = openHints(dataDir);
  const progress = new Progress(options.progress);
  const marks = new MarkFolder(paths.marks);
  const mark = options.incremental === true ? (chainId: string) => marks.read(chainId) : undefined;
  const common = {
    store,
    config,
    against,
    ...((keys.length > 0 || options.deployment !== undefined) && { trust: { keys, ...(options.deployment !== undefined && { deployment: options.deployment }) } }),
    hints,
    ...(options.workers !== undefined && { workers: options.workers }),
    ...(options.retention === true && {
      retention: { mode: settings.retentionMode, days: settings.retentionDays, onProgress: (segments: number) => progress.show(() => `retention of ${grouped(segments)} segments seen`) },
    }),
    onProgress: ({ chainId, entries, totalEntries, entriesPerSecond }: { chainId: string; entries: number; totalEntries?: number; entriesPerSecond: number }) =>
      progress.show(() => `${chainId}: ${grouped(entries)}${totalEntries === undefined ? '' : ` of ${grouped(totalEntries)}`} entries verified, ${grouped(entriesPerSecond)}/s`),
  };
  const reports: VerificationReport[] = [];
  try {
    for await (const report of second !== undefined ? againstSecond(second) : options.chain === undefined ? verifyAll({ ...common, ...(mark !== undefined && { mark }) }) : one(options.chain)) {
      progress.done();
      reports.push(report);
      if (options.json !== true) output.line(`${reports.length > 1 ? '\n' : ''}${reportText(output, report, store.location)}`);
      if (mark !== undefined && report.verdict === 'intact') await leaveMark(report);
    }
  } finally {
    progress.done();
    await hints.close();
    await store.close();
    await second?.close();
  }
  // A store without a chain shows nothing, least of all that nothing is missing.
  const verdict: Verdict = reports.length === 0 ? 'indeterminate' : worstVerdict(reports.map((report) => report.verdict));
  if (options.json === true) output.json({ verdict, chains: reports });
  else if (reports.length === 0) output.line(`INDETERMINATE  the ${config.kind === 's3' ? 'bucket' : 'folder'} holds no chain`);
  else if (reports.length > 1) output.line(`\n${reports.length} chains: ${tally(reports)}`);
  exit(exitCodeOf(verdict));

  async function* one(chainId: string): AsyncGenerator<VerificationReport> {
    const { from, to } = options;
    const note = await mark?.(chainId);
    yield await verifyChain({ ...common, chainId, ...(from !== undefined && { from }), ...(to !== undefined && { to }), ...(note !== undefined && { mark: note }) });
  }

  async function* againstSecond(other: StoreReader): AsyncGenerator<VerificationReport> {
    const { verifyAgainst } = await import('../replica/verify.js');
    yield* verifyAgainst({ ...common, second: other, chainId: options.chain });
  }

  async function leaveMark(report: VerificationReport): Promise<void> {
    try {
      const { LocalKeySigner } = await import('../signing/local-key.js');
      const signer = settings.signer === 'kms' ? await (await import('../compose/signer.js')).openSigner(settings) : await LocalKeySigner.openExisting(paths.keys);
      await marks.write(report.chainId, await signMark(signer, report));
    } catch (error) {
      output.note(`no mark was left for chain ${report.chainId}, the next verification reads all of it: ${messageOf(error)}`);
    }
  }
}

async function secondOf(settings: Config): Promise<StoreConfig> {
  const { replicaConfigOf } = await import('../replica/open.js');
  const second = replicaConfigOf(settings);
  if (second === undefined) throw new CliError('usage', 'there is no second bucket: name it in INDELIBLE_S3_REPLICA_BUCKET');
  return second;
}

async function evidence(file: string): Promise<readonly Evidence[]> {
  try {
    return await readEvidenceFile(file);
  } catch (cause) {
    const prefix = cause instanceof EvidenceFormatError ? '' : `${file}: `;
    throw new CliError('evidence_unreadable', `--against: ${prefix}${messageOf(cause)}`, { cause });
  }
}

function tally(reports: readonly VerificationReport[]): string {
  const counts = new Map<string, number>();
  for (const { verdict } of reports) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', ');
}
