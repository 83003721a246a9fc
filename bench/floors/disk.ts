/** The disk's own floor: one durable append at a time cannot be faster than write + fsync. */
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { eventText } from '../event.js';

export function syncedWritesPerSecond(folder: string, seconds: number): number {
  const file = join(folder, 'fsync-floor');
  const line = Buffer.from(`${eventText(0)}\n`);
  const fd = openSync(file, 'w');
  try {
    const started = performance.now();
    const end = started + seconds * 1000;
    let writes = 0;
    while (performance.now() < end) {
      writeSync(fd, line);
      fdatasyncSync(fd);
      writes += 1;
    }
    return (writes / (performance.now() - started)) * 1000;
  } finally {
    closeSync(fd);
    unlinkSync(file);
  }
}
