/**
 * What every SearchIndex does. Each adapter runs this suite; it holds nothing that only one of them can do.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SearchQueryError } from '#indelible/search/query.js';
import type { SearchDocument, SearchIndex, SearchPage, SearchQuery } from '#indelible/search/search-index.js';

/** An empty index. What `add` returned from must be found without waiting. */
export type MakeIndex = () => Promise<SearchIndex>;

type Ask = Partial<SearchQuery>;

export function searchIndexContract(name: string, make: MakeIndex): void {
  describe(`${name} as a search index`, () => {
    let index: SearchIndex;
    beforeEach(async () => {
      index = await make();
    });
    afterEach(async () => {
      await index.close();
    });

    const ask = (query: Ask): Promise<SearchPage> => index.search({ order: 'oldest', limit: 100, ...query });
    const found = async (query: Ask): Promise<string[]> => (await ask(query)).hits.map(name_);

    async function allPages(query: Ask): Promise<string[]> {
      const hits: string[] = [];
      let page = await ask(query);
      hits.push(...page.hits.map(name_));
      while (page.next !== undefined) {
        page = await ask({ ...query, cursor: page.next });
        hits.push(...page.hits.map(name_));
      }
      return hits;
    }

    describe('what was added', () => {
      it('comes back whole', async () => {
        const full = document('orders', 0, {
          occurredAt: '2026-11-23T20:00:00Z',
          actorName: 'Ada "the" Lovelace',
          outcome: 'success',
          category: 'financial',
          ip: '2001:db8::1',
          requestId: 'r-1',
          traceId: 't-1',
          targets: ['document:a:b', 'folder:7'],
          text: 'line one\nline two \u{1F600}',
        });
        await index.add([full]);
        expect((await ask({})).hits).toEqual([full]);
      });

      it('comes back without the members it did not have', async () => {
        const bare = document('orders', 0);
        await index.add([bare]);
        expect(Object.keys((await ask({})).hits[0] ?? {}).sort()).toEqual(Object.keys(bare).sort());
      });

      it('is added once, whatever is added again', async () => {
        const documents = series('orders', 5);
        await index.add(documents.slice(0, 3));
        await index.add(documents.slice(1, 5));
        await index.add(documents);
        await index.add([document('orders', 2, { action: 'another' })]);
        expect((await ask({})).hits).toEqual(documents);
        expect(await found({ action: 'another' })).toEqual([]);
      });

      it('is refused where entries before it are missing, and nothing of it is kept', async () => {
        const documents = series('orders', 5);
        await index.add(documents.slice(0, 2));
        await expect(index.add(documents.slice(3))).rejects.toBeInstanceOf(RangeError);
        await expect(index.add([document('new', 1)])).rejects.toBeInstanceOf(RangeError);
        expect(await index.through('orders')).toBe(2);
        expect(await index.through('new')).toBe(0);
        expect(await found({})).toEqual(['orders:0', 'orders:1']);
      });

      it('may be of several chains at once', async () => {
        await index.add([document('a', 0), document('b', 0), document('a', 1), document('b', 1)]);
        expect(await index.through('a')).toBe(2);
        expect(await index.through('b')).toBe(2);
      });

      it('may be nothing', async () => {
        await index.add([]);
        expect((await ask({})).hits).toEqual([]);
      });
    });

    describe('completeThrough', () => {
      it('names each chain the query can touch, with how far it is indexed', async () => {
        await index.add([...series('a', 3), ...series('b', 2)]);
        expect((await ask({})).completeThrough).toEqual({ a: 3, b: 2 });
        expect((await ask({ chainId: 'b' })).completeThrough).toEqual({ b: 2 });
        expect((await ask({ action: 'nothing.like.it' })).completeThrough).toEqual({ a: 3, b: 2 });
      });

      it('is 0 for a chain nobody has heard of', async () => {
        expect(await index.through('unknown')).toBe(0);
        expect((await ask({ chainId: 'unknown' })).completeThrough).toEqual({ unknown: 0 });
      });
    });

    describe('filters', () => {
      beforeEach(async () => {
        await index.add([
          document('a', 0, { action: 'user.login', actorType: 'user', actorId: 'u-1', outcome: 'success', ip: '10.0.0.1' }),
          document('a', 1, { action: 'user.login', actorType: 'user', actorId: 'u-2', outcome: 'failure', ip: '10.0.0.2' }),
          document('a', 2, { action: 'User.Login', actorType: 'service', actorId: 'u-1', category: 'system', requestId: 'r-1' }),
          document('a', 3, { action: 'role.grant', targets: ['role:admin', 'user:u-2'], traceId: 'abc', category: 'financial' }),
          document('a', 4, { action: 'role.grant', targets: ['user:arn:aws:iam::1:user/x'], outcome: 'denied' }),
          document('b', 0, { action: 'user.login', actorId: 'u-1', targets: ['admin:u-2'], requestId: 'r-1' }),
        ]);
      });

      it.each<[Ask, string[]]>([
        [{ chainId: 'b' }, ['b:0']],
        [{ action: 'user.login' }, ['a:0', 'b:0', 'a:1']],
        [{ action: 'User.Login' }, ['a:2']],
        [{ action: 'user' }, []],
        [{ action: 'user.login ' }, []],
        [{ action: '' }, []],
        [{ actorType: 'service' }, ['a:2']],
        [{ actorId: 'u-1' }, ['a:0', 'b:0', 'a:2']],
        [{ outcome: 'failure' }, ['a:1']],
        [{ outcome: 'denied' }, ['a:4']],
        [{ category: 'system' }, ['a:2']],
        [{ ip: '10.0.0.1' }, ['a:0']],
        [{ requestId: 'r-1' }, ['b:0', 'a:2']],
        [{ traceId: 'abc' }, ['a:3']],
        [{ traceId: 'ABC' }, []],
      ])('are exact: %j', async (query, expected) => {
        expect(await found(query)).toEqual(expected);
      });

      it.each<[string, string[]]>([
        ['role:admin', ['a:3']],
        ['admin', ['a:3']],
        ['u-2', ['b:0', 'a:3']],
        ['user:u-2', ['a:3']],
        ['admin:u-2', ['b:0']],
        ['user:arn:aws:iam::1:user/x', ['a:4']],
        ['arn:aws:iam::1:user/x', ['a:4']],
        ['user/x', []],
        ['role', []],
      ])('find a target as type:id or by its id: %s', async (target, expected) => {
        expect(await found({ target })).toEqual(expected);
      });

      it('must all hold', async () => {
        expect(await found({ action: 'user.login', actorId: 'u-1' })).toEqual(['a:0', 'b:0']);
        expect(await found({ action: 'user.login', actorId: 'u-1', chainId: 'a' })).toEqual(['a:0']);
        expect(await found({ action: 'user.login', actorId: 'u-1', outcome: 'failure' })).toEqual([]);
        expect(await found({ action: 'role.grant', target: 'admin', category: 'financial', text: 'grant' })).toEqual(['a:3']);
      });

      it.each(["' OR 1=1 --", '"', '%', '*', 'u-1*', 'u-1" OR "x', '\u0000', '\u0081abc', '__proto__', '{"$ne":null}'])(
        'take any text as a value: %j',
        async (value) => {
          for (const field of ['action', 'actorId', 'target', 'requestId', 'chainId', 'ip'] as const) {
            expect(await found({ [field]: value })).toEqual([]);
          }
        },
      );
    });

    describe('times', () => {
      beforeEach(async () => {
        await index.add(
          ['20:00:00.000000', '20:00:00.000001', '20:00:00.500000', '20:00:00.500000', '20:00:01.000000'].map((time, i) =>
            document('a', i, { receivedAt: `2026-11-23T${time}Z` }),
          ),
        );
      });

      it.each<[Ask, number[]]>([
        [{ receivedFrom: '2026-11-23T20:00:00.000001Z' }, [1, 2, 3, 4]],
        [{ receivedTo: '2026-11-23T20:00:00.500000Z' }, [0, 1]],
        [{ receivedFrom: '2026-11-23T20:00:00.5Z', receivedTo: '2026-11-23T20:00:01Z' }, [2, 3]],
        [{ receivedFrom: '2026-11-23T21:00:00.5+01:00' }, [2, 3, 4]],
        [{ receivedFrom: '2026-11-23T20:00:01.000001Z' }, []],
        [{ receivedTo: '2026-11-23T20:00:00Z' }, []],
        [{ receivedFrom: '2026-11-23T20:00:01Z', receivedTo: '2026-11-23T20:00:00Z' }, []],
        [{ receivedFrom: '2000-01-01T00:00:00Z', receivedTo: '2100-01-01T00:00:00Z', text: 'login' }, [0, 1, 2, 3, 4]],
      ])('are from (inclusive) and to (exclusive), to the microsecond: %j', async (query, expected) => {
        expect(await found(query)).toEqual(expected.map((sequence) => `a:${sequence}`));
        expect(await found({ ...query, order: 'newest' })).toEqual(expected.map((sequence) => `a:${sequence}`).reverse());
      });
    });

    describe('text', () => {
      beforeEach(async () => {
        const texts = [
          'user.login Ada Lovelace from the office',
          'document.update "Quarterly Report" NEAR the AND OR NOT',
          'Zürich Straße ÉCOLE Москва',
          '東京 監査ログ 한국어',
          'order-4711 a_b 50% c:\\temp o\'clock',
          'ﬁle Ａ１ x²',
        ];
        await index.add(texts.map((text, i) => document('a', i, { action: 'x', text })));
      });

      it.each<[string, number[]]>([
        ['login', [0]],
        ['LOGIN ada', [0]],
        ['lace', []],
        ['love', [0]],
        ['office user', [0]],
        ['office report', []],
        ['the', [0, 1]],
        ['user.log', [0]],
        ['order-47', [4]],
        ['4711', [4]],
        ['711', []],
      ])('finds all of the words, by their beginnings, in any case: %s', async (text, expected) => {
        expect(await found({ text })).toEqual(expected.map((sequence) => `a:${sequence}`));
      });

      it.each<[string, number[]]>([
        ['zürich', [2]],
        ['ZÜRICH', [2]],
        ['Zu\u0308rich', [2]],
        ['zurich', [2]],
        ['ecole', [2]],
        ['москва', [2]],
        ['МОСК', [2]],
        ['東京', [3]],
        ['査', [3]],
        ['ログ', [3]],
        ['한국', [3]],
        ['file', [5]],
        ['a1', [5]],
      ])('finds words of other scripts, without accents and compatibility forms: %s', async (text, expected) => {
        expect(await found({ text })).toEqual(expected.map((sequence) => `a:${sequence}`));
      });

      it.each<[string, number[]]>([
        ['"Quarterly', [1]],
        ['"report quarterly"', [1]],
        ['NOT', [1]],
        ['the AND office', []],
        ['login OR report', []],
        ['the NOT office', []],
        ['NEAR(the office)', []],
        ['-office the', [0]],
        ['text:login', []],
        ['log*', [0]],
        ['^user', [0]],
        ['(login)', [0]],
        ['login)', [0]],
        ['{login}', [0]],
        ['login; DROP TABLE terms', []],
        ['50%', [4]],
        ["o'clock", [4]],
        ['c:\\temp', [4]],
        ['a_b', [4]],
        ['login\u0000', [0]],
        ['\u{1F600} login', [0]],
      ])('has no syntax: %j', async (text, expected) => {
        expect(await found({ text })).toEqual(expected.map((sequence) => `a:${sequence}`));
      });

      it('is refused without a word in it', async () => {
        for (const text of ['', ' ', '***', '"', '\u{1F600}']) await expectRefused(index, { text }, 'text');
      });
    });

    describe('order and pages', () => {
      it('is by time of receipt, then chain, then sequence', async () => {
        const at = (second: number): Partial<SearchDocument> => ({ receivedAt: `2026-11-23T20:00:0${second}.000000Z` });
        await index.add([document('b', 0, at(1)), document('b', 1, at(1)), document('b', 2, at(4))]);
        await index.add([document('a', 0, at(1)), document('a', 1, at(3)), document('c', 0, at(0))]);
        const expected = ['c:0', 'a:0', 'b:0', 'b:1', 'a:1', 'b:2'];
        for (const query of [{}, { action: 'user.login' }, { text: 'login' }]) {
          expect(await found(query)).toEqual(expected);
          expect(await found({ ...query, order: 'newest' })).toEqual(expected.toReversed());
          for (const limit of [1, 2, 3, 5, 6]) {
            expect(await allPages({ ...query, limit })).toEqual(expected);
            expect(await allPages({ ...query, limit, order: 'newest' })).toEqual(expected.toReversed());
          }
        }
      });

      it('goes through thousands of hits without gaps or repeats', async () => {
        const chains = ['a', 'b', 'c'].map((chainId, c) => series(chainId, 1_000 + 300 * c, 1 + c));
        for (const documents of chains) for (let i = 0; i < documents.length; i += 500) await index.add(documents.slice(i, i + 500));
        const expected = chains.flat().toSorted(byTime);
        const even = expected.filter((it) => it.outcome === 'failure');
        expect(await allPages({ limit: 1_000 })).toEqual(expected.map(name_));
        expect(await allPages({ limit: 333, order: 'newest' })).toEqual(expected.map(name_).reverse());
        expect(await allPages({ limit: 97, outcome: 'failure' })).toEqual(even.map(name_));
        expect(await allPages({ limit: 97, outcome: 'failure', order: 'newest', text: 'log' })).toEqual(even.map(name_).reverse());
        expect(await allPages({ limit: 97, chainId: 'b', text: 'login' })).toEqual(chains[1]?.map(name_));
      });

      it('ends with a page that has no next, also when the hits fill it', async () => {
        await index.add(series('a', 4));
        expect((await ask({ limit: 4 })).next).toBeUndefined();
        expect((await ask({ limit: 3 })).next).toBeDefined();
        expect((await ask({ text: 'nothing' })).next).toBeUndefined();
      });

      it('stays the same while entries are added', async () => {
        const documents = series('a', 20);
        await index.add(documents.slice(0, 10));
        const first = await ask({ order: 'newest', limit: 4 });
        await index.add(documents.slice(10));
        const second = await ask({ order: 'newest', limit: 100, cursor: first.next ?? '' });
        expect([...first.hits, ...second.hits].map(name_)).toEqual(documents.slice(0, 10).map(name_).reverse());
        const oldest = await ask({ order: 'oldest', limit: 15 });
        expect(oldest.hits.map(name_)).toEqual(documents.slice(0, 15).map(name_));
      });
    });

    describe('a query that is not acceptable', () => {
      it.each<[keyof SearchQuery, unknown]>([
        ['limit', 0],
        ['limit', 1_001],
        ['limit', 1.5],
        ['limit', NaN],
        ['limit', '10'],
        ['order', 'sideways'],
        ['order', undefined],
        ['action', 7],
        ['chainId', ['a']],
        ['target', {}],
        ['text', 'x'.repeat(1_001)],
        ['text', Array.from({ length: 33 }, (_, i) => `w${i}`).join(' ')],
        ['receivedFrom', 'yesterday'],
        ['receivedFrom', '2026-11-23'],
        ['receivedFrom', '2026-11-23T20:00:00'],
        ['receivedTo', '2026-13-23T20:00:00Z'],
        ['receivedTo', '2026-11-23T20:00:00.1234567Z'],
        ['cursor', ''],
        ['cursor', 'x'],
        ['cursor', '!!!'],
        ['cursor', Buffer.from('[]').toString('base64url')],
        ['cursor', Buffer.from('[1,"x","2026","a",0]').toString('base64url')],
        ['cursor', Buffer.from('{"length":5}').toString('base64url')],
      ])('is refused by the name of its member: %s %j', async (field, value) => {
        await expectRefused(index, { [field]: value }, field);
      });

      it('is one whose cursor belongs to another query', async () => {
        await index.add(series('a', 10));
        const { next } = await ask({ limit: 2, action: 'user.login' });
        const cursor = next ?? '';
        expect(await found({ limit: 5, action: 'user.login', cursor })).toEqual(['a:2', 'a:3', 'a:4', 'a:5', 'a:6']);
        for (const other of [{}, { action: 'user.logout' }, { action: 'user.login', text: 'x' }, { action: 'user.login', order: 'newest' as const }]) {
          await expectRefused(index, { limit: 2, ...other, cursor }, 'cursor');
        }
      });

      it('is one whose cursor was tampered with', async () => {
        await index.add(series('a', 10));
        const { next = '' } = await ask({ limit: 2 });
        const fields = JSON.parse(Buffer.from(next, 'base64url').toString('utf8')) as unknown[];
        for (const [i, value] of [[0, 9], [2, 'x'], [2, 5], [3, '../a'], [3, null], [4, -1], [4, 1.5], [4, '1']] as const) {
          const tampered = fields.with(i, value);
          await expectRefused(index, { limit: 2, cursor: Buffer.from(JSON.stringify(tampered)).toString('base64url') }, 'cursor');
        }
      });
    });
  });
}

