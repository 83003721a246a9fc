/**
 * The store behind circuit breakers: one for writing, one for reading, since a store can refuse the one and do the
 * other. Each call must be bounded in time already (`boundCalls`).
 *
 * What this means for the commit (ledger/commit.ts): a `create` that is refused here was never sent, so it says
 * `stored: 'no'`. While an earlier try of the same key is open, the commit does not believe that, and goes on trying
 * with the same bytes. These tries find out that the store is back, and need no caller: a create of unknown outcome
 * leaves a commit that is tried again at least once a second. A trial write of our own would stay in a write-once
 * store for ever.
 *
 * Reading has no such caller, so a small object is read when that circuit lets one call through.
 */
import { Circuit, CircuitOpenError } from '../circuit.js';
import { aroundCalls } from './around.js';
import { StoreError } from './worm-store.js';
import type { WormStore } from './worm-store.js';

/** A refusal that comes as fast as this keeps nobody waiting. */
const AT_ONCE_MS = 500;

export interface BrokenStore {
  readonly store: WormStore;
  readonly writing: Circuit;
  readonly reading: Circuit;
  /** Reads the small object, as a caller would. @throws StoreError */
  readonly probe: () => Promise<void>;
  /** Lets go of the circuits; the store is closed by who opened it. */
  close(): void;
}

export function breakCalls(inner: WormStore, probeKey: string): BrokenStore {
  const answers = new WeakSet<StoreError>();
  const writing = new Circuit({ name: 'store_write', isAnswer: (error) => error instanceof StoreError && answers.has(error) });
  const reading = new Circuit({ name: 'store_read', probe: () => inner.read(probeKey) });

  /** A full disk or a missing right is an answer: nothing to protect callers from, and no reason to turn others away. */
  const writes = async (call: () => Promise<unknown>): Promise<unknown> => {
    const started = performance.now();
    try {
      return await call();
    } catch (error) {
      if (error instanceof StoreError && error.stored === 'no' && performance.now() - started < AT_ONCE_MS) answers.add(error);
      throw error;
    }
  };
  const store = aroundCalls(inner, async (operation, key, call) => {
    try {
      return await (operation === 'create' ? writing.run(() => writes(call)) : reading.run(call));
    } catch (error) {
      throw error instanceof CircuitOpenError ? new StoreError(operation, key, 'no', error) : error;
    }
  });
  return {
    store,
    writing,
    reading,
    async probe() {
      // It is there from the first start on: a folder that is gone, or another bucket, has none.
      if ((await store.read(probeKey)) === undefined) throw new StoreError('read', probeKey, 'no', 'it is not there');
    },
    close() {
      writing.close();
      reading.close();
    },
  };
}
