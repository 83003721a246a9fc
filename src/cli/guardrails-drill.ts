/** `indelible guardrails drill`: tries the attacks on a scratch bucket, topic and index, and says what became of each. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { sha256Hex, utf8Encode } from '#platform';
import { canonicalize } from '../core/canonical.js';
import { SYSTEM_CHAIN } from '../compose/store.js';
import { loadConfig } from '../config.js';
import type { Config } from '../config.js';
import { FAMILIES } from '../guardrails/drill/attack.js';
import type { Family } from '../guardrails/drill/attack.js';
import type { AttackResult, DrillReport } from '../guardrails/drill/report.js';
import type { CliContext } from './command.js';
import { CliError, messageOf } from './failure.js';
import { dataDirOption, integer, jsonOption, progressOption } from './options.js';
import type { Output } from './output.js';
import { Progress } from './progress.js';
import { safe } from './terminal.js';

interface Options {
  readonly dataDir?: string;
  readonly bucket?: string;
  readonly adminProfile?: string;
  readonly only?: readonly Family[];
  readonly within: number;
  readonly reportDir?: string;
  readonly record?: boolean;
  readonly json?: boolean;
  readonly progress?: boolean;
}

const COLOURS = { refused: 'green', found: 'yellow', missed: 'red', untried: 'dim', inapplicable: 'dim' } as const;
const RESULTS = { passed: 'PASSED', missed: 'MISSED', incomplete: 'INCOMPLETE' } as const;

export function guardrailsDrill(context: CliContext): Command {
  return new Command('drill')
    .description(
      'Try attacks on a scratch bucket (and topic, index and key, where there are such) that is made like the log\'s, with the writer\'s and with an administrator\'s rights. ' +
        'Exit 0 each was refused or found, 2 one was missed, 1 not all could be tried.',
    )
    .addOption(dataDirOption())
    .addOption(new Option('--bucket <name>', 'an empty bucket that was prepared for the drill, instead of one that it makes'))
    .addOption(new Option('--admin-profile <name>', 'AWS profile of the administrator, instead of INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID, …_SECRET_ACCESS_KEY and …_SESSION_TOKEN'))
    .addOption(new Option('--only <families>', `only these attacks, separated by commas: ${FAMILIES.join(', ')}`).argParser(families))
    .addOption(new Option('--within <seconds>', 'how long monitoring is given to find what took effect').argParser(integer(1, 3_600)).default(30))
    .addOption(new Option('--report-dir <dir>', 'write drill.json and drill.html there'))
    .addOption(new Option('--record', 'append an entry about the drill to the log\'s own chain _system: counts, and the SHA-256 of the report'))
    .addOption(progressOption())
    .addOption(jsonOption())
    .action((options: Options) => run(context, options));
}

function families(text: string): readonly Family[] {
  const names = text.split(',').map((name) => name.trim());
  const chosen = FAMILIES.filter((family) => names.includes(family));
  const unknown = names.filter((name) => !(FAMILIES as readonly string[]).includes(name));
  if (unknown.length > 0) throw new InvalidArgumentError(`There are no attacks called ${unknown.join(', ')}; expected some of ${FAMILIES.join(', ')}.`);
  return chosen;
}

async function run({ output, exit }: CliContext, options: Options): Promise<void> {
  const config = loadConfig(process.env, options.dataDir === undefined ? {} : { dataDir: options.dataDir });
  if (config.store !== 's3') throw new CliError('usage', 'the drill attacks a bucket: it needs INDELIBLE_STORE=s3 and INDELIBLE_S3_BUCKET');
  const [{ runDrill }, { adminSettings, identitiesFrom }, { scratchNames }, { drillExitCode, drillJson, reportOfDrill, verdictText }] = await Promise.all([
    import('../guardrails/drill/drill.js'),
    import('../guardrails/drill/identities.js'),
    import('../guardrails/drill/scratch-names.js'),
    import('../guardrails/drill/report.js'),
  ]);
  const identities = identitiesFrom(process.env, options.adminProfile);
  const progress = new Progress(options.progress);
  const startedAt = new Date();
  const withinMs = options.within * 1_000;
  const results: AttackResult[] = [];
  try {
    const drilled = await runDrill({
      config,
      names: scratchNames(config, options.bucket),
      prepared: options.bucket !== undefined,
      identities,
      admin: adminSettings(config, process.env),
      families: options.only,
      withinMs,
      onStep: (step) => progress.show(() => safe(step)),
      onResult: (result) => void results.push(result),
    });
    progress.done();
    const report = reportOfDrill({ config, run: drilled, version: version(), startedAt, finishedAt: new Date(), withinMs });
    const text = drillJson(report);
    if (options.json === true) output.json(report);
    else printed(output, report, results, verdictText);
    exit(drillExitCode(report));
    if (options.reportDir !== undefined) await written(options.reportDir, report, text);
    if (options.record === true) await recorded(config, report, text);
  } finally {
    progress.done();
  }
}

function printed(output: Output, report: DrillReport, results: readonly AttackResult[], verdictText: (outcome: AttackResult['outcome']) => string): void {
  output.line(safe(report.lock));
  let family = '';
  for (const { title, rights, outcome, family: own } of results) {
    if (own !== family) output.line(`\n${own}`);
    family = own;
    output.line(`  ${title} (${rights}): ${output.paint(COLOURS[outcome.verdict], safe(verdictText(outcome)))}`);
  }
  if (report.notes.length > 0) output.line(`\n${report.notes.map(safe).join('\n')}`);
  for (const { what, until, how } of report.cleanup.stays) output.line(safe(`Stays: ${what}${until === undefined ? '' : `, until ${until}`}. To remove it: ${how}.`));
  const { refused, found, missed, untried, inapplicable } = report.counts;
  const rest = `${untried > 0 ? `, ${untried} not tried` : ''}${inapplicable > 0 ? `, ${inapplicable} with nothing to attack` : ''}`;
  output.line(`\n${output.paint(report.result === 'passed' ? 'green' : 'red', RESULTS[report.result])}  ${refused} refused, ${found} found, ${missed} missed${rest}`);
}

async function written(dir: string, report: DrillReport, text: string): Promise<void> {
  const { drillHtml } = await import('../guardrails/drill/html.js');
  try {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'drill.json'), text);
    await writeFile(join(dir, 'drill.html'), drillHtml(report));
  } catch (cause) {
    throw new CliError('report_not_written', `--report-dir: ${messageOf(cause)}`, { cause });
  }
}

/** Into the real log. Nothing but counts: what the drill saw stands in the report, which the hash names. */
async function recorded(config: Config, { result, counts, startedAt, finishedAt }: DrillReport, text: string): Promise<void> {
  const [{ openLedger }, { pino }] = await Promise.all([import('../service.js'), import('pino')]);
  const opened = await openLedger(config, pino({ level: 'silent' }));
  try {
    const event = canonicalize({
      action: 'guardrails.drilled',
      actor: { type: 'service', id: opened.writerId },
      category: 'system',
      occurredAt: finishedAt,
      outcome: result === 'passed' ? 'success' : 'failure',
      metadata: { ...counts, result, startedAt, reportSha256: sha256Hex(utf8Encode(text)) },
    });
    await opened.ledger.append(SYSTEM_CHAIN, [{ event }]);
  } finally {
    await opened.close();
  }
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}
