import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChainTrust } from '#indelible/ledger/trust.js';
import { verifyBundle } from '#indelible/evidence/verify-bundle.js';
import { writeBundle } from '#indelible/evidence/write-bundle.js';
import type { WriteBundleOptions } from '#indelible/evidence/write-bundle.js';
import { openStore } from '#indelible/verification/store-config.js';
import type { StoreReader } from '#indelible/storage/worm-store.js';
import { buildSegments, putObjects, storeObjects, TEST_DEPLOYMENT, TEST_KEY } from '../support/chain-builder.js';

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

describe('a bundle', () => {
  test('of any range, tied to any later checkpoint, verifies', async () => {
    for (let from = 0; from < size; from++) {
      for (let to = from; to < size; to += 3) {
        const later = segments.filter(({ head }) => head.size > to).map(({ checkpoint }) => ({ note: checkpoint }));
        for (const checkpoint of [undefined, ...later]) {
          const bytes = await bundle({ from, to, ...(checkpoint === undefined ? {} : { checkpoint }) });
          const check = await verifyBundle(pieces(bytes, 100), { trustedKeys: [{ publicKey: TEST_KEY.publicKey }] });
          expect(check).toMatchObject({ valid: true, range: { from, to }, trust: 'given', chainId: 'orders' });
        }
      }
    }
  });
});
