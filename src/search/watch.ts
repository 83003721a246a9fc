/**
 * Keeps an eye on the index in Elasticsearch: whether it answers, whether it is still the same one (it may have
 * been deleted, or rebuilt by another process), and how many documents it would not take.
 */
import type { Host } from '../ledger/host.js';
import type { ElasticsearchIndex } from './elasticsearch.js';

export interface IndexWatchOptions {
  readonly index: Pick<ElasticsearchIndex, 'identity' | 'setAside'>;
  readonly host: Host;
  readonly everyMs: number;
  /** Another index than before stands behind the alias, or none. */
  readonly onChange: () => void;
}

export class IndexWatch {
  readonly #options: IndexWatchOptions;
  #identity: { readonly uuid: string | undefined } | undefined;
  #failure: unknown;
  #setAside = 0;
  #cancel: () => void = () => undefined;
  #closed = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: IndexWatchOptions) {
    this.#options = options;
    this.#again(0);
  }

  /** Why the last look failed; `undefined` if it did not. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Documents set aside, at the last look. */
  get setAside(): number {
    return this.#setAside;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#looking;
  }

  #again(ms: number): void {
    if (this.#closed) return;
    this.#cancel = this.#options.host.after(ms, () => {
      this.#looking = this.#look().finally(() => this.#again(this.#options.everyMs));
    });
  }

  async #look(): Promise<void> {
    const { index, onChange } = this.#options;
    try {
      const uuid = await index.identity();
      this.#setAside = await index.setAside();
      this.#failure = undefined;
      const before = this.#identity;
      this.#identity = { uuid };
      if (before !== undefined && before.uuid !== uuid) onChange();
    } catch (error) {
      this.#failure = error;
    }
  }
}
