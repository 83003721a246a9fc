/** The second, independent verifier: its own tests, its vectors, and chains that this implementation wrote. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { receiptOf } from '#indelible/core/receipt.js';
import { openLedger } from '#indelible/service.js';

const FOLDER = fileURLToPath(new URL('../../verifiers/python', import.meta.url));

function python(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', args, { cwd: FOLDER, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'indelible-python-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** A chain written by the service's own ledger; the path of one receipt. */
async function writeChain(): Promise<string> {
  const opened = await openLedger(loadConfig({}, { dataDir }), pino({ level: 'silent' }));
  let kept = '';
  for (let round = 0; round < 12; round++) {
    const events = Array.from({ length: 1 + ((round * 37) % 90) }, (_, i) => ({
      event: `{"action":"trade.settle","actor":{"id":"ü-${i}","type":"service"},"metadata":{"amount":${i / 8},"note":"𝄞 \\"quoted\\" \\\\ ${round}"}}`,
    }));
    const entries = await opened.ledger.append('trades', events);
    kept = JSON.stringify(receiptOf(entries[0]!.segment, entries[0]!.at));
  }
  await opened.close();
  const file = join(dataDir, 'receipt.json');
  await writeFile(file, kept);
  return file;
}

describe('the Python verifier, written from docs/format.md alone', () => {
  it('passes its own tests', { timeout: 600_000 }, async () => {
    const { code, output } = await python(['-m', 'unittest', '-q']);
    expect(code, output).toBe(0);
    expect(output).toMatch(/Ran [1-9][0-9]+ tests/);
  });

  it('makes the very vectors that are published', { timeout: 300_000 }, async () => {
    const { code, output } = await python(['make_vectors.py', '--check']);
    expect(code, output).toBe(0);
  });

  it('finds a chain of this service intact, with its receipt, and one changed byte not', { timeout: 300_000 }, async () => {
    const receipt = await writeChain();
    const args = ['indelible_verify.py', 'chain', '--data-dir', dataDir, '--against', receipt, '--check-ids', '--json'];
    const intact = await python(args);
    expect(intact.code, intact.output).toBe(0);
    expect(JSON.parse(intact.output)).toMatchObject({ verdict: 'intact' });

    const segments = join(dataDir, 'worm/chains/trades/segments');
    const file = join(segments, (await readdir(segments)).sort()[5]!);
    const bytes = await readFile(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x01;
    await chmod(file, 0o600);
    await writeFile(file, bytes);
    const tampered = await python(args);
    expect(tampered.code, tampered.output).toBe(2);
  });
});
