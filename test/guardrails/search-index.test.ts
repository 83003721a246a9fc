/** The check of Elasticsearch's security, against answers as x-pack gives them (the servers of the other tests have none). */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { GuardrailCheck } from '#indelible/guardrails/report.js';
import { searchIndexChecks } from '#indelible/guardrails/search-index.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

type Answer = readonly [status: number, body: unknown];

/** What it answers to somebody without credentials, and to us. */
async function checksOf(anonymous: (path: string) => Answer, own: (path: string) => Answer): Promise<Map<string, GuardrailCheck>> {
  const server = createServer((request, response) => {
    request.resume();
    const [status, body] = (request.headers.authorization === undefined ? anonymous : own)(request.url ?? '');
    response.writeHead(status, { 'content-type': 'application/vnd.elasticsearch+json; compatible-with=8', 'x-elastic-product': 'Elasticsearch' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const found = new Map<string, GuardrailCheck>();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for await (const check of searchIndexChecks({ url, apiKey: 'key', alias: 'audit', timeoutMs: 5_000 })) found.set(check.name, check);
  return found;
}

const held = (...rights: string[]): Answer => [200, { username: 'u', has_all_requested: false, cluster: {}, application: {}, index: { audit: Object.fromEntries(['write', 'delete', 'delete_index', 'manage'].map((right) => [right, rights.includes(right)])) } }];
const refused: Answer = [401, { error: { type: 'security_exception' }, status: 401 }];
const quiet = (path: string): Answer => (path.includes('has_privileges') ? held() : [200, {}]);

describe('the security of Elasticsearch', () => {
  it('credentials are asked for, and ours can only index: protected', async () => {
    const found = await checksOf(() => refused, quiet);
    expect(found.get('index-access')?.protection).toBe('protected');
    expect(found.get('index-rights')?.protection).toBe('protected');
  });

  it('an anonymous role that may write is unprotected; one that may not is no hole', async () => {
    expect((await checksOf(() => held('write'), quiet)).get('index-access')).toMatchObject({ protection: 'unprotected', detail: expect.stringContaining('write') as string });
    expect((await checksOf(() => held(), quiet)).get('index-access')?.protection).toBe('protected');
  });

  it('our own credentials that may delete the index are weak', async () => {
    const found = await checksOf(() => refused, (path) => (path.includes('has_privileges') ? held('delete_index', 'manage') : [200, {}]));
    expect(found.get('index-rights')).toMatchObject({ protection: 'weak', detail: expect.stringContaining('delete_index') as string });
  });

  it('what our credentials may not see is unknown, and the advice names the privilege', async () => {
    const found = await checksOf(() => refused, () => [403, { error: { type: 'security_exception' }, status: 403 }]);
    expect(found.get('index-mapping')).toMatchObject({ protection: 'unknown', advice: expect.stringContaining('view_index_metadata') as string });
    expect(found.get('index-removal')).toMatchObject({ protection: 'unknown', advice: expect.stringContaining('monitor') as string });
    expect([...found.values()].filter(({ protection }) => protection === 'protected').map(({ name }) => name)).toEqual(['index-access']);
  });

  it('a proxy before it that asks for credentials counts, though Elasticsearch has no security', async () => {
    const found = await checksOf((path) => (path.includes('has_privileges') ? [405, {}] : [403, {}]), quiet);
    expect(found.get('index-access')?.protection).toBe('protected');
  });
});