async function expectRefused(index: SearchIndex, query: Readonly<Record<string, unknown>>, field: string): Promise<void> {
  const asked = { order: 'oldest', limit: 10, ...query } as unknown as SearchQuery;
  const error: unknown = await index.search(asked).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error, JSON.stringify(query)).toBeInstanceOf(SearchQueryError);
  expect((error as SearchQueryError).field).toBe(field);
}

function name_(hit: SearchDocument): string {
  return `${hit.chainId}:${hit.sequence}`;
}

function byTime(a: SearchDocument, b: SearchDocument): number {
  const [x, y] = [a, b].map((it) => `${it.receivedAt} ${it.chainId.padEnd(100)} ${String(it.sequence).padStart(16, '0')}`) as [string, string];
  return x < y ? -1 : 1;
}

const START = Date.parse('2026-11-23T20:00:00Z');

/** Entry n of a chain is received n × `step` milliseconds after the start. Every third one failed. */
function series(chainId: string, count: number, step = 1): SearchDocument[] {
  return Array.from({ length: count }, (_, i) => {
    const receivedAt = new Date(START + i * step).toISOString().replace('Z', '000Z');
    return document(chainId, i, { receivedAt, outcome: i % 3 === 0 ? 'failure' : 'success' });
  });
}

function document(chainId: string, sequence: number, other: Partial<SearchDocument> = {}): SearchDocument {
  return {
    chainId,
    sequence,
    entryId: `id-${sequence}`,
    receivedAt: new Date(START + sequence * 1_000).toISOString().replace('Z', '000Z'),
    action: 'user.login',
    actorType: 'user',
    actorId: 'u-0',
    targets: [],
    text: `${other.action ?? 'user.login'} somebody`,
    ...other,
  };
}
