/**
 * How far a bucket says that a chain goes: its last object that is signed for its place. Unlike the search for
 * the head that is appended to, this one passes over whatever is damaged or stands alone, because its answer is never
 * continued: it only shows that the chain once was at least that long.
 */
import { parseSegmentKey, segmentKey } from '../core/chain.js';
import { lastFirstSequence } from '../ledger/head.js';
import { segmentAt } from '../ledger/segment-at.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';

export interface Witness {
  readonly firstSequence: number;
  /** Entries that the chain had when it was signed. */
  readonly size: number;
  readonly lastEntryHash: Uint8Array;
  /** The signed note. */
  readonly checkpoint: string;
}

export interface Testimony {
  /** Absent if there is no object that a key of the deployment signed for its place. */
  readonly witness: Witness | undefined;
  /** Keys behind the witness at which lies something else. */
  readonly foreign: readonly string[];
}

/** Foreign objects that are passed over, each for a search of its own. */
const MAX_FOREIGN = 64;

/** @throws StoreError; Error behind too many foreign objects */
export async function testimonyOf(store: StoreReader, chainId: string, trust: ChainTrust): Promise<Testimony> {
  const foreign: string[] = [];
  let part = store;
  while (foreign.length < MAX_FOREIGN) {
    const firstSequence = await lastFirstSequence(part, chainId);
    if (firstSequence === undefined) return { witness: undefined, foreign };
    const key = segmentKey(chainId, firstSequence);
    const at = await segmentAt(store, trust, { chainId, firstSequence });
    if (at.outcome === 'entry') {
      const { after, checkpoint } = at.segment;
      return { witness: { firstSequence, size: after.size, lastEntryHash: after.lastEntryHash, checkpoint }, foreign };
    }
    foreign.push(key);
    part = below(store, firstSequence);
  }
  throw new Error(`${store.location}: behind the last signed segment of chain ${chainId} lie more than ${MAX_FOREIGN} objects that nobody signed`);
}

/** The store as if it had no segment from `firstSequence` on. */
function below(store: StoreReader, firstSequence: number): StoreReader {
  return {
    kind: store.kind,
    location: store.location,
    versioned: store.versioned,
    read: (key, versionId) => store.read(key, versionId),
    versions: (key, options) => store.versions(key, options),
    strays: (prefix) => store.strays(prefix),
    close: () => store.close(),
    async list(prefix, options) {
      const page = await store.list(prefix, options);
      const keys = page.keys.filter((key) => (parseSegmentKey(key)?.firstSequence ?? 0) < firstSequence);
      return { keys, more: page.more && keys.length === page.keys.length };
    },
  };
}
