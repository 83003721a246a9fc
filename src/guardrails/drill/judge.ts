/**
 * Judges an attack by what is really there: refused if nothing has changed, found if monitoring tells of it, else
 * missed. Whatever it did, each acknowledged entry must still be readable, or its loss be found by verification.
 */
import { refusedBy, textOf } from './answer.js';
import type { Attempt } from './attack.js';
import { newSignals } from './watch.js';
import type { Baseline, Signal, Watched, Watcher, WatcherName } from './watch.js';

export type Verdict =
  | { readonly verdict: 'refused'; readonly by: string }
  /** `seconds`: from the end of the attack; with time that was reckoned and not waited for. */
  | { readonly verdict: 'found'; readonly by: WatcherName; readonly as: string; readonly seconds: number }
  | { readonly verdict: 'missed'; readonly because: string }
  /** It could not be tried or judged: nothing is said of it. */
  | { readonly verdict: 'untried'; readonly because: string }
  /** There is nothing such an attack could be done to. */
  | { readonly verdict: 'inapplicable'; readonly because: string };

export interface Judged {
  readonly verdict: Verdict;
  /** In the order in which it was seen, a sentence each. */
  readonly evidence: readonly string[];
}

export interface JudgeOptions {
  readonly attempt: Attempt;
  readonly watchers: readonly Watcher[];
  readonly before: Baseline;
  readonly watched: Omit<Watched, 'nowMs' | 'presented'>;
  /** Acknowledged entries that can't be read any more. */
  readonly lost: () => Promise<readonly number[]>;
  readonly entries: () => number;
  /** Monitoring is given so long. */
  readonly withinMs: number;
  readonly clock: { now(): number; sleep(ms: number): Promise<void> };
}

const PAUSE_MS = 500;
const SHOWN = 5;

export async function judge(options: JudgeOptions): Promise<Judged> {
  const { attempt, lost, entries } = options;
  const { answers, effect, stoppedBy, pointless } = attempt;
  if (pointless !== undefined) return { verdict: { verdict: 'inapplicable', because: pointless }, evidence: [] };
  const gone = await lost();
  const readable = gone.length === 0 ? `All ${entries()} acknowledged entries of the chain could be read afterwards.` : `${gone.length} of ${entries()} acknowledged entries could not be read any more (sequences ${gone.join(', ')}).`;
  const seen = answers.map((answer) => `Answer: ${textOf(answer)}.`);
  if (effect === undefined && gone.length === 0) {
    return { verdict: { verdict: 'refused', by: stoppedBy ?? refusedBy(answers) }, evidence: [...seen, 'Nothing had changed.', readable] };
  }
  seen.push(`It took effect: ${effect ?? 'entries are gone'}.`, readable);
  const { verdict, signals, troubles } = await watch(options, gone.length > 0);
  return { verdict, evidence: [...seen, ...signals.slice(0, SHOWN).map(({ as, detail }) => `Found as ${as}: ${detail}.`), ...moreThan(signals), ...troubles] };
}

function moreThan(signals: readonly Signal[]): string[] {
  return signals.length > SHOWN ? [`And ${signals.length - SHOWN} more.`] : [];
}

/** Looks until something new is told. What is lost must be told by verification, whatever else is. */
async function watch(
  { attempt, watchers, before, watched, withinMs, clock }: JudgeOptions,
  isLost: boolean,
): Promise<{ readonly verdict: Verdict; readonly signals: readonly Signal[]; readonly troubles: readonly string[] }> {
  const since = clock.now();
  const laterMs = attempt.laterMs ?? 0;
  const troubles = new Set<string>();
  const counting = isLost ? watchers.filter(({ name }) => name === 'verification') : watchers;
  for (;;) {
    for (const watcher of counting) {
      const { name } = watcher;
      let signals: readonly Signal[];
      try {
        signals = newSignals(await watcher.look({ ...watched, presented: attempt.presented?.store, nowMs: clock.now() + laterMs }), before.get(name));
      } catch (error) {
        // Monitoring that can't look has found nothing.
        troubles.add(`The ${name} could not be done: ${error instanceof Error ? error.message : String(error)}.`);
        continue;
      }
      const [first] = signals;
      if (first !== undefined) return { verdict: { verdict: 'found', by: name, as: first.as, seconds: rounded(clock.now() - since + laterMs) }, signals, troubles: [...troubles] };
    }
    if (clock.now() - since >= withinMs) break;
    await clock.sleep(Math.min(PAUSE_MS, withinMs));
  }
  const because = isLost ? `entries were lost, and no verification told of it within ${rounded(withinMs)} s` : `it took effect, and nothing told of it within ${rounded(withinMs)} s`;
  return { verdict: { verdict: 'missed', because }, signals: [], troubles: [...troubles] };
}

function rounded(ms: number): number {
  return Math.round(ms / 100) / 10;
}
