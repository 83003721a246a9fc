/** What every WormStore promises. Each adapter's test file calls this with a way to make one. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfTest, SelfTestFailed } from '#indelible/storage/self-test.js';
import { everyKey, StoreError, type Retention, type WormStore } from '#indelible/storage/worm-store.js';

export interface MadeStore {
  readonly store: WormStore;
  /** A second client of the same objects: another process, as far as the store can tell. */
  readonly another: () => Promise<WormStore>;
  /** Removes everything, and closes what `another` opened. */
  readonly dispose: () => Promise<void>;
}

export interface ContractOptions {
  readonly retention?: Retention;
  /** Objects made for the tests of long listings; a slow store may take fewer, but more than 1,000. */
  readonly manyKeys?: number;
  /**
   * The store ignores the condition of a create, so that it holds for one writer alone. What the tests of the condition
   * show then is that this is found: by the self-test, which refuses many writers and reports it for one.
   */
  readonly oneWriter?: boolean;
}

const RETENTION: Retention = { mode: 'governance', retainUntil: '2099-12-31T23:59:59.999999Z' };

const BAD_KEYS = ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/../b', 'a/./b', '../a', '.a', 'a/.tmp/b', '-a', 'a\0b', 'a b', 'a\\b', 'ä', 'a\n', '~'];
const TOO_LONG = ['a'.repeat(256), Array.from({ length: 200 }, () => 'abcdef').join('/')];

