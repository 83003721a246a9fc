/** The ledger behind a running service. */
import type { Receipt } from '../core/receipt.js';
import type { SearchPage, SearchQuery } from '../search/search-index.js';
import { CliError, messageOf } from './failure.js';
import { ClientError } from './ledger-client.js';
import type { AppendAnswer, ClientItem, EntryView, KeysView, LedgerClient, ListedChain } from './ledger-client.js';

const TIMEOUT_MS = 60_000;
const RETRY_AFTER_MS = 1_000;
const PAGE = 1_000;

interface ProblemBody {
  readonly code?: string;
  readonly detail?: string;
  readonly title?: string;
  readonly item?: number;
}

export class HttpClient implements LedgerClient {
  readonly location: string;
  readonly #token: string | undefined;
  /** A service that was never reached is probably misspelt; one that was may be restarting. */
  #reached = false;

  /** @throws CliError if `url` is none */
  constructor(url: string, token: string | undefined) {
    let base: URL;
    try {
      base = new URL(url);
    } catch (cause) {
      throw new CliError('url_invalid', `--url expected http://host:port, got ${JSON.stringify(url)}`, { cause });
    }
    if (base.protocol !== 'http:' && base.protocol !== 'https:') {
      throw new CliError('url_invalid', `--url expected http:// or https://, got ${JSON.stringify(url)}`);
    }
    this.location = base.href.replace(/\/+$/, '');
    this.#token = token;
  }

  async append(chainId: string, items: readonly ClientItem[]): Promise<AppendAnswer> {
    // An event's canonical text is an object with members, so the id can go in front of them.
    const body = items.map(({ entryId, event }) => `{"entryId":"${entryId}",${event.slice(1)}\n`).join('');
    const response = await this.#call(`/v1/chains/${chainId}/entries/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body,
    });
    const { receipts } = (await json(response)) as { receipts: readonly Receipt[] };
    return { receipts, replayed: response.status === 200 ? receipts.length : replayedOf(receipts) };
  }

  async entry(chainId: string, sequence: number): Promise<EntryView> {
    return (await json(await this.#call(`/v1/chains/${chainId}/entries/${sequence}`))) as EntryView;
  }

  async entries(chainId: string, from: number, limit: number): Promise<readonly EntryView[]> {
    const page = (await json(await this.#call(`/v1/chains/${chainId}/entries?from=${from}&limit=${limit}`))) as { entries: Omit<EntryView, 'chainId'>[] };
    return page.entries.map((entry) => ({ chainId, ...entry }));
  }

  /** The service hands out receipts to the newest checkpoint: as good as the first one. */
  receipt(chainId: string, sequence: number): Promise<Receipt> {
    return this.proof(chainId, sequence);
  }

  async proof(chainId: string, sequence: number): Promise<Receipt> {
    return (await json(await this.#call(`/v1/chains/${chainId}/entries/${sequence}/proof`))) as Receipt;
  }

  async sequenceOf(chainId: string, entryId: string): Promise<number | undefined> {
    const answer = await json(await this.#call(`/v1/chains/${chainId}/exists/${encodeURIComponent(entryId)}`));
    return (answer as { sequence?: number }).sequence;
  }

  async size(chainId: string): Promise<number> {
    return Number((await this.checkpoint(chainId)).split('\n')[1]);
  }

  async *chains(): AsyncIterable<ListedChain> {
    for (let after = ''; ; ) {
      const page = (await json(await this.#call(`/v1/chains?limit=${PAGE}${after}`))) as { chains: ListedChain[]; next?: string | null };
      yield* page.chains;
      if (typeof page.next !== 'string') return;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
  }

  async checkpoint(chainId: string): Promise<string> {
    return (await this.#call(`/v1/chains/${chainId}/checkpoint`, { headers: { accept: 'text/plain' } })).text();
  }

  async keys(chainId: string | undefined): Promise<KeysView> {
    return (await json(await this.#call(`/v1/keys${chainId === undefined ? '' : `?chainId=${chainId}`}`))) as KeysView;
  }

  async search(query: SearchQuery): Promise<SearchPage> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query) as [string, string | number | undefined][]) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    return (await json(await this.#call(`/v1/search?${parameters.toString()}`))) as SearchPage;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** @throws ClientError for an answer that is no success, and for none */
  async #call(path: string, init: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {}): Promise<Response> {
    const headers = { accept: 'application/json', ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }), ...init.headers };
    let response: Response;
    try {
      response = await fetch(`${this.location}${path}`, { ...init, headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (cause) {
      const why = messageOf((cause as Error).cause ?? cause);
      throw new ClientError('service_unreachable', `no answer from ${this.location}: ${why === '' ? messageOf(cause) : why}`, {
        retryAfterMs: this.#reached ? RETRY_AFTER_MS : undefined,
        cause,
      });
    }
    this.#reached = true;
    if (response.ok) return response;
    throw await problem(response, this.#token !== undefined);
  }
}

async function problem(response: Response, tokenGiven: boolean): Promise<ClientError> {
  const text = await response.text().catch(() => '');
  let body: ProblemBody = {};
  try {
    body = JSON.parse(text) as ProblemBody;
  } catch {
    // A proxy in between answers in a form of its own.
  }
  const hint = response.status === 401 && !tokenGiven ? '; give one in INDELIBLE_TOKEN' : '';
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ClientError(body.code ?? `http_${response.status}`, `${body.detail ?? body.title ?? `the service answered ${response.status}`}${hint}`, {
    item: body.item,
    // A halted chain needs an operator, not patience.
    retryAfterMs: response.status === 503 && body.code !== 'chain_halted' ? (Number.isFinite(wait) ? wait * 1_000 : RETRY_AFTER_MS) : undefined,
  });
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    throw new ClientError('answer_malformed', `the answer is not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** New entries of one call share one commit, the newest; what stands elsewhere, or twice, was there before. */
function replayedOf(receipts: readonly Receipt[]): number {
  const newest = receipts.reduce((best, receipt) => (receipt.sequence > best.sequence ? receipt : best));
  const fresh = new Set(receipts.filter((receipt) => receipt.checkpoint === newest.checkpoint).map((receipt) => receipt.sequence));
  return receipts.length - fresh.size;
}
