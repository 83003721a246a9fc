/** Runs a drill: each attack with each of the rights, on a chain of its own, judged before the next one begins. */
import { setTimeout as sleep } from 'node:timers/promises';
import { OutsideScratch } from './answer.js';
import type { Attack, Attempt, Family, Ground, Rights, ScratchParts } from './attack.js';
import { ATTACKS } from './attacks.js';
import { judge } from './judge.js';
import type { Judged } from './judge.js';
import type { AttackResult } from './report.js';
import { Scratch } from './scratch.js';
import type { ScratchOptions } from './scratch.js';
import type { ScratchChain } from './scratch-chain.js';
import { ageWatcher, baselineOf, checker, reconciler, serviceWatcher, verifier } from './watch.js';
import type { Baseline, Signal, Watcher } from './watch.js';

export interface DrillOptions extends Pick<ScratchOptions, 'config' | 'names' | 'prepared' | 'identities' | 'admin'> {
  /** Default: all. */
  readonly families?: readonly Family[] | undefined;
  /** How long monitoring is given to find what took effect. */
  readonly withinMs: number;
  readonly onStep: (step: string) => void;
  readonly onResult: (result: AttackResult) => void;
  /** Another monitoring than the real one, for who wants to see a drill fail. */
  readonly watchers?: (attack: Attack, real: readonly Watcher[]) => readonly Watcher[];
}

export interface DrillRun {
  readonly scratch: Pick<Scratch, 'config' | 'logBucket' | 'notes'> & { readonly locked: boolean; readonly second: string | undefined };
  readonly results: readonly AttackResult[];
  readonly remains: Awaited<ReturnType<Scratch['remove']>>;
  readonly notes: readonly string[];
}

const COMPLIANCE_MS = 60_000;
const FILL_WITHIN_MS = 120_000;
const FILL_POLL_MS = 300;

/** @throws ScratchError and what opening a ledger throws, if there is nothing to attack; OutsideScratch for a defect of the drill itself */
export async function runDrill(options: DrillOptions): Promise<DrillRun> {
  const { config, onStep } = options;
  const chosen = ATTACKS.filter(({ family }) => options.families?.includes(family) ?? true);
  const wants = (part: keyof ScratchParts): boolean => chosen.some(({ needs }) => needs.includes(part));
  const scratch = await Scratch.open({
    ...options,
    wants: { topic: config.kafkaBrokers !== undefined && wants('topic'), index: config.elasticsearchUrl !== undefined && wants('index'), signingKey: config.signer === 'kms' && wants('signingKey') },
  });
  try {
    const run = new Run(scratch, options);
    const results = await run.all(chosen);
    onStep('removing what the drill made');
    const remains = await scratch.remove();
    const { parts, logBucket, notes, second } = scratch;
    return { scratch: { config: scratch.config, logBucket, notes, locked: parts.bucket.locked, second: second?.bucket.name }, results, remains, notes: run.notes(chosen) };
  } catch (error) {
    await scratch.remove().catch(() => undefined);
    throw error;
  } finally {
    await scratch.close();
  }
}

class Run {
  readonly #scratch: Scratch;
  readonly #options: DrillOptions;
  readonly #check: Watcher;
  readonly #checkOfCopies: Watcher;
  readonly #verify: Watcher;
  readonly #spoiled: string[] = [];
  #chains = 0;
  /** What each check said before the attack before. */
  readonly #settings = new Map<Watcher, readonly Signal[]>();

  constructor(scratch: Scratch, options: DrillOptions) {
    this.#scratch = scratch;
    this.#options = options;
    const { parts: { bucket, ledger }, second, reader: store, config } = scratch;
    this.#verify = verifier({ store, ledger, second: second?.store, locked: bucket.locked });
    // Reading settings is a right of its own, which an operator's monitoring has.
    const { credentials } = options.identities.administrator;
    this.#checkOfCopies = checker({ config, credentials });
    // What is done to the bucket changes nothing of the copies.
    this.#check = checker({ config: { ...config, kafkaBrokers: undefined, elasticsearchUrl: undefined }, credentials });
  }

