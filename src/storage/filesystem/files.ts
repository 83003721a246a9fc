/**
 * The system calls a filesystem store is made of: as promises (the callback API is cheaper than fs.promises), and, what
 * ends in "Here", on the thread that calls and in one go.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';

export const lstat = promisify(fs.lstat);
const open = promisify(fs.open);
const fstat = promisify(fs.fstat);
const readChunk = promisify(fs.read);

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
/** Linux: reading leaves the access time alone, which is where the retention is noted. 0 elsewhere. */
const O_NOATIME = (fs.constants as { O_NOATIME?: number }).O_NOATIME ?? 0;

/** No object of ours comes near; a larger file is foreign, and reading it would exhaust the memory. */
const MAX_OBJECT_BYTES = 1 << 30;

/** lstat with times to the nanosecond. */
export function lstatExact(path: string): Promise<fs.BigIntStats> {
  return lstat(path, { bigint: true });
}

/** False if the name is taken. */
export function linkIfAbsentHere(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** To `catch` with, where "there is no such file" is an answer. */
export function absent(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}

export class NotAPlainFile extends Error {
  override readonly name = 'NotAPlainFile';
}

/** @throws NotAPlainFile; Node's error with its code (ENOENT, …) */
export async function readWhole(path: string): Promise<Uint8Array> {
  return withPlainFile(path, async (fd, size) => {
    if (size > MAX_OBJECT_BYTES) throw tooLarge(size);
    const bytes = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await readChunk(fd, bytes, at, size - at, at);
      if (bytesRead === 0) throw becameShorter();
      at += bytesRead;
    }
    return bytes;
  });
}

/**
 * As `readWhole`, on this thread: for a worker thread that would only wait for it. The way to the thread pool
 * and back, four times a file, costs more there than the reading.
 */
export function readWholeHere(path: string): Uint8Array {
  return withPlainFileHere(path, (fd, size) => {
    if (size > MAX_OBJECT_BYTES) throw tooLarge(size);
    const bytes = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size; ) {
      const bytesRead = fs.readSync(fd, bytes, at, size - at, at);
      if (bytesRead === 0) throw becameShorter();
      at += bytesRead;
    }
    return bytes;
  });
}

/** Returns when the file's bytes survive power loss. @throws NotAPlainFile */
export function flushFileHere(path: string): void {
  withPlainFileHere(path, (fd) => fs.fsyncSync(fd));
}

function withPlainFileHere<T>(path: string, use: (fd: number, size: number) => T): T {
  const fd = openPlainHere(path);
  try {
    return use(fd, sizeOfPlain(fs.fstatSync(fd)));
  } finally {
    fs.closeSync(fd);
  }
}

async function withPlainFile<T>(path: string, use: (fd: number, size: number) => Promise<T>): Promise<T> {
  const fd = await openPlain(path);
  try {
    return await use(fd, sizeOfPlain(await fstat(fd)));
  } finally {
    fs.close(fd, () => undefined);
  }
}

function sizeOfPlain(status: fs.Stats): number {
  if (!status.isFile()) throw new NotAPlainFile(`there is ${kindOf(status)} where a plain file was expected`);
  return status.size;
}

function tooLarge(size: number): NotAPlainFile {
  return new NotAPlainFile(`the file has ${size} bytes, more than any object of ours`);
}

function becameShorter(): NotAPlainFile {
  return new NotAPlainFile('the file became shorter while it was read');
}

// O_NONBLOCK: opening a FIFO would wait for a writer, forever.
const PLAIN_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

async function openPlain(path: string): Promise<number> {
  try {
    return await open(path, PLAIN_FLAGS | O_NOATIME);
  } catch (error) {
    if (mayNotKeepTime(error)) return open(path, PLAIN_FLAGS);
    throw whatIsThere(error);
  }
}

function openPlainHere(path: string): number {
  try {
    return fs.openSync(path, PLAIN_FLAGS | O_NOATIME);
  } catch (error) {
    if (mayNotKeepTime(error)) return fs.openSync(path, PLAIN_FLAGS);
    throw whatIsThere(error);
  }
}

/** Only the owner may ask for O_NOATIME. */
function mayNotKeepTime(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPERM' && O_NOATIME !== 0;
}

function whatIsThere(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ELOOP') return new NotAPlainFile('there is a symbolic link where a plain file was expected');
  if (code === 'ENXIO') return new NotAPlainFile('there is a socket where a plain file was expected');
  return error;
}

export function kindOf(status: fs.Stats | fs.BigIntStats): string {
  if (status.isDirectory()) return 'a folder';
  if (status.isSymbolicLink()) return 'a symbolic link';
  if (status.isFIFO()) return 'a FIFO';
  if (status.isSocket()) return 'a socket';
  return status.isFile() ? 'a plain file' : 'a device';
}
