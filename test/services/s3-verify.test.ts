/**
 * `indelible verify` on a real bucket with Object Lock, of which somebody has the administrator's keys and no signing
 * key. At stake: an auditor who hears of nothing, or one who is told that entries are bad which nobody could touch.
 */
import { spawn } from 'node:child_process';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import type { Finding } from '#indelible/core/findings.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import * as minio from '../../scripts/services/minio.mjs';
import { cli, eventLines, jsonOf, temporaryFolder } from '../cli/cli.js';
import type { Ended } from '../cli/cli.js';

let server: Awaited<ReturnType<typeof minio.start>>;
beforeAll(async () => {
  server = await minio.start();
});
afterAll(() => server.dispose());

const CHAIN = 'orders';
const ENTRIES = 3_300;
const JUNK = '{"format":"indelible/segment/v1"}\n';

interface Log {
  readonly bucket: string;
  /** `args` by the command line, on this bucket. */
  run(args: readonly string[], options?: { readonly input?: string; readonly env?: Readonly<Record<string, string>> }): Promise<Ended>;
  verify(...args: readonly string[]): Promise<{ readonly code: number | null; readonly report: VerificationReport }>;
  put(key: string, body: string, condition?: { readonly IfNoneMatch: '*' }): Promise<string>;
  mark(key: string): Promise<string>;
  /** Starts of the segments, as they were written. */
  readonly firsts: readonly number[];
}

/** A chain of some segments in a bucket of its own, written as people do. */
async function logIn(name: string): Promise<Log> {
  const bucket = await server.createBucket(name);
  const dataDir = temporaryFolder();
  const { credentials } = server;
  const run: Log['run'] = (args, { input, env } = {}) =>
    cli([...args, '--data-dir', dataDir], {
      ...(input !== undefined && { input }),
      env: {
        INDELIBLE_STORE: 's3',
        INDELIBLE_S3_BUCKET: bucket,
        INDELIBLE_S3_ENDPOINT: server.endpoint,
        INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        ...env,
      },
    });
  const appended = await run(['append', '--chain', CHAIN, '--json', '-'], { input: eventLines(ENTRIES) });
  expect(appended).toMatchObject({ code: 0 });
  const { Versions = [] } = await server.admin.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: segmentPrefix(CHAIN) }));
  const firsts = Versions.map(({ Key = '' }) => Number(/([0-9]{20})/.exec(Key)?.[1])).sort((a, b) => a - b);
  expect(firsts.length).toBeGreaterThanOrEqual(4);
  return {
    bucket,
    run,
    firsts,
    async verify(...args) {
      const text = await run(['verify', '--chain', CHAIN, '--json', ...args]);
      return { code: text.code, report: (jsonOf(text)['chains'] as readonly VerificationReport[])[0]! };
    },
    async put(key, body, condition) {
      const { VersionId = '' } = await server.admin.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...condition }));
      return VersionId;
    },
    async mark(key) {
      const { VersionId = '' } = await server.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      return VersionId;
    },
  };
}

const told = ({ findings }: VerificationReport): string[] => findings.map(({ code, key }: Finding) => `${code} ${key}`).sort();

describe('a chain that nobody touched', () => {
  it('is intact, and each segment costs one GET by the version that was listed, and no listing of its own', async () => {
    const log = await logIn('clean');
    const { code, report } = await log.verify();
    expect({ code, verdict: report.verdict, entries: report.entriesChecked, findings: report.findings }).toEqual({ code: 0, verdict: 'intact', entries: ENTRIES, findings: [] });
    const counted = await counting(server.endpoint);
    expect((await log.run(['verify', '--chain', CHAIN, '--json'], { env: { INDELIBLE_S3_ENDPOINT: counted.endpoint } })).code).toBe(0);
    await counted.close();
    const ofChain = counted.requests.filter((line) => line.includes(segmentPrefix(CHAIN)));
    expect(ofChain.filter((line) => line.startsWith('GET /')).length).toBe(ofChain.length);
    for (const first of log.firsts) expect(ofChain.filter((line) => line.includes(segmentKey(CHAIN, first)))).toEqual([expect.stringContaining('versionId=')]);
  });

  it('is kept as the settings ask, and said not to be where they ask for more', async () => {
    const log = await logIn('kept');
    expect(await log.verify('--retention')).toMatchObject({ code: 0, report: { verdict: 'intact', findings: [] } });
    const asked = await log.run(['verify', '--chain', CHAIN, '--retention', '--json'], { env: { INDELIBLE_RETENTION_DAYS: '30' } });
    expect(asked.code).toBe(0);
    expect((jsonOf(asked)['chains'] as readonly VerificationReport[])[0]).toMatchObject({ verdict: 'intact', findings: [{ code: 'retention_weak', detail: expect.stringMatching(new RegExp(`^${log.firsts.length} segments.*asked for are 30 days`)) as string }] });
  });
});

