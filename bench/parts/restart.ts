/** From starting the process to the first acknowledged append, on the large chain. */
import { Service, type ServiceOptions } from '../service.js';
import { milliseconds } from '../statistics.js';
import { type Bench, say } from './bench.js';
import { MILLION_CHAIN } from './million.js';

export const RESTART_ROW = 'restart to first append, after a clean stop';
export const CRASH_ROW = 'restart to first append, after kill -9';
const DEADLINE_SECONDS = 120;

/** Takes the running service over and leaves it stopped. */
export async function measureRestarts({ options, report }: Bench, first: Service, serviceOptions: ServiceOptions): Promise<void> {
  let running = first;
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [row, signal] of [
      [RESTART_ROW, 'SIGTERM'],
      [CRASH_ROW, 'SIGKILL'],
    ] as const) {
      await running.stop(signal);
      const started = performance.now();
      const next = await Service.spawn(serviceOptions);
      await next.until(async () => (await next.appendOnce(MILLION_CHAIN)) === 201, DEADLINE_SECONDS, 5);
      const ms = performance.now() - started;
      running = next;
      report.add(row, 'ms', ms);
      say(`  ${row}: ${milliseconds(ms)}`);
    }
  }
  await running.stop();
}
