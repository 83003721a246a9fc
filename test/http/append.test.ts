import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteKey } from '#indelible/core/note.js';
import { originOf } from '#indelible/core/chain.js';
import { verifyReceipt } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { event, TestServer, TOKEN } from './support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.close());

function receipts(answer: { readonly json: Record<string, unknown> }): readonly Receipt[] {
  return answer.json['receipts'] as Receipt[];
}

function expectValid(receipt: Receipt): void {
  const { trust, signer } = server.opened;
  const key = noteKey(originOf(trust.deployment, receipt.chainId), signer.publicKey);
  expect(verifyReceipt(receipt, () => [key])).toMatchObject({ valid: true });
}

describe('appending one event', () => {
  it('answers 201 with a receipt that holds offline, and where the entry is', async () => {
    const answer = await server.send('POST', '/v1/chains/one/entries', { body: event(1) });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe('/v1/chains/one/entries/0');
    expect(answer.headers['cache-control']).toBe('no-store');
    expectValid(answer.json as unknown as Receipt);
    const found = await server.send('GET', '/v1/chains/one/entries/0');
    expect(found.json['entry']).toMatchObject({ event: event(1) });
  });

  it('a receipt later in the chain holds too', async () => {
    for (let i = 0; i < 5; i++) expectValid(await server.append('several', event(i)));
  });

  it('keeps text outside ASCII byte for byte', async () => {
    const receipt = await server.append('text', { action: 'förderung', actor: { type: 'user', id: '名前 🙂' }, metadata: { q: '"\\\u0001\u2028é' } });
    expectValid(receipt);
    expect(JSON.parse(receipt.payload)).toMatchObject({ event: { actor: { id: '名前 🙂' }, metadata: { q: '"\\\u0001\u2028é' } } });
  });

  it('takes the address in its unusual forms as well, by way of Express', async () => {
    for (const path of ['/v1/chains/form%73/entries', `http://127.0.0.1:${server.port}/v1/chains/forms/entries`, '/v1/chains/forms/entries?']) {
      expect((await server.send('POST', path, { body: event(path) })).status).toBe(201);
    }
    expect((await server.audit('forms')).envelopes).toHaveLength(3);
  });

  it('takes a body sent in chunks', async () => {
    const answer = await server.send('POST', '/v1/chains/chunked/entries', { body: event(), headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' } });
    expect(answer.status).toBe(201);
  });

  it('takes a charset of UTF-8 and an Accept that covers JSON', async () => {
    for (const headers of [{ 'content-type': 'application/json; charset=UTF-8' }, { accept: 'text/html, application/*;q=0.5' }, { accept: 'application/json' }]) {
      expect((await server.send('POST', '/v1/chains/types/entries', { body: event(), headers })).status).toBe(201);
    }
  });

  it('refuses an Accept that leaves JSON out, before anything is appended', async () => {
    const answer = await server.send('POST', '/v1/chains/never/entries', { body: event(), headers: { accept: 'text/html, application/json;q=0' } });
    expect(answer.json).toMatchObject({ status: 406, code: 'not_acceptable' });
    expect((await server.send('GET', '/v1/chains/never/entries')).json).toMatchObject({ code: 'chain_not_found' });
  });
});

describe('the producer\'s own id', () => {
  it('sent again answers 200 with the first receipt', async () => {
    const first = await server.send('POST', '/v1/chains/own/entries', { body: { ...event(1), entryId: 'order-1' } });
    const again = await server.send('POST', '/v1/chains/own/entries', { body: { entryId: 'order-1', ...event(1) } });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.text).toBe(first.text);
    expect(again.headers.location).toBe(first.headers.location);
  });

  it('may come as Idempotency-Key, bare or quoted, alone or with the same entryId', async () => {
    const first = await server.send('POST', '/v1/chains/own/entries', { body: event(2), headers: { 'idempotency-key': 'order-2' } });
    expect(first.json).toMatchObject({ entryId: 'order-2' });
    for (const [body, key] of [[event(2), '"order-2"'], [{ ...event(2), entryId: 'order-2' }, 'order-2'], [{ ...event(2), entryId: 'order-2' }, undefined]] as const) {
      const again = await server.send('POST', '/v1/chains/own/entries', { body, headers: { 'idempotency-key': key } });
      expect(again.status).toBe(200);
      expect(again.text).toBe(first.text);
    }
  });

  it('with other content is a conflict', async () => {
    await server.append('own', { ...event(3), entryId: 'order-3' });
    const answer = await server.send('POST', '/v1/chains/own/entries', { body: { ...event(4), entryId: 'order-3' } });
    expect(answer.json).toMatchObject({ status: 409, code: 'entry_id_conflict' });
  });

  it('in the header and another in the body is refused', async () => {
    const answer = await server.send('POST', '/v1/chains/own/entries', { body: { ...event(5), entryId: 'a' }, headers: { 'idempotency-key': 'b' } });
    expect(answer.json).toMatchObject({ status: 422, code: 'idempotency_key_mismatch', field: 'idempotency-key', pointer: '/entryId' });
  });

  it.each([
    ['empty', ''], ['empty, quoted', '""'], ['with a space', 'a b'], ['with a hyphen first', '-a'], ['outside ASCII', 'ä'],
    ['too long', 'x'.repeat(129)], ['with half a quote', '"a'], ['twice', 'a, b'],
  ])('as Idempotency-Key is refused: %s', async (_name, key) => {
    const answer = await server.send('POST', '/v1/chains/own/entries', { body: event(6), headers: { 'idempotency-key': Buffer.from(key).toString('latin1') } });
    expect(answer.json).toMatchObject({ status: 400, code: 'header_invalid', field: 'idempotency-key' });
  });

  it('is its own in each chain', async () => {
    expect((await server.send('POST', '/v1/chains/own-a/entries', { body: { ...event(7), entryId: 'same' } })).status).toBe(201);
    expect((await server.send('POST', '/v1/chains/own-b/entries', { body: { ...event(8), entryId: 'same' } })).status).toBe(201);
  });
});

describe('appending a batch', () => {
  const path = '/v1/chains/batch/entries/batch';

  it('as an array answers a receipt for each event, in order', async () => {
    const answer = await server.send('POST', path, { body: [event(1), event(2), event(3)] });
    expect(answer.status).toBe(201);
    expect(receipts(answer).map((receipt) => receipt.sequence)).toEqual([0, 1, 2]);
    receipts(answer).forEach(expectValid);
  });

  it.each(['application/x-ndjson', 'application/ndjson', 'application/jsonl; charset=utf-8'])('as %s takes a line for an event, passing over empty lines', async (type) => {
    const body = `${JSON.stringify(event(4))}\r\n\n  ${JSON.stringify(event(5))}\n\n`;
    const answer = await server.send('POST', path, { body, headers: { 'content-type': type } });
    expect(answer.status).toBe(201);
    expect(receipts(answer)).toHaveLength(2);
  });

  it('of 1,000 is taken, of 1,001 not', async () => {
    const events = Array.from({ length: 1_001 }, (_, i) => event(i));
    expect((await server.send('POST', '/v1/chains/big/entries/batch', { body: events })).json).toMatchObject({ status: 413, code: 'batch_too_large' });
    const lines = events.map((item) => JSON.stringify(item)).join('\n');
    expect((await server.send('POST', '/v1/chains/big/entries/batch', { body: lines, headers: { 'content-type': 'application/x-ndjson' } })).json).toMatchObject({ code: 'batch_too_large' });
    const answer = await server.send('POST', '/v1/chains/big/entries/batch', { body: events.slice(1) });
    expect(receipts(answer)).toHaveLength(1_000);
    await server.audit('big', receipts(answer));
  });

  it('is all or nothing: one bad event, and none is appended; the answer names it', async () => {
    const bad = { action: 'x', actor: { type: 'user', id: 7 } };
    const asArray = await server.send('POST', '/v1/chains/none/entries/batch', { body: [event(1), event(2), bad] });
    expect(asArray.json).toMatchObject({ status: 422, code: 'event_field_invalid', pointer: '/2/actor/id', item: 2 });
    expect(asArray.json).not.toHaveProperty('line');
    const lines = `${JSON.stringify(event(1))}\n\n${JSON.stringify(bad)}\n`;
    const asLines = await server.send('POST', '/v1/chains/none/entries/batch', { body: lines, headers: { 'content-type': 'application/x-ndjson' } });
    expect(asLines.json).toMatchObject({ code: 'event_field_invalid', pointer: '/actor/id', item: 1, line: 3 });
    expect(asLines.json['detail']).toMatch(/^line 3: /);
    expect((await server.send('GET', '/v1/chains/none/checkpoint')).json).toMatchObject({ code: 'chain_not_found' });
  });

  it('repeated whole answers 200, in part 201, with the first receipts', async () => {
    const one = { ...event(1), entryId: 'b-1' };
    const two = { ...event(2), entryId: 'b-2' };
    const three = { ...event(3), entryId: 'b-3' };
    const first = await server.send('POST', '/v1/chains/again/entries/batch', { body: [one, two] });
    const whole = await server.send('POST', '/v1/chains/again/entries/batch', { body: [two, one] });
    const part = await server.send('POST', '/v1/chains/again/entries/batch', { body: [three, one] });
    expect([first.status, whole.status, part.status]).toEqual([201, 200, 201]);
    expect(receipts(whole)).toEqual([...receipts(first)].reverse());
    expect(receipts(part).map((receipt) => receipt.sequence)).toEqual([2, 0]);
  });

  it('with an id twice and the same content holds it once; with other content it is refused', async () => {
    const same = await server.send('POST', '/v1/chains/twice/entries/batch', { body: [{ ...event(1), entryId: 't' }, { ...event(1), entryId: 't' }] });
    expect(receipts(same).map((receipt) => receipt.sequence)).toEqual([0, 0]);
    const other = await server.send('POST', '/v1/chains/twice/entries/batch', { body: [{ ...event(1), entryId: 'u' }, { ...event(2), entryId: 'u' }] });
    expect(other.json).toMatchObject({ status: 409, code: 'entry_id_conflict' });
    expect((await server.audit('twice')).payloads).toHaveLength(1);
  });

  it('that conflicts with the chain names the item', async () => {
    await server.append('clash', { ...event(1), entryId: 'c' });
    const asArray = await server.send('POST', '/v1/chains/clash/entries/batch', { body: [event(2), { ...event(3), entryId: 'c' }] });
    expect(asArray.json).toMatchObject({ status: 409, code: 'entry_id_conflict', item: 1, pointer: '/1' });
    const lines = [event(2), { ...event(3), entryId: 'c' }].map((item) => JSON.stringify(item)).join('\n');
    const asLines = await server.send('POST', '/v1/chains/clash/entries/batch', { body: lines, headers: { 'content-type': 'application/x-ndjson' } });
    expect(asLines.json).toMatchObject({ item: 1 });
    expect(asLines.json).not.toHaveProperty('pointer');
  });

  it('takes no Idempotency-Key', async () => {
    const answer = await server.send('POST', path, { body: [event()], headers: { 'idempotency-key': 'k' } });
    expect(answer.json).toMatchObject({ status: 400, code: 'header_invalid', field: 'idempotency-key' });
  });
});

describe('who may append', () => {
  const path = '/v1/chains/access/entries';

  it('nobody without a token, and the answer says what kind', async () => {
    const answer = await server.send('POST', path, { body: event(), token: null });
    expect(answer.json).toMatchObject({ status: 401, code: 'token_missing' });
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="indelible"');
  });

  it.each([
    ['a longer token', `Bearer ${TOKEN}x`],
    ['a token in capitals', `Bearer ${TOKEN.toUpperCase()}`],
    ['no token after the scheme', 'Bearer'],
    ['an empty token', 'Bearer '],
    ['another scheme', `Basic ${TOKEN}`],
    ['no scheme', TOKEN],
    ['a very long token', `Bearer ${'x'.repeat(2_000)}`],
    ['the right token twice', `Bearer ${TOKEN}, Bearer ${TOKEN}`],
  ])('not with %s', async (_name, authorization) => {
    const answer = await server.send('POST', path, { body: event(), token: null, headers: { authorization } });
    expect(answer.json).toMatchObject({ status: 401, code: 'token_invalid' });
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
    expect(answer.text).not.toContain(TOKEN);
  });

  it('the scheme\'s name is not case-sensitive', async () => {
    expect((await server.send('POST', path, { body: event(), token: null, headers: { authorization: `bearer  ${TOKEN}` } })).status).toBe(201);
  });

  it('a token that may only read can not append, and one that may only append can not read', async () => {
    const read = await server.tokens.create('reader', ['read'], '2026-01-01T00:00:00Z');
    const append = await server.tokens.create('producer', ['append'], '2026-01-01T00:00:00Z');
    expect((await server.send('POST', path, { body: event(), token: read })).json).toMatchObject({ status: 403, code: 'scope_missing' });
    expect((await server.send('GET', path, { token: append })).json).toMatchObject({ status: 403, code: 'scope_missing' });
    expect((await server.send('POST', path, { body: event(), token: append })).status).toBe(201);
    expect((await server.send('GET', path, { token: read })).status).toBe(200);
  });

  it('not to the service\'s own chains', async () => {
    expect((await server.send('POST', '/v1/chains/_self/entries', { body: event() })).json).toMatchObject({ status: 403, code: 'chain_reserved' });
  });
});
