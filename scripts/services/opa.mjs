// @ts-check
/** Open Policy Agent, which evaluates the rules of policies/gate. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder, oneAtATime, run } from './process.mjs';

const VERSION = 'v1.22.4';

/** Where it is, if it is there: on the PATH, or where `install` puts it. @returns {Promise<string | undefined>} */
export async function find() {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...folders, await cacheFolder(`opa-${VERSION}`)].map((folder) => join(folder, 'opa')).find((path) => existsSync(path));
}

/** Builds it from source where it is not there yet (some minutes). @returns {Promise<string>} its path */
export async function install() {
  return oneAtATime('opa', async () => {
    const folder = await cacheFolder(`opa-${VERSION}`);
    const binary = join(folder, 'opa');
    if (!existsSync(binary)) await run('go', ['install', `github.com/open-policy-agent/opa@${VERSION}`], { env: { GOBIN: folder, CGO_ENABLED: '0' } });
    return binary;
  });
}
