// @ts-check
/** The policy evaluator of the tests: iam-rs, a library, behind a small program, built by cargo. No server. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, run } from './process.mjs';

const SOURCE = fileURLToPath(new URL('../../test/services/support/iam-evaluator/', import.meta.url));

/** Builds it where it is not built yet, or has changed since. @returns {Promise<string>} its path */
export async function install() {
  const target = await cacheFolder('iam-evaluator');
  await run('cargo', ['build', '--release', '--locked', '--quiet', '--manifest-path', join(SOURCE, 'Cargo.toml'), '--target-dir', target]);
  return join(target, 'release', 'iam-evaluator');
}
