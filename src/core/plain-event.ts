/**
 * The short way for events as nearly all of them are: reads a text once and gives the canonical text of the
 * event, without making the value in between. What is in any way unusual (an escape, an exponent, a rule
 * broken) is not judged here but left to `parseStrict`, `parseEvent` and `canonicalize`, which say what is wrong.
 *
 * Must hold, and is tested: where this gives an answer it is the answer of the long way.
 */
import { isEntryId } from './chain.js';
import { isIpAddress } from './event.js';
import { instantMillis } from './instant.js';
import { PlainReader } from './plain-reader.js';
import type { ItemRule, MemberRule } from './plain-reader.js';

export interface PlainEvent {
  readonly entryId: string | undefined;
  /** RFC 8785 text of the event, without the id. */
  readonly event: string;
  /** Of `occurredAt`, milliseconds since the epoch. */
  readonly occurredMillis: number | undefined;
}

/** The event whose text this is, if it is plain. `text` is decoded UTF-8. */
export function readPlainEvent(text: string): PlainEvent | undefined {
  const reader = new EventReader(text);
  const event = reader.event();
  return event !== undefined && reader.atEnd() ? event : undefined;
}

/** The events of an array, if all of them are plain. */
export function readPlainEvents(text: string): PlainEvent[] | undefined {
  return new EventReader(text).events();
}

const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MAX_TARGETS = 100;
const MAX_CONTEXT = 50;

class EventReader extends PlainReader {
  /** Required members seen in the object under way. */
  private required = 0;
  private entryId: string | undefined;
  private occurredMillis: number | undefined;

  event(): PlainEvent | undefined {
    this.entryId = undefined;
    this.occurredMillis = undefined;
    this.required = 0;
    this.next();
    const start = this.at;
    if (!this.isObject() || !this.object(1, eventMember) || this.required !== 2) return undefined;
    return { entryId: this.entryId, event: this.canonical(start), occurredMillis: this.occurredMillis };
  }

  events(): PlainEvent[] | undefined {
    if (this.next() !== OPEN_BRACKET) return undefined;
    const events: PlainEvent[] = [];
    do {
      this.at++;
      const event = this.event();
      if (event === undefined) return undefined;
      events.push(event);
    } while (this.next() === COMMA);
    if (this.next() !== CLOSE_BRACKET) return undefined;
    this.at++;
    return this.atEnd() ? events : undefined;
  }

  party(depth: number): boolean {
    if (!this.isObject()) return false;
    const outside = this.required;
    this.required = 0;
    const read = this.object(depth, partyMember) && this.required === 2;
    this.required = outside;
    return read;
  }

  parties(depth: number): boolean {
    return this.isArray() && this.array(depth, MAX_TARGETS, partyItem);
  }

  context(depth: number): boolean {
    return this.isObject() && this.object(depth, contextMember) && this.count <= MAX_CONTEXT;
  }

  ipAddress(): boolean {
    return this.characters(0, 2048) && isIpAddress(this.content());
  }

  dateTime(): boolean {
    if (!this.characters(1, 64)) return false;
    try {
      this.occurredMillis = instantMillis(this.content());
      return true;
    } catch {
      return false;
    }
  }

  /** Stands in the envelope, not in the event. */
  ownId(): boolean {
    if (!this.characters(1, 128)) return false;
    this.entryId = this.content();
    this.lifted = true;
    return isEntryId(this.entryId);
  }

  seenRequired(): boolean {
    this.required += 1;
    return true;
  }
}

const OUTCOMES = ['success', 'failure', 'denied'];
const CATEGORIES = ['user', 'system', 'financial'];

/** The rules of `event.ts`, for what is common; the rest goes the long way. */
const eventMember: MemberRule<EventReader> = (reader, name, depth) => {
  switch (name) {
    case 'action':
      return reader.label(1, 256) && reader.seenRequired();
    case 'actor':
      return reader.party(depth + 1) && reader.seenRequired();
    case 'occurredAt':
      return reader.dateTime();
    case 'targets':
      return reader.parties(depth + 1);
    case 'context':
      return reader.context(depth + 1);
    case 'outcome':
      return reader.oneOf(OUTCOMES);
    case 'category':
      return reader.oneOf(CATEGORIES);
    case 'reason':
      return reader.characters(0, 4096);
    case 'schemaVersion':
      return reader.characters(1, 64);
    case 'metadata':
      return reader.isObject() && reader.value(depth + 1);
    case 'entryId':
      return reader.ownId();
    default:
      return false;
  }
};

const partyMember: MemberRule<EventReader> = (reader, name) => {
  switch (name) {
    case 'type':
      return reader.label(1, 64) && reader.seenRequired();
    case 'id':
      return reader.label(1, 512) && reader.seenRequired();
    case 'name':
      return reader.label(0, 512);
    default:
      return false;
  }
};

const contextMember: MemberRule<EventReader> = (reader, name) => (name === 'ip' ? reader.ipAddress() : reader.characters(0, 2048));

const partyItem: ItemRule<EventReader> = (reader, depth) => reader.party(depth);