  async all(attacks: readonly Attack[]): Promise<readonly AttackResult[]> {
    const results: AttackResult[] = [];
    for (const attack of attacks) {
      if (!this.#has(attack)) continue;
      for (const rights of this.#rightsOf(attack)) {
        this.#options.onStep(`${attack.title}, with the ${rights}'s rights`);
        const result: AttackResult = { ...attack, ...(await this.#one(attack, rights)), rights };
        results.push(result);
        this.#options.onResult(result);
      }
    }
    return results;
  }

  /** What a reader of the results must know. */
  notes(chosen: readonly Attack[]): string[] {
    const { config, admin, families } = this.#options;
    const notes = [...this.#scratch.notes];
    const without = (part: keyof ScratchParts, configured: boolean, what: string): void => {
      if (!configured && (families === undefined || chosen.some(({ needs }) => needs.includes(part)))) notes.push(what);
    };
    without('topic', config.kafkaBrokers !== undefined, 'There is no mirror (INDELIBLE_KAFKA_BROKERS): no topic was attacked.');
    without('index', config.elasticsearchUrl !== undefined, 'There is no Elasticsearch (INDELIBLE_ELASTICSEARCH_URL): no index was attacked.');
    without('signingKey', config.signer === 'kms', 'The signing key is a file (INDELIBLE_SIGNER=local): no key in KMS was attacked. Whoever can read that file can sign.');
    if (config.kafkaBrokers !== undefined && admin.kafka === undefined) notes.push('No administrator of the brokers was named: their topic was attacked with the writer\'s rights alone.');
    if (config.elasticsearchUrl !== undefined && admin.elasticsearch === undefined) notes.push('No administrator of Elasticsearch was named: its index was attacked with the writer\'s rights alone.');
    if (families !== undefined) notes.push(`Only these attacks were asked for: ${families.join(', ')}. The others were not tried.`);
    return [...notes, ...this.#spoiled];
  }

  /** What is not configured is not attacked. What is, and could not be made, is reported as not tried. */
  #has({ needs }: Attack): boolean {
    const { parts, lacking } = this.#scratch;
    return needs.every((part) => parts[part] !== undefined || part in lacking);
  }

  #rightsOf({ rights, needs }: Attack): readonly Rights[] {
    const { admin } = this.#options;
    const onlyWriter = (needs.includes('topic') && admin.kafka === undefined) || (needs.includes('index') && admin.elasticsearch === undefined);
    return onlyWriter ? rights.filter((one) => one === 'writer') : rights;
  }

  async #one(attack: Attack, rights: Rights): Promise<Pick<AttackResult, 'tried' | 'outcome' | 'evidence'>> {
    const { parts, lacking } = this.#scratch;
    const not = (verdict: 'untried' | 'inapplicable', because: string): Pick<AttackResult, 'tried' | 'outcome' | 'evidence'> => ({ tried: 'Nothing was tried.', outcome: { verdict, because }, evidence: [] });
    const absent = attack.needs.flatMap((part) => (part in lacking ? [lacking[part as keyof typeof lacking] ?? ''] : []));
    if (absent.length > 0) return not('untried', absent.join('; '));
    if (attack.needsLock === true && !parts.bucket.locked) return not('inapplicable', 'the bucket has no Object Lock, so no object in it has a retention');
    let attempt: Attempt | undefined;
    try {
      const chain = await this.#chain(attack);
      const watched = { chain };
      const watchers = this.#watchers(attack);
      const ground: Ground = { rights, chain, parts };
      await attack.prepare?.(ground);
      const before = await this.#baseline(attack, watchers, chain);
      attempt = await attack.attempt(ground);
      const judged: Judged = await judge({
        attempt,
        watchers,
        before,
        watched,
        lost: () => chain.lost(parts.bucket.eyes, parts.ledger.trust),
        entries: () => chain.receipts.length,
        withinMs: this.#options.withinMs,
        clock: { now: () => Date.now(), sleep: (ms) => sleep(ms) },
      });
      return { tried: attempt.tried, outcome: judged.verdict, evidence: judged.evidence };
    } catch (error) {
      if (error instanceof OutsideScratch) throw error;
      return not('untried', error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    } finally {
      await attempt?.presented?.close();
      await this.#putBack(attack, attempt);
    }
  }

  /** The settings are as the attack before left them, and it put them back: they are read again for who attacks them. */
  async #baseline({ family }: Attack, watchers: readonly Watcher[], chain: ScratchChain): Promise<Baseline> {
    const [check] = watchers.filter(({ name }) => name === 'guardrails check');
    const known = check === undefined || family === 'configuration' || family === 'keys' ? undefined : this.#settings.get(check);
    const found = await baselineOf(known === undefined ? watchers : watchers.filter((watcher) => watcher !== check), { chain, nowMs: Date.now() });
    if (known !== undefined) return new Map([...found, ['guardrails check', known]]);
    const settings = found.get('guardrails check');
    if (check !== undefined && settings !== undefined) this.#settings.set(check, settings);
    return found;
  }

  async #putBack({ title }: Attack, attempt: Attempt | undefined): Promise<void> {
    try {
      await attempt?.undo?.();
    } catch (error) {
      this.#spoiled.push(`After "${title}" not everything could be put back, so later results may be of a weaker bucket: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  /** Real monitoring, the likeliest to find it first. */
  #watchers(attack: Attack): readonly Watcher[] {
    const { parts: { ledger, marks, topic, index } } = this.#scratch;
    const copies = [attack.needs.includes('topic') ? topic?.copy : undefined, attack.needs.includes('index') ? index?.copy : undefined];
    const real = [
      ...copies.flatMap((copy) => (copy === undefined ? [] : [reconciler(ledger, copy)])),
      ...(attack.family === 'verifier' ? [ageWatcher(marks)] : [this.#verify, serviceWatcher(ledger)]),
      copies.some((copy) => copy !== undefined) ? this.#checkOfCopies : this.#check,
    ];
    return this.#options.watchers?.(attack, real) ?? real;
  }

  async #chain(attack: Attack): Promise<ScratchChain> {
    const { parts: { ledger, topic, index }, second } = this.#scratch;
    const chainId = `${attack.id}-${++this.#chains}`;
    const chain = await this.#written(attack, chainId);
    if (second !== undefined) await until(`chain ${chainId} is in the second bucket`, () => second.replica.replicatedThrough(chainId) >= chain.receipts.length);
    const filled = (copy: Watcher): Promise<void> => until(`the copies of the log hold chain ${chainId}`, async () => (await copy.look({ chain, nowMs: Date.now() })).length === 0);
    if (topic !== undefined && attack.needs.includes('topic')) await topic.filled(ledger, () => filled(reconciler(ledger, topic.copy)));
    if (index !== undefined && attack.needs.includes('index')) await index.filled(ledger, () => filled(reconciler(ledger, index.copy)));
    return chain;
  }

  async #written({ compliance }: Attack, chainId: string): Promise<ScratchChain> {
    const { parts: { ledger } } = this.#scratch;
    if (compliance !== true) return ledger.chain(chainId);
    try {
      return await ledger.chain(chainId, { mode: 'compliance', retainUntil: new Date(Date.now() + COMPLIANCE_MS).toISOString() });
    } catch {
      // A policy may refuse the mode, or so short a time.
      return ledger.chain(`${chainId}-governance`);
    }
  }
}

/** What is written is not there at once. @throws Error if it does not come */
async function until(what: string, isTrue: () => Promise<boolean> | boolean): Promise<void> {
  let trouble = '';
  const deadline = Date.now() + FILL_WITHIN_MS;
  while (Date.now() < deadline) {
    try {
      if (await isTrue()) return;
    } catch (error) {
      // A topic that is just being made has no leader yet.
      trouble = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    await sleep(FILL_POLL_MS);
  }
  throw new Error(`not within ${FILL_WITHIN_MS / 1000} s: ${what}${trouble}`);
}

