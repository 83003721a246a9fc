/**
 * Chains in a store whose keys hold versions that nobody can take away, and where somebody who may write, and has no
 * key, hides, puts over and puts ahead. At stake: that nothing of this is taken for the log, that none of it passes in
 * silence, and that the log it could not touch is not called broken.
 */
import { describe, expect, test } from 'vitest';
import { segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import type { FindingCode } from '#indelible/core/findings.js';
import { StoreError } from '#indelible/storage/worm-store.js';
import type { StoredVersion, StoreReader } from '#indelible/storage/worm-store.js';
import { signMark } from '#indelible/verification/mark.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { verifyAll } from '#indelible/verification/verify-all.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import type { VerifyChainOptions } from '#indelible/verification/verify-chain.js';
import { buildSegments, storeObjects, TEST_KEY, TestKey } from '../support/chain-builder.js';
import { Random } from '../support/random.js';
import { sideBySide } from '../support/stores.js';
import { VersionedStore } from '../support/versioned-store.js';
import { MUTATIONS } from '../tampering/mutations.js';
import { chainId, objects, segments, size } from './orders.js';

const JUNK = Buffer.from('{"format":"indelible/segment/v1"}\n');
const retention = { mode: 'governance', retainUntil: '2030-01-01T00:00:00Z' } as const;
const last = segments.at(-1)!;

function bucketOf(stored: ReadonlyMap<string, Uint8Array> = objects): VersionedStore {
  const bucket = new VersionedStore();
  for (const [key, bytes] of stored) bucket.attack.put(key, bytes, { retention });
  return bucket;
}

/** The bucket, with something put before a segment got there. */
function bucketWithDebris(key: string, ...debris: readonly Uint8Array[]): VersionedStore {
  const bucket = new VersionedStore();
  for (const bytes of debris) bucket.attack.put(key, bytes);
  for (const [name, bytes] of objects) bucket.attack.put(name, bytes, { retention });
  return bucket;
}

function timeless(report: VerificationReport): object {
  return { ...report, startedAt: '', finishedAt: '' };
}

/** With the absence of a bad sequence as a member, so that it can be expected. */
type Seen = Omit<VerificationReport, 'firstBadSequence'> & { readonly firstBadSequence: number | undefined };
const seen = (report: VerificationReport): Seen => ({ ...report, firstBadSequence: report.firstBadSequence });

/** As one walk, and cut and shared out in other ways: the same. */
async function verify(store: StoreReader, options: Partial<VerifyChainOptions> = {}): Promise<Seen> {
  const report = await verifyChain({ store, chainId, ...options });
  for (const [width, keys] of [[1, 1], [3, 1], [2, 2], [4, 3]] as const) {
    const parts = await verifyChain({ store, chainId, ...options, pool: sideBySide(store, width), rangeLimits: { keys } });
    expect(timeless(parts)).toEqual(timeless(report));
  }
  return seen(report);
}

function codesOf({ findings }: Pick<VerificationReport, 'findings'>): FindingCode[] {
  return findings.map(({ code }) => code).sort();
}

/** The log is as it was, to its end. */
const untouched = { entriesChecked: size, range: { from: 0, to: size - 1 }, head: { size, checkpoint: last.checkpoint } };
const byOthers = { ...untouched, verdict: 'tampered', firstBadSequence: undefined };

describe('a chain nobody touched', () => {
  test('is intact, and each segment is read once, by the version that was listed: no listing of its key', async () => {
    const bucket = bucketOf();
    const calls: string[] = [];
    const counting: StoreReader = new Proxy(bucket, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (String(args[0]).startsWith(segmentPrefix(chainId))) calls.push(name === 'read' ? `read ${String(args[1])}` : String(name));
          return Reflect.apply(member, target, args);
        };
      },
    });
    expect(await verifyChain({ store: counting, chainId })).toMatchObject({ ...untouched, verdict: 'intact', findings: [] });
    expect(calls.sort()).toEqual(['eachKey', ...segments.map(() => 'read v1'), 'strays']);
  });

  test('is read as it was listed, whatever is put over it meanwhile', async () => {
    const bucket = bucketOf();
    const store: StoreReader = new Proxy(bucket, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (name !== 'read') return typeof member === 'function' ? (member.bind(target) as unknown) : member;
        return (key: string, versionId?: string): Promise<Uint8Array | undefined> => {
          if (key.startsWith('chains/')) { bucket.attack.mark(key); bucket.attack.put(key, JUNK); }
          return bucket.read(key, versionId);
        };
      },
    });
    expect(await verifyChain({ store, chainId })).toMatchObject({ ...untouched, verdict: 'intact' });
    expect(codesOf(await verify(bucket))).toHaveLength(2 * segments.length);
  });
});

