/** Where a command writes: results to stdout, everything else to stderr. */
import { harmlessJson, safeJson, safeLines } from './terminal.js';

export type Colour = 'green' | 'red' | 'yellow' | 'bold' | 'dim';

const CODES: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

export class Output {
  /**
   * The reader of stdout has gone away (`… | head`). A command that only prints stops then; one that does
   * something goes on with it, and its exit code still counts.
   */
  closed = false;
  readonly #colours: boolean;
  readonly #onClosed: (() => void)[] = [];

  constructor() {
    this.#colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.note(`stdout: ${error.message}`);
      this.closed = true;
      for (const callback of this.#onClosed) callback();
    });
    // Nobody reads what goes wrong: there is nowhere left to say so.
    process.stderr.on('error', () => undefined);
  }

  onClosed(callback: () => void): void {
    this.#onClosed.push(callback);
  }

  /** Text of our own; values of others in it must be made safe before. */
  line(text = ''): void {
    this.raw(`${text}\n`);
  }

  json(value: unknown): void {
    this.raw(`${safeJson(value)}\n`);
  }

  /** JSON text that is passed on without being parsed. */
  jsonText(text: string): void {
    this.raw(`${harmlessJson(text)}\n`);
  }

  raw(text: string): void {
    if (!this.closed) process.stdout.write(text);
  }

  /** To stderr. */
  note(text: string): void {
    process.stderr.write(`${safeLines(text)}\n`);
  }

  paint(colour: Colour, text: string): string {
    return this.#colours ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
  }

  /** Resolves when what was written has left the process, or can't. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) resolve();
      else process.stdout.write('', () => resolve());
    });
  }
}
