/** The log in a bucket against the naive design, one chained PUT an entry: entries a second, requests, stored bytes. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalize } from '#indelible/core/canonical.js';
import type { JsonValue } from '#indelible/core/json.js';
import { segmentPrefix } from '#indelible/core/chain.js';
import { MAX_SEGMENT_ENTRIES } from '#indelible/core/segment.js';
import type { PublicKey } from '#indelible/core/note.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import type { Retention, WormStore } from '#indelible/storage/worm-store.js';
import { ViewIndex } from '#indelible/view/entry-index.js';
import { ViewWriter } from '#indelible/view/writer.js';
import { EVENT_BYTES, eventText } from '../event.js';
import { scratchFolder } from '../processes.js';
import { count } from '../statistics.js';
import { quick } from './servers.js';
import type { MinIO } from './servers.js';

/** List prices of S3 Standard in us-east-1, in US dollars. */
const PRICE = { put: 0.005 / 1_000, list: 0.005 / 1_000, gigabyteMonth: 0.023 };
const SECONDS = quick ? 4 : 15;

interface Run {
  readonly entries: number;
  readonly seconds: number;
  readonly requests: ReadonlyMap<string, number>;
  /** Entries that took these requests: a burst's last segment is seldom full, and a log under load has no last one. */
  readonly requestedFor: number;
}

interface Watched {
  /** What a start costs is over: from here it is measured. */
  opened(): void;
  /** So many entries are stored by now, and nothing but full segments so far would cost less. */
  full(entries: number): void;
}

/** Each call of the store that is one request to S3. */
function counted(store: S3Store, requests: Map<string, number>): WormStore {
  const one = <T>(request: string, call: Promise<T>): Promise<T> => {
    requests.set(request, (requests.get(request) ?? 0) + 1);
    return call;
  };
  return {
    kind: store.kind,
    location: store.location,
    versioned: store.versioned,
    create: (key, bytes, retention) => one('PUT', store.create(key, bytes, retention)),
    createOver: (key, over, bytes, retention) => one('PUT', store.createOver(key, over, bytes, retention)),
    read: (key, version) => one('GET', store.read(key, version)),
    versions: (key, options) => one('LIST', store.versions(key, options)),
    list: (prefix, options) => one('LIST', store.list(prefix, options)),
    strays: (prefix) => store.strays(prefix),
    settle: (prefix) => store.settle(prefix),
    close: () => store.close(),
  };
}

const retention = (): Retention => ({ mode: 'governance', retainUntil: new Date(Date.now() + 86_400_000).toISOString() });

/** One chained PUT an entry, each after the one before: what most people would write. */
async function naive(store: WormStore): Promise<number> {
  let previous = Buffer.alloc(32);
  let sequence = 0;
  for (const until = performance.now() + SECONDS * 1_000; performance.now() < until; sequence++) {
    const payload = Buffer.from(JSON.stringify({ chainId: 'naive', sequence, receivedAt: new Date().toISOString(), event: JSON.parse(eventText(sequence)) as unknown }));
    const hash = createHash('sha256').update(previous).update(payload).digest();
    await store.create(`naive/${String(sequence).padStart(20, '0')}.json`, Buffer.concat([payload, Buffer.from(`\n${hash.toString('hex')}\n`)]), retention());
    previous = hash;
  }
  return sequence;
}

/** Batches of 100 from 40 callers at once, to each of the chains. */
async function log(store: WormStore, chains: readonly string[], watched: Watched): Promise<number> {
  const keys = generateKeyPairSync('ed25519');
  const publicKey: PublicKey = { algorithm: 'ed25519', spki: keys.publicKey.export({ format: 'der', type: 'spki' }) };
  let stored = 0;
  const feed = await ViewWriter.open(join(scratchFolder(tmpdir()), 'view.sqlite'), { onNote: () => undefined });
  const ledger = new Ledger({
    store,
    signer: { kind: 'local', publicKey, sign: (message) => Promise.resolve(sign(null, message, keys.privateKey)) },
    trust: new ChainTrust('bench.local', [publicKey]),
    index: new ViewIndex(feed, 1),
    host: systemHost,
    writerId: 'bench',
    limits: { maxQueuedEntries: 100_000, maxQueuedBytes: 2 ** 28, answerWithinMs: 30_000, callTimeoutMs: 10_000 },
    retention,
    onCommitted: (segment) => {
      stored += segment.count;
      if (segment.count === MAX_SEGMENT_ENTRIES) watched.full(stored);
    },
    onFinding: () => undefined,
    onTrouble: (_chain, error) => {
      throw error as Error;
    },
  });
  // Made before: what a producer and the HTTP interface do is not the design's.
  const events = Array.from({ length: 20_000 }, (_, n) => ({ event: canonicalize(JSON.parse(eventText(n)) as JsonValue) }));
  let entries = 0;
  let next = 0;
  // What a start costs once, to find the chain's head, is no cost of an entry: the naive design is not made to find its own, either.
  for (const chain of chains) await ledger.append(chain, events.slice(0, 1));
  stored = 0;
  watched.opened();
  const until = performance.now() + SECONDS * 1_000;
  const caller = async (chain: string): Promise<void> => {
    while (performance.now() < until) {
      const items = Array.from({ length: 100 }, () => events[next++ % events.length] as (typeof events)[number]);
      // Not `entries += await …`: that would add to what it was before the wait.
      const appended = await ledger.append(chain, items);
      entries += appended.length;
    }
  };
  await Promise.all(chains.flatMap((chain) => Array.from({ length: Math.ceil(40 / chains.length) }, () => caller(chain))));
  await ledger.close(new Promise(() => undefined));
  await feed.close();
  return entries;
}

