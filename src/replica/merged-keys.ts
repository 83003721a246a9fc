/** The keys of two stores side by side, without holding either listing in memory. */
import { everyKey } from '../storage/worm-store.js';
import type { StoreReader } from '../storage/worm-store.js';

export interface MergedKey {
  readonly key: string;
  readonly inFirst: boolean;
  readonly inSecond: boolean;
}

/**
 * Every key below `prefix` that either store holds, ascending. The two are read a page at a time, so of a key that
 * came into being meanwhile it may say that only one holds it: who is told so asks that store for the object.
 */
export async function* mergedKeys(first: StoreReader, second: StoreReader, prefix: string): AsyncGenerator<MergedKey> {
  const [left, right] = [everyKey(first, prefix), everyKey(second, prefix)];
  try {
    let [a, b] = await Promise.all([left.next(), right.next()]);
    for (;;) {
      if (a.done === true && b.done === true) return;
      const inFirst = a.done !== true && (b.done === true || a.value <= b.value);
      const inSecond = b.done !== true && (a.done === true || b.value <= a.value);
      yield { key: inFirst ? (a.value as string) : (b.value as string), inFirst, inSecond };
      if (inFirst) a = await left.next();
      if (inSecond) b = await right.next();
    }
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
}
