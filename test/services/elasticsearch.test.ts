/** The search index in a real Elasticsearch: the contract every index keeps, and what only this one has to. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { systemHost } from '#indelible/ledger/host.js';
import { ElasticsearchIndex } from '#indelible/search/elasticsearch.js';
import * as elasticsearch from '../../scripts/services/elasticsearch.mjs';
import { searchIndexContract } from '../search/contract.js';

let server: Awaited<ReturnType<typeof elasticsearch.start>>;
beforeAll(async () => {
  server = await elasticsearch.start();
});
afterAll(() => server.dispose());

searchIndexContract('Elasticsearch', async () => {
  const name = `t-${randomBytes(4).toString('hex')}`;
  const index = new ElasticsearchIndex({ url: server.endpoint, index: name, host: systemHost });
  await index.current();
  const close = index.close.bind(index);
  index.close = async () => {
    await fetch(`${server.endpoint}/${name}*`, { method: 'DELETE' });
    await close();
  };
  return index;
});
