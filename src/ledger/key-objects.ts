/** Reads what the store states of itself: `deployment.json` and the objects below `keys/` (docs/format.md §6). */
import { utf8Decode, utf8Encode } from '#platform';
import { canonicalize } from '../core/canonical.js';
import { isDeployment, parseHash } from '../core/chain.js';
import { parseStrict } from '../core/json.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import { KeyFormatError, parseKeyObject } from '../core/key-object.js';
import type { KeyStatement } from '../core/key-object.js';
import { everyKey } from '../storage/worm-store.js';
import type { StoreReader } from '../storage/worm-store.js';

export const DEPLOYMENT_KEY = 'deployment.json';
export const KEYS_PREFIX = 'keys/';

const KEY_OBJECT = /^keys\/[0-9a-f]{64}\.json$/;
/** Reads under way at once: a log with delegated keys has thousands of these objects. */
const READS = 16;

/** The store's own statement is missing, unreadable, or not the one expected. */
export class DeploymentError extends Error {
  override readonly name = 'DeploymentError';
}

export interface DeploymentStatement {
  readonly deployment: string;
  /** Fingerprint of the key that vouches for all others. Absent in older stores: there each key without a certificate counts. */
  readonly rootKey?: string;
}

export function deploymentObject(deployment: string, rootKey: string, createdAt: string): Uint8Array {
  return utf8Encode(canonicalize({ createdAt, deployment, format: 'indelible/deployment/v2', rootKey }));
}

/** @throws DeploymentError */
export function parseDeployment(bytes: Uint8Array): DeploymentStatement {
  let text: string;
  let value: JsonValue;
  try {
    text = utf8Decode(bytes);
    value = parseStrict(text);
  } catch (error) {
    throw new DeploymentError(`${DEPLOYMENT_KEY}: not JSON`, { cause: error });
  }
  const object = (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as JsonObject;
  const { format, deployment, rootKey } = object;
  const rooted = format === 'indelible/deployment/v2';
  if (!rooted && format !== 'indelible/deployment/v1') throw new DeploymentError(`${DEPLOYMENT_KEY}: not of format indelible/deployment/v1 or v2`);
  if (typeof deployment !== 'string' || !isDeployment(deployment)) throw new DeploymentError(`${DEPLOYMENT_KEY}: "deployment" is not a valid name`);
  if (canonicalize(object) !== text) throw new DeploymentError(`${DEPLOYMENT_KEY}: not canonical JSON`);
  if (!rooted) return { deployment };
  if (typeof rootKey !== 'string' || parseHash(rootKey) === undefined) throw new DeploymentError(`${DEPLOYMENT_KEY}: "rootKey" is not a fingerprint`);
  return { deployment, rootKey };
}

export function keyObjectName(fingerprint: string): string {
  return `${KEYS_PREFIX}${fingerprint}.json`;
}

/** An object below `keys/` that is none, and why. */
export interface KeyFault {
  readonly key: string;
  readonly code: 'foreign_object' | 'unknown_format';
  readonly detail: string;
}

/** The key objects of a store. They never change, so each is read once, and a later call reads the new ones alone. */
export class KeyObjects {
  readonly statements: KeyStatement[] = [];
  readonly faults: KeyFault[] = [];
  readonly #store: Pick<StoreReader, 'read' | 'list'>;
  readonly #seen = new Set<string>();

  constructor(store: Pick<StoreReader, 'read' | 'list'>) {
    this.#store = store;
  }

  /** Whether there were new ones. @throws StoreError */
  async read(): Promise<boolean> {
    const before = this.#seen.size;
    const names = everyKey(this.#store as StoreReader, KEYS_PREFIX);
    const readers = Array.from({ length: READS }, async () => {
      for (;;) {
        // One generator for all: its calls queue, so each name goes to one reader.
        const next = await names.next();
        if (next.done === true) return;
        if (!this.#seen.has(next.value)) await this.#take(next.value);
      }
    });
    // All, also when one fails: none may go on behind the back of who asked.
    const failed = (await Promise.allSettled(readers)).find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    // Whatever order the answers came in.
    this.statements.sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
    this.faults.sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.#seen.size > before;
  }

  async #take(key: string): Promise<void> {
    if (!KEY_OBJECT.test(key)) {
      this.#seen.add(key);
      this.faults.push({ key, code: 'foreign_object', detail: 'not a key, by its name' });
      return;
    }
    const bytes = await this.#store.read(key);
    this.#seen.add(key);
    try {
      if (bytes === undefined) throw new KeyFormatError('listed, and it can not be read');
      const statement = parseKeyObject(utf8Decode(bytes));
      if (key !== keyObjectName(statement.fingerprint)) throw new KeyFormatError('the key in it has another fingerprint');
      this.statements.push(statement);
    } catch (error) {
      this.faults.push({ key, code: 'unknown_format', detail: `${key}: ${(error as Error).message}` });
    }
  }
}
