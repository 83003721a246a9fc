import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hexEncode } from '#platform';
import { originOf } from '#indelible/core/chain.js';
import { openCheckpoint } from '#indelible/core/checkpoint.js';
import { verifyConsistency } from '#indelible/core/merkle.js';
import { noteKey, parseVkey } from '#indelible/core/note.js';
import { receiptOf, verifyReceipt } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { receiptText } from '#indelible/http/receipt-text.js';
import { event, TestServer } from './support/server.js';

const CHAIN = 'orders';
const ENTRIES = 260;

let server: TestServer;
const receipts: Receipt[] = [];
beforeAll(async () => {
  server = await TestServer.start();
  // Several segments, of one entry and of many.
  for (let n = 0; n < 5; n++) receipts.push(await server.append(CHAIN, { ...event(n), entryId: `id-${n}` }));
  const rest = Array.from({ length: ENTRIES - 5 }, (_, i) => ({ ...event(i + 5), entryId: `id-${i + 5}` }));
  for (let from = 0; from < rest.length; from += 100) {
    const answer = await server.send('POST', `/v1/chains/${CHAIN}/entries/batch`, { body: rest.slice(from, from + 100) });
    receipts.push(...(answer.json['receipts'] as Receipt[]));
  }
});
afterAll(() => server.close());

function key(chainId = CHAIN) {
  return noteKey(originOf(server.opened.trust.deployment, chainId), server.opened.signer.publicKey);
}

interface Entry {
  readonly sequence: number;
  readonly entryId: string;
  readonly receivedAt: string;
  readonly entryHash: string;
  readonly prevHash: string;
  readonly entry: unknown;
}

function entries(json: Record<string, unknown>): readonly Entry[] {
  return json['entries'] as Entry[];
}

describe('reading a range', () => {
  it('gives 100 entries unless told otherwise, with what was appended in them, byte for byte', async () => {
    const page = await server.send('GET', `/v1/chains/${CHAIN}/entries`);
    expect(entries(page.json)).toHaveLength(100);
    expect(page.json['next']).toBe(100);
    for (const [n, entry] of entries(page.json).entries()) {
      const { sequence, entryId, receivedAt, entryHash, prevHash, payload } = receipts[n]!;
      expect(entry).toEqual({ sequence, entryId, receivedAt, entryHash, prevHash, state: 'durable', entry: JSON.parse(payload) as unknown });
      expect(page.text).toContain(`"entry":${payload}}`);
    }
  });

  it('leads through the whole chain by next and by Link', async () => {
    const seen: number[] = [];
    let path: string | undefined = `/v1/chains/${CHAIN}/entries?from=3&limit=99`;
    while (path !== undefined) {
      const page = await server.send('GET', path);
      seen.push(...entries(page.json).map((entry) => entry.sequence));
      const link = /^<(.+)>; rel="next"$/.exec(String(page.headers['link'] ?? ''))?.[1];
      expect(page.json['next']).toBe(link === undefined ? null : seen.at(-1)! + 1);
      path = link;
    }
    expect(seen).toEqual(Array.from({ length: ENTRIES - 3 }, (_, i) => i + 3));
  });

  it('as NDJSON is exactly the stored payloads', async () => {
    const answer = await server.send('GET', `/v1/chains/${CHAIN}/entries?from=4&limit=300`, { headers: { accept: 'application/x-ndjson' } });
    expect(answer.headers['content-type']).toBe('application/x-ndjson');
    expect(answer.text).toBe(receipts.slice(4).map(({ payload }) => `${payload}\n`).join(''));
  });

  it('from the end or behind it is empty, not an error', async () => {
    for (const from of [ENTRIES, ENTRIES + 1, Number.MAX_SAFE_INTEGER]) {
      expect((await server.send('GET', `/v1/chains/${CHAIN}/entries?from=${from}`)).json).toEqual({ chainId: CHAIN, entries: [], next: null });
    }
  });

  it('of entries that are large ends a page early and still reaches all of them', async () => {
    const events = Array.from({ length: 100 }, (_, n) => ({ ...event(n), metadata: { text: 'x'.repeat(60_000) } }));
    await server.send('POST', '/v1/chains/large/entries/batch', { body: events });
    const again = await server.send('POST', '/v1/chains/large/entries/batch', { body: events });
    expect(again.status).toBe(201);
    const first = await server.send('GET', '/v1/chains/large/entries?limit=1000');
    expect(first.text.length).toBeLessThan(8_500_000);
    const next = first.json['next'] as number;
    expect(entries(first.json)).toHaveLength(next);
    expect(next).toBeLessThan(200);
    expect(entries((await server.send('GET', `/v1/chains/large/entries?from=${next}&limit=1000`)).json)).toHaveLength(200 - next);
  });

  it.each(['from=-1', 'from=1.0', 'from=1e2', 'from=', 'from=9007199254740992', 'limit=0', 'limit=1001', 'limit=ten', 'from=%C3'])('refuses ?%s', async (query) => {
    const answer = await server.send('GET', `/v1/chains/${CHAIN}/entries?${query}`);
    expect(answer.json).toMatchObject({ status: 400, code: 'query_parameter_invalid' });
  });

  it('refuses parameters that it does not know or is given twice, by name', async () => {
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries?form=3`)).json).toMatchObject({ code: 'query_parameter_unknown', field: 'form' });
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries?from=3&from=4`)).json).toMatchObject({ code: 'query_parameter_repeated', field: 'from' });
  });
});

