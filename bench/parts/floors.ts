/** The floors: memory and CPU only, then the disk. */
import { onCores } from '../floors/cores.js';
import { syncedWritesPerSecond } from '../floors/disk.js';
import { describeEntry } from '../floors/work.js';
import { naiveInProcess } from '../peers/naive.js';
import type { Bench } from './bench.js';
import { say } from './bench.js';

export const APPEND_FLOOR = 'floor: parse + canonical bytes + 3 hashes, one core';
export const APPEND_FLOOR_ALL = 'floor: parse + canonical bytes + 3 hashes, all cores';
export const HASH_FLOOR = 'floor: 3 SHA-256 an entry, all cores';
const HASH_FLOOR_ONE = 'floor: 3 SHA-256 an entry, one core';
const HASH_FLOOR_BUFFERS = 'floor: 3 SHA-256 an entry with Buffer digests, all cores';
const DISK_FLOOR = 'floor: 414-byte write + fdatasync, one after another';
export const NAIVE_IN_PROCESS = 'naive, in-process';

export async function measureFloors({ options, report, cores, folder }: Bench): Promise<void> {
  say(`floors (${describeEntry()})`);
  const seconds = options.quick ? 1 : 2;
  for (let round = 0; round < options.rounds; round += 1) {
    // The batches and the verification measure their own floors right beside them.
    if (!options.parts.has('batch')) report.add(APPEND_FLOOR, 'entries/s', await onCores('append', 1, seconds));
    report.add(APPEND_FLOOR_ALL, 'entries/s', await onCores('append', cores, seconds));
    report.add(HASH_FLOOR_ONE, 'entries/s', await onCores('hashes', 1, seconds));
    if (!options.parts.has('verify')) report.add(HASH_FLOOR, 'entries/s', await onCores('hashes', cores, seconds));
    report.add(HASH_FLOOR_BUFFERS, 'entries/s', await onCores('hashes as buffers', cores, seconds));
    report.add(DISK_FLOOR, 'writes/s', syncedWritesPerSecond(folder, seconds));
  }
}

export async function measureNaiveInProcess({ options, report, folder }: Bench): Promise<void> {
  say('naive design, in-process');
  report.add(NAIVE_IN_PROCESS, 'entries/s', await naiveInProcess(folder, options.quick ? 1 : 4));
}
