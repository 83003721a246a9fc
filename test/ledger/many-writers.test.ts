import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt } from '#indelible/core/receipt.js';
import { LocalKeySigner } from '#indelible/signing/local-key.js';
import { auditFolder } from '../support/audit.js';

const WRITERS = 8;
const APPENDS = 1_000;
const SCRIPT = new URL('../support/writer-process.mjs', import.meta.url).pathname;

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'indelible-writers-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** Runs the writers side by side; their receipts. */
async function run(sharedIds: number): Promise<readonly Receipt[][]> {
  return Promise.all(
    Array.from({ length: WRITERS }, async (_, number) => {
      const receipts = join(dataDir, `receipts-${number}.ndjson`);
      const child = spawn(process.execPath, [SCRIPT, dataDir, 'orders', `w${number}`, String(APPENDS), String(sharedIds), receipts], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let errors = '';
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
      const code = await new Promise<number | null>((resolve) => child.on('exit', resolve));
      expect(code, errors).toBe(0);
      const lines = (await readFile(receipts, 'utf8')).trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as Receipt);
    }),
  );
}

async function publicKey(): Promise<LocalKeySigner['publicKey']> {
  return (await LocalKeySigner.open(join(dataDir, 'keys'))).publicKey;
}

describe('eight processes append to one chain in one folder', () => {
  it('every append is in the chain once, in one unbroken chain', { timeout: 300_000 }, async () => {
    const receipts = await run(0);
    const { envelopes } = await auditFolder(join(dataDir, 'worm'), { deployment: 'indelible.local', chainId: 'orders', publicKey: await publicKey() }, receipts.flat());
    expect(envelopes).toHaveLength(WRITERS * APPENDS);
    expect(new Set(receipts.flat().map((receipt) => receipt.sequence)).size).toBe(WRITERS * APPENDS);
    // All of them really wrote: a race that one process won from start to end would prove nothing.
    expect(new Set(envelopes.map((envelope) => envelope.writerId)).size).toBe(WRITERS);
  });

  it('an id that all of them send is in the chain once, and all of them get the same receipt', { timeout: 300_000 }, async () => {
    const shared = 400;
    const receipts = await run(shared);
    const { envelopes } = await auditFolder(join(dataDir, 'worm'), { deployment: 'indelible.local', chainId: 'orders', publicKey: await publicKey() }, receipts.flat());
    expect(envelopes).toHaveLength(shared + WRITERS * (APPENDS - shared));
    for (let i = 0; i < shared; i++) {
      const answers = receipts.map((own) => own.find((receipt) => receipt.entryId === `shared-${i}`));
      expect(new Set(answers.map((receipt) => JSON.stringify(receipt))).size).toBe(1);
    }
  });
});
