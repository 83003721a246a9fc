import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import { event, TestServer } from './support/server.js';
import type { Answer } from './support/server.js';

let server: TestServer;
let receipts: readonly Receipt[];
beforeAll(async () => {
  server = await TestServer.start({ limits: { maxVerifyEntries: 50 } });
  const body = Array.from({ length: 60 }, (_, n) => event(n));
  receipts = (await server.send('POST', '/v1/chains/jobs/entries/batch', { body })).json['receipts'] as Receipt[];
});
afterAll(() => server.close());

/** The job at an address, once it is over. */
async function done(address: string): Promise<Answer> {
  for (;;) {
    const job = await server.send('GET', address);
    if (job.json['finishedAt'] !== undefined) return job;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('verifying a part at once', () => {
  it('answers with the report', async () => {
    const { status, json } = await server.send('GET', '/v1/chains/jobs/verify?from=10&to=59');
    expect(status).toBe(200);
    expect(json).toMatchObject({ verdict: 'intact', chainId: 'jobs' });
    expect(json['entriesChecked']).toBeGreaterThanOrEqual(50);
  });

  it('of more than one call may hold says how to have it all', async () => {
    const { json } = await server.send('GET', '/v1/chains/jobs/verify');
    expect(json).toMatchObject({ status: 422, code: 'range_too_large' });
    expect(json['detail']).toContain('POST /v1/chains/jobs/verifications');
  });

  it.each(['from=60', 'from=5&to=4', 'to=60'])('refuses ?%s', async (query) => {
    expect((await server.send('GET', `/v1/chains/jobs/verify?${query}`)).json).toMatchObject({ status: 422, code: 'range_invalid' });
  });

  it('knows no chain that is not there', async () => {
    expect((await server.send('GET', '/v1/chains/nowhere/verify')).json).toMatchObject({ code: 'chain_not_found' });
  });
});

describe('verifying as a job', () => {
  it.each([['of all of it', undefined, 0, 59], ['of all of it, with an empty object', {}, 0, 59], ['of a range', { from: 3, to: 7 }, 3, 7]])('%s', async (_name, body, from, to) => {
    const started = await server.send('POST', '/v1/chains/jobs/verifications', body === undefined ? {} : { body });
    expect(started.status).toBe(202);
    const job = await done(started.headers.location!);
    expect(job.json).toMatchObject({ state: 'done', report: { verdict: 'intact' } });
    // Whole segments are read, so it may be more than was asked for.
    expect(job.json['from']).toBeLessThanOrEqual(from);
    expect(job.json['to']).toBeGreaterThanOrEqual(to);
    expect(job.json['entriesDone']).toBeGreaterThanOrEqual(to - from + 1);
  });

  it.each([
    ['a member that is not known', { form: 1 }, 422, 'body_field_unknown', '/form'],
    ['a negative sequence', { from: -1 }, 422, 'body_field_invalid', '/from'],
    ['a sequence as text', { from: '1' }, 422, 'body_field_invalid', '/from'],
    ['an array', [], 422, 'body_field_invalid', ''],
    ['incremental with a range', { incremental: true, from: 3 }, 422, 'body_field_invalid', '/incremental'],
    ['a range behind the end', { to: 60 }, 422, 'range_invalid', undefined],
    ['two members of one name', '{"from":1,"from":2}', 422, 'json_duplicate_member', '/from'],
    ['no JSON', '{', 400, 'json_syntax', ''],
    ['a large body', ' '.repeat(20_000), 413, 'body_too_large', undefined],
  ])('refuses %s', async (_name, body, status, code, pointer) => {
    const { json } = await server.send('POST', '/v1/chains/jobs/verifications', { body });
    expect(json).toMatchObject({ status, code, ...(pointer !== undefined && { pointer }) });
  });

  it('refuses a body that is not JSON by its type', async () => {
    expect((await server.send('POST', '/v1/chains/jobs/verifications', { body: 'from=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).json).toMatchObject({ code: 'media_type_unsupported' });
  });

  it('a job that is not there, or of another chain, is not found', async () => {
    const started = await server.send('POST', '/v1/chains/jobs/verifications');
    const id = started.json['id'] as string;
    await server.append('other', event());
    for (const path of ['/v1/chains/jobs/verifications/nothing', `/v1/chains/other/verifications/${id}`]) {
      expect((await server.send('GET', path)).json).toMatchObject({ status: 404, code: 'job_not_found' });
    }
    expect((await server.send('GET', '/v1/chains/jobs/verifications/a.b')).json).toMatchObject({ status: 400, code: 'job_id_invalid' });
  });

  it('says when there are too many', async () => {
    const busy = await TestServer.start({ jobs: { running: 0, queued: 1 } });
    await busy.append('busy', event());
    for (const [path, body] of [['/v1/chains/busy/verifications', undefined], ['/v1/exports', { chainId: 'busy' }]] as const) {
      const first = await busy.send('POST', path, { body });
      expect((await busy.send('GET', first.headers.location!)).json).toMatchObject({ state: 'queued' });
      const answer = await busy.send('POST', path, { body });
      expect(answer.json).toMatchObject({ status: 429, code: 'too_many_jobs' });
      expect(answer.headers['retry-after']).toBe('10');
    }
    await busy.close();
  });
});

describe('exporting', () => {
  it('starts, is done, and gives the file', async () => {
    const started = await server.send('POST', '/v1/exports', { body: { chainId: 'jobs', from: 2, to: 40 } });
    expect(started.status).toBe(202);
    const job = await done(started.headers.location!);
    expect(job.json).toMatchObject({ state: 'done', chainId: 'jobs', from: 2, to: 40 });
    const file = await server.send('GET', `${started.headers.location!}/download`);
    for (const { sequence, payload } of receipts) expect(file.text.includes(`\n${payload}\n`)).toBe(sequence >= 2 && sequence <= 40);
    expect(createHash('sha256').update(file.text).digest('hex')).toBe(job.json['sha256']);
    expect(file.headers['content-disposition']).toMatch(/^attachment; filename="jobs[A-Za-z0-9._-]*"$/);
    expect((await server.send('HEAD', `${started.headers.location!}/download`)).headers['content-length']).toBe(String(job.json['bytes']));
  });

  it.each([
    ['without a chain', {}, 422, 'body_field_invalid', '/chainId'],
    ['of a chain id that is none', { chainId: '../x' }, 422, 'body_field_invalid', '/chainId'],
    ['with a member that is not known', { chainId: 'jobs', format: 'csv' }, 422, 'body_field_unknown', '/format'],
    ['of a chain that is not there', { chainId: 'nowhere' }, 404, 'chain_not_found', undefined],
    ['behind the end', { chainId: 'jobs', from: 60 }, 422, 'range_invalid', undefined],
    ['of nothing at all', undefined, 400, 'json_syntax', ''],
  ])('%s is refused', async (_name, body, status, code, pointer) => {
    const headers = body === undefined ? { 'content-type': 'application/json' } : {};
    expect((await server.send('POST', '/v1/exports', { body, headers })).json).toMatchObject({ status, code, ...(pointer !== undefined && { pointer }) });
  });

  it('a file that is not finished is not given, one that is not known not found', async () => {
    const slow = await TestServer.start({ jobs: { running: 0 } });
    await slow.append('jobs', event());
    const started = await slow.send('POST', '/v1/exports', { body: { chainId: 'jobs' } });
    const answer = await slow.send('GET', `${started.headers.location!}/download`);
    expect(answer.json).toMatchObject({ status: 409, code: 'export_not_ready' });
    expect(answer.headers['retry-after']).toBe('2');
    for (const path of ['/v1/exports/none', '/v1/exports/none/download']) expect((await slow.send('GET', path)).json).toMatchObject({ code: 'job_not_found' });
    await slow.close();
  });
});
