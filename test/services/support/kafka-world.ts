/** A log on a folder, its mirror on a real Kafka, and an independent look at what the topic holds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { pino } from 'pino';
import { expect } from 'vitest';
import { segmentKey } from '#indelible/core/chain.js';
import { loadConfig } from '#indelible/config.js';
import type { Config, ConfigInput } from '#indelible/config.js';
import { dataPaths } from '#indelible/data-paths.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { MirrorTimings } from '#indelible/mirror/mirror.js';
import { openMirror } from '#indelible/mirror/open.js';
import type { OpenMirror } from '#indelible/mirror/open.js';
import { openLedger } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';
import { auditFolder } from '../../support/audit.js';
import { scratchFolders } from '../../support/scratch.js';
import { PATIENCE_MS, until } from '../../support/until.js';

export const TIMINGS: MirrorTimings = { checkEveryMs: 500, lookEveryMs: 2_000, sessionTimeoutMs: 2_000 };

const scratch = scratchFolders();

export interface World {
  readonly config: Config;
  readonly settings: ConfigInput;
  readonly opened: OpenLedger;
  /** Lines of the log of this process. */
  readonly said: Record<string, unknown>[];
  /** In what the topic was found false, as an alert sees it. */
  readonly findings: string[];
  mirror(settings?: ConfigInput): OpenMirror;
  append(chainId: string, entries: number, bytes?: number): Promise<void>;
  close(): Promise<void>;
}

export async function openWorld(settings: ConfigInput): Promise<World> {
  const all: ConfigInput = { dataDir: await scratch(), kafkaPartitions: 3, kafkaReplicationFactor: 1, ...settings };
  const config = loadConfig({}, all);
  const said: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void said.push(JSON.parse(line) as Record<string, unknown>) });
  const opened = await openLedger(config, log);
  const mirrors: OpenMirror[] = [];
  const findings: string[] = [];
  let next = 0;
  let closing: Promise<void> | undefined;
  return {
    config,
    settings: all,
    opened,
    said,
    findings,
    mirror(more = {}) {
      const { ledger, trust, writerId } = opened;
      const mirror = openMirror(loadConfig({}, { ...all, ...more }), { ledger, trust, writerId, host: systemHost, log, timings: TIMINGS, onFinding: (kind) => void findings.push(kind) });
      if (mirror === undefined) throw new Error('no brokers');
      mirrors.push(mirror);
      return mirror;
    },
    async append(chainId, entries, bytes = 100) {
      for (let left = entries; left > 0; left -= 1_000) {
        const items = Array.from({ length: Math.min(left, 1_000) }, () => ({
          event: JSON.stringify({ action: 'test.append', actor: { id: `u${next++}`, type: 'service' }, metadata: { text: 'x'.repeat(bytes) } }),
        }));
        await opened.ledger.append(chainId, items);
      }
    },
    close: () => (closing ??= Promise.all(mirrors.map((mirror) => mirror.close())).then(() => opened.close())),
  };
}

export interface SeenMessage {
  readonly partition: number;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const FETCH_MS = 400;

/** All committed messages, read as any program would: with a group of its own, from the beginning to the end. @throws what the consumer gives up with */
export async function readTopic(kafka: Kafka, topic: string): Promise<SeenMessage[]> {
  const consumer = kafka.consumer({ groupId: `reader-${Math.random()}`, maxWaitTimeInMs: FETCH_MS, retry: { retries: 5 } });
  const seen: SeenMessage[] = [];
  const places = new Set<string>();
  // Only a fetch for which the broker waited in vain says that there is nothing more: it answers at once where there is, and
  // how long this machine takes for the rest says nothing. The next one goes out once all of this one is handled.
  let [inVain, before] = [0, 0];
  let crash: Error | undefined;
  consumer.on(consumer.events.FETCH, ({ payload: { duration } }) => {
    inVain = seen.length === before && duration >= FETCH_MS * 0.8 ? inVain + 1 : 0;
    before = seen.length;
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (!restart) crash = error;
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ partition, message: { key, offset, value, headers = {} } }) => {
        // A group that joins anew begins anew.
        const place = `${partition}/${offset}`;
        if (places.has(place)) return Promise.resolve();
        places.add(place);
        const texts = Object.entries(headers).map(([name, text]): [string, string] => [name, String(text)]);
        seen.push({ partition, key: String(key), value: value ?? Buffer.alloc(0), headers: Object.fromEntries(texts) });
        return Promise.resolve();
      },
    });
    await until(() => crash !== undefined || inVain >= 3);
    if (crash !== undefined) throw crash;
  } finally {
    await consumer.disconnect();
  }
  return seen;
}

