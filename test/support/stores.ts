/** Stores for tests of whoever reads them. */
import { MemoryStore } from './memory-store.js';
import { runRange } from '#indelible/verification/range-task.js';
import type { Executor } from '#indelible/verification/executor.js';
import type { StoreReader } from '#indelible/storage/worm-store.js';

/** In memory, holding exactly these objects; `tamper` changes them. */
export function storeOf(objects: ReadonlyMap<string, Uint8Array>): MemoryStore {
  const store = new MemoryStore();
  for (const [key, bytes] of objects) store.tamper(key, bytes);
  return store;
}

/** Judges several ranges at a time on this thread: what worker threads do, without the threads. */
export function sideBySide(store: StoreReader, width: number): Executor {
  return { width, run: (task, onProgress, signal) => runRange(store, structuredClone(task), onProgress, signal).then((result) => structuredClone(result)) };
}

/** The store, with some of its methods replaced. */
export function overriding(store: MemoryStore, methods: Partial<StoreReader>): StoreReader {
  return {
    kind: store.kind,
    location: store.location,
    versioned: store.versioned,
    read: (key, versionId) => store.read(key, versionId),
    versions: (key) => store.versions(key),
    list: (prefix, options) => store.list(prefix, options),
    strays: (prefix) => store.strays(prefix),
    close: () => store.close(),
    ...methods,
  };
}
