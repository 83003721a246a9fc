/** The audit of a chain in a bucket by who trusts no replica: each version that is there, and the command. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { segmentPrefix } from '#indelible/core/chain.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { LocalKeySigner } from '#indelible/signing/local-key.js';
import { S3Store } from '#indelible/storage/s3/store.js';
import { everyKey } from '#indelible/storage/worm-store.js';
import { cli, jsonOf } from '../../cli/cli.js';
import { auditChain } from '../../support/audit.js';
import type { Bucket } from './serve.js';

export interface Place {
  readonly where: Bucket;
  readonly bucket: string;
  /** Of a replica, for its key. */
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Fails the test unless the chain is whole, every receipt holds, and nothing of the chain was written twice. */
export async function auditBucket({ where, bucket, dataDir, env }: Place, chainId: string, receipts: readonly Receipt[]): Promise<{ readonly ids: readonly string[]; readonly segments: number }> {
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint: where.endpoint, forcePathStyle: true, credentials: where.credentials, requestTimeoutMs: 10_000 });
  try {
    const { publicKey } = await LocalKeySigner.openExisting(join(dataDir, 'keys'));
    const versionOf = new Map<string, string>();
    for await (const key of everyKey(store, segmentPrefix(chainId))) {
      const versions = await store.versions(key, { retention: false });
      if (versions.length !== 1) throw new Error(`${key} has ${versions.length} versions: something was written twice`);
      versionOf.set(key, versions[0]!.versionId);
    }
    const read = (key: string): Promise<Uint8Array | undefined> => (versionOf.has(key) ? store.read(key, versionOf.get(key)) : Promise.resolve(undefined));
    const audited = await auditChain(read, { deployment: 'indelible.local', chainId, publicKey }, receipts);
    if (versionOf.size !== audited.segments) throw new Error(`${versionOf.size - audited.segments} objects do not belong to the chain: a fork or a hole`);
    const verified = await cli(['verify', '--data-dir', dataDir, '--chain', chainId, '--json'], { env });
    expect(verified).toMatchObject({ code: 0 });
    expect(jsonOf(verified)).toMatchObject({ verdict: 'intact', chains: [{ chainId, entriesChecked: audited.payloads.length }] });
    return { ids: audited.envelopes.map(({ entryId }) => entryId), segments: audited.segments };
  } finally {
    await store.close();
  }
}
