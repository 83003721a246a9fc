/** The threads that create objects of filesystem stores: a few, started when they are needed, for all stores of the process. */
import { Worker } from 'node:worker_threads';
import type { CreateJob, CreateResult } from './create.js';

/** As many as libuv's pool has: a flush waits for the disk, not for a core. */
const MAX_THREADS = 4;

interface Waiting {
  readonly job: CreateJob;
  readonly resolve: (result: CreateResult) => void;
}

/** What a thread is given its bytes in, again and again: a copy each time would stay until its collector runs. */
const memories = new WeakMap<Worker, SharedArrayBuffer>();
const LEAST_MEMORY = 1 << 20;

const idle: Worker[] = [];
const busy = new Map<Worker, Waiting>();
const queue: Waiting[] = [];

/** Runs `createHere` on one of them. Never rejects. */
export function createElsewhere(job: CreateJob): Promise<CreateResult> {
  return new Promise((resolve) => {
    queue.push({ job, resolve });
    assign();
  });
}

function assign(): void {
  while (queue.length > 0) {
    const worker = idle.pop() ?? (busy.size < MAX_THREADS ? start() : undefined);
    if (worker === undefined) return;
    const waiting = queue.shift() as Waiting;
    busy.set(worker, waiting);
    // The process waits for a create, and not for a thread that has none.
    worker.ref();
    worker.postMessage({ ...waiting.job, bytes: lend(worker, waiting.job.bytes) });
  }
}

/** The bytes where the thread can read them; good until it answers. */
function lend(worker: Worker, bytes: Uint8Array): Uint8Array {
  let memory = memories.get(worker);
  if (memory === undefined || memory.byteLength < bytes.length) {
    memory = new SharedArrayBuffer(Math.max(LEAST_MEMORY, 2 ** Math.ceil(Math.log2(bytes.length))));
    memories.set(worker, memory);
  }
  const lent = new Uint8Array(memory, 0, bytes.length);
  lent.set(bytes);
  return lent;
}

function start(): Worker {
  const worker = new Worker(new URL('./create-worker.js', import.meta.url));
  let cause: Error | undefined;
  worker.on('message', (result: CreateResult) => {
    const waiting = busy.get(worker);
    busy.delete(worker);
    worker.unref();
    idle.push(worker);
    waiting?.resolve(result);
    assign();
  });
  worker.on('error', (error: Error) => {
    cause = error;
  });
  // An error is followed by the exit.
  worker.on('exit', () => {
    const waiting = busy.get(worker);
    busy.delete(worker);
    if (idle.includes(worker)) idle.splice(idle.indexOf(worker), 1);
    // Nobody knows how far it had come.
    waiting?.resolve({ outcome: 'failed', stored: 'unknown', code: undefined, message: `the thread that created it ended: ${cause?.message ?? 'no reason given'}` });
    assign();
  });
  return worker;
}
