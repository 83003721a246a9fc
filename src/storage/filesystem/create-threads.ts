/** The threads that create objects of filesystem stores: a few, started when they are needed, for all stores of the process. */
import { Worker } from 'node:worker_threads';
import type { CreateJob, CreateResult } from './create.js';

/** As many as libuv's pool has: a flush waits for the disk, not for a core. */
const MAX_THREADS = 4;

interface Waiting {
  readonly job: CreateJob;
  readonly resolve: (result: CreateResult) => void;
}

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
    // A view is sent with all of the memory it lies in; a copy is just as long as the object, and is given away.
    const bytes = Uint8Array.from(waiting.job.bytes);
    worker.postMessage({ ...waiting.job, bytes }, [bytes.buffer]);
  }
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
