/** A worker thread of create-threads.ts: one create after another. */
import { parentPort } from 'node:worker_threads';
import { createHere } from './create.js';
import type { CreateJob } from './create.js';

const port = parentPort;
if (port === null) throw new Error('create-worker.js runs as a worker thread only');

port.on('message', (job: CreateJob) => port.postMessage(createHere(job)));
