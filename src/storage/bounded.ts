/** Bounds calls in time: a store that hangs must not hang who depends on it. */
import { StoreError } from './worm-store.js';
import type { WormStore } from './worm-store.js';

/** Calls back once, later; the result cancels. */
export type Timer = (milliseconds: number, callback: () => void) => () => void;

/** What `call` settles to, or a StoreError of unknown outcome after `milliseconds`. */
export function within<T>(timer: Timer, milliseconds: number, operation: string, key: string, call: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = timer(milliseconds, () => {
      reject(new StoreError(operation, key, 'unknown', `no answer within ${milliseconds} ms`));
    });
    void call.then(resolve, reject).finally(cancel);
  });
}

/**
 * The same store, each call of which is bounded. What a call still does after it counts as failed is for
 * the caller to bear in mind, as with any failure of unknown outcome.
 */
export function boundCalls(store: WormStore, timer: Timer, milliseconds: number): WormStore {
  const { kind, location, versioned } = store;
  const createOver = store.createOver?.bind(store);
  const contested = store.contested?.bind(store);
  const eachKey = store.eachKey?.bind(store);
  const retentionOf = store.retentionOf?.bind(store);
  return {
    kind,
    location,
    versioned,
    ...(createOver !== undefined && {
      createOver: (key, over, bytes, retention) => within(timer, milliseconds, 'create', key, createOver(key, over, bytes, retention)),
    }),
    ...(contested !== undefined && { contested }),
    ...(eachKey !== undefined && { eachKey }),
    ...(retentionOf !== undefined && { retentionOf: (key, versionId) => within(timer, milliseconds, 'versions', key, retentionOf(key, versionId)) }),
    create: (key, bytes, retention) => within(timer, milliseconds, 'create', key, store.create(key, bytes, retention)),
    read: (key, versionId) => within(timer, milliseconds, 'read', key, store.read(key, versionId)),
    versions: (key, options) => within(timer, milliseconds, 'versions', key, store.versions(key, options)),
    list: (prefix, options) => within(timer, milliseconds, 'list', prefix, store.list(prefix, options)),
    settle: (prefix) => within(timer, milliseconds, 'settle', prefix, store.settle(prefix)),
    strays: (prefix) => store.strays(prefix),
    close: () => store.close(),
  };
}
