/**
 * The bundled load generator, run as a process of its own: plain sockets and just enough HTTP/1.1,
 * because node:http's client costs as much as the server it is to load. Unlike wrk it waits for
 * every answer, so the number it acknowledges must equal the number of entries exactly, and it can
 * read the sequences out of the receipts.
 *
 * Takes a ClientJob as JSON on standard input, prints a ClientReport as JSON.
 */
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import { COUNTER_DIGITS } from '../event.js';
import { quantile } from '../statistics.js';
import type { LoadTarget } from './phase.js';

export interface ClientJob {
  readonly target: LoadTarget;
  readonly clients: number;
  readonly seconds: number;
  /** Stop after this many requests even when there is time left. */
  readonly maxRequests: number | null;
  readonly firstCounter: number;
  /** Read `sequence` from every receipt: costs CPU, for audits rather than for throughput. */
  readonly collectSequences: boolean;
}

export interface ClientReport {
  readonly acknowledged: number;
  readonly failed: number;
  readonly firstFailure: string | null;
  /** Over the time until the last answer, so that slow answers at the end are neither lost nor free. */
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly distinctSequences: number | null;
  readonly highestSequence: number | null;
}

const GRACE_MS = 15_000;
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The answer at the front of `bytes`, or undefined while it is incomplete. One request is in flight. */
function parseAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  const start = end + 4;
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length !== undefined) {
    const stop = start + Number(length);
    return bytes.length < stop ? undefined : { status, body: bytes.toString('utf8', start, stop) };
  }
  // Chunked: nothing follows the last chunk, because nothing else was asked for yet.
  if (!bytes.subarray(-5).equals(LAST_CHUNK)) return undefined;
  return { status, body: unchunk(bytes.subarray(start)) };
}

function unchunk(bytes: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (!(size > 0)) return Buffer.concat(parts).toString('utf8');
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

async function main(job: ClientJob): Promise<ClientReport> {
  const { target } = job;
  const bodyBytes =
    Buffer.byteLength(target.head) + (target.tail === null ? 0 : COUNTER_DIGITS + Buffer.byteLength(target.tail));
  const headers = Object.entries({ ...target.headers, 'content-length': String(bodyBytes) });
  const head =
    `POST ${target.path} HTTP/1.1\r\nhost: 127.0.0.1:${target.port}\r\n` +
    headers.map(([name, value]) => `${name}: ${value}\r\n`).join('') +
    `\r\n${target.head}`;

  let counter = job.firstCounter;
  let sent = 0;
  let acknowledged = 0;
  let lastAnswer = 0;
  let failed = 0;
  let firstFailure: string | null = null;
  const latencies: number[] = [];
  const sequences = new Set<number>();
  const started = performance.now();
  const end = started + job.seconds * 1000;

  const fail = (why: string): void => {
    failed += 1;
    firstFailure ??= why;
  };

  const take = (answer: Answer, latency: number): void => {
    if (answer.status < 200 || answer.status > 299) {
      fail(`${answer.status} ${answer.body.slice(0, 200)}`);
      return;
    }
    acknowledged += 1;
    lastAnswer = performance.now();
    latencies.push(latency);
    if (job.collectSequences) {
      const { sequence } = JSON.parse(answer.body) as { sequence: number | string };
      sequences.add(Number(sequence));
    }
  };

  const mayAsk = (): boolean => performance.now() < end && (job.maxRequests === null || sent < job.maxRequests);

  const client = (): Promise<void> =>
    new Promise((resolve) => {
      const socket: Socket = connect(target.port, '127.0.0.1');
      socket.setNoDelay(true);
      let waiting = false;
      let asked = 0;
      let received: Buffer = Buffer.alloc(0);
      const ask = (): void => {
        if (!mayAsk()) {
          socket.end();
          resolve();
          return;
        }
        sent += 1;
        counter += 1;
        waiting = true;
        received = Buffer.alloc(0);
        asked = performance.now();
        socket.write(target.tail === null ? head : head + String(counter).padStart(COUNTER_DIGITS, '0') + target.tail);
      };
      const stop = setTimeout(() => socket.destroy(new Error('no answer')), job.seconds * 1000 + GRACE_MS);
      socket.on('connect', ask);
      socket.on('data', (chunk) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const answer = parseAnswer(received);
        if (answer === undefined) return;
        waiting = false;
        take(answer, performance.now() - asked);
        ask();
      });
      socket.on('error', (error) => {
        if (waiting) fail(error.message);
        waiting = false;
      });
      socket.on('close', () => {
        if (waiting) fail('the connection was closed instead of an answer');
        clearTimeout(stop);
        resolve();
      });
    });

  await Promise.all(Array.from({ length: job.clients }, client));
  const ascending = Float64Array.from(latencies).sort();
  return {
    acknowledged,
    failed,
    firstFailure,
    requestsPerSecond: acknowledged === 0 ? 0 : (acknowledged / (lastAnswer - started)) * 1000,
    p50Ms: quantile(ascending, 0.5),
    p99Ms: quantile(ascending, 0.99),
    distinctSequences: job.collectSequences ? sequences.size : null,
    highestSequence: job.collectSequences ? [...sequences].reduce((a, b) => Math.max(a, b), -1) : null,
  };
}

console.log(JSON.stringify(await main(JSON.parse(await text(process.stdin)) as ClientJob)));
