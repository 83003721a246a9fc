/**
 * A copy that several processes feed. At stake: entries that none of them brings, and the same work done by each.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Segment } from '#indelible/core/segment.js';
import { ChainFollower } from '#indelible/ledger/follower.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { Host } from '#indelible/ledger/host.js';
import { openMemoryLedger } from '../support/memory-ledger.js';
import { MemoryStore } from '../support/memory-store.js';
import { until } from '../support/until.js';

const CHAIN = 'orders';
const OTHERS_MS = 7_777;

/** What all processes feed; who added which entries. */
let copy: { through: number; readonly added: string[] };
let store: MemoryStore;
let closing: (() => Promise<void>)[];

/** A process that appends and feeds the copy, and that leaves what others have appended to them until `timeIsOver`. */
function process(name: string, feeds = true) {
  const waits: (() => void)[] = [];
  const host: Host = {
    ...systemHost,
    random: () => 0,
    after(ms, callback) {
      if (ms !== OTHERS_MS) return systemHost.after(ms, callback);
      waits.push(callback);
      return () => undefined;
    },
  };
  const ledger = openMemoryLedger(store, name, { answerWithinMs: 5_000, callTimeoutMs: 5_000 }, host);
  const follower = new ChainFollower({
    ledger,
    host,
    copy: {
      through: () => Promise.resolve(copy.through),
      add: (_chainId: string, segments: readonly Segment[]) => {
        for (const { firstSequence, count, head } of segments) {
          copy.added.push(`${name}: ${firstSequence}-${firstSequence + count - 1}`);
          copy.through = Math.max(copy.through, head.size);
        }
        return Promise.resolve();
      },
    },
    mine: () => feeds,
    othersWithinMs: OTHERS_MS,
    lookEveryMs: 3_600_000,
    onTrouble: () => undefined,
  });
  const append = (n: number): Promise<unknown> => ledger.append(CHAIN, [{ event: `{"action":"a","actor":{"id":"${n}","type":"t"}}` }]);
  /** Looks into the store, as a reader or the mirror makes it do. */
  const see = (): Promise<unknown> => ledger.chain(CHAIN);
  const timeIsOver = (): void => {
    for (const end of waits.splice(0)) end();
  };
  closing.push(async () => {
    timeIsOver();
    await follower.close();
    await ledger.close(Promise.resolve());
  });
  return { append, see, timeIsOver, waits };
}

const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

beforeEach(() => {
  store = new MemoryStore();
  copy = { through: 0, added: [] };
  closing = [];
});
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
});

describe('two processes that feed one copy', () => {
  it('bring what they have appended themselves, at once, and not what the other has', async () => {
    const [one, other] = [process('one'), process('other')];
    await quiet();
    await one.append(0);
    await until(() => copy.through === 1);
    await other.see();
    await one.append(1);
    await other.see();
    await until(() => copy.through === 2);
    expect(other.waits).toHaveLength(1);
    other.timeIsOver();
    await quiet();
    expect(copy.added).toEqual(['one: 0-0', 'one: 1-1']);
    // And what comes later is waited for anew.
    await one.append(2);
    await other.see();
    expect(other.waits).toHaveLength(1);
  });

  it('bring what the other one did not, after a while', async () => {
    const [one, other] = [process('one', false), process('other')];
    await quiet();
    for (let n = 0; n < 3; n++) {
      await one.append(n);
      await other.see();
    }
    await quiet();
    expect(copy.added).toEqual([]);
    other.timeIsOver();
    await until(() => copy.through === 3);
    expect(copy.added).toEqual(['other: 0-0', 'other: 1-1', 'other: 2-2']);
  });

  it('bring all that lacks before what they have appended themselves', async () => {
    const [one, other] = [process('one', false), process('other')];
    await quiet();
    for (let n = 0; n < 2; n++) await one.append(n);
    await other.append(2);
    await until(() => copy.through === 3);
    expect(copy.added).toEqual(['other: 0-0', 'other: 1-1', 'other: 2-2']);
  });
});

