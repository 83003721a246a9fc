/** Runs a floor on some cores at once and adds up what they reached. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import type { Floor } from './work.js';

const WORKER = new URL('worker.js', import.meta.url);

export async function onCores(floor: Floor, cores: number, seconds: number): Promise<number> {
  const rates = await Promise.all(
    Array.from({ length: cores }, async () => {
      const worker = new Worker(WORKER, { workerData: { floor, seconds } });
      const [rate] = (await once(worker, 'message')) as [number];
      return rate;
    }),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}
