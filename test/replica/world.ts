/** A ledger over one store and its replica in another, both in memory, with what was reported. */
import { expect } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import { receiptOf } from '#indelible/core/receipt.js';
import { segmentPrefix } from '#indelible/core/chain.js';
import { systemHost } from '#indelible/ledger/host.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import { SegmentReader } from '#indelible/ledger/reader.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import type { Difference } from '#indelible/replica/difference.js';
import { FallbackReader } from '#indelible/replica/fallback-reader.js';
import { Replica } from '#indelible/replica/replica.js';
import { boundCalls } from '#indelible/storage/bounded.js';
import type { Retention, WormStore } from '#indelible/storage/worm-store.js';
import { auditChain } from '../support/audit.js';
import { storeObjects, TEST_DEPLOYMENT, TEST_KEY } from '../support/chain-builder.js';
import { FaultyStore } from '../support/faulty-store.js';
import type { PlannedFault } from '../support/faulty-store.js';
import { MemoryIndex } from '../support/memory-index.js';
import { MemoryStore } from '../support/memory-store.js';
import { until } from '../support/until.js';

export const CHAIN = 'orders';
export const RETENTION: Retention = { mode: 'governance', retainUntil: '2099-01-01T00:00:00Z' };
export const TRUST = new ChainTrust(TEST_DEPLOYMENT, [TEST_KEY.publicKey]);

export interface Opened {
  readonly ledger: Ledger;
  readonly replica: Replica;
  /** The second store as the replica sees it. */
  readonly second: FaultyStore;
  /** The first as the ledger sees it. */
  readonly first: FaultyStore;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly plan?: readonly PlannedFault[];
  readonly copies?: boolean;
  readonly compares?: boolean;
  readonly lookEveryMs?: number;
  readonly prepare?: () => Promise<void>;
  /** Of an append to the first. Default 200; writers that race for one chain wait for each other. */
  readonly answerWithinMs?: number;
  /** Of a call to the second. Default 60. */
  readonly secondTimeoutMs?: number;
  /** The store behind the second. */
  readonly inner?: WormStore;
}

export class World {
  readonly first = new MemoryStore();
  readonly second = new MemoryStore();
  readonly differences: Difference[] = [];
  readonly trouble: unknown[] = [];
  readonly fallbacks: string[] = [];
  readonly receipts: Receipt[] = [];
  readonly #open = new Set<Opened>();

  constructor() {
    for (const [key, bytes] of storeObjects([])) this.first.tamper(key, bytes);
  }

  open(options: OpenOptions = {}): Opened {
    const first = new FaultyStore(this.first);
    const second = new FaultyStore(options.inner ?? this.second, options.plan);
    const bounded = boundCalls(second, (ms, callback) => systemHost.after(ms, callback), options.secondTimeoutMs ?? 60);
    const ledger = new Ledger({
      store: first,
      signer: TEST_KEY,
      trust: TRUST,
      index: new MemoryIndex(),
      host: systemHost,
      writerId: 'writer',
      limits: { maxQueuedEntries: 10_000, maxQueuedBytes: 100_000_000, answerWithinMs: options.answerWithinMs ?? 200, callTimeoutMs: 60 },
      retention: () => RETENTION,
      onCommitted: () => undefined,
      onFinding: () => undefined,
      onTrouble: () => undefined,
      cutOff: (chainId) => replica.cutOff(chainId),
      readThrough: (reader) => new FallbackReader(reader, new SegmentReader(bounded, TRUST), (segment) => this.fallbacks.push(segment.key)),
    });
    const replica: Replica = new Replica({
      ledger,
      first: boundCalls(first, (ms, callback) => systemHost.after(ms, callback), 60),
      second: bounded,
      trust: TRUST,
      host: systemHost,
      copies: options.copies ?? true,
      compares: options.compares ?? false,
      retention: () => RETENTION,
      prepare: options.prepare ?? (() => Promise.resolve()),
      lookEveryMs: options.lookEveryMs ?? 20,
      inspectEveryMs: options.lookEveryMs ?? 20,
      onDifference: (difference) => this.differences.push(difference),
      onTrouble: (_, error) => this.trouble.push(error),
    });
    const opened: Opened = {
      ledger,
      replica,
      first,
      second,
      close: async () => {
        this.#open.delete(opened);
        // As a dead process lets go: nothing that hangs is waited for.
        await second.release();
        await ledger.close(Promise.resolve());
        await opened.replica.close();
      },
    };
    this.#open.add(opened);
    return opened;
  }

  async append(ledger: Ledger, count: number, chainId = CHAIN): Promise<void> {
    const items = Array.from({ length: count }, (_, i) => ({ event: `{"action":"a","actor":{"id":"u${this.receipts.length + i}","type":"t"}}` }));
    for (const { segment, at } of await ledger.append(chainId, items)) this.receipts.push(receiptOf(segment, at));
  }

  /** Appends so many segments, one after another, of 1 to 3 entries. */
  async appendSegments(ledger: Ledger, count: number, chainId = CHAIN): Promise<void> {
    for (let n = 0; n < count; n++) await this.append(ledger, 1 + (n % 3), chainId);
  }

  /** The keys of the chain's segments in the first store. */
  keys(chainId = CHAIN): readonly string[] {
    return [...this.first.snapshot().keys()].filter((key) => key.startsWith(segmentPrefix(chainId)));
  }

  size(chainId = CHAIN): number {
    return this.receipts.filter((receipt) => receipt.chainId === chainId).length;
  }

  /** The whole chain is known to be replicated; what was claimed on the way was true at each moment. */
  async replicated({ replica }: Opened, chainId = CHAIN): Promise<void> {
    await until(() => {
      this.claimIsTrue(replica, chainId);
      return replica.replicatedThrough(chainId) === this.size(chainId);
    });
  }

  /** What is called replicated lies in the second store, byte for byte. */
  claimIsTrue(replica: Pick<Replica, 'replicatedThrough'>, chainId = CHAIN): void {
    const through = replica.replicatedThrough(chainId);
    const second = this.second.snapshot();
    for (const [key, bytes] of this.first.snapshot()) {
      const first = Number(/\/segments\/(\d{20})\.ndjson$/.exec(key)?.[1]);
      if (!key.startsWith(segmentPrefix(chainId)) || first >= through) continue;
      expect(second.get(key), `${key} is called replicated (through ${through})`).toEqual(bytes);
    }
  }

  /** Both hold the same, and it is what was acknowledged. */
  async bothEqual(chainIds: readonly string[] = [CHAIN]): Promise<void> {
    expect([...this.second.snapshot()]).toEqual([...this.first.snapshot()]);
    for (const chainId of chainIds) {
      const receipts = this.receipts.filter((receipt) => receipt.chainId === chainId);
      await auditChain((key) => this.second.read(key), { deployment: TEST_DEPLOYMENT, chainId, publicKey: TEST_KEY.publicKey }, receipts);
    }
  }

  codes(): readonly string[] {
    return this.differences.map(({ code }) => code);
  }

  async close(): Promise<void> {
    for (const opened of [...this.#open]) await opened.close();
  }
}
