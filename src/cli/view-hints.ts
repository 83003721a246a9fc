/**
 * The leaf hashes that this ledger's view has seen, to name the very entry that was changed. They are not
 * trusted: the verification uses them only if they lead to the signed root.
 */
import { existsSync } from 'node:fs';
import { dataPaths } from '../data-paths.js';
import type { LeafHints } from '../verification/localise.js';
import { leafHints } from '../view/leaf-hints.js';
import type { View } from '../view/view.js';

export interface OpenHints extends LeafHints {
  close(): Promise<void>;
}

/** Opens the view when it is first asked, because for an intact chain it is not. Without a view nothing is known. */
export function openHints(dataDir: string): OpenHints {
  const file = dataPaths(dataDir).view;
  let opened: Promise<View | undefined> | undefined;
  return {
    async leafHashes(chainId, firstSequence, count) {
      opened ??= openView(file);
      const view = await opened;
      return view === undefined ? undefined : leafHints({ view }).leafHashes(chainId, firstSequence, count);
    },
    close: async () => (await opened)?.close(),
  };
}

/** `undefined` where there is no view, or none that can be read: then a finding names the segment alone. */
async function openView(file: string): Promise<View | undefined> {
  if (!existsSync(file)) return undefined;
  try {
    const { View } = await import('../view/view.js');
    return View.open(file, { readonly: true });
  } catch {
    return undefined;
  }
}
