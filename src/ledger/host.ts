/** Time and randomness, handed in so that a simulation can replay them. */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { v7 as uuidv7 } from 'uuid';

export interface Host {
  /** Microseconds since the epoch. */
  micros(): number;
  /** Calls back once, later; the result cancels. */
  after(milliseconds: number, callback: () => void): () => void;
  /** Resolves once the input that has arrived by now is taken in: what lets a commit gather its callers. */
  turn(): Promise<void>;
  /** A number in [0, 1). */
  random(): number;
  /** An id for an entry whose producer gave none: a UUIDv7. */
  newEntryId(): string;
}

export const systemHost: Host = {
  micros: () => Math.floor((performance.timeOrigin + performance.now()) * 1_000),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  random: () => Math.random(),
  newEntryId: () => uuidv7({ random: randomSlice() }),
};

const POOL_BYTES = 16_384;
let pool = randomBytes(POOL_BYTES);
let poolAt = 0;

/** 16 random bytes, drawn by the thousand: one call to the system each cost 5 % of an append. */
function randomSlice(): Uint8Array {
  if (poolAt === POOL_BYTES) {
    pool = randomBytes(POOL_BYTES);
    poolAt = 0;
  }
  poolAt += 16;
  return pool.subarray(poolAt - 16, poolAt);
}

export function sleep(host: Host, milliseconds: number): Promise<void> {
  return new Promise((resolve) => void host.after(milliseconds, resolve));
}

/** Until the work has ended or the time is over; then the work goes on. @throws what the work throws in time */
export async function waitAtMost(host: Host, milliseconds: number, work: Promise<unknown>): Promise<void> {
  let cancel = (): void => undefined;
  const over = new Promise<void>((resolve) => (cancel = host.after(milliseconds, resolve)));
  try {
    await Promise.race([work, over]);
  } finally {
    cancel();
  }
}

/** Names this process as a writer: 16 characters of base 32, 80 random bits. */
export function newWriterId(): string {
  return Array.from(randomBytes(16), (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('');
}

let cachedSecond = -1;
let cachedPrefix = '';

/** RFC 3339 UTC with microseconds: 27 characters. */
export function formatMicros(micros: number): string {
  const second = Math.floor(micros / 1_000_000);
  if (second !== cachedSecond) {
    cachedSecond = second;
    cachedPrefix = new Date(second * 1_000).toISOString().slice(0, 20);
  }
  return `${cachedPrefix}${String(micros - second * 1_000_000).padStart(6, '0')}Z`;
}
