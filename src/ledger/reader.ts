/** Reads entries back. Everything handed out was checked against a signature when it was read. */
import { parseSegmentKey, segmentKey, segmentPrefix } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import type { Finding } from '../core/findings.js';
import type { Segment } from '../core/segment.js';
import { loadSegment, verifySegment } from '../core/verify-segment.js';
import type { StoreReader } from '../storage/worm-store.js';
import { ChainHaltedError } from './errors.js';
import { firstSequencesCovering } from './head.js';
import { segmentAt } from './segment-at.js';
import type { ChainTrust } from './trust.js';

/**
 * Bytes of segments kept in memory, for reads that follow one another. What follows the log (mirror, index) and falls further
 * behind than this reaches has to fetch and check each segment anew, and then hardly ever gets back: some ten seconds of
 * 5,000 entries/s.
 */
const CACHE_BYTES = 32 * 1024 * 1024;

export class SegmentReader {
  readonly #store: StoreReader;
  readonly #trust: ChainTrust;
  readonly #onFinding: (finding: Finding) => void;
  /** In order of use. Objects never change, so nothing expires. */
  readonly #cache = new Map<string, Segment>();
  #cachedBytes = 0;

  constructor(store: StoreReader, trust: ChainTrust, onFinding: (finding: Finding) => void = () => undefined) {
    this.#store = store;
    this.#trust = trust;
    this.#onFinding = onFinding;
  }

  /**
   * The segment that starts at `firstSequence`, or `undefined`.
   * @throws ChainHaltedError if entries were there that can not be vouched for any more
   */
  async at(chainId: string, firstSequence: number): Promise<Segment | undefined> {
    const key = segmentKey(chainId, firstSequence);
    const cached = this.#cache.get(key);
    if (cached !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached;
    }
    const at = await segmentAt(this.#store, this.#trust, { chainId, firstSequence });
    for (const finding of at.odd) this.#onFinding(finding);
    if (at.outcome === 'damaged') throw new ChainHaltedError(chainId, key, at.fault);
    if (at.outcome !== 'entry') return undefined;
    const segment = loadSegment(at.bytes, at.segment);
    this.remember(segment);
    return segment;
  }

  /** A segment from elsewhere, which must continue `before` if that is given. @throws ChainHaltedError naming the object and the fault */
  verify(chainId: string, firstSequence: number, bytes: Uint8Array, before?: ChainHead): Segment {
    const expected = { deployment: this.#trust.deployment, chainId, firstSequence, before };
    const verified = verifySegment(bytes, expected, this.#trust.keysOf(chainId));
    if (verified.outcome === 'invalid') {
      throw new ChainHaltedError(chainId, segmentKey(chainId, firstSequence), `${verified.fault.code}: ${verified.fault.detail}`);
    }
    return loadSegment(bytes, verified);
  }

  /** The segment that holds `sequence`; `hint` is where it may start. */
  async covering(chainId: string, sequence: number, hint?: number): Promise<Segment | undefined> {
    if (hint !== undefined) {
      const segment = await this.at(chainId, hint);
      if (segment !== undefined && holds(segment, sequence)) return segment;
    }
    // A remembered listing is enough for all but the newest entries, and costs nothing.
    for (const mayBeStale of [true, false]) {
      // Usually the first is it: another name between it and the sequence would be somebody's junk.
      for (const first of await firstSequencesCovering(this.#store, chainId, sequence, mayBeStale)) {
        const segment = await this.at(chainId, first);
        if (segment === undefined) continue;
        if (holds(segment, sequence)) return segment;
        break;
      }
    }
    return undefined;
  }

  /** The chains that have an entry, in order of their ids. One listing a chain. */
  chains(): AsyncIterable<string> {
    return chainIds(this.#store);
  }

  remember(segment: Segment): void {
    if (this.#cache.has(segment.key)) return;
    this.#cache.set(segment.key, segment);
    this.#cachedBytes += segment.bytes.length;
    for (const [key, oldest] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES) return;
      this.#cache.delete(key);
      this.#cachedBytes -= oldest.bytes.length;
    }
  }
}

/** The chains of which the store holds a segment, by its key, in order of their ids. One listing a chain. */
export async function* chainIds(store: StoreReader): AsyncIterable<string> {
  for (let from = 'chains/'; ; ) {
    const page = await store.list('chains/', { from, limit: 10 });
    const key = page.keys[0];
    if (key === undefined) return;
    const chainId = page.keys.map((candidate) => parseSegmentKey(candidate)?.chainId).find((id) => id !== undefined);
    if (chainId !== undefined) yield chainId;
    // '0' is the character after '/': past all keys of this chain.
    from = chainId === undefined ? `${page.keys.at(-1) ?? key}0` : `${segmentPrefix(chainId).slice(0, -1)}0`;
  }
}

function holds(segment: Segment, sequence: number): boolean {
  return sequence >= segment.firstSequence && sequence < segment.firstSequence + segment.count;
}
