/**
 * A steady load over HTTP, and how far the mirror and the search index are behind the log meanwhile: with Kafka alone,
 * with Elasticsearch alone, and with both. All servers share one machine with the service and with this client, so what
 * is offered and not taken in is said, too.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventText } from '../event.js';
import { freePort, scratchFolder } from '../processes.js';
import { count, quantile } from '../statistics.js';
import { quick, startServer } from './servers.js';
import type { MinIO } from './servers.js';

const ENTRIES_PER_SECOND = 5_000;
const BATCH = 100;
const CHAINS = 4;
/** Topics and an index are made, and two virtual machines translate what they will run most: under the same load, not counted. */
const SETTLING_SECONDS = quick ? 4 : 20;
const SECONDS = quick ? 8 : 30;
const CAUGHT_UP_WITHIN_MS = 120_000;

type Part = 'mirror' | 'search';

interface Steady {
  /** Entries a second that were acknowledged. */
  readonly taken: number;
  /** Entries that were sent and not answered yet when the load ended. */
  readonly waiting: number;
  readonly refused: number;
  /** Entries behind the log, ascending. */
  readonly lags: Readonly<Record<Part, readonly number[]>>;
  readonly caughtUpSeconds: number;
}

export async function steadyLoads(minio: MinIO): Promise<void> {
  const rows: string[] = [];
  for (const parts of [['mirror'], ['search'], ['mirror', 'search']] as const) {
    const { taken, waiting, refused, lags, caughtUpSeconds } = await steadyLoad(minio, parts);
    const names = parts.map((part) => (part === 'mirror' ? 'Kafka' : 'Elasticsearch')).join(' and ');
    const lag = (part: Part): string => (parts.some((one) => one === part) ? `${seconds(quantile(lags[part], 0.5))}, ${seconds(lags[part].at(-1) ?? Number.NaN)}` : '–');
    rows.push(`| ${names} | ${count(taken)} | ${count(waiting)} | ${refused} | ${lag('mirror')} | ${lag('search')} | ${Number.isNaN(caughtUpSeconds) ? 'NOT within two minutes' : `${caughtUpSeconds.toFixed(1)} s`} |`);
  }
  console.log(`
Steady load: ${count(ENTRIES_PER_SECOND)} entries/s offered for ${SETTLING_SECONDS} s and then for the ${SECONDS} s that count; MinIO, the service, its client and the servers named share this machine.

| with | taken in, entries/s | unanswered at the end | batches refused | mirror behind, median and most | search behind, median and most | all there after the last append |
|---|---:|---:|---:|---|---|---|
${rows.join('\n')}
`);
}

/** A lag in entries, as time at the rate that is offered. */
function seconds(entries: number): string {
  const ms = (entries / ENTRIES_PER_SECOND) * 1_000;
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

async function steadyLoad(minio: MinIO, parts: readonly Part[]): Promise<Steady> {
  const kafka = parts.includes('mirror') ? await startServer('kafka') : undefined;
  const elasticsearch = parts.includes('search') ? await startServer('elasticsearch') : undefined;
  const bucket = await minio.createBucket(`steady-${parts.join('-')}`);
  const port = await freePort();
  const token = `bench-${randomBytes(24).toString('hex')}`;
  const service = spawn(process.execPath, ['--max-semi-space-size=32', 'dist/cli/main.js', 'serve', '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: minio.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: minio.credentials.secretAccessKey,
      INDELIBLE_ADMIN_TOKEN: token,
      INDELIBLE_DATA_DIR: join(scratchFolder(tmpdir()), 'data'),
      INDELIBLE_STORE: 's3',
      INDELIBLE_S3_BUCKET: bucket,
      INDELIBLE_S3_ENDPOINT: minio.endpoint,
      INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
      ...(kafka !== undefined && { INDELIBLE_KAFKA_BROKERS: kafka.broker, INDELIBLE_KAFKA_REPLICATION_FACTOR: '1' }),
      ...(elasticsearch !== undefined && { INDELIBLE_ELASTICSEARCH_URL: elasticsearch.endpoint }),
      INDELIBLE_LOG_LEVEL: 'error',
    },
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    for (let wait = 0; ; wait++) {
      if (await fetch(`${url}/readyz`).then(({ ok }) => ok, () => false)) break;
      if (wait > 600) throw new Error('the service did not come up');
      await sleep(100);
    }
    return await offer(url, port, token);
  } finally {
    service.kill('SIGTERM');
    if (service.exitCode === null) await Promise.race([once(service, 'exit'), sleep(30_000)]);
    service.kill('SIGKILL');
    await elasticsearch?.dispose();
    await kafka?.dispose();
  }
}

async function offer(url: string, port: number, token: string): Promise<Steady> {
  // Made before, and used again: an entry's id is the service's, so no two are the same.
  const bodies = Array.from({ length: 50 }, (_, n) => Buffer.from(`${Array.from({ length: BATCH }, (_, at) => eventText(n * BATCH + at)).join('\n')}\n`));
  const agent = new Agent({ keepAlive: true });
  let taken = 0;
  let refused = 0;
  const send = (nth: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const body = bodies[nth % bodies.length] as Buffer;
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson', 'content-length': body.length };
      const path = `/v1/chains/steady-${nth % CHAINS}/entries/batch`;
      const sent = request({ agent, host: '127.0.0.1', port, method: 'POST', path, headers }, (answer) => {
        if (answer.statusCode === 201) taken += BATCH;
        else refused += 1;
        answer.resume().once('end', resolve);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  const sample = async (): Promise<Record<Part, number>> => {
    const page = await (await fetch(`${url}/metrics`)).text();
    return { mirror: metric(page, 'indelible_mirror_lag_entries'), search: metric(page, 'indelible_search_lag_entries') };
  };
  const lags: Record<Part, number[]> = { mirror: [], search: [] };
  const pending = new Set<Promise<void>>();
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1_000;
  let sampled = 0;
  let settled: number | undefined;
  // By the clock, and not by the answers: a service that is slow gets no less to do.
  for (let batches = 0; elapsed() < SETTLING_SECONDS + SECONDS; ) {
    for (const due = elapsed() * (ENTRIES_PER_SECOND / BATCH); batches < due; batches++) {
      const one = send(batches).finally(() => pending.delete(one));
      pending.add(one);
    }
    if (elapsed() > SETTLING_SECONDS) {
      settled ??= taken;
      if (performance.now() - sampled > 250) {
        sampled = performance.now();
        const { mirror, search } = await sample();
        lags.mirror.push(mirror);
        lags.search.push(search);
      }
    }
    await sleep(5);
  }
  const rate = (taken - (settled ?? 0)) / SECONDS;
  const waiting = pending.size * BATCH;
  await Promise.all(pending);
  agent.destroy();
  lags.mirror.sort((a, b) => a - b);
  lags.search.sort((a, b) => a - b);
  const ended = performance.now();
  while (performance.now() - ended < CAUGHT_UP_WITHIN_MS) {
    const { mirror, search } = await sample();
    if (mirror === 0 && search === 0) return { taken: rate, waiting, refused, lags, caughtUpSeconds: (performance.now() - ended) / 1_000 };
    await sleep(100);
  }
  return { taken: rate, waiting, refused, lags, caughtUpSeconds: Number.NaN };
}

/** A sum over all labels of a metric on the page. */
function metric(page: string, name: string): number {
  return page.split('\n').reduce((sum, line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`) ? sum + Number(line.split(' ').at(-1)) : sum), 0);
}
