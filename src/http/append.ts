/**
 * The hot routes: POST …/entries and …/entries/batch. Called by the server directly, without Express, which
 * would take longer than all of parsing, hashing and storing an event together (docs/performance.md).
 */
import type { Authenticator } from '../access/authenticator.js';
import { canonicalize } from '../core/canonical.js';
import { isChainId, isEntryId } from '../core/chain.js';
import { instantMillis } from '../core/instant.js';
import { pointerSegment } from '../core/intake-error.js';
import { IntakeError, MAX_LENGTH, decodeStrict, parseStrict } from '../core/json.js';
import type { JsonValue } from '../core/json.js';
import { parseEvent } from '../core/event.js';
import { readPlainEvent, readPlainEvents } from '../core/plain-event.js';
import type { PlainEvent } from '../core/plain-event.js';
import { MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import type { Ledger } from '../ledger/ledger.js';
import type { AppendedEntry, AppendItem } from '../ledger/sequencer.js';
import { authorize } from './access.js';
import { readBody } from './body.js';
import type { Exchange } from './exchange.js';
import { acceptable, bodyType, JSON_TYPE, NDJSON_TYPE } from './media.js';
import type { Metrics } from './metrics.js';
import { Problem, problemOf } from './problem.js';
import { receiptText } from './receipt-text.js';

/** Far more than an entry may hold, since white space and escapes in the text don't count. */
export const MAX_EVENT_BODY = 1_048_576;
export const MAX_BATCH_BODY = MAX_LENGTH;
/** A producer's clock may be wrong, or in a time zone it does not know of; beyond that it is an error. */
export const MAX_AHEAD_MS = 86_400_000;

export const ENTRIES_ROUTE = '/v1/chains/{chainId}/entries';
export const BATCH_ROUTE = '/v1/chains/{chainId}/entries/batch';

const SINGLE_TYPES = [JSON_TYPE] as const;
const BATCH_TYPES = [JSON_TYPE, NDJSON_TYPE] as const;
const ANSWERED_AS = [JSON_TYPE] as const;

export interface AppendDeps {
  readonly ledger: Ledger;
  readonly access: Authenticator;
  readonly metrics: Metrics;
  readonly now: () => number;
}

export class AppendHandlers {
  readonly #deps: AppendDeps;

  constructor(deps: AppendDeps) {
    this.#deps = deps;
  }

  single(exchange: Exchange, chainId: string): void {
    exchange.route = ENTRIES_ROUTE;
    try {
      this.#admit(exchange, chainId);
      bodyType(exchange.req, SINGLE_TYPES);
      const key = idempotencyKey(exchange);
      readBody(exchange, MAX_EVENT_BODY, (body) => {
        const item = this.#intake(() => this.#single(decodeStrict(body), key), 1);
        exchange.traced(() => this.#deps.ledger.append(chainId, [item])).then(
          (entries) => {
            try {
              const { segment, at, replayed } = entries[0] as AppendedEntry;
              this.#deps.metrics.append(replayed ? 'replayed' : 'appended', 1);
              exchange.sendAscii(replayed ? 200 : 201, receiptText(segment, at), `/v1/chains/${chainId}/entries/${segment.firstSequence + at}`);
            } catch (error) {
              exchange.fail(error);
            }
          },
          (error: unknown) => this.#failed(exchange, error, 1, 'whole'),
        );
      });
    } catch (error) {
      exchange.fail(error);
    }
  }

  batch(exchange: Exchange, chainId: string): void {
    exchange.route = BATCH_ROUTE;
    try {
      this.#admit(exchange, chainId);
      const type = bodyType(exchange.req, BATCH_TYPES);
      if (idempotencyKey(exchange) !== undefined) {
        throw new Problem('header_invalid', 'a batch has no id of its own: give each event its entryId', { field: 'idempotency-key' });
      }
      readBody(exchange, MAX_BATCH_BODY, (body) => {
        const text = decodeStrict(body);
        const items = this.#intake(() => (type === NDJSON_TYPE ? this.#lines(text) : this.#array(text)), undefined);
        exchange.traced(() => this.#deps.ledger.append(chainId, items)).then(
          (entries) => {
            try {
              const replayed = entries.reduce((count, entry) => count + Number(entry.replayed), 0);
              this.#deps.metrics.append('replayed', replayed);
              this.#deps.metrics.append('appended', entries.length - replayed);
              exchange.sendAscii(replayed === entries.length ? 200 : 201, receiptsBody(entries), undefined);
            } catch (error) {
              exchange.fail(error);
            }
          },
          (error: unknown) => this.#failed(exchange, error, items.length, type === NDJSON_TYPE ? 'line' : 'element'),
        );
      });
    } catch (error) {
      exchange.fail(error);
    }
  }

  /** Everything that can be refused before the body is read. */
  #admit(exchange: Exchange, chainId: string): void {
    const { headers } = exchange.req;
    exchange.principal = authorize(this.#deps.access, headers.authorization, 'append').name;
    if (!isChainId(chainId)) throw new Problem('chain_id_invalid', CHAIN_ID_RULE, { rule: CHAIN_ID_RULE });
    if (chainId.startsWith('_')) throw new Problem('chain_reserved', `chain ${chainId} is one of the service's own`);
    acceptable(headers.accept, ANSWERED_AS);
  }

  /** Counts what is refused; the error itself goes on. */
  #intake<T>(work: () => T, entries: number | undefined): T {
    try {
      return work();
    } catch (error) {
      this.#deps.metrics.append('refused', entries ?? 1);
      throw error;
    }
  }

  #single(text: string, key: string | undefined): AppendItem {
    const plain = readPlainEvent(text);
    return plain === undefined ? this.#item(parseStrict(text), '', key) : this.#checked(plain, '', key);
  }

  /** The long way, which says what is wrong. */
  #item(value: JsonValue, path: string, key: string | undefined): AppendItem {
    const { event, entryId } = parseEvent(value, path);
    const { occurredAt } = event;
    const occurredMillis = occurredAt === undefined ? undefined : instantMillis(occurredAt);
    return this.#checked({ entryId, event: canonicalize(event), occurredMillis }, path, key);
  }

  /** What can't be said of an event alone: another id beside it, and the time of day. */
  #checked({ entryId, event, occurredMillis }: PlainEvent, path: string, key: string | undefined): AppendItem {
    if (key !== undefined && entryId !== undefined && key !== entryId) {
      throw new Problem('idempotency_key_mismatch', 'Idempotency-Key and the event\'s entryId are the same id: send one, or the same twice', {
        field: 'idempotency-key',
        pointer: `${path}/entryId`,
      });
    }
    if (occurredMillis !== undefined && occurredMillis > this.#deps.now() + MAX_AHEAD_MS) {
      const rule = 'expected an instant at most 24 hours ahead of the service\'s clock';
      throw new Problem('occurred_in_future', `${path}/occurredAt: ${rule}`, { pointer: `${path}/occurredAt`, rule });
    }
    return { entryId: entryId ?? key, event };
  }

  #array(text: string): AppendItem[] {
    const plain = readPlainEvents(text);
    if (plain !== undefined) {
      checkCount(plain.length);
      return plain.map((event, item) => this.#at(item, undefined, () => this.#checked(event, pointerSegment(item), undefined)));
    }
    const values = parseStrict(text, { outerLevels: 1 });
    if (!Array.isArray(values)) throw new Problem('batch_invalid', 'expected an array of events', { pointer: '' });
    checkCount(values.length);
    return values.map((value: JsonValue, item) => this.#at(item, undefined, () => this.#item(value, pointerSegment(item), undefined)));
  }

  /** A JSON text a line. Empty lines carry nothing and are passed over. */
  #lines(text: string): AppendItem[] {
    const items: AppendItem[] = [];
    let line = 0;
    for (let from = 0; from < text.length; ) {
      const end = text.indexOf('\n', from);
      const to = end < 0 ? text.length : end;
      line += 1;
      const json = text.slice(from, to);
      from = to + 1;
      if (json.trim() === '') continue;
      checkCount(items.length + 1);
      items.push(this.#at(items.length, line, () => this.#single(json, undefined)));
    }
    checkCount(items.length);
    return items;
  }

  /** Says which item is to blame. */
  #at<T>(item: number, line: number | undefined, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof IntakeError) && !(error instanceof Problem)) throw error;
      const { code, message, details } = problemOf(error);
      const where = line === undefined ? '' : `line ${line}: `;
      throw new Problem(code, where + message, { ...details, item, ...(line !== undefined && { line }), cause: error });
    }
  }

  #failed(exchange: Exchange, error: unknown, entries: number, where: 'whole' | 'element' | 'line'): void {
    const problem = problemOf(error);
    this.#deps.metrics.append(problem.status >= 500 ? 'failed' : 'refused', entries);
    const { code, message, details } = problem;
    // The ledger knows items; where they stand in the body depends on how they were sent.
    if (details.item === undefined || where === 'whole' || where === 'line') exchange.fail(problem);
    else exchange.fail(new Problem(code, message, { ...details, pointer: pointerSegment(details.item) }));
  }
}

