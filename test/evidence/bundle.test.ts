import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChainTrust } from '#indelible/ledger/trust.js';
import { verifyBundle } from '#indelible/evidence/verify-bundle.js';
import { writeBundle } from '#indelible/evidence/write-bundle.js';
import type { WriteBundleOptions } from '#indelible/evidence/write-bundle.js';
import { writeFileAtomically } from '#indelible/evidence/exports.js';
import { readEvidence } from '#indelible/verification/evidence.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import { openStore } from '#indelible/verification/store-config.js';
import type { StoreReader } from '#indelible/storage/worm-store.js';
import { buildSegments, putObjects, storeObjects, TEST_DEPLOYMENT, TEST_KEY, TestKey } from '../support/chain-builder.js';
import { leafReader } from '../support/merkle-reference.js';
import { storeOf } from '../support/stores.js';

const trust = new ChainTrust(TEST_DEPLOYMENT, [TEST_KEY.publicKey]);
const createdAt = '2026-11-23T20:52:07Z';
const segments = buildSegments({ chainId: 'orders', counts: [3, 1, 7, 2, 12, 5] });
const size = segments.at(-1)!.head.size;
let root: string;
let store: StoreReader;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'indelible-bundle-'));
  await putObjects(root, storeObjects([segments]));
  store = await openStore({ kind: 'filesystem', root });
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function bundle(options: Partial<WriteBundleOptions> = {}): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeBundle({ store, trust, chainId: 'orders', from: 0, createdAt, ...options })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

const trustedKeys = [{ publicKey: TEST_KEY.publicKey }];

async function reason(bytes: Uint8Array, options: Parameters<typeof verifyBundle>[1] = { trustedKeys }): Promise<string> {
  const check = await verifyBundle(pieces(bytes, 64), options);
  return check.valid ? 'valid' : check.reason;
}

/** The bundle's text with one part replaced. */
function edited(bytes: Buffer, find: string | RegExp, replacement: string): Buffer {
  const text = bytes.toString();
  const changed = text.replace(find, replacement);
  expect(changed).not.toBe(text);
  return Buffer.from(changed);
}

