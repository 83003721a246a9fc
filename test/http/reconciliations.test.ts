import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SearchDocument, SearchIndex } from '#indelible/search/search-index.js';
import { SearchIndexError } from '#indelible/search/elasticsearch-client.js';
import { event, TestServer } from './support/server.js';
import type { Answer } from './support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
  for (let n = 0; n < 5; n++) await server.append('a', event(n));
});
afterAll(() => server.close());

async function done(started: Answer): Promise<Answer> {
  for (;;) {
    const job = await server.send('GET', started.headers.location!);
    if (job.json['finishedAt'] !== undefined) return job;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a reconciliation', () => {
  it.each([['of everything', undefined], ['of one chain', { chainId: 'a' }], ['with backfill', { backfill: true }]])('%s is a job with a report', async (_name, body) => {
    const started = await server.send('POST', '/v1/reconciliations', { body });
    expect(started.status).toBe(202);
    const job = await done(started);
    expect(job.json).toMatchObject({ state: 'done', entriesCompared: 5, report: { verdict: 'equal', discrepancies: [], chains: [{ copy: 'index', chainId: 'a', size: 5 }] } });
  });

  it.each([
    ['of a chain that is not there', { chainId: 'nowhere' }, 404, 'chain_not_found'],
    ['of a chain id that is none', { chainId: '../x' }, 422, 'body_field_invalid'],
    ['with a member that is not known', { all: true }, 422, 'body_field_unknown'],
    ['with a backfill that is no yes or no', { backfill: 'yes' }, 422, 'body_field_invalid'],
  ])('%s is refused', async (_name, body, status, code) => {
    expect((await server.send('POST', '/v1/reconciliations', { body })).json).toMatchObject({ status, code });
  });

  it('needs a token, and that of a producer is not enough', async () => {
    expect((await server.send('POST', '/v1/reconciliations', { token: null })).json).toMatchObject({ code: 'token_missing' });
    expect((await server.send('GET', '/v1/reconciliations/none')).json).toMatchObject({ status: 404, code: 'job_not_found' });
  });
});

describe('a search with verified=true', () => {
  it('gives each entry as the log has it, with a receipt that proves it', async () => {
    const { status, json } = await server.send('GET', '/v1/search?chainId=a&order=oldest&verified=true');
    expect(status).toBe(200);
    const hits = json['hits'] as (SearchDocument & { receipt: { sequence: number; payload: string } })[];
    expect(hits.map(({ sequence, receipt }) => [sequence, receipt.sequence])).toEqual([0, 1, 2, 3, 4].map((n) => [n, n]));
    expect(json['contradicted']).toEqual([]);
    await server.audit('a', hits.map(({ receipt }) => receipt) as never);
  });

  it('reports what the log contradicts, and does not pass it on as true', async () => {
    const { hits } = await server.opened.search.search({ chainId: 'a', order: 'oldest', limit: 3 });
    const [first, second, third] = hits as [SearchDocument, SearchDocument, SearchDocument];
    const forged = [first, { ...second, actorId: 'nobody' }, { ...third, sequence: 99 }, { ...third, chainId: 'never' }, { ...third, chainId: '../../x' }];
    const search: SearchIndex = {
      kind: 'elasticsearch', add: () => Promise.resolve(), through: () => Promise.resolve(5), close: () => Promise.resolve(),
      search: () => Promise.resolve({ hits: forged, completeThrough: { a: 5 }, setAside: { a: 1 } }),
    };
    const lied = await TestServer.start({ deps: { search, ledger: server.opened.ledger } });
    const { json } = await lied.send('GET', '/v1/search?verified=true');
    expect((json['hits'] as SearchDocument[]).map(({ sequence }) => sequence)).toEqual([0]);
    expect(json['contradicted']).toEqual([
      { chainId: 'a', sequence: 1, reason: 'the log says something else of this entry' },
      { chainId: 'a', sequence: 99, reason: 'the log has no such entry' },
      { chainId: 'never', sequence: 2, reason: 'the log has no such entry' },
      { chainId: '../../x', sequence: 2, reason: 'the log has no such entry' },
    ]);
    expect(json['setAside']).toEqual({ a: 1 });
    await lied.close();
  });

  it('is bounded', async () => {
    expect((await server.send('GET', '/v1/search?verified=true&limit=101')).json).toMatchObject({ status: 400, code: 'query_parameter_invalid', field: 'limit' });
    expect((await server.send('GET', '/v1/search?verified=yes')).json).toMatchObject({ status: 400, code: 'query_parameter_invalid', field: 'verified' });
  });

  it('over an index that does not answer is 503, and says nothing of where it is', async () => {
    const search = { kind: 'elasticsearch' as const, add: () => Promise.resolve(), through: () => Promise.resolve(0), search: () => Promise.reject(new SearchIndexError('connect ECONNREFUSED 10.1.2.3:9200')), close: () => Promise.resolve() };
    const broken = await TestServer.start({ deps: { search } });
    const answer = await broken.send('GET', '/v1/search');
    expect(answer.json).toMatchObject({ status: 503, code: 'search_unavailable' });
    expect(answer.text).not.toContain('10.1.2.3');
    expect((await broken.send('POST', '/v1/chains/a/entries', { body: event() })).status).toBe(201);
    await broken.close();
  });
});
