/** The ledger's index in memory: for simulations, where nothing may depend on a file or a thread. */
import { hashChildren } from '#indelible/core/merkle.js';
import type { HashReader } from '#indelible/core/merkle.js';
import type { EntryIndex, IndexedSegment } from '#indelible/ledger/entry-index.js';

interface Chain {
  readonly ids: Map<string, number>;
  readonly firsts: number[];
  readonly leaves: Uint8Array[];
  lastEntryHash: string;
}

export class MemoryIndex implements EntryIndex {
  readonly #chains = new Map<string, Chain>();

  through(chainId: string): { readonly size: number; readonly lastEntryHash: string } {
    const chain = this.#chains.get(chainId);
    return { size: chain?.leaves.length ?? 0, lastEntryHash: chain?.lastEntryHash ?? '0'.repeat(64) };
  }

  add(segment: IndexedSegment): void {
    let chain = this.#chains.get(segment.chainId);
    if (chain === undefined) {
      chain = { ids: new Map(), firsts: [], leaves: [], lastEntryHash: '' };
      this.#chains.set(segment.chainId, chain);
    }
    if (segment.firstSequence > chain.leaves.length) throw new RangeError(`index: gap at ${segment.firstSequence}`);
    if (segment.firstSequence < chain.leaves.length) return;
    chain.firsts.push(segment.firstSequence);
    for (const [i, entryId] of segment.entryIds.entries()) {
      if (chain.ids.has(entryId)) throw new Error(`index: id ${entryId} twice`);
      chain.ids.set(entryId, segment.firstSequence + i);
      chain.leaves.push(segment.leafHashes.slice(32 * i, 32 * (i + 1)));
    }
    chain.lastEntryHash = Buffer.from(segment.lastEntryHash).toString('hex');
  }

  sequenceOf(chainId: string, entryId: string): number | undefined {
    return this.#chains.get(chainId)?.ids.get(entryId);
  }

  segmentCovering(chainId: string, sequence: number): number | undefined {
    return this.#chains.get(chainId)?.firsts.findLast((first) => first <= sequence);
  }

  hashes(chainId: string): { readonly size: number; readonly reader: HashReader } {
    const leaves = this.#chains.get(chainId)?.leaves ?? [];
    const subtree = (level: number, index: number): Uint8Array =>
      level === 0 ? leaves[index]! : hashChildren(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1));
    return { size: leaves.length, reader: { subtree } };
  }

  forget(chainId: string): Promise<void> {
    this.#chains.delete(chainId);
    return Promise.resolve();
  }

  caughtUp(): undefined {
    return undefined;
  }
}
