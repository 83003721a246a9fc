/**
 * Thousands of changes to stored files, each of which must be found, with the right code at the right place;
 * and thousands of sound chains, in which nothing may be found.
 *
 * Each run has a seed, which is named when it fails: INDELIBLE_SEED=<seed before the colon> repeats it.
 * INDELIBLE_RUNS multiplies the number of runs.
 */
import { chmod, mkdir, mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Segment } from '#indelible/core/segment.js';
import { receiptOf } from '#indelible/core/receipt.js';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import type { StoreReader } from '#indelible/storage/worm-store.js';
import { readEvidence } from '#indelible/verification/evidence.js';
import { openStore } from '#indelible/verification/store-config.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import { buildSegments, storeObjects, TEST_KEY } from '../support/chain-builder.js';
import { Random } from '../support/random.js';
import { MUTATIONS } from './mutations.js';
import type { Mutation } from './mutations.js';

const SEED = process.env['INDELIBLE_SEED'] ?? 'tampering';
const TIMES = Number(process.env['INDELIBLE_RUNS'] ?? 1);
const CHAINS = 24;
const trust = { keys: [{ publicKey: TEST_KEY.publicKey }] };

interface World {
  readonly root: string;
  readonly chainId: string;
  readonly segments: readonly Segment[];
}

let folder: string;
const worlds: World[] = [];
const stores = new Map<string, StoreReader>();

/** Chains of all shapes, each in a store of its own, through the store's own interface. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'indelible-tampering-'));
  for (let i = 0; i < CHAINS; i++) {
    const random = new Random(`${SEED}:world:${i}`);
    const counts = Array.from({ length: random.int(1, 9) }, () => random.pick([1, 1, 2, 3, random.int(4, 12)]));
    const segments = buildSegments({ chainId: `chain-${i}`, counts });
    const root = join(folder, String(i));
    const store = await FilesystemStore.open(root);
    for (const [key, bytes] of storeObjects([segments])) {
      await store.create(key, bytes, { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' });
    }
    await store.close();
    worlds.push({ root, chainId: `chain-${i}`, segments });
    stores.set(root, await openStore({ kind: 'filesystem', root }));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function verify({ root, chainId }: World, options: object = {}): Promise<VerificationReport> {
  return verifyChain({ store: stores.get(root)!, chainId, trust, ...options });
}

async function put(root: string, key: string, bytes: Uint8Array | undefined): Promise<void> {
  const path = join(root, key);
  await unlink(path).catch(() => undefined);
  if (bytes === undefined) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  await chmod(path, 0o444);
}

/** With the change in place; afterwards all is as before. */
async function changed(world: World, { changes }: Pick<Mutation, 'changes'>, check: () => Promise<void>): Promise<void> {
  const originals = new Map(world.segments.map((segment) => [segment.key, segment.bytes]));
  for (const [key, bytes] of changes) await put(world.root, key, bytes);
  try {
    await check();
  } finally {
    for (const key of changes.keys()) {
      await put(world.root, key, originals.get(key));
      if (key.includes('/sub/')) await rm(dirname(join(world.root, key)), { recursive: true });
    }
  }
}

function expectFound(report: VerificationReport, { segments }: World, { findings, description }: Mutation): void {
  const end = segments.at(-1)!.firstSequence;
  const found = report.findings.map(({ code, sequence, lastSequence, detail }) => ({ code, sequence, lastSequence, detail }));
  const say = `${description}\nexpected ${JSON.stringify(findings)}\nfound    ${JSON.stringify(found)}`;
  expect(report.verdict, say).toBe('tampered');
  expect(report.findings.length, say).toBe(findings.length);
  for (const [i, expected] of findings.entries()) {
    expect(expected.codes, say).toContain(found[i]!.code);
    if (expected.sequence !== undefined) expect(found[i]!.sequence, say).toBe(expected.sequence);
    // Where a damaged segment ends, the next one says; behind the very last one it may be unknown.
    if (expected.lastSequence !== undefined && expected.lastSequence < end) expect(found[i]!.lastSequence, say).toBe(expected.lastSequence);
  }
  const sequences = findings.flatMap(({ sequence }) => sequence ?? []);
  if (sequences.length > 0) expect(report.firstBadSequence, say).toBe(Math.min(...sequences));
  else expect(report.firstBadSequence, say).toBeUndefined();
}

describe('a change to the stored files is found, with its code and its place, when', () => {
  test.each(MUTATIONS)('%s', async (name, make) => {
    await Random.each(`${SEED}:${name}`, 340 * TIMES, async (random) => {
      // Not every chain has room for every change.
      for (let tries = 0; ; tries++) {
        const world = random.pick(worlds);
        const mutation = make(world.segments, random);
        if (mutation === undefined) {
          expect(tries).toBeLessThan(1_000);
          continue;
        }
        await changed(world, mutation, async () => expectFound(await verify(world), world, mutation));
        return;
      }
    });
  }, 300_000);

  test('several things happen at once', async () => {
    await Random.each(`${SEED}:several`, 200 * TIMES, async (random) => {
      const world = random.pick(worlds);
      const changes = new Map<string, Uint8Array | undefined>();
      for (let i = random.int(2, 4); i > 0; i--) {
        const [, make] = random.pick(MUTATIONS);
        for (const [key, bytes] of make(world.segments, random)?.changes ?? []) changes.set(key, bytes);
      }
      if (changes.size === 0) return;
      await changed(world, { changes }, async () => expect((await verify(world)).verdict).toBe('tampered'));
    });
  }, 300_000);
});

