/**
 * `npm run bench:s3`: the log in an S3 bucket with Object Lock (a real MinIO), against the naive design (one chained
 * PUT an entry) in the same run; then a steady load with Kafka and Elasticsearch, and how far mirror and search lag.
 * Ratios count; absolute figures are of one machine on one day.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalize } from '#indelible/core/canonical.js';
import type { JsonValue } from '#indelible/core/json.js';
import { segmentPrefix } from '#indelible/core/chain.js';
import type { PublicKey } from '#indelible/core/note.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import type { Retention, WormStore } from '#indelible/storage/worm-store.js';
import { ViewIndex } from '#indelible/view/entry-index.js';
import { ViewWriter } from '#indelible/view/writer.js';
import { EVENT_BYTES, eventText } from './event.js';
import { endEverything, endEverythingOnSignals, freePort, scratchFolder } from './processes.js';
import { count, quantile } from './statistics.js';

interface MinIO {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  createBucket(name: string): Promise<string>;
  dispose(): Promise<void>;
}

/** List prices of S3 Standard in us-east-1, in US dollars. */
const PRICE = { put: 0.005 / 1_000, list: 0.005 / 1_000, gigabyteMonth: 0.023 };
const quick = process.argv.includes('--quick');
const SECONDS = quick ? 4 : 15;
const ENTRIES_PER_SECOND = 5_000;

interface Run {
  readonly entries: number;
  readonly seconds: number;
  readonly requests: ReadonlyMap<string, number>;
}

