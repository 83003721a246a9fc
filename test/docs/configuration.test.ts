/** docs/configuration.md is made from the schema. At stake: an operator who sets what is no setting any more. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { describeSettings, loadConfig } from '#indelible/config.js';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const page = await readFile(root('docs/configuration.md'), 'utf8');

describe('docs/configuration.md', () => {
  it('is what the schema says now: else run npm run docs:configuration', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [root('scripts/configuration-doc.mjs'), '--print']);
    expect(page).toBe(stdout);
  });

  it('names each setting once, with its key and default, and marks the secrets', () => {
    for (const { variable, name, default: fallback, secret } of describeSettings()) {
      const rows = page.split('\n').filter((line) => line.startsWith(`| \`${variable}\` |`));
      expect(rows, variable).toHaveLength(1);
      expect(rows[0]).toContain(`| \`${name}\` |${fallback === undefined ? '  |' : ` \`${fallback}\` |`}`);
      expect(rows[0]!.includes('**(secret)**'), variable).toBe(secret);
    }
  });

  it('gives rules that the schema keeps: both ends of a range pass, what lies beyond does not', () => {
    const ranges = describeSettings().flatMap(({ variable, rule }) => {
      const [, least, most] = /^a whole number from (\d+) to (\d+)$/.exec(rule) ?? [];
      return least === undefined ? [] : [{ variable, least: Number(least), most: Number(most) }];
    });
    expect(ranges.length).toBeGreaterThan(8);
    const load = (variable: string, value: number): unknown => loadConfig({ [variable]: String(value) }, {}, 'no-such-file.json');
    for (const { variable, least, most } of ranges) {
      expect(() => load(variable, least), variable).not.toThrow();
      expect(() => load(variable, most), variable).not.toThrow();
      expect(() => load(variable, least - 1), variable).toThrow(variable);
      expect(() => load(variable, most + 1), variable).toThrow(variable);
    }
  });
});
