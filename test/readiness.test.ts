/**
 * `/readyz`, part by part. At stake: a load balancer that sends appends to a replica that can't store them, or that
 * keeps one out for ever that could.
 */
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { systemHost } from '#indelible/ledger/host.js';
import { ReadinessBoard, signerCheck, storeCheck, Trial } from '#indelible/readiness.js';
import { startService } from '#indelible/service.js';
import { breakSigner } from '#indelible/signing/breaker.js';
import { boundCalls } from '#indelible/storage/bounded.js';
import { breakCalls } from '#indelible/storage/breaker.js';
import type { BrokenStore } from '#indelible/storage/breaker.js';
import { MemoryStore } from './support/memory-store.js';
import { moodyStore } from './support/moody-store.js';
import type { Moods } from './support/moody-store.js';
import { until } from './support/until.js';

const RETENTION = { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' } as const;
const NO_CHAINS = { open: () => [] };

describe('the board', () => {
  it('is ready if what appends need is well; the rest makes it degraded at worst', async () => {
    const board = new ReadinessBoard();
    board.add('store', () => ({ status: 'ok' }), true);
    board.add('mirror', () => ({ status: 'degraded', detail: 'brokers are away' }));
    board.add('search', () => ({ status: 'ok' }));
    expect(await board.check()).toEqual({
      ready: true,
      checks: [
        { name: 'store', status: 'ok' },
        { name: 'mirror', status: 'degraded', detail: 'brokers are away' },
        { name: 'search', status: 'ok' },
      ],
    });
  });

  it('a part that hangs or throws has answered after a second, without saying what it must not', async () => {
    const board = new ReadinessBoard();
    board.add('store', () => new Promise(() => undefined), true);
    board.add('mirror', () => new Promise(() => undefined));
    board.add('search', () => Promise.reject(new Error('https://elastic:secret@es')));
    board.add('replica', () => {
      throw new Error('secret');
    });
    expect(await board.check()).toEqual({
      ready: false,
      checks: [
        { name: 'store', status: 'failed', detail: 'no answer within 1000 ms' },
        { name: 'mirror', status: 'degraded', detail: 'no answer within 1000 ms' },
        { name: 'search', status: 'degraded', detail: 'can not be asked' },
        { name: 'replica', status: 'degraded', detail: 'can not be asked' },
      ],
    });
  });

  it('a trial is made twice a second at most, however many ask', async () => {
    let calls = 0;
    const trial = new Trial(() => Promise.resolve(++calls));
    await Promise.all(Array.from({ length: 50 }, () => trial.succeeds()));
    expect(await trial.succeeds()).toBe(true);
    expect(calls).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 550));
    await trial.succeeds();
    expect(calls).toBe(2);
  });
});

describe('the store', () => {
  let moods: Moods;
  let broken: BrokenStore;
  let board: ReadinessBoard;
  beforeEach(async () => {
    moods = { create: 'well', others: 'well' };
    const disk = new MemoryStore();
    await disk.create('deployment.json', Buffer.from('{}'), RETENTION);
    broken = breakCalls(boundCalls(moodyStore(disk, moods), (ms, callback) => systemHost.after(ms, callback), 5_000), 'deployment.json');
    board = new ReadinessBoard();
    board.add('store', storeCheck(broken, NO_CHAINS), true);
  });
  afterEach(() => broken.close());

  it.each(['hangs', 'refuses', 'resets'] as const)('that %s is told without any traffic, and so is its return', async (how) => {
    expect((await board.check()).ready).toBe(true);
    moods.others = how;
    await until(async () => !(await board.check()).ready);
    moods.others = 'well';
    await until(async () => (await board.check()).ready);
  });

  it('that can be read and not written is not ready; once one append may try again, it is degraded, so that one comes', async () => {
    moods.create = 'resets';
    for (const key of ['a', 'b', 'c']) await broken.store.create(key, Buffer.from('x'), RETENTION).catch(() => undefined);
    expect(await board.check()).toMatchObject({ ready: false, checks: [{ name: 'store', detail: expect.stringContaining('store_write') as string }] });
    await until(async () => (await board.check()).ready);
    expect((await board.check()).checks[0]?.status).toBe('degraded');
    moods.create = 'well';
    await broken.store.create('d', Buffer.from('x'), RETENTION);
    expect((await board.check()).checks).toEqual([{ name: 'store', status: 'ok' }]);
  });

  it('with a commit that can not be settled is not ready', async () => {
    const other = new ReadinessBoard();
    const chains = [{ unsettled: true }, { unsettled: false }] as unknown as ReturnType<Parameters<typeof storeCheck>[1]['open']>;
    other.add('store', storeCheck(broken, { open: () => chains }), true);
    expect(await other.check()).toMatchObject({ ready: false, checks: [{ detail: expect.stringContaining('commits of 1 chains') as string }] });
  });
});

describe('the signer', () => {
  it('that is away is told without any traffic, and so is its return', async () => {
    let away = false;
    const publicKey = { algorithm: 'ed25519', spki: new Uint8Array(44) } as const;
    const broken = breakSigner({ kind: 'kms', publicKey, sign: () => (away ? new Promise(() => undefined) : Promise.resolve(new Uint8Array(64))) }, 200);
    const board = new ReadinessBoard();
    board.add('signer', signerCheck(broken), true);
    expect(await board.check()).toEqual({ ready: true, checks: [{ name: 'signer', status: 'ok' }] });
    away = true;
    await until(async () => !(await board.check()).ready);
    away = false;
    await until(async () => (await board.check()).ready);
    broken.circuit.close();
  });
});

describe('a running service', () => {
  it('tells that its folder is away, and that it is back', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'indelible-ready-'));
    const config = loadConfig({}, { dataDir, port: 0, logLevel: 'silent' }, join(dataDir, 'none.json'));
    const service = await startService(config, pino({ level: 'silent' }));
    const readyz = async (): Promise<{ status: number; text: string }> => {
      const answer = await fetch(`${service.url}/readyz`);
      return { status: answer.status, text: await answer.text() };
    };
    const first = await readyz();
    expect(JSON.parse(first.text)).toEqual({
      status: 'ready',
      checks: [
        { name: 'store', status: 'ok' },
        { name: 'signer', status: 'ok' },
        { name: 'view', status: 'ok' },
      ],
    });
    await rename(join(dataDir, 'worm'), join(dataDir, 'away'));
    await until(async () => (await readyz()).status === 503);
    expect((await readyz()).text).toContain('"name":"store","status":"failed"');
    expect(await (await fetch(`${service.url}/metrics`)).text()).toMatch(/^indelible_check_status\{check="store"\} 2$/m);
    await rename(join(dataDir, 'away'), join(dataDir, 'worm'));
    await until(async () => (await readyz()).status === 200);
    await service.close();
    await rm(dataDir, { recursive: true, force: true });
  });
});