/** Makes topics, and returns once the brokers know them and who leads them: a topic that was just made is listed before. */
export async function makeTopics(admin: Admin, topics: ITopicConfig[]): Promise<void> {
  await admin.createTopics({ topics, waitForLeaders: false });
  const names = topics.map(({ topic }) => topic);
  await until(() =>
    admin.fetchTopicMetadata({ topics: names }).then(
      (found) => found.topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)),
      () => false,
    ),
  );
}

/**
 * Fails unless the topic comes to hold exactly what the store holds: each entry of these chains once, its exact bytes,
 * and, unless told otherwise, in order. The store is read by the audit, from its files.
 */
export async function expectMirrored(world: World, kafka: Kafka, chainIds: readonly string[], { inOrder = true, foreign = 0 } = {}): Promise<SeenMessage[]> {
  const { trust, signer } = world.opened;
  const { worm } = dataPaths(world.config.dataDir);
  const expected = new Map<string, readonly string[]>();
  for (const chainId of chainIds) {
    expected.set(chainId, (await auditFolder(worm, { deployment: trust.deployment, chainId, publicKey: signer.publicKey })).payloads);
  }
  const total = foreign + [...expected.values()].reduce((sum, payloads) => sum + payloads.length, 0);
  let seen: SeenMessage[] = [];
  // As long as it becomes more: how much there is to mirror depends on how much was appended, and by how quick a machine.
  for (let [most, since] = [0, Date.now()]; seen.length < total && Date.now() - since < PATIENCE_MS; ) {
    seen = await readTopic(kafka, world.config.kafkaTopic).catch(() => []);
    if (seen.length > most) [most, since] = [seen.length, Date.now()];
  }
  for (const [chainId, payloads] of expected) {
    const own = seen.filter(({ key, headers }) => key === chainId && headers['sequence'] !== undefined);
    if (!inOrder) own.sort((a, b) => Number(a.headers['sequence']) - Number(b.headers['sequence']));
    const sequences = own.map(({ headers }) => Number(headers['sequence']));
    expect({ chainId, entries: sequences.length, wrong: sequences.findIndex((sequence, i) => sequence !== i) }).toEqual({ chainId, entries: payloads.length, wrong: -1 });
    expect(own.findIndex(({ value }, i) => value.toString('utf8') !== payloads[i])).toBe(-1);
    await expectSegments(worm, chainId, own);
  }
  expect(seen).toHaveLength(total);
  return seen;
}

/** From the messages alone the exact objects of the store can be put together. */
async function expectSegments(worm: string, chainId: string, own: readonly SeenMessage[]): Promise<void> {
  let lines: Buffer[] = [];
  let first = 0;
  for (const [i, { value, headers }] of own.entries()) {
    if (headers['segment'] !== undefined) {
      first = i;
      lines = [Buffer.from(`${headers['segment']}\n`)];
    }
    lines.push(value, Buffer.from('\n'));
    if (headers['checkpoint'] === undefined) continue;
    lines.push(Buffer.from(`\n${headers['checkpoint']}`));
    const stored = await readFile(join(worm, segmentKey(chainId, first)));
    expect(Buffer.concat(lines).equals(stored)).toBe(true);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
