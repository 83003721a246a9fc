/**
 * Single durable appends: rounds in which each contestant is measured right after the other, so
 * that what else the machine is doing hits all of them alike.
 */
import type { LoadResult, LoadTarget } from '../load/phase.js';
import type { Service } from '../service.js';
import { count, milliseconds } from '../statistics.js';
import { auditPhase, exactAudit } from './audit.js';
import { type Bench, type Counters, say } from './bench.js';

export const SERVICE_CLIENTS = [1, 64, 256, 1024] as const;
const NAIVE_CLIENTS = [1, 64] as const;
const TESSERA_WRITERS = [64, 256, 1024] as const;

function clientCount(clients: number): string {
  return clients === 1 ? '1 client' : `${count(clients)} clients`;
}

export const serviceRow = (clients: number): string => `indelible, single, ${clientCount(clients)}`;
export const tesseraRow = (writers: number): string => `Tessera, its own hammer, ${count(writers)} writers`;
export const tesseraSameRow = (clients: number): string => `Tessera, our load generator, ${clientCount(clients)}`;
export const naiveRow = (clients: number): string => `naive over HTTP, ${clientCount(clients)}`;

export async function measureSingleAppends(bench: Bench, service: Service | undefined, counters: Counters): Promise<void> {
  const { options, tessera, naive, report } = bench;
  if (tessera === undefined && naive === undefined && service === undefined) return;
  for (let round = 1; round <= options.rounds; round += 1) {
    say(`single appends, round ${round} of ${options.rounds}`);
    if (naive !== undefined) {
      for (const clients of NAIVE_CLIENTS) await loadNaive(bench, clients, counters);
    }
    for (const clients of SERVICE_CLIENTS) {
      if (tessera !== undefined && isOneOf(TESSERA_WRITERS, clients)) {
        const rate = await tessera.hammer(clients, options.seconds);
        report.add(tesseraRow(clients), 'entries/s', rate);
        say(`  ${tesseraRow(clients)}: ${rate.toFixed(0)}/s`);
        // The published tool above is the yardstick; the same generator on both shows that the
        // difference is not one of load tools.
        if (clients !== 256) {
          const result = await load(bench, tessera.target(), clients, counters);
          record(bench, tesseraSameRow(clients), result.measured);
        }
      }
      if (service !== undefined) await loadService(bench, service, clients, `single-${clients}-${round}`, counters);
    }
  }
  if (service !== undefined) await exactAudit(bench, service, counters);
}

function isOneOf(list: readonly number[], value: number): boolean {
  return list.includes(value);
}

interface Loaded {
  readonly measured: LoadResult;
  /** Warm-up and measurement together, for the audit. */
  readonly acknowledged: number;
  readonly cutOff: number;
}

/** Warm-up, then the measured phase. */
export async function load(bench: Bench, target: LoadTarget, clients: number, counters: Counters): Promise<Loaded> {
  const { generator, options } = bench;
  const warm = await generator.run({ target, clients, seconds: options.warmUpSeconds, firstCounter: counters.take() });
  const measured = await generator.run({ target, clients, seconds: options.seconds, firstCounter: counters.take() });
  return { measured, acknowledged: warm.acknowledged + measured.acknowledged, cutOff: warm.cutOff + measured.cutOff };
}

export function record({ report }: Bench, row: string, result: LoadResult, entriesARequest = 1): void {
  const rate = result.requestsPerSecond * entriesARequest;
  report.add(row, 'entries/s', rate);
  report.add(`${row}: p50`, 'ms', result.p50Ms);
  report.add(`${row}: p99`, 'ms', result.p99Ms);
  if (result.failed > 0) report.add(`${row}: failed requests`, 'requests', result.failed);
  say(`  ${row}: ${rate.toFixed(0)}/s, p50 ${milliseconds(result.p50Ms)}, p99 ${milliseconds(result.p99Ms)}`);
}

async function loadService(bench: Bench, service: Service, clients: number, chain: string, counters: Counters): Promise<void> {
  const loaded = await load(bench, service.single(chain), clients, counters);
  record(bench, serviceRow(clients), loaded.measured);
  await service.settle();
  await auditPhase(service, chain, loaded.acknowledged, loaded.cutOff);
}

async function loadNaive(bench: Bench, clients: number, counters: Counters): Promise<void> {
  const { naive } = bench;
  if (naive === undefined) return;
  const before = await naive.entries();
  const { measured, acknowledged, cutOff } = await load(bench, naive.target(), clients, counters);
  record(bench, naiveRow(clients), measured);
  const stored = (await naive.entries()) - before;
  if (stored < acknowledged || stored > acknowledged + cutOff) {
    throw new Error(`the naive log holds ${stored} new entries, ${acknowledged} were acknowledged`);
  }
}
