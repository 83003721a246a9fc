/**
 * Replicas on a real MinIO, through a network and a store that fail: what was acknowledged is there, once, in
 * order, under its retention, whatever happened on the way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { segmentPrefix } from '#indelible/core/chain.js';
import type { PublicKey } from '#indelible/core/note.js';
import { receiptOf } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import { newWriterId, systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Signer } from '#indelible/signing/signer.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import * as minio from '../../scripts/services/minio.mjs';
import { generator } from '../simulation/world.js';
import { auditListed } from '../support/audit.js';
import { FaultProxy, PROXY_FAULTS } from '../support/fault-proxy.js';
import { MemoryIndex } from '../support/memory-index.js';
import { until } from '../support/until.js';

const CHAIN = 'orders';
const DEPLOYMENT = 'faults.test';
const KEYS = generateKeyPairSync('ed25519');
const PUBLIC_KEY: PublicKey = { algorithm: 'ed25519', spki: KEYS.publicKey.export({ format: 'der', type: 'spki' }) };
const SIGNER: Signer = { kind: 'local', publicKey: PUBLIC_KEY, sign: (message) => Promise.resolve(sign(null, message, KEYS.privateKey)) };
const UNTIL = '2030-01-01T00:00:00.000Z';
const FAULTS = Number(process.env['S3_FAULTS'] ?? 2_000);

let server: Awaited<ReturnType<typeof minio.start>>;
beforeAll(async () => {
  server = await minio.start();
});
afterAll(() => server.dispose());

function storeAt(endpoint: string, bucket: string, requestTimeoutMs: number): S3Store {
  return new S3Store({ bucket, region: 'us-east-1', endpoint, forcePathStyle: true, requestTimeoutMs, credentials: server.credentials });
}

interface Replica {
  readonly ledger: Ledger;
  readonly store: S3Store;
  end(): void;
}

function replica(endpoint: string, bucket: string, findings: string[]): Replica {
  const store = storeAt(endpoint, bucket, 250);
  let alive = true;
  // As a process that is killed: what it asked for may still happen, and never reaches it.
  const mortal = <T>(call: Promise<T>): Promise<T> => new Promise((resolve, reject) => void call.then((value) => alive && resolve(value), (error: unknown) => alive && reject(error as Error)));
  const ledger = new Ledger({
    store: {
      kind: 's3',
      location: store.location,
      versioned: true,
      create: (key, bytes, retention) => mortal(store.create(key, bytes, retention)),
      createOver: (key, over, bytes, retention) => mortal(store.createOver(key, over, bytes, retention)),
      read: (key, version) => mortal(store.read(key, version)),
      versions: (key, options) => mortal(store.versions(key, options)),
      list: (prefix, options) => mortal(store.list(prefix, options)),
      strays: (prefix) => store.strays(prefix),
      settle: (prefix) => mortal(store.settle(prefix)),
      close: () => store.close(),
    },
    signer: SIGNER,
    trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]),
    index: new MemoryIndex(),
    host: systemHost,
    writerId: newWriterId(),
    limits: { maxQueuedEntries: 1_000, maxQueuedBytes: 10_000_000, answerWithinMs: 2_000, callTimeoutMs: 400 },
    retention: () => ({ mode: 'governance', retainUntil: UNTIL }),
    onCommitted: () => undefined,
    onTrouble: () => undefined,
    onFinding: (finding) => void findings.push(`${finding.code} ${finding.detail}`),
  });
  return {
    ledger,
    store,
    end: () => {
      alive = false;
    },
  };
}

/** As a producer: the same id again, at any replica, until it has a receipt. */
async function appendPatiently(pick: () => Ledger, entryId: string): Promise<Receipt> {
  for (;;) {
    const answer = await Promise.race([
      pick()
        .append(CHAIN, [{ entryId, event: `{"action":"a","actor":{"id":"${entryId}","type":"t"}}` }])
        .catch((error: unknown) => error as Error),
      sleep(5_000),
    ]);
    if (answer !== undefined && !(answer instanceof Error)) return receiptOf(answer[0]!.segment, answer[0]!.at);
    if (answer !== undefined && (!(answer instanceof LedgerError) || answer.code === 'chain_halted' || answer.code === 'entry_id_conflict')) throw answer;
    await sleep(10 + Math.random() * 100);
  }
}