async function measured(minio: MinIO, bucket: string, work: (store: WormStore, watched: Watched) => Promise<number>): Promise<Run> {
  const requests = new Map<string, number>();
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint: minio.endpoint, forcePathStyle: true, credentials: minio.credentials, requestTimeoutMs: 10_000 });
  let started = performance.now();
  let atFull: Pick<Run, 'requests' | 'requestedFor'> | undefined;
  const entries = await work(counted(store, requests), {
    opened: () => {
      requests.clear();
      started = performance.now();
    },
    full: (stored) => (atFull = { requests: new Map(requests), requestedFor: stored }),
  });
  const seconds = (performance.now() - started) / 1_000;
  await store.close();
  return { entries, seconds, ...(atFull ?? { requests, requestedFor: entries }) };
}

async function storedBytes(minio: MinIO, bucket: string, chains: readonly string[]): Promise<{ readonly bytes: number; readonly payloads: number; readonly objects: number }> {
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint: minio.endpoint, forcePathStyle: true, credentials: minio.credentials, requestTimeoutMs: 30_000 });
  let [bytes, payloads, objects] = [0, 0, 0];
  for (const chain of chains) {
    for await (const key of everyKey(store, segmentPrefix(chain))) {
      const object = Buffer.from((await store.read(key)) ?? []);
      objects += 1;
      bytes += object.length;
      // Between the header line and the empty line: one payload a line.
      payloads += object.lastIndexOf('\n\n', object.lastIndexOf('\n—') - 2) - object.indexOf('\n') - 1;
    }
  }
  await store.close();
  return { bytes, payloads, objects };
}

const perMillion = (run: Run, request: string): number => ((run.requests.get(request) ?? 0) / run.requestedFor) * 1e6;
const allPerMillion = (run: Run): number => [...run.requests.keys()].reduce((sum, request) => sum + perMillion(run, request), 0);
const rate = (run: Run): number => run.entries / run.seconds;
const verdict = (holds: boolean): string => (holds ? 'met' : 'NOT MET');

function cost(run: Run, bytesPerEntry: number): string {
  const requests = perMillion(run, 'PUT') * PRICE.put + perMillion(run, 'LIST') * PRICE.list;
  return `$${requests.toFixed(requests < 0.1 ? 4 : 2)} requests + $${((bytesPerEntry * 1e6 * PRICE.gigabyteMonth) / 1e9).toFixed(4)} a month of storage`;
}

/** @returns whether every target was reached */
export async function compareDesigns(minio: MinIO): Promise<boolean> {
  await minio.createBucket('naive');
  await minio.createBucket('one');
  await minio.createBucket('eight');
  const simple = await measured(minio, 'naive', naive);
  const one = await measured(minio, 'one', (store, watched) => log(store, ['orders'], watched));
  const eightChains = Array.from({ length: 8 }, (_, n) => `orders-${n}`);
  const eight = await measured(minio, 'eight', (store, watched) => log(store, eightChains, watched));
  const again = await measured(minio, 'naive', (store) => {
    // Once more, since the machine is shared: the ratio uses the better of the two.
    return naive({ ...store, create: (key, bytes, until) => store.create(key.replace('naive/', 'again/'), bytes, until) });
  });
  const floor = Math.max(rate(simple), rate(again));
  const stored = await storedBytes(minio, 'one', ['orders']);
  const ratio = rate(one) / floor;
  const requestRatio = allPerMillion(simple) / allPerMillion(one);
  const overhead = stored.bytes / stored.payloads;
  const met = { rate: ratio >= 100, requests: requestRatio >= 500, bytes: overhead <= 1.1 };
  console.log(`
| on one MinIO, ${EVENT_BYTES}-byte events | entries/s | S3 requests per million entries | cost of a million entries (list prices) |
|---|---:|---:|---|
| naive: one chained PUT an entry | ${count(floor)} | ${count(allPerMillion(simple))} | ${cost(simple, EVENT_BYTES + 150)} |
| this log, one chain | ${count(rate(one))} | ${count(allPerMillion(one))} | ${cost(one, stored.bytes / one.entries)} |
| this log, eight chains | ${count(rate(eight))} | ${count(allPerMillion(eight))} | |

Requests are counted up to the last full segment: ${count(one.requestedFor)} of ${count(one.entries)} entries of the one chain.

| target | reached | |
|---|---|---|
| at least 100 times the entries/s of the naive design | ${ratio.toFixed(0)} times | ${verdict(met.rate)} |
| at most 1/500 of its S3 requests | 1/${requestRatio.toFixed(2)} | ${verdict(met.requests)} |
| stored bytes at most 1.10 of the payloads | ${overhead.toFixed(4)} (${count(stored.objects)} objects) | ${verdict(met.bytes)} |
`);
  return met.rate && met.requests && met.bytes;
}