describe('what is done to a key that holds an entry', () => {
  const attacks: readonly [string, (bucket: VersionedStore, key: string) => void, readonly FindingCode[]][] = [
    ['hidden by a delete marker', (bucket, key) => bucket.attack.mark(key), ['delete_marker']],
    ['put over', (bucket, key) => bucket.attack.put(key, JUNK), ['shadow_version']],
    ['put over with the same bytes', (bucket, key) => bucket.attack.put(key, objects.get(key)!), ['shadow_version']],
    ['put over with nothing', (bucket, key) => bucket.attack.put(key, new Uint8Array(0)), ['shadow_version']],
    ['hidden, and put over where it was hidden', (bucket, key) => { bucket.attack.mark(key); bucket.attack.put(key, JUNK); }, ['delete_marker', 'shadow_version']],
    ['hidden again and again', (bucket, key) => { for (let i = 0; i < 3; i++) { bucket.attack.put(key, JUNK); bucket.attack.mark(key); } }, ['delete_marker', 'delete_marker', 'delete_marker', 'shadow_version', 'shadow_version', 'shadow_version']],
  ];
  for (const [name, attack, codes] of attacks) {
    for (const at of [0, 2, segments.length - 1]) {
      test(`segment ${at} ${name}: told with key, sequence and versions, and the log is what it was`, async () => {
        const bucket = bucketOf();
        const { key, firstSequence } = segments[at]!;
        attack(bucket, key);
        const report = await verify(bucket);
        expect(report).toMatchObject({ ...byOthers, findings: codes.map(() => ({ key })) });
        expect(codesOf(report)).toEqual(codes);
        for (const { code, detail, sequence } of report.findings) {
          expect(detail).toContain(`at sequence ${firstSequence}: `);
          expect(detail).toMatch(code === 'delete_marker' ? /\(v\d+, / : /version v\d+ .* over v1/);
          expect(sequence).toBeUndefined();
        }
      });
    }
  }

  test('somebody was there before the writer: debris is told, and the entry is the oldest version that is signed', async () => {
    for (const { key } of [segments[0]!, segments[3]!, last]) {
      const bucket = bucketWithDebris(key, JUNK, Buffer.from('more'));
      bucket.attack.mark(key);
      bucket.attack.put(key, JUNK);
      const report = await verify(bucket);
      expect(report).toMatchObject(byOthers);
      expect(codesOf(report)).toEqual(['delete_marker', 'foreign_object', 'foreign_object', 'shadow_version']);
      expect(report.findings.map(({ detail }) => detail).join()).toMatch(/version v1 is not a segment.*version v2 is not a segment.*v5 .* over v3/);
    }
  });

  test('two histories, each signed: never passed over in silence, whichever is older', async () => {
    const { key, firstSequence } = segments[2]!;
    const [other] = buildSegments({ chainId, counts: [7], after: { ...segments[1]!.head, lastEntryHash: Buffer.alloc(32, 1) } });
    const older = await verify(bucketWithDebris(key, other!.bytes));
    expect(older).toMatchObject({ ...untouched, verdict: 'tampered', firstBadSequence: firstSequence });
    expect(codesOf(older)).toEqual(['fork']);
    const bucket = bucketOf();
    bucket.attack.put(key, other!.bytes);
    const newer = await verify(bucket);
    expect(newer).toMatchObject(byOthers);
    expect(codesOf(newer)).toEqual(['shadow_version']);
  });
});

describe('what is put where no entry is', () => {
  const foreign = buildSegments({ chainId, counts: [3], key: new TestKey(9), after: last.head })[0]!.bytes;
  const places: readonly [string, number][] = [['the next key', size], ['one behind', size + 1], ['far ahead', 4_000_000_000], ['the last key there can be', Number.MAX_SAFE_INTEGER], ['within a segment', segments[2]!.firstSequence + 1]];
  for (const [name, sequence] of places) {
    test(`at ${name}: foreign, whatever it is, and the chain ends where it ends`, async () => {
      const key = segmentKey(chainId, sequence);
      for (const bytes of [JUNK, new Uint8Array(0), Buffer.from('x'), last.bytes, foreign]) {
        const bucket = bucketOf();
        bucket.attack.put(key, bytes);
        expect(await verify(bucket)).toMatchObject({ ...byOthers, findings: [{ code: 'foreign_object', key, detail: expect.stringContaining('version v1') as string }] });
        bucket.attack.mark(key);
        bucket.attack.put(key, JUNK);
        const report = await verify(bucket);
        expect(report).toMatchObject(byOthers);
        expect(codesOf(report)).toEqual(['delete_marker', 'foreign_object', 'foreign_object']);
      }
      const marked = bucketOf();
      marked.attack.mark(key);
      expect(await verify(marked)).toMatchObject({ ...byOthers, findings: [{ code: 'delete_marker', key }] });
    });
  }

  test('before the first entry of a chain there is nothing but what is foreign: no entry, and tampered', async () => {
    const bucket = bucketOf(storeObjects([]));
    bucket.attack.put(segmentKey(chainId, 0), JUNK);
    bucket.attack.put(segmentKey(chainId, 7), JUNK);
    expect(await verify(bucket)).toMatchObject({ verdict: 'tampered', entriesChecked: 0, findings: [{ code: 'foreign_object' }, { code: 'foreign_object' }] });
  });

  test('too large to be a segment: told, and not read', async () => {
    const bucket = bucketOf();
    const key = segmentKey(chainId, size);
    bucket.attack.put(key, Buffer.alloc(9 * 1024 * 1024));
    const reads: string[] = [];
    const read = bucket.read.bind(bucket);
    bucket.read = (name, versionId) => { reads.push(name); return read(name, versionId); };
    expect(seen(await verifyChain({ store: bucket, chainId }))).toMatchObject({ ...byOthers, findings: [{ code: 'foreign_object', key, detail: expect.stringContaining('9437184 bytes') as string }] });
    expect(reads).not.toContain(key);
  });

  test('odd names, and what lies below keys/ and deployment.json: told', async () => {
    const bucket = bucketOf();
    const odd = [`${segmentPrefix(chainId)}0`, `${segmentPrefix(chainId)}00000000000000000001.ndjson.bak`, `${segmentPrefix(chainId)}zzz`, `${segmentPrefix(chainId)}99999999999999999999.ndjson`];
    for (const key of odd) bucket.attack.put(key, JUNK);
    bucket.attack.mark(odd[0]!);
    const root = [...objects.keys()].find((key) => key.startsWith('keys/'))!;
    bucket.attack.mark('deployment.json');
    bucket.attack.put(root, JUNK);
    const report = await verify(bucket);
    expect(report).toMatchObject(byOthers);
    expect(report.findings.map(({ code, key }) => `${code} ${key}`).sort()).toEqual(
      [...odd.map((key) => `foreign_object ${key}`), 'delete_marker deployment.json', `shadow_version ${root}`].sort(),
    );
  });

  test('that can not be read: the report is incomplete, and nothing is said to be missing', async () => {
    const bucket = bucketOf();
    const key = segmentKey(chainId, size + 5);
    bucket.attack.put(key, JUNK);
    const read = bucket.read.bind(bucket);
    bucket.read = (name, versionId) => (name === key ? Promise.reject(new StoreError('read', name, 'no', new Error('encrypted with a key of somebody'))) : read(name, versionId));
    expect(await verifyChain({ store: bucket, chainId })).toMatchObject({ verdict: 'incomplete', entriesChecked: size, findings: [{ code: 'unverified_range', sequence: size + 5, key }] });
  });
});

describe('an object of ours that is damaged', () => {
  test('is no junk: what was signed is named as what is wrong with it', async () => {
    for (const segment of [segments[2]!, last]) {
      const changed = Buffer.from(Buffer.from(segment.bytes).toString().replace('"action":"order', '"action":"0rder'));
      const report = await verify(bucketOf(new Map([...objects, [segment.key, changed]])));
      expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: segment.firstSequence, findings: [{ code: 'hash_mismatch', sequence: segment.firstSequence, lastSequence: segment.head.size - 1 }] });
    }
  });

  test('and hidden: both are told', async () => {
    const { key, bytes, firstSequence } = segments[2]!;
    const bucket = bucketOf(new Map([...objects, [key, Buffer.from(Buffer.from(bytes).toString().replace('"action":"order', '"action":"0rder'))]]));
    bucket.attack.mark(key);
    const report = await verify(bucket);
    expect(codesOf(report)).toEqual(['delete_marker', 'hash_mismatch']);
    expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: firstSequence, entriesChecked: size });
  });

  test('and of which it is not known where it ends, with junk behind it: nothing is said to be missing, however the work is cut', async () => {
    const { key, bytes, firstSequence } = segments[2]!;
    const lines = Buffer.from(bytes).toString().split('\n');
    const bucket = bucketOf(new Map([...objects, [key, Buffer.from(lines.toSpliced(4, 1).join('\n'))]]));
    for (const sequence of [8, 10]) bucket.attack.put(segmentKey(chainId, sequence), JUNK);
    const report = await verify(bucket);
    expect(codesOf(report)).toEqual(['foreign_object', 'foreign_object', 'sequence_gap']);
    expect(report).toMatchObject({ verdict: 'tampered', entriesChecked: size - 1 });
    expect(report.firstBadSequence).toBeGreaterThanOrEqual(firstSequence);
  });

  test('a segment that is gone, and junk in its place, is a hole beside a foreign object', async () => {
    const { key, firstSequence, head } = segments[2]!;
    const report = await verify(bucketOf(new Map([...objects, [key, JUNK]])));
    expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: firstSequence, entriesChecked: size - 7 });
    expect(report.findings.map(({ code, sequence, lastSequence }) => [code, sequence, lastSequence])).toEqual([
      ['missing_object', firstSequence, head.size - 1],
      ['foreign_object', undefined, undefined],
    ]);
  });
});

