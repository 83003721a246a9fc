/**
 * A real MinIO that hangs, dies and comes back under a ledger with its circuit breakers. At stake: producers that wait
 * instead of being told, a replica that says "ready" and is not, and one that needs an operator to recover.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { receiptOf } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { Ledger } from '#indelible/ledger/ledger.js';
import { ReadinessBoard, storeCheck } from '#indelible/readiness.js';
import { boundCalls } from '#indelible/storage/bounded.js';
import { breakCalls } from '#indelible/storage/breaker.js';
import type { BrokenStore } from '#indelible/storage/breaker.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import * as minio from '../../scripts/services/minio.mjs';
import { auditChain } from '../support/audit.js';
import { DEPLOYMENT, openMemoryLedger, PUBLIC_KEY } from '../support/memory-ledger.js';
import { until } from '../support/until.js';

const CALL_MS = 3_000;
const ANSWER_MS = 6_000;
const CHAINS = ['a', 'b', 'c', 'd'];
const retention = { mode: 'governance', retainUntil: new Date(Date.now() + 86_400_000).toISOString() } as const;

let server: Awaited<ReturnType<typeof minio.start>>;
let store: S3Store;
/** For the audit: it is in no hurry. */
let patient: S3Store;
let broken: BrokenStore;
let ledger: Ledger;
let board: ReadinessBoard;
const receipts = new Map<string, Receipt[]>(CHAINS.map((chain) => [chain, []]));

beforeAll(async () => {
  server = await minio.start({ own: true });
  const { endpoint, credentials } = server;
  const bucket = await server.createBucket('degraded');
  store = new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: CALL_MS });
  patient = new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, credentials, requestTimeoutMs: 60_000 });
  await patient.create('deployment.json', Buffer.from('{}'), retention);
  broken = breakCalls(boundCalls(store, (ms, callback) => systemHost.after(ms, callback), CALL_MS), 'deployment.json');
  ledger = openMemoryLedger(broken.store, 'writer', { answerWithinMs: ANSWER_MS, callTimeoutMs: CALL_MS });
  board = new ReadinessBoard();
  board.add('store', storeCheck(broken, ledger), true);
});
afterAll(async () => {
  await ledger.close(Promise.resolve());
  broken.close();
  await Promise.all([store.close(), patient.close()]);
  await server.dispose();
});

async function append(chain: string, entryId: string): Promise<void> {
  const [entry] = await ledger.append(chain, [{ entryId, event: `{"action":"a","actor":{"id":"${entryId}","type":"t"}}` }]);
  receipts.get(chain)!.push(receiptOf(entry!.segment, entry!.at));
}

const OUTAGES = {
  hangs: { begin: () => server.server.pause(), end: () => server.server.resume() },
  'is killed': { begin: () => server.server.kill(), end: () => server.server.start() },
  'is stopped': { begin: () => server.server.stop(), end: () => server.server.start() },
} as const;

describe('an S3 that', () => {
  it.each(Object.keys(OUTAGES) as (keyof typeof OUTAGES)[])(
    '%s: appends are told so, soon and then at once; it is back by itself, and each acknowledged entry is there once',
    async (name) => {
      const outage = OUTAGES[name];
      for (const chain of CHAINS) await append(chain, `${name}-before`.replaceAll(' ', '-'));
      await until(async () => (await board.check()).ready);

      await outage.begin();
      const began = performance.now();
      await until(async () => !(await board.check()).ready);
      const toldAfter = performance.now() - began;

      // Each is answered while the store is still away, whatever the outage looks like from here.
      const id = `${name}-during`.replaceAll(' ', '-');
      const waits: number[] = [];
      for (let round = 0; round < 3; round++) {
        await Promise.all(
          CHAINS.map(async (chain) => {
            const started = performance.now();
            await expect(append(chain, id)).rejects.toBeInstanceOf(LedgerError);
            waits.push(performance.now() - started);
          }),
        );
      }
      // And in the end without waiting for a call of its own: that would take as long as a call may.
      expect(Math.max(...waits.slice(-CHAINS.length))).toBeLessThan(CALL_MS);

      await outage.end();
      const back = performance.now();
      // Nobody appends: what finds out is the service itself.
      await until(async () => (await board.check()).checks[0]?.status !== 'failed');
      const recoveredAfter = performance.now() - back;
      console.log(`${name}: told after ${Math.round(toldAfter)} ms, longest wait ${Math.round(Math.max(...waits))} ms, back after ${Math.round(recoveredAfter)} ms`);
      for (const chain of CHAINS) await append(chain, id);
      await until(async () => (await board.check()).checks[0]?.status === 'ok');

      for (const chain of CHAINS) {
        const { payloads } = await auditChain((key) => patient.read(key), { deployment: DEPLOYMENT, chainId: chain, publicKey: PUBLIC_KEY }, receipts.get(chain));
        const ids = payloads.map((payload) => (JSON.parse(payload) as { entryId: string }).entryId);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.filter((entryId) => entryId === id)).toHaveLength(1);
      }
    },
  );
});
