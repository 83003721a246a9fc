/** The names in one folder of a filesystem store, in the byte order of the keys they lead to. */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { isKey } from '../worm-store.js';

const readdir = promisify(fs.readdir);

/** A folder's name ends with '/', so that it sorts where its keys do. */
export interface Names {
  readonly length: number;
  /** The i-th in ascending byte order. */
  at(i: number): string;
}

export const NO_NAMES: Names = { length: 0, at: () => '' };

/**
 * A folder that takes more than this for its own entries (as lstat tells: some thousand names) is read in
 * a worker thread. To make strings of 300,000 names holds up this thread, and so every request, for 0.3 s.
 */
const LARGE_FOLDER_BYTES = 262_144;

/** `folder` is the key prefix of `path`: '' or ending with '/'. @throws Node's error with its code */
export async function readNames(path: string, folder: string, folderBytes: number): Promise<Names> {
  if (folderBytes > LARGE_FOLDER_BYTES) return readInWorker(path, folder);
  const sorted = keyNames(folder, await readdir(path, READ_OPTIONS));
  return { length: sorted.length, at: (i) => sorted[i] ?? '' };
}

/** Latin-1 makes one character of a byte: nothing is lost of a name that is no UTF-8, and strings sort as bytes do. */
export const READ_OPTIONS = { withFileTypes: true, encoding: 'latin1' } as const;

export function keyNames(folder: string, entries: readonly fs.Dirent[]): string[] {
  const sorted: string[] = [];
  for (const entry of entries) {
    if (!isKey(folder + entry.name)) continue;
    // Anything but a folder is listed, a symbolic link too: whoever reads it is told what it is, while a
    // name left out would look like the end of a chain.
    sorted.push(entry.isDirectory() ? `${entry.name}/` : entry.name);
  }
  return sorted.sort();
}

/** What the worker sends: the names one after another, and where each one begins; or why it couldn't. */
export type NamesMessage =
  | { readonly names: Uint8Array; readonly starts: Uint32Array }
  | { readonly code: string; readonly message: string };

async function readInWorker(path: string, folder: string): Promise<Names> {
  const worker = new Worker(new URL('./names-worker.js', import.meta.url), { workerData: { path, folder } });
  const message = await new Promise<NamesMessage>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that reads the folder ended without an answer')));
  });
  if ('code' in message) throw Object.assign(new Error(message.message), { code: message.code });
  const names = Buffer.from(message.names.buffer);
  const { starts } = message;
  return { length: starts.length - 1, at: (i) => names.toString('latin1', starts[i], starts[i + 1]) };
}