describe('a bundle', () => {
  test('of any range, tied to any later checkpoint, verifies', async () => {
    for (let from = 0; from < size; from++) {
      for (let to = from; to < size; to += 3) {
        const later = segments.filter(({ head }) => head.size > to).map(({ checkpoint }) => ({ note: checkpoint }));
        for (const checkpoint of [undefined, ...later]) {
          const bytes = await bundle({ from, to, ...(checkpoint === undefined ? {} : { checkpoint }) });
          const check = await verifyBundle(pieces(bytes, 1_000), { trustedKeys });
          expect(check).toMatchObject({ valid: true, range: { from, to }, count: to - from + 1, trust: 'given', chainId: 'orders', deployment: TEST_DEPLOYMENT });
        }
      }
    }
  });

  test('is the same whether the proof comes from stored hashes or from the segments', async () => {
    const leaves = segments.flatMap(({ leafHashes, count }) => Array.from({ length: count }, (_, i) => Uint8Array.from(leafHashes.subarray(32 * i, 32 * (i + 1)))));
    const note = segments.at(-1)!.checkpoint;
    for (const [from, to] of [[0, 0], [2, 5], [7, 20], [0, size - 1]] as const) {
      const hashes = await bundle({ from, to, checkpoint: { note, hashes: leafReader(leaves) } });
      expect(hashes.equals(await bundle({ from, to, checkpoint: { note } }))).toBe(true);
    }
  });

  test('goes to the end of the chain by itself, and holds the entries as they were committed', async () => {
    const bytes = await bundle();
    const check = await verifyBundle(pieces(bytes, 7), { trustedKeys });
    expect(check).toMatchObject({ valid: true, range: { from: 0, to: size - 1 }, checkpoint: { size } });
    expect(bytes.toString().split('\n').slice(1, -2)).toEqual(segments.flatMap(({ payloads }) => payloads));
  });

  test('without a key from elsewhere is self-signed evidence, and says so with the key to compare', async () => {
    const check = await verifyBundle(pieces(await bundle(), 50));
    if (!check.valid) throw new Error(check.reason);
    expect(check.trust).toBe('bundle');
    expect(check.statement).toContain(check.publicKeys[0]!.fingerprint);
    expect(check.statement).toMatch(/^Self-signed evidence/);
    expect(check.publicKeys).toEqual([expect.objectContaining({ algorithm: 'ed25519', publicKey: Buffer.from(TEST_KEY.publicKey.spki).toString('base64') })]);
  });

  test('is checked from a file as from a stream', async () => {
    const path = join(root, 'a.bundle');
    const written = await writeFileAtomically(path, writeBundle({ store, trust, chainId: 'orders', from: 3, to: 9, createdAt }));
    expect(await verifyBundle(path, { trustedKeys })).toMatchObject({ valid: true, count: 7 });
    const bytes = await readFile(path);
    expect(written).toEqual({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    await expect(verifyBundle(join(root, 'nowhere'))).rejects.toThrow(/ENOENT/);
  });

  test('is evidence of what the chain must hold', async () => {
    const kept = readEvidence(await bundle({ from: 3, to: 9 }), 'kept');
    const against = [kept];
    expect(await verifyChain({ store, chainId: 'orders', against })).toMatchObject({ verdict: 'intact', heldAgainst: [{ kind: 'bundle', outcome: 'contained', size: 11 }] });
    const cut = storeOf(storeObjects([segments.slice(0, 2)]));
    expect(await verifyChain({ store: cut, chainId: 'orders', against })).toMatchObject({ verdict: 'tampered', findings: [{ code: 'truncated_tail', sequence: 4, lastSequence: 9 }] });
    const other = buildSegments({ chainId: 'orders', counts: [3, 1, 7], event: () => '{"action":"other","actor":{"id":"a","type":"user"}}' });
    expect(await verifyChain({ store: storeOf(storeObjects([other])), chainId: 'orders', against })).toMatchObject({ verdict: 'tampered', findings: [{ code: 'checkpoint_mismatch' }] });
  });

  test('passes the independent verifier', async () => {
    const script = fileURLToPath(new URL('../../verifiers/python/indelible_verify.py', import.meta.url));
    const key = join(root, 'key.txt');
    await writeFile(key, Buffer.from(TEST_KEY.publicKey.spki).toString('base64'));
    for (const [from, to, note] of [[0, 0, undefined], [4, 4, undefined], [2, 17, segments.at(-1)!.checkpoint], [0, size - 1, undefined]] as const) {
      const path = join(root, `${from}-${to}.bundle`);
      await writeFile(path, await bundle({ from, to, ...(note === undefined ? {} : { checkpoint: { note } }) }));
      expect(() => execFileSync('python3', [script, 'bundle', path, '--public-key', key], { stdio: 'pipe' })).not.toThrow();
      const changed = edited(await readFile(path), 'order', '0rder');
      await writeFile(path, changed);
      expect(() => execFileSync('python3', [script, 'bundle', path, '--public-key', key], { stdio: 'pipe' })).toThrow();
    }
  });
});

describe('a bundle that was changed', () => {
  test('in any byte does not verify', async () => {
    const bytes = await bundle({ from: 3, to: 5, checkpoint: { note: segments[4]!.checkpoint } });
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 0x20]) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= bit;
        expect(await reason(changed), `byte ${at}`).not.toBe('valid');
        expect(await reason(changed, {}), `byte ${at}`).not.toBe('valid');
      }
    }
  });

  test('at any length does not verify', async () => {
    const bytes = await bundle({ from: 3, to: 5 });
    for (let length = 0; length < bytes.length; length += 3) expect(await reason(bytes.subarray(0, length))).toMatch(/ends before|not JSON|canonical/);
    expect(await reason(Buffer.concat([bytes, Buffer.from('\n')]))).toBe('bytes follow the manifest');
  });

  test('says what is wrong and where', async () => {
    const bytes = await bundle({ from: 3, to: 9 });
    const lines = bytes.toString().split('\n');
    const without = (at: number): Buffer => Buffer.from(lines.toSpliced(at, 1).join('\n'));
    expect(await reason(without(2))).toBe('entry 4 says it is 5');
    expect(await reason(without(7))).toMatch(/entry 9 is no entry/);
    expect(await reason(Buffer.from(lines.toSpliced(2, 0, lines[2]!).join('\n')))).toBe('entry 5 says it is 4');
    expect(await reason(edited(bytes, '"createdAt":"2026', '"createdAt":"2025'))).toBe('headerSha256 is not that of the header');
    expect(await reason(edited(bytes, '"action":"order', '"action":"0rder'))).toBe('entriesSha256 is not that of the entries');
    expect(await reason(edited(bytes, '"to":9', '"to":8'))).toMatch(/do not agree/);
    expect(await reason(edited(bytes, /"rangeRoot":"."?/, '"rangeRoot":"0'))).toMatch(/rangeRoot|hexadecimal/);
    expect(await reason(edited(bytes, '"format":"indelible/bundle/v1"', '"format":"indelible/bundle/v2"'))).toMatch(/format expected indelible\/bundle\/v1/);
    expect(await verifyBundle(pieces(without(2), 99), { trustedKeys })).toMatchObject({ valid: false, sequence: 4 });
  });

  test('with all its own hashes made anew still lacks the signature', async () => {
    const forged = buildSegments({ chainId: 'orders', counts: [3, 1, 7], event: () => '{"action":"other","actor":{"id":"a","type":"user"}}' });
    const forgedStore = storeOf(storeObjects([forged]));
    const bytes = Buffer.concat(await array(writeBundle({ store: forgedStore, trust, chainId: 'orders', from: 0, to: 9, createdAt })));
    const graft = edited(bytes, /"checkpoint":"[^"]*"/, `"checkpoint":${JSON.stringify(segments[2]!.checkpoint)}`);
    expect(await reason(graft)).toBe('the range is not shown to lie in the signed tree of size 11');
  });

  test('or made by somebody else is refused by who knows the key', async () => {
    const key = new TestKey(50);
    const forged = storeOf(storeObjects([buildSegments({ chainId: 'orders', counts: [4], key })], TEST_DEPLOYMENT, [key]));
    const bytes = Buffer.concat(await array(writeBundle({ store: forged, trust: new ChainTrust(TEST_DEPLOYMENT, [key.publicKey]), chainId: 'orders', from: 0, createdAt })));
    expect(await reason(bytes)).toBe('the checkpoint is not signed by a trusted key');
    expect(await verifyBundle(pieces(bytes, 99))).toMatchObject({ valid: true, trust: 'bundle' });
    expect(await reason(await bundle(), { trustedKeys, deployment: 'elsewhere' })).toMatch(/is of deployment test.example\/log, expected elsewhere/);
    const vkey = { publicKey: TEST_KEY.publicKey, name: `${TEST_DEPLOYMENT}/payments` };
    expect(await reason(await bundle(), { trustedKeys: [vkey] })).toBe('the checkpoint is not signed by a trusted key');
  });
});

