/** The two search indexes as copies that a reconciliation can read and put right. */
import { isDeepStrictEqual } from 'node:util';
import type { EntryIndex } from '../ledger/entry-index.js';
import type { Ledger } from '../ledger/ledger.js';
import { indexed } from '../ledger/sequencer.js';
import type { ElasticsearchIndex } from '../search/elasticsearch.js';
import { documentId, holds } from '../search/elasticsearch-documents.js';
import type { StoredDocument } from '../search/elasticsearch-generation.js';
import { documentOf } from '../search/indexer.js';
import type { SearchDocument } from '../search/search-index.js';
import type { View } from '../view/view.js';
import type { CopyItem, ReconciledCopy } from './copies.js';

export function elasticsearchCopy(index: ElasticsearchIndex): ReconciledCopy {
  const itemOf = (chainId: string | undefined, { id, sequence, source }: StoredDocument): CopyItem => ({
    id,
    sequence,
    place: chainId === undefined ? undefined : placeOf(chainId, id),
    agrees: (payload) => chainId !== undefined && sequence !== undefined && holds(source, documentOf(chainId, sequence, payload)),
  });
  async function* items(chainId: string | undefined, known?: readonly string[]): AsyncGenerator<CopyItem> {
    for await (const stored of (await index.current()).documents(chainId, known)) yield itemOf(chainId, stored);
  }
  return {
    name: 'index',
    // Not `index.through`, which falls back to the first hole: the holes are what is looked for.
    through: (chainId) => index.recorded(chainId),
    items: (chainId) => items(chainId),
    strays: (known) => items(undefined, known),
    repair: {
      async put(chainId, entries) {
        return (await index.current()).replace(entries.map(({ sequence, payload }) => documentOf(chainId, sequence, payload)));
      },
      async remove(_chainId, ids) {
        await (await index.current()).remove(ids);
      },
      async settle(chainId, size) {
        await (await index.current()).settle(chainId, size);
      },
    },
  };
}

/** The sequence of the chain's entry that has to lie under this id. */
function placeOf(chainId: string, id: string): number | undefined {
  const sequence = Number(id.slice(chainId.length + 1));
  return Number.isSafeInteger(sequence) && sequence >= 0 && id === documentId({ chainId, sequence }) ? sequence : undefined;
}

const PAGE = 500;
const POLL_MS = 20;
const STALLED_MS = 120_000;

export interface ViewCopyOptions {
  readonly view: () => View;
  readonly ledger: Ledger;
  readonly index: EntryIndex;
}

/**
 * The local view. It is put right by making it anew: what is wrong in one place is no reason to believe the rest.
 */
export function viewCopy({ view, ledger, index }: ViewCopyOptions): ReconciledCopy {
  return {
    name: 'index',
    async through(chainId) {
      // The first time, asking for the chain makes the ledger feed a view that lacks some of it.
      await ledger.chain(chainId);
      return view().indexed(chainId);
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- the contract is asynchronous
    async *items(chainId) {
      for (let from = 0; ; from += PAGE) {
        const page = pageOf(view(), chainId, from);
        if (page === undefined) return;
        for (const document of page) {
          const { sequence } = document;
          yield { id: documentId(document), sequence, place: sequence, agrees: (payload) => isDeepStrictEqual(document, documentOf(chainId, sequence, payload)) };
        }
      }
    },
    repair: {
      put: (_chainId, entries) => Promise.resolve(entries.length),
      remove: () => Promise.resolve(),
      async settle(chainId) {
        await index.forget(chainId);
        // All of it is gone with the file; the ledger itself feeds a chain only when it grows.
        for await (const id of ledger.reader.chains()) await feed(id);
      },
    },
  };

  async function feed(chainId: string): Promise<void> {
    const { head } = await ledger.chain(chainId);
    for (let size = index.through(chainId).size; size < head.size; size = index.through(chainId).size) {
      const segment = await ledger.reader.covering(chainId, size);
      if (segment === undefined) throw new Error(`chain ${chainId}: no object holds sequence ${size}, though the chain has ${head.size} entries`);
      index.add(indexed(segment));
      if (index.through(chainId).size <= size) throw new Error(`chain ${chainId}: the view can not be written; it stays at ${size}`);
      await index.caughtUp();
    }
    // Documents become searchable after the rest.
    let through = -1;
    for (let since = performance.now(); through < head.size; ) {
      const now = view().indexed(chainId);
      if (now > through) since = performance.now();
      if (performance.now() - since > STALLED_MS) throw new Error(`the view of chain ${chainId} has come to a stand at entry ${now} of ${head.size}`);
      through = now;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** Documents of the sequences `from` … `from + PAGE − 1` that are there; `undefined` behind the last. */
function pageOf(view: View, chainId: string, from: number): SearchDocument[] | undefined {
  return view.readDocuments((documents) => {
    const chain = documents.chain(chainId);
    if (chain === undefined || from >= chain.indexed) return undefined;
    const page: SearchDocument[] = [];
    for (let sequence = from; sequence < Math.min(from + PAGE, chain.indexed); sequence++) {
      const document = documents.get(chain, sequence);
      if (document !== undefined) page.push(document);
    }
    return page;
  });
}
