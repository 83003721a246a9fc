/**
 * What ships, through a network and a store that fail: `serve` processes with their circuits and their views on disk,
 * a real S3 behind a proxy. At stake: an entry that is acknowledged and gone, or in the log twice, because a circuit,
 * a view or a repeat took a failure for something else; and a service that does not come back by itself.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import * as ceph from '../../scripts/services/ceph.mjs';
import * as minio from '../../scripts/services/minio.mjs';
import { temporaryFolder } from '../cli/cli.js';
import { generator } from '../simulation/world.js';
import { FaultProxy, PROXY_FAULTS } from '../support/fault-proxy.js';
import { auditBucket } from './support/audit-bucket.js';
import { environment, Producer, serve } from './support/serve.js';
import type { Running } from './support/serve.js';

const CHAIN = 'orders';
const FAULTS = Number(process.env['SERVICE_FAULTS'] ?? 200);
const folder = temporaryFolder();
const producer = new Producer();
afterAll(() => producer.close());

interface Storm {
  readonly receipts: readonly Receipt[];
  /** Answers other than a receipt. */
  readonly refusals: ReadonlyMap<string, number>;
}

/** Producers that repeat with the same id, at any replica, until they have a receipt; until so many faults were met, and what the test is about. */
async function storm(proxy: FaultProxy, running: readonly Running[], random: () => number, faults: number, met: (receipts: readonly Receipt[]) => boolean): Promise<Storm> {
  const receipts: Receipt[] = [];
  const refusals = new Map<string, number>();
  let over = false as boolean;
  const client = async (number: number): Promise<void> => {
    for (let n = 0; !over; n++) {
      // Some ids are sent by two producers at once.
      const entryId = n % 10 === 0 ? `pair-${number >> 1}-${n}` : `client-${number}-${n}`;
      for (;;) {
        const { status, body } = await producer.append(running[Math.floor(random() * running.length)]!.url, CHAIN, entryId);
        if (status === 201 || status === 200) {
          receipts.push(JSON.parse(body) as Receipt);
          break;
        }
        const { code } = JSON.parse(body) as { readonly code: string };
        if (status !== 503 || code === 'chain_halted') throw new Error(`${status}: ${body}`);
        refusals.set(code, (refusals.get(code) ?? 0) + 1);
        await sleep(20 + random() * 80);
      }
    }
  };
  const clients = Array.from({ length: 12 }, (_, number) => client(number));
  while (proxy.faults < faults || !met(receipts)) {
    // In turns, so that circuits open and close again.
    proxy.rate = random() < 0.3 ? 0.9 : 0.4;
    await Promise.race([sleep(500 + random() * 1_500), Promise.all(clients)]);
  }
  proxy.rate = 0;
  over = true;
  // In peace every producer gets its receipt, and nobody has to help.
  await Promise.all(clients);
  // What is late lands now, and must change nothing.
  await proxy.calm();
  return { receipts, refusals };
}

function expectOnePlaceEach(receipts: readonly Receipt[]): void {
  const places = new Map<string, number>();
  for (const { entryId, sequence } of receipts) {
    expect(places.get(entryId) ?? sequence, entryId).toBe(sequence);
    places.set(entryId, sequence);
  }
}

const listed = (counts: ReadonlyMap<unknown, number>): string => [...counts].map(([what, count]) => `${String(what)} ${count}`).join(', ');

