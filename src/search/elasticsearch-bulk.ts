/**
 * Writing many documents without drowning Elasticsearch: so many requests at a time and no more, each of bounded
 * size, smaller ones after it said it has enough, pauses with jitter between the tries.
 */
import type { Client } from '@elastic/elasticsearch';
import type { Host } from '../ledger/host.js';
import { sleep } from '../ledger/host.js';
import { asking, SearchIndexError, statusOf } from './elasticsearch-client.js';
import { documentId, encode } from './elasticsearch-documents.js';
import type { SearchDocument } from './search-index.js';

const MAX_ACTIONS = 2_000;
/** Many tiny requests would burden a busy server more than they spare it. */
const MIN_ACTIONS = 100;
const MAX_BYTES = 4 * 1024 * 1024;
const IN_FLIGHT = 2;
/** Refusals in a row after which the work is given back: whoever ordered it tries again later. */
const MAX_REFUSALS = 12;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 3_000;

/** Of the document and not of the moment: the same one would be refused for ever. */
const REFUSED_FOR_GOOD = new Set([
  'mapper_parsing_exception',
  'document_parsing_exception',
  'strict_dynamic_mapping_exception',
  'illegal_argument_exception',
  'max_bytes_length_exceeded_exception',
]);

export interface BulkOutcome {
  /** Positions of documents whose id was taken already; only for `create`. */
  readonly present: readonly number[];
  /** Positions of documents that the index will never take, and why. */
  readonly rejected: readonly { readonly at: number; readonly reason: string }[];
}

interface Action {
  readonly at: number;
  readonly lines: readonly [action: string, source: string];
  readonly bytes: number;
}

/** The documents in order, each made into text when its turn comes: all at once would hold up the whole process. */
class ActionQueue {
  readonly #kind: 'create' | 'index';
  readonly #documents: readonly SearchDocument[];
  #next = 0;
  readonly #again: Action[] = [];

  constructor(kind: 'create' | 'index', documents: readonly SearchDocument[]) {
    this.#kind = kind;
    this.#documents = documents;
  }

  /** Up to `actions` of them and `bytes`; but one, if there is any. */
  take(actions: number, bytes: number): Action[] {
    const taken: Action[] = [];
    for (let room = bytes; taken.length < actions; ) {
      const action = this.#again.shift() ?? this.#make();
      if (action === undefined) break;
      if (taken.length > 0 && action.bytes > room) {
        this.#again.unshift(action);
        break;
      }
      room -= action.bytes;
      taken.push(action);
    }
    return taken;
  }

  putBack(actions: readonly Action[]): void {
    this.#again.unshift(...actions);
  }

  #make(): Action | undefined {
    const document = this.#documents[this.#next];
    if (document === undefined) return undefined;
    const lines = [`{"${this.#kind}":{"_id":${JSON.stringify(documentId(document))}}}`, JSON.stringify(encode(document))] as const;
    return { at: this.#next++, lines, bytes: Buffer.byteLength(lines[1]) + lines[0].length + 2 };
  }
}

interface ItemAnswer {
  readonly status: number;
  readonly error?: { readonly type?: string; readonly reason?: string; readonly caused_by?: { readonly reason?: string } };
}

export class BulkWriter {
  readonly #client: Client;
  readonly #host: Host;
  /** Actions in one request now; it halves when Elasticsearch has enough, and grows again with what it takes. */
  #size = MAX_ACTIONS;
  /** Of one request; less after one was too large, for good: that does not depend on how busy the server is. */
  #bytes = MAX_BYTES;
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(client: Client, host: Host) {
    this.#client = client;
    this.#host = host;
  }

  /**
   * Writes all of them through the alias, which must exist. `create` leaves documents alone that are there,
   * `index` replaces them. @throws SearchIndexError; then some may have been written
   */
  async write(kind: 'create' | 'index', alias: string, documents: readonly SearchDocument[]): Promise<BulkOutcome> {
    const queue = new ActionQueue(kind, documents);
    const present: number[] = [];
    const rejected: { at: number; reason: string }[] = [];
    let refusals = 0;
    const work = async (): Promise<void> => {
      for (let batch = queue.take(this.#size, this.#bytes); batch.length > 0; batch = queue.take(this.#size, this.#bytes)) {
        const again = await this.#limited(() => this.#send(alias, batch, present, rejected));
        if (again.length === 0) {
          refusals = 0;
          this.#size = Math.min(MAX_ACTIONS, this.#size + Math.ceil(this.#size / 10));
          continue;
        }
        queue.putBack(again);
        this.#size = Math.max(MIN_ACTIONS, Math.floor(Math.min(this.#size, batch.length) / 2));
        if (++refusals > MAX_REFUSALS) throw new SearchIndexError(`Elasticsearch has refused ${refusals} requests in a row for want of room`);
        await sleep(this.#host, this.#host.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(refusals, 10)));
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: IN_FLIGHT }, work));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return { present, rejected };
  }

  /** The actions that have to be sent again. */
  async #send(alias: string, batch: readonly Action[], present: number[], rejected: { at: number; reason: string }[]): Promise<Action[]> {
    let items: readonly Readonly<Record<string, ItemAnswer>>[];
    try {
      const answer = await asking('writing to the index', () =>
        this.#client.bulk({
          index: alias,
          // Without it, writing to an index that was deleted would make a new one that takes anything.
          require_alias: true,
          operations: batch.flatMap((action) => action.lines),
          filter_path: ['items.*.status', 'items.*.error.type', 'items.*.error.reason', 'items.*.error.caused_by.reason'],
        }),
      );
      items = answer.items as unknown as readonly Readonly<Record<string, ItemAnswer>>[];
    } catch (error) {
      const status = statusOf(error);
      if (status === 429) return [...batch];
      if (status !== 413) throw error;
      this.#bytes = Math.max(1, Math.floor(batch.reduce((sum, { bytes }) => sum + bytes, 0) / 2));
      if (batch.length > 1) return [...batch];
      for (const { at } of batch) rejected.push({ at, reason: 'Elasticsearch answered 413: the document is too large for it' });
      return [];
    }
    if (items.length !== batch.length) throw new SearchIndexError(`Elasticsearch answered for ${items.length} of ${batch.length} documents`);
    const again: Action[] = [];
    for (const [i, action] of batch.entries()) {
      const { status, error } = Object.values(items[i] ?? {})[0] ?? { status: 0 };
      if (status >= 200 && status < 300) continue;
      if (status === 409) present.push(action.at);
      else if (status === 429) again.push(action);
      else if (status === 400 && REFUSED_FOR_GOOD.has(error?.type ?? '')) rejected.push({ at: action.at, reason: reasonOf(error) });
      else throw new SearchIndexError(`writing to the index: Elasticsearch answered ${status} ${error?.type ?? ''}`.trimEnd());
    }
    return again;
  }

  async #limited<T>(call: () => Promise<T>): Promise<T> {
    while (this.#inFlight >= IN_FLIGHT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inFlight++;
    try {
      return await call();
    } finally {
      this.#inFlight--;
      this.#waiting.shift()?.();
    }
  }
}

/** Bounded: Elasticsearch repeats the value that it does not like. */
function reasonOf(error: ItemAnswer['error']): string {
  return [error?.type, error?.reason, error?.caused_by?.reason].filter((part) => part !== undefined).join(': ').slice(0, 500);
}
