/**
 * The naive design, done properly: one file an entry, each chained to the one before, each durable
 * before the next is begun. It shares work between callers in no way; that is the point of it.
 */
import { hash } from 'node:crypto';
import { type FileHandle, link, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { canonical } from '../floors/canonical.js';

export interface NaiveReceipt {
  readonly sequence: number;
  readonly entryHash: string;
}

export class NaiveLog {
  private sequence = 0;
  private previous = Buffer.alloc(32);
  private last: Promise<unknown> = Promise.resolve();

  private readonly folder: string;
  private readonly handle: FileHandle;

  private constructor(folder: string, handle: FileHandle) {
    this.folder = folder;
    this.handle = handle;
  }

  static async open(folder: string): Promise<NaiveLog> {
    return new NaiveLog(folder, await open(folder, 'r'));
  }

  get size(): number {
    return this.sequence;
  }

  append(json: string): Promise<NaiveReceipt> {
    const turn = this.last.then(() => this.write(json));
    // The caller sees a failure; the queue behind it must still move on.
    this.last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.last;
    await this.handle.close();
  }

  private async write(json: string): Promise<NaiveReceipt> {
    const { sequence } = this;
    const payload = canonical({ event: JSON.parse(json) as unknown, sequence });
    const entryHash = hash('sha256', Buffer.concat([this.previous, Buffer.from(payload)]), 'buffer');
    const name = String(sequence).padStart(20, '0');
    const temporary = join(this.folder, `${name}.tmp`);
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(`${entryHash.toString('hex')} ${payload}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // link() fails where the name is taken, rename() would overwrite: write-once needs the former.
    await link(temporary, join(this.folder, name));
    await unlink(temporary);
    await this.handle.sync();
    this.sequence += 1;
    this.previous = entryHash;
    return { sequence, entryHash: entryHash.toString('hex') };
  }
}
