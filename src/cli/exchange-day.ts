/** A day at an exchange, made up from a seed: the same events at every run. */
import type { AuditEvent } from '../core/event.js';

export interface DayEvent {
  readonly chainId: 'orders' | 'custody' | 'operations';
  readonly event: AuditEvent;
}

const DAY = '2026-11-23';
const PAIRS = ['BTC-EUR', 'ETH-EUR', 'SOL-EUR', 'BTC-USD', 'ETH-USD'] as const;
const CUSTOMERS = 60;
const OFFICERS = ['m.keller', 's.okafor', 'j.lindqvist'] as const;
const ENGINEERS = ['r.amari', 'd.novak'] as const;
const SETTINGS = [
  ['withdrawals.dailyLimit.EUR', '50000.00', '75000.00'],
  ['matching.maxOrderSize.BTC-EUR', '25', '40'],
  ['kyc.requiredAbove.EUR', '1000.00', '750.00'],
  ['fees.taker.basisPoints', '18', '16'],
] as const;

/** In the order of the day. Amounts are text: money is never a binary fraction. */
export function exchangeDay(seed: number, count: number): readonly DayEvent[] {
  const random = generator(seed);
  return Array.from({ length: count }, (_, i) => {
    const second = Math.floor((i / count) * 86_399);
    return dayEvent(random, i, instant(second, Math.floor(random() * 1000)));
  });
}

function dayEvent(random: () => number, i: number, occurredAt: string): DayEvent {
  const customer = `c-${String(1 + Math.floor(random() * CUSTOMERS)).padStart(4, '0')}`;
  const ip = `203.0.113.${1 + Math.floor(random() * 254)}`;
  const one = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const amount = (least: number, most: number): string => (least + random() * (most - least)).toFixed(2);
  const user = { type: 'customer', id: customer };
  const kind = random();
  if (kind < 0.62) {
    const [side, pair] = [one(['buy', 'sell']), one(PAIRS)];
    return {
      chainId: 'orders',
      event: {
        action: random() < 0.8 ? 'order.place' : 'order.cancel', actor: user, occurredAt, outcome: 'success', category: 'financial',
        targets: [{ type: 'order', id: `o-${100_000 + i}` }], context: { ip }, metadata: { pair, side, quantity: amount(0.01, 4), limit: amount(900, 60_000) },
      },
    };
  }
  if (kind < 0.78) {
    const denied = random() < 0.08;
    return {
      chainId: 'custody',
      event: {
        action: 'withdrawal.request', actor: user, occurredAt, outcome: denied ? 'denied' : 'success', category: 'financial',
        ...(denied && { reason: 'over the daily limit' }),
        targets: [{ type: 'account', id: `a-${customer}` }], context: { ip }, metadata: { amount: denied ? amount(50_001, 90_000) : amount(20, 49_999), currency: 'EUR', withdrawal: `w-${20_000 + i}` },
      },
    };
  }
  if (kind < 0.86) {
    const approved = random() < 0.85;
    return {
      chainId: 'custody',
      event: {
        action: 'kyc.decide', actor: { type: 'officer', id: one(OFFICERS) }, occurredAt, outcome: 'success', category: 'user',
        reason: approved ? 'documents match' : 'proof of address is older than three months',
        targets: [user], changes: [{ field: 'kyc.level', before: 'basic', after: approved ? 'full' : 'basic' }],
      },
    };
  }
  if (kind < 0.89) {
    const [field, before, after] = one(SETTINGS);
    return {
      chainId: 'operations',
      event: {
        action: 'config.change', actor: { type: 'engineer', id: one(ENGINEERS) }, occurredAt, outcome: 'success', category: 'system',
        targets: [{ type: 'setting', id: field }], changes: [{ field, before, after }],
      },
    };
  }
  const denied = random() < 0.3;
  return {
    chainId: 'operations',
    event: {
      action: 'session.login', actor: user, occurredAt, outcome: denied ? 'denied' : 'success', category: 'user',
      ...(denied && { reason: 'wrong second factor' }), context: { ip, userAgent: 'ExchangeApp/7.2' },
    },
  };
}

function instant(second: number, millisecond: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${DAY}T${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}.${String(millisecond).padStart(3, '0')}Z`;
}

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
