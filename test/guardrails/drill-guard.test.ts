/** That a drill attacks nothing but what was made for it. What would be lost otherwise is the log itself. */
import { KMSClient, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms';
import { CopyObjectCommand, DeleteBucketPolicyCommand, DeleteObjectCommand, GetBucketPolicyCommand, GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { assertOneOf, guardBucket, guardKey } from '#indelible/guardrails/drill/guard.js';
import { guardReading } from '#indelible/guardrails/drill/log-bucket.js';
import { scratchConfig, scratchNames } from '#indelible/guardrails/drill/scratch-names.js';

const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };

/** Counts what would go out; answers nothing. */
function recording(): { readonly sent: string[]; readonly requestHandler: { handle: (request: { method: string; hostname: string; path: string }) => Promise<never> } } {
  const sent: string[] = [];
  return {
    sent,
    requestHandler: {
      handle({ method, hostname, path }) {
        sent.push(`${method} ${hostname}${path}`);
        return Promise.reject(new Error('sent'));
      },
    },
  };
}

function s3(): { readonly client: S3Client; readonly sent: string[] } {
  const { sent, requestHandler } = recording();
  return { sent, client: new S3Client({ region: 'us-east-1', credentials, maxAttempts: 1, endpoint: 'http://s3.test', forcePathStyle: true, requestHandler }) };
}

describe('a client of the drill for S3', () => {
  it('sends what is about the scratch bucket', async () => {
    const { client, sent } = s3();
    guardBucket(client, 'log-drill-1');
    await expect(client.send(new PutObjectCommand({ Bucket: 'log-drill-1', Key: 'k', Body: 'x' }))).rejects.toThrow('sent');
    await expect(client.send(new CopyObjectCommand({ Bucket: 'log-drill-1', Key: 'k', CopySource: 'log-drill-1/other' }))).rejects.toThrow('sent');
    expect(sent.length).toBe(2);
  });

  it.each<[string, (client: S3Client) => Promise<unknown>]>([
    ['the log bucket, which its name begins with', (client) => client.send(new DeleteObjectCommand({ Bucket: 'log', Key: 'chains/orders/segments/0.ndjson', VersionId: 'v' }))],
    ['a bucket that is called after it', (client) => client.send(new DeleteBucketPolicyCommand({ Bucket: 'log-drill-12' }))],
    ['its own name with a path behind it', (client) => client.send(new GetObjectCommand({ Bucket: 'log-drill-1/../log', Key: 'k' }))],
    ['another account\'s bucket by an ARN', (client) => client.send(new GetObjectCommand({ Bucket: 'arn:aws:s3:us-east-1:1:accesspoint/log-drill-1', Key: 'k' }))],
    ['no bucket at all', (client) => client.send(new ListBucketsCommand({}))],
    ['a copy from the log bucket', (client) => client.send(new CopyObjectCommand({ Bucket: 'log-drill-1', Key: 'k', CopySource: '/log/chains/x' }))],
  ])('refuses %s, before anything is sent', async (_, send) => {
    const { client, sent } = s3();
    guardBucket(client, 'log-drill-1');
    await expect(send(client)).rejects.toMatchObject({ name: 'OutsideScratch' });
    expect(sent).toEqual([]);
  });
});

describe('the client that reads what protects the log bucket', () => {
  it('reads settings of that bucket, and can do nothing else', async () => {
    const { client, sent } = s3();
    guardReading(client, 'log');
    await expect(client.send(new GetBucketPolicyCommand({ Bucket: 'log' }))).rejects.toThrow('sent');
    expect(sent.length).toBe(1);
    const refused = { name: 'OutsideScratch' };
    await expect(client.send(new DeleteBucketPolicyCommand({ Bucket: 'log' }))).rejects.toMatchObject(refused);
    await expect(client.send(new PutObjectCommand({ Bucket: 'log', Key: 'k', Body: 'x' }))).rejects.toMatchObject(refused);
    await expect(client.send(new GetBucketPolicyCommand({ Bucket: 'other' }))).rejects.toMatchObject(refused);
    expect(sent.length).toBe(1);
  });
});

describe('a client of the drill for KMS', () => {
  it('never schedules the deletion of another key than the scratch key', async () => {
    const { sent, requestHandler } = recording();
    const client = guardKey(new KMSClient({ region: 'us-east-1', credentials, maxAttempts: 1, endpoint: 'http://kms.test', requestHandler }), ['arn:aws:kms:us-east-1:1:key/scratch', 'scratch']);
    for (const KeyId of ['arn:aws:kms:us-east-1:1:key/log', 'alias/log', 'scratch2', undefined]) {
      await expect(client.send(new ScheduleKeyDeletionCommand({ KeyId }))).rejects.toMatchObject({ name: 'OutsideScratch' });
    }
    expect(sent).toEqual([]);
    await expect(client.send(new ScheduleKeyDeletionCommand({ KeyId: 'scratch' }))).rejects.toThrow('sent');
  });
});

describe('the scratch names', () => {
  const config = loadConfig({}, { store: 's3', s3Bucket: `audit-${'x'.repeat(55)}`, s3ReplicaBucket: 'copy', s3ReplicaRegion: 'eu-west-1' }, '/nowhere.json');

  it('are all unlike those of the log, and names that S3 takes', () => {
    const names = scratchNames(config, undefined, 'cafe0123');
    const scratch = scratchConfig(config, names, '/tmp/x');
    for (const name of ['s3Bucket', 's3ReplicaBucket', 'kafkaTopic', 'elasticsearchIndex', 'deployment', 'dataDir'] as const) expect(scratch[name], name).not.toBe(config[name]);
    for (const bucket of [names.bucket, names.second ?? '']) expect(bucket).toMatch(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/);
    expect(names.bucket.endsWith('-drill-cafe0123')).toBe(true);
    expect(scratch).toMatchObject({ retentionMode: 'governance', retentionDays: 1 });
  });

  it.each(['s3Bucket', 's3ReplicaBucket'] as const)('are never the bucket of the log, whoever asks for it (%s)', (setting) => {
    expect(() => scratchNames(config, config[setting])).toThrow(/is the bucket of the log itself/);
  });

  it('of topics are three, and no other is touched', () => {
    const own = ['audit.events-drill-1', 'audit.events-drill-1.cursors', 'audit.events-drill-1.hints'];
    for (const name of own) expect(() => assertOneOf('topic', name, own)).not.toThrow();
    for (const name of ['audit.events', 'audit.events-drill-1.other', 'audit.events-drill-10', '']) expect(() => assertOneOf('topic', name, own)).toThrow(/alone/);
    expect(() => assertOneOf('topic', '', [])).toThrow(/alone/);
  });
});
