/**
 * What others build on the mirror: if this helper skipped an entry, gave one twice or believed a forged one, their books
 * would be wrong while ours are right.
 */
import { expect, test } from 'vitest';
import { hexEncode } from '#platform';
import type { ChainHead } from '#indelible/core/chain.js';
import type { Finding } from '#indelible/core/findings.js';
import type { Segment } from '#indelible/core/segment.js';
import { messagesOf } from '#indelible/mirror/messages.js';
import { MirrorConsumer } from '#indelible/mirror/consumer.js';
import type { ConsumedMessage, MirrorConsumerOptions, ProvenEntry } from '#indelible/mirror/consumer.js';
import { buildSegments, defaultEvent, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';

const CHAIN = 'trades';

function messages(segments: readonly Segment[]): ConsumedMessage[] {
  return segments.flatMap((segment) =>
    Array.from(messagesOf(segment), ({ message: { key, value, headers } }) => ({
      key: Buffer.from(key),
      value: Buffer.from(value),
      headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    })),
  );
}

function forged(message: ConsumedMessage, text = 'forged'): ConsumedMessage {
  return { ...message, value: Buffer.from(message.value?.toString().replace('order.placed', text) ?? '') };
}

/** A consumer of chains of which the log holds `segments`. */
function consumerOf(segments: readonly Segment[], options: Partial<MirrorConsumerOptions> = {}) {
  const log = segments.flatMap(({ payloads }) => payloads);
  const entries: ProvenEntry[] = [];
  const findings: Finding[] = [];
  const filled: [number, number][] = [];
  let head: ChainHead | undefined;
  const consumer = new MirrorConsumer({
    deployment: TEST_DEPLOYMENT,
    publicKeys: [TEST_KEY.publicKey],
    fill: (_chainId, from, to) => {
      filled.push([from, to]);
      return Promise.resolve(log.slice(from, to));
    },
    onEntries: (some, at) => {
      entries.push(...some);
      head = at;
      return Promise.resolve();
    },
    onFinding: (finding) => findings.push(finding),
    retryMs: 10,
    ...options,
  });
  return {
    consumer,
    entries,
    findings,
    filled,
    log,
    head: () => head,
    take: async (some: readonly ConsumedMessage[]): Promise<void> => {
      for (const message of some) await consumer.take(message);
    },
  };
}

function expectWhole(entries: readonly ProvenEntry[], segments: readonly Segment[], from = 0): void {
  const log = segments.flatMap(({ payloads }) => payloads);
  expect(entries.map(({ payload }) => payload)).toEqual(log.slice(from));
  expect(entries.map(({ sequence }) => sequence)).toEqual(log.map((_, i) => i).slice(from));
  const hashes = segments.flatMap(({ entryHashes, count }) => Array.from({ length: count }, (_, i) => hexEncode(entryHashes.subarray(32 * i, 32 * (i + 1)))));
  expect(entries.map(({ entryHash }) => entryHash)).toEqual(hashes.slice(from));
  expect(entries.map(({ prevHash }) => prevHash)).toEqual(['0'.repeat(64), ...hashes].slice(from, -1));
}

test('entries come in order, with their hashes, and nothing is fetched that came', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [1, 3, 40, 2] });
  const { take, entries, findings, filled } = consumerOf(segments);
  await take(messages(segments));
  expectWhole(entries, segments);
  expect(findings).toEqual([]);
  expect(filled).toEqual([]);
});

test('nothing is handed over before its checkpoint has come', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3] });
  const { take, entries } = consumerOf(segments);
  const all = messages(segments);
  await take(all.slice(0, 2));
  expect(entries).toEqual([]);
  await take(all.slice(2));
  expectWhole(entries, segments);
});

