/**
 * From an entry's payload to what is searchable of it. Used by the local view and by the Elasticsearch
 * indexer, so both find the same entries.
 */
import type { SearchDocument } from './search-index.js';

/** UTF-8 bytes of free text kept of one entry; the rest is not searchable by text. */
const MAX_TEXT_BYTES = 8_192;
/** Metadata deeper than an accepted entry can have (docs/format.md §1.1) is not followed. */
const MAX_DEPTH = 32;

type Members = Readonly<Record<string, unknown>>;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * @param payload an entry's payload, or its parsed envelope. The envelope must be a valid one (docs/format.md
 *   §1); the event may be any object: members of another type than expected are left out.
 * @throws SyntaxError if a text is not JSON, TypeError if it is not an entry envelope
 */
export function searchDocument(payload: string | object): SearchDocument {
  const envelope = members(typeof payload === 'string' ? (JSON.parse(payload) as unknown) : payload);
  const { chainId, sequence, entryId, receivedAt } = envelope;
  if (
    typeof chainId !== 'string' ||
    typeof sequence !== 'number' ||
    typeof entryId !== 'string' ||
    typeof receivedAt !== 'string'
  ) {
    throw new TypeError('"payload" expected an entry envelope with chainId, sequence, entryId and receivedAt');
  }
  const event = members(envelope['event']);
  const actor = members(event['actor']);
  const context = members(event['context']);
  const targets = Array.isArray(event['targets']) ? event['targets'].map(members) : [];
  const document: Mutable<SearchDocument> = {
    chainId,
    sequence,
    entryId,
    receivedAt,
    action: text(event['action']),
    actorType: text(actor['type']),
    actorId: text(actor['id']),
    targets: targets.map((target) => `${text(target['type'])}:${text(target['id'])}`),
    text: freeText(event, actor, targets),
  };
  // One by one rather than by name: this runs for each entry, and computed names made it twice as slow.
  if (typeof event['occurredAt'] === 'string') document.occurredAt = event['occurredAt'];
  if (typeof actor['name'] === 'string') document.actorName = actor['name'];
  if (typeof event['outcome'] === 'string') document.outcome = event['outcome'];
  if (typeof event['category'] === 'string') document.category = event['category'];
  if (typeof context['ip'] === 'string') document.ip = context['ip'];
  if (typeof context['requestId'] === 'string') document.requestId = context['requestId'];
  if (typeof context['traceId'] === 'string') document.traceId = context['traceId'];
  return document;
}

/** The id of a target written `type:id`: what follows the first colon (ids hold colons, types do not). */
export function targetId(target: string): string {
  return target.slice(target.indexOf(':') + 1);
}

/** What a person would type to find the entry again. Request and trace ids have filters of their own. */
function freeText(event: Members, actor: Members, targets: readonly Members[]): string {
  let joined = text(event['action']);
  joined = joinString(joined, event['reason']);
  joined = joinString(joined, actor['name']);
  joined = joinString(joined, actor['id']);
  for (const target of targets) {
    joined = joinString(joined, target['name']);
    joined = joinString(joined, target['id']);
  }
  return cut(joinStrings(joined, event['metadata'], 0));
}

function joinString(joined: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') return joined;
  return joined === '' ? value : `${joined} ${value}`;
}

function joinStrings(joined: string, value: unknown, depth: number): string {
  if (typeof value !== 'object' || value === null || depth === MAX_DEPTH) return joinString(joined, value);
  return Object.values(value).reduce<string>((longer, part) => joinStrings(longer, part, depth + 1), joined);
}

/** At most 8 KiB of UTF-8, cut between characters. */
function cut(joined: string): string {
  // No UTF-16 unit takes more than three bytes, so a short text needs no counting.
  if (joined.length * 3 <= MAX_TEXT_BYTES) return joined;
  const { read } = new TextEncoder().encodeInto(joined, new Uint8Array(MAX_TEXT_BYTES));
  return joined.slice(0, read);
}

const NONE: Members = Object.freeze({});

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : NONE;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