/** By a second connection, without the proxy. */
async function auditBucket(bucket: string, receipts: readonly Receipt[]): Promise<number> {
  const store = storeAt(server.endpoint, bucket, 10_000);
  try {
    const listed: string[] = [];
    for await (const key of everyKey(store, segmentPrefix(CHAIN))) listed.push(key);
    const audited = await auditListed(listed, (key) => store.read(key), { deployment: DEPLOYMENT, chainId: CHAIN, publicKey: PUBLIC_KEY }, receipts);
    for (const key of listed) {
      const versions = await store.versions(key);
      if (versions.length !== 1) throw new Error(`${key} has ${versions.length} versions: something was written twice`);
      expect(versions[0]!.retention).toEqual({ mode: 'governance', retainUntil: UNTIL });
    }
    return audited.payloads.length;
  } finally {
    await store.close();
  }
}

describe('through a network and a store that fail', () => {
  it(`nothing acknowledged is lost or doubled over ${FAULTS} faults, while replicas die and come back`, { timeout: 1_200_000 }, async () => {
    const seed = Number(process.env['S3_FAULTS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`s3 faults: seed ${seed} (S3_FAULTS_SEED repeats the choices, not the timing)`);
    const random = generator(seed);
    const bucket = await server.createBucket('faults');
    const proxy = await FaultProxy.start(server.endpoint, random);
    const findings: string[] = [];
    const replicas = Array.from({ length: 3 }, () => replica(proxy.endpoint, bucket, findings));
    const receipts: Receipt[] = [];
    let deaths = 0;
    let over = false as boolean;
    const stop = (): boolean => over;
    const reaper = (async () => {
      while (!stop()) {
        await sleep(1_000 + random() * 4_000);
        const at = Math.floor(random() * replicas.length);
        replicas[at]!.end();
        replicas[at] = replica(proxy.endpoint, bucket, findings);
        deaths += 1;
      }
    })();
    let sent = 0;
    const client = async (number: number): Promise<void> => {
      while (!stop()) {
        // Some ids are sent by two clients at once.
        const entryId = random() < 0.1 ? `shared-${sent >> 3}` : `c${number}-${sent}`;
        sent += 1;
        receipts.push(await appendPatiently(() => replicas[Math.floor(random() * replicas.length)]!.ledger, entryId));
      }
    };
    // Each kind of fault often; and PUTs that come to the store when the key is settled, and not only after a while.
    const met = (): boolean =>
      PROXY_FAULTS.every((fault) => (proxy.met.get(fault) ?? 0) > FAULTS / 100) && (proxy.lateAnswers.get(412) ?? 0) > FAULTS / 200 && receipts.length > FAULTS / 20;
    try {
      const clients = Array.from({ length: 24 }, (_, number) => client(number));
      while (proxy.faults < FAULTS || !met()) {
        proxy.rate = random() < 0.2 ? 0.8 : 0.5;
        await Promise.race([sleep(500 + random() * 1_500), Promise.all(clients)]);
      }
      over = true;
      proxy.rate = 0;
      await Promise.all(clients);
      await reaper;
      // What is late lands now, and must change nothing.
      await proxy.calm();
    } finally {
      over = true;
      await proxy.close();
    }
    const entries = await auditBucket(bucket, receipts);
    console.log(`s3 faults: ${proxy.faults} faults, ${deaths} deaths, ${receipts.length} acknowledged, ${entries} entries; ${[...proxy.met].map(([fault, count]) => `${fault} ${count}`).join(', ')}`);
    expect(findings).toEqual([]);
    for (const { store } of replicas) await store.close();
  });

  it('MinIO killed under load, again and again: appends fail meanwhile, and what was acknowledged is there', { timeout: 600_000 }, async () => {
    const bucket = await server.createBucket('killed');
    const findings: string[] = [];
    const replicas = Array.from({ length: 2 }, () => replica(server.endpoint, bucket, findings));
    const receipts: Receipt[] = [];
    let over = false as boolean;
    const stop = (): boolean => over;
    const client = async (number: number): Promise<void> => {
      for (let i = 0; !stop(); i++) receipts.push(await appendPatiently(() => replicas[(number + i) % 2]!.ledger, `k${number}-${i}`));
    };
    const clients = Array.from({ length: 16 }, (_, number) => client(number));
    for (let round = 0; round < 8; round++) {
      await sleep(300 + Math.random() * 700);
      await server.server.kill();
      await sleep(Math.random() * 500);
      await server.server.start();
    }
    await until(() => receipts.length > 100);
    over = true;
    await Promise.all(clients);
    const entries = await auditBucket(bucket, receipts);
    console.log(`s3 faults: MinIO killed 8 times, ${receipts.length} acknowledged, ${entries} entries`);
    expect(findings).toEqual([]);
  });
});
