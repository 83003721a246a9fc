/** A store that is well or is not, as a whole and for as long as the test says: what an outage looks like. */
import { aroundCalls } from '#indelible/storage/around.js';
import { StoreError } from '#indelible/storage/worm-store.js';
import type { WormStore } from '#indelible/storage/worm-store.js';

export type Mood =
  | 'well'
  /** No answer, ever, and nothing stored. */
  | 'hangs'
  | 'hangs-and-stores'
  /** Says at once that it will not. */
  | 'refuses'
  /** Breaks off without saying what happened; nothing was stored. */
  | 'resets';

export interface Moods {
  create: Mood;
  others: Mood;
}

/** `moods` is looked at when a call comes. */
export function moodyStore(store: WormStore, moods: Moods, onCall: (call: string) => void = () => undefined): WormStore {
  return aroundCalls(store, async (operation, key, call) => {
    onCall(`${operation} ${key}`);
    const mood = operation === 'create' ? moods.create : moods.others;
    switch (mood) {
      case 'well':
        return call();
      case 'hangs-and-stores':
        await call();
        return new Promise(() => undefined);
      case 'hangs':
        return new Promise(() => undefined);
      case 'refuses':
        throw new StoreError(operation, key, 'no', new Error('AccessDenied'));
      case 'resets':
        throw new StoreError(operation, key, operation === 'create' ? 'unknown' : 'no', new Error('ECONNRESET'));
    }
  });
}
