/** `indelible append`: one event from the command line, or many from files or stdin. */
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Argument, Command, Option } from 'commander';
import { parseEvent } from '../core/event.js';
import { decodeStrict, parseStrict } from '../core/json.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { Receipt } from '../core/receipt.js';
import { AppendRun } from './append-run.js';
import type { AppendSummary } from './append-run.js';
import type { CliContext } from './command.js';
import { CliError, messageOf } from './failure.js';
import { IMPORTERS } from './import/formats.js';
import { inputBytes, STDIN } from './import/input.js';
import type { Importer, SourceItem } from './import/source.js';
import { openClient } from './open-client.js';
import { chainOption, entryId, integer, party, progressOption, repeated, withLedger } from './options.js';
import type { LedgerOptions, PartyArgument } from './options.js';
import { Progress } from './progress.js';
import { counted, fields, grouped } from './terminal.js';

interface Options extends LedgerOptions {
  readonly chain: string;
  readonly action?: string;
  readonly actor?: PartyArgument;
  readonly target?: readonly PartyArgument[];
  readonly outcome?: string;
  readonly category?: string;
  readonly reason?: string;
  readonly occurredAt?: string;
  readonly metadata?: string;
  readonly id?: string;
  readonly file?: readonly string[];
  readonly format: string;
  readonly idFrom?: string;
  readonly numbersAsStrings?: boolean;
  readonly skipInvalid?: string;
  readonly receipts?: string;
  readonly retryFor: number;
  readonly progress?: boolean;
}

/** Options that describe the one event; with `--file` they would be ignored, so they are refused. */
const EVENT_OPTIONS = ['action', 'actor', 'target', 'outcome', 'category', 'reason', 'occurredAt', 'metadata', 'id'] as const;

export function command(context: CliContext): Command {
  const append = new Command('append')
    .description('Append one event given by options, or many from files or stdin, and answer when they are durable.')
    .addArgument(new Argument('[input]', '- to read events from stdin').choices([STDIN]))
    .addOption(chainOption('the chain; the first entry makes it').makeOptionMandatory())
    .option('--action <action>', 'what happened, such as order.place')
    .addOption(new Option('--actor <type:id>', 'who did it').argParser(party))
    .addOption(new Option('--target <type:id...>', 'to what').argParser(repeated(party)))
    .addOption(new Option('--outcome <outcome>').choices(['success', 'failure', 'denied']))
    .addOption(new Option('--category <category>').choices(['user', 'system', 'financial']))
    .option('--reason <text>')
    .option('--occurred-at <time>', 'when, RFC 3339')
    .option('--metadata <json>', 'a JSON object, or @file')
    .addOption(new Option('--id <id>', 'the event\'s own id: appended once, however often it is sent').argParser(entryId))
    .addOption(new Option('--file <files...>', 'read events from files, gzip too').conflicts(['action', 'actor']))
    .addOption(new Option('--format <format>', 'of --file or stdin').choices(IMPORTERS.map(({ name }) => name)).default('ndjson'))
    .option('--id-from <field>', 'ndjson: take ids from this member (dotted path), or "line" for position and hash, so that a repeated import appends nothing twice')
    .option('--numbers-as-strings', 'keep numbers that no double holds exactly as strings; else they are refused')
    .option('--skip-invalid <file>', 'go on after a refused line or record; it is added to the file with the reason')
    .option('--receipts <file>', 'add the receipts to the file, one a line')
    .addOption(new Option('--retry-for <seconds>', 'how long to repeat a batch while the ledger is busy').argParser(integer(0, 86_400)).default(30))
    .addOption(progressOption())
    .addHelpText('after', () => `\nFormats:\n${fields(IMPORTERS.map(({ name, summary }) => [name, summary]), '  ')}`);
  return withLedger(append).action((input: string | undefined, options: Options) => run(context, input, options));
}