test('many attacks at once: each is told once, none touches the log, however the work is cut', async () => {
  await Random.each('attacks', 150, async (random) => {
    const chain = buildSegments({ chainId, counts: Array.from({ length: random.int(1, 9) }, () => random.int(1, 6)) });
    const stored = storeObjects([chain]);
    const end = chain.at(-1)!.head.size;
    const bucket = new VersionedStore();
    const expected: string[] = [];
    const junk = (): Uint8Array => random.pick([JUNK, random.bytes(random.int(0, 40)), Buffer.from(random.pick(chain).bytes).subarray(0, random.int(1, 200)), Buffer.from('\n\n')]);
    const attack = (key: string, isTaken: boolean, times: number): void => {
      for (let i = 0; i < times; i++) {
        const isMarker = random.int(0, 1) === 0;
        if (isMarker) bucket.attack.mark(key);
        else bucket.attack.put(key, junk());
        expected.push(`${isMarker ? 'delete_marker' : isTaken ? 'shadow_version' : 'foreign_object'} ${key}`);
      }
    };
    for (const { key } of chain) if (random.int(0, 3) === 0) attack(key, false, random.int(1, 3));
    for (const [key, bytes] of stored) bucket.attack.put(key, bytes);
    for (const { key } of chain) if (random.int(0, 3) === 0) attack(key, true, random.int(1, 3));
    const starts = new Set(chain.map(({ firstSequence }) => firstSequence));
    const free = [end, end + 1, end + random.int(2, 9), 10 ** random.int(3, 15), random.int(0, end - 1)].filter((sequence) => !starts.has(sequence));
    for (const sequence of new Set(free)) if (random.int(0, 1) === 0) attack(segmentKey(chainId, sequence), false, random.int(1, 3));
    const report = await verify(bucket);
    expect(report.findings.map(({ code, key }) => `${code} ${key}`).sort()).toEqual(expected.sort());
    expect(report).toMatchObject({ verdict: expected.length === 0 ? 'intact' : 'tampered', entriesChecked: end, range: { from: 0, to: end - 1 }, head: { size: end } });
    expect(report.firstBadSequence).toBeUndefined();
  });
});

