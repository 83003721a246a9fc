/**
 * Appends what a source yields, in batches. One batch is under way while the next is being read and checked:
 * with more of them, a refused one would leave later ones stored behind it, and an import could not be said
 * to have come "up to line N".
 */
import { v7 as uuidv7 } from 'uuid';
import { canonicalize } from '../core/canonical.js';
import { isEntryId } from '../core/chain.js';
import type { AuditEvent } from '../core/event.js';
import { IntakeError } from '../core/json.js';
import type { Receipt } from '../core/receipt.js';
import { MAX_SEGMENT_BYTES, MAX_SEGMENT_ENTRIES } from '../core/segment.js';
import { CliError, codeOf, messageOf } from './failure.js';
import { lineId } from './import/line-id.js';
import type { SourceItem } from './import/source.js';
import { ClientError } from './ledger-client.js';
import type { ClientItem, LedgerClient } from './ledger-client.js';

/** Room an entry takes beside its event: the envelope with its ids, in a segment or a request. */
const ENVELOPE_BYTES = 600;
const BATCH_BYTES = MAX_SEGMENT_BYTES - 65_536;

export interface AppendRunOptions {
  readonly client: LedgerClient;
  readonly chainId: string;
  /** What positions count, for messages; `event` if there is only one, given by options. */
  readonly unit: 'line' | 'record' | 'event';
  /** Where an event without an id gets one from: a dotted path, `line`, or nothing: then it is new at each run. */
  readonly idFrom: string | undefined;
  readonly retryForMs: number;
  /** Takes refused items; without it the first one ends the run. */
  readonly setAside: ((refused: RefusedItem) => Promise<void>) | undefined;
  readonly onReceipts: (receipts: readonly Receipt[]) => Promise<void>;
  readonly onProgress: (summary: AppendSummary) => void;
}

export interface RefusedItem {
  readonly position: number;
  readonly code: string;
  readonly reason: string;
  readonly text: string;
}

export interface AppendSummary {
  appended: number;
  /** Were in the chain already, under the same id and with the same content. */
  replayed: number;
  skipped: number;
  firstSequence: number | undefined;
  lastSequence: number | undefined;
}

interface Prepared extends ClientItem {
  readonly source: SourceItem;
}

export class AppendRun {
  readonly summary: AppendSummary = { appended: 0, replayed: 0, skipped: 0, firstSequence: undefined, lastSequence: undefined };
  readonly #options: AppendRunOptions;
  /** The last position known to be stored, with all before it. */
  #through = 0;

  constructor(options: AppendRunOptions) {
    this.#options = options;
  }

  /** @throws CliError naming the position, the rule, and up to where all is stored */
  async add(items: AsyncIterable<SourceItem>): Promise<void> {
    let batch: Prepared[] = [];
    let bytes = 0;
    let underWay: Promise<void> = Promise.resolve();
    this.#through = 0;
    for await (const source of items) {
      let prepared: Prepared;
      try {
        prepared = this.#prepare(source);
      } catch (error) {
        if (!(error instanceof IntakeError) && !(error instanceof CliError)) throw error;
        if (this.#options.setAside === undefined) {
          await underWay;
          throw this.#stopped(source, error);
        }
        await this.#setAside(source, error);
        continue;
      }
      const size = Buffer.byteLength(prepared.event) + ENVELOPE_BYTES;
      if (batch.length === MAX_SEGMENT_ENTRIES || bytes + size > BATCH_BYTES) {
        await underWay;
        underWay = this.#send(batch);
        // Its failure is met at the next `await`; until then it must not count as unhandled.
        underWay.catch(() => undefined);
        batch = [];
        bytes = 0;
      }
      batch.push(prepared);
      bytes += size;
    }
    await underWay;
    if (batch.length > 0) await this.#send(batch);
  }

  #prepare(source: SourceItem): Prepared {
    const { event, entryId } = source.read();
    return { source, entryId: entryId ?? this.#idOf(event, source), event: canonicalize(event) };
  }