describe('a tail that is cut off at the end of a segment', () => {
  test('is not visible in the folder alone, and is found by anything that was kept', async () => {
    await Random.each(`${SEED}:tail`, 100 * TIMES, async (random) => {
      const world = random.pick(worlds.filter(({ segments }) => segments.length > 1));
      const keep = random.int(1, world.segments.length - 1);
      const cut = world.segments.slice(keep);
      const end = cut[0]!.firstSequence;
      await changed(world, { changes: new Map(cut.map(({ key }) => [key, undefined])) }, async () => {
        const alone = await verify(world);
        expect(alone).toMatchObject({ verdict: 'intact', head: { size: end } });
        expect(alone.statements.join()).toMatch(/tail is not proven complete/);
        const segment = random.pick(cut);
        const kept = random.pick([segment.checkpoint, JSON.stringify(receiptOf(segment, random.int(0, segment.count - 1)))]);
        const report = await verify(world, { against: [readEvidence(Buffer.from(kept), 'kept')] });
        expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: end, heldAgainst: [{ source: 'kept', outcome: 'contradicted' }] });
        expect(report.findings).toEqual([expect.objectContaining({ code: 'truncated_tail', sequence: end, lastSequence: segment.head.size - 1 })]);
      });
    });
  });

  test('or is the whole chain, is found too', async () => {
    const world = worlds[0]!;
    const changes = new Map(world.segments.map(({ key }) => [key, undefined]));
    await changed(world, { changes }, async () => {
      expect(await verify(world)).toMatchObject({ verdict: 'indeterminate', findings: [] });
      const kept = readEvidence(Buffer.from(world.segments.at(-1)!.checkpoint), 'kept');
      expect(await verify(world, { against: [kept] })).toMatchObject({ verdict: 'tampered', firstBadSequence: 0, findings: [{ code: 'truncated_tail' }] });
    });
  });
});

describe('a tail that is replaced by another signed history', () => {
  test('is not visible in the folder alone, and is found by anything that was kept', async () => {
    await Random.each(`${SEED}:other tail`, 60 * TIMES, async (random) => {
      const world = random.pick(worlds);
      const at = random.int(0, world.segments.length - 1);
      const tail = world.segments.slice(at);
      const other = buildSegments({
        chainId: world.chainId,
        counts: tail.map(({ count }) => count),
        event: (sequence) => `{"action":"other","actor":{"id":"${sequence}","type":"user"}}`,
        ...(at === 0 ? {} : { after: world.segments[at - 1]!.head }),
      });
      await changed(world, { changes: new Map(other.map(({ key, bytes }) => [key, bytes])) }, async () => {
        expect((await verify(world)).verdict).toBe('intact');
        const segment = random.pick(tail);
        const receipt = random.next() < 0.5;
        const kept = receipt ? JSON.stringify(receiptOf(segment, random.int(0, segment.count - 1))) : segment.checkpoint;
        const report = await verify(world, { against: [readEvidence(Buffer.from(kept), 'kept')] });
        expect(report).toMatchObject({ verdict: 'tampered', findings: [{ code: 'fork', lastSequence: segment.head.size - 1 }], heldAgainst: [{ outcome: 'contradicted' }] });
      });
    });
  });
});

describe('a sound chain', () => {
  test('gives no false alarm, whatever its shape', async () => {
    const root = await mkdtemp(join(folder, 'clean-'));
    for (const [key, bytes] of storeObjects([])) await put(root, key, bytes);
    const store = await openStore({ kind: 'filesystem', root });
    await Random.each(`${SEED}:clean`, 1_000 * TIMES, async (random) => {
      const chainId = `c${random.int(0, 2 ** 31)}`;
      const counts = Array.from({ length: random.int(1, 6) }, () => random.pick([1, 2, random.int(1, 20)]));
      const segments = buildSegments({ chainId, counts, event: (sequence) => JSON.stringify({ action: 'a', note: 'x'.repeat(random.int(0, 300)), sequence }) });
      for (const { key, bytes } of segments) await put(root, key, bytes);
      const size = segments.at(-1)!.head.size;
      const kept = random.pick(segments);
      const against = [readEvidence(Buffer.from(kept.checkpoint), 'a'), readEvidence(Buffer.from(JSON.stringify(receiptOf(kept, 0))), 'b')];
      const report = await verifyChain({ store, chainId, trust, against });
      expect(report).toMatchObject({ verdict: 'intact', findings: [], entriesChecked: size, range: { from: 0, to: size - 1 }, head: { size } });
      expect(report.heldAgainst.map(({ outcome }) => outcome)).toEqual(['contained', 'contained']);
      await rm(join(root, 'chains'), { recursive: true });
    });
  }, 300_000);
});
