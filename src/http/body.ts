/** Reads a request's body, never more of it than is allowed. */
import type { Exchange } from './exchange.js';
import { Problem } from './problem.js';

/**
 * Calls `take` with the whole body. What `take` throws becomes the answer; if the client goes away before
 * the end, nothing is called and nothing is answered.
 *
 * What is left of a refused body is read and dropped by node:http, so that the client gets to see the
 * answer; the request timeout bounds how long.
 *
 * @throws Problem length_required, body_too_large, before a byte is read
 */
export function readBody(exchange: Exchange, maxBytes: number, take: (body: Buffer) => void): void {
  const { req, res } = exchange;
  const declared = req.headers['content-length'];
  if (declared === undefined) {
    if (req.headers['transfer-encoding'] === undefined) throw new Problem('length_required', 'the request has no body');
  } else if (Number(declared) > maxBytes) {
    throw tooLarge(maxBytes);
  }
  // The headers were found good: only now the client that asked is told to go on.
  if (req.headers.expect !== undefined) res.writeContinue();

  let first: Buffer | undefined;
  let chunks: Buffer[] | undefined;
  let length = 0;
  req.on('data', (chunk: Buffer) => {
    if (length > maxBytes) return;
    length += chunk.length;
    if (length > maxBytes) {
      exchange.fail(tooLarge(maxBytes));
      first = chunks = undefined;
    } else if (first === undefined) first = chunk;
    else if (chunks === undefined) chunks = [first, chunk];
    else chunks.push(chunk);
  });
  req.on('end', () => {
    if (length > maxBytes) return;
    try {
      take(chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, length));
    } catch (error) {
      exchange.fail(error);
    }
  });
}

function tooLarge(maxBytes: number): Problem {
  return new Problem('body_too_large', `the body is over ${maxBytes} bytes`);
}
