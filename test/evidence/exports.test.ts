import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ExportJobs } from '#indelible/evidence/exports.js';
import { verifyBundle } from '#indelible/evidence/verify-bundle.js';
import { ChainTrust } from '#indelible/ledger/trust.js';
import { buildSegments, storeObjects, TEST_DEPLOYMENT, TEST_KEY } from '../support/chain-builder.js';
import { leafReader } from '../support/merkle-reference.js';
import { scratchFolders } from '../support/scratch.js';
import { storeOf } from '../support/stores.js';

const trust = new ChainTrust(TEST_DEPLOYMENT, [TEST_KEY.publicKey]);
const trustedKeys = [{ publicKey: TEST_KEY.publicKey }];
const segments = buildSegments({ chainId: 'orders', counts: [3, 1, 7, 2, 12, 5] });
const size = segments.at(-1)!.head.size;
const store = storeOf(storeObjects([segments]));
const scratch = scratchFolders();

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

async function array(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all = [];
  for await (const chunk of stream) all.push(chunk);
  return all;
}

describe('export jobs', () => {
  test('leave a file to download, and clear it away', async () => {
    const root = await scratch();
    const folder = join(root, 'exports');
    await mkdir(folder);
    await writeFile(join(folder, 'left by another process'), 'x');
    let now = 0;
    const leaves = segments.flatMap(({ leafHashes, count }) => Array.from({ length: count }, (_, i) => Uint8Array.from(leafHashes.subarray(32 * i, 32 * (i + 1)))));
    const jobs = await ExportJobs.open({ folder, store, trust, hashes: () => ({ size, reader: leafReader(leaves) }), now: () => new Date(now), keepMs: 1_000 });
    expect(await readdir(folder)).toEqual([]);
    const { id } = await jobs.start('orders', { from: 2, to: 11 });
    await jobs.finished(id);
    const job = jobs.get(id);
    expect(job).toMatchObject({ id, chainId: 'orders', state: 'done', from: 2, to: 11, entriesDone: 10, entriesTotal: 10, fileName: 'orders-2-11.bundle.ndjson' });
    const file = await jobs.download(id);
    const bytes = Buffer.concat(await array(file!.stream as AsyncIterable<Uint8Array>));
    expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([job!.bytes, job!.sha256]);
    expect(await verifyBundle(chunks(bytes), { trustedKeys })).toMatchObject({ valid: true, checkpoint: { size } });

    const whole = await jobs.start('orders');
    const failing = await jobs.start('nobody');
    await Promise.all([jobs.finished(whole.id), jobs.finished(failing.id)]);
    expect(jobs.get(whole.id)).toMatchObject({ state: 'done', from: 0, to: size - 1 });
    expect(jobs.get(failing.id)).toMatchObject({ state: 'failed', error: 'there is no chain nobody' });
    expect(await jobs.download(failing.id)).toBeUndefined();
    now = 1_000;
    expect(jobs.list()).toEqual([]);
    await expect.poll(() => readdir(folder)).toEqual([]);
    await jobs.close();
  });
});
