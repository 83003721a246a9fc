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

export interface AuditedBucket {
  readonly ids: readonly string[];
  /** Who wrote each entry. */
  readonly writerIds: readonly string[];
  readonly segments: number;
  /** Keys that hold the same bytes more than once. */
  readonly repeated: number;
}

/**
 * Fails the test unless the chain is whole, every receipt holds, and nothing of the chain was written twice.
 * @param repeats the store ignores the condition: the same bytes may lie at a key again, and change nothing
 */
export async function auditBucket({ where, bucket, dataDir, env }: Place, chainId: string, receipts: readonly Receipt[], { repeats = false } = {}): Promise<AuditedBucket> {
  const store = new S3Store({ bucket, region: 'us-east-1', endpoint: where.endpoint, forcePathStyle: true, credentials: where.credentials, requestTimeoutMs: 10_000 });
  try {
    const { publicKey } = await LocalKeySigner.openExisting(join(dataDir, 'keys'));
    const versionOf = new Map<string, string>();
    let repeated = 0;
    for await (const key of everyKey(store, segmentPrefix(chainId))) {
      const versions = await store.versions(key, { retention: false });
      const [oldest, ...later] = versions;
      if (oldest === undefined || (later.length > 0 && !repeats)) throw new Error(`${key} has ${versions.length} versions: something was written twice`);
      for (const { versionId } of later) expect(await store.read(key, versionId), key).toEqual(await store.read(key, oldest.versionId));
      repeated += later.length > 0 ? 1 : 0;
      versionOf.set(key, oldest.versionId);
    }
    const read = (key: string): Promise<Uint8Array | undefined> => (versionOf.has(key) ? store.read(key, versionOf.get(key)) : Promise.resolve(undefined));
    const audited = await auditChain(read, { deployment: 'indelible.local', chainId, publicKey }, receipts);
    if (versionOf.size !== audited.segments) throw new Error(`${versionOf.size - audited.segments} objects do not belong to the chain: a fork or a hole`);
    const verified = await cli(['verify', '--data-dir', dataDir, '--chain', chainId, '--json'], { env });
    const report = jsonOf(verified) as { readonly verdict: string; readonly chains: readonly { readonly chainId: string; readonly entriesChecked: number; readonly findings: readonly { readonly code: string }[] }[] };
    expect(report.chains).toMatchObject([{ chainId, entriesChecked: audited.payloads.length }]);
    // A second version is told, whoever wrote it; and nothing else may be found.
    if (repeated > 0) expect(new Set(report.chains[0]?.findings.map(({ code }) => code))).toEqual(new Set(['shadow_version']));
    else expect({ code: verified.code, verdict: report.verdict }).toEqual({ code: 0, verdict: 'intact' });
    return { ids: audited.envelopes.map(({ entryId }) => entryId), writerIds: audited.envelopes.map(({ writerId }) => writerId), segments: audited.segments, repeated };
  } finally {
    await store.close();
  }
}
