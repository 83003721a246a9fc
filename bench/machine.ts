/** What a figure is worth depends on where it was taken: cores, memory, disk, Node. No host names. */
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** File system of the work folder. On a memory file system fsync costs nothing and figures lie. */
  readonly fileSystem: string;
  /** Load average before the run: anything near the number of cores makes absolute figures too low. */
  readonly loadBefore: number;
}

// Magic numbers of statfs(2).
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0x794c7630, 'overlay'],
  [0x01021994, 'tmpfs'],
]);

export function describeMachine(workFolder: string): Machine {
  const magic = statfsSync(workFolder).type;
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    fileSystem: FILE_SYSTEMS.get(magic) ?? `type 0x${magic.toString(16)}`,
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

export function isMemoryFileSystem(machine: Machine): boolean {
  return machine.fileSystem === 'tmpfs';
}
