/** The scratch world of a drill: everything that is made for it, opened in order and removed again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { pino } from 'pino';
import { startReplica } from '../../compose/second-bucket.js';
import { retentionOf } from '../../compose/store.js';
import type { Config } from '../../config.js';
import type { Replica } from '../../replica/replica.js';
import { replicaConfigOf } from '../../replica/open.js';
import { S3Store } from '../../storage/s3/store.js';
import type { StoreReader, WormStore } from '../../storage/worm-store.js';
import { storeConfigOf } from '../../verification/store-config.js';
import type { Rights, ScratchParts } from './attack.js';
import type { AdminSettings } from './identities.js';
import { guardReading, readProtection } from './log-bucket.js';
import type { BucketProtection } from './log-bucket.js';
import { openScratchBucket, removeScratchBucket, s3Client, ScratchError } from './scratch-bucket.js';
import type { Identity, Remains, ScratchBucket } from './scratch-bucket.js';
import { ScratchIndex } from './scratch-index.js';
import { ScratchKey } from './scratch-key.js';
import { ScratchLedger } from './scratch-ledger.js';
import { ScratchMarks } from './scratch-marks.js';
import { scratchConfig } from './scratch-names.js';
import type { ScratchNames } from './scratch-names.js';
import { ScratchTopic } from './scratch-topic.js';
import { UnlockedStore } from './unlocked-store.js';

export interface ScratchOptions {
  /** Of the log. */
  readonly config: Config;
  readonly names: ScratchNames;
  /** Somebody has prepared the bucket: it is taken as it is. */
  readonly prepared: boolean;
  readonly identities: Readonly<Record<Rights, Identity>>;
  readonly admin: AdminSettings;
  readonly wants: { readonly topic: boolean; readonly index: boolean; readonly signingKey: boolean };
  readonly onStep: (step: string) => void;
}

interface MadeScratch extends Pick<Scratch, 'config' | 'parts' | 'reader' | 'second' | 'logBucket' | 'notes' | 'lacking'> {
  readonly prepared: boolean;
  readonly closing: readonly (() => Promise<void> | void)[];
}

export class Scratch {
  readonly config: Config;
  readonly parts: ScratchParts;
  /** How the service's credentials read the bucket, for who verifies. */
  readonly reader: StoreReader;
  readonly second: { readonly bucket: ScratchBucket; readonly store: StoreReader; readonly replica: Replica } | undefined;
  /** What protects the log bucket. */
  readonly logBucket: BucketProtection;
  readonly notes: readonly string[];
  /** What is configured and could not be made, so that its attacks are not tried: why. */
  readonly lacking: Readonly<Partial<Record<'topic' | 'index' | 'signingKey', string>>>;
  readonly #prepared: boolean;
  readonly #closing: readonly (() => Promise<void> | void)[];

  constructor(made: MadeScratch) {
    this.config = made.config;
    this.parts = made.parts;
    this.reader = made.reader;
    this.second = made.second;
    this.logBucket = made.logBucket;
    this.notes = made.notes;
    this.lacking = made.lacking;
    this.#prepared = made.prepared;
    this.#closing = made.closing;
  }

  /** @throws ScratchError, StoreError, SignerError: each says what to do; what was made is removed again */
  static async open(options: ScratchOptions): Promise<Scratch> {
    const closing: (() => Promise<void> | void)[] = [];
    const removing: (() => Promise<unknown>)[] = [];
    try {
      return await open(options, closing, removing);
    } catch (error) {
      for (const remove of removing.reverse()) await remove().catch(() => undefined);
      for (const close of closing.reverse()) await close();
      throw error;
    }
  }