test('holes, damage and second histories beside all this: the same report, however the work is cut', async () => {
  await Random.each('mixed', 120, async (random) => {
    const chain = buildSegments({ chainId, counts: Array.from({ length: random.int(3, 10) }, () => random.int(1, 5)) });
    const stored = storeObjects([chain]);
    for (let i = random.int(0, 3); i > 0; i--) {
      for (const [key, bytes] of random.pick(MUTATIONS)[1](chain, random)?.changes ?? []) {
        if (!/^[a-z0-9/.]+$/.test(key) || key.includes('/.')) continue;
        if (bytes === undefined) stored.delete(key);
        else stored.set(key, bytes);
      }
    }
    const bucket = new VersionedStore();
    const keys = [...stored.keys(), segmentKey(chainId, random.int(0, 40))].filter((key) => key.startsWith('chains/'));
    const attack = (): void => {
      const key = random.pick(keys);
      if (random.int(0, 2) === 0) bucket.attack.mark(key);
      else bucket.attack.put(key, random.pick([JUNK, random.pick(chain).bytes, random.pick([...stored.values()])]));
    };
    for (let i = random.int(0, 3); i > 0; i--) attack();
    for (const [key, bytes] of stored) bucket.attack.put(key, bytes);
    for (let i = random.int(0, 3); i > 0; i--) attack();
    const report = await verify(bucket);
    for await (const { key } of bucket.contested(segmentPrefix(chainId))) expect(report.findings.some((finding) => finding.key === key)).toBe(true);
  });
});

