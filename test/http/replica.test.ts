/** What callers are told of the second bucket, and what they still get while the first does not answer. */
import { afterEach, describe, expect, it } from 'vitest';
import { CHAIN, World } from '../replica/world.js';
import { TestServer } from './support/server.js';

let world: World;
let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
  await world.close();
});

const STATES = (json: Record<string, unknown>): unknown[] => (json['entries'] as { state: string }[]).map(({ state }) => state);

describe('the state of an entry', () => {
  it('is durable without a second bucket, and no chain is said to be replicated', async () => {
    world = new World();
    server = await TestServer.start();
    await server.append('orders', { action: 'a', actor: { type: 'user', id: 'u' } });
    expect((await server.send('GET', '/v1/chains/orders/entries/0')).json).toMatchObject({ state: 'durable' });
    expect(STATES((await server.send('GET', '/v1/chains/orders/entries')).json)).toEqual(['durable']);
    expect((await server.send('GET', '/v1/chains')).json['chains']).toEqual([expect.not.objectContaining({ replicatedThrough: expect.anything() as unknown })]);
  });

  it('is replicated as far as the second bucket is known to go, one by one and in a page', async () => {
    world = new World();
    const opened = world.open();
    await world.append(opened.ledger, 5);
    await world.replicated(opened);
    server = await TestServer.start({ deps: { ledger: opened.ledger, replica: { replicatedThrough: () => 3 } } });
    expect(STATES((await server.send('GET', `/v1/chains/${CHAIN}/entries`)).json)).toEqual(['replicated', 'replicated', 'replicated', 'durable', 'durable']);
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries/2`)).json).toMatchObject({ state: 'replicated' });
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries/3`)).json).toMatchObject({ state: 'durable' });
    expect((await server.send('GET', '/v1/chains')).json['chains']).toEqual([expect.objectContaining({ chainId: CHAIN, size: 5, replicatedThrough: 3 })]);
  });
});

describe('while the first bucket does not answer', () => {
  it('entries that are known are served from the second, and no page claims to be the last', async () => {
    world = new World();
    const before = world.open();
    await world.appendSegments(before.ledger, 20);
    await world.replicated(before);
    // A process that knows how far the chain goes, and has read hardly any of it.
    const opened = world.open({ copies: false, lookEveryMs: 60_000 });
    await opened.ledger.chain(CHAIN);
    opened.first.plan(...(['read', 'list'] as const).flatMap((operation) => Array.from({ length: 500 }, (_, i) => ({ operation, call: i + 1, fault: 'not-stored' as const }))));
    server = await TestServer.start({ deps: { ledger: opened.ledger, replica: before.replica } });

    const one = await server.send('GET', `/v1/chains/${CHAIN}/entries/7`);
    expect(one.text).toContain(`"entry":${world.receipts[7]!.payload}}`);
    expect(one.json).toMatchObject({ state: 'replicated' });
    const page = await server.send('GET', `/v1/chains/${CHAIN}/entries?limit=1000`);
    expect(page.status).toBe(200);
    expect(STATES(page.json)).toHaveLength(world.size());
    expect(page.json['next']).toBe(world.size());
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries?from=${world.size()}`)).json).toMatchObject({ status: 503, code: 'store_unavailable' });
    expect(world.fallbacks.length).toBeGreaterThan(0);
  });
});
