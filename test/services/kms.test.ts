/**
 * The signer on moto's KMS, and a ledger signed by it: KMS that goes away and comes back, rotation, delegated keys.
 * moto has ECDSA keys alone; what the signer asks of an Ed25519 key is in test/signing/kms.test.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateAliasCommand, UpdateAliasCommand } from '@aws-sdk/client-kms';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import type { ConfigInput } from '#indelible/config.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import { rotateKey } from '#indelible/compose/rotate-key.js';
import { openLedger, startService } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';
import { KmsSigner } from '#indelible/signing/kms.js';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import * as moto from '../../scripts/services/moto.mjs';
import { signerContract } from '../signing/contract.js';
import { until } from '../support/until.js';
import { metricsOf } from './support/serve.js';

let kms: Awaited<ReturnType<typeof moto.start>>;
beforeAll(async () => {
  kms = await moto.start({ own: true });
  process.env['AWS_ACCESS_KEY_ID'] = kms.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = kms.credentials.secretAccessKey;
});
afterAll(() => kms.dispose());

const opening = (keyId: string, change: Partial<Parameters<typeof KmsSigner.open>[0]> = {}): Promise<KmsSigner> =>
  KmsSigner.open({ keyId, region: kms.region, endpoint: kms.endpoint, timeoutMs: 5_000, credentials: kms.credentials, ...change });

signerContract('KMS (ECC_NIST_P256 on moto)', async () => {
  const keyId = await kms.createKey();
  const signer = await opening(keyId);
  const dispose = (): Promise<void> => {
    signer.close();
    return Promise.resolve();
  };
  return { signer, reopen: () => opening(keyId), dispose };
});

describe('a start with KMS', () => {
  test('takes an alias, and goes on with the key it named when it is turned to another', async () => {
    const [first, second] = [await kms.createKey(), await kms.createKey()];
    await kms.admin.send(new CreateAliasCommand({ AliasName: 'alias/turned', TargetKeyId: first }));
    const signer = await opening('alias/turned');
    await kms.admin.send(new UpdateAliasCommand({ AliasName: 'alias/turned', TargetKeyId: second }));
    await expect(signer.sign(Buffer.from('x'))).resolves.toBeInstanceOf(Uint8Array);
    expect((await opening('alias/turned')).publicKey).not.toEqual(signer.publicKey);
  });

  test('is refused with one sentence for a key that is not there, of another kind or use, or elsewhere', async () => {
    await expect(opening('00000000-0000-0000-0000-000000000000')).rejects.toThrow(/^INDELIBLE_KMS_KEY_ID: there is no key/);
    await expect(opening('alias/none')).rejects.toThrow(/^INDELIBLE_KMS_KEY_ID: there is no key/);
    await expect(opening(await kms.createKey({ spec: 'RSA_2048' }))).rejects.toThrow(/^INDELIBLE_KMS_KEY_ID: key \S+ is .* for SIGN_VERIFY; expected ECC_NIST_P256/);
    await expect(opening(await kms.createKey({ spec: 'SYMMETRIC_DEFAULT', usage: 'ENCRYPT_DECRYPT' }))).rejects.toThrow(/^INDELIBLE_KMS_KEY_ID: /);
    await expect(opening((await kms.createKey()).replace(/^.*\//, ''), { region: 'eu-west-1' })).rejects.toThrow(/in region eu-west-1 \(INDELIBLE_KMS_REGION\)/);
  });
});

/** Stands between a ledger and KMS. */
class Proxy {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;

  constructor(target: number) {
    this.#target = target;
  }

  async up(): Promise<string> {
    const server = createServer((client) => {
      const upstream = connect(this.#target, '127.0.0.1');
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.pipe(upstream).pipe(client);
    }).listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
    return `http://127.0.0.1:${this.port}`;
  }

  async down(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.close();
    await (this.#server === undefined ? undefined : once(this.#server, 'close'));
    this.#server = undefined;
  }
}

const PYTHON = fileURLToPath(new URL('../../verifiers/python/indelible_verify.py', import.meta.url));

/** The second, independent verifier. */
async function python(...args: string[]): Promise<{ readonly code: number; readonly report: { verdict: string; findings: { code: string }[] } }> {
  const child = spawn('python3', [PYTHON, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, report: JSON.parse(out) as never };
}

const silent = pino({ level: 'silent' });
const folders: string[] = [];
const opened: OpenLedger[] = [];
const proxies: Proxy[] = [];
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close().catch(() => undefined);
  for (const proxy of proxies.splice(0)) await proxy.down();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'indelible-kms-'));
  folders.push(made);
  return made;
}

