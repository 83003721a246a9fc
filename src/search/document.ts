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
  return {
    chainId,
    sequence,
    entryId,
    receivedAt,
    ...optional('occurredAt', event['occurredAt']),
    action: text(event['action']),
    actorType: text(actor['type']),
    actorId: text(actor['id']),
    ...optional('actorName', actor['name']),
    ...optional('outcome', event['outcome']),
    ...optional('category', event['category']),
    ...optional('ip', context['ip']),
    ...optional('requestId', context['requestId']),
    ...optional('traceId', context['traceId']),
    targets: targets.map((target) => `${text(target['type'])}:${text(target['id'])}`),
    text: freeText(event, actor, targets),
  };
}

/** The id of a target written `type:id`: what follows the first colon (ids hold colons, types do not). */
export function targetId(target: string): string {
  return target.slice(target.indexOf(':') + 1);
}

/** What a person would type to find the entry again. Request and trace ids have filters of their own. */
function freeText(event: Members, actor: Members, targets: readonly Members[]): string {
  const parts: string[] = [];
  add(parts, event['action']);
  add(parts, event['reason']);
  add(parts, actor['name']);
  add(parts, actor['id']);
  for (const target of targets) {
    add(parts, target['name']);
    add(parts, target['id']);
  }
  addStrings(parts, event['metadata'], 0);
  return cut(parts.join(' '));
}

function add(parts: string[], value: unknown): void {
  if (typeof value === 'string' && value !== '') parts.push(value);
}

function addStrings(parts: string[], value: unknown, depth: number): void {
  if (typeof value === 'string') add(parts, value);
  else if (typeof value === 'object' && value !== null && depth < MAX_DEPTH) {
    for (const part of Object.values(value)) addStrings(parts, part, depth + 1);
  }
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

function optional<K extends string>(name: K, value: unknown): Partial<Record<K, string>> {
  return typeof value === 'string' ? ({ [name]: value } as Partial<Record<K, string>>) : NONE as Partial<Record<K, string>>;
}
