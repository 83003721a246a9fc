/**
 * …/entries/stream: server-sent events, one for each entry, first those that are there, then each new one.
 *
 * A stream is a cursor: `next` is the sequence to send. Whatever wakes it, it sends from there, so no entry can
 * be left out or sent twice. Segments handed over as they are committed only spare it the reading.
 */
import type { Segment } from '../core/segment.js';
import type { Ledger } from '../ledger/ledger.js';
import type { HttpLimits } from './deps.js';
import { CHAIN_READ_PROBLEMS } from './entries.js';
import type { Exchange } from './exchange.js';
import { acceptable } from './media.js';
import { chainIdParameter, optional, sequenceParameter } from './parameters.js';
import { Problem } from './problem.js';
import { runs } from './reading.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import type { StreamHub } from './stream-hub.js';

const EVENT_STREAM = 'text/event-stream';
/** Characters handed to the connection before it is asked whether it can take more. */
const CHUNK = 65_536;
/** Segments kept for a client that is slower than the chain grows; after that it reads from the store. */
const MAX_RECENT = 8;
/** What the client waits before it connects again. */
const RETRY_MS = 2_000;

const lastEventId = { ...optional(sequenceParameter('Sequence of the last entry received. Goes before `from`.')), problem: 'header_invalid' as const };

export function streamRoute(hub: StreamHub): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/chains/{chainId}/entries/stream',
    operationId: 'streamEntries',
    summary: 'Follow a chain as server-sent events',
    description: 'The id of each event is the sequence, its data the exact payload. Reconnecting with Last-Event-ID goes on without gap or repeat.',
    tag: 'Entries',
    access: 'read',
    pathParameters: { chainId: chainIdParameter },
    queryParameters: { from: optional(sequenceParameter('First sequence to send. Default: the next entry to come.')) },
    headerParameters: { 'Last-Event-ID': lastEventId },
    answers: { 200: { description: 'Events without end.', content: { [EVENT_STREAM]: { type: 'string' } } } },
    problems: [...CHAIN_READ_PROBLEMS, 'header_invalid', 'not_acceptable', 'range_invalid', 'too_many_streams'],
    async handle({ exchange, path: { chainId }, query: { from }, deps: { ledger }, limits }) {
      acceptable(exchange.req.headers.accept, [EVENT_STREAM]);
      const stream = new EntryStream(exchange, ledger, chainId, limits);
      const leave = hub.join(chainId, (segment) => stream.grown(segment), () => stream.end());
      try {
        // Joined before looking: what is committed in between is not missed.
        const { head } = await ledger.chain(chainId);
        const start = resumeAt(exchange) ?? from ?? head.size;
        // Whoever has seen more than there is has found a chain that was cut off; don't wait in silence.
        if (start > head.size) throw new Problem('range_invalid', `chain ${chainId} has ${head.size} entries; expected to start at most there, got ${start}`);
        await stream.run(start, head.size);
      } finally {
        leave();
      }
    },
  });
}

function resumeAt({ req }: Exchange): number | undefined {
  const header = req.headers['last-event-id'];
  if (header === undefined || header === '') return undefined;
  const last = lastEventId.read(String(header));
  if (last === undefined) throw new Problem('header_invalid', `Last-Event-ID: ${lastEventId.rule}`, { field: 'last-event-id', rule: lastEventId.rule });
  return last + 1;
}

class EntryStream {
  readonly #exchange: Exchange;
  readonly #ledger: Ledger;
  readonly #chainId: string;
  readonly #limits: HttpLimits;
  /** Known to be in the chain. */
  #size = 0;
  /** The newest segments, in order and without gap. */
  #recent: Segment[] = [];
  #ended = false;
  /** Ends the wait under way, if there is one. */
  #wake: () => void = () => undefined;

  constructor(exchange: Exchange, ledger: Ledger, chainId: string, limits: HttpLimits) {
    this.#exchange = exchange;
    this.#ledger = ledger;
    this.#chainId = chainId;
    this.#limits = limits;
  }

  grown(segment: Segment): void {
    if (this.#recent.length === MAX_RECENT || this.#recent.at(-1)?.head.size !== segment.firstSequence) this.#recent = [];
    this.#recent.push(segment);
    this.#size = segment.head.size;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Sends from `next` on, until the client or the service ends it. */
  async run(next: number, size: number): Promise<void> {
    const { req, res } = this.#exchange;
    this.#exchange.begin(200, ['content-type', EVENT_STREAM, 'cache-control', 'no-store', 'x-accel-buffering', 'no']);
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    res.once('close', () => this.end());
    this.#size = Math.max(this.#size, size);
    await this.#write(`retry: ${RETRY_MS}\n\n`);
    while (!this.#ended) {
      if (next < this.#size) next = await this.#send(next);
      else if (!(await this.#wait(this.#limits.heartbeatMs))) await this.#write(':\n\n');
    }
    res.end();
  }

  /** Sends some of what is there; the new `next`. */
  async #send(next: number): Promise<number> {
    while (this.#recent[0] !== undefined && this.#recent[0].head.size <= next) this.#recent.shift();
    const [first] = this.#recent;
    if (first !== undefined && first.firstSequence <= next) {
      await this.#sendRun(first, next - first.firstSequence, first.head.size - next);
      return first.head.size;
    }
    const to = first?.firstSequence ?? this.#size;
    for await (const { segment, at, count } of runs(this.#ledger, this.#chainId, next, to)) {
      await this.#sendRun(segment, at, count);
      if (this.#ended) break;
    }
    return to;
  }

  async #sendRun(segment: Segment, at: number, count: number): Promise<void> {
    let text = '';
    for (let i = at; i < at + count && !this.#ended; i++) {
      // A payload holds no line break, so it is one line of data.
      text += `id: ${segment.firstSequence + i}\ndata: ${segment.payloads[i] as string}\n\n`;
      if (text.length < CHUNK && i < at + count - 1) continue;
      await this.#write(text);
      text = '';
    }
  }

  /** Returns when the connection can take more; a client that takes too little for too long is cut off. */
  async #write(text: string): Promise<void> {
    const { res } = this.#exchange;
    if (this.#ended || res.write(text)) return;
    const onDrain = (): void => this.#wake();
    res.on('drain', onDrain);
    const deadline = performance.now() + this.#limits.streamStallMs;
    for (let left = this.#limits.streamStallMs; res.writableNeedDrain && left > 0; left = deadline - performance.now()) await this.#wait(left);
    res.off('drain', onDrain);
    if (!res.writableNeedDrain) return;
    this.#ended = true;
    res.destroy();
  }

  /** True if something woke it, false if the time is up. */
  #wait(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
