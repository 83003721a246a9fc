import { mkdir, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { noteKey } from '#indelible/core/note.js';
import { StoreError } from '#indelible/storage/worm-store.js';
import type { StoreReader } from '#indelible/storage/worm-store.js';
import { readEvidence } from '#indelible/verification/evidence.js';
import { openStore } from '#indelible/verification/store-config.js';
import type { VerificationProgress, VerificationReport } from '#indelible/verification/report.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import type { VerifyChainOptions } from '#indelible/verification/verify-chain.js';
import { buildSegments, putObjects, storeObjects, TEST_DEPLOYMENT, TEST_KEY } from '../support/chain-builder.js';
import type { MemoryStore } from '../support/memory-store.js';
import { Random } from '../support/random.js';
import { scratchFolders } from '../support/scratch.js';
import { overriding, sideBySide, storeOf } from '../support/stores.js';
import { MUTATIONS } from '../tampering/mutations.js';

const chainId = 'orders';
const segments = buildSegments({ chainId, counts: [4, 1, 7, 2, 3, 3] });
const size = segments.at(-1)!.head.size;
const objects = storeObjects([segments]);
const scratch = scratchFolders();

function verify(store: StoreReader, options: Partial<VerifyChainOptions> = {}): Promise<VerificationReport> {
  return verifyChain({ store, chainId, ...options });
}

/** The report without what differs from run to run. */
function timeless(report: VerificationReport): object {
  return { ...report, startedAt: '', finishedAt: '' };
}

describe('a sound chain', () => {
  test('is intact; the report says what was read, whom it trusts, and where the chain ends', async () => {
    const report = await verify(storeOf(objects));
    expect(report).toMatchObject({
      format: 'indelible/verification/v1',
      chainId,
      deployment: TEST_DEPLOYMENT,
      verdict: 'intact',
      range: { from: 0, to: size - 1 },
      entriesChecked: size,
      findings: [],
      findingsOmitted: 0,
      heldAgainst: [],
      trust: { source: 'store', keyIds: [noteKey(`${TEST_DEPLOYMENT}/${chainId}`, TEST_KEY.publicKey).keyId] },
      head: { size, checkpoint: segments.at(-1)!.checkpoint, receivedAt: segments.at(-1)!.head.lastReceivedAt },
    });
    expect(report.firstBadSequence).toBeUndefined();
    expect(report.statements.join(' ')).toMatch(/taken from the store itself.*tail is not proven complete/);
  });

  test('is the same in a folder, read by worker threads', async () => {
    const root = await scratch();
    await putObjects(root, objects);
    const store = await openStore({ kind: 'filesystem', root });
    const one = await verifyChain({ store, chainId });
    const two = await verifyChain({ store, config: { kind: 'filesystem', root }, chainId, workers: 2, rangeLimits: { keys: 2 } });
    expect(timeless(two)).toEqual(timeless(one));
    expect(one.verdict).toBe('intact');
  });

  test('tells its progress', async () => {
    const seen: VerificationProgress[] = [];
    await verify(storeOf(objects), { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toMatchObject({ chainId, entries: size, segments: segments.length, totalEntries: size });
  });

  test('that grows while it is read is intact, even if a listing shows a later object and not an earlier one', async () => {
    const store = storeOf(objects);
    const hidden = [segments[2]!.key, segments[3]!.key];
    const hiding = overriding(store, {
      async list(prefix, options) {
        const page = await store.list(prefix, options);
        return { ...page, keys: page.keys.filter((key) => !hidden.includes(key)) };
      },
    });
    expect(await verifyChain({ store: hiding, chainId })).toMatchObject({ verdict: 'intact', entriesChecked: size });
  });
});

describe('what is found', () => {
  test('does not depend on how the work is cut and shared out', async () => {
    await Random.each('cuts', 250, async (random) => {
      const counts = Array.from({ length: random.int(3, 12) }, () => random.int(1, 5));
      const chain = buildSegments({ chainId, counts });
      const store = storeOf(storeObjects([chain]));
      for (let i = random.int(1, 4); i > 0; i--) {
        for (const [key, bytes] of random.pick(MUTATIONS)[1](chain, random)?.changes ?? []) if (/^[a-z0-9/.]+$/.test(key) && !key.includes('/.')) store.tamper(key, bytes);
      }
      const evidence = [readEvidence(Buffer.from(random.pick(chain).checkpoint), 'kept')];
      const whole = timeless(await verify(store, { against: evidence }));
      for (const [width, keys] of [[1, 1], [2, 1], [2, 3], [5, 1], [5, 2], [3, 100]] as const) {
        const parts = await verify(store, { against: evidence, pool: sideBySide(store, width), rangeLimits: { keys } });
        expect(timeless(parts)).toEqual(whole);
      }
    });
  });

  test('is the same with one worker thread, two and five', async () => {
    const root = await scratch();
    const chain = buildSegments({ chainId, counts: Array.from({ length: 40 }, (_, i) => 1 + (i % 4)) });
    const random = new Random('threads');
    await putObjects(root, storeObjects([chain]));
    for (let i = 0; i < 6; i++) {
      for (const [key, bytes] of random.pick(MUTATIONS.filter(([name]) => !name.includes('foreign')))[1](chain, random)?.changes ?? []) {
        if (bytes === undefined) await unlink(join(root, key)).catch(() => undefined);
        else await writeFile(join(root, key), bytes);
      }
    }
    const store = await openStore({ kind: 'filesystem', root });
    const config = { kind: 'filesystem', root } as const;
    const reports = [];
    for (const workers of [0, 1, 2, 5]) reports.push(timeless(await verifyChain({ store, config, chainId, workers, rangeLimits: { keys: 3 } })));
    expect(reports[0]).toMatchObject({ verdict: 'tampered' });
    for (const report of reports) expect(report).toEqual(reports[0]);
  });

  test('is all of it: a bad segment does not hide the ones behind it', async () => {
    const store = storeOf(objects);
    for (const at of [1, 3, 5]) store.tamper(segments[at]!.key, Buffer.from(Buffer.from(segments[at]!.bytes).toString().replace('"action":"order', '"action":"0rder')));
    const report = await verify(store);
    expect(report.findings.map(({ code, sequence, lastSequence }) => [code, sequence, lastSequence])).toEqual(
      [1, 3, 5].map((at) => ['hash_mismatch', segments[at]!.firstSequence, segments[at]!.head.size - 1]),
    );
    expect(report).toMatchObject({ firstBadSequence: 4, entriesChecked: size });
  });

  test('is listed up to a limit, and counted beyond it', async () => {
    const chain = buildSegments({ chainId, counts: Array<number>(50).fill(1) });
    const store = storeOf(storeObjects([chain]));
    for (const { key } of chain) store.tamper(key, Buffer.from('junk'));
    for (const pool of [undefined, sideBySide(store, 3)]) {
      const report = await verify(store, { maxFindings: 7, rangeLimits: { keys: 4 }, ...(pool === undefined ? {} : { pool }) });
      expect(report).toMatchObject({ verdict: 'tampered', findingsOmitted: 43, firstBadSequence: 0 });
      expect(report.findings.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    }
  });

  test('in the verdict even if it is omitted', async () => {
    const store = storeOf(objects);
    store.tamper(segments[5]!.key, Buffer.from('junk'));
    const failing = unreadable(store, segments[0]!.key, segments[1]!.key);
    expect(await verify(failing, { maxFindings: 1 })).toMatchObject({ verdict: 'tampered', findings: [{ code: 'unverified_range' }], findingsOmitted: 2 });
  });

  test('a chain that does not begin at 0 lacks its beginning', async () => {
    const store = storeOf(objects);
    store.tamper(segments[0]!.key, undefined);
    expect(await verify(store)).toMatchObject({ verdict: 'tampered', findings: [{ code: 'missing_object', sequence: 0, lastSequence: 3 }], firstBadSequence: 0 });
  });

  test('a time that runs back from one segment to the next', async () => {
    const early = buildSegments({ chainId, counts: [2], after: { ...segments[0]!.head, lastReceivedAt: '' } });
    const payloads = early[0]!.payloads.map((payload) => payload.replace(/"receivedAt":"2026/, '"receivedAt":"2025'));
    const { draftSegment } = await import('#indelible/core/segment.js');
    const key = noteKey(`${TEST_DEPLOYMENT}/${chainId}`, TEST_KEY.publicKey);
    const draft = draftSegment(segments[0]!.head, payloads, '2025-12-31T00:00:00.000000Z', 'writer0', key);
    const back = draft.seal(TEST_KEY.signNow(Buffer.from(draft.checkpointText)));
    const store = storeOf(storeObjects([[segments[0]!, back]]));
    for (const pool of [undefined, sideBySide(store, 2)]) {
      const report = await verify(store, { rangeLimits: { keys: 1 }, ...(pool === undefined ? {} : { pool }) });
      expect(report).toMatchObject({ verdict: 'tampered', findings: [{ code: 'clock_regression', sequence: 4, lastSequence: 5 }] });
    }
  });
});

describe('what lies in the folder and is no file', () => {
  test('a link in the place of a segment is not followed', async () => {
    const root = await scratch();
    await putObjects(root, objects);
    const path = join(root, segments[2]!.key);
    await unlink(path);
    await writeFile(join(root, 'elsewhere'), segments[2]!.bytes);
    await symlink(join(root, 'elsewhere'), path);
    const report = await verifyChain({ store: await openStore({ kind: 'filesystem', root }), chainId });
    expect(report).toMatchObject({ verdict: 'tampered', findings: [{ code: 'foreign_object', sequence: 5, lastSequence: 11 }], firstBadSequence: 5 });
  });

  test('a folder in the place of a segment is none', async () => {
    const root = await scratch();
    await putObjects(root, objects);
    await unlink(join(root, segments[2]!.key));
    await mkdir(join(root, segments[2]!.key));
    const report = await verifyChain({ store: await openStore({ kind: 'filesystem', root }), chainId });
    expect(report).toMatchObject({ verdict: 'tampered', findings: [{ code: 'foreign_object', sequence: 5, lastSequence: 11 }] });
  });

  test('a folder that is not there is an error, not a verdict', async () => {
    await expect(openStore({ kind: 'filesystem', root: '/nowhere/at/all' })).rejects.toThrow(StoreError);
  });
});

/** A store that can't read some of its objects. */
function unreadable(store: MemoryStore, ...keys: string[]): StoreReader {
  return overriding(store, {
    read: (key) => (keys.includes(key) ? Promise.reject(new StoreError('read', key, 'no', new Error('EIO'))) : store.read(key)),
  });
}

describe('what can not be read', () => {
  test('makes the verdict incomplete, and nothing else is doubted', async () => {
    const report = await verify(unreadable(storeOf(objects), segments[2]!.key));
    expect(report).toMatchObject({ verdict: 'incomplete', entriesChecked: size - 7, findings: [{ code: 'unverified_range', sequence: 5, lastSequence: 11 }] });
  });

  test('is tried again before that', async () => {
    let failures = 2;
    const sound = storeOf(objects);
    const store = overriding(sound, {
      read: (key) => (key === segments[2]!.key && failures-- > 0 ? Promise.reject(new StoreError('read', key, 'no', new Error('ECONNRESET'))) : sound.read(key)),
    });
    expect(await verify(store)).toMatchObject({ verdict: 'intact' });
  });

  test('because the caller stopped: what was read counts, the rest is named', async () => {
    const chain = buildSegments({ chainId, counts: Array<number>(60).fill(1) });
    const store = storeOf(storeObjects([chain]));
    for (const pool of [undefined, 2]) {
      const stop = new AbortController();
      let reads = 0;
      const counting = overriding(store, {
        read(key) {
          if (reads++ === 25) stop.abort();
          return store.read(key);
        },
      });
      const report = await verifyChain({ store: counting, chainId, signal: stop.signal, rangeLimits: { keys: 5 }, ...(pool === undefined ? {} : { pool: sideBySide(counting, pool) }) });
      expect(report).toMatchObject({ verdict: 'incomplete', findings: [{ code: 'unverified_range', sequence: report.range.to + 1 }] });
      expect(report.entriesChecked).toBeLessThan(60);
      expect(report.head).toBeUndefined();
    }
  });
});
