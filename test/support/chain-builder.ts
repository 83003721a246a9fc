/** Builds real chains, segment by segment, without the service: for tests of whoever reads them. */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalize } from '#indelible/core/canonical.js';
import { emptyHead, originOf } from '#indelible/core/chain.js';
import type { ChainHead } from '#indelible/core/chain.js';
import { formatPayload } from '#indelible/core/entry.js';
import { noteKey } from '#indelible/core/note.js';
import type { NoteKey, PublicKey } from '#indelible/core/note.js';
import { draftSegment } from '#indelible/core/segment.js';
import type { Segment } from '#indelible/core/segment.js';
import { formatMicros } from '#indelible/ledger/host.js';
import type { Signer } from '#indelible/signing/signer.js';

/** PKCS #8 of an Ed25519 key is this and the 32-byte seed (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export class TestKey implements Signer {
  readonly kind = 'local';
  readonly publicKey: PublicKey;
  readonly #key: KeyObject;

  constructor(seed: number) {
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, seed)]), format: 'der', type: 'pkcs8' });
    this.publicKey = { algorithm: 'ed25519', spki: createPublicKey(this.#key).export({ format: 'der', type: 'spki' }) };
  }

  signNow(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#key);
  }

  sign(message: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(this.signNow(message));
  }
}

export const TEST_DEPLOYMENT = 'test.example/log';
export const TEST_KEY = new TestKey(7);
const START_MICROS = Date.UTC(2026, 0, 1) * 1_000;

export interface ChainPlan {
  readonly chainId: string;
  /** Entries of each segment. */
  readonly counts: readonly number[];
  readonly deployment?: string;
  readonly key?: TestKey;
  /** Event of an entry. Default: a short one. */
  readonly event?: (sequence: number) => string;
  /** To go on from. */
  readonly after?: ChainHead;
}

export function defaultEvent(sequence: number): string {
  return canonicalize({ action: 'order.placed', actor: { id: `u-${sequence % 97}`, type: 'user' }, metadata: { n: sequence, note: 'ü€😀' } });
}

/** The segments of a chain, signed. */
export function buildSegments(plan: ChainPlan): Segment[] {
  const { chainId, counts, deployment = TEST_DEPLOYMENT, key = TEST_KEY, event = defaultEvent } = plan;
  const name = noteKey(originOf(deployment, chainId), key.publicKey);
  let head = plan.after ?? emptyHead(chainId);
  return counts.map((count, i) => {
    const segment = buildSegment(head, count, `writer${i % 3}`, name, key, event);
    head = segment.head;
    return segment;
  });
}

function buildSegment(head: ChainHead, count: number, writerId: string, name: NoteKey, key: TestKey, event: (sequence: number) => string): Segment {
  const { chainId } = head;
  let receivedAt = '';
  const payloads = Array.from({ length: count }, (_, i) => {
    const sequence = head.size + i;
    // Every other entry has the time of the one before it: that is allowed.
    receivedAt = formatMicros(START_MICROS + Math.floor(sequence / 2) * 1_000_003);
    return formatPayload({ chainId, entryId: `e-${sequence}`, event: event(sequence), receivedAt, sequence, writerId });
  });
  const draft = draftSegment(head, payloads, receivedAt, writerId, name);
  return draft.seal(key.signNow(Buffer.from(draft.checkpointText)));
}

/** All objects of a store with these chains: what lies where. */
export function storeObjects(chains: readonly (readonly Segment[])[], deployment = TEST_DEPLOYMENT, keys: readonly TestKey[] = [TEST_KEY]): Map<string, Uint8Array> {
  const createdAt = formatMicros(START_MICROS);
  const objects = new Map<string, Uint8Array>();
  objects.set('deployment.json', Buffer.from(canonicalize({ createdAt, deployment, format: 'indelible/deployment/v1' })));
  for (const { publicKey } of keys) objects.set(keyObjectName(publicKey), Buffer.from(keyObject(publicKey, createdAt)));
  for (const segments of chains) for (const { key, bytes } of segments) objects.set(key, bytes);
  return objects;
}

function keyObject({ algorithm, spki }: PublicKey, createdAt: string): string {
  return canonicalize({ algorithm, createdAt, format: 'indelible/key/v1', publicKey: Buffer.from(spki).toString('base64') });
}

function keyObjectName({ spki }: PublicKey): string {
  return `keys/${createHash('sha256').update(spki).digest('hex')}.json`;
}


/** Writes objects as a filesystem store has them, without its durability: for throw-away folders. */
export async function putObjects(root: string, objects: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [key, bytes] of objects) {
    await mkdir(dirname(join(root, key)), { recursive: true });
    await writeFile(join(root, key), bytes);
  }
}
