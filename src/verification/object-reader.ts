/** Reads objects for a verification: tries again where that can help, and says what was found otherwise. */
import { segmentKey } from '../core/chain.js';
import { MAX_SEGMENT_BYTES } from '../core/segment.js';
import { isContested, StoreError } from '../storage/worm-store.js';
import type { StoredVersion, StoreReader } from '../storage/worm-store.js';

export type ObjectRead =
  /** `versionId`: of the only version there is, where keys hold versions. */
  | { readonly outcome: 'read'; readonly bytes: Uint8Array; readonly versionId?: string }
  /** Several versions or a delete marker, or what is too large to be read: to be judged version by version. */
  | { readonly outcome: 'versions'; readonly versions: readonly StoredVersion[] }
  | { readonly outcome: 'absent' }
  | Unread;

export type Unread =
  /** Something else lies under the key: a link, a folder, a device, a file too large for any object. */
  | { readonly outcome: 'not_a_file'; readonly reason: string }
  /** It is there, and could not be read. */
  | { readonly outcome: 'failed'; readonly reason: string };

/** Before the second try and the third. */
const RETRY_AFTER_MS = [50, 250];

/** The object of a store whose keys hold no versions; of others the oldest version that is no delete marker. */
export function readSegment(store: StoreReader, chainId: string, firstSequence: number): Promise<ObjectRead> {
  return readVersion(store, segmentKey(chainId, firstSequence), undefined);
}

/**
 * What a key holds that was listed with these versions. What is read is the very version that was listed, so nothing
 * that is put over it meanwhile makes a difference, and no listing of the key is needed.
 */
export function readListed(store: StoreReader, chainId: string, firstSequence: number, versions: readonly StoredVersion[]): Promise<ObjectRead> {
  const only = versions[0];
  if (only === undefined) return Promise.resolve({ outcome: 'absent' });
  if (isContested(versions) || only.size > MAX_SEGMENT_BYTES) return Promise.resolve({ outcome: 'versions', versions });
  return readVersion(store, segmentKey(chainId, firstSequence), only.versionId);
}

/** What a key holds that was not listed. */
export async function lookUp(store: StoreReader, chainId: string, firstSequence: number): Promise<ObjectRead> {
  if (!store.versioned) return readSegment(store, chainId, firstSequence);
  return retried(async () => {
    const versions = await store.versions(segmentKey(chainId, firstSequence), { retention: false });
    return versions.length === 0 ? { outcome: 'absent' } : { outcome: 'versions', versions };
  });
}

function readVersion(store: StoreReader, key: string, versionId: string | undefined): Promise<ObjectRead> {
  return retried(async () => {
    const bytes = await store.read(key, versionId);
    return bytes === undefined ? { outcome: 'absent' } : { outcome: 'read', bytes, ...(versionId !== undefined && { versionId }) };
  });
}

/** What `read` finds; or, at the third failure, that it can't be read. */
export async function retried<T>(read: () => Promise<T>): Promise<T | Unread> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if ((error.cause as Error | undefined)?.name === 'NotAPlainFile') return { outcome: 'not_a_file', reason: error.message };
      const wait = RETRY_AFTER_MS[attempt];
      if (wait === undefined) return { outcome: 'failed', reason: error.message };
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
