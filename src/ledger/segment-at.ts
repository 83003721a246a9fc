/**
 * What stands at a segment's key. Where a key can hold several versions the *oldest valid* one is the entry
 * (DESIGN §2 rule 3): valid is what parses, is signed by a key of the deployment and continues the chain.
 *
 *   - An older version that is not valid is *debris*: somebody with write access and no key put it there. It must
 *     neither stop the chain nor be followed.
 *   - A later version, valid or not, is a *shadow*, and a delete marker hides: neither changes what is recorded.
 *   - A version that is not valid though a key of ours signed its checkpoint is *damaged*: entries were there that
 *     may have been acknowledged. Nothing is ever written over it.
 */
import type { ChainHead } from '../core/chain.js';
import { segmentKey } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import { MAX_SEGMENT_BYTES } from '../core/segment.js';
import { verifySegment } from '../core/verify-segment.js';
import type { InvalidSegment, VerifiedSegment } from '../core/verify-segment.js';
import type { StoredVersion, StoreReader } from '../storage/worm-store.js';
import type { ChainTrust } from './trust.js';

export interface Place {
  readonly chainId: string;
  readonly firstSequence: number;
  /** If given, the segment must continue this head. */
  readonly before?: ChainHead | undefined;
}

export type SegmentAt =
  /** Nothing was ever written there, or nothing but delete markers. */
  | { readonly outcome: 'absent'; readonly odd: readonly Finding[] }
  | { readonly outcome: 'entry'; readonly bytes: Uint8Array; readonly segment: VerifiedSegment; readonly versionId: string | undefined; readonly odd: readonly Finding[] }
  /** `latest`: what a condition on the key looks at. */
  | { readonly outcome: 'debris'; readonly fault: string; readonly latest: StoredVersion | undefined; readonly odd: readonly Finding[] }
  /** `bytes`: of the oldest such version, unless it can't be read. */
  | { readonly outcome: 'damaged'; readonly fault: string; readonly bytes: Uint8Array | undefined; readonly odd: readonly Finding[] };

/** Who judges: the keys that may sign, and a look for those that came since. */
export type SegmentTrust = Pick<ChainTrust, 'deployment' | 'publicKeys' | 'keysOf' | 'refresh'>;

type Judged = { readonly outcome: 'valid'; readonly bytes: Uint8Array; readonly segment: VerifiedSegment } | { readonly outcome: 'debris' | 'damaged'; readonly fault: string; readonly bytes?: Uint8Array };

/** @throws StoreError */
export async function segmentAt(store: Pick<StoreReader, 'read' | 'versions' | 'versioned'>, trust: SegmentTrust, place: Place): Promise<SegmentAt> {
  const key = segmentKey(place.chainId, place.firstSequence);
  if (!store.versioned) {
    const bytes = await store.read(key);
    if (bytes === undefined) return { outcome: 'absent', odd: [] };
    const judged = await judge(bytes, trust, place);
    if (judged.outcome === 'valid') return { outcome: 'entry', bytes, segment: judged.segment, versionId: undefined, odd: [] };
    // A folder has no condition to write over anything with: an operator must look.
    return { outcome: 'damaged', fault: judged.fault, bytes, odd: [] };
  }
  const versions = await store.versions(key, { retention: false });
  return judgeVersions(store, trust, place, versions);
}

