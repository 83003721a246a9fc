import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, temporaryFolder } from './cli.js';

const dir = temporaryFolder();

describe('a command loads only what it needs', () => {
  it.each([[['--help']], [['append', '--help']], [['verify-receipt', 'no-such-file', '--public-key', 'MCowBQYDK2VwAyEA0A6c5PIMifVm2dbDvvuQZd0QHgxon7p9zE8DM65ECjk=']]])('%j: no HTTP server, no database', async (args) => {
    const hook = path.join(dir, 'loaded.cjs');
    // Express, the database and the metrics are CommonJS: what of them was loaded stands in the cache.
    writeFileSync(hook, "process.on('exit', () => process.stderr.write('LOADED ' + Object.keys(require.cache).join(' ')));");
    const { stderr } = await cli(args, { env: { NODE_OPTIONS: `--require ${hook}` } });
    const loaded = stderr.slice(stderr.indexOf('LOADED '));
    expect(loaded).toContain('commander');
    for (const name of ['express', 'better-sqlite3', 'prom-client', 'pino']) expect(loaded).not.toContain(`node_modules/${name}/`);
  });
});
