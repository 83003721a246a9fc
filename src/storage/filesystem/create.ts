/**
 * One create of the filesystem store, from its first system call to its last, on the thread that calls it.
 * Made for a thread of its own: seen from the event loop each of the nine calls would wait for its turn behind
 * requests (docs/performance.md). Each step says what a crash right after it leaves behind.
 */
import fs from 'node:fs';
import { flushFileHere, linkIfAbsentHere, NotAPlainFile } from './files.js';
import { assertInPlace } from './folders.js';
import type { OpenFolder } from './folders.js';

export interface CreateJob {
  /** Where the file is made before it gets its name. */
  readonly temp: string;
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970: until when the object is retained. */
  readonly accessTime: number;
  /** That of `path`, held open by whoever asks. */
  readonly folder: OpenFolder;
}

export type CreateResult =
  | { readonly outcome: 'created' | 'exists' }
  /** `stored` as in StoreError. */
  | { readonly outcome: 'failed'; readonly stored: 'no' | 'unknown'; readonly code: string | undefined; readonly message: string };

/** Errors of link(2) after which the name certainly was not made. Any other (EIO, a lost reply of NFS) says nothing. */
const NOT_LINKED = new Set('EACCES EDQUOT ELOOP EMLINK ENAMETOOLONG ENOENT ENOSPC ENOTDIR EPERM EROFS EXDEV'.split(' '));

/** Never throws. */
export function createHere({ temp, path, bytes, accessTime, folder }: CreateJob): CreateResult {
  let stored: 'no' | 'unknown' = 'no';
  try {
    // Leaves: a file in .tmp, whole or in part, that no reader sees. A later start removes it.
    writeDurably(temp, bytes, accessTime);
    let linked: boolean;
    try {
      // Leaves: the object, whole, under its key, perhaps not for long: after a power failure the name may be
      // gone again. No one has been told that it is stored; who reads it before the flush below calls
      // `settle` before relying on it.
      linked = linkIfAbsentHere(temp, path);
    } catch (error) {
      if (!NOT_LINKED.has((error as NodeJS.ErrnoException).code ?? '')) stored = 'unknown';
      throw error;
    }
    // From here on what lies at the key may be ours: by this call, or by an earlier one that got no answer.
    stored = 'unknown';
    if (!linked) flushFileHere(path);
    // Leaves: the object. It is durable now, only the answer is missing; a second try says `exists`.
    fs.fsyncSync(folder.fd);
    assertInPlace(folder, fs.lstatSync(folder.path, { bigint: true }));
    return { outcome: linked ? 'created' : 'exists' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { outcome: 'failed', stored: error instanceof NotAPlainFile ? 'no' : stored, code, message };
  } finally {
    // The object does not need its second name any more. What can't be removed stays for the next start.
    unlinkIfThere(temp);
  }
}

/**
 * Writes a new, read-only file whose bytes and access time survive power loss. The access time is rounded up
 * to a whole second, which any file system can hold.
 */
function writeDurably(path: string, bytes: Uint8Array, accessTimeMs: number): void {
  const fd = fs.openSync(path, 'wx', 0o444);
  try {
    // Before the write: that sets the modification time by the file system's clock, and leaves the access time.
    fs.futimesSync(fd, Math.ceil(accessTimeMs / 1000), Date.now() / 1000);
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at, bytes.length - at);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function unlinkIfThere(path: string): void {
  try {
    fs.unlinkSync(path);
  } catch {
    // See above.
  }
}