describe('what a process says of its copy', () => {
  let mine = true;
  let away = false;
  /** Between the moment the copy holds what was added, and that in which it says so. */
  let onAdded: () => Promise<void> | void;

  /** One that feeds the copy by itself; the copy may be away, and the chain another's. */
  function alone() {
    const ledger = openMemoryLedger(store, 'alone', { answerWithinMs: 5_000, callTimeoutMs: 5_000 }, systemHost);
    const follower = new ChainFollower({
      ledger,
      host: { ...systemHost, random: () => 0.5 },
      copy: {
        through: () => Promise.resolve(copy.through),
        add: async (_chainId, segments) => {
          await quiet();
          if (away) throw new Error('away');
          expect(segments[0]?.firstSequence).toBeLessThanOrEqual(copy.through);
          copy.through = Math.max(copy.through, segments.at(-1)?.head.size ?? 0);
          await onAdded();
        },
      },
      mine: () => mine,
      lookEveryMs: 3_600_000,
      onTrouble: () => undefined,
    });
    closing.push(async () => {
      away = false;
      await follower.close();
      await ledger.close(Promise.resolve());
    });
    const append = (n: number): Promise<unknown> => ledger.append(CHAIN, [{ event: `{"action":"a","actor":{"id":"${n}","type":"t"}}` }]);
    return { follower, append };
  }

  beforeEach(() => {
    mine = true;
    away = false;
    onAdded = () => undefined;
  });

  it('is how many entries wait, and not how many there are, while the copy is away', async () => {
    const { follower, append } = alone();
    for (let n = 0; n < 5; n++) await append(n);
    await until(() => follower.lag() === 0 && copy.through === 5);
    away = true;
    for (let n = 5; n < 8; n++) await append(n);
    await until(() => follower.failure !== undefined);
    expect(follower.lag()).toBe(3);
    expect(follower.lag(() => false)).toBe(0);
    // And what comes while the chain is nobody's.
    mine = false;
    await until(() => follower.failure === undefined);
    await append(8);
    expect(follower.lag()).toBe(4);
    away = false;
    mine = true;
    follower.look();
    await until(() => copy.through === 9 && follower.lag() === 0);
  });

  it('is that all of it waits, from the moment the copy has lost it', async () => {
    const { follower, append } = alone();
    for (let n = 0; n < 5; n++) await append(n);
    await until(() => follower.lag() === 0 && copy.through === 5);
    follower.forget();
    expect(follower.lag()).toBe(0);
    copy.through = 0;
    follower.lose();
    expect(follower.lag()).toBe(5);
    follower.wake(CHAIN, 5);
    await until(() => follower.lag() === 0 && copy.through === 5);
  });

  it('is no failure any more once another one has brought what was lacking', async () => {
    const { follower, append } = alone();
    away = true;
    await append(0);
    await until(() => follower.failure !== undefined);
    copy.through = 1;
    await until(() => follower.failure === undefined);
    expect(follower.lag()).toBe(0);
  });

  it('is no failure any more once the chain is another\'s', async () => {
    const { follower, append } = alone();
    away = true;
    await append(0);
    await until(() => follower.failure !== undefined);
    mine = false;
    await until(() => follower.failure === undefined);
  });

  it('is a failure as long as one chain fails, also when another one does not', async () => {
    const { follower, append } = alone();
    away = true;
    await append(0);
    await until(() => follower.failure !== undefined);
    // Nothing is lacking of this one.
    follower.wake('other', 0);
    await quiet();
    expect(follower.failure).toEqual(new Error('away'));
  });

  it('is asked anew if it was lost at the very moment it had got all', async () => {
    const { follower, append } = alone();
    let lost = 0;
    onAdded = () => {
      if (lost++ > 0) return;
      copy.through = 0;
      follower.forget();
    };
    await append(0);
    await until(() => lost === 2 && copy.through === 1 && follower.lag() === 0);
  });

  it.each(Array.from({ length: 12 }, (_, ticks) => ticks))('lacks nothing that is told %i ticks after it had got all', async (ticks) => {
    // Another process appends: this one knows what it is told.
    const writer = openMemoryLedger(store, 'writer', { answerWithinMs: 5_000, callTimeoutMs: 5_000 }, systemHost);
    closing.push(() => writer.close(Promise.resolve()));
    const append = (n: number): Promise<unknown> => writer.append(CHAIN, [{ event: `{"action":"a","actor":{"id":"${n}","type":"t"}}` }]);
    await append(0);
    const { follower } = alone();
    let told = false;
    onAdded = async () => {
      if (told) return;
      told = true;
      await append(1);
      void (async () => {
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
        follower.wake(CHAIN, 2);
      })();
    };
    await until(() => copy.through === 2);
  });

  it.each(Array.from({ length: 12 }, (_, ticks) => ticks))('is filled again if it is lost %i ticks after it had got all', async (ticks) => {
    const { follower, append } = alone();
    let lost = 0;
    onAdded = () => {
      if (lost++ > 0) return;
      void (async () => {
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
        copy.through = 0;
        follower.forget();
        follower.wake(CHAIN, 1);
      })();
    };
    await append(0);
    await until(() => lost === 2 && copy.through === 1 && follower.lag() === 0);
  });
});
