/** A process without the role api. At stake: a stranger who is let in by it, and a client that takes its "not here" for "not in the log". */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { event, TestServer } from './support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start({ deps: { servesLog: false } });
});
afterAll(() => server.close());

it.each([
  ['POST', '/v1/chains/orders/entries', event()],
  ['POST', '/v1/chains/orders/entries/batch', [event()]],
  ['GET', '/v1/chains', undefined],
  ['GET', '/v1/chains/orders/entries/0', undefined],
  ['GET', '/v1/chains/orders/verify', undefined],
  ['GET', '/v1/search', undefined],
] as const)('answers %s %s with role_not_served, naming the setting, whoever asks', async (method, path, body) => {
  for (const token of [undefined, null]) {
    const answer = await server.send(method, path, { ...(body !== undefined && { body }), ...(token === null && { token }) });
    expect(answer.json).toMatchObject({ status: 503, code: 'role_not_served', detail: expect.stringContaining('INDELIBLE_ROLES') as string });
  }
});

it('appends nothing', async () => {
  await server.send('POST', '/v1/chains/orders/entries', { body: event() });
  await expect(server.opened.ledger.chain('orders')).rejects.toMatchObject({ code: 'chain_not_found' });
});

it('says of itself how it is', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) expect((await server.send('GET', path, { token: null })).status, path).toBe(200);
});
