/** One run: replicas, clients and faults by seed; then peace, a last append, and a full audit. */
import { emptyHead, segmentKey } from '#indelible/core/chain.js';
import { readPayload } from '#indelible/core/entry.js';
import { receiptOf, verifyReceipt } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { verifySegment } from '#indelible/core/verify-segment.js';
import { LedgerError } from '#indelible/ledger/errors.js';
import { Ledger } from '#indelible/ledger/ledger.js';
import type { Replica as SecondCopy } from '#indelible/replica/replica.js';
import { MemoryIndex } from '../support/memory-index.js';
import { attack } from './attack.js';
import { CHAIN, DEPLOYMENT, KEY, RETENTION, SIGNER, signedSize, TRUST } from './deployment.js';
import { SecondBucket } from './second-bucket.js';
import type { SecondPlan } from './second-bucket.js';
import { Disk, Life, SimulatedStore, simulatedHost, World } from './world.js';

export interface Plan {
  readonly replicas: number;
  readonly clients: number;
  readonly appendsPerClient: number;
  readonly ignoreCondition?: boolean;
  /** A bucket whose keys hold versions, and somebody who may write to it and has no key to sign with. */
  readonly attacked?: boolean;
  /** The bucket is taken for a store whose keys hold one object. For the test of the test. */
  readonly unconfirmed?: boolean;
  /** What is committed is copied to a second bucket, which fails and is attacked as well. */
  readonly second?: SecondPlan;
}

export interface RunReport {
  readonly digest: string;
  readonly entries: number;
  readonly acknowledged: number;
  readonly crashes: number;
  readonly faults: ReadonlyMap<string, number>;
  /** Codes of what the writers reported. */
  readonly findings: ReadonlyMap<string, number>;
  /** Of the second bucket: faults and attacks met there, and codes of what its copiers reported. */
  readonly second: { readonly faults: ReadonlyMap<string, number>; readonly differences: ReadonlyMap<string, number> } | undefined;
}

interface Ack {
  readonly entryId: string | undefined;
  readonly event: string;
  readonly receipt: Receipt;
}

interface Replica {
  readonly ledger: Ledger;
  readonly life: Life;
  readonly copy: SecondCopy | undefined;
}