describe('a part of a chain', () => {
  test('is found and told like the whole, whatever stands beside it', async () => {
    const bucket = bucketWithDebris(segments[2]!.key, JUNK);
    for (const sequence of [6, 8, 11, 18, size, size + 3]) bucket.attack.put(segmentKey(chainId, sequence), JUNK);
    for (let from = 1; from < size; from++) {
      for (let to = from; to < size; to++) {
        const first = segments.findLast(({ firstSequence }) => firstSequence <= from)!;
        const end = segments.findLast(({ firstSequence }) => firstSequence <= to)!;
        const report = await verifyChain({ store: bucket, chainId, from, to });
        expect(report).toMatchObject({ range: { from: first.firstSequence, to: end.head.size - 1 }, entriesChecked: end.head.size - first.firstSequence });
        expect(report.findings.every(({ code }) => code === 'foreign_object')).toBe(true);
      }
    }
  });
});

describe('a mark', () => {
  const verifiedAt = Date.UTC(2026, 5, 1);
  const host = { micros: (): number => verifiedAt * 1_000 };
  const markOf = async (count: number): Promise<string> => signMark(TEST_KEY, await verifyChain({ store: bucketOf(storeObjects([segments.slice(0, count)])), chainId, host }));

  test('lets nothing be read again, and hides nothing that came to stand below it', async () => {
    const mark = await markOf(4);
    expect(await verify(bucketOf(), { mark })).toMatchObject({ verdict: 'intact', restsOnMark: { size: 14 }, entriesChecked: size - 14, findings: [] });
    const later = { storedAt: new Date(verifiedAt + 86_400_000).toISOString() };
    const attacks: readonly [(bucket: VersionedStore) => void, readonly FindingCode[]][] = [
      [(bucket) => bucket.attack.mark(segments[1]!.key, later), ['delete_marker']],
      [(bucket) => bucket.attack.put(segments[0]!.key, JUNK, later), ['shadow_version']],
      [(bucket) => bucket.attack.put(segments[3]!.key, JUNK, later), ['shadow_version']],
      [(bucket) => bucket.attack.put(segmentKey(chainId, 13), JUNK, later), ['foreign_object']],
      [(bucket) => bucket.attack.put(segmentKey(chainId, 6), JUNK, later), ['foreign_object']],
      [(bucket) => bucket.attack.put(`${segmentPrefix(chainId)}0`, JUNK, later), ['foreign_object']],
      [(bucket) => bucket.attack.put(`${segmentPrefix(chainId)}zzz`, JUNK, later), ['foreign_object']],
      [(bucket) => bucket.attack.put(segmentKey(chainId, size), JUNK, later), ['foreign_object']],
      [(bucket) => { bucket.attack.mark(segmentKey(chainId, 2), later); bucket.attack.mark(last.key, later); }, ['delete_marker', 'delete_marker']],
    ];
    for (const [attack, codes] of attacks) {
      const bucket = bucketOf();
      attack(bucket);
      const report = await verify(bucket, { mark });
      expect(codesOf(report)).toEqual(codes);
      expect(report).toMatchObject({ verdict: 'tampered', restsOnMark: { size: 14 }, entriesChecked: size - 14, range: { from: 14, to: size - 1 }, head: { size } });
    }
  });

  test('at the end of the chain, with junk behind it, stays what the report rests on', async () => {
    const mark = await markOf(segments.length);
    const bucket = bucketOf();
    bucket.attack.put(segmentKey(chainId, size), JUNK);
    expect(await verify(bucket, { mark })).toMatchObject({ verdict: 'tampered', restsOnMark: { size }, range: { from: size, to: size - 1 }, entriesChecked: 0, findings: [{ code: 'foreign_object' }] });
  });
});

