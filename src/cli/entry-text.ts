/** An entry for people. */
import { canonicalize } from '../core/canonical.js';
import type { JsonValue } from '../core/json.js';
import type { EntryView } from './ledger-client.js';
import { fields, safe } from './terminal.js';

type Members = Readonly<Record<string, unknown>>;

/** One line: sequence, time, action, who, outcome, what. */
export function entryLine({ sequence, receivedAt, entry }: EntryView, width = 0): string {
  const { event } = entry;
  const parts = [`#${sequence}`.padEnd(width + 1), receivedAt, text(event['action']), partyText(event['actor'])];
  if (typeof event['outcome'] === 'string') parts.push(event['outcome']);
  const targets = Array.isArray(event['targets']) ? event['targets'].map(partyText) : [];
  if (targets.length > 0) parts.push(`→ ${targets.slice(0, 3).join(', ')}${targets.length > 3 ? `, and ${targets.length - 3} more` : ''}`);
  return safe(parts.join('  '));
}

/** All of it. */
export function entryDetails(view: EntryView): string {
  const { chainId, sequence, entryId, receivedAt, entryHash, prevHash, state, entry } = view;
  const head = fields([
    ['chain', chainId],
    ['sequence', sequence],
    ['id', entryId],
    ['received', receivedAt],
    ['hash', entryHash],
    ['previous', prevHash],
    ['state', state],
    ['writer', entry.writerId],
  ]);
  const members = Object.entries(entry.event).map(([name, value]): [string, string] => [name, valueText(name, value)]);
  return `${head}\n\n${fields(members)}`;
}

function valueText(name: string, value: unknown): string {
  if (name === 'actor') return partyText(value);
  if (name === 'targets' && Array.isArray(value)) return value.map(partyText).join('\n');
  return typeof value === 'string' ? safe(value) : canonicalize(value as JsonValue);
}

function partyText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const { type, id, name } = value as Members;
  return `${text(type)}:${text(id)}${typeof name === 'string' && name !== '' ? ` (${name})` : ''}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