  /** Every item gets an id before it is sent: then repeating a batch whose answer was lost is harmless. */
  #idOf(event: AuditEvent, { position, text }: SourceItem): string {
    const { idFrom } = this.#options;
    if (idFrom === undefined) return uuidv7();
    if (idFrom === 'line') return lineId(position, text);
    let value: unknown = event;
    for (const name of idFrom.split('.')) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
    const id = typeof value === 'number' ? String(value) : value;
    if (typeof id === 'string' && isEntryId(id)) return id;
    throw new CliError('entry_id_invalid', `${idFrom}: expected an id of 1 to 128 characters of A-Z a-z 0-9 . _ : @ = + ~ -, got ${value === undefined ? 'nothing' : JSON.stringify(value)}`);
  }

  async #send(batch: readonly Prepared[]): Promise<void> {
    const { client, chainId, retryForMs, setAside } = this.#options;
    const deadline = performance.now() + retryForMs;
    let items = batch;
    while (items.length > 0) {
      try {
        const { receipts, replayed } = await client.append(chainId, items.map(({ entryId, event }) => ({ entryId, event })));
        await this.#done(items, receipts, replayed);
        return;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (error.retryAfterMs !== undefined && performance.now() + error.retryAfterMs < deadline) {
          await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
          continue;
        }
        const refused = refusedItem(error, items);
        if (refused === undefined) throw this.#failed(items, error);
        if (setAside === undefined) throw this.#stopped(refused === 'unknown' ? (items[0] as Prepared).source : refused.source, error);
        if (refused === 'unknown') {
          for (const item of items) await this.#send([item]);
          return;
        }
        await this.#setAside(refused.source, error);
        items = items.filter((item) => item !== refused);
      }
    }
  }

  async #done(items: readonly Prepared[], receipts: readonly Receipt[], replayed: number): Promise<void> {
    const { summary } = this;
    summary.appended += receipts.length - replayed;
    summary.replayed += replayed;
    for (const { sequence } of receipts) {
      summary.firstSequence = Math.min(summary.firstSequence ?? sequence, sequence);
      summary.lastSequence = Math.max(summary.lastSequence ?? sequence, sequence);
    }
    this.#through = items.at(-1)?.source.position ?? this.#through;
    await this.#options.onReceipts(receipts);
    this.#options.onProgress(summary);
  }

  async #setAside(source: SourceItem, error: Error): Promise<void> {
    this.summary.skipped += 1;
    await this.#options.setAside?.({ position: source.position, code: codeOf(error), reason: messageOf(error), text: source.text });
    this.#options.onProgress(this.summary);
  }

  #stopped({ position }: SourceItem, error: Error): CliError {
    const { unit } = this.#options;
    if (unit === 'event') return new CliError(codeOf(error), messageOf(error), { cause: error });
    return new CliError(codeOf(error), `${unit} ${position}: ${messageOf(error)} (${this.#standing()})`, {
      details: { [unit]: position, storedThrough: this.#through },
      cause: error,
    });
  }

  #failed(items: readonly Prepared[], error: ClientError): CliError {
    const { unit } = this.#options;
    if (unit === 'event') return new CliError(error.code, messageOf(error), { cause: error });
    const [first, last] = [items[0]?.source.position, items.at(-1)?.source.position];
    // Only a refusal is certain; after anything else the batch may have been stored.
    return new CliError(error.code, `${unit}s ${first} to ${last}: ${messageOf(error)} (${this.#standing()}; repeating the command with the same ids is safe)`, {
      details: { storedThrough: this.#through },
      cause: error,
    });
  }

  #standing(): string {
    const { unit } = this.#options;
    return this.#through === 0 ? 'nothing was stored before it' : `all is stored up to ${unit} ${this.#through}`;
  }
}

/** The item that the ledger refuses; `unknown` if it is one of them and not said which. */
function refusedItem(error: ClientError, items: readonly Prepared[]): Prepared | 'unknown' | undefined {
  if (error.retryAfterMs !== undefined) return undefined;
  if (error.item !== undefined) return items[error.item];
  if (error.code !== 'entry_id_conflict' && error.code !== 'entry_too_large') return undefined;
  return items.length === 1 ? items[0] : 'unknown';
}