export const CHAIN_ID_RULE = 'expected a chain id: 1 to 100 characters of a-z 0-9 . _ -, the first a letter or digit';
export const ENTRY_ID_RULE = 'expected an entry id: 1 to 128 characters of A-Z a-z 0-9 . _ : @ = + ~ -, the first a letter or digit';

/** The producer's own id for the entry, bare or quoted (a structured field string). @throws Problem header_invalid */
function idempotencyKey(exchange: Exchange): string | undefined {
  const header = exchange.req.headers['idempotency-key'];
  if (header === undefined) return undefined;
  const text = String(header);
  const key = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
  if (!isEntryId(key)) throw new Problem('header_invalid', `Idempotency-Key: ${ENTRY_ID_RULE}`, { field: 'idempotency-key', rule: ENTRY_ID_RULE });
  return key;
}

/** As bytes: a string of megabytes would be copied twice more on its way out, and burden the garbage collector. */
function receiptsBody(entries: readonly AppendedEntry[]): Buffer {
  const texts = entries.map(({ segment, at }, i) => (i === 0 ? '{"receipts":[' : ',') + receiptText(segment, at));
  texts.push(']}');
  const body = Buffer.allocUnsafe(texts.reduce((length, text) => length + text.length, 0));
  let at = 0;
  for (const text of texts) at += body.write(text, at, 'latin1');
  return body;
}

function checkCount(count: number): void {
  if (count === 0) throw new Problem('batch_invalid', 'expected at least one event, got none', { pointer: '' });
  if (count > MAX_SEGMENT_ENTRIES) throw new Problem('batch_too_large', `expected at most ${MAX_SEGMENT_ENTRIES} events, got more`);
}
