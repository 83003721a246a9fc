/**
 * The leaf hashes that this ledger's view has seen, to name the very entry that was changed. They are not
 * trusted: the verification uses them only if they lead to the signed root.
 */
import { existsSync } from 'node:fs';
import type { LeafHints } from '../verification/localise.js';
import { dataPaths } from '../data-paths.js';

export interface OpenHints extends LeafHints {
  close(): void;
}

/** `undefined` where there is no view, or none that can be read: then a finding names the segment alone. */
export async function openHints(dataDir: string): Promise<OpenHints | undefined> {
  const file = dataPaths(dataDir).view;
  if (!existsSync(file)) return undefined;
  try {
    const { View } = await import('../view/view.js');
    const view = View.open(file, { readonly: true });
    return {
      leafHashes(chainId, firstSequence, count) {
        try {
          const reader = view.hashes(chainId);
          const hashes = new Uint8Array(32 * count);
          for (let i = 0; i < count; i++) hashes.set(reader.subtree(0, firstSequence + i), 32 * i);
          return hashes;
        } catch {
          // The view is a convenience: what it does not hold is simply not known.
          return undefined;
        }
      },
      close: () => view.close(),
    };
  } catch {
    return undefined;
  }
}
