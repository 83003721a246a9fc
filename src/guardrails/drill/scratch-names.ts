/** The names of what a drill makes: after the real ones, so that people see what they belong to, and unlike any of them. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../../config.js';
import { ScratchError } from './scratch-bucket.js';

/** Of S3. */
const MAX_BUCKET = 63;

export interface ScratchNames {
  readonly bucket: string;
  readonly second: string | undefined;
  readonly topic: string;
  readonly index: string;
  readonly deployment: string;
}

/** @param bucket one that somebody has prepared @throws ScratchError if that is a bucket of the log */
export function scratchNames(config: Config, bucket: string | undefined, random = randomBytes(4).toString('hex')): ScratchNames {
  const { s3Bucket: log = '', s3ReplicaBucket: second, kafkaTopic, elasticsearchIndex } = config;
  if (bucket !== undefined && (bucket === log || bucket === second)) throw new ScratchError(`--bucket: ${bucket} is the bucket of the log itself: name an empty one that was made for the drill`);
  return {
    bucket: bucket ?? after(log, random),
    second: second === undefined ? undefined : after(second, random),
    topic: `${kafkaTopic}-drill-${random}`,
    index: `${elasticsearchIndex}-drill-${random}`,
    deployment: `drill.indelible/${random}`,
  };
}

function after(bucket: string, random: string): string {
  const end = `-drill-${random}`;
  return `${bucket.slice(0, MAX_BUCKET - end.length).replace(/[^a-z0-9]+$/, '')}${end}`;
}

/** The settings of a service that has the scratch names and a folder of its own in place of the log's. */
export function scratchConfig(config: Config, names: ScratchNames, dataDir: string): Config {
  return {
    ...config,
    dataDir,
    store: 's3',
    s3Bucket: names.bucket,
    s3ReplicaBucket: names.second,
    deployment: names.deployment,
    kafkaTopic: names.topic,
    elasticsearchIndex: names.index,
    kmsDelegationHours: 0,
    retentionMode: 'governance',
    retentionDays: 1,
    roles: ['all'],
  };
}
