import { describeSettings } from '#indelible/config.js';
import { describe, expect, it } from 'vitest';
import { cli } from './cli.js';

const COMMANDS = ['serve', 'append', 'get', 'tail', 'search', 'verify', 'verify-receipt', 'verify-bundle', 'export', 'chains', 'checkpoint', 'keys', 'doctor', 'guardrails', 'reconcile', 'rebuild-index', 'demo'];

describe('the command line explains itself', () => {
  it('lists exactly the commands that exist', async () => {
    const { code, stdout } = await cli(['--help']);
    expect(code).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map((match) => match[1]).filter((name) => name !== undefined && !name.startsWith('-'));
    expect(listed).toEqual(COMMANDS);
    expect(stdout).not.toMatch(/not (yet )?implemented|todo|later/i);
  });

  it.each(COMMANDS)('%s --help says what it does and exits 0', async (name) => {
    const { code, stdout } = await cli([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: indelible ${name} `));
    expect(stdout).not.toMatch(/not (yet )?implemented|todo/i);
  });

  it('serve --help lists every setting with its variable and default', async () => {
    const { stdout } = await cli(['serve', '--help']);
    for (const { variable, description, default: fallback } of describeSettings()) {
      const row = stdout.split('\n').find((line) => line.includes(`${variable} `)) ?? '';
      expect(row).toContain(description);
      if (fallback !== undefined) expect(row).toContain(fallback);
    }
    expect(stdout).not.toContain('--admin-token');
  });
});

describe('wrong usage is refused with exit code 1', () => {
  it.each([
    [['bogus'], /unknown command/],
    [['chains', '--bogus'], /unknown option/],
    [['get', '--chain', 'a'], /one of them/],
    [['get', '--chain', 'A!', '0'], /Expected 1 to 100 characters/],
    [['get', '--chain', 'a', '-1'], /unknown option|Expected a whole number/],
    [['append', '--chain', 'a'], /--action and --actor/],
    [['append', '--chain', 'a', '--action', 'b', '--actor', 'nobody'], /Expected type:id/],
    [['append', '--chain', 'a', '--format', 'xml', '-'], /Allowed choices/],
    [['verify', '--from', '3'], /need --chain/],
    [['verify-receipt', '/does/not/exist', '--public-key', 'rubbish'], /--public-key/],
    [['search', '--limit', '0'], /from 1 to 1000/],
    [['serve', '--port', 'http'], /INDELIBLE_PORT/],
    [['tail', '--chain', 'a', '--data-dir', '/does/not/exist'], /there is no ledger/],
    [['chains', '--url', 'ftp://x'], /expected http/],
  ] as const)('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });

  it('with --json the error is an object on stderr', async () => {
    const { code, stderr } = await cli(['chains', '--json', '--data-dir', '/does/not/exist']);
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'ledger_not_found' } });
  });
});
