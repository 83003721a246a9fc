/** One process's ledger with its index in memory, on the store that the test gives it; all of them sign with one key. */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { PublicKey } from '#indelible/core/note.js';
import { systemHost } from '#indelible/ledger/host.js';
import type { Host } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Signer } from '#indelible/signing/signer.js';
import type { WormStore } from '#indelible/storage/worm-store.js';
import { MemoryIndex } from './memory-index.js';

export const DEPLOYMENT = 'memory.test';
const KEYS = generateKeyPairSync('ed25519');
export const PUBLIC_KEY: PublicKey = { algorithm: 'ed25519', spki: KEYS.publicKey.export({ format: 'der', type: 'spki' }) };
const SIGNER: Signer = { kind: 'local', publicKey: PUBLIC_KEY, sign: (message) => Promise.resolve(sign(null, message, KEYS.privateKey)) };

export interface Times {
  readonly answerWithinMs: number;
  readonly callTimeoutMs: number;
}

export function openMemoryLedger(store: WormStore, writerId: string, times: Times, host: Host = systemHost): Ledger {
  return new Ledger({
    store,
    signer: SIGNER,
    trust: new ChainTrust(DEPLOYMENT, [PUBLIC_KEY]),
    index: new MemoryIndex(),
    host,
    writerId,
    limits: { maxQueuedEntries: 100, maxQueuedBytes: 1_000_000, ...times },
    retention: () => ({ mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' }),
    onCommitted: () => undefined,
    onTrouble: () => undefined,
    onFinding: () => undefined,
  });
}

/** The same store, but for some of its calls. */
export function storeWith(store: WormStore, changed: Partial<WormStore>): WormStore {
  return {
    kind: store.kind,
    location: store.location,
    versioned: store.versioned,
    create: (key, bytes, retention) => store.create(key, bytes, retention),
    read: (key, version) => store.read(key, version),
    versions: (key) => store.versions(key),
    list: (prefix, options) => store.list(prefix, options),
    strays: (prefix) => store.strays(prefix),
    settle: (prefix) => store.settle(prefix),
    close: () => store.close(),
    ...changed,
  };
}
