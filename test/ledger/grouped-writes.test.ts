/** Were one of these to fail: a copy of the log would get entries twice or out of order, or its writers would wait for ever. */
import { describe, expect, it } from 'vitest';
import type { Host } from '#indelible/ledger/host.js';
import { GroupedWrites } from '#indelible/ledger/grouped-writes.js';

/** Time stands still but for `pass`. */
class Clock implements Pick<Host, 'micros' | 'after' | 'turn'> {
  #now = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  readonly micros = (): number => this.#now;
  readonly after = (milliseconds: number, callback: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds * 1_000, callback };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  };
  readonly turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  async pass(milliseconds: number): Promise<void> {
    this.#now += milliseconds * 1_000;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
    await quiet();
  }
}

const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

function writes(options: { readonly maxEntries?: number } = {}) {
  const clock = new Clock();
  const begun: string[][] = [];
  const ends: ((error?: Error) => void)[] = [];
  const grouped = new GroupedWrites<string>({
    host: clock as unknown as Host,
    spacingMs: 100,
    maxEntries: options.maxEntries ?? 100,
    entriesIn: (item) => item.length,
    write: (items) => {
      begun.push([...items]);
      return new Promise((resolve, reject) => ends.push((error) => (error === undefined ? resolve() : reject(error))));
    },
  });
  const settled: string[] = [];
  const add = (item: string): void => void grouped.add(item).then(() => settled.push(item), (error: unknown) => settled.push(`${item}: ${(error as Error).message}`));
  return { clock, begun, ends, settled, add };
}

describe('writes of many callers', () => {
  it('begin at once where nothing is under way', async () => {
    const { begun, add } = writes();
    add('a');
    await quiet();
    expect(begun).toEqual([['a']]);
  });

  it('go out together, in order, once what is under way has ended, and not before the time between two writes is over', async () => {
    const { clock, begun, ends, settled, add } = writes();
    add('a');
    add('b');
    await quiet();
    add('c');
    expect(begun).toEqual([['a']]);
    ends[0]?.();
    await quiet();
    expect(settled).toEqual(['a']);
    await clock.pass(99);
    expect(begun).toHaveLength(1);
    await clock.pass(1);
    expect(begun).toEqual([['a'], ['b', 'c']]);
    ends[1]?.();
    await quiet();
    expect(settled).toEqual(['a', 'b', 'c']);
  });

  it('do not wait on after a write that took longer than that', async () => {
    const { clock, begun, ends, add } = writes();
    add('a');
    add('b');
    await clock.pass(150);
    ends[0]?.();
    await quiet();
    expect(begun).toEqual([['a'], ['b']]);
  });

  it('keep the distance also where nothing waited meanwhile', async () => {
    const { clock, begun, ends, add } = writes();
    add('a');
    ends[0]?.();
    await quiet();
    add('b');
    await quiet();
    expect(begun).toEqual([['a']]);
    await clock.pass(100);
    expect(begun).toEqual([['a'], ['b']]);
  });

  it('hold so many entries at most, but an item that is larger by itself', async () => {
    const { clock, begun, ends, add } = writes({ maxEntries: 5 });
    for (const item of ['a', 'bbb', 'cc', 'd', 'eeeeeeee', 'f']) add(item);
    for (let n = 0; n < 5; n++) {
      await clock.pass(100);
      ends[n]?.();
      await quiet();
    }
    expect(begun).toEqual([['a'], ['bbb', 'cc'], ['d'], ['eeeeeeee'], ['f']]);
  });

  it('of which one fails say so to each that was part of it, and to no other', async () => {
    const { clock, begun, ends, settled, add } = writes();
    add('a');
    add('b');
    add('c');
    ends[0]?.();
    await quiet();
    await clock.pass(100);
    add('d');
    ends[1]?.(new Error('no room'));
    await quiet();
    expect(settled).toEqual(['a', 'b: no room', 'c: no room']);
    await clock.pass(100);
    ends[2]?.();
    await quiet();
    expect(settled.at(-1)).toBe('d');
    expect(begun).toEqual([['a'], ['b', 'c'], ['d']]);
  });

  it('take up in the next one what a caller has to add as soon as it is answered', async () => {
    const clock = new Clock();
    const begun: string[][] = [];
    const grouped = new GroupedWrites<string>({
      host: clock as unknown as Host,
      spacingMs: 100,
      maxEntries: 100,
      entriesIn: () => 1,
      write: async (items) => {
        begun.push([...items]);
        await clock.pass(200);
      },
    });
    const twice = async (name: string): Promise<void> => {
      await grouped.add(`${name}1`);
      // As a follower does between two adds: some promises, no timer.
      for (let n = 0; n < 20; n++) await Promise.resolve();
      await grouped.add(`${name}2`);
    };
    await Promise.all([twice('a'), twice('b')]);
    expect(begun).toEqual([['a1'], ['b1', 'a2'], ['b2']]);
  });
});
