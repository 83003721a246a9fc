/** The large chain that is verified and restarted on, built through the batch API. */
import { runClient } from '../load/bundled.js';
import type { Service } from '../service.js';
import { count } from '../statistics.js';
import { type Bench, type Counters, say } from './bench.js';

export const MILLION_CHAIN = 'large';
const BATCH = 1000;
const CLIENTS = 4;
const DEADLINE_SECONDS = 240;

export async function buildLargeChain({ options, report }: Bench, service: Service, counters: Counters): Promise<void> {
  const requests = Math.ceil(options.entries / BATCH);
  say(`building a chain of ${count(requests * BATCH)} entries`);
  const started = performance.now();
  const seen = await runClient({
    target: service.batch(MILLION_CHAIN, 'json', BATCH),
    clients: CLIENTS,
    seconds: DEADLINE_SECONDS,
    maxRequests: requests,
    firstCounter: counters.take(),
    collectSequences: false,
  });
  if (seen.acknowledged !== requests) {
    throw new Error(`only ${seen.acknowledged} of ${requests} batches were acknowledged: ${seen.firstFailure ?? 'out of time'}`);
  }
  const seconds = (performance.now() - started) / 1000;
  report.add(`indelible, batches of ${BATCH}, ${CLIENTS} clients`, 'entries/s', (requests * BATCH) / seconds);
}
