import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TokenError, Tokens } from '#indelible/access/tokens.js';
import { scratchFolders } from '../support/scratch.js';

const now = '2026-11-23T20:00:00Z';
const scratch = scratchFolders();

async function folder(): Promise<string> {
  return join(await scratch(), 'access');
}

describe('the first start', () => {
  it('makes a token that is told once, works, and is nowhere on disk', async () => {
    const dir = await folder();
    const { tokens, issued } = await Tokens.open(dir, { now });
    expect(issued).toMatch(/^ind_[A-Za-z0-9_-]{43}$/);
    expect(tokens.authenticate(issued!)).toMatchObject({ name: 'admin', scopes: new Set(['append', 'read']) });
    const text = await readFile(join(dir, 'tokens.json'), 'utf8');
    expect(text).not.toContain(issued!);
    expect(text).not.toContain(issued!.slice(4, 20));
    const again = await Tokens.open(dir, { now });
    expect(again.issued).toBeUndefined();
    expect(again.tokens.authenticate(issued!)).toBeDefined();
  });

  it('takes the token it is given, and issues none', async () => {
    const { tokens, issued } = await Tokens.open(await folder(), { now, adminToken: 'chosen-by-the-operator' });
    expect(issued).toBeUndefined();
    expect(tokens.authenticate('chosen-by-the-operator')).toBeDefined();
  });

  it('of two processes at once makes one token, and both know it', async () => {
    const dir = await folder();
    const opened = await Promise.all(Array.from({ length: 8 }, () => Tokens.open(dir, { now })));
    const issued = opened.flatMap((one) => one.issued ?? []);
    expect(issued).toHaveLength(1);
    for (const { tokens } of opened) expect(tokens.authenticate(issued[0]!)).toBeDefined();
    expect(await readdir(dir)).toEqual(['tokens.json']);
  });

  it('keeps the file to its owner', async () => {
    const dir = await folder();
    await Tokens.open(dir, { now });
    expect((await stat(join(dir, 'tokens.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
  });
});

describe('a token given by the operator', () => {
  it('at a later start takes the place of the first one: so a lost one is replaced', async () => {
    const dir = await folder();
    const { issued } = await Tokens.open(dir, { now });
    const { tokens } = await Tokens.open(dir, { now, adminToken: 'the-new-admin-token' });
    expect(tokens.authenticate(issued!)).toBeUndefined();
    const later = await Tokens.open(dir, { now });
    expect(later.tokens.authenticate('the-new-admin-token')).toBeDefined();
    expect(later.tokens.list()).toHaveLength(1);
  });

  it.each([['too short', 'fifteen-charact'], ['with a space', 'sixteen characters or more'], ['not ASCII', 'sixteen-characters-ü'], ['too long', 'x'.repeat(1_025)]])('is refused: %s', async (_name, adminToken) => {
    const failed = await Tokens.open(await folder(), { now, adminToken }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(TokenError);
    expect((failed as Error).message).not.toContain(adminToken);
  });
});

describe('further tokens', () => {
  it('have the scopes they are made with, outlive a restart, and end when revoked', async () => {
    const dir = await folder();
    const { tokens, issued } = await Tokens.open(dir, { now });
    const reader = await tokens.create('auditor', ['read'], now);
    expect(tokens.authenticate(reader)).toMatchObject({ name: 'auditor', scopes: new Set(['read']) });
    const later = (await Tokens.open(dir, { now })).tokens;
    expect(later.authenticate(reader)).toMatchObject({ name: 'auditor' });
    expect(later.list().map(({ name }) => name)).toEqual(['admin', 'auditor']);
    expect(JSON.stringify(later.list())).not.toMatch(/sha256/);
    expect(await later.revoke('auditor')).toBe(true);
    expect(await later.revoke('auditor')).toBe(false);
    expect(later.authenticate(reader)).toBeUndefined();
    expect(later.authenticate(issued!)).toBeDefined();
    expect((await Tokens.open(dir, { now })).tokens.authenticate(reader)).toBeUndefined();
  });

  it('have names of their own', async () => {
    const { tokens } = await Tokens.open(await folder(), { now });
    await expect(tokens.create('admin', ['read'], now)).rejects.toThrow(TokenError);
  });
});

describe('what is not a token', () => {
  it.each(['', ' ', 'ind_', 'x'.repeat(2_000), '__proto__', '\u0000'])('%j opens nothing', async (text) => {
    const { tokens } = await Tokens.open(await folder(), { now });
    expect(tokens.authenticate(text)).toBeUndefined();
  });

  it('nor is its hash', async () => {
    const dir = await folder();
    const { tokens } = await Tokens.open(dir, { now });
    const file = JSON.parse(await readFile(join(dir, 'tokens.json'), 'utf8')) as { tokens: { sha256: string }[] };
    expect(tokens.authenticate(file.tokens[0]!.sha256)).toBeUndefined();
  });
});

describe('a file that is damaged', () => {
  it.each([['not JSON', '{'], ['another format', '{"format":"x","tokens":[]}'], ['a hash that is none', '{"format":"indelible/tokens/v1","tokens":[{"id":"0123456789ab","name":"a","sha256":"zz","scopes":[],"createdAt":""}]}']])(
    'stops the start and is named: %s',
    async (_name, text) => {
      const dir = await folder();
      await mkdir(dir, { recursive: true });
      await writeFile(join(dir, 'tokens.json'), text);
      await expect(Tokens.open(dir, { now })).rejects.toThrow(/tokens\.json is not of indelible\/tokens\/v1/);
      expect(await readFile(join(dir, 'tokens.json'), 'utf8')).toBe(text);
    },
  );
});
