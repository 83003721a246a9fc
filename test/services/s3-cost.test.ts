/**
 * What entries cost in a bucket: requests and bytes, which do not depend on the machine. Were this to rise unseen, the
 * bill would, too. Rates are for `npm run bench:s3`.
 */
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as minio from '../../scripts/services/minio.mjs';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';
import { CountingProxy } from './support/counting-proxy.js';
import { environment, serve, TOKEN } from './support/serve.js';

const folder = scratchFolders();
const SEGMENTS = 20;
const BATCH = 1_000;

let server: Awaited<ReturnType<typeof minio.start>>;
let proxy: CountingProxy;
beforeAll(async () => {
  server = await minio.start();
  proxy = await CountingProxy.start(server.endpoint);
});
afterAll(async () => {
  await proxy.close();
  await server.dispose();
});

const text = (id: number): string =>
  JSON.stringify({ action: 'order.place', actor: { type: 'user', id: `u-${id}` }, category: 'financial', outcome: 'success', metadata: { note: 'x'.repeat(280) } });

it('takes two requests a thousand entries, 1/500 of one PUT an entry, and stores at most a tenth more than the payloads', async () => {
  const bucket = await server.createBucket('cost');
  const service = await serve(await folder(), environment({ endpoint: proxy.endpoint, credentials: server.credentials }, bucket));
  const post = async (path: string, body: string): Promise<number> => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': path === 'entries' ? 'application/json' : 'application/x-ndjson' };
    const answer = await fetch(`${service.url}/v1/chains/orders/${path}`, { method: 'POST', headers, body });
    await answer.arrayBuffer();
    return answer.status;
  };
  try {
    // What a start costs once: the head of the chain is looked for, and the service tells its own chain what protects the log.
    expect(await post('entries', text(0))).toBe(201);
    const ofTheService = { Bucket: bucket, Prefix: 'chains/_system/segments/' };
    await until(async () => (await server.admin.send(new ListObjectsV2Command(ofTheService))).KeyCount === 2);
    let before = -1;
    while (proxy.total > before) {
      before = proxy.total;
      await sleep(1_000);
    }
    proxy.requests.clear();
    for (let n = 0; n < SEGMENTS; n++) {
      const events = Array.from({ length: BATCH }, (_, at) => text(n * BATCH + at));
      expect(await post('entries/batch', `${events.join('\n')}\n`)).toBe(201);
    }
    expect(Object.fromEntries(proxy.requests)).toEqual({ PUT: SEGMENTS, GET: SEGMENTS });
    expect((SEGMENTS * BATCH) / proxy.total).toBe(500);

    const { Contents: objects = [] } = await server.admin.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'chains/orders/segments/' }));
    expect(objects).toHaveLength(1 + SEGMENTS);
    const stored = objects.reduce((sum, { Size = 0 }) => sum + Size, 0);
    let payloads = 0;
    for (let from = 0; from <= SEGMENTS * BATCH; from += BATCH) {
      const page = await fetch(`${service.url}/v1/chains/orders/entries?from=${from}&limit=${BATCH}`, { headers: { authorization: `Bearer ${TOKEN}`, accept: 'application/x-ndjson' } });
      const lines = (await page.text()).split('\n').filter((line) => line !== '');
      payloads += lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    }
    expect(stored).toBeGreaterThan(payloads);
    expect(stored / payloads).toBeLessThan(1.1);
  } finally {
    await service.stop('SIGTERM');
  }
});