  /** Removes what can be removed. What stays, and until when. */
  async remove(): Promise<readonly Remains[]> {
    const { bucket, topic, index, signingKey } = this.parts;
    const left: Remains[] = [];
    for (const name of (await topic?.remove()) ?? []) left.push({ what: `topic ${name}`, until: undefined, how: `kafka-topics.sh --delete --topic ${name}` });
    for (const name of (await index?.remove()) ?? []) left.push({ what: `index ${name}`, until: undefined, how: `DELETE /${name}` });
    if (signingKey !== undefined) left.push({ what: `KMS key ${signingKey.arn}`, until: await signingKey.remove(), how: `aws kms schedule-key-deletion --key-id ${signingKey.arn} --pending-window-in-days 7, unless its deletion is scheduled` });
    const ofSecond = this.second === undefined ? undefined : await removeScratchBucket(this.second.bucket);
    for (const remains of [await removeScratchBucket(bucket, this.#prepared), ofSecond]) if (remains !== undefined) left.push(remains);
    return left;
  }

  async close(): Promise<void> {
    for (const close of [...this.#closing].reverse()) await close();
  }
}

async function open(options: ScratchOptions, closing: (() => Promise<void> | void)[], removing: (() => Promise<unknown>)[]): Promise<Scratch> {
  const { names, identities, admin, wants, onStep } = options;
  const dataDir = await mkdtemp(join(tmpdir(), 'indelible-drill-'));
  closing.push(() => rm(dataDir, { recursive: true, force: true }));
  const config = scratchConfig(options.config, names, dataDir);
  const log = pino({ level: 'silent' });
  const notes: string[] = [];

  onStep(`reading what protects bucket ${options.config.s3Bucket ?? ''}`);
  const logBucket = await protectionOf(options.config.s3Bucket ?? '', options, storeSettings(options.config));
  onStep(options.prepared ? `looking at bucket ${names.bucket}` : `making bucket ${names.bucket}`);
  const common = { singleWriter: config.singleWriter, identities };
  const like = options.prepared ? undefined : { bucket: options.config.s3Bucket ?? '', protection: logBucket };
  const { bucket, notes: ofBucket } = await openScratchBucket({ ...common, settings: storeSettings(config) }, like);
  closing.push(() => bucket.close());
  if (!options.prepared) removing.push(() => removeScratchBucket(bucket));
  notes.push(...ofBucket);

  onStep('writing a small log there');
  const writer = { ...identities.writer, singleWriter: config.singleWriter };
  const reader = new S3Store({ ...storeSettings(config), ...writer });
  closing.push(() => reader.close());
  const store: WormStore = bucket.locked ? reader : new UnlockedStore(reader, bucket.s3('writer'), { bucket: bucket.name, singleWriter: config.singleWriter });
  const ledger = await ScratchLedger.open(store, config, () => retentionOf(config), log);
  closing.push(() => ledger.close());
  const marks = new ScratchMarks(join(dataDir, 'drill-marks'), ledger.trust);

  const lacking: Partial<Record<'topic' | 'index' | 'signingKey', string>> = {};
  const trying = async <T>(part: keyof typeof lacking, wanted: boolean, work: () => Promise<T>): Promise<T | undefined> => {
    if (!wanted) return undefined;
    try {
      return await work();
    } catch (error) {
      // The bucket's attacks are still worth trying; these count as not tried.
      lacking[part] = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  };
  const kafkaAdmin = admin.kafka === undefined ? config : { ...config, kafkaUsername: admin.kafka.kafkaUsername, kafkaPassword: admin.kafka.kafkaPassword };
  const topic = await trying('topic', wants.topic, () => ScratchTopic.open({ writer: config, administrator: kafkaAdmin }, log));
  if (topic !== undefined) closing.push(() => topic.close());
  const searchAdmin = admin.elasticsearch === undefined ? config : { ...config, elasticsearchApiKey: admin.elasticsearch.elasticsearchApiKey };
  const index = await trying('index', wants.index, () => ScratchIndex.open({ writer: config, administrator: searchAdmin }, ledger, log));
  if (index !== undefined) closing.push(() => index.close());
  const signingKey = await trying('signingKey', wants.signingKey, () => ScratchKey.make(config, identities));
  if (signingKey !== undefined) {
    closing.push(() => signingKey.close());
    removing.push(() => signingKey.remove());
    notes.push(...signingKey.notes);
  }
  const second = await openSecond(options, config, ledger, store, log, { closing, removing, notes });
  // The check is to look at the scratch key, and not at the log's.
  const checked = signingKey === undefined ? config : { ...config, kmsKeyId: signingKey.arn };
  return new Scratch({ config: checked, parts: { bucket, ledger, marks, topic, index, signingKey }, reader, second, logBucket, notes, lacking, prepared: options.prepared, closing });
}

function storeSettings(config: Config): Extract<ReturnType<typeof storeConfigOf>, { kind: 's3' }> {
  const settings = storeConfigOf(config);
  if (settings.kind !== 's3') throw new ScratchError('the drill attacks a bucket: it needs INDELIBLE_STORE=s3');
  return settings;
}

async function protectionOf(bucket: string, { identities }: ScratchOptions, settings: Parameters<typeof s3Client>[0]): Promise<BucketProtection> {
  const clients = [identities.administrator, identities.writer].map((identity) => guardReading(s3Client(settings, identity), bucket));
  try {
    return await readProtection(clients, bucket);
  } catch (error) {
    if (error instanceof ScratchError) throw error;
    throw new ScratchError(`what protects bucket ${bucket} can not be read (${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}): check INDELIBLE_S3_BUCKET, and that the administrator's or the writer's credentials have s3:GetBucketObjectLockConfiguration and s3:GetBucketVersioning`, { cause: error });
  } finally {
    for (const client of clients) client.destroy();
  }
}

/** The second bucket is held against; it is not attacked itself. */
async function openSecond(
  options: ScratchOptions,
  config: Config,
  ledger: ScratchLedger,
  first: WormStore,
  log: Logger,
  { closing, removing, notes }: { readonly closing: (() => Promise<void> | void)[]; readonly removing: (() => Promise<unknown>)[]; readonly notes: string[] },
): Promise<Scratch['second']> {
  const settings = replicaConfigOf(config);
  const original = replicaConfigOf(options.config);
  if (settings === undefined || original === undefined) return undefined;
  options.onStep(`making the second bucket ${settings.bucket}`);
  const protection = await protectionOf(original.bucket, options, original);
  const { bucket } = await openScratchBucket({ settings, singleWriter: config.singleWriter, identities: options.identities }, { bucket: original.bucket, protection });
  closing.push(() => bucket.close());
  removing.push(() => removeScratchBucket(bucket));
  const reads = new S3Store({ ...settings, ...options.identities.writer, singleWriter: config.singleWriter });
  closing.push(() => reads.close());
  const store = bucket.locked ? reads : new UnlockedStore(reads, bucket.s3('writer'), { bucket: bucket.name, singleWriter: config.singleWriter });
  if (!bucket.locked) notes.push(`The second bucket ${original.bucket} has no Object Lock either.`);
  const replica = startReplica({ config, log, metrics: undefined, ledger: ledger.ledger, first, second: { store, prepare: () => Promise.resolve() }, trust: ledger.trust });
  closing.push(() => replica.close());
  return { bucket, store: reads, replica };
}
