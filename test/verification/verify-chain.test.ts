import { mkdtemp, mkdir, writeFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '#indelible/verification/store-config.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import { buildSegments, storeObjects } from '../support/chain-builder.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'indelible-verify-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(objects: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [key, bytes] of objects) {
    await mkdir(dirname(join(root, key)), { recursive: true });
    await writeFile(join(root, key), bytes);
  }
}

describe('a sound chain', () => {
  test('is intact, inline and with workers', async () => {
    const segments = buildSegments({ chainId: 'orders', counts: Array.from({ length: 600 }, (_, i) => 1 + (i % 7)) });
    await put(storeObjects([segments]));
    const store = await openStore({ kind: 'filesystem', root });
    const one = await verifyChain({ store, chainId: 'orders' });
    expect(one).toMatchObject({ verdict: 'intact', findings: [], entriesChecked: segments.at(-1)?.head.size });
    const two = await verifyChain({ store, config: { kind: 'filesystem', root }, chainId: 'orders', workers: 2 });
    expect({ ...two, startedAt: '', finishedAt: '' }).toEqual({ ...one, startedAt: '', finishedAt: '' });
    console.log(one);
  });
});
