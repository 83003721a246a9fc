/** Rotation of the local key while writers are at work: nobody stops, and all of it verifies from the first key on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import type { Config } from '#indelible/config.js';
import { fingerprintOf } from '#indelible/core/key-object.js';
import { rotateKey } from '#indelible/compose/rotate-key.js';
import { openLedger } from '#indelible/service.js';
import type { OpenLedger } from '#indelible/service.js';
import { LocalKeySigner } from '#indelible/signing/local-key.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';

let dataDir: string;
let config: Config;
const opened: OpenLedger[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'indelible-rotation-'));
  config = loadConfig({}, { dataDir });
});
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function open(): Promise<OpenLedger> {
  const ledger = await openLedger(config, pino({ level: 'silent' }));
  opened.push(ledger);
  return ledger;
}
const event = '{"action":"trade.settle","actor":{"id":"u","type":"user"}}';

test('an old and a new writer go on at the same chain, and one pinned key vouches for all of it', async () => {
  const before = await open();
  const [root] = before.trust.roots;
  await before.ledger.append('trades', [{ event }]);
  let stop = false;
  let appended = 1;
  const load = async ({ ledger }: OpenLedger): Promise<void> => {
    while (!stop) {
      await ledger.append('trades', [{ event }, { event }]);
      appended += 2;
    }
  };
  const running = [load(before)];
  const { certified, certifiedBy } = await rotateKey(config, undefined);
  expect(certifiedBy).toBe(fingerprintOf(root!));
  const after = await open();
  expect(fingerprintOf(after.signer.publicKey)).toBe(certified.fingerprint);
  running.push(load(after));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  stop = true;
  await Promise.all(running);
  // However the races went: the old writer now meets a segment of the new one, and goes on behind it.
  for (const { ledger } of [after, before]) await ledger.append('trades', [{ event }]);
  appended += 2;
  expect(before.trust.find(after.signer.publicKey)?.purpose).toBe('rotation');
  // Read while both still run.
  const report = await verifyChain({ store: before.store, chainId: 'trades', trust: { keys: [{ publicKey: root! }] } });
  expect(report).toMatchObject({ verdict: 'intact', entriesChecked: appended, findings: [] });
  expect(report.trust.keyIds).toHaveLength(2);
  const script = fileURLToPath(new URL('../../verifiers/python/indelible_verify.py', import.meta.url));
  const child = spawn('python3', [script, 'chain', '--data-dir', dataDir, '--public-key', Buffer.from(root!.spki).toString('base64')], { stdio: 'ignore' });
  expect((await once(child, 'close'))[0]).toBe(0);
});

test('can be repeated after a crash at any step, and never leaves the folder without its key', async () => {
  await open();
  const keys = join(dataDir, 'keys');
  // The next key was made, and nothing more happened.
  const next = await LocalKeySigner.next(keys);
  expect((await LocalKeySigner.next(keys)).publicKey).toEqual(next.publicKey);
  expect((await LocalKeySigner.openExisting(keys)).publicKey).not.toEqual(next.publicKey);
  const { certified } = await rotateKey(config, undefined);
  expect(certified.fingerprint).toBe(fingerprintOf(next.publicKey));
  expect((await LocalKeySigner.openExisting(keys)).publicKey).toEqual(next.publicKey);
  expect(readdirSync(keys).filter((name) => name.endsWith('.pem'))).toHaveLength(2);
  for (const name of readdirSync(keys)) expect(statSync(join(keys, name)).mode & 0o077).toBe(0);
  expect(existsSync(join(keys, 'signing-key-next.pem'))).toBe(false);
});

test('does not take up a key that the present one could not certify', async () => {
  await open();
  const keys = join(dataDir, 'keys');
  const present = (await LocalKeySigner.openExisting(keys)).publicKey;
  const next = await LocalKeySigner.next(keys);
  // Somebody who saw the public key has put something else at its place.
  writeFileSync(join(dataDir, 'worm/keys', `${fingerprintOf(next.publicKey)}.json`), '{"junk":true}');
  await expect(rotateKey(config, undefined)).rejects.toThrow(/is there already, with other content/);
  expect((await LocalKeySigner.openExisting(keys)).publicKey).toEqual(present);
});

test('needs a key to go to where the signer is KMS', async () => {
  await open();
  await expect(rotateKey(loadConfig({}, { dataDir, signer: 'kms', kmsKeyId: 'alias/a' }), undefined)).rejects.toThrow(/--to/);
});
