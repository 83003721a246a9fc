/**
 * The scanner compares words of stored bytes with what must stand there. If it took one changed byte for
 * right, a verifier would say "intact" about it. Held here against regular expressions over the whole line.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPayload, isReceivedAt } from '#indelible/core/entry.js';
import { scanEnvelopes } from '#indelible/core/envelope-scan.js';

const CHAIN = 'payments.eu-1';
const WRITER = 'w1';
const encoder = new TextEncoder();

interface Lines {
  readonly bytes: Buffer;
  readonly starts: number[];
  readonly ends: number[];
}

function linesOf(payloads: readonly Uint8Array[]): Lines {
  const starts: number[] = [];
  const ends: number[] = [];
  const parts: Uint8Array[] = [encoder.encode('the header\n')];
  let at = parts[0]?.length ?? 0;
  for (const payload of payloads) {
    starts.push(at);
    ends.push(at + payload.length);
    parts.push(payload, encoder.encode('\n'));
    at += payload.length + 1;
  }
  return { bytes: Buffer.concat(parts), starts, ends };
}

/** Position of the first line that does not fit, or −1. */
function firstWrong(payloads: readonly Uint8Array[], firstSequence: number): number {
  let last = '';
  return payloads.findIndex((payload, i) => {
    const text = Buffer.from(payload).toString('latin1');
    const form = new RegExp(
      `^\\{"chainId":"payments\\.eu-1","entryId":"[^]+,"format":"indelible/entry/v1","receivedAt":"([^]{27})","sequence":${firstSequence + i},"writerId":"w1"\\}$`,
    );
    const time = form.exec(text)?.[1];
    if (time === undefined || !isReceivedAt(time) || time < last) return true;
    last = time;
    return false;
  });
}

const micros = fc.integer({ min: 0, max: 3_000_000 });
const payloadsOf = (firstSequence: number, steps: readonly number[]): Uint8Array[] => {
  let now = Date.UTC(2028, 1, 29, 23, 59, 58) * 1000;
  return steps.map((step, i) => {
    now += step;
    const receivedAt = `${new Date(Math.floor(now / 1000)).toISOString().slice(0, 19)}.${String(now % 1_000_000).padStart(6, '0')}Z`;
    return encoder.encode(formatPayload({ chainId: CHAIN, entryId: `e${i}`, event: '{"a":"ü"}', receivedAt, sequence: firstSequence + i, writerId: WRITER }));
  });
};
const firstSequences = fc.oneof(fc.constantFrom(0, 8, 9, 97, 999_995, 10 ** 15 - 3), fc.nat(2_000_000));

describe('the scan of envelopes', () => {
  it('accepts every run of entries, over the change of a second, a day and the number of digits', () => {
    fc.assert(
      fc.property(firstSequences, fc.array(micros, { minLength: 1, maxLength: 12 }), (first, steps) => {
        const payloads = payloadsOf(first, steps);
        const scan = scanEnvelopes(linesOf(payloads), CHAIN, WRITER, first);
        expect(scan.fault).toBeUndefined();
        const times = payloads.map((payload) => /"receivedAt":"([^"]+)"/.exec(Buffer.from(payload).toString())?.[1]);
        expect([scan.firstReceivedAt, scan.lastReceivedAt]).toEqual([times[0], times[times.length - 1]]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds the same first wrong line as a reading of the whole line does, whatever bytes were changed', () => {
    const change = fc.record({ line: fc.nat(), at: fc.nat(), kind: fc.constantFrom('set', 'digit', 'flip', 'insert', 'remove', 'swap', 'cut'), value: fc.nat(255) });
    fc.assert(
      fc.property(firstSequences, fc.array(micros, { minLength: 1, maxLength: 6 }), fc.array(change, { minLength: 1, maxLength: 2 }), (first, steps, changes) => {
        const payloads: Uint8Array[] = payloadsOf(first, steps);
        for (const { line, at, kind, value } of changes) {
          const i = line % payloads.length;
          const old = payloads[i] as Uint8Array;
          // The fixed parts behind the event are where most is to be got wrong.
          const place = old.length === 0 ? 0 : at % 3 === 0 ? at % old.length : Math.max(0, old.length - 1 - (at % 110));
          const before = old.subarray(0, place);
          const after = old.subarray(place + 1);
          const now = (old[place] ?? 0) ^ (1 << value % 8);
          if (kind === 'swap') {
            const other = (i + 1) % payloads.length;
            [payloads[i], payloads[other]] = [payloads[other] as Uint8Array, old];
          } else if (kind === 'cut') payloads[i] = before;
          else if (kind === 'remove') payloads[i] = Buffer.concat([before, after]);
          else if (kind === 'insert') payloads[i] = Buffer.concat([before, Uint8Array.of(value), old.subarray(place)]);
          else if (kind === 'digit') payloads[i] = Buffer.concat([before, Uint8Array.of(0x30 + (value % 10)), after]);
          else payloads[i] = Buffer.concat([before, Uint8Array.of(kind === 'set' ? value : now), after]);
        }
        const found = scanEnvelopes(linesOf(payloads), CHAIN, WRITER, first).fault?.at ?? -1;
        expect(found).toBe(firstWrong(payloads, first));
      }),
      { numRuns: 20_000 },
    );
  });
});