test('what comes twice, late or out of order is handed over once and in order', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [5, 1, 9, 2, 2, 30] });
  const all = messages(segments);
  for (let round = 0; round < 30; round++) {
    const { take, entries, findings } = consumerOf(segments);
    // A fixed shuffle of each round, with repeats, that ends with the newest checkpoint.
    const mixed = [...all, ...all.slice(3, 12)].map((message, i) => ({ message, at: (i * 7_919 + round * 104_729) % 1_009 })).sort((a, b) => a.at - b.at);
    await take([...mixed.map(({ message }) => message), ...all.slice(-1)]);
    expectWhole(entries, segments);
    expect(findings).toEqual([]);
  }
});

test('a hole stalls the chain until the log fills it; other chains go on', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [4, 4, 4] });
  const others = buildSegments({ chainId: 'other', counts: [2] });
  let logAway = true;
  const log = segments.flatMap(({ payloads }) => payloads);
  const stalls: number[] = [];
  const { consumer, take, entries, findings } = consumerOf(segments, {
    fill: (_chainId, from, to) => (logAway ? Promise.reject(new Error('the log does not answer')) : Promise.resolve(log.slice(from, to))),
    onStalled: ({ sequence }) => stalls.push(sequence),
  });
  const all = messages(segments);
  await take([...all.slice(0, 5), ...all.slice(6)]);
  await take(messages(others));
  expect(entries.filter(({ chainId }) => chainId === CHAIN).map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
  expect(entries.filter(({ chainId }) => chainId === 'other')).toHaveLength(2);
  expect(consumer.stalled).toEqual([{ chainId: CHAIN, sequence: 4, reason: 'the log does not answer' }]);
  expect(stalls[0]).toBe(4);
  logAway = false;
  await expect.poll(() => entries.filter(({ chainId }) => chainId === CHAIN).length).toBe(12);
  expectWhole(entries.filter(({ chainId }) => chainId === CHAIN), segments);
  expect(consumer.stalled).toEqual([]);
  expect(findings).toEqual([]);
  await consumer.close();
});

test('who starts in the middle of a long chain gets all of it, in steps', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [1_000, 1_000, 700, 3] });
  const { take, entries, findings } = consumerOf(segments);
  await take(messages(segments).slice(-3));
  expectWhole(entries, segments);
  expect(findings).toEqual([]);
});

test('it goes on where an earlier run stood', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [4, 4, 4] });
  const { take, entries, filled } = consumerOf(segments, { headOf: () => Promise.resolve(segments[0]?.head) });
  await take(messages(segments));
  expectWhole(entries, segments, 4);
  // What came again from before was compared with the log, in one call.
  expect(filled).toEqual([[0, 4]]);
});

test('a consumer that fails is given the same entries again', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [4] });
  const given: ProvenEntry[][] = [];
  const { consumer, take } = consumerOf(segments, {
    onEntries: (some) => {
      given.push([...some]);
      return given.length === 1 ? Promise.reject(new Error('its database is away')) : Promise.resolve();
    },
  });
  await take(messages(segments));
  await expect.poll(() => given.length).toBe(2);
  expect(given[1]).toEqual(given[0]);
  await consumer.close();
});

test.each(['before', 'after'])('a forged payload %s the real one: the real one is handed over, the forged one reported', async (where) => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3, 3] });
  const { take, entries, findings } = consumerOf(segments);
  const all = messages(segments);
  const fake = forged(all[4] as ConsumedMessage);
  await take(where === 'before' ? [...all.slice(0, 4), fake, ...all.slice(4)] : [...all.slice(0, 5), fake, ...all.slice(5)]);
  expectWhole(entries, segments);
  expect(findings.map(({ code, sequence }) => ({ code, sequence }))).toEqual([{ code: 'fork', sequence: 4 }]);
});

test('a forged payload in place of the real one: the log decides', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3, 3] });
  const { take, entries, findings } = consumerOf(segments);
  const all = messages(segments);
  all[1] = forged(all[1] as ConsumedMessage);
  await take(all);
  expectWhole(entries, segments);
  expect(findings).toMatchObject([{ code: 'fork', chainId: CHAIN, sequence: 1 }]);
});

