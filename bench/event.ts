/**
 * The one event every contestant is fed: an exchange order of exactly 413 bytes of JSON, with its
 * members in the order a producer writes them, not in canonical order, so that sorting is paid for.
 */

export const EVENT_BYTES = 413;

/** Width of the decimal counter that makes each event its own (a log that deduplicates would cheat). */
export const COUNTER_DIGITS = 12;

const COUNTER = '0'.repeat(COUNTER_DIGITS);

function order(counter: string): object {
  return {
    action: 'order.create',
    actor: { type: 'user', id: 'u_41', name: 'Zoë' },
    occurredAt: '2026-03-14T09:26:53Z',
    targets: [{ type: 'order', id: `ord_${counter}` }],
    context: {
      ip: '203.0.113.57',
      userAgent: 'desk/4.2',
      requestId: 'r-01hrz',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    },
    outcome: 'success',
    metadata: { symbol: 'ASML', side: 'buy', qty: 250, price: '912.40' },
    category: 'user',
    schemaVersion: '1',
  };
}

/** JSON text of event number `n`. */
export function eventText(n: number): string {
  return JSON.stringify(order(String(n).padStart(COUNTER_DIGITS, '0')));
}

/** The same text cut at its counter, for load generators that fill the counter in themselves. */
export function eventTemplate(): { readonly head: string; readonly tail: string } {
  const text = JSON.stringify(order(COUNTER));
  const at = text.indexOf(COUNTER);
  return { head: text.slice(0, at), tail: text.slice(at + COUNTER_DIGITS) };
}

/** Fails loudly when an edit changed the size: figures of different sizes must not be compared. */
export function assertEventSize(): void {
  const size = Buffer.byteLength(eventText(0));
  if (size !== EVENT_BYTES) throw new RangeError(`"event" expected ${EVENT_BYTES} bytes, got ${size}`);
}