/** As above, for a key whose versions (oldest first) are known already. @throws StoreError */
export async function judgeVersions(store: VersionReader, trust: SegmentTrust, place: Place, versions: readonly StoredVersion[]): Promise<SegmentAt> {
  const key = segmentKey(place.chainId, place.firstSequence);
  const odd: Finding[] = [];
  const note = (code: Finding['code'], detail: string): void => {
    odd.push({ code, chainId: place.chainId, sequence: place.firstSequence, key, detail });
  };
  let entry: { readonly bytes: Uint8Array; readonly segment: VerifiedSegment; readonly versionId: string } | undefined;
  let fault = '';
  let damaged: { readonly versionId: string; readonly fault: string; readonly bytes: Uint8Array | undefined } | undefined;
  for (const version of versions) {
    const { versionId } = version;
    if (version.deleteMarker) note('delete_marker', `a delete marker (${versionId}, ${version.storedAt}) hides the object`);
    else if (entry !== undefined) note('shadow_version', `version ${versionId} (${version.storedAt}) was written over ${entry.versionId}`);
    else {
      const judged = await judgeVersion(store, trust, place, version);
      if (judged.outcome === 'valid') entry = { ...judged, versionId };
      else {
        fault = judged.fault;
        if (judged.outcome === 'damaged') damaged ??= { versionId, fault, bytes: judged.bytes };
        else note('foreign_object', `version ${versionId} is not a segment of the chain: ${fault}`);
      }
    }
  }
  if (entry !== undefined) {
    // Signed, older, and not what the chain goes on with: never to be passed over in silence.
    if (damaged !== undefined) note('fork', `version ${damaged.versionId} is older than the entry, and was signed: ${damaged.fault}`);
    return { ...entry, outcome: 'entry', odd };
  }
  if (damaged !== undefined) return { outcome: 'damaged', fault: damaged.fault, bytes: damaged.bytes, odd };
  if (versions.every((version) => version.deleteMarker)) return { outcome: 'absent', odd };
  return { outcome: 'debris', fault, latest: versions.at(-1), odd };
}

/**
 * Versions that were read and are no segments, with the reason: a version never changes, and whoever can write
 * there can write many. Judged by the keys known at the time, so with more keys they are looked at again.
 */
const junk = new WeakMap<VersionReader, WeakMap<SegmentTrust, { readonly keys: number; readonly faults: Map<string, string> }>>();
const MAX_JUNK = 10_000;

function knownJunk(store: VersionReader, trust: SegmentTrust): Map<string, string> {
  const ofStore = junk.get(store) ?? new WeakMap();
  junk.set(store, ofStore);
  let known = ofStore.get(trust);
  if (known?.keys !== trust.publicKeys.length || known.faults.size >= MAX_JUNK) {
    known = { keys: trust.publicKeys.length, faults: new Map() };
    ofStore.set(trust, known);
  }
  return known.faults;
}

type VersionReader = Pick<StoreReader, 'read'>;

async function judgeVersion(store: VersionReader, trust: SegmentTrust, place: Place, { versionId, size }: StoredVersion): Promise<Judged> {
  if (size > MAX_SEGMENT_BYTES) return { outcome: 'debris', fault: `${size} bytes are no segment` };
  const key = segmentKey(place.chainId, place.firstSequence);
  const name = `${key} ${versionId}`;
  const known = knownJunk(store, trust).get(name);
  if (known !== undefined) return { outcome: 'debris', fault: known };
  const bytes = await store.read(key, versionId);
  if (bytes === undefined) return { outcome: 'damaged', fault: 'listed, but it can not be read' };
  const judged = await judge(bytes, trust, place);
  if (judged.outcome === 'debris') knownJunk(store, trust).set(name, judged.fault);
  return judged;
}

async function judge(bytes: Uint8Array, trust: SegmentTrust, place: Place): Promise<Judged> {
  const { chainId, firstSequence, before } = place;
  const expected = { deployment: trust.deployment, chainId, firstSequence, before };
  let verified = verifySegment(bytes, expected, trust.keysOf(chainId));
  // Another writer may have signed with a key that came after this process started.
  if (verified.outcome === 'invalid' && verified.fault.code === 'signature_invalid' && (await trust.refresh())) {
    verified = verifySegment(bytes, expected, trust.keysOf(chainId));
  }
  if (verified.outcome === 'valid') return { outcome: 'valid', bytes, segment: verified };
  const fault = `${verified.fault.code}: ${verified.fault.detail}`;
  // Signed and whole, and yet not what follows: two histories. Not to be passed over as if it were junk.
  const alone = before === undefined ? verified : verifySegment(bytes, { ...expected, before: undefined }, trust.keysOf(chainId));
  return alone.outcome === 'valid' || wasSigned(alone, firstSequence) ? { outcome: 'damaged', fault, bytes } : { outcome: 'debris', fault };
}

/** No writer without a key has a checkpoint of ours that covers entries which are not there yet. */
export function wasSigned({ claimed }: InvalidSegment, firstSequence: number): boolean {
  return claimed?.signed !== undefined && claimed.signed.size > firstSequence;
}
