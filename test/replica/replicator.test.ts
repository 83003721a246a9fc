/**
 * The second bucket. What is at stake: an entry called `replicated` that is not there when the first bucket is
 * lost; a difference between the two that nobody is told of; appends that suffer from any of it.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { segmentKey } from '#indelible/core/chain.js';
import { SelfTestFailed } from '#indelible/storage/self-test.js';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { buildSegments } from '../support/chain-builder.js';
import type { Fault, Operation } from '../support/faulty-store.js';
import { moodyStore } from '../support/moody-store.js';
import type { Moods } from '../support/moody-store.js';
import { scratchFolders } from '../support/scratch.js';
import { VersionedStore } from '../support/versioned-store.js';
import { until } from '../support/until.js';
import { CHAIN, RETENTION, World } from './world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

describe('copying', () => {
  it('brings every object to the second store, with the retention asked for, while appends go on', async () => {
    const opened = world.open();
    await world.appendSegments(opened.ledger, 40);
    await world.append(opened.ledger, 5, 'other');
    await world.replicated(opened);
    await world.replicated(opened, 'other');
    await world.bothEqual([CHAIN, 'other']);
    for (const key of world.second.snapshot().keys()) expect((await world.second.versions(key))[0]?.retention).toEqual(RETENTION);
    expect(opened.replica.check()).toEqual({ name: 'replica', status: 'ok' });
    expect(opened.replica.lag).toBe(0);
    expect([world.differences, world.trouble]).toEqual([[], []]);
  });

  it('states deployment and keys before the first segment that needs them', async () => {
    const opened = world.open();
    await world.append(opened.ledger, 1);
    await world.replicated(opened);
    const created = opened.second.calls.filter(({ operation }) => operation === 'create').map(({ key }) => key);
    expect(created.slice(0, 2)).toEqual(['deployment.json', expect.stringMatching(/^keys\//)]);
    expect(created[2]).toBe(segmentKey(CHAIN, 0));
  });

  it('of a chain that is there already goes on where the second store ends, and copies nothing twice', async () => {
    const before = world.open();
    await world.appendSegments(before.ledger, 50);
    await world.replicated(before);
    await before.close();
    const quiet = world.open({ copies: false });
    await world.appendSegments(quiet.ledger, 30);
    await quiet.close();
    const opened = world.open();
    await world.replicated(opened);
    await world.bothEqual();
    expect(opened.second.calls.filter(({ operation, key }) => operation === 'create' && key.startsWith('chains/'))).toHaveLength(30);
  });

  it('fills the holes that a copier which died, or a replication in no order, has left', async () => {
    const before = world.open({ copies: false });
    await world.appendSegments(before.ledger, 40);
    await before.close();
    for (const [n, key] of world.keys().entries()) if (n < 5 || n === 7 || n === 30) world.second.tamper(key, world.first.snapshot().get(key));
    const opened = world.open();
    await world.replicated(opened);
    await world.bothEqual();
    expect(world.differences).toEqual([]);
  });

  it('by several processes at once is done once, and all of them know', async () => {
    const all = Array.from({ length: 3 }, () => world.open({ answerWithinMs: 10_000 }));
    await Promise.all(all.map(async ({ ledger }) => world.appendSegments(ledger, 10)));
    for (const opened of all) await world.replicated(opened);
    await world.bothEqual();
    expect(world.differences).toEqual([]);
  });

  it('is seen by a process that only looks, and that one never writes', async () => {
    const [copier, looker] = [world.open(), world.open({ copies: false })];
    await world.appendSegments(looker.ledger, 10);
    await world.replicated(copier);
    await world.replicated(looker);
    expect(looker.second.calls.some(({ operation }) => operation === 'create')).toBe(false);
  });

  it('to a folder works as to a bucket', { timeout: 30_000 }, async () => {
    const store = await FilesystemStore.open(await folder());
    const opened = world.open({ inner: store, secondTimeoutMs: 5_000 });
    await world.appendSegments(opened.ledger, 5);
    await until(() => opened.replica.replicatedThrough(CHAIN) === world.size());
    for (const [key, bytes] of world.first.snapshot()) expect(Buffer.compare((await store.read(key))!, bytes)).toBe(0);
    await opened.close();
    await store.close();
  });

  it('writes nothing to a bucket that was not found fit', async () => {
    let isFit = false;
    const opened = world.open({ prepare: () => (isFit ? Promise.resolve() : Promise.reject(new SelfTestFailed('second', 'it locks', 'it does not'))) });
    await world.append(opened.ledger, 3);
    await until(() => opened.replica.check().status === 'degraded');
    expect(world.second.snapshot().size).toBe(0);
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(0);
    isFit = true;
    await world.replicated(opened);
  });
});

describe('copying by the provider of the second bucket', () => {
  /** As a bucket replication does: in no order, and some time later. */
  const replicate = (keys: readonly string[]): void => keys.forEach((key) => world.second.tamper(key, world.first.snapshot().get(key)));

  it('is confirmed copy by copy, and this process writes nothing there', async () => {
    const opened = world.open({ copies: false, compares: true });
    await world.appendSegments(opened.ledger, 12);
    const keys = world.keys();
    replicate(keys.slice(6));
    await until(() => opened.second.calls.length > 5);
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(0);
    replicate([...world.first.snapshot().keys()]);
    await world.replicated(opened);
    for (const key of keys) expect(opened.second.calls.filter((call) => call.key === key && call.operation === 'read'), key).not.toHaveLength(0);
    expect(opened.second.calls.some(({ operation }) => operation === 'create')).toBe(false);
    expect(world.differences).toEqual([]);
  });

  it('is not believed where it brought other bytes: the entry is durable, and the difference told', async () => {
    const opened = world.open({ copies: false, compares: true });
    await world.append(opened.ledger, 2);
    await world.append(opened.ledger, 1);
    const [first, second] = world.keys();
    replicate(['deployment.json', ...[...world.first.snapshot().keys()].filter((key) => key.startsWith('keys/')), first!]);
    world.second.tamper(second!, Buffer.from('not what was written'));
    await until(() => world.codes().includes('foreign_object'));
    world.claimIsTrue(opened.replica);
    expect(opened.replica.replicatedThrough(CHAIN)).toBeLessThan(3);
    replicate([second!]);
    await world.replicated(opened);
    await until(() => opened.replica.check().status === 'ok');
  });

  it('of another deployment is refused', async () => {
    const opened = world.open({ copies: false, compares: true });
    await world.append(opened.ledger, 1);
    replicate([...world.first.snapshot().keys()]);
    world.second.tamper('deployment.json', Buffer.from('{}'));
    await until(() => world.codes().includes('foreign_object'));
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(0);
  });
});

