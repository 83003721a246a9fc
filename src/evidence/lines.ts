/** Lines of a byte stream, each bounded: whatever the file holds, memory stays small. */

export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

export class LineReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** The next line without its line feed; `undefined` if the stream ends before one. @throws LineTooLongError */
  async next(limit: number): Promise<Uint8Array | undefined> {
    let searched = 0;
    for (;;) {
      const end = this.#rest.indexOf(0x0a, searched);
      if ((end < 0 ? this.#rest.length : end) > limit) throw new LineTooLongError(`a line is longer than ${limit} bytes`);
      if (end >= 0) {
        const line = this.#rest.subarray(0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      searched = this.#rest.length;
      if (!(await this.#more())) return undefined;
    }
  }

  /** Whether nothing follows. */
  async atEnd(): Promise<boolean> {
    while (this.#rest.length === 0) if (!(await this.#more())) return true;
    return false;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const chunk = await this.#chunks.next();
    if (chunk.done === true) {
      this.#ended = true;
      return false;
    }
    this.#rest = this.#rest.length === 0 ? chunk.value : Buffer.concat([this.#rest, chunk.value]);
    return true;
  }
}