async function openWith(dataDir: string, keyId: string, change: ConfigInput = {}): Promise<OpenLedger> {
  const input = { dataDir, signer: 'kms', kmsKeyId: keyId, kmsRegion: kms.region, kmsEndpoint: kms.endpoint, storeTimeoutMs: 15_000, answerWithinMs: 15_000, ...change };
  const ledger = await openLedger(loadConfig({}, input), silent);
  opened.push(ledger);
  return ledger;
}

const event = (n: number): { readonly entryId: string; readonly event: string } => ({ entryId: `e-${n}`, event: `{"action":"trade.settle","actor":{"id":"u-${n}","type":"user"}}` });

async function verdict(dataDir: string, keys: readonly { publicKey: OpenLedger['trust']['roots'][number] }[]): Promise<Awaited<ReturnType<typeof verifyChain>>> {
  const store = await FilesystemStore.open(join(dataDir, 'worm'), { readOnly: true });
  try {
    return await verifyChain({ store, chainId: 'trades', trust: { keys } });
  } finally {
    await store.close();
  }
}

describe.each([
  ['each segment signed by KMS', 0],
  ['segments signed by a delegated key', 1],
])('a ledger with %s', (_, kmsDelegationHours) => {
  test('is intact to both verifiers, who know the key of KMS alone; with another key nothing is believed', async () => {
    const dataDir = folder();
    const replica = await openWith(dataDir, await kms.createKey(), { kmsDelegationHours });
    const { ledger, trust } = replica;
    for (let round = 0; round < 20; round++) await ledger.append('trades', [event(2 * round), event(2 * round + 1)]);
    await replica.close();
    opened.length = 0;
    const [root] = trust.roots;
    expect(trust.keys.map(({ purpose }) => purpose)).toEqual(kmsDelegationHours === 0 ? ['root'] : ['root', 'delegated']);
    expect(await verdict(dataDir, [{ publicKey: root! }])).toMatchObject({ verdict: 'intact', entriesChecked: 40, trust: { source: 'given' }, findings: [] });
    const key = Buffer.from(root!.spki).toString('base64');
    expect(await python('chain', '--data-dir', dataDir, '--public-key', key)).toMatchObject({ code: 0, report: { verdict: 'intact' } });
    const other = Buffer.from((await opening(await kms.createKey())).publicKey.spki).toString('base64');
    expect((await python('chain', '--data-dir', dataDir, '--public-key', other)).code).toBe(2);
  });
});

