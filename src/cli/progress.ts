/** How far long work has come, on stderr: one line that renews itself on a terminal, else a line now and then. */
const TERMINAL_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 1_000;

export class Progress {
  readonly #mode: 'terminal' | 'lines' | 'off';
  #last = 0;
  #shown = false;

  /** @param asked `--progress`: also where stderr is no terminal */
  constructor(asked: boolean | undefined) {
    this.#mode = process.stderr.isTTY ? 'terminal' : asked === true ? 'lines' : 'off';
  }

  /** Cheap to call often: `text` is only made when it will be shown. */
  show(text: () => string): void {
    if (this.#mode === 'off') return;
    const now = performance.now();
    if (now - this.#last < (this.#mode === 'terminal' ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS)) return;
    this.#last = now;
    this.#shown = true;
    process.stderr.write(this.#mode === 'terminal' ? `\r\u001b[K${text()}` : `${text()}\n`);
  }

  /** Clears the line, so that the result does not stand behind it. */
  done(): void {
    if (this.#mode === 'terminal' && this.#shown) process.stderr.write('\r\u001b[K');
    this.#shown = false;
  }
}
