/** Batches of 100, as a JSON array and as NDJSON. */
import { onCores } from '../floors/cores.js';
import type { BatchFormat, Service } from '../service.js';
import { auditPhase } from './audit.js';
import { type Bench, type Counters, say } from './bench.js';
import { APPEND_FLOOR } from './floors.js';
import { load, record } from './single-appends.js';

const BATCH = 100;
const FORMATS: readonly BatchFormat[] = ['json', 'ndjson'];
/** Enough to keep a commit in flight while the next batches are read. */
export const BATCH_CLIENTS = 8;

export const batchRow = (format: BatchFormat): string =>
  `indelible, batches of ${BATCH} (${format === 'json' ? 'JSON array' : 'NDJSON'}), ${BATCH_CLIENTS} clients`;

export async function measureBatches(bench: Bench, service: Service, counters: Counters): Promise<void> {
  for (let round = 1; round <= bench.options.rounds; round += 1) {
    say(`batches of ${BATCH}, round ${round} of ${bench.options.rounds}`);
    // Next to the batches, not only at the start: on a shared machine a floor from minutes ago proves nothing.
    bench.report.add(APPEND_FLOOR, 'entries/s', await onCores('append', 1, 2));
    for (const format of FORMATS) {
      const chain = `batch-${format}-${round}`;
      const loaded = await load(bench, service.batch(chain, format, BATCH), BATCH_CLIENTS, counters);
      record(bench, batchRow(format), loaded.measured, BATCH);
      await service.settle();
      await auditPhase(service, chain, loaded.acknowledged * BATCH, loaded.cutOff * BATCH);
    }
  }
}
