/**
 * What stands between the service and its work, part by part, for `/readyz` and metrics. Each part says so itself;
 * a part that does not answer within a second has answered.
 *
 * `store` and `signer` are what an append needs: if one of them fails, the service is not ready. Everything else is
 * derived from the store, and at worst makes it `degraded`.
 */
import type { Circuit } from './circuit.js';
import type { Readiness, ReadinessCheck } from './http/deps.js';
import type { Ledger } from './ledger/ledger.js';
import type { BrokenSigner } from './signing/breaker.js';
import type { BrokenStore } from './storage/breaker.js';

const ANSWER_MS = 1_000;
/** How long the outcome of a trial call stands: `/readyz` is public, and each trial costs money on S3 and KMS. */
const TRIAL_STANDS_MS = 500;

export type ReadinessSource = () => Omit<ReadinessCheck, 'name'> | Promise<Omit<ReadinessCheck, 'name'>>;

export class ReadinessBoard {
  readonly #parts: { readonly name: string; readonly source: ReadinessSource; readonly needed: boolean }[] = [];

  /** `needed`: appends fail without it. */
  add(name: string, source: ReadinessSource, needed = false): void {
    this.#parts.push({ name, source, needed });
  }

  async check(): Promise<Readiness> {
    const checks = await Promise.all(
      this.#parts.map(async ({ name, source, needed }): Promise<ReadinessCheck> => {
        const silent = { status: needed ? 'failed' : 'degraded', detail: `no answer within ${ANSWER_MS} ms` } as const;
        // What a part throws is for the log, this page is public.
        const broken = { status: needed ? 'failed' : 'degraded', detail: 'can not be asked' } as const;
        const answer = await inTime(Promise.resolve().then(source), silent).catch(() => broken);
        return { name, ...answer };
      }),
    );
    return { ready: checks.every(({ status }) => status !== 'failed'), checks };
  }
}

/** A trial call whose outcome stands for a moment, however many ask. */
export class Trial {
  readonly #call: () => Promise<unknown>;
  #outcome: Promise<boolean> | undefined;
  #expires = 0;

  constructor(call: () => Promise<unknown>) {
    this.#call = call;
  }

  succeeds(): Promise<boolean> {
    if (this.#outcome === undefined || performance.now() >= this.#expires) {
      // Until it is known, nobody starts another.
      this.#expires = Number.POSITIVE_INFINITY;
      const outcome = inTime(
        this.#call().then(
          () => true,
          () => false,
        ),
        false,
      );
      this.#outcome = outcome;
      void outcome.then(() => (this.#expires = performance.now() + TRIAL_STANDS_MS));
    }
    return this.#outcome;
  }
}

export function storeCheck({ writing, reading, probe }: BrokenStore, ledger: Pick<Ledger, 'open'>): ReadinessSource {
  const trial = new Trial(probe);
  return async () => {
    const unsettled = [...ledger.open()].filter((chain) => chain.unsettled).length;
    if (unsettled > 0) return { status: 'failed', detail: `commits of ${unsettled} chains can not be settled; they are tried again` };
    for (const circuit of [writing, reading]) if (circuit.state === 'open') return { status: 'failed', detail: openDetail(circuit) };
    if (!(await trial.succeeds())) return { status: 'failed', detail: 'it can not be read' };
    // Kept out of traffic it would never be tried: the next append tries it.
    return writing.state === 'half-open' ? { status: 'degraded', detail: 'writing failed lately; the next append tries it' } : { status: 'ok' };
  };
}

export function signerCheck({ circuit, probe }: BrokenSigner, without: 'failed' | 'degraded' = 'failed'): ReadinessSource {
  const trial = new Trial(probe);
  return async () => {
    if (circuit.state !== 'closed') return { status: without, detail: openDetail(circuit) };
    return (await trial.succeeds()) ? { status: 'ok' } : { status: without, detail: 'it does not sign' };
  };
}

function openDetail(circuit: Circuit): string {
  return `${circuit.name} failed several times in a row; it is tried again every second`;
}

function inTime<T>(work: Promise<T>, late: T): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(late), ANSWER_MS);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
