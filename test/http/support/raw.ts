/** Requests that no HTTP client would send: bytes on a socket, and what comes back. */
import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** The problem's code, if the body is a problem. */
  readonly code: string | undefined;
}

/** Pieces are sent one after another; a number is a pause in milliseconds. */
export type Piece = string | Uint8Array | number;

/** Sends the pieces and reads until the server closes or has answered `answers` times. */
export function raw(port: number, pieces: readonly Piece[], answers = 1): Promise<readonly RawAnswer[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    const finish = (): void => {
      socket.destroy();
      resolve(parseAnswers(Buffer.concat(chunks)));
    };
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (parseAnswers(Buffer.concat(chunks)).length >= answers) finish();
    });
    socket.on('close', finish);
    // A reset after the answer came is the server's right: it closed on what it refused to read.
    socket.on('error', (error) => (chunks.length > 0 || (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' ? finish() : reject(error)));
    void (async () => {
      for (const piece of pieces) {
        if (typeof piece === 'number') await new Promise((done) => setTimeout(done, piece));
        else if (socket.writable) socket.write(piece);
      }
    })();
  });
}

/** Complete answers in what was received; all of ours have a content-length. */
export function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) return answers;
    const head = bytes.subarray(at, end).toString('latin1');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    const length = status === 100 || status === 204 ? 0 : Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (bytes.length < end + 4 + length) return answers;
    const body = bytes.subarray(end + 4, end + 4 + length).toString('utf8');
    at = end + 4 + length;
    if (status === 100) continue;
    answers.push({ status, head, body, code: /application\/problem\+json/.test(head) ? (JSON.parse(body) as { code: string }).code : undefined });
  }
}
