/**
 * A store with something done round each of its calls: measuring, tracing, breaking. In one place, so that none of
 * these forgets a method, in particular one that only some stores have.
 */
import type { WormStore } from './worm-store.js';

export type StoreOperation = 'create' | 'read' | 'versions' | 'list' | 'settle';

/** By method. `createOver` is how a store that keeps versions creates over debris. */
const OPERATIONS: Readonly<Record<string, StoreOperation>> = {
  create: 'create',
  createOver: 'create',
  read: 'read',
  versions: 'versions',
  list: 'list',
  settle: 'settle',
};

/** `key` is a prefix for `list` and `settle`. */
export type AroundCall = (operation: StoreOperation, key: string, call: () => Promise<unknown>) => Promise<unknown>;

export function aroundCalls<S extends WormStore>(store: S, around: AroundCall): S {
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy(store, {
    get(target, name) {
      if (methods.has(name)) return methods.get(name);
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const operation = OPERATIONS[String(name)];
      const method = (...args: unknown[]): unknown => {
        const call = (): unknown => Reflect.apply(member, target, args);
        return operation === undefined ? call() : around(operation, String(args[0]), call as () => Promise<unknown>);
      };
      methods.set(name, method);
      return method;
    },
  });
}
