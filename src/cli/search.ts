/** `indelible search`: entries by their metadata. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { SearchDocument, SearchQuery } from '../search/search-index.js';
import type { CliContext } from './command.js';
import { openClient } from './open-client.js';
import { chainOption, integer, withLedger } from './options.js';
import type { LedgerOptions } from './options.js';
import { counted, table } from './terminal.js';

interface Options extends LedgerOptions {
  readonly chain?: string;
  readonly action?: string;
  readonly actor?: { readonly actorType?: string; readonly actorId: string };
  readonly target?: string;
  readonly outcome?: string;
  readonly category?: string;
  readonly ip?: string;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly since?: string;
  readonly until?: string;
  readonly oldestFirst?: boolean;
  readonly limit: number;
  readonly cursor?: string;
}

export function command({ output }: CliContext): Command {
  const search = new Command('search')
    .description('Find entries: all filters must hold, all words must occur (at word starts, in any case).')
    .argument('[words...]', 'words in action, reason, names, ids or metadata')
    .addOption(chainOption('only this chain'))
    .option('--action <action>', 'the exact action')
    .addOption(new Option('--actor <type:id>', 'the actor; :id for any type').argParser(actor))
    .option('--target <target>', 'a target, as type:id or its id alone')
    .addOption(new Option('--outcome <outcome>').choices(['success', 'failure', 'denied']))
    .addOption(new Option('--category <category>').choices(['user', 'system', 'financial']))
    .option('--ip <address>', 'the exact address')
    .option('--request-id <id>')
    .option('--trace-id <id>')
    .option('--since <time>', 'received at this RFC 3339 time or later')
    .option('--until <time>', 'received before this RFC 3339 time')
    .option('--oldest-first', 'default: newest first')
    .addOption(new Option('--limit <count>', 'at most so many').argParser(integer(1, 1_000)).default(50))
    .option('--cursor <cursor>', '"next" of the page before');
  return withLedger(search).action(async (words: readonly string[], options: Options) => {
    const client = await openClient(options, 'read');
    try {
      const page = await client.search(queryOf(words, options));
      if (options.json === true) {
        output.json(page);
        return;
      }
      if (page.hits.length > 0) output.line(table(page.hits.map(rowOf)));
      const chains = Object.entries(page.completeThrough).map(([chainId, size]) => `${chainId} ${size}`);
      output.note(`${counted(page.hits.length, 'hit')}; complete for the first entries of each chain: ${chains.join(', ') || 'none'}`);
      if (page.next !== undefined) output.note(`more: --cursor ${page.next}`);
    } finally {
      await client.close();
    }
  });
}

/** `type:id`, or `:id` for any type. */
function actor(text: string): NonNullable<Options['actor']> {
  const colon = text.indexOf(':');
  if (colon < 0 || colon === text.length - 1) throw new InvalidArgumentError('Expected type:id, or :id for any type.');
  return { actorId: text.slice(colon + 1), ...(colon > 0 && { actorType: text.slice(0, colon) }) };
}

function queryOf(words: readonly string[], options: Options): SearchQuery {
  const { chain, action, target, outcome, category, ip, requestId, traceId, since, until, cursor } = options;
  return {
    order: options.oldestFirst === true ? 'oldest' : 'newest',
    limit: options.limit,
    ...options.actor,
    ...(words.length > 0 && { text: words.join(' ') }),
    ...(chain !== undefined && { chainId: chain }),
    ...(action !== undefined && { action }),
    ...(target !== undefined && { target }),
    ...(outcome !== undefined && { outcome }),
    ...(category !== undefined && { category }),
    ...(ip !== undefined && { ip }),
    ...(requestId !== undefined && { requestId }),
    ...(traceId !== undefined && { traceId }),
    ...(since !== undefined && { receivedFrom: since }),
    ...(until !== undefined && { receivedTo: until }),
    ...(cursor !== undefined && { cursor }),
  };
}

function rowOf(hit: SearchDocument): string[] {
  const targets = hit.targets.slice(0, 2).join(', ') + (hit.targets.length > 2 ? ', …' : '');
  return [hit.chainId, `#${hit.sequence}`, hit.receivedAt, hit.action, `${hit.actorType}:${hit.actorId}`, hit.outcome ?? '-', targets];
}
