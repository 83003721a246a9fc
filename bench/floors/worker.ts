/** One core's share of a floor. */
import { parentPort, workerData } from 'node:worker_threads';

import { type Floor, measure } from './work.js';

const { floor, seconds } = workerData as { readonly floor: Floor; readonly seconds: number };
parentPort?.postMessage(measure(floor, seconds));
