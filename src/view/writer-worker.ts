/**
 * The worker thread of ViewWriter. In order of priority: segments, many in one transaction; then documents
 * and purging, in small steps, so that a segment never waits long.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ViewError } from './errors.js';
import type { FromWorker, ToWorker } from './writer.js';
import type { ViewNote, ViewSegment } from './view.js';
import { View } from './view.js';

/** Entries in one transaction: long enough to share its cost, short enough not to hold the lock for long. */
const BATCH = 4_000;
/** Entries made searchable in one step. */
const STEP = 1_000;
const FIRST_RETRY = 50;
const LONGEST_RETRY = 5_000;

/** Behind the threads that answer producers: the view can be late, a receipt should not be. */
const NICE = 10;

const port = parentPort ?? fail('the view worker expected to run as a worker thread');
const { file } = workerData as { readonly file: string };
const queue: ViewSegment[] = [];
let view: View | undefined;
let closing = false;
let running = false;
let retry = 0;
let waiting: NodeJS.Timeout | undefined;

function fail(message: string): never {
  throw new Error(message);
}

/** On Linux a priority belongs to a thread. Elsewhere, or if it is not allowed, all threads stay equal. */
function giveWay(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (Number.isInteger(thread)) setPriority(thread, NICE);
  } catch {
    // It was only a wish.
  }
}
giveWay();

function tell(message: FromWorker): void {
  port.postMessage(message);
}

function onNote(note: ViewNote): void {
  tell({ kind: 'note', note });
}

function receive(message: ToWorker): void {
  switch (message.kind) {
    case 'segment':
      queue.push({ ...message.segment, payloads: message.lines.split('\n') });
      return;
    case 'remake':
      remake(message.reason);
      tell({ kind: 'remade', id: message.id });
      return;
    case 'close':
      closing = true;
      // One last try, now.
      if (waiting !== undefined) {
        clearTimeout(waiting);
        waiting = setTimeout(run, 0);
      }
      return;
  }
}

/** Another file in place of the damaged one, unless another process has done that already. */
function remake(reason: string): void {
  const inode = view?.inode;
  view?.close();
  view = undefined;
  view = View.open(file, { onNote, replace: { inode, reason } });
}

/** Takes all messages that are there, does one piece of work; returns false when there is none. */
function step(): boolean {
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    receive(next.message as ToWorker);
  }
  view ??= View.open(file, { onNote });
  if (queue.length > 0) {
    addBatch(view);
    return true;
  }
  // While closing, documents may wait: they are pending in the file.
  return !closing && view.maintain(STEP);
}

function addBatch(target: View): void {
  const batch: ViewSegment[] = [];
  let entries = 0;
  for (const segment of queue) {
    if (batch.length > 0 && entries + segment.payloads.length > BATCH) break;
    batch.push(segment);
    entries += segment.payloads.length;
  }
  // While we keep up, documents are searchable at once and never written twice.
  const keepsUp = batch.length === queue.length && entries <= STEP;
  const outcomes = target.addSegments(batch, keepsUp ? 'now' : 'later');
  // Only now: what failed is tried again.
  queue.splice(0, batch.length);
  const chains = new Map<string, { chainId: string; posted: number; size: number; gap: boolean }>();
  batch.forEach(({ chainId }, i) => {
    const chain = chains.get(chainId) ?? { chainId, posted: 0, size: target.through(chainId).size, gap: false };
    chains.set(chainId, chain);
    chain.posted++;
    chain.gap ||= outcomes[i] === 'gap';
  });
  tell({ kind: 'settled', entries, chains: [...chains.values()] });
}

/** Works until there is nothing to do. Gives way to the event loop between steps, for timers and for exit. */
function run(): void {
  running = true;
  waiting = undefined;
  let more: boolean;
  try {
    more = step();
    if (retry > 0) tell({ kind: 'recovered' });
    retry = 0;
  } catch (error) {
    handle(error);
    return;
  }
  if (more) setImmediate(run);
  else {
    running = false;
    if (closing) stop();
  }
}

function handle(error: unknown): void {
  if (!(error instanceof ViewError)) throw error;
  if (error.code === 'corrupt') {
    try {
      remake(error.message);
      tell({ kind: 'remade', id: undefined });
      setImmediate(run);
      return;
    } catch (again) {
      if (!(again instanceof ViewError)) throw again;
    }
  }
  if (retry === 0) tell({ kind: 'failing', code: error.code, message: error.message });
  if (closing) { stop(); return; }
  retry = Math.min(LONGEST_RETRY, retry === 0 ? FIRST_RETRY : retry * 2);
  waiting = setTimeout(run, retry);
}

function stop(): void {
  view?.close();
  tell({ kind: 'closed' });
  port.close();
}

try {
  view = View.open(file, { onNote });
  tell({ kind: 'open' });
  port.on('message', (message: ToWorker) => {
    receive(message);
    if (!running) {
      running = true;
      setImmediate(run);
    }
  });
  running = true;
  setImmediate(run);
} catch (error) {
  if (!(error instanceof ViewError)) throw error;
  tell({ kind: 'failing', code: error.code, message: error.message });
  port.close();
}
