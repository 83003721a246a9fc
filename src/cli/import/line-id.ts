/** Ids for lines that have none: the same line at the same place of a file is the same event, at every import. */
import { createHash } from 'node:crypto';

export function lineId(position: number, text: string | Uint8Array): string {
  return `line:${position}:sha256:${createHash('sha256').update(text).digest('hex')}`;
}
