/**
 * A document as terms of an inverted index, a query as the terms it asks for, and a document as a row.
 *
 * Filters are terms too: a B-tree for each would cost more than everything else together when writing, and
 * the full-text index intersects terms well. A filter term is a tag, which no word can begin with, and a
 * short hash of the exact value; so a match may be a collision and is compared with the document itself.
 */
import { targetId } from './document.js';
import { EXACT_FIELDS } from './query.js';
import type { CheckedQuery } from './query.js';
import type { SearchDocument } from './search-index.js';
import { foldText } from './words.js';

/** Tags are C1 controls: the tokenizer keeps them, folded text never holds them. */
const TARGET_TAG = '\u0080';
const TAGS = EXACT_FIELDS.map((field, index) => [field, String.fromCharCode(0x81 + index)] as const);

/** All terms of a document, for the tokenizer `ascii`. */
export function termsOf(document: SearchDocument): string {
  let terms = '';
  for (const [field, tag] of TAGS) {
    const value = document[field];
    if (value !== undefined) terms += `${tag}${valueTerm(value)} `;
  }
  for (const target of document.targets) {
    terms += `${TARGET_TAG}${valueTerm(target)} ${TARGET_TAG}${valueTerm(targetId(target))} `;
  }
  return terms + foldText(document.text);
}

/**
 * The terms a query asks for in FTS5's syntax; `undefined` if it asks for none. A word is made of letters
 * and digits and is quoted, so nothing a user types is ever syntax.
 */
export function matchOf({ query, words }: CheckedQuery): string | undefined {
  const terms: string[] = [];
  for (const [field, tag] of TAGS) {
    const value = query[field];
    if (value !== undefined) terms.push(`"${tag}${valueTerm(value)}"`);
  }
  if (query.target !== undefined) terms.push(`"${TARGET_TAG}${valueTerm(query.target)}"`);
  for (const word of words) terms.push(`"${word}"*`);
  return terms.length === 0 ? undefined : terms.join(' AND ');
}

/**
 * A value as a term of seven letters: 32 bits of hash. A term that other values share costs a document read in
 * vain. Not by toString(36), which takes longer than all the rest.
 */
function valueTerm(value: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return String.fromCharCode(
    letter(hash),
    letter(hash >>> 5),
    letter(hash >>> 10),
    letter(hash >>> 15),
    letter(hash >>> 20),
    letter(hash >>> 25),
    letter(hash >>> 30),
  );
}

/** Five bits as one of a–z and 2–7. */
function letter(bits: number): number {
  const value = bits & 31;
  return value < 26 ? 97 + value : 24 + value;
}

/** A document without what its row says already, by position: a third shorter than with member names. */
export function encode(document: SearchDocument): string {
  return JSON.stringify([
    document.entryId,
    document.occurredAt,
    document.action,
    document.actorType,
    document.actorId,
    document.actorName,
    document.outcome,
    document.category,
    document.ip,
    document.requestId,
    document.traceId,
    document.targets,
    document.text,
  ]);
}

type Encoded = [
  entryId: string,
  occurredAt: string | null,
  action: string,
  actorType: string,
  actorId: string,
  actorName: string | null,
  outcome: string | null,
  category: string | null,
  ip: string | null,
  requestId: string | null,
  traceId: string | null,
  targets: string[],
  text: string,
];

/** The reverse of `encode`. */
export function decode(encoded: string, chainId: string, sequence: number, receivedAt: string): SearchDocument {
  const [entryId, occurredAt, action, actorType, actorId, actorName, outcome, category, ip, requestId, traceId, targets, text] =
    JSON.parse(encoded) as Encoded;
  return {
    chainId,
    sequence,
    entryId,
    receivedAt,
    ...(occurredAt !== null && { occurredAt }),
    action,
    actorType,
    actorId,
    ...(actorName !== null && { actorName }),
    ...(outcome !== null && { outcome }),
    ...(category !== null && { category }),
    ...(ip !== null && { ip }),
    ...(requestId !== null && { requestId }),
    ...(traceId !== null && { traceId }),
    targets,
    text,
  };
}
