/** A worker thread of a verification: opens the store itself and judges one range after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { runRange } from './range-task.js';
import type { RangeResult, RangeTask } from './range-task.js';
import { openStore } from './store-config.js';
import type { StoreConfig } from './store-config.js';

export type ToWorker = RangeTask;

export type FromWorker =
  | { readonly kind: 'progress'; readonly entries: number; readonly segments: number }
  | { readonly kind: 'done'; readonly result: RangeResult }
  | { readonly kind: 'failed'; readonly error: unknown };

const port = parentPort;
if (port === null) throw new Error('range-worker.js runs as a worker thread only');
const post = (message: FromWorker): void => port.postMessage(message);

const store = openStore(workerData as StoreConfig, { blocking: true });
// It is awaited with the first task; until then its failure is not unhandled.
store.catch(() => undefined);

port.on('message', (task: ToWorker) => {
  store
    .then((opened) => runRange(opened, task, (entries, segments) => post({ kind: 'progress', entries, segments })))
    .then(
      (result) => post({ kind: 'done', result }),
      (error: unknown) => post({ kind: 'failed', error }),
    );
});
