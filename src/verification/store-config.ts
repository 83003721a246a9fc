/** How a store is described so that a worker thread, which can't be handed an open one, opens it itself. */
import { FilesystemStore } from '../storage/filesystem/store.js';
import type { StoreReader } from '../storage/worm-store.js';

export interface StoreConfig {
  readonly kind: 'filesystem';
  /** The folder of the objects (`<data-dir>/worm`). */
  readonly root: string;
}

/**
 * Opens a store for reading alone: nothing is written, so a read-only copy will do. `blocking`: reads may hold
 * the thread. @throws StoreError
 */
export function openStore(config: StoreConfig, options: { readonly blocking?: boolean } = {}): Promise<StoreReader> {
  return FilesystemStore.open(config.root, { readOnly: true, ...options });
}
