import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli, eventLines, jsonOf, temporaryFolder } from './cli.js';

const dir = temporaryFolder();
const data = path.join(dir, 'data');
const receipt = path.join(dir, 'receipt.json');
const checkpoint = path.join(dir, 'checkpoint.txt');
const key = path.join(dir, 'key.pem');
const bundle = path.join(dir, 'bundle.ndjson');

/** A copy of the ledger that a test may damage. */
function copy(name: string): { readonly folder: string; readonly segments: readonly string[] } {
  const folder = path.join(dir, name);
  cpSync(data, folder, { recursive: true });
  const at = path.join(folder, 'worm/chains/orders/segments');
  return { folder, segments: readdirSync(at).sort().map((file) => path.join(at, file)) };
}

function flip(file: string, find: string): void {
  const bytes = readFileSync(file);
  const at = bytes.indexOf(find);
  bytes[at] = (bytes[at] as number) ^ 1;
  chmodSync(file, 0o600);
  writeFileSync(file, bytes);
}

beforeAll(async () => {
  await cli(['append', '--data-dir', data, '--chain', 'orders', '-'], { input: eventLines(2_500) });
  await cli(['append', '--data-dir', data, '--chain', 'logins', '-'], { input: eventLines(10) });
  writeFileSync(receipt, (await cli(['get', '--data-dir', data, '--chain', 'orders', '2300', '--receipt'])).stdout);
  writeFileSync(checkpoint, (await cli(['checkpoint', '--data-dir', data, '--chain', 'orders'])).stdout);
  writeFileSync(key, (await cli(['keys', '--data-dir', data, '--pem'])).stdout);
});

