/** The entry envelope: its bytes, and what a verifier reads of them (docs/format.md §1). */
import { utf8Decode } from '#platform';

/** leafData = prevHash ‖ payload is at most 65,535 bytes (C2SP tlog-tiles entry bundles). */
export const MAX_PAYLOAD_BYTES = 65_535 - 32;

export const FORMAT_MEMBER = ',"format":"indelible/entry/v1","receivedAt":"';
/** `2026-11-23T20:52:07.123456Z` */
export const TIME_LENGTH = 27;
const TIME = /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z$/;

/** A `receivedAt`: of the one form, and a time that exists. */
export function isReceivedAt(text: string): boolean {
  if (!TIME.test(text)) return false;
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10))];
  if (day <= 28) return true;
  if (month === 2) return day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= 30 || (month !== 4 && month !== 6 && month !== 9 && month !== 11);
}

export interface Envelope {
  readonly chainId: string;
  readonly entryId: string;
  /** RFC 8785 text of the event. */
  readonly event: string;
  readonly receivedAt: string;
  readonly sequence: number;
  readonly writerId: string;
}

/**
 * The payload, as text. Canonical by construction: the members stand in the order RFC 8785 demands, the
 * event is canonical already, and the other values hold no character that JSON escapes.
 */
export function formatPayload({ chainId, entryId, event, receivedAt, sequence, writerId }: Envelope): string {
  return (
    `{"chainId":"${chainId}","entryId":"${entryId}","event":${event}${FORMAT_MEMBER}${receivedAt}` +
    `","sequence":${sequence},"writerId":"${writerId}"}`
  );
}

/** Splits a payload without parsing its event; `undefined` if it is not an envelope of this format. */
export function readPayload(payload: string): Envelope | undefined {
  const head = /^\{"chainId":"([a-z0-9._-]+)","entryId":"([A-Za-z0-9._:@=+~-]+)","event":(?=\{)/.exec(payload);
  // The members after the event have fixed forms, so the last occurrence is the envelope's own.
  const tailAt = payload.lastIndexOf(FORMAT_MEMBER);
  if (head?.[1] === undefined || head[2] === undefined || tailAt < head[0].length) return undefined;
  const rest = payload.slice(tailAt + FORMAT_MEMBER.length);
  const receivedAt = rest.slice(0, TIME_LENGTH);
  const tail = /^","sequence":(0|[1-9][0-9]{0,15}),"writerId":"([a-z0-9]{1,32})"\}$/.exec(rest.slice(TIME_LENGTH));
  if (tail?.[1] === undefined || tail[2] === undefined || !isReceivedAt(receivedAt)) return undefined;
  return {
    chainId: head[1],
    entryId: head[2],
    event: payload.slice(head[0].length, tailAt),
    receivedAt,
    sequence: Number(tail[1]),
    writerId: tail[2],
  };
}

/** The `entryId` of a payload that passed `verifySegment`. */
export function entryIdOf(bytes: Uint8Array, start: number, chainId: string): string {
  const from = start + `{"chainId":"${chainId}","entryId":"`.length;
  return utf8Decode(bytes.subarray(from, bytes.indexOf(0x22, from)));
}