describe('KMS that goes away', () => {
  test.each([['refuses connections'], ['hangs']])('and %s: appends are answered 503 meanwhile, nothing is lost, and they go on by themselves', async (how) => {
    const proxy = new Proxy(kms.port);
    proxies.push(proxy);
    const dataDir = folder();
    const replica = await openWith(dataDir, await kms.createKey(), { kmsEndpoint: await proxy.up(), storeTimeoutMs: 4_000, answerWithinMs: 4_000 });
    const { ledger, trust } = replica;
    await ledger.append('trades', [event(0)]);
    if (how === 'hangs') kms.server.pause();
    else await proxy.down();
    try {
      for (let n = 1; n <= 3; n++) {
        const error = await ledger.append('trades', [event(n)]).then(() => undefined, (reason: unknown) => reason);
        expect(error).toBeInstanceOf(LedgerError);
        expect((error as LedgerError).code).toBe('signer_unavailable');
      }
    } finally {
      if (how === 'hangs') kms.server.resume();
      else await proxy.up();
    }
    for (let n = 1; n <= 3; n++) {
      const [entry] = await ledger.append('trades', [event(n)]);
      expect([entry!.segment.firstSequence, entry!.replayed]).toEqual([n, false]);
    }
    await replica.close();
    opened.length = 0;
    expect(await verdict(dataDir, trust.roots.map((publicKey) => ({ publicKey })))).toMatchObject({ verdict: 'intact', entriesChecked: 4 });
  });

  test('over HTTP the answer is 503 signer_unavailable with Retry-After', async () => {
    const proxy = new Proxy(kms.port);
    proxies.push(proxy);
    const input = {
      dataDir: folder(), port: 0, signer: 'kms', kmsKeyId: await kms.createKey(), kmsRegion: kms.region, kmsEndpoint: await proxy.up(),
      storeTimeoutMs: 1_500, adminToken: 'admin-token-of-a-test',
    };
    const service = await startService(loadConfig({}, input), silent);
    try {
      const append = (): Promise<Response> =>
        fetch(`${service.url}/v1/chains/trades/entries`, { method: 'POST', headers: { authorization: 'Bearer admin-token-of-a-test', 'content-type': 'application/json' }, body: JSON.stringify({ action: 'a', actor: { type: 'user', id: 'u' } }) });
      expect((await append()).status).toBe(201);
      await proxy.down();
      const answer = await append();
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, 'signer_unavailable']);
      expect(answer.headers.get('retry-after')).not.toBeNull();
      await proxy.up();
      expect((await append()).status).toBe(201);
    } finally {
      await service.close();
    }
  });

  test.each([['refuses connections'], ['hangs']])('and %s: once the circuit is open the service refuses at once and says that it is not ready; both end by themselves', async (how) => {
    const CALL_MS = 3_000;
    const proxy = new Proxy(kms.port);
    proxies.push(proxy);
    const dataDir = folder();
    const input = {
      dataDir, port: 0, signer: 'kms', kmsKeyId: await kms.createKey(), kmsRegion: kms.region, kmsEndpoint: await proxy.up(),
      storeTimeoutMs: CALL_MS, adminToken: 'admin-token-of-a-test',
    };
    const service = await startService(loadConfig({}, input), silent);
    const headers = { authorization: 'Bearer admin-token-of-a-test', 'content-type': 'application/json' };
    let sent = 0;
    const append = async (): Promise<{ readonly status: number; readonly code: string | undefined; readonly retryAfter: string | null; readonly ms: number }> => {
      const began = performance.now();
      const body = JSON.stringify({ entryId: `e-${sent++}`, action: 'a', actor: { type: 'user', id: 'u' } });
      const answer = await fetch(`${service.url}/v1/chains/trades/entries`, { method: 'POST', headers, body });
      const { code } = (await answer.json()) as { code?: string };
      return { status: answer.status, code, retryAfter: answer.headers.get('retry-after'), ms: performance.now() - began };
    };
    const signerIs = async (): Promise<readonly [number, string | undefined]> => {
      const answer = await fetch(`${service.url}/readyz`);
      const { checks } = (await answer.json()) as { checks: { name: string; status: string }[] };
      return [answer.status, checks.find(({ name }) => name === 'signer')?.status];
    };
    try {
      expect((await append()).status).toBe(201);
      await until(async () => (await signerIs()).join() === '200,ok');
      if (how === 'hangs') kms.server.pause();
      else await proxy.down();
      const began = performance.now();
      // Nobody appends: it is the service itself that finds out and says so.
      await until(async () => (await signerIs())[0] === 503);
      const told = performance.now() - began;
      await until(async () => {
        expect((await append()).status).toBe(503);
        return (await metricsOf(service)).get('indelible_circuit_state{circuit="signer"}') === 2;
      });
      const refusals = [];
      // Longer than a circuit stays open: also while it tries, callers do not wait.
      for (const end = performance.now() + 2_500; performance.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) refusals.push(await append());
      const longest = Math.max(...refusals.map(({ ms }) => ms));
      expect(refusals.length).toBeGreaterThan(5);
      expect(refusals.filter(({ status, code, retryAfter }) => status !== 503 || code !== 'signer_unavailable' || retryAfter === null)).toEqual([]);
      expect(longest).toBeLessThan(CALL_MS);
      expect(await signerIs()).toEqual([503, 'failed']);

      if (how === 'hangs') kms.server.resume();
      else await proxy.up();
      const back = performance.now();
      await until(async () => (await signerIs()).join() === '200,ok');
      expect((await append()).status).toBe(201);
      console.log(`KMS ${how}: told after ${Math.round(told)} ms, then refused within ${Math.round(longest)} ms (${refusals.length} appends), back after ${Math.round(performance.now() - back)} ms`);
    } finally {
      if (how === 'hangs') kms.server.resume();
      await service.close();
    }
    // What was refused was not stored behind the producer's back.
    const { trust } = await openWith(dataDir, input.kmsKeyId);
    expect(await verdict(dataDir, trust.roots.map((publicKey) => ({ publicKey })))).toMatchObject({ verdict: 'intact', entriesChecked: 2 });
  });

  test('does not stop a delegated key before its end', async () => {
    const proxy = new Proxy(kms.port);
    proxies.push(proxy);
    const { ledger } = await openWith(folder(), await kms.createKey(), { kmsEndpoint: await proxy.up(), kmsDelegationHours: 1 });
    await proxy.down();
    for (let n = 0; n < 10; n++) await ledger.append('trades', [event(n)]);
    expect((await ledger.chain('trades')).head.size).toBe(10);
  });
});