const folder = scratchFolders();

describe('a second store that is down, slow or full', () => {
  const operations: readonly Operation[] = ['create', 'versions', 'list', 'read'];
  const faults: readonly Fault[] = ['not-stored', 'disk-full', 'unknown-not-stored', 'unknown-stored', 'hang', 'hang-stored', 'late'];

  it('never touches appends; the lag is told, and is made up for by itself', async () => {
    const moods: Moods = { create: 'refuses', others: 'refuses' };
    const opened = world.open({ inner: moodyStore(world.second, moods) });
    await world.appendSegments(opened.ledger, 10);
    expect(world.receipts.length).toBeGreaterThan(0);
    await until(() => opened.replica.check().status === 'degraded');
    expect(opened.replica.lag).toBe(world.size());
    expect(opened.replica.check().detail).toContain(`${world.size()} entries`);
    Object.assign(moods, { create: 'well', others: 'well' });
    await until(() => opened.replica.replicatedThrough(CHAIN) === world.size());
    await world.bothEqual();
    await until(() => opened.replica.check().status === 'ok');
    expect(opened.replica.lag).toBe(0);
    expect(world.differences).toEqual([]);
  });

  it('that hangs delays no append', async () => {
    const opened = world.open({ plan: operations.flatMap((operation) => Array.from({ length: 3 }, (_, i) => ({ operation, call: i + 1, fault: 'hang' as const }))) });
    // Done while not one of them has been answered.
    await world.appendSegments(opened.ledger, 20);
    await opened.second.release();
    await until(() => opened.replica.replicatedThrough(CHAIN) === world.size());
    await world.bothEqual();
  });

  it.each(faults)('meets %s anywhere, is restarted anywhere: the copy is whole, and no claim was ever false', async (fault) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ operation: fc.constantFrom(...operations), call: fc.integer({ min: 1, max: 12 }) }), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 }),
        async (where, runs) => {
          world = new World();
          try {
            for (const segments of runs) {
              const opened = world.open({ plan: where.map(({ operation, call }) => ({ operation, call, fault })) });
              await world.appendSegments(opened.ledger, segments);
              world.claimIsTrue(opened.replica);
              await opened.close();
              world.claimIsTrue(opened.replica);
            }
            const last = world.open();
            await world.replicated(last);
            await world.bothEqual();
            expect(world.differences).toEqual([]);
          } finally {
            await world.close();
          }
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe('attacks on the second store', () => {
  it('junk at the next key stops that chain alone, is reported once, and the entries stay durable', async () => {
    world.second.tamper(segmentKey(CHAIN, 3), Buffer.from('junk'));
    const opened = world.open();
    await world.append(opened.ledger, 3);
    await world.append(opened.ledger, 4);
    await world.append(opened.ledger, 2, 'other');
    await world.replicated(opened, 'other');
    await until(() => world.codes().includes('foreign_object'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(3);
    expect(world.codes()).toEqual(['foreign_object']);
    expect(world.differences[0]).toMatchObject({ chainId: CHAIN, key: segmentKey(CHAIN, 3) });
    expect(opened.replica.check()).toMatchObject({ status: 'degraded', detail: expect.stringContaining('foreign_object') as unknown });
    await world.append(opened.ledger, 1);
    // Once it is cleared, copying goes on by itself.
    world.second.tamper(segmentKey(CHAIN, 3), undefined);
    await until(() => opened.replica.replicatedThrough(CHAIN) === world.size());
    expect(opened.replica.check().status).toBe('ok');
  });

  it('junk planted while nobody copied, behind which true copies lie, is found at start', async () => {
    const before = world.open({ copies: false });
    await world.appendSegments(before.ledger, 12);
    await before.close();
    for (const [n, key] of world.keys().entries()) world.second.tamper(key, n === 9 ? Buffer.from('junk') : world.first.snapshot().get(key));
    const opened = world.open();
    await until(() => world.codes().includes('foreign_object'));
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(Number(/(\d{20})/.exec(world.keys()[9]!)![1]));
    world.claimIsTrue(opened.replica);
  });

  it('junk at a key is no copy for a process that only looks, either', async () => {
    world.second.tamper(segmentKey(CHAIN, 0), Buffer.from('junk'));
    const looker = world.open({ copies: false });
    await world.append(looker.ledger, 1);
    await until(() => looker.second.calls.filter(({ operation, key }) => operation === 'read' && key === segmentKey(CHAIN, 0)).length > 1);
    expect(looker.replica.replicatedThrough(CHAIN)).toBe(0);
    world.second.tamper(segmentKey(CHAIN, 0), world.first.snapshot().get(segmentKey(CHAIN, 0)));
    await world.replicated(looker);
  });

  it('a segment that was changed and keeps its true signature can not stop the copying in a bucket with versions', async () => {
    const before = world.open({ copies: false });
    await world.appendSegments(before.ledger, 3);
    await before.close();
    const bucket = new VersionedStore();
    const key = world.keys()[1]!;
    const changed = new Uint8Array(world.first.snapshot().get(key)!);
    changed[changed.length >> 1]! ^= 1;
    bucket.attack.put(key, changed);
    const opened = world.open({ inner: bucket });
    await until(() => opened.replica.replicatedThrough(CHAIN) === world.size());
    const versions = await bucket.versions(key);
    expect(versions).toHaveLength(2);
    expect(await bucket.read(key, versions[1]!.versionId)).toEqual(new Uint8Array(world.first.snapshot().get(key)!));
    // That something signed was older than the copy is said.
    expect(world.codes()).toContain('fork');
  });

  it('a true segment put far ahead makes nothing before it replicated', async () => {
    const before = world.open({ copies: false });
    await world.appendSegments(before.ledger, 60);
    await before.close();
    const ahead = world.keys().at(-1)!;
    world.second.tamper(ahead, world.first.snapshot().get(ahead));
    const opened = world.open({ copies: false });
    await until(() => opened.second.calls.filter(({ operation }) => operation === 'list').length > 5);
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(0);
  });

  it('an object that was swapped is a fork if it is signed', async () => {
    const before = world.open({ copies: false });
    await world.append(before.ledger, 2);
    await before.close();
    const other = buildSegments({ chainId: CHAIN, counts: [2] })[0]!;
    world.second.tamper(other.key, other.bytes);
    const opened = world.open();
    await until(() => world.codes().includes('fork'));
    expect(opened.replica.replicatedThrough(CHAIN)).toBe(0);
    expect(opened.replica.check()).toMatchObject({ status: 'degraded' });
    await world.append(opened.ledger, 1);
  });

  it('objects taken away are noticed, reported, and copied again', async () => {
    const opened = world.open();
    await world.appendSegments(opened.ledger, 10);
    await world.replicated(opened);
    for (const key of world.keys().slice(6)) world.second.tamper(key, undefined);
    await until(() => world.codes().includes('missing_object'));
    await until(() => world.second.snapshot().size === world.first.snapshot().size);
    await world.replicated(opened);
    await world.bothEqual();
    await until(() => opened.replica.check().status === 'ok');
  });

  it('junk far ahead is reported, and neither stops the copying nor is taken for a head', async () => {
    world.second.tamper(segmentKey(CHAIN, 5_000_000), Buffer.from('junk'));
    const opened = world.open();
    await world.appendSegments(opened.ledger, 5);
    await world.replicated(opened);
    await until(() => world.codes().includes('foreign_object'));
    expect(opened.replica.cutOff(CHAIN)).toBeUndefined();
    expect(await opened.replica.replicaHead(CHAIN)).toMatchObject({ size: world.size() });
    await world.append(opened.ledger, 1);
  });
});

describe('a first store that has lost its end', () => {
  it('is found at start by the second: readiness fails, and nothing is appended in its place', async () => {
    const before = world.open();
    await world.appendSegments(before.ledger, 10);
    await world.replicated(before);
    await before.close();
    for (const key of world.keys().slice(7)) world.first.tamper(key, undefined);
    const left = world.first.snapshot();

    const opened = world.open();
    await opened.replica.looked();
    expect(opened.replica.check()).toMatchObject({ status: 'failed', detail: expect.stringContaining('truncated_tail') as unknown });
    expect(world.codes()).toContain('truncated_tail');
    await expect(world.append(opened.ledger, 1)).rejects.toMatchObject({ code: 'chain_halted', message: expect.stringContaining('truncated_tail') as unknown });
    await world.append(opened.ledger, 1, 'other');
    expect([...world.first.snapshot().keys()].filter((key) => key.includes(CHAIN))).toEqual([...left.keys()].filter((key) => key.includes(CHAIN)));
    expect(await opened.replica.replicaHead(CHAIN)).toMatchObject({ size: world.size() });
  });

  it('or the whole chain, too', async () => {
    const before = world.open();
    await world.appendSegments(before.ledger, 4);
    await world.replicated(before);
    await before.close();
    for (const key of world.keys()) world.first.tamper(key, undefined);
    const opened = world.open();
    await opened.replica.looked();
    expect(world.codes()).toContain('truncated_tail');
    await expect(world.append(opened.ledger, 1)).rejects.toMatchObject({ code: 'chain_halted' });
  });

  it('is found while the service runs, and appends go on once it is mended', async () => {
    const opened = world.open();
    await world.appendSegments(opened.ledger, 10);
    await world.replicated(opened);
    const taken = world.keys().slice(8).map((key) => [key, world.first.snapshot().get(key)] as const);
    for (const [key] of taken) world.first.tamper(key, undefined);
    await until(() => opened.replica.check().status === 'failed');
    await expect(world.append(opened.ledger, 1)).rejects.toMatchObject({ code: 'chain_halted' });
    for (const [key, bytes] of taken) world.first.tamper(key, bytes);
    await until(() => opened.replica.check().status === 'ok');
    await world.append(opened.ledger, 1);
  });

  it('a second store that says nothing makes nobody wait long, and refuses nothing', async () => {
    const opened = world.open({ plan: [{ operation: 'list', call: 1, fault: 'hang' }, { operation: 'list', call: 2, fault: 'not-stored' }] });
    await opened.replica.looked();
    expect(await opened.replica.replicaHead('nothing')).toBeUndefined();
    await world.append(opened.ledger, 1);
    await world.replicated(opened);
  });
});

describe('reading from either', () => {
  it('entries come from the second where the first fails, lacks the object or holds something else', async () => {
    const before = world.open();
    await world.appendSegments(before.ledger, 10);
    await world.replicated(before);
    await before.close();
    const opened = world.open();
    await opened.ledger.chain(CHAIN);
    const [gone, changed] = [world.keys()[2]!, world.keys()[4]!];
    world.first.tamper(gone, undefined);
    world.first.tamper(changed, Buffer.from('changed'));
    for (let sequence = 0; sequence < world.size(); sequence++) {
      const { segment, at } = await opened.ledger.entry(CHAIN, sequence);
      expect(segment.payloads[at]).toBe(world.receipts[sequence]!.payload);
    }
    expect([...new Set(world.fallbacks)]).toEqual([gone, changed]);
  });

  it('and while the first does not answer at all; what is not replicated yet is unavailable, not absent', async () => {
    const opened = world.open();
    await world.appendSegments(opened.ledger, 6);
    await world.replicated(opened);
    const known = world.size();
    await opened.close();
    const again = world.open({ copies: false });
    await again.ledger.chain(CHAIN);
    await world.append(again.ledger, 2);
    const last = world.open({ copies: false });
    await last.ledger.chain(CHAIN);
    last.first.plan(...(['read', 'list', 'versions'] as const).flatMap((operation) => Array.from({ length: 500 }, (_, i) => ({ operation, call: i + 1, fault: 'not-stored' as const }))));
    expect((await last.ledger.entry(CHAIN, known - 1)).segment).toBeDefined();
    await expect(last.ledger.entry(CHAIN, known + 1)).rejects.toMatchObject({ name: 'StoreError' });
  });

  it('never serves what the second holds unsigned', async () => {
    const opened = world.open();
    await world.append(opened.ledger, 2);
    await world.replicated(opened);
    await opened.close();
    const again = world.open({ copies: false });
    await again.ledger.chain(CHAIN);
    world.first.tamper(segmentKey(CHAIN, 0), undefined);
    world.second.tamper(segmentKey(CHAIN, 0), Buffer.from('forged'));
    await expect(again.ledger.entry(CHAIN, 0)).rejects.toMatchObject({ code: 'chain_halted' });
  });
});
