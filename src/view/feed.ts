/**
 * Feeding the view. Nothing here may make an append fail. When the view cannot be written (disk full, file
 * damaged), segments are dropped rather than kept without bound; the chain is then *behind*: `view.through`
 * says up to where the view goes, and whoever feeds it reads the rest from the store.
 */
import { ViewError } from './errors.js';
import type { ViewNote, ViewSegment } from './view.js';
import { View } from './view.js';

export interface ViewFeed {
  /** For lookups. Asked for anew each time: a damaged view is replaced by another one. */
  readonly view: View;

  /** Entries handed over that are neither in the view nor dropped. */
  readonly backlog: number;

  /**
   * Why nothing can be written at the moment; it is tried again until it works. `undefined`: all is well.
   */
  readonly failure: ViewError | undefined;

  /**
   * Hands a segment over. Returns at once. `behind`: there is no room for it, it has been dropped.
   * Segments of a chain come in order; one that is there already is left alone, one behind a hole is dropped
   * with a `gap` note. @throws RangeError if the segment contradicts itself
   */
  post(segment: ViewSegment): 'accepted' | 'behind';

  /**
   * Returns when the first `size` entries of the chain are in the view.
   * @throws ViewError `behind` when nothing handed over can bring that about any more; `full`, `io`, `corrupt`
   *   when the view cannot be written at the moment; `closed`
   */
  drained(chainId: string, size: number): Promise<void>;

  /**
   * Returns when the backlog is below `entries`: for who hands over faster than the view is written. Returns
   * at once while the view cannot be written, since waiting would not help.
   */
  whenBelow(entries: number): Promise<void>;

  /** Makes a new, empty view in place of one that turned out to be damaged (a ViewError `corrupt`). @throws ViewError */
  remake(reason: string): Promise<void>;

  /** Writes what has been handed over, then stops. Documents not searchable yet become so after the next start. */
  close(): Promise<void>;
}

export interface ViewFeedNote extends Omit<ViewNote, 'kind'> {
  /**
   * `gap`: segments of the chain were dropped because entries before them are missing.
   * `failing`, `recovered`: the view could not be written, and can again.
   * `restarted`: the worker thread died and was started again; what it held is lost.
   */
  readonly kind: ViewNote['kind'] | 'gap' | 'failing' | 'recovered' | 'restarted';
}

/** Nothing handed over will bring the entry. */
export function behindError(chainId: string, size: number): ViewError {
  return new ViewError('behind', `entry ${size - 1} of chain ${chainId} is not in the view and not under way to it`);
}

/** A feed that writes at once, in the caller's thread: for tests and simulations. */
export class InlineViewFeed implements ViewFeed {
  readonly backlog = 0;
  readonly failure = undefined;
  readonly #onNote: (note: ViewFeedNote) => void;
  readonly #file: string;
  #view: View;

  constructor(file = ':memory:', onNote: (note: ViewFeedNote) => void = () => undefined) {
    this.#file = file;
    this.#onNote = onNote;
    this.#view = View.open(file, { onNote });
  }

  get view(): View {
    return this.#view;
  }

  post(segment: ViewSegment): 'accepted' | 'behind' {
    const { chainId } = segment;
    if (this.#view.addSegment(segment) === 'gap') {
      this.#onNote({ kind: 'gap', chainId, message: `the view of chain ${chainId} ends at ${this.#view.through(chainId).size}` });
      return 'behind';
    }
    while (this.#view.maintain(1_000));
    return 'accepted';
  }

  drained(chainId: string, size: number): Promise<void> {
    return this.#view.through(chainId).size >= size ? Promise.resolve() : Promise.reject(behindError(chainId, size));
  }

  whenBelow(): Promise<void> {
    return Promise.resolve();
  }

  remake(reason: string): Promise<void> {
    const { inode } = this.#view;
    this.#view.close();
    this.#view = View.open(this.#file, { onNote: this.#onNote, replace: { inode, reason } });
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#view.close();
    return Promise.resolve();
  }
}