/** @throws Error saying which promise was broken; the message carries the seed */
export async function runSeed(seed: number, plan: Plan): Promise<RunReport> {
  const world = new World(seed);
  const disk = new Disk(plan.attacked === true);
  const findings = new Map<string, number>();
  const acks: Ack[] = [];
  const sent = new Set<string>();
  let crashes = 0;
  let started = 0;
  // Set from callbacks, which the compiler does not follow.
  let failure = undefined as Error | undefined;
  const fail = (what: string): never => {
    throw new Error(`seed ${seed}: ${what}`);
  };

  const throwFailure = (): void => {
    if (failure !== undefined) throw failure;
  };

  const second = plan.second && new SecondBucket(world, disk, plan.second, fail);

  const start = (copies = second !== undefined && world.chance(0.7)): Replica => {
    const life = new Life();
    const name = `w${started++}`;
    const store = new SimulatedStore(world, disk, life, name, plan.unconfirmed !== true);
    const host = simulatedHost(world, life, name, (world.random() - 0.5) * 4_000);
    const process = second?.open(store, life, host, name, copies);
    const ledger = new Ledger({
      store,
      signer: SIGNER,
      trust: TRUST,
      index: new MemoryIndex(),
      host,
      writerId: name,
      limits: { maxQueuedEntries: 50, maxQueuedBytes: 1_000_000, answerWithinMs: 3_000, callTimeoutMs: 1_000 },
      retention: () => RETENTION,
      onCommitted: () => undefined,
      onFinding: ({ code }) => void findings.set(code, (findings.get(code) ?? 0) + 1),
      onTrouble: (chainId, error) => {
        if (error instanceof LedgerError && error.code === 'chain_halted' && second?.hasCut !== true) failure ??= new Error(`seed ${seed}: ${chainId} halted: ${error.message}`);
      },
      ...process?.ties,
    });
    return { ledger, life, copy: process?.follow(ledger) };
  };

  const replicas = Array.from({ length: plan.replicas }, start);
  disk.faults = { rate: world.pick([0, 0.02, 0.1, 0.3]), ignoreCondition: plan.ignoreCondition === true };
  // Of the second as well; or it is down, while the first goes on.
  if (second !== undefined) second.disk.faults = { rate: world.pick([0, 0.02, 0.1, 0.3, 1]) };

  // Crashes: a replica ends in the middle of whatever it does; another starts in its place some time later.
  const crashRate = world.pick([0, 0, 0.3, 0.8]);
  const crashLoop = (): void => {
    world.after(100 + world.random() * 2_000, () => {
      if (disk.faults.rate === 0 && finished === plan.clients) return;
      // A start has to look through the junk first, so replicas are given the time in the end.
      if (plan.attacked === true && world.now > 30_000) return;
      if (world.chance(crashRate)) {
        const at = Math.floor(world.random() * replicas.length);
        replicas[at]!.life.end();
        crashes += 1;
        world.note(`crash ${at}`);
        if (second !== undefined) {
          audit(disk, acks, sent, fail);
          second.audit();
        }
        world.after(world.random() * 3_000, () => (replicas[at] = start()));
      }
      crashLoop();
    });
  };

  let finished = 0;
  const guard = (work: Promise<void>): void => {
    work.catch((error: unknown) => {
      failure ??= error as Error;
    });
  };

  /** A producer: repeats with the same id, at any replica, until it has a receipt. */
  const client = async (number: number): Promise<void> => {
    for (let i = 0; i < plan.appendsPerClient; i++) {
      // Some ids are shared: two producers report the same thing under the same id.
      const entryId = world.chance(0.15) ? `shared-${i}` : `c${number}-${i}`;
      const withoutId = world.chance(0.1);
      const event = withoutId ? `{"action":"n","actor":{"id":"${number}-${i}","type":"t"}}` : `{"action":"a","actor":{"id":"${entryId}","type":"t"}}`;
      sent.add(event);
      for (;;) {
        const replica = world.pick(replicas);
        const item = withoutId ? { event } : { entryId, event };
        const batch = world.chance(0.1) && !withoutId ? [item, { entryId: `${entryId}-b`, event }] : [item];
        const answer = await Promise.race([
          replica.ledger.append(CHAIN, batch).then(
            (entries) => ({ entries }),
            (error: unknown) => ({ error }),
          ),
          new Promise<undefined>((resolve) => void world.after(8_000, () => resolve(undefined))),
        ]);
        if (answer !== undefined && 'entries' in answer) {
          const [entry] = answer.entries;
          const receipt = receiptOf(entry!.segment, entry!.at);
          world.note(`ack ${entryId} ${receipt.sequence}`);
          acks.push({ entryId: withoutId ? undefined : entryId, event, receipt });
          break;
        }
        const error = answer?.error;
        if (error !== undefined && !(error instanceof LedgerError)) throw new Error('an append failed in an unknown way', { cause: error });
        if (error?.code === 'chain_halted') fail(`${entryId}: refused, though nothing was cut off: ${error.message}`);
        if (error?.code === 'entry_id_conflict') fail(`${entryId}: a false conflict: ${error.message}`);
        world.note(`again ${entryId} ${error?.code ?? 'timeout'}`);
        await new Promise<void>((resolve) => void world.after(50 + world.random() * 1_000, resolve));
      }
    }
    finished += 1;
  };

  const calm = (): boolean => disk.faults.rate === 0 && finished === plan.clients;
  if (plan.attacked === true) attack(world, disk, calm);
  if (second?.attacked === true) attack(world, second.disk, calm, disk);
  crashLoop();
  for (let number = 0; number < plan.clients; number++) guard(client(number));
  // The bad times end, so that every producer gets its receipt in the end.
  const peace = (): void => {
    disk.faults = { rate: 0, ignoreCondition: plan.ignoreCondition === true };
    if (second !== undefined) second.disk.faults = { rate: 0 };
  };
  world.after(15_000, peace);
  const done = await world.runUntil(() => finished === plan.clients || failure !== undefined, 600_000);
  throwFailure();
  if (!done) fail(`only ${finished} of ${plan.clients} producers came to an end: an append was never answered`);

  // Whatever happened, the next append must be accepted, by a replica that knows nothing.
  peace();
  const last = start(second !== undefined);
  let accepted = false as boolean;
  const lastEvent = '{"action":"last","actor":{"id":"1","type":"t"}}';
  sent.add(lastEvent);
  const lastAppend = async (): Promise<void> => {
    for (let attempt = 1; !accepted; attempt++) {
      try {
        await last.ledger.append(CHAIN, [{ entryId: 'last', event: lastEvent }]);
        accepted = true;
      } catch (error) {
        // Its index is not yet at the head: the only reason to ask for patience in a time of peace.
        // (Where there is much junk to look through, a start may take longer than a caller is kept waiting.)
        const patience = plan.attacked === true ? ['view_behind', 'store_unavailable'] : ['view_behind'];
        if (!(error instanceof LedgerError) || !patience.includes(error.code) || attempt > 50) throw error;
        await new Promise<void>((resolve) => void world.after(100, resolve));
      }
    }
  };
  guard(lastAppend());
  await world.runUntil(() => accepted || failure !== undefined, 1_200_000);
  throwFailure();
  if (!accepted) fail('the append after the storm was not accepted');
  // Writes still on their way (20 s at most) land now: they must not change anything. Copiers never rest, so theirs is
  // the shorter wait.
  await world.runUntil(() => false, world.now + (second === undefined ? 60_000 : 25_000));

  const entries = audit(disk, acks, sent, fail);
  if (second !== undefined) {
    const processes = [...replicas.filter(({ life }) => life.alive), last];
    await second.expectCopied(processes, entries);
    await second.expectCutOffRefused(processes, start, () => throwFailure());
  }
  return { digest: world.traceDigest(), entries, acknowledged: acks.length, crashes, faults: disk.met, findings, second: second && { faults: second.disk.met, differences: second.differences } };
}