describe('a chain that somebody with the keys of the administrator, and no signing key, went for', () => {
  it('is told in full, entry for entry unharmed; what is exported of it is intact, by the Python verifier too', async () => {
    const log = await logIn('attacked');
    const key = (at: number): string => segmentKey(CHAIN, log.firsts[at]!);
    const expected: [string, string, string][] = [];
    const mark = async (name: string): Promise<void> => void expected.push(['delete_marker', name, await log.mark(name)]);
    const put = async (code: string, name: string, condition?: { readonly IfNoneMatch: '*' }): Promise<void> => void expected.push([code, name, await log.put(name, JUNK, condition)]);

    await mark(key(0));
    await mark(key(1));
    await put('shadow_version', key(1), { IfNoneMatch: '*' });
    await put('shadow_version', key(2));
    await mark(key(log.firsts.length - 1));
    await put('shadow_version', key(log.firsts.length - 1), { IfNoneMatch: '*' });
    await put('foreign_object', segmentKey(CHAIN, ENTRIES));
    await put('foreign_object', segmentKey(CHAIN, 5_000_000_000));
    await put('foreign_object', segmentKey(CHAIN, log.firsts[1]! + 1));
    await put('foreign_object', `${segmentPrefix(CHAIN)}notes.txt`);

    const { code, report } = await log.verify();
    expect(code).toBe(2);
    expect(told(report)).toEqual(expected.map(([finding, name]) => `${finding} ${name}`).sort());
    for (const [finding, name, versionId] of expected.slice(0, -1)) {
      expect(report.findings.filter((one) => one.code === finding && one.key === name).map(({ detail }) => detail)).toEqual([expect.stringContaining(versionId) as string]);
    }
    expect(report).toMatchObject({ verdict: 'tampered', entriesChecked: ENTRIES, range: { from: 0, to: ENTRIES - 1 }, head: { size: ENTRIES } });
    expect(report.firstBadSequence).toBeUndefined();

    const strip = (one: VerificationReport): object => ({ ...one, startedAt: '', finishedAt: '' });
    expect(strip((await log.verify('--workers', '2')).report)).toEqual(strip(report));
    const part = await log.verify('--from', String(log.firsts[1]), '--to', String(log.firsts[2]! - 1));
    expect(part).toMatchObject({ code: 2, report: { entriesChecked: log.firsts[2]! - log.firsts[1]!, range: { from: log.firsts[1], to: log.firsts[2]! - 1 } } });
    // And what is beside the segment before it, which it continues.
    const looked = [key(0), key(1), segmentKey(CHAIN, log.firsts[1]! + 1)];
    expect(told(part.report)).toEqual(told(report).filter((line) => looked.some((name) => line.includes(name))));

    // The log goes on over what stands in its way, and that is told as it is: older than the entry, and no part of it.
    expect(await log.run(['append', '--chain', CHAIN, '--json', '-'], { input: eventLines(5, ENTRIES) })).toMatchObject({ code: 0 });
    const after = await log.verify();
    expect(after).toMatchObject({ code: 2, report: { entriesChecked: ENTRIES + 5, head: { size: ENTRIES + 5 } } });
    expect(told(after.report)).toEqual(told(report));

    const bundle = join(temporaryFolder(), 'orders.bundle');
    expect(await log.run(['export', '--chain', CHAIN, '-o', bundle, '--json'])).toMatchObject({ code: 0 });
    const { keys } = jsonOf(await log.run(['keys', '--json'])) as { readonly keys: readonly { readonly publicKey: string }[] };
    expect(await cli(['verify-bundle', bundle, '--public-key', keys[0]!.publicKey, '--json'])).toMatchObject({ code: 0 });
    expect(await python('bundle', bundle, '--public-key', keys[0]!.publicKey)).toMatchObject({ verdict: 'intact', entriesChecked: ENTRIES + 5 });
  });

  it('between two incremental verifications: the mark hides nothing', async () => {
    const log = await logIn('marked');
    const incremental = async (): Promise<{ readonly code: number | null; readonly report: VerificationReport }> => {
      const ended = await log.run(['verify', '--incremental', '--json']);
      return { code: ended.code, report: (jsonOf(ended)['chains'] as readonly VerificationReport[]).find(({ chainId }) => chainId === CHAIN)! };
    };
    expect(await incremental()).toMatchObject({ code: 0, report: { verdict: 'intact', entriesChecked: ENTRIES } });
    expect(await incremental()).toMatchObject({ code: 0, report: { verdict: 'intact', entriesChecked: 0, restsOnMark: { size: ENTRIES } } });
    await log.mark(segmentKey(CHAIN, log.firsts[1]!));
    await log.put(segmentKey(CHAIN, log.firsts[2]!), JUNK);
    await log.put(segmentKey(CHAIN, log.firsts[2]! + 7), JUNK);
    const later = await incremental();
    expect(later).toMatchObject({ code: 2, report: { verdict: 'tampered', entriesChecked: 0, restsOnMark: { size: ENTRIES } } });
    expect(told(later.report)).toEqual([
      `delete_marker ${segmentKey(CHAIN, log.firsts[1]!)}`,
      `foreign_object ${segmentKey(CHAIN, log.firsts[2]! + 7)}`,
      `shadow_version ${segmentKey(CHAIN, log.firsts[2]!)}`,
    ]);
  });
});

const PYTHON = fileURLToPath(new URL('../../verifiers/python/indelible_verify.py', import.meta.url));

async function python(...args: readonly string[]): Promise<unknown> {
  const child = spawn('python3', [PYTHON, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const chunk of child.stdout) said += String(chunk);
  return JSON.parse(said);
}

/** Stands before the server and notes each request. */
async function counting(endpoint: string): Promise<{ readonly endpoint: string; readonly requests: string[]; close(): Promise<void> }> {
  const requests: string[] = [];
  const proxy = createServer((incoming, answer) => {
    requests.push(`${incoming.method} ${decodeURIComponent(incoming.url ?? '')}`);
    const { hostname, port } = new URL(endpoint);
    const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    requests,
    close: () => new Promise((resolve) => { proxy.closeAllConnections(); proxy.close(() => resolve()); }),
  };
}