describe('reading one entry', () => {
  it('gives it, from any segment', async () => {
    for (const n of [0, 4, 5, 104, 105, ENTRIES - 1]) {
      const answer = await server.send('GET', `/v1/chains/${CHAIN}/entries/${n}`);
      expect(answer.json).toMatchObject({ chainId: CHAIN, sequence: n, entryHash: receipts[n]!.entryHash, prevHash: receipts[n]!.prevHash });
      expect(answer.text).toContain(`"entry":${receipts[n]!.payload}}`);
    }
  });

  it('as NDJSON is exactly the stored payload', async () => {
    const answer = await server.send('GET', `/v1/chains/${CHAIN}/entries/7`, { headers: { accept: 'application/x-ndjson' } });
    expect(answer.text).toBe(`${receipts[7]!.payload}\n`);
  });

  it('HEAD answers like GET, without a body', async () => {
    const get = await server.send('GET', `/v1/chains/${CHAIN}/entries/7`);
    const head = await server.send('HEAD', `/v1/chains/${CHAIN}/entries/7`);
    expect(head.status).toBe(200);
    expect(head.text).toBe('');
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });

  it('that is not there, of a chain that is not there, or with a number that is none is refused', async () => {
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries/${ENTRIES}`)).json).toMatchObject({ status: 404, code: 'entry_not_found' });
    expect((await server.send('GET', '/v1/chains/other/entries/0')).json).toMatchObject({ status: 404, code: 'chain_not_found' });
    for (const text of ['-1', '01', '1.5', 'x', '9007199254740992']) {
      expect((await server.send('GET', `/v1/chains/${CHAIN}/entries/${text}`)).json).toMatchObject({ status: 400, code: 'sequence_invalid', field: 'sequence' });
    }
  });
});

describe('receipts', () => {
  it('in ASCII are those of the core, for each entry of each segment', async () => {
    let next = 0;
    while (next < ENTRIES) {
      const { segment } = await server.opened.ledger.entry(CHAIN, next);
      for (let at = 0; at < segment.count; at++) {
        const text = receiptText(segment, at);
        expect(text).toMatch(/^[\x20-\x7e]+$/);
        expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(receiptOf(segment, at)));
      }
      next += segment.count;
    }
  });

  it('as of now hold to the newest checkpoint', async () => {
    const { text: checkpoint } = await server.send('GET', `/v1/chains/${CHAIN}/checkpoint`);
    for (const n of [0, 4, 5, 150, ENTRIES - 1]) {
      const { json } = await server.send('GET', `/v1/chains/${CHAIN}/entries/${n}/proof`);
      expect(json['checkpoint']).toBe(checkpoint);
      expect(verifyReceipt(json, () => [key()])).toMatchObject({ valid: true });
    }
    expect((await server.send('GET', `/v1/chains/${CHAIN}/entries/${ENTRIES}/proof`)).json).toMatchObject({ code: 'entry_not_found' });
  });
});

describe('what anyone may read, without a token', () => {
  it('the checkpoint, a signed note of the whole chain', async () => {
    const answer = await server.send('GET', `/v1/chains/${CHAIN}/checkpoint`, { token: null });
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(openCheckpoint(answer.text, [key()])?.checkpoint).toMatchObject({ size: ENTRIES });
    expect((await server.send('GET', '/v1/chains/other/checkpoint', { token: null })).json).toMatchObject({ code: 'chain_not_found' });
  });

  it('consistency between any two sizes', async () => {
    for (const [from, to] of [[0, 1], [1, 5], [5, ENTRIES], [100, 200], [ENTRIES, ENTRIES]] as const) {
      const { json } = await server.send('GET', `/v1/chains/${CHAIN}/consistency?from=${from}&to=${to}`, { token: null });
      const bytes = (hex: unknown): Uint8Array => Buffer.from(hex as string, 'hex');
      const proof = (json['proof'] as string[]).map(bytes);
      expect(verifyConsistency(from, to, bytes(json['fromRoot']), bytes(json['toRoot']), proof)).toBe(true);
      if (to === ENTRIES) expect(hexEncode(openCheckpoint(json['checkpoint'] as string, [key()])!.checkpoint.root)).toBe(json['toRoot']);
    }
    const { json } = await server.send('GET', `/v1/chains/${CHAIN}/consistency?from=1`, { token: null });
    expect(json['to']).toBe(ENTRIES);
  });

  it('consistency needs sizes that are there', async () => {
    expect((await server.send('GET', `/v1/chains/${CHAIN}/consistency`)).json).toMatchObject({ status: 400, code: 'query_parameter_missing', field: 'from' });
    expect((await server.send('GET', `/v1/chains/${CHAIN}/consistency?from=5&to=4`)).json).toMatchObject({ status: 422, code: 'range_invalid' });
    expect((await server.send('GET', `/v1/chains/${CHAIN}/consistency?from=5&to=${ENTRIES + 1}`)).json).toMatchObject({ code: 'range_invalid' });
  });

  it('the keys, as JSON, as note keys and as PEM', async () => {
    const { spki, algorithm } = server.opened.signer.publicKey;
    const { json } = await server.send('GET', '/v1/keys', { token: null });
    expect(json).toMatchObject({ deployment: server.opened.trust.deployment, keys: [{ algorithm, publicKey: Buffer.from(spki).toString('base64') }] });
    const text = await server.send('GET', `/v1/keys?chainId=${CHAIN}`, { token: null, headers: { accept: 'text/plain' } });
    expect(parseVkey(text.text.trimEnd())).toEqual(key());
    const pem = await server.send('GET', '/v1/keys', { token: null, headers: { accept: 'text/plain' } });
    expect(createPublicKey(pem.text).export({ format: 'der', type: 'spki' })).toEqual(Buffer.from(spki));
  });

  it('and nothing that shows entries', async () => {
    for (const path of ['/v1/chains', `/v1/chains/${CHAIN}/entries`, `/v1/chains/${CHAIN}/entries/0`, `/v1/chains/${CHAIN}/entries/0/proof`, `/v1/chains/${CHAIN}/entries/stream`, `/v1/chains/${CHAIN}/exists/id-1`, `/v1/chains/${CHAIN}/verify`, `/v1/chains/${CHAIN}/verifications/x`, '/v1/search', '/v1/exports/x', '/v1/exports/x/download']) {
      expect((await server.send('GET', path, { token: null })).json, path).toMatchObject({ status: 401, code: 'token_missing' });
    }
    for (const path of [`/v1/chains/${CHAIN}/verifications`, '/v1/exports']) {
      expect((await server.send('POST', path, { token: null, body: {} })).json, path).toMatchObject({ status: 401, code: 'token_missing' });
    }
  });
});

describe('asking for an id', () => {
  it('says whether it is there, and where', async () => {
    expect((await server.send('GET', `/v1/chains/${CHAIN}/exists/id-200`)).json).toEqual({ chainId: CHAIN, entryId: 'id-200', exists: true, sequence: 200 });
    expect((await server.send('GET', `/v1/chains/${CHAIN}/exists/id-2000`)).json).toEqual({ chainId: CHAIN, entryId: 'id-2000', exists: false });
    expect((await server.send('GET', '/v1/chains/other/exists/id-1')).json).toMatchObject({ status: 404, code: 'chain_not_found' });
    expect((await server.send('GET', `/v1/chains/${CHAIN}/exists/%20`)).json).toMatchObject({ status: 400, code: 'entry_id_invalid', field: 'entryId' });
  });

  it('also one whose characters are escaped in the address', async () => {
    await server.append('escaped', { ...event(), entryId: 'a:b@c=d+e~f' });
    for (const id of ['a:b@c=d+e~f', encodeURIComponent('a:b@c=d+e~f')]) {
      expect((await server.send('GET', `/v1/chains/escaped/exists/${id}`)).json).toMatchObject({ exists: true, sequence: 0 });
    }
  });
});

describe('listing chains', () => {
  it('gives all of them in order, a page at a time', async () => {
    for (const chainId of ['zebra', 'alpha', '0', 'a.b', 'a-b']) await server.append(chainId, event());
    const all: string[] = [];
    let after = '';
    for (;;) {
      const { json } = await server.send('GET', `/v1/chains?limit=2${after}`);
      all.push(...(json['chains'] as { chainId: string }[]).map(({ chainId }) => chainId));
      if (json['next'] === null) break;
      after = `&after=${json['next'] as string}`;
    }
    expect(all).toEqual([...new Set(all)]);
    expect(all).toEqual(expect.arrayContaining(['zebra', 'alpha', '0', 'a.b', 'a-b', CHAIN]));
    const { json } = await server.send('GET', '/v1/chains');
    expect(json['chains']).toContainEqual({ chainId: CHAIN, state: 'open', size: ENTRIES, lastReceivedAt: receipts.at(-1)!.receivedAt });
  });
});
