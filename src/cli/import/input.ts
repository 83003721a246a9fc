/** The bytes of a file or of stdin, unpacked if they are gzip. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CliError, messageOf } from '../failure.js';

export const STDIN = '-';

/** @throws CliError naming the file */
export async function* inputBytes(name: string): AsyncGenerator<Uint8Array> {
  const stream = name === STDIN ? process.stdin : createReadStream(name);
  try {
    yield* unpacked(stream);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError('input_unreadable', `${name === STDIN ? 'standard input' : name}: ${messageOf(cause)}`, { cause });
  }
}

async function* unpacked(stream: Readable): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  let head = Buffer.alloc(0);
  // A pipe may hand out one byte at a time, and two decide.
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = prepended(head, chunks);
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    yield* all;
    return;
  }
  const gunzip = createGunzip();
  const fed = feed(all, gunzip);
  yield* gunzip as AsyncIterable<Buffer>;
  await fed;
}

async function* prepended(head: Buffer, rest: AsyncIterator<Buffer, undefined>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function feed(bytes: AsyncIterable<Buffer>, gunzip: ReturnType<typeof createGunzip>): Promise<void> {
  try {
    for await (const chunk of bytes) {
      if (!gunzip.write(chunk)) await new Promise((resolve) => gunzip.once('drain', resolve));
    }
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error);
  }
}