function seeded(name: string): () => number {
  const seed = Number(process.env['SERVICE_FAULTS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${name}: seed ${seed} (SERVICE_FAULTS_SEED repeats the choices, not the timing)`);
  return generator(seed);
}

const SETTINGS = { INDELIBLE_STORE_TIMEOUT_MS: '3000', INDELIBLE_ANSWER_WITHIN_MS: '5000', INDELIBLE_LOG_LEVEL: 'error' };

describe('serve, through a network and a store that fail', () => {
  it(`three replicas on MinIO: nothing acknowledged is lost or doubled over ${FAULTS} faults, and late PUTs are refused`, { timeout: 1_200_000 }, async () => {
    const random = seeded('serve on MinIO');
    const server = await minio.start();
    const bucket = await server.createBucket('serve-faults');
    const proxy = await FaultProxy.start(server.endpoint, random);
    proxy.lateShare = 0.2;
    try {
      const env = environment({ ...server, endpoint: proxy.endpoint }, bucket, SETTINGS);
      const dataDirs = [0, 1, 2].map((at) => join(folder, `minio-${at}`));
      const running = [await serve(dataDirs[0]!, env)];
      for (const dataDir of dataDirs.slice(1)) {
        cpSync(join(dataDirs[0]!, 'keys'), join(dataDir, 'keys'), { recursive: true });
        running.push(await serve(dataDir, env));
      }
      // Each kind of fault; and PUTs that come to the store when their key is settled: the condition is what keeps them out.
      const met = (receipts: readonly Receipt[]): boolean => receipts.length > FAULTS / 10 && PROXY_FAULTS.every((fault) => proxy.met.has(fault)) && (proxy.lateAnswers.get(412) ?? 0) > FAULTS / 200;
      const { receipts, refusals } = await storm(proxy, running, random, FAULTS, met);
      for (const one of running) {
        const { code, stderr } = await one.stop('SIGTERM');
        expect({ code, stderr: stderr.split('\n').filter((line) => /security finding|chain halted/.test(line)) }).toEqual({ code: 0, stderr: [] });
      }
      const audited = await auditBucket({ where: server, bucket, dataDir: dataDirs[0]!, env: environment(server, bucket) }, CHAIN, receipts);
      console.log(
        `serve on MinIO: ${proxy.faults} faults (${listed(proxy.met)}), ${receipts.length} acknowledged, ${audited.ids.length} entries in ${audited.segments} segments, ` +
          `refused: ${listed(refusals)}; late PUTs answered: ${listed(proxy.lateAnswers)}`,
      );
      expectOnePlaceEach(receipts);
      // More than one of them wrote: there was a race to lose.
      expect(new Set(audited.writerIds).size).toBeGreaterThan(1);
    } finally {
      await proxy.close();
      await server.dispose();
    }
  });

  it('one declared writer on Ceph, where nothing keeps a late PUT out: it is the same bytes, and changes nothing', { timeout: 1_200_000 }, async () => {
    const faults = Math.ceil(FAULTS / 3);
    const random = seeded('serve on Ceph');
    const server = await ceph.start();
    await server.createBucket('serve-faults');
    const proxy = await FaultProxy.start(server.endpoint, random);
    proxy.lateShare = 0.4;
    // Longer than a circuit stays open: the repeat is there before it.
    proxy.lateWithinMs = 15_000;
    try {
      const more = { ...SETTINGS, INDELIBLE_SINGLE_WRITER: 'true' };
      const dataDir = join(folder, 'ceph');
      const running = [await serve(dataDir, environment({ ...server, endpoint: proxy.endpoint }, 'serve-faults', more))];
      const { receipts, refusals } = await storm(proxy, running, random, faults, (receipts) => proxy.lateRepeats > 0 && receipts.length > faults / 10);
      const { code, stderr } = await running[0]!.stop('SIGTERM');
      expect({ code, stderr: stderr.split('\n').filter((line) => /chain halted/.test(line)) }).toEqual({ code: 0, stderr: [] });
      const env = environment(server, 'serve-faults', { INDELIBLE_SINGLE_WRITER: 'true' });
      const audited = await auditBucket({ where: server, bucket: 'serve-faults', dataDir, env }, CHAIN, receipts, { repeats: true });
      console.log(
        `serve on Ceph: ${proxy.faults} faults (${listed(proxy.met)}), ${receipts.length} acknowledged, ${audited.ids.length} entries in ${audited.segments} segments, ` +
          `refused: ${listed(refusals)}; late PUTs answered: ${listed(proxy.lateAnswers)}, keys with the same bytes again: ${audited.repeated}`,
      );
      expectOnePlaceEach(receipts);
      // At least one came when its key was settled: the store took it, and it is a shadow of the same bytes.
      expect(audited.repeated).toBeGreaterThan(0);
    } finally {
      await proxy.close();
      await server.dispose();
    }
  });
});