describe('several replicas', () => {
  test('with delegated keys of their own write one chain', async () => {
    const dataDir = folder();
    const keyId = await kms.createKey();
    const replicas = [];
    for (let i = 0; i < 3; i++) replicas.push(await openWith(dataDir, keyId, { kmsDelegationHours: 2 }));
    await Promise.all(replicas.flatMap(({ ledger }, r) => Array.from({ length: 60 }, (_, n) => ledger.append('trades', [event(1_000 * r + n)]))));
    const [first] = replicas;
    const report = await verdict(dataDir, first!.trust.roots.map((publicKey) => ({ publicKey })));
    expect(report).toMatchObject({ verdict: 'intact', entriesChecked: 180, findings: [] });
    expect(report.trust.keyIds.length).toBeGreaterThan(1);
    expect(await python('chain', '--data-dir', dataDir, '--public-key', Buffer.from(first!.trust.roots[0]!.spki).toString('base64'))).toMatchObject({ code: 0 });
  });
});

describe('rotation', () => {
  test('goes from a local key to KMS and from there to another KMS key, under one pinned root', async () => {
    const dataDir = folder();
    const [first, second] = [await kms.createKey(), await kms.createKey()];
    const settings = { dataDir, kmsRegion: kms.region, kmsEndpoint: kms.endpoint };
    const steps: readonly (readonly [ConfigInput, string | undefined])[] = [
      [settings, first],
      [{ ...settings, signer: 'kms', kmsKeyId: first }, second],
      [{ ...settings, signer: 'kms', kmsKeyId: second, kmsDelegationHours: 1 }, undefined],
    ];
    let root: OpenLedger['trust']['roots'][number] | undefined;
    // The first writer goes on beside those that come later.
    let oldest: OpenLedger | undefined;
    let n = 0;
    for (const [input, to] of steps) {
      const replica = await openLedger(loadConfig({}, input), silent);
      opened.push(replica);
      oldest ??= replica;
      root ??= replica.trust.roots[0];
      for (let i = 0; i < 3; i++) {
        await replica.ledger.append('trades', [event(n++)]);
        await oldest.ledger.append('trades', [event(n++)]);
      }
      if (to !== undefined) {
        const { certified, next } = await rotateKey(loadConfig({}, input), to);
        expect([certified.purpose, next]).toEqual(['rotation', expect.stringContaining(`INDELIBLE_KMS_KEY_ID=${to}`)]);
        // Repeated, it changes nothing.
        expect((await rotateKey(loadConfig({}, input), to)).certified.fingerprint).toBe(certified.fingerprint);
      }
    }
    expect(oldest!.trust.keys.map(({ purpose }) => purpose)).toEqual(['root', 'rotation', 'rotation', 'delegated']);
    const report = await verdict(dataDir, [{ publicKey: root! }]);
    expect(report).toMatchObject({ verdict: 'intact', entriesChecked: 18, findings: [] });
    // The root, the first KMS key and the delegated key; the second KMS key certified, and signed no segment.
    expect(report.trust.keyIds).toHaveLength(3);
    expect(await python('chain', '--data-dir', dataDir, '--public-key', Buffer.from(root!.spki).toString('base64'))).toMatchObject({ code: 0 });
    // A KMS key that nobody certified is none of this log.
    await expect(openLedger(loadConfig({}, { ...settings, signer: 'kms', kmsKeyId: await kms.createKey() }), silent)).rejects.toThrow(/is not a key of this store.*indelible keys rotate/);
  });
});
