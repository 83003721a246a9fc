/**
 * A folder for the exports of one service. Several services may share a data folder, so each has its own; what
 * those of ended processes of this host left behind is removed by the next to start.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

const HOST = hostname().replaceAll(/[^A-Za-z0-9-]/g, '_');
/** Tells this process from an earlier one of the same number: in a container it is always the same. */
const STARTED = Math.round(performance.timeOrigin);
let services = 0;

/** @param root holds nothing but such folders */
export async function exportFolder(root: string): Promise<string> {
  await mkdir(root, { recursive: true });
  for (const name of await readdir(root)) if (isLeftBehind(name)) await rm(join(root, name), { recursive: true, force: true });
  return join(root, `${HOST}.${process.pid}.${STARTED}.${services++}`);
}

function isLeftBehind(name: string): boolean {
  const [host, pid, started, , ...more] = name.split('.');
  if (host !== HOST || !/^[1-9][0-9]*$/.test(pid ?? '') || started === undefined || more.length > 0) return false;
  return Number(pid) === process.pid ? started !== String(STARTED) : !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: somebody else's, and alive.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