describe('retention', () => {
  const asked = { mode: 'governance', days: 30 } as const;
  const storedAt = '2026-01-01T00:00:00.000Z';
  const kept = (days: number, mode: 'governance' | 'compliance' = 'governance'): Exclude<StoredVersion['retention'], string> => ({ mode, retainUntil: new Date(Date.parse(storedAt) + days * 86_400_000).toISOString() });
  const bucketKept = (of: (at: number) => StoredVersion['retention']): VersionedStore => {
    const bucket = bucketOf(storeObjects([]));
    segments.forEach(({ key, bytes }, at) => bucket.attack.put(key, bytes, { storedAt, retention: of(at) }));
    return bucket;
  };

  test('as it was asked for, or more of it, is no finding', async () => {
    for (const retained of [kept(30), kept(31), kept(30, 'compliance')]) expect(await verify(bucketKept(() => retained), { retention: asked })).toMatchObject({ verdict: 'intact', findings: [] });
  });

  test('that is not asked for is not looked at', async () => {
    expect(await verify(bucketKept(() => 'none'))).toMatchObject({ verdict: 'intact', findings: [] });
  });

  test('none, weaker, shorter, not shown: told, segments in a row as one, and the log is intact all the same', async () => {
    const told: number[] = [];
    const retained = [kept(30), 'none', 'none', 'unknown', kept(29), kept(30)] as const;
    const report = await verifyChain({ store: bucketKept((at) => retained[at]!), chainId, retention: { ...asked, onProgress: (count) => told.push(count) } });
    expect(report).toMatchObject({ ...untouched, verdict: 'intact', findings: Array(3).fill({ code: 'retention_weak' }) });
    expect(report.firstBadSequence).toBeUndefined();
    expect(report.findings.map(({ key, detail }) => [key, detail])).toEqual([
      [segments[1]!.key, '2 segments, at sequences 4 to 5: no retention'],
      [segments[3]!.key, '1 segment, at sequence 12: unknown: there is no retention, or the store does not let it be seen'],
      [segments[4]!.key, expect.stringMatching(/kept until 2026-01-30.*asked for are 30 days/)],
    ]);
    expect(told.at(-1)).toBe(segments.length);
    const weaker = await verify(bucketKept(() => kept(30)), { retention: { mode: 'compliance', days: 30 } });
    expect(weaker).toMatchObject({ verdict: 'intact', findings: [{ code: 'retention_weak', detail: expect.stringContaining('the mode is governance, asked for is compliance') as string }] });
  });

  test('of the entry counts, not of what was put beside it', async () => {
    const bucket = bucketWithDebris(segments[1]!.key, JUNK);
    bucket.attack.put(segments[2]!.key, JUNK);
    bucket.attack.put(segmentKey(chainId, size), JUNK);
    expect(codesOf(await verify(bucket, { retention: { mode: 'governance', days: 1 } }))).not.toContain('retention_weak');
  });
});

test('every chain of the store is looked through, and no other one is blamed', async () => {
  const other = buildSegments({ chainId: 'trades', counts: [2, 2] });
  const bucket = bucketOf(storeObjects([segments, other]));
  bucket.attack.mark(other[0]!.key);
  const verdicts: [string, string][] = [];
  for await (const report of verifyAll({ store: bucket, workers: 0 })) verdicts.push([report.chainId, report.verdict]);
  expect(verdicts).toEqual([['orders', 'intact'], ['trades', 'tampered']]);
});