describe('verify', () => {
  it('holds the chains against a file of receipts, one a line, and names the line that the log does not hold', async () => {
    const folder = path.join(dir, 'with-receipts');
    const kept = path.join(dir, 'kept.ndjson');
    await cli(['append', '--data-dir', folder, '--chain', 'orders', '--receipts', kept, '-'], { input: eventLines(900) });
    await cli(['append', '--data-dir', folder, '--chain', 'logins', '--receipts', kept, '-'], { input: eventLines(3) });
    // More than is read of a file to see what it is.
    expect(statSync(kept).size).toBeGreaterThan(1_048_576);
    const whole = await cli(['verify', '--data-dir', folder, '--against', kept]);
    expect(whole).toMatchObject({ code: 0, stdout: expect.stringContaining(`900 receipts of ${kept}: the chain holds it`) as string });
    expect(whole.stdout).toContain(`3 receipts of ${kept}: the chain holds it`);
    expect(whole.stdout).toContain('proves the chain complete up to entry 899');

    const segments = readdirSync(path.join(folder, 'worm/chains/logins/segments'));
    rmSync(path.join(folder, 'worm/chains/logins/segments', segments.at(-1)!));
    const cut = await cli(['verify', '--data-dir', folder, '--chain', 'logins', '--against', kept, '--json']);
    expect(cut.code).toBe(2);
    const [chain] = jsonOf(cut)['chains'] as { heldAgainst: object[]; findings: { code: string; detail: string }[] }[];
    expect(chain!.heldAgainst).toHaveLength(903);
    expect(chain!.heldAgainst).toContainEqual(expect.objectContaining({ source: kept, line: 901, kind: 'receipt', outcome: 'contradicted' }));
    expect(chain!.findings.map(({ detail }) => detail).join()).toContain(`${kept}, line 901`);

    writeFileSync(kept, `${readFileSync(kept, 'utf8')}{"format":"indelible/receipt/v2"}\n`);
    expect(await cli(['verify', '--data-dir', folder, '--against', kept])).toMatchObject({ code: 1, stderr: expect.stringContaining(`${kept}, line 904: no receipt`) as string });
  });

  it('names a kept receipt by its file and the size it proves, whatever ends its last line', async () => {
    const held = `receipt ${receipt} (2,500 entries): the chain holds it`;
    expect(readFileSync(receipt, 'utf8')).toMatch(/\}\n$/);
    expect((await cli(['verify', '--data-dir', data, '--chain', 'orders', '--against', receipt])).stdout).toContain(held);
    writeFileSync(receipt, readFileSync(receipt, 'utf8').trimEnd());
    expect((await cli(['verify', '--data-dir', data, '--chain', 'orders', '--against', receipt])).stdout).toContain(held);
  });

  it('finds an untouched ledger intact: exit 0', async () => {
    const result = await cli(['verify', '--data-dir', data, '--json', '--public-key', key]);
    expect(result.code).toBe(0);
    expect(jsonOf(result)).toMatchObject({ verdict: 'intact', chains: [{ chainId: 'logins', entriesChecked: 10 }, { chainId: 'orders', entriesChecked: 2_500, trust: { source: 'given' } }] });
  });

  it('finds one flipped bit: exit 2, with the file and the sequence', async () => {
    const { folder, segments } = copy('flipped');
    flip(segments[1] as string, '"n":1234');
    const result = await cli(['verify', '--data-dir', folder]);
    expect(result.code).toBe(2);
    expect(result.stdout).toMatch(/TAMPERED {2}chain orders, first bad sequence \d+/);
    expect(result.stdout).toContain(segments[1]);
    expect(result.stdout).toContain('2 chains: 1 intact, 1 tampered');
    expect(jsonOf(await cli(['verify', '--data-dir', folder, '--chain', 'orders', '--json']))).toMatchObject({ verdict: 'tampered', chains: [{ findings: [{ code: 'hash_mismatch' }] }] });
  });

  it.each(['receipt', 'checkpoint'])('a tail cut off is consistent by itself, and caught by a kept %s', async (kind) => {
    const { folder, segments } = copy(`cut-${kind}`);
    rmSync(segments.at(-1) as string);
    expect((await cli(['verify', '--data-dir', folder, '--chain', 'orders'])).code).toBe(0);
    const held = await cli(['verify', '--data-dir', folder, '--chain', 'orders', '--against', kind === 'receipt' ? receipt : checkpoint, '--json']);
    expect(held.code).toBe(2);
    expect(jsonOf(held)).toMatchObject({ verdict: 'tampered', chains: [{ findings: [{ code: 'truncated_tail', sequence: 2_000 }] }] });
  });

  it('without any key nothing can be said: exit 3', async () => {
    const { folder } = copy('keyless');
    rmSync(path.join(folder, 'worm/keys'), { recursive: true });
    const result = await cli(['verify', '--data-dir', folder, '--chain', 'orders']);
    expect(result.code).toBe(3);
    expect(result.stdout).toMatch(/^INDETERMINATE {2}chain orders/);
  });

  it('a range behind the end is incomplete: exit 3', async () => {
    const result = await cli(['verify', '--data-dir', data, '--chain', 'orders', '--from', '2000', '--to', '9999', '--json']);
    expect(result.code).toBe(3);
    expect(jsonOf(result)).toMatchObject({ verdict: 'incomplete' });
  });

  it('--incremental begins where the last one ended', async () => {
    const { folder } = copy('marked');
    const args = ['verify', '--data-dir', folder, '--chain', 'orders', '--incremental', '--json'];
    expect(jsonOf(await cli(args))).toMatchObject({ verdict: 'intact', chains: [{ entriesChecked: 2_500 }] });
    expect(jsonOf(await cli(args))).toMatchObject({ verdict: 'intact', chains: [{ entriesChecked: 0, restsOnMark: { size: 2_500 } }] });
  });

  it('a folder that is not there, evidence that is none: exit 1', async () => {
    expect((await cli(['verify', '--data-dir', path.join(dir, 'nowhere')])).code).toBe(1);
    const result = await cli(['verify', '--data-dir', data, '--against', path.join(data, 'worm/deployment.json')]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('--against') as string });
  });
});

