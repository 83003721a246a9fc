/**
 * What the commands need of a ledger, wherever it is: a folder (`--data-dir`, opened by this process; several
 * processes on one folder are fine) or a running service (`--url`).
 */
import type { Receipt } from '../core/receipt.js';
import type { KeyView } from '../ledger/key-view.js';
import type { SearchPage, SearchQuery } from '../search/search-index.js';

export interface ClientItem {
  readonly entryId: string;
  /** RFC 8785 text of the event. */
  readonly event: string;
}

export interface AppendAnswer {
  readonly receipts: readonly Receipt[];
  /** How many of them the chain held already. */
  readonly replayed: number;
}

/** One entry as it was committed. */
export interface EntryView {
  readonly chainId: string;
  readonly sequence: number;
  readonly entryId: string;
  readonly receivedAt: string;
  readonly entryHash: string;
  readonly prevHash: string;
  /** `replicated`: the service knows it to be in the second bucket, too. */
  readonly state: 'durable' | 'replicated';
  /** The envelope, parsed. */
  readonly entry: { readonly event: Readonly<Record<string, unknown>>; readonly writerId: string };
}

/** One chain in trouble must not hide the others. */
export type ListedChain =
  | { readonly chainId: string; readonly state: 'open'; readonly size: number; readonly lastReceivedAt: string; readonly replicatedThrough?: number }
  | { readonly chainId: string; readonly state: 'halted'; readonly detail: string };

export interface KeysView {
  readonly deployment: string;
  readonly keys: readonly KeyView[];
}

/** A refusal of the ledger. `retry`: the same request may succeed later, and repeating it is safe. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: string;
  /** Position within the batch, where one item is to blame. */
  readonly item: number | undefined;
  /** Milliseconds to wait; `undefined` if trying again is of no use. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, options: { readonly item?: number | undefined; readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.item = options.item;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Every method may throw ClientError or what the layers below throw. */
export interface LedgerClient {
  /** For messages. */
  readonly location: string;
  /** All items or none, in order. Each carries its id, so that repeating the call is always safe. */
  append(chainId: string, items: readonly ClientItem[]): Promise<AppendAnswer>;
  entry(chainId: string, sequence: number): Promise<EntryView>;
  /** At most `limit` (1–1,000) entries from `from` on; none past the end of the chain. */
  entries(chainId: string, from: number, limit: number): Promise<readonly EntryView[]>;
  receipt(chainId: string, sequence: number): Promise<Receipt>;
  /** A receipt to the newest checkpoint. */
  proof(chainId: string, sequence: number): Promise<Receipt>;
  sequenceOf(chainId: string, entryId: string): Promise<number | undefined>;
  /** Number of entries. */
  size(chainId: string): Promise<number>;
  chains(): AsyncIterable<ListedChain>;
  /** The signed note. */
  checkpoint(chainId: string): Promise<string>;
  keys(chainId: string | undefined): Promise<KeysView>;
  search(query: SearchQuery): Promise<SearchPage>;
  close(): Promise<void>;
}