function services(name: string): Promise<{ start(options?: object): Promise<unknown> }> {
  return import(new URL(`../scripts/services/${name}.mjs`, import.meta.url).href) as Promise<{ start(options?: object): Promise<unknown> }>;
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
async function log(store: WormStore, chains: readonly string[], opened: () => void): Promise<number> {
  const keys = generateKeyPairSync('ed25519');
  const publicKey: PublicKey = { algorithm: 'ed25519', spki: keys.publicKey.export({ format: 'der', type: 'spki' }) };
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
    onCommitted: () => undefined,
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
  opened();
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

async function measured(minio: MinIO, bucket: string, work: (store: WormStore, opened: () => void) => Promise<number>): Promise<Run> {
  const requests = new Map<string, number>();
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint: minio.endpoint, forcePathStyle: true, credentials: minio.credentials, requestTimeoutMs: 10_000 });
  let started = performance.now();
  const entries = await work(counted(store, requests), () => {
    requests.clear();
    started = performance.now();
  });
  const seconds = (performance.now() - started) / 1_000;
  await store.close();
  return { entries, seconds, requests };
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

const perMillion = (run: Run, request: string): number => ((run.requests.get(request) ?? 0) / run.entries) * 1e6;
const allPerMillion = (run: Run): number => [...run.requests.keys()].reduce((sum, request) => sum + perMillion(run, request), 0);
const rate = (run: Run): number => run.entries / run.seconds;
const verdict = (holds: boolean): string => (holds ? 'met' : 'NOT MET');

function cost(run: Run, bytesPerEntry: number): string {
  const requests = perMillion(run, 'PUT') * PRICE.put + perMillion(run, 'LIST') * PRICE.list;
  return `$${requests.toFixed(requests < 0.1 ? 4 : 2)} requests + $${((bytesPerEntry * 1e6 * PRICE.gigabyteMonth) / 1e9).toFixed(4)} a month of storage`;
}

async function compareDesigns(minio: MinIO): Promise<void> {
  await minio.createBucket('naive');
  await minio.createBucket('one');
  await minio.createBucket('eight');
  const simple = await measured(minio, 'naive', naive);
  const one = await measured(minio, 'one', (store, opened) => log(store, ['orders'], opened));
  const eightChains = Array.from({ length: 8 }, (_, n) => `orders-${n}`);
  const eight = await measured(minio, 'eight', (store, opened) => log(store, eightChains, opened));
  const again = await measured(minio, 'naive', (store) => {
    // Once more, since the machine is shared: the ratio uses the better of the two.
    return naive({ ...store, create: (key, bytes, until) => store.create(key.replace('naive/', 'again/'), bytes, until) });
  });
  const floor = Math.max(rate(simple), rate(again));
  const stored = await storedBytes(minio, 'one', ['orders']);
  const ratio = rate(one) / floor;
  const requestRatio = allPerMillion(simple) / allPerMillion(one);
  const overhead = stored.bytes / stored.payloads;
  console.log(`
| on one MinIO, ${EVENT_BYTES}-byte events | entries/s | S3 requests per million entries | cost of a million entries (list prices) |
|---|---:|---:|---|
| naive: one chained PUT an entry | ${count(floor)} | ${count(allPerMillion(simple))} | ${cost(simple, EVENT_BYTES + 150)} |
| this log, one chain | ${count(rate(one))} | ${count(allPerMillion(one))} | ${cost(one, stored.bytes / one.entries)} |
| this log, eight chains | ${count(rate(eight))} | ${count(allPerMillion(eight))} | |

| target | reached | |
|---|---|---|
| at least 100 times the entries/s of the naive design | ${ratio.toFixed(0)} times | ${verdict(ratio >= 100)} |
| at most 1/500 of its S3 requests | 1/${requestRatio.toFixed(2)} | ${verdict(requestRatio >= 500)} |
| stored bytes at most 1.10 of the payloads | ${overhead.toFixed(4)} (${count(stored.objects)} objects) | ${verdict(overhead <= 1.1)} |
`);
}

/** A sum over all labels of a metric on the page. */
function metric(page: string, name: string): number {
  return page.split('\n').reduce((sum, line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`) ? sum + Number(line.split(' ').at(-1)) : sum), 0);
}

async function steadyLoad(minio: MinIO): Promise<void> {
  const kafka = (await (await services('kafka')).start()) as { readonly broker: string; dispose(): Promise<void> };
  const elasticsearch = (await (await services('elasticsearch')).start()) as { readonly endpoint: string; dispose(): Promise<void> };
  await minio.createBucket('steady');
  const folder = scratchFolder(tmpdir());
  const port = await freePort();
  const token = `bench-${randomBytes(24).toString('hex')}`;
  const service = spawn(process.execPath, ['--max-semi-space-size=32', 'dist/cli/main.js', 'serve', '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: minio.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: minio.credentials.secretAccessKey,
      INDELIBLE_ADMIN_TOKEN: token,
      INDELIBLE_DATA_DIR: join(folder, 'data'),
      INDELIBLE_STORE: 's3',
      INDELIBLE_S3_BUCKET: 'steady',
      INDELIBLE_S3_ENDPOINT: minio.endpoint,
      INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
      INDELIBLE_KAFKA_BROKERS: kafka.broker,
      INDELIBLE_KAFKA_REPLICATION_FACTOR: '1',
      INDELIBLE_ELASTICSEARCH_URL: elasticsearch.endpoint,
      INDELIBLE_LOG_LEVEL: 'error',
    },
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    for (let wait = 0; ; wait++) {
      if (await fetch(`${url}/readyz`).then(({ ok }) => ok, () => false)) break;
      if (wait > 600) throw new Error('the service did not come up');
      await sleep(100);
    }
    const chains = Array.from({ length: 4 }, (_, n) => `steady-${n}`);
    let sent = 0;
    let failed = 0;
    const batch = async (chain: string): Promise<void> => {
      const events = Array.from({ length: 100 }, () => eventText(sent++));
      const response = await fetch(`${url}/v1/chains/${chain}/entries/batch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
        body: `${events.join('\n')}\n`,
      });
      await response.arrayBuffer();
      if (response.status !== 201) failed += 1;
    };
    const lags: { mirror: number[]; search: number[] } = { mirror: [], search: [] };
    const sample = async (): Promise<{ readonly mirror: number; readonly search: number }> => {
      const page = await (await fetch(`${url}/metrics`)).text();
      return { mirror: metric(page, 'indelible_mirror_lag_entries'), search: metric(page, 'indelible_search_lag_entries') };
    };
    const pending = new Set<Promise<void>>();
    const seconds = quick ? 8 : 30;
    const started = performance.now();
    let sampled = started;
    // By the clock, and not by the answers: a service that is slow gets no less to do.
    for (let batches = 0; performance.now() - started < seconds * 1_000; ) {
      for (const due = ((performance.now() - started) / 1_000) * (ENTRIES_PER_SECOND / 100); batches < due; batches++) {
        const one = batch(chains[batches % 4] as string).finally(() => pending.delete(one));
        pending.add(one);
      }
      // The first seconds are those of a start: topics and an index are made.
      if (performance.now() - sampled > 250 && performance.now() - started > 3_000) {
        sampled = performance.now();
        const { mirror, search } = await sample();
        lags.mirror.push(mirror);
        lags.search.push(search);
      }
      await sleep(5);
    }
    await Promise.all(pending);
    const offered = sent / ((performance.now() - started) / 1_000);
    const ended = performance.now();
    let caughtUp = Number.NaN;
    while (performance.now() - ended < 120_000) {
      const { mirror, search } = await sample();
      if (mirror === 0 && search === 0) {
        caughtUp = (performance.now() - ended) / 1_000;
        break;
      }
      await sleep(100);
    }
    const row = (name: string, values: number[]): string => {
      const ascending = [...values].sort((a, b) => a - b);
      const [middle, worst] = [quantile(ascending, 0.5), ascending.at(-1) ?? Number.NaN];
      return `| ${name} | ${count(middle)} entries (${((middle / ENTRIES_PER_SECOND) * 1_000).toFixed(0)} ms) | ${count(worst)} entries (${((worst / ENTRIES_PER_SECOND) * 1_000).toFixed(0)} ms) |`;
    };
    console.log(`
Steady load: ${count(offered)} entries/s taken in (${count(ENTRIES_PER_SECOND)} offered), ${failed} batches refused; MinIO, Kafka, Elasticsearch and the service on this one machine.

| behind the log | median | most |
|---|---|---|
${row('mirror (Kafka)', lags.mirror)}
${row('search (Elasticsearch)', lags.search)}

Both had everything ${Number.isNaN(caughtUp) ? 'NOT within two minutes' : `${caughtUp.toFixed(1)} s`} after the last append.
`);
  } finally {
    service.kill('SIGTERM');
    if (service.exitCode === null) await Promise.race([once(service, 'exit'), sleep(30_000)]);
    service.kill('SIGKILL');
    await elasticsearch.dispose();
    await kafka.dispose();
  }
}

endEverythingOnSignals();
const minio = (await (await services('minio')).start()) as MinIO;
try {
  await compareDesigns(minio);
  if (!process.argv.includes('--no-steady')) await steadyLoad(minio);
} finally {
  await minio.dispose();
  endEverything();
}
