/** A new search index from nothing but the log, while the old one goes on answering. */
import type { Segment } from '../core/segment.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ElasticsearchIndex } from '../search/elasticsearch.js';
import type { Generation } from '../search/elasticsearch-generation.js';
import { documentsOf } from '../search/indexer.js';
import type { View } from '../view/view.js';

export interface RebuildProgress {
  readonly chainId: string;
  readonly entries: number;
  readonly size: number;
}

export type OnRebuildProgress = (progress: RebuildProgress) => void;

export interface RebuildResult {
  readonly chains: number;
  readonly entries: number;
  /** Documents the index would not take. */
  readonly setAside: number;
}

const BATCH_ENTRIES = 4_000;
const POLL_MS = 20;
const STALLED_MS = 120_000;

/**
 * Fills another index, moves the alias to it in one step and deletes the old one. Entries that come meanwhile are
 * not lost: what was committed before the alias moved is added by the last look at all chains, after it; what comes
 * later, the indexers write to the new one.
 */
export async function rebuildElasticsearch(index: ElasticsearchIndex, ledger: Ledger, onProgress: OnRebuildProgress): Promise<RebuildResult> {
  const rebuild = await index.startRebuild();
  const { generation } = rebuild;
  let deleteOld: () => Promise<void>;
  try {
    // The second time for what came during the first, so that little is left for after the move.
    await fill(generation, ledger, onProgress);
    await fill(generation, ledger, onProgress);
    deleteOld = await rebuild.finish();
  } catch (error) {
    await rebuild.abandon().catch(() => undefined);
    throw error;
  }
  const filled = await fill(generation, ledger, onProgress);
  await deleteOld();
  return { ...filled, setAside: await generation.progress.countSetAside(generation.uuid) };
}

async function fill(generation: Generation, ledger: Ledger, onProgress: OnRebuildProgress): Promise<{ readonly chains: number; readonly entries: number }> {
  let chains = 0;
  let entries = 0;
  for await (const chainId of ledger.reader.chains()) {
    const { head } = await ledger.chain(chainId);
    let next = await generation.through(chainId);
    while (next < head.size) {
      const segments: Segment[] = [];
      let count = 0;
      for (let at = next; at < head.size && count < BATCH_ENTRIES; at = segments.at(-1)?.head.size ?? at) {
        const segment = await ledger.reader.covering(chainId, at);
        if (segment === undefined) throw new Error(`chain ${chainId}: no object holds sequence ${at}, though the chain has ${head.size} entries`);
        segments.push(segment);
        count += segment.count;
      }
      await generation.add(segments.flatMap(documentsOf));
      next = segments.at(-1)?.head.size ?? next;
      onProgress({ chainId, entries: next, size: head.size });
    }
    chains++;
    entries += head.size;
  }
  return { chains, entries };
}

/** The local view, made anew by who has just opened it. */
export async function rebuildView(
  view: { readonly view: View; remake(reason: string): Promise<void> },
  ledger: Ledger,
  onProgress: OnRebuildProgress,
): Promise<RebuildResult> {
  await view.remake('a rebuild was asked for');
  let chains = 0;
  let entries = 0;
  for await (const chainId of ledger.reader.chains()) {
    const { head } = await ledger.chain(chainId);
    let indexed = 0;
    for (let since = performance.now(); indexed < head.size; ) {
      const now = view.view.indexed(chainId);
      if (now > indexed) since = performance.now();
      if (performance.now() - since > STALLED_MS) throw new Error(`the view of chain ${chainId} has come to a stand at entry ${now} of ${head.size}`);
      indexed = now;
      onProgress({ chainId, entries: indexed, size: head.size });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    chains++;
    entries += head.size;
  }
  return { chains, entries, setAside: 0 };
}
