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

function open(index = `t-${randomBytes(4).toString('hex')}`): ElasticsearchIndex {
  return new ElasticsearchIndex({ url: server.endpoint, index, host: systemHost });
}

searchIndexContract('Elasticsearch', async () => {
  const index = open();
  await index.current();
  const close = index.close.bind(index);
  index.close = async () => {
    await fetch(`${server.endpoint}/t-*`, { method: 'DELETE' });
    await close();
  };
  return index;
});
