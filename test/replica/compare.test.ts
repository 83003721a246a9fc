/**
 * Two buckets held against each other. What is at stake: one of them changed, cut off or forked, and a verification
 * that calls it intact.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { segmentKey } from '#indelible/core/chain.js';
import type { Segment } from '#indelible/core/segment.js';
import { compareChain, evidenceOf } from '#indelible/replica/compare.js';
import { withComparison } from '#indelible/replica/verify.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import { buildSegments, storeObjects } from '../support/chain-builder.js';
import type { MemoryStore } from '../support/memory-store.js';
import { storeOf } from '../support/stores.js';
import { CHAIN, TRUST } from './world.js';

const SEGMENTS = buildSegments({ chainId: CHAIN, counts: [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4] });
const SIZE = SEGMENTS.at(-1)!.head.size;

let first: MemoryStore;
let second: MemoryStore;
beforeEach(() => {
  [first, second] = [storeOf(storeObjects([SEGMENTS])), storeOf(storeObjects([SEGMENTS]))];
});

function at(n: number): Segment {
  return SEGMENTS[n]!;
}

/** What `indelible verify --against-replica` does for one chain. */
async function verify(maxFindings = 1_000): Promise<VerificationReport> {
  const evidence = await evidenceOf(second, CHAIN, TRUST);
  const report = await verifyChain({ store: first, chainId: CHAIN, against: evidence === undefined ? [] : [evidence] });
  return withComparison(report, await compareChain({ first, second, chainId: CHAIN, trust: TRUST, maxFindings }), 'the second');
}

async function codes(): Promise<readonly string[]> {
  return [...new Set((await verify()).findings.map(({ code }) => code))];
}

describe('comparing two buckets', () => {
  it('finds two equal ones intact, and the chain proven complete by the second', async () => {
    const report = await verify();
    expect(report).toMatchObject({ verdict: 'intact', findings: [], heldAgainst: [{ kind: 'checkpoint', outcome: 'contained', size: SIZE }] });
    expect(report.statements.join(' ')).toContain(`complete up to entry ${SIZE - 1}`);
    expect(report.statements.at(-1)).toContain(`${SEGMENTS.length} segments hold the same bytes`);
  });

  it('finds a first that is cut off, by name of the entries', async () => {
    for (const { key } of SEGMENTS.slice(15)) first.tamper(key, undefined);
    const report = await verify();
    expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: at(15).firstSequence });
    expect(report.findings).toContainEqual(expect.objectContaining({ code: 'truncated_tail', sequence: at(15).firstSequence, lastSequence: SIZE - 1 }));
  });

  it('finds a first that lacks the whole chain', async () => {
    for (const { key } of SEGMENTS) first.tamper(key, undefined);
    expect(await verify()).toMatchObject({ verdict: 'tampered', firstBadSequence: 0 });
    expect(await codes()).toEqual(['truncated_tail']);
  });

  it('calls a second that is shorter incomplete: it may be behind', async () => {
    for (const { key } of SEGMENTS.slice(18)) second.tamper(key, undefined);
    const report = await verify();
    expect(report).toMatchObject({ verdict: 'incomplete', firstBadSequence: at(18).firstSequence });
    expect(report.findings).toEqual([expect.objectContaining({ code: 'unverified_range', sequence: at(18).firstSequence, lastSequence: SIZE - 1 })]);
  });

  it('says the same of a second that holds nothing', async () => {
    for (const { key } of SEGMENTS) second.tamper(key, undefined);
    expect(await verify()).toMatchObject({ verdict: 'incomplete', firstBadSequence: 0 });
  });

  it('finds a hole in the second', async () => {
    for (const n of [4, 5, 11]) second.tamper(at(n).key, undefined);
    const report = await verify();
    expect(report.verdict).toBe('tampered');
    expect(report.findings).toEqual([
      expect.objectContaining({ code: 'missing_object', sequence: at(4).firstSequence, lastSequence: at(6).firstSequence - 1 }),
      expect.objectContaining({ code: 'missing_object', sequence: at(11).firstSequence, lastSequence: at(12).firstSequence - 1 }),
    ]);
  });

  it('finds a hole in the first', async () => {
    first.tamper(at(6).key, undefined);
    expect(await codes()).toEqual(['missing_object']);
  });

  it.each([0, 7, SEGMENTS.length - 1])('finds one changed byte in the second, in segment %i', async (n) => {
    const bytes = Buffer.from(at(n).bytes);
    const place = bytes.indexOf('order.placed');
    bytes[place] = bytes[place]! ^ 1;
    second.tamper(at(n).key, bytes);
    const report = await verify();
    expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: at(n).firstSequence });
    expect(report.findings).toContainEqual(expect.objectContaining({ code: 'hash_mismatch', key: at(n).key }));
  });

  it('finds one changed byte in the first, and says that the second has the segment', async () => {
    const bytes = Buffer.from(at(7).bytes);
    const place = bytes.indexOf('order.placed');
    bytes[place] = bytes[place]! ^ 1;
    first.tamper(at(7).key, bytes);
    const report = await verify();
    expect(report.verdict).toBe('tampered');
    expect(report.findings).toContainEqual(expect.objectContaining({ code: 'checkpoint_mismatch', key: at(7).key, detail: expect.stringContaining('as it was signed') as unknown }));
  });

  it('finds another signed segment in the place of one: a fork', async () => {
    const [other] = buildSegments({ chainId: CHAIN, counts: [at(7).count], after: at(6).head, event: () => '{"action":"other","actor":{"id":"x","type":"y"}}' });
    second.tamper(at(7).key, other!.bytes);
    expect((await verify()).findings).toContainEqual(expect.objectContaining({ code: 'fork', key: at(7).key, sequence: at(7).firstSequence }));
  });

  it('finds a signed segment of the second that lies within one of the first: a fork', async () => {
    const inside = buildSegments({ chainId: CHAIN, counts: [2, 2], after: at(6).head })[1]!;
    second.tamper(inside.key, inside.bytes);
    expect(await codes()).toEqual(['fork']);
  });

  it.each([
    ['far ahead', segmentKey(CHAIN, 9_000_000)],
    ['within a segment', segmentKey(CHAIN, at(5).firstSequence + 1)],
    ['by its name', `chains/${CHAIN}/segments/readme`],
  ])('finds junk in the second: %s', async (_, key) => {
    second.tamper(key, Buffer.from('junk'));
    const report = await verify();
    expect(report.findings).toEqual([expect.objectContaining({ code: 'foreign_object', key })]);
    expect(report.findings[0]).not.toHaveProperty('sequence');
  });

  it('is not confused by what is written while it reads', async () => {
    for (const { key } of SEGMENTS.slice(10)) {
      first.tamper(key, undefined);
      second.tamper(key, undefined);
    }
    const [evidence, list] = [await evidenceOf(second, CHAIN, TRUST), first.list.bind(first)];
    // Everything arrives after the first listing, in both.
    first.list = async (...args) => {
      const page = await list(...args);
      for (const { key, bytes } of SEGMENTS.slice(10)) {
        first.tamper(key, bytes);
        second.tamper(key, bytes);
      }
      return page;
    };
    const { findings } = await compareChain({ first, second, chainId: CHAIN, trust: TRUST, maxFindings: 10 });
    expect(evidence).toBeDefined();
    expect(findings.items).toEqual([]);
  });

  it('counts what it does not list', async () => {
    for (const { key } of SEGMENTS) second.tamper(key, Buffer.from('junk'));
    const report = await verify(3);
    expect(report.verdict).toBe('tampered');
    expect(report.findings.length + report.findingsOmitted).toBe(SEGMENTS.length);
  });
});
