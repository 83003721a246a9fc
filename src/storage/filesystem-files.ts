/** The system calls a filesystem store is made of, as promises: the callback API is cheaper than fs.promises. */
import fs from 'node:fs';
import { promisify } from 'node:util';

export const unlink = promisify(fs.unlink);
export const lstat = promisify(fs.lstat);
const link = promisify(fs.link);
const open = promisify(fs.open);
const close = promisify(fs.close);
const fstat = promisify(fs.fstat);
const fsync = promisify(fs.fsync);
const futimes = promisify(fs.futimes);
const readChunk = promisify(fs.read);
const writeChunk = promisify(fs.write);

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
export async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
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

/**
 * Writes a new, read-only file whose bytes and access time survive power loss. The access time is rounded up
 * to a whole second, which any file system can hold. If it fails, nothing is left.
 */
export async function writeDurably(path: string, bytes: Uint8Array, accessTimeMs: number): Promise<void> {
  const fd = await open(path, 'wx', 0o444);
  try {
    // Before the write: that sets the modification time by the file system's clock, and leaves the access time.
    await futimes(fd, Math.ceil(accessTimeMs / 1000), Date.now() / 1000);
    for (let at = 0; at < bytes.length; ) {
      at += (await writeChunk(fd, bytes, at, bytes.length - at)).bytesWritten;
    }
    await fsync(fd);
  } catch (error) {
    await close(fd).catch(() => undefined);
    await unlink(path).catch(() => undefined);
    throw error;
  }
  // Not waited for: after fsync a close has nothing left to report.
  fs.close(fd, () => undefined);
}

/** @throws NotAPlainFile; Node's error with its code (ENOENT, …) */
export async function readWhole(path: string): Promise<Uint8Array> {
  return withPlainFile(path, async (fd, size) => {
    if (size > MAX_OBJECT_BYTES) throw new NotAPlainFile(`the file has ${size} bytes, more than any object of ours`);
    const bytes = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await readChunk(fd, bytes, at, size - at, at);
      if (bytesRead === 0) throw new NotAPlainFile(`the file became shorter while it was read`);
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
  const fd = openPlainHere(path);
  try {
    const status = fs.fstatSync(fd);
    if (!status.isFile()) throw new NotAPlainFile(`there is ${kindOf(status)} where a plain file was expected`);
    if (status.size > MAX_OBJECT_BYTES) throw new NotAPlainFile(`the file has ${status.size} bytes, more than any object of ours`);
    const bytes = Buffer.allocUnsafeSlow(status.size);
    for (let at = 0; at < status.size; ) {
      const bytesRead = fs.readSync(fd, bytes, at, status.size - at, at);
      if (bytesRead === 0) throw new NotAPlainFile(`the file became shorter while it was read`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}

/** Returns when the file's bytes survive power loss. */
export async function syncFile(path: string): Promise<void> {
  await withPlainFile(path, (fd) => fsync(fd));
}

async function withPlainFile<T>(path: string, use: (fd: number, size: number) => Promise<T>): Promise<T> {
  const fd = await openPlain(path);
  try {
    const status = await fstat(fd);
    if (!status.isFile()) throw new NotAPlainFile(`there is ${kindOf(status)} where a plain file was expected`);
    return await use(fd, status.size);
  } finally {
    fs.close(fd, () => undefined);
  }
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