/** Reads the whole chain as a stranger would, and holds it against what was acknowledged. */
function audit(disk: Disk, acks: readonly Ack[], sent: ReadonlySet<string>, fail: (what: string) => never): number {
  const payloads: string[] = [];
  let head = emptyHead(CHAIN);
  let objects = 0;
  for (;;) {
    const versions = disk.keys.get(segmentKey(CHAIN, head.size)) ?? [];
    // By the rule alone: the oldest version that is valid is the entry.
    const judged = versions.filter(({ deleteMarker }) => !deleteMarker).map(({ bytes }) => ({ bytes, verified: verifySegment(bytes, { deployment: DEPLOYMENT, chainId: CHAIN, firstSequence: head.size, before: head }, [KEY]) }));
    const found = judged.find(({ verified }) => verified.outcome === 'valid');
    if (found === undefined) {
      if (judged.length > 0 && !disk.versioned) return fail(`at ${head.size}: not a segment of the chain`);
      break;
    }
    const { bytes, verified } = found;
    if (verified.outcome === 'invalid') return fail('unreachable');
    objects += 1;
    for (const [i, from] of verified.starts.entries()) payloads.push(Buffer.from(bytes.subarray(from, verified.ends[i])).toString());
    head = verified.after;
  }
  const signed = [...disk.keys].filter(([name, versions]) => versions.some((version) => signedSize(name, version) !== undefined)).length;
  if (objects !== signed) fail(`${signed - objects} objects do not belong to the chain: a fork or a hole`);
  const ids = new Map<string, number>();
  for (const [sequence, payload] of payloads.entries()) {
    const envelope = readPayload(payload);
    if (envelope?.sequence !== sequence) return fail(`entry ${sequence} is not at its place`);
    if (ids.has(envelope.entryId)) fail(`id ${envelope.entryId} is in the chain twice`);
    if (!sent.has(envelope.event)) fail(`entry ${sequence} was never sent`);
    ids.set(envelope.entryId, sequence);
  }
  for (const { entryId, event, receipt } of acks) {
    const envelope = readPayload(payloads[receipt.sequence] ?? '');
    if (envelope === undefined || payloads[receipt.sequence] !== receipt.payload) return fail(`acknowledged entry ${receipt.sequence} is lost or changed`);
    if (envelope.event !== event || (entryId !== undefined && envelope.entryId !== entryId)) fail(`receipt ${receipt.sequence} is of another entry`);
    const check = verifyReceipt(receipt, () => [KEY]);
    if (!check.valid) fail(`receipt ${receipt.sequence}: ${check.reason}`);
  }
  return payloads.length;
}
