import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ViewError } from '#indelible/view/errors.js';
import { TestServer } from './support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
  const events = Array.from({ length: 30 }, (_, n) => ({
    action: n % 3 === 0 ? 'login' : 'order.create',
    actor: { type: 'user', id: `u${n % 5}`, name: 'Zoë Müller' },
    targets: [{ type: 'order', id: `o${n}` }],
    outcome: n % 2 === 0 ? 'success' : 'denied',
    reason: `note ${n} withdrawal`,
    context: { ip: '203.0.113.7', requestId: `r${n}` },
  }));
  await server.send('POST', '/v1/chains/a/entries/batch', { body: events });
  await server.send('POST', '/v1/chains/b/entries/batch', { body: events.slice(0, 3) });
  for (;;) {
    const through = (await server.send('GET', '/v1/search')).json['completeThrough'] as Record<string, number>;
    if (through['a'] === 30 && through['b'] === 3) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
afterAll(() => server.close());

interface Hit {
  readonly chainId: string;
  readonly sequence: number;
}

async function search(query: string): Promise<readonly string[]> {
  const { status, json } = await server.send('GET', `/v1/search?${query}`);
  expect(status).toBe(200);
  return (json['hits'] as Hit[]).map(({ chainId, sequence }) => `${chainId}:${sequence}`);
}

describe('searching', () => {
  it('holds all filters at once, and says how far it is complete', async () => {
    expect(await search('chainId=a&action=login&outcome=denied&order=oldest')).toEqual(['a:3', 'a:9', 'a:15', 'a:21', 'a:27']);
    const { json } = await server.send('GET', '/v1/search?chainId=a');
    expect(json['completeThrough']).toEqual({ a: 30 });
  });

  it.each([
    ['target=order:o7', ['a:7']], ['target=o7', ['a:7']], ['requestId=r12', ['a:12']], ['actorId=u4&chainId=b', []],
    ['text=m%C3%BCller+note+withdr&chainId=b&order=oldest', ['b:0', 'b:1', 'b:2']], ['ip=203.0.113.7&chainId=b&limit=1', ['b:2']],
  ])('%s', async (query, hits) => {
    expect(await search(query)).toEqual(hits);
  });

  it('leads through all hits by its cursor', async () => {
    const seen: string[] = [];
    let cursor = '';
    for (;;) {
      const { json } = await server.send('GET', `/v1/search?chainId=a&limit=7&order=oldest${cursor}`);
      seen.push(...(json['hits'] as Hit[]).map(({ sequence }) => String(sequence)));
      if (json['next'] === undefined) break;
      cursor = `&cursor=${encodeURIComponent(json['next'] as string)}`;
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, n) => String(n)));
  });

  it.each([
    ['limit=0', 'query_parameter_invalid', 'limit'], ['order=random', 'query_parameter_invalid', 'order'], ['outcome=maybe', 'query_parameter_invalid', 'outcome'],
    ['chainId=A', 'query_parameter_invalid', 'chainId'], ['receivedFrom=yesterday', 'query_parameter_invalid', 'receivedFrom'], ['cursor=xyz', 'query_parameter_invalid', 'cursor'],
    ['action=', 'query_parameter_invalid', 'action'], ['q=x', 'query_parameter_unknown', 'q'], ['text=%F0%28', 'query_parameter_invalid', undefined],
    ['__proto__=x', 'query_parameter_unknown', '__proto__'], ['constructor=x', 'query_parameter_unknown', 'constructor'],
  ])('refuses ?%s', async (query, code, field) => {
    expect((await server.send('GET', `/v1/search?${query}`)).json).toMatchObject({ status: 400, code, ...(field !== undefined && { field }) });
  });

  it('an index that does not answer is our fault, and temporary', async () => {
    const search = { kind: 'sqlite' as const, add: () => Promise.resolve(), through: () => Promise.resolve(0), search: () => Promise.reject(new ViewError('busy', 'locked')), close: () => Promise.resolve() };
    const broken = await TestServer.start({ deps: { search } });
    const answer = await broken.send('GET', '/v1/search');
    expect(answer.json).toMatchObject({ status: 503, code: 'search_unavailable' });
    expect(answer.headers['retry-after']).toBe('5');
    await broken.close();
  });
});
