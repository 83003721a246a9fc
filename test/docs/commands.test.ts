/** Every command shown in README and docs is run here, as a reader would run it: what is written stays true. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TOKEN = 'documentation-token-0123456789';
/** The set-up itself: run by CI before this test can run at all. The second part is tried below. */
const SET_UP = ['npm ci && npm start', 'npm ci && npm test', 'npm run bench', 'npm run test:crash'];

let scratch: string;
let service: ChildProcess;
let port: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'indelible-docs-'));
  // What `npm start` runs, with a token that is known and a port that is free.
  service = spawn('npm', ['start', '--silent'], {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, INDELIBLE_ADMIN_TOKEN: TOKEN, INDELIBLE_PORT: '0', INDELIBLE_DATA_DIR: join(scratch, 'data') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  port = await new Promise<string>((resolve, reject) => {
    let output = '';
    service.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
    service.once('exit', (code) => reject(new Error(`npm start ended with ${code}: ${output}`)));
  });
}, 300_000);

afterAll(async () => {
  if (service.pid !== undefined && service.exitCode === null) {
    const gone = new Promise((resolve) => service.once('exit', resolve));
    // npm runs the service in a process of its own: the group is what was started.
    process.kill(-service.pid, 'SIGTERM');
    await gone;
  }
  await rm(scratch, { recursive: true, force: true });
});

/** The shell blocks of a page, in order; they share variables, so they run in one shell. */
function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!.trim()).filter((block) => !SET_UP.includes(block));
}

function run(script: string): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: ROOT,
      env: { ...process.env, TOKEN, TMPDIR: scratch },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('close', (code) => resolve({ code, output }));
  });
}

const pages = ['README.md', 'verifiers/python/README.md', 'docs/playbooks/README.md', ...(await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => join('docs', name))];

describe('the commands of the documentation', () => {
  for (const page of pages) {
    it(`${page}: a reader who types them gets what the page says`, { timeout: 300_000 }, async () => {
      const blocks = commandsOf(await readFile(join(ROOT, page), 'utf8'));
      if (blocks.length === 0) return;
      const script = blocks
        .join('\n')
        // Installing again in the middle of the tests would pull the ground from under them.
        .replaceAll(/npm ci && npm run build/g, 'true')
        .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
      const { code, output } = await run(script);
      expect(code, output).toBe(0);
      if (page === 'docs/playbooks/README.md') {
        expect(output).toMatch(/INTACT\s+chain orders/);
        expect(output).toContain('only the kept checkpoint shows it: exit code 2');
        expect(output).toContain('and so says the other verifier: exit code 2');
      }
      if (page === 'README.md') {
        expect(output).toContain('checks came out as they must');
        expect(output).toMatch(/INTACT\s+orders/);
        expect(output).toMatch(/TAMPERED\s+chain orders, first bad sequence 0/);
        expect(output).toContain('caught: exit code 2');
        expect(output).toContain('"format":"indelible/receipt/v1"');
        expect(output).toContain('"verdict":"intact"');
      }
    });
  }

  it('every page that README links to exists', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) await readFile(join(ROOT, target!));
  });
});
