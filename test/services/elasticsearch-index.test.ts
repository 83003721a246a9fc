/** The index in a real Elasticsearch, as the service feeds it: through outages, deletions, other people's hands. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemHost } from '#indelible/ledger/host.js';
import { ElasticsearchIndex } from '#indelible/search/elasticsearch.js';
import type { IndexNote } from '#indelible/search/elasticsearch-generation.js';
import type { RebuildProgress } from '#indelible/reconcile/rebuild.js';
import { PROPERTIES } from '#indelible/search/elasticsearch-documents.js';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import { until } from '../support/until.js';
import { IndexedLedger } from './support/indexed-ledger.js';
import { RefusingProxy } from './support/refusing-proxy.js';

let server: Awaited<ReturnType<typeof elasticsearch.start>>;
beforeAll(async () => {
  server = await elasticsearch.start({ own: true });
});
afterAll(() => server.dispose());

let world: IndexedLedger;
afterEach(() => world.close());

const search = (query: object = {}) => world.opened.search.search({ order: 'oldest', limit: 100, ...query });

describe('entries that are appended', () => {
  it('are found, each once, and the answer says how far it is complete', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 1_200);
    await world.append('b', 3);
    await Promise.all([world.caughtUp('a'), world.caughtUp('b')]);
    await world.expectEqual('a');
    await world.expectEqual('b');
    const page = await search({ text: 'ada 11', limit: 3 });
    // 61 is by u-11.
    expect(page.hits.map(({ sequence }) => sequence)).toEqual([11, 61, 110]);
    expect(page.completeThrough).toEqual({ a: 1_200, b: 3 });
    expect(page.setAside).toBeUndefined();
    await until(() => world.work.lag === 0 && world.work.check?.status === 'ok');
  });

  it('are as far complete to a search of all chains as they were to one of their own before it', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 3);
    await world.caughtUp('a');
    const [progress] = ((await world.es('GET', `/${world.alias}-progress/_search`)) as { hits: { hits: { _id: string; _source: object }[] } }).hits.hits;
    // Progress between its two steps: it is written, and searches do not see it yet.
    for (let through = 4; through < 14; through++) {
      await world.es('PUT', `/${world.alias}-progress/_doc/${encodeURIComponent(progress!._id)}`, { ...progress!._source, through });
      const own = (await search({ chainId: 'a' })).completeThrough['a'];
      const all = (await search()).completeThrough['a'];
      expect(all).toBeGreaterThanOrEqual(own!);
    }
  });

  it('of many chains at once are all there, and go out in far fewer requests than there are commits', async () => {
    const proxy = await RefusingProxy.start(server.endpoint);
    world = await IndexedLedger.start(server.endpoint, { via: proxy.endpoint });
    const chains = Array.from({ length: 12 }, (_, n) => `busy-${n}`);
    const rounds = 10;
    for (let round = 0; round < rounds; round++) await Promise.all(chains.map((chainId) => world.append(chainId, 20)));
    for (const chainId of chains) {
      await world.caughtUp(chainId);
      await world.expectEqual(chainId);
    }
    // Documents and progress: two requests a write.
    expect(proxy.sizes.length).toBeLessThan(chains.length * rounds);
    await proxy.close();
  });

  it('have all of their metadata there, under the names that are documented', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 2, {
      occurredAt: '2026-01-02T03:04:05.678+01:00',
      outcome: 'denied',
      category: 'financial',
      reason: 'limit exceeded',
      context: { ip: '192.0.2.7', requestId: 'req-1', traceId: '4bf92f3577b34da6a3ce929d0e0e4736' },
      targets: [{ type: 'account', id: 'DE89:3704', name: 'Main account' }, { type: 'order', id: 'o-1' }],
      metadata: { desk: 'Frankfurt', amount: 12 },
    });
    await world.caughtUp('a');
    await world.expectEqual('a');
    const [document] = await world.documents('a');
    // Else nothing of this would have been compared.
    expect(document?._source).toMatchObject({ source: { address: '192.0.2.7' }, trace: { id: '4bf92f3577b34da6a3ce929d0e0e4736' }, indelible: { targets: ['account:DE89:3704', 'order:o-1'], target_ids: ['DE89:3704', 'o-1'] } });
  });

  it('go to the index of a process that comes later, from where it ended', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 700);
    await world.caughtUp('a');
    await world.close(true);
    const { alias, dataDir } = world;
    world = await IndexedLedger.start(server.endpoint, { alias, dataDir });
    await world.append('a', 0);
    await world.caughtUp('a');
    await world.expectEqual('a');
  });

  it('are in an index that takes nothing it was not made for', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 1, { metadata: { secret: 'of the payload' }, changes: [{ field: 'limit', before: 4711, after: 4712 }] });
    await world.caughtUp('a');
    const [document] = await world.documents('a');
    // Values of changes are no metadata: whoever may search the index must not read them there.
    expect(JSON.stringify(document)).not.toMatch(/471[12]/);
    await expect(world.es('PUT', `/${world.alias}/_doc/x?op_type=create`, { payload: 'x' })).rejects.toThrow(/strict_dynamic_mapping/);
  });
});

describe('an outage of Elasticsearch', () => {
  it('touches no append; searches say so; afterwards the index equals the log again', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 500);
    await world.caughtUp('a');
    await server.server.stop();
    await world.append('a', 3_000);
    await world.append('new', 10);
    await expect(search()).rejects.toMatchObject({ name: 'SearchIndexError' });
    await until(() => world.work.check?.status === 'degraded');
    expect(world.work.check?.detail).not.toContain('127.0.0.1');
    await server.server.start();
    await Promise.all([world.caughtUp('a'), world.caughtUp('new')]);
    await world.expectEqual('a');
    await world.expectEqual('new');
    expect(await world.reconcile()).toMatchObject({ verdict: 'equal', entriesCompared: 3_510 });
    await until(() => world.work.check?.status === 'ok');
    // Else each outage would raise the alarm of an attack.
    expect(await world.findings()).toEqual({});
  });

  it('that hangs is cut off for searches, and costs no append', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 50);
    await world.caughtUp('a');
    server.server.pause();
    try {
      // Both end while it still hangs.
      await world.append('a', 500);
      await expect(search()).rejects.toMatchObject({ name: 'SearchIndexError' });
    } finally {
      server.server.resume();
    }
    await world.caughtUp('a');
    await world.expectEqual('a');
  });

  it('by SIGKILL, again and again in the middle of writing, loses and doubles nothing', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 500);
    await world.caughtUp('a');
    for (let round = 0; round < 3; round++) {
      const appended = world.append('a', 15_000);
      await new Promise((resolve) => setTimeout(resolve, 400 + 400 * round));
      await server.server.kill();
      await appended;
      await server.server.start();
    }
    await world.caughtUp('a');
    await world.expectEqual('a');
    expect(await world.findings()).toEqual({});
  });
});

describe('an index that is deleted', () => {
  it('is noticed and made again from the log, without an append', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 2_500);
    await world.caughtUp('a');
    // The watch has to have seen the index it is to miss.
    await until(() => world.work.check?.status === 'ok');
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await world.es('DELETE', `/${await world.index()}`);
    // No answer, or one that says what it lacks; never an empty one that claims to be complete.
    const page = await search({ chainId: 'a' }).catch(() => undefined);
    expect(page?.completeThrough['a'] ?? 0).toBeLessThan(2_500);
    await world.caughtUp('a');
    await world.expectEqual('a');
    await until(async () => (await world.findings())['missing'] === 1);
    expect(await world.findings()).toEqual({ missing: 1 });
  });

  it('in the midst of appends is not made anew by a write, with any mapping', async () => {
    world = await IndexedLedger.start(server.endpoint);
    const appended = world.append('a', 20_000);
    await world.append('b', 10);
    await world.caughtUp('b');
    await world.es('DELETE', `/${await world.index()}`);
    await appended;
    await Promise.all([world.caughtUp('a'), world.caughtUp('b')]);
    await world.expectEqual('a');
    await world.expectEqual('b');
    const mappings = (await world.es('GET', `/${world.alias}-first/_mapping`)) as Record<string, { mappings: { dynamic: string } }>;
    expect(mappings[`${world.alias}-first`]?.mappings.dynamic).toBe('strict');
  });

  it('together with the records of its progress is no trouble either', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 300);
    await world.caughtUp('a');
    await world.es('DELETE', `/${world.alias}-progress-1,${world.alias}-rejected-1`);
    await world.append('a', 300);
    await world.caughtUp('a');
    await world.expectEqual('a');
  });
});

describe('an index that somebody changed', () => {
  it('is found out by a reconciliation, each change by its kind, and put right by backfill', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 2_500);
    await world.append('b', 20);
    await Promise.all([world.caughtUp('a'), world.caughtUp('b')]);
    const index = await world.index();
    const [template] = await world.documents('a');
    const put = (id: string, sequence: number, other: object = {}) => {
      const { _source } = structuredClone(template!);
      Object.assign(_source.event, { sequence });
      Object.assign(_source, other);
      return world.es('PUT', `/${index}/_doc/${encodeURIComponent(id)}`, _source);
    };
    await world.es('DELETE', `/${index}/_doc/a:0`);
    await world.es('DELETE', `/${index}/_doc/a:1001`);
    await world.es('DELETE', `/${index}/_doc/a:1002`);
    await world.es('DELETE', `/${index}/_doc/a:2499`);
    await world.es('POST', `/${index}/_update/a:77`, { doc: { user: { id: 'somebody-else' } } });
    await world.es('POST', `/${index}/_update/a:78`, { doc: { indelible: { words: ['nothing'] } } });
    await put('a:2500', 2_500);
    await put('by-hand', 5);
    // Moved to another place: entry 9 is gone, and 12 is there twice.
    await put('a:9', 12);
    await put('c:0', 0, { indelible: { chain_id: 'c', received_micros: 1, actor_type: 'user', targets: [], target_ids: [], words: [] } });
    await world.es('POST', `/${index}/_refresh`);

    const report = await world.reconcile();
    expect(report.verdict).toBe('different');
    expect(report.chains.find(({ chainId }) => chainId === 'a')?.found).toEqual({ missing: 5, behind: 0, different: 2, extra: 1, doubled: 2 });
    expect(report.chains.find(({ chainId }) => chainId === 'b')?.found).toEqual({ missing: 0, behind: 0, different: 0, extra: 0, doubled: 0 });
    expect(report.discrepancies).toEqual(
      expect.arrayContaining([
        { copy: 'index', kind: 'missing', chainId: 'a', sequence: 0 },
        { copy: 'index', kind: 'missing', chainId: 'a', sequence: 9 },
        { copy: 'index', kind: 'missing', chainId: 'a', sequence: 1_001, lastSequence: 1_002 },
        { copy: 'index', kind: 'missing', chainId: 'a', sequence: 2_499 },
        { copy: 'index', kind: 'different', chainId: 'a', sequence: 77, id: 'a:77' },
        { copy: 'index', kind: 'different', chainId: 'a', sequence: 78, id: 'a:78' },
        { copy: 'index', kind: 'doubled', chainId: 'a', sequence: 5, id: 'by-hand' },
        { copy: 'index', kind: 'doubled', chainId: 'a', sequence: 12, id: 'a:9' },
        { copy: 'index', kind: 'extra', chainId: 'a', sequence: 2_500, id: 'a:2500' },
        { copy: 'index', kind: 'extra', sequence: 0, id: 'c:0' },
      ]),
    );

    // Put right, and still said: somebody did that.
    expect(await world.reconcile(true)).toMatchObject({ verdict: 'different' });
    expect(await world.reconcile()).toMatchObject({ verdict: 'equal', discrepancies: [] });
    await world.expectEqual('a');
    await world.append('a', 10);
    await world.caughtUp('a');
    await world.expectEqual('a');
  });

  it('is filled again from the first hole by the next process', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 1_500);
    await world.caughtUp('a');
    const index = await world.index();
    for (const sequence of [700, 701, 1_400]) await world.es('DELETE', `/${index}/_doc/a:${sequence}?refresh=true`);
    const { alias, dataDir } = world;
    await world.close(true);
    const notes: IndexNote[] = [];
    const other = new ElasticsearchIndex({ url: server.endpoint, index: alias, host: systemHost, onNote: (note) => notes.push(note) });
    expect(await other.through('a')).toBe(700);
    expect(notes).toMatchObject([{ kind: 'hole', chainId: 'a' }]);
    expect((await other.search({ chainId: 'a', order: 'newest', limit: 1 })).completeThrough).toEqual({ a: 700 });
    await other.close();
    world = await IndexedLedger.start(server.endpoint, { alias, dataDir });
    await world.caughtUp('a');
    await world.expectEqual('a');
    // The one before has found the hole, and has set the record back: this one only fills it.
    expect(await world.findings()).toEqual({});
  });

  it('at its beginning is counted when the process that feeds it starts again', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 30);
    await world.caughtUp('a');
    await world.es('DELETE', `/${await world.index()}/_doc/a:0?refresh=true`);
    await world.close(true);
    const { alias, dataDir } = world;
    world = await IndexedLedger.start(server.endpoint, { alias, dataDir });
    await until(async () => (await world.documents('a')).length === 30);
    expect(await world.findings()).toEqual({ missing: 1 });
  });

  it('under an entry that is added again is reported and left to a reconciliation', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 3);
    await world.caughtUp('a');
    const documents = (await search()).hits;
    await world.es('POST', `/${await world.index()}/_update/a:1?refresh=true`, { doc: { event: { action: 'nothing.happened' } } });
    await world.es('DELETE', `/${await world.index()}/_doc/a:0?refresh=true`);
    const notes: IndexNote[] = [];
    const other = new ElasticsearchIndex({ url: server.endpoint, index: world.alias, host: systemHost, onNote: (note) => notes.push(note) });
    expect(await other.through('a')).toBe(0);
    await other.add(documents);
    expect(notes.filter(({ kind }) => kind === 'differs').map(({ message }) => message)).toEqual([expect.stringContaining('entry 1 of chain a')]);
    await other.close();
  });
});

describe('documents that the index will not take', () => {
  it('are set aside and said, in the answer too, and stop nothing', async () => {
    const alias = `poison-${Date.now()}`;
    // A mapping that refuses names that are no number.
    const properties = { ...PROPERTIES, user: { properties: { id: { type: 'keyword' }, name: { type: 'long' } } } };
    await fetch(`${server.endpoint}/${alias}-first`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ aliases: { [alias]: {}, [`${alias}-first-write`]: {} }, mappings: { dynamic: 'strict', _meta: { version: 1 }, properties }, settings: { refresh_interval: '-1' } }),
    });
    world = await IndexedLedger.start(server.endpoint, { alias });
    await world.append('a', 20, { actor: { type: 'user', id: 'u-1', name: '7' } });
    await world.append('a', 2, { actor: { type: 'user', id: 'u-1', name: 'Zoë' } });
    await world.append('a', 20, { actor: { type: 'user', id: 'u-1', name: '8' } });
    await world.caughtUp('a');
    const page = await search({ actorId: 'u-1' });
    expect(page.hits.length).toBe(40);
    expect(page.completeThrough).toEqual({ a: 42 });
    expect(page.setAside).toEqual({ a: 2 });
    await until(() => world.work.check?.detail?.includes('2 documents set aside') === true);
    expect(world.work.check?.status).toBe('degraded');
    expect(world.work.setAside).toBe(2);
    const { hits } = (await world.es('POST', `/${alias}-rejected/_search`, { sort: ['sequence'] })) as { hits: { hits: { _source: object }[] } };
    expect(hits.hits.map(({ _source }) => _source)).toMatchObject([
      { chain_id: 'a', sequence: 20, reason: expect.stringContaining('user.name') as unknown },
      { chain_id: 'a', sequence: 21 },
    ]);
    // They are lacking, and no backfill can change that.
    expect(await world.reconcile(true)).toMatchObject({ verdict: 'incomplete', chains: [{ found: { missing: 2 }, repaired: 0 }] });
    expect(await world.opened.search.through('a')).toBe(42);
    // An index that takes them has them.
    await world.opened.searchParts.rebuild(world.opened.ledger, () => undefined);
    expect((await search({ text: 'zoe' })).hits.map(({ sequence }) => sequence)).toEqual([20, 21]);
    expect((await search()).setAside).toBeUndefined();
    await until(() => world.work.check?.status === 'ok');
    await world.expectEqual('a');
  });
});

describe('a rebuild', () => {
  it('under appends and searches answers all the time, loses nothing, and leaves one index', async () => {
    world = await IndexedLedger.start(server.endpoint);
    await world.append('a', 12_000);
    await world.caughtUp('a');
    const before = await world.index();
    const over = new AbortController();
    const appending = (async () => {
      while (!over.signal.aborted) {
        await world.append('a', 100);
        await world.append(`n${Math.floor(Math.random() * 3)}`, 5);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    let searches = 0;
    const searching = (async () => {
      while (!over.signal.aborted) {
        const page = await search({ chainId: 'a', action: 'order.n3', limit: 50 });
        // The old index or the full new one: never one that is being filled.
        expect(page.hits.length).toBe(50);
        expect(page.completeThrough['a']).toBeGreaterThanOrEqual(12_000);
        searches++;
      }
    })();
    const steps: RebuildProgress[] = [];
    const result = await world.opened.searchParts.rebuild(world.opened.ledger, (step) => void steps.push(step));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    over.abort();
    await Promise.all([appending, searching]);
    expect(searches).toBeGreaterThan(5);
    expect(result).toMatchObject({ setAside: 0 });
    expect(result.entries).toBeGreaterThanOrEqual(12_000);
    // Who waits for it sees it advance, chain by chain, up to the end and never beyond.
    expectAdvancing(steps.filter(({ chainId }) => chainId === 'a'), 12_000);
    expect(steps.some(({ chainId }) => chainId !== 'a')).toBe(true);
    expect(await world.index()).not.toBe(before);
    for await (const chainId of world.opened.ledger.reader.chains()) {
      await world.caughtUp(chainId);
      await world.expectEqual(chainId);
    }
    const left = Object.keys((await world.es('GET', `/${world.alias}-*/_alias`)) as object).filter((name) => !/-(progress|rejected)-1$/.test(name));
    expect(left).toEqual([await world.index()]);
    // Another index stands behind the alias now, and none was lost.
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    expect(await world.findings()).toEqual({});
  });

  it('that fails leaves the old index as it was, and nothing beside it', async () => {
    const proxy = await RefusingProxy.start(server.endpoint);
    world = await IndexedLedger.start(server.endpoint, { via: proxy.endpoint });
    await world.append('a', 1_000);
    await world.caughtUp('a');
    const before = await world.index();
    proxy.spoil = () => 'lose-request';
    await expect(world.opened.searchParts.rebuild(world.opened.ledger, () => undefined)).rejects.toMatchObject({ name: 'SearchIndexError' });
    proxy.spoil = () => 'pass';
    expect(await world.index()).toBe(before);
    const left = Object.keys((await world.es('GET', `/${world.alias}-*/_alias`)) as object).filter((name) => !/-(progress|rejected)-1$/.test(name));
    expect(left).toEqual([before]);
    await proxy.close();
  });
});

describe('an Elasticsearch that has enough', () => {
  it('gets smaller requests, a bounded number at a time, and in the end everything once', async () => {
    const proxy = await RefusingProxy.start(server.endpoint);
    world = await IndexedLedger.start(server.endpoint, { via: proxy.endpoint });
    let most = 0;
    proxy.spoil = (bytes, nth) => {
      most = Math.max(most, bytes);
      return bytes > 100_000 ? 'too-large' : nth % 3 === 0 ? 'too-many' : 'pass';
    };
    await world.append('a', 6_000);
    await world.caughtUp('a');
    expect(proxy.counts['too-large']).toBeGreaterThan(0);
    expect(proxy.counts['too-many']).toBeGreaterThan(5);
    expect(proxy.mostAtATime).toBeLessThanOrEqual(2);
    expect(most).toBeLessThanOrEqual(5 * 1024 * 1024);
    await world.expectEqual('a');
    await proxy.close();
  });

  it('or that takes documents and can not say so, is asked again and holds each once', async () => {
    const proxy = await RefusingProxy.start(server.endpoint);
    world = await IndexedLedger.start(server.endpoint, { via: proxy.endpoint });
    proxy.spoil = (_bytes, nth) => (nth % 4 === 1 ? 'lose-answer' : nth % 4 === 2 ? 'lose-request' : 'pass');
    for (let i = 0; i < 8; i++) await world.append('a', 500);
    await world.caughtUp('a');
    expect(proxy.counts['lose-answer']).toBeGreaterThan(0);
    expect(proxy.counts['lose-request']).toBeGreaterThan(0);
    await world.expectEqual('a');
    await proxy.close();
  });

  it('for good leaves appends alone', async () => {
    const proxy = await RefusingProxy.start(server.endpoint);
    world = await IndexedLedger.start(server.endpoint, { via: proxy.endpoint });
    proxy.spoil = () => 'lose-request';
    await world.append('a', 1_000);
    await until(() => world.work.check?.status === 'degraded');
    expect(world.work.lag).toBe(1_000);
    proxy.spoil = () => 'pass';
    await world.caughtUp('a');
    await world.expectEqual('a');
    await proxy.close();
  });
});

/** Of one chain: it begins before the end, only goes on, and ends at the chain's size. */
function expectAdvancing(steps: readonly RebuildProgress[], least: number): void {
  expect(steps.length).toBeGreaterThan(2);
  expect(steps[0]!.entries).toBeLessThan(steps[0]!.size);
  for (const [i, { entries, size }] of steps.entries()) {
    expect(entries).toBeGreaterThan(i === 0 ? 0 : steps[i - 1]!.entries);
    expect(entries).toBeLessThanOrEqual(size);
  }
  expect(steps.at(-1)!.entries).toBe(steps.at(-1)!.size);
  expect(steps.at(-1)!.size).toBeGreaterThanOrEqual(least);
}