describe('writing a bundle', () => {
  test.each<[string, Partial<WriteBundleOptions>, string]>([
    ['of nothing', { from: 4, to: 3 }, 'range_invalid'],
    ['from before the beginning', { from: -1, to: 3 }, 'range_invalid'],
    ['from no number', { from: Number.NaN, to: 3 }, 'range_invalid'],
    ['up to behind the end', { from: 4, to: size }, 'entry_not_found'],
    ['from behind the end', { from: size, to: size + 1 }, 'entry_not_found'],
    ['of a chain that is not there', { chainId: 'nobody', from: 0, to: 1 }, 'entry_not_found'],
    ['of an empty chain to its end', { chainId: 'nobody', from: 0 }, 'range_invalid'],
    ['under a checkpoint that is too old', { from: 0, to: 9, checkpoint: { note: segments[1]!.checkpoint } }, 'range_invalid'],
    ['under a checkpoint nobody signed', { from: 0, to: 9, checkpoint: { note: segments[3]!.checkpoint.replace(/(.)=\n$/, (_, digit: string) => `${digit === 'A' ? 'Q' : 'A'}=\n`) } }, 'range_invalid'],
  ])('%s is refused', async (_, options, code) => {
    await expect(bundle(options)).rejects.toMatchObject({ code });
  });

  test('of a damaged chain stops at the damage', async () => {
    const damaged = storeOf(storeObjects([segments]));
    damaged.tamper(segments[2]!.key, edited(Buffer.from(segments[2]!.bytes), '"action":"order', '"action":"0rder'));
    await expect(bundle({ store: damaged, from: 0, to: 9 })).rejects.toMatchObject({ code: 'chain_halted' });
    expect((await bundle({ store: damaged, from: 0, to: 3 })).length).toBeGreaterThan(0);
  });

  test('with hashes that are wrong is refused', async () => {
    const wrong = { subtree: () => new Uint8Array(32) };
    await expect(bundle({ from: 0, to: 2, checkpoint: { note: segments.at(-1)!.checkpoint, hashes: wrong } })).rejects.toMatchObject({ code: 'view_behind' });
  });

  test('leaves no file behind when it fails, and no half of one when it succeeds', async () => {
    const path = join(root, 'x.bundle');
    await expect(writeFileAtomically(path, writeBundle({ store, trust, chainId: 'orders', from: 0, to: 99, createdAt }))).rejects.toThrow();
    expect((await readdir(root)).filter((name) => name.startsWith('x.'))).toEqual([]);
  });
});

async function array(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}