test('another history of entries that were handed over is reported, lately or long ago', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3, 3] });
  const all = messages(segments);
  const now = consumerOf(segments);
  await now.take([...all, forged(all[1] as ConsumedMessage)]);
  expect(now.findings).toMatchObject([{ code: 'fork', sequence: 1 }]);

  const later = consumerOf(segments, { headOf: () => Promise.resolve(segments[0]?.head) });
  await later.take([forged(all[1] as ConsumedMessage), ...all.slice(3)]);
  expectWhole(later.entries, segments, 3);
  expect(later.findings).toMatchObject([{ code: 'fork', sequence: 1 }]);
});

test('who can write to the topic and not sign makes nobody believe anything', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3] });
  const theirs = buildSegments({ chainId: CHAIN, counts: [5], key: new TestKey(9), event: (n) => defaultEvent(n).replace('order.placed', 'money.moved') });
  const { take, entries, findings } = consumerOf(segments);
  await take(messages(theirs));
  expect(entries).toEqual([]);
  expect(findings.map(({ code }) => code)).toEqual(['signature_invalid']);
  await take(messages(segments));
  expectWhole(entries, segments);
});

test('a log that answers with other entries than were signed is not believed either', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3, 3] });
  const log = segments.flatMap(({ payloads }) => payloads);
  let lies = true;
  const { consumer, take, entries } = consumerOf(segments, {
    fill: (_chainId, from, to) => Promise.resolve(log.slice(from, to).map((payload) => (lies ? payload.replace('order.placed', 'forged') : payload))),
  });
  const all = messages(segments);
  await take([...all.slice(0, 1), ...all.slice(2)]);
  expect(entries).toEqual([]);
  expect(consumer.stalled).toMatchObject([{ chainId: CHAIN, sequence: 0 }]);
  lies = false;
  await expect.poll(() => entries.length).toBe(6);
  expectWhole(entries, segments);
  await consumer.close();
});

test('a second history signed by the key itself is reported, and nothing of two histories is put together', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3, 3] });
  const second = messages(buildSegments({ chainId: CHAIN, counts: [2], event: (n) => defaultEvent(n + 1) }));

  // Its end alone: the log does not fit it, and goes on.
  const first = consumerOf(segments);
  await first.take(second.slice(1));
  expect(first.entries).toEqual([]);
  expect(first.consumer.stalled).toHaveLength(1);
  await first.take(messages(segments));
  expectWhole(first.entries, segments);
  expect(first.findings.map(({ code, sequence }) => ({ code, sequence }))).toContainEqual({ code: 'fork', sequence: 1 });
  expect(first.consumer.stalled).toEqual([]);
  await first.consumer.close();

  // All of it: it is as good as the log's until that comes; then the chain stops.
  const other = consumerOf(segments);
  await other.take(second);
  expect(other.entries).toHaveLength(2);
  await other.take(messages(segments));
  expect(other.entries).toHaveLength(2);
  expect(other.findings.map(({ code }) => code)).toContain('fork');
  expect(other.consumer.stalled).toMatchObject([{ chainId: CHAIN, sequence: 2 }]);
  await other.consumer.close();
});

test('junk is reported and disturbs nothing', async () => {
  const segments = buildSegments({ chainId: CHAIN, counts: [3] });
  const { take, entries, findings } = consumerOf(segments);
  const all = messages(segments);
  await take([
    { key: null, value: null },
    { key: Buffer.from(CHAIN), value: Buffer.from('x'), headers: {} },
    { key: Buffer.from('../x'), value: Buffer.from('x'), headers: { sequence: '0' } },
    { key: Buffer.from(CHAIN), value: Buffer.from('x'), headers: { sequence: '900000000000000' } },
    { key: Buffer.from(CHAIN), value: Buffer.from('x'), headers: { sequence: '00' } },
    { ...all[0], value: all[0]?.value ?? null, key: Buffer.from(CHAIN), headers: { sequence: '0', checkpoint: 'not a note' } },
    ...all,
  ]);
  expectWhole(entries, segments);
  expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['foreign_object', 'signature_invalid']));
});
