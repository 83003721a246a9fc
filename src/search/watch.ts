/**
 * Keeps an eye on the index in Elasticsearch: whether it answers, whether it is still the same one (it may have
 * been deleted, or rebuilt by another process), and how many documents it would not take.
 */
import type { Host } from '../ledger/host.js';
import type { ElasticsearchIndex, IndexIdentity } from './elasticsearch.js';

export interface IndexWatchOptions {
  readonly index: Pick<ElasticsearchIndex, 'identity' | 'setAside'>;
  readonly host: Host;
  readonly everyMs: number;
  /** Another index than before stands behind the alias, or none. `lost`: the one before was deleted, and not replaced by a rebuild. */
  readonly onChange: (lost: boolean) => void;
}

export class IndexWatch {
  readonly #options: IndexWatchOptions;
  #identity: { readonly found: IndexIdentity | undefined } | undefined;
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
      const found = await index.identity();
      this.#setAside = await index.setAside();
      this.#failure = undefined;
      const before = this.#identity;
      this.#identity = { found };
      // Where there was none, none was lost: a process that starts on an empty cluster makes it a moment later.
      if (before !== undefined && before.found?.uuid !== found?.uuid) onChange(before.found !== undefined && (found === undefined || found.name === before.found.name));
    } catch (error) {
      this.#failure = error;
    }
  }
}