async function run({ output, exit }: CliContext, input: string | undefined, options: Options): Promise<void> {
  const files = [...(options.file ?? []), ...(input === undefined ? [] : [input])];
  checkUsage(files, options);
  const importer = IMPORTERS.find(({ name }) => name === options.format) as Importer;
  const sources = files.length > 0 ? files.map((file) => importer.items(inputBytes(file), { numbersAsStrings: options.numbersAsStrings === true })) : [only(await eventOf(options))];
  const progress = new Progress(options.progress);
  const started = performance.now();
  const receiptsFile = await openForAdding(options.receipts);
  const asideFile = await openForAdding(options.skipInvalid);
  const client = await openClient(options, 'append');
  let last: Receipt | undefined;
  let file: string | undefined;
  try {
    const appending = new AppendRun({
      client,
      chainId: options.chain,
      unit: files.length === 0 ? 'event' : importer.unit,
      idFrom: options.idFrom,
      retryForMs: options.retryFor * 1_000,
      setAside: asideFile === undefined ? undefined : async (refused) => asideFile.appendFile(`${JSON.stringify({ ...(files.length > 1 && { file }), ...refused })}\n`),
      onReceipts: async (receipts) => {
        last = receipts.at(-1);
        await receiptsFile?.appendFile(receipts.map((receipt) => `${JSON.stringify(receipt)}\n`).join(''));
      },
      onProgress: ({ appended, replayed, skipped }) => {
        progress.show(() => `${grouped(appended + replayed)} entries, ${skipped} refused, ${grouped(Math.round(((appended + replayed) * 1_000) / (performance.now() - started)))}/s`);
      },
    });
    for (const [i, source] of sources.entries()) {
      file = files[i];
      await adding(file, files.length, () => appending.add(source));
    }
    progress.done();
    const { summary } = appending;
    if (options.json === true) output.json({ chainId: options.chain, ...summary, ...(files.length === 0 && { receipt: last }) });
    else output.line(summaryText(options, summary, files.length === 0 ? last : undefined));
    exit(summary.skipped > 0 ? 1 : 0);
  } finally {
    progress.done();
    await client.close();
    await receiptsFile?.close();
    await asideFile?.close();
  }
}

function checkUsage(files: readonly string[], options: Options): void {
  const given = EVENT_OPTIONS.filter((name) => options[name] !== undefined);
  if (files.length > 0 && given.length > 0) throw new CliError('usage', `--${given[0] ?? ''} describes one event; it has no meaning with events from a file or stdin`);
  if (files.length === 0 && (options.action === undefined || options.actor === undefined)) {
    throw new CliError('usage', 'give an event (--action and --actor), --file, or - for stdin');
  }
  if (files.length === 0 && options.format !== 'ndjson') throw new CliError('usage', '--format has a meaning only with --file or stdin');
  if (options.idFrom !== undefined && options.format !== 'ndjson') throw new CliError('usage', `--id-from: format ${options.format} brings ids of its own`);
}

/** Says which file it was, where there are several. */
async function adding(file: string | undefined, files: number, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (files < 2 || !(error instanceof CliError)) throw error;
    throw new CliError(error.code, `${file ?? ''}: ${error.message}`, { details: { ...error.details, file }, cause: error });
  }
}

async function eventOf(options: Options): Promise<SourceItem> {
  const { action, actor, target, outcome, category, reason, occurredAt, metadata, id } = options;
  const members = { action, actor, targets: target, outcome, category, reason, occurredAt, entryId: id, metadata: metadata === undefined ? undefined : await metadataOf(metadata) };
  const event = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as unknown as JsonObject;
  return { position: 1, text: JSON.stringify(event), read: () => parseEvent(event) };
}

async function metadataOf(argument: string): Promise<JsonValue> {
  const bytes = argument.startsWith('@') ? await readFile(argument.slice(1)) : Buffer.from(argument);
  // Metadata is the second level of its event.
  return parseStrict(decodeStrict(bytes), { path: '/metadata', outerLevels: -1 });
}

// eslint-disable-next-line @typescript-eslint/require-await -- the same shape as a file of many
async function* only(item: SourceItem): AsyncGenerator<SourceItem> {
  yield item;
}

async function openForAdding(file: string | undefined): Promise<FileHandle | undefined> {
  try {
    return file === undefined ? undefined : await open(file, 'a');
  } catch (cause) {
    throw new CliError('output_unwritable', `${file ?? ''}: ${messageOf(cause)}`, { cause });
  }
}

function summaryText(options: Options, summary: AppendSummary, single: Receipt | undefined): string {
  const { appended, replayed, skipped, firstSequence, lastSequence } = summary;
  if (single !== undefined) {
    const verb = replayed > 0 ? 'was there already:' : 'appended to';
    return fields([[verb, `${options.chain} #${single.sequence}`], ['id', single.entryId], ['received', single.receivedAt], ['hash', single.entryHash]]);
  }
  const where = firstSequence === undefined ? '' : ` (sequences ${firstSequence} to ${lastSequence ?? firstSequence})`;
  const parts = [`appended ${counted(appended, 'entry', 'entries')} to ${options.chain}${where}`];
  if (replayed > 0) parts.push(`${grouped(replayed)} were there already`);
  if (skipped > 0) parts.push(`${grouped(skipped)} refused, see ${options.skipInvalid ?? ''}`);
  return parts.join('; ');
}