export function wormStoreContract(name: string, make: () => Promise<MadeStore>, options: ContractOptions = {}): void {
  const retention = options.retention ?? RETENTION;
  const limit = 1000;
  const oneWriter = options.oneWriter ?? false;

  describe(`${name} keeps the contract of a WORM store`, () => {
    let made: MadeStore;
    let store: WormStore;
    let unique = 0;
    /** A prefix of its own for each test, so that they share one store. */
    const room = (): string => `test-${unique++}/`;

    beforeAll(async () => {
      made = await make();
      store = made.store;
    });
    afterAll(() => made.dispose());

    const create = (key: string, bytes: Uint8Array): ReturnType<WormStore['create']> => store.create(key, bytes, retention);
    const listAll = async (prefix: string, from?: string): Promise<string[]> => {
      const keys: string[] = [];
      for await (const key of everyKey(store, prefix, from)) keys.push(key);
      return keys;
    };

    describe('create', () => {
      it('stores exactly the bytes', async () => {
        const key = `${room()}a/b.txt`;
        const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);
        expect(await create(key, bytes)).toMatchObject({ outcome: 'created' });
        expect([...((await store.read(key)) ?? [])]).toEqual([...bytes]);
      });

      it('never replaces an object, not even by the same bytes', async () => {
        const key = `${room()}a`;
        await create(key, text('first'));
        expect(await create(key, text('second'))).toEqual({ outcome: 'exists' });
        expect(await create(key, text('first'))).toEqual({ outcome: 'exists' });
        expect(await readText(store, key)).toBe('first');
        expect(await store.versions(key)).toHaveLength(1);
      });

      if (oneWriter) {
        it('is not a fence between creates at once, and the self-test finds that', async () => {
          await expect(selfTest(store, { retention })).rejects.toThrow(SelfTestFailed);
          await expect(selfTest(store, { retention })).rejects.toThrow(/creates of one key at once succeeded.*two writers would both believe/);
        });
      } else {
        it('lets exactly one of many creates at once succeed, and keeps the bytes of that one', async () => {
          const prefix = room();
          const another = await made.another();
          for (let race = 0; race < 5; race++) {
            const key = `${prefix}${race}`;
            const outcomes = await Promise.all(
              Array.from({ length: 16 }, (_, i) => settled(i % 2 === 0 ? store : another, key, text(`racer ${i}`), retention)),
            );
            const winners = outcomes.flatMap((outcome, i) => (outcome === 'created' ? [i] : []));
            expect(winners).toHaveLength(1);
            expect(await readText(another, key)).toBe(`racer ${winners[0]}`);
          }
        });
      }

      it.each([
        ['an empty object', 0],
        ['one byte', 1],
        ['8 MiB', 8 * 1024 * 1024],
      ])('stores %s', async (_, size) => {
        const key = `${room()}sized`;
        const bytes = Buffer.alloc(size, 'Indelible');
        expect(await create(key, bytes)).toMatchObject({ outcome: 'created' });
        const read = await store.read(key);
        expect(read?.length).toBe(size);
        expect(Buffer.compare(read ?? Buffer.of(1), bytes)).toBe(0);
        expect((await store.versions(key))[0]?.size).toBe(size);
      });

      it('is not confused by a view into a larger buffer', async () => {
        const key = `${room()}view`;
        await create(key, new Uint8Array(text('0123456789').buffer).subarray(3, 6));
        expect(await readText(store, key)).toBe('345');
      });

      it('takes a key of 255 characters a part and 1,024 in all', async () => {
        const prefix = room();
        const key = `${prefix}${'a'.repeat(255)}/${'b'.repeat(255)}/${'c'.repeat(255)}/`;
        const longest = key + 'd'.repeat(Math.min(255, 1024 - key.length));
        expect(await create(longest, text('x'))).toMatchObject({ outcome: 'created' });
        expect(await readText(store, longest)).toBe('x');
        expect(await listAll(prefix)).toEqual([longest]);
      });

      it.each([...BAD_KEYS, ...TOO_LONG])('refuses the key %j', async (key) => {
        await expect(create(key, text('x'))).rejects.toThrow(RangeError);
        await expect(store.read(key)).rejects.toThrow(RangeError);
        await expect(store.versions(key)).rejects.toThrow(RangeError);
      });

      it.each(['', 'tomorrow', '2030-01-01', '2030-01-01T00:00:00', '2030-01-01T00:00:00+01:00', '2030-13-01T00:00:00Z'])(
        'refuses to retain until %j',
        async (retainUntil) => {
          const key = `${room()}x`;
          await expect(store.create(key, text('x'), { mode: 'governance', retainUntil })).rejects.toThrow(RangeError);
          expect(await store.read(key)).toBeUndefined();
        },
      );
    });

    describe('read and versions', () => {
      it('know nothing of a key that was never created', async () => {
        const prefix = room();
        await create(`${prefix}a/b`, text('x'));
        for (const key of [`${prefix}b`, `${prefix}a/c`, `${prefix}c/d/e`]) {
          expect(await store.read(key)).toBeUndefined();
          expect(await store.versions(key)).toEqual([]);
        }
      });

      it('name the version that create answered with', async () => {
        const key = `${room()}a`;
        const created = await create(key, text('x'));
        const [version, ...more] = await store.versions(key);
        expect(more).toEqual([]);
        expect(version).toMatchObject({ versionId: created.outcome === 'created' ? created.versionId : '', deleteMarker: false, size: 1 });
        expect(version?.storedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
        expect(String.fromCharCode(...((await store.read(key, version?.versionId)) ?? []))).toBe('x');
        expect(await store.read(key, 'never-a-version')).toBeUndefined();
      });

      it('show a retention that is not shorter than what was asked for', async () => {
        const key = `${room()}a`;
        await create(key, text('x'));
        const shown = (await store.versions(key))[0]?.retention;
        if (typeof shown !== 'object') throw new Error(`the retention is ${String(shown)}`);
        expect(Date.parse(shown.retainUntil)).toBeGreaterThanOrEqual(Date.parse(retention.retainUntil));
      });

      it('hand out bytes that the reader may change', async () => {
        const key = `${room()}a`;
        await create(key, text('x'));
        (await store.read(key))?.fill(0);
        expect(await readText(store, key)).toBe('x');
      });
    });

    describe('list', () => {
      it('is empty below a prefix that nothing has', async () => {
        expect(await store.list(room(), { limit })).toEqual({ keys: [], more: false });
      });

      it('sorts by bytes, across folders', async () => {
        const prefix = room();
        const names = ['B', '_', 'a', 'a-', 'a-b', 'a-b/c', 'a.b', 'b/a', 'b/b/a', 'b/b/b', 'b0', 'c/z', 'd'];
        const keys = names.filter((one) => !names.some((other) => other.startsWith(`${one}/`))).map((one) => prefix + one);
        for (const key of [...keys].reverse()) await create(key, text(key));
        expect(await listAll(prefix)).toEqual([...keys].sort());
      });

      it('takes a prefix for the beginning of a key, not for a folder', async () => {
        const prefix = room();
        for (const key of ['chain/1', 'chain-2/1', 'chain2/1', 'other/1']) await create(prefix + key, text('x'));
        expect(await listAll(`${prefix}chain`)).toEqual(['chain-2/1', 'chain/1', 'chain2/1'].map((key) => prefix + key));
        expect(await listAll(`${prefix}chain/`)).toEqual([`${prefix}chain/1`]);
        expect(await listAll(`${prefix}chain/1`)).toEqual([`${prefix}chain/1`]);
      });

      it('begins with `from` if it is there, else with what follows', async () => {
        const prefix = room();
        const keys = ['a/1', 'a/3', 'b/1'].map((key) => prefix + key);
        for (const key of keys) await create(key, text('x'));
        const first = async (from: string): Promise<string | undefined> => (await store.list(prefix, { from, limit })).keys[0];
        expect(await first('')).toBe(keys[0]);
        expect(await first(`${prefix}a/1`)).toBe(keys[0]);
        expect(await first(`${prefix}a/2`)).toBe(keys[1]);
        expect(await first(`${prefix}a/4`)).toBe(keys[2]);
        expect(await first(`${prefix}a0`)).toBe(keys[2]);
        expect(await first(`${prefix}c`)).toBeUndefined();
        expect(await first('zzz')).toBeUndefined();
      });

      it('shows a key at once after create, to every client', async () => {
        const prefix = room();
        const another = await made.another();
        const expected: string[] = [];
        for (let i = 0; i < 20; i++) {
          const key = `${prefix}${String(i).padStart(3, '0')}`;
          await create(key, text('x'));
          expected.push(key);
          expect((await store.list(prefix, { limit })).keys).toEqual(expected);
          expect((await another.list(prefix, { limit })).keys).toEqual(expected);
        }
      });

      it('agrees with a plain list of keys, for any prefix, start and limit', async () => {
        const prefix = room();
        const parts = ['a', 'a-', 'ab', 'b', 'b.0'];
        const keys = new Set<string>();
        for (const one of parts) for (const two of parts) keys.add(`${prefix}${one}/x/${two}`);
        for (const one of parts) keys.add(`${prefix}${one}.file`).add(`${prefix}${one}/file`);
        for (const key of keys) await create(key, text('x'));
        const sorted = [...keys].sort();
        const beginning = fc
          .tuple(fc.constantFrom(...sorted), fc.nat(40))
          .map(([key, length]) => key.slice(0, prefix.length + length))
          .filter((candidate) => !/\/[.-]$/.test(candidate));
        const any = fc.record({
          below: beginning,
          from: fc.option(fc.tuple(beginning, fc.constantFrom('', '-', '0', '/', 'zz')).map((two) => two.join('')), { nil: undefined }),
          limit: fc.integer({ min: 1, max: 20 }),
        });
        await fc.assert(
          fc.asyncProperty(any, async ({ below, from, limit: most }) => {
            const matching = sorted.filter((key) => key.startsWith(below) && (from === undefined || key >= from));
            const page = await store.list(below, { from, limit: most });
            expect(page).toEqual({ keys: matching.slice(0, most), more: matching.length > most });
          }),
          { numRuns: 150 },
        );
      });

      it('pages through more keys than a page holds', async () => {
        const prefix = room();
        const many = options.manyKeys ?? 1005;
        const keys = Array.from({ length: many }, (_, i) => `${prefix}${String(i * 7).padStart(20, '0')}.ndjson`);
        for (let i = 0; i < many; i += 16) await Promise.all(keys.slice(i, i + 16).map((key) => create(key, text('x'))));
        const page = await store.list(prefix, { limit: 1000 });
        expect(page.keys).toEqual(keys.slice(0, 1000));
        expect(page.more).toBe(true);
        const last = await store.list(prefix, { from: keys[many - 1000] ?? '', limit: 1000 });
        expect(last).toEqual({ keys: keys.slice(-1000), more: false });
        expect(await listAll(prefix)).toEqual(keys);

        const late = `${prefix}99999999999999999999.ndjson`;
        await create(late, text('x'));
        expect((await store.list(prefix, { from: late, limit: 1 })).keys).toEqual([late]);
        const rest = await store.list(prefix, { from: keys[1000] ?? '', limit: 1000, continues: page });
        expect(rest.keys.filter((key) => key !== late)).toEqual(keys.slice(1000));
        const stale = await store.list(prefix, { from: keys[1000] ?? '', limit: 1000, mayBeStale: true });
        expect(stale.keys.filter((key) => key !== late)).toEqual(keys.slice(1000));
      });

      it.each([0, -1, 1001, 1.5, Number.NaN])('refuses the limit %d', async (wrong) => {
        await expect(store.list('', { limit: wrong })).rejects.toThrow(RangeError);
      });

      it.each(['/', '/a', '..', 'a//', 'a/../', '.tmp/', 'a\0'])('refuses the prefix %j', async (wrong) => {
        await expect(store.list(wrong, { limit })).rejects.toThrow(RangeError);
        await expect(store.settle(wrong)).rejects.toThrow(RangeError);
      });
    });

    describe('settle', () => {
      it('comes back for objects of another client, for a part of the keys, and for nothing', async () => {
        const prefix = room();
        const another = await made.another();
        await another.create(`${prefix}a/b/c`, text('x'), retention);
        for (const below of ['', prefix, `${prefix}a`, `${prefix}a/`, `${prefix}a/b/c`, `${prefix}none/at/all/`]) await store.settle(below);
        expect(await listAll(prefix)).toEqual([`${prefix}a/b/c`]);
      });
    });

    it('finds nothing that does not belong among its own objects', async () => {
      await create(`${room()}a`, text('x'));
      const strays: string[] = [];
      for await (const stray of store.strays('')) strays.push(stray);
      expect(strays).toEqual([]);
    });

    it('passes the self-test, and says of everything whether it is kept', async () => {
      const report = await selfTest(store, { retention, singleWriter: oneWriter });
      expect(report).toMatchObject({ kind: store.kind, location: store.location });
      expect(report.promises.slice(0, 3).map(({ kept }) => kept)).toEqual(['yes', oneWriter ? 'no' : 'yes', 'yes']);
      for (const { promise, detail } of report.promises) expect([promise, detail].every((sentence) => sentence.length > 10)).toBe(true);
    });

    it('rejects every call after close, and closes twice', async () => {
      const another = await made.another();
      await another.close();
      await another.close();
      await expect(another.create(`${room()}x`, text('x'), retention)).rejects.toMatchObject({ name: 'StoreError', stored: 'no' });
      await expect(another.read('x')).rejects.toThrow(StoreError);
      await expect(another.versions('x')).rejects.toThrow(StoreError);
      await expect(another.list('', { limit })).rejects.toThrow(StoreError);
      await expect(another.settle('')).rejects.toThrow(StoreError);
    });
  });
}

/** As a writer does it: an attempt whose answer is unknown is repeated with the same bytes until it is settled. */
async function settled(store: WormStore, key: string, bytes: Uint8Array, retention: Retention): Promise<string> {
  let open = false;
  for (;;) {
    try {
      const { outcome } = await store.create(key, bytes, retention);
      if (outcome === 'created' || !open) return outcome;
      const stored = await store.read(key);
      return stored !== undefined && Buffer.compare(stored, bytes) === 0 ? 'created' : 'exists';
    } catch (error) {
      if (!(error instanceof StoreError) || error.stored === 'no') throw error;
      open = true;
    }
  }
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

async function readText(store: WormStore, key: string): Promise<string | undefined> {
  const bytes = await store.read(key);
  return bytes && new TextDecoder().decode(bytes);
}