describe('verify-receipt', () => {
  it('needs the key and nothing else', async () => {
    const result = await cli(['verify-receipt', receipt, '--public-key', key, '--json']);
    expect(result.code).toBe(0);
    expect(jsonOf(result)).toMatchObject({ valid: true, receipts: [{ valid: true, chainId: 'orders', sequence: 2_300 }] });
  });

  it('finds a changed one: exit 2; without a key: exit 3; what is no receipt: exit 2 or 1', async () => {
    const forged = path.join(dir, 'forged.json');
    writeFileSync(forged, readFileSync(receipt, 'utf8').replace('\\"n\\":2300', '\\"n\\":2301'));
    const result = await cli(['verify-receipt', forged, '--public-key', key]);
    expect(result).toMatchObject({ code: 2, stdout: expect.stringMatching(/^INVALID {2}entryHash/) as string });
    expect((await cli(['verify-receipt', receipt])).code).toBe(3);
    expect((await cli(['verify-receipt', key, '--public-key', key])).code).toBe(1);
    expect((await cli(['verify-receipt', receipt, '--public-key', key, '--deployment', 'other'])).code).toBe(2);
  });
});

describe('export and verify-bundle', () => {
  it('writes one file that is checked with nothing else at hand, and finds it changed', async () => {
    const exported = await cli(['export', '--data-dir', data, '--chain', 'orders', '--from', '500', '--to', '1700', '-o', bundle, '--json']);
    expect(exported.code).toBe(0);
    expect(jsonOf(exported)).toMatchObject({ chainId: 'orders', from: 500, to: 1_700, count: 1_201, file: bundle });
    const checked = await cli(['verify-bundle', bundle, '--public-key', key, '--json']);
    expect(checked.code).toBe(0);
    expect(jsonOf(checked)).toMatchObject({ valid: true, chainId: 'orders', count: 1_201, trust: 'given' });
    expect((await cli(['verify-bundle', bundle])).stdout).toMatch(/^VALID .*\n[^]*key it brings along/);
    flip(bundle, '"n":777');
    expect(await cli(['verify-bundle', bundle])).toMatchObject({ code: 2, stdout: expect.stringMatching(/^INVALID/) as string });
    expect(await cli(['export', '--data-dir', data, '--chain', 'orders', '-o', bundle])).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') as string });
    expect((await cli(['export', '--data-dir', data, '--chain', 'orders', '--to', '2500', '-o', path.join(dir, 'x')])).code).toBe(1);
  });
});

describe('doctor', () => {
  it('says what a plain folder can not promise, and exits 0 with warnings', async () => {
    const result = await cli(['doctor', '--data-dir', data, '--json']);
    expect(result.code).toBe(0);
    const { status, checks } = jsonOf(result) as { status: string; checks: { name: string; status: string; promises?: { kept: string }[] }[] };
    expect(status).toBe('warning');
    expect(checks.map(({ name }) => name)).toEqual(['store', 'deployment', 'signing key', 'tokens', 'chains', 'retention', 'clock', 'view', 'disk', 'settings']);
    expect(checks[0]?.promises?.some(({ kept }) => kept === 'no')).toBe(true);
  });

  it('a key that others can read is a failure: exit 1', async () => {
    const { folder } = copy('open-key');
    chmodSync(path.join(folder, 'keys/signing-key.pem'), 0o644);
    const result = await cli(['doctor', '--data-dir', folder]);
    expect(result).toMatchObject({ code: 1, stdout: expect.stringMatching(/failed {3}signing key: .*open to other users/) as string });
  });
});

describe('demo', () => {
  it('catches everything it breaks, names the entry, and leaves nothing behind', async () => {
    const { code, stdout } = await cli(['demo', '--events', '400']);
    expect(code).toBe(0);
    const kept = /receipt +custody #(\d+),/.exec(stdout);
    expect(stdout).toContain(`caught: hash_mismatch at custody #${kept?.[1] ?? '?'}`);
    expect(stdout).toMatch(/caught: truncated_tail from custody #\d+ on/);
    expect(stdout).toMatch(/(\d+) of \1 checks came out as they must\./);
    const folder = /folder +(\S+)/.exec(stdout)?.[1] ?? '';
    expect(() => readdirSync(folder)).toThrow('ENOENT');
  });
});
