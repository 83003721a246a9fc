import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { LocalKeySigner } from '#indelible/signing/local-key.js';
import { SignerError } from '#indelible/signing/signer.js';
import { startChild } from '../support/child.js';
import { scratchFolders } from '../support/scratch.js';
import { signerContract } from './contract.js';

const scratchFolder = scratchFolders();
const KEY = 'signing-key.pem';

/** Puts a key file there, private as it should be. */
async function place(dir: string, pem: string | Buffer, mode = 0o600): Promise<string> {
  const path = join(dir, KEY);
  await writeFile(path, pem);
  await chmod(path, mode);
  return path;
}
type Pair = ReturnType<typeof generateKeyPairSync>;
const privatePem = ({ privateKey }: Pair): string => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const p256 = (): string => privatePem(generateKeyPairSync('ec', { namedCurve: 'P-256' }));

signerContract('a new local key (Ed25519)', async () => {
  const dir = join(await scratchFolder(), 'data', 'keys');
  return { signer: await LocalKeySigner.open(dir), reopen: () => LocalKeySigner.openExisting(dir) };
});

signerContract('a local ECDSA P-256 key that was placed there', async () => {
  const dir = await scratchFolder();
  await place(dir, p256());
  return { signer: await LocalKeySigner.open(dir), reopen: () => LocalKeySigner.open(dir) };
});

if (spawnSync('openssl', ['version']).status === 0) {
  signerContract('a local key from openssl', async () => {
    const dir = await scratchFolder();
    const path = join(dir, KEY);
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path]);
    await chmod(path, 0o400);
    return { signer: await LocalKeySigner.openExisting(dir), reopen: () => LocalKeySigner.openExisting(dir) };
  });
}

describe('a local key', () => {
  it('is made in a file that only its owner can read, and nothing else is left', async () => {
    const dir = join(await scratchFolder(), 'keys');
    await LocalKeySigner.open(dir);
    expect(await readdir(dir)).toEqual([KEY]);
    expect((await stat(join(dir, KEY))).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect(await readFile(join(dir, KEY), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n[^]+-----END PRIVATE KEY-----\n$/);
  });

  it('is never overwritten', async () => {
    const dir = await scratchFolder();
    const pem = p256();
    const path = await place(dir, pem);
    await LocalKeySigner.open(dir);
    expect(await readFile(path, 'utf8')).toBe(pem);
  });

  it('is the same for processes that start at once in an empty folder', async () => {
    const dir = join(await scratchFolder(), 'a/b');
    const child = fileURLToPath(new URL('child-opens-key.mjs', import.meta.url));
    const at = String(Date.now() + 700);
    const children = Array.from({ length: 8 }, () => startChild<{ spki: string }>(process.execPath, [child, dir, at]));
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual(Array(8).fill(0));
    const keys = children.map(({ lines }) => lines[0]?.spki);
    const { publicKey } = await LocalKeySigner.openExisting(dir);
    expect(new Set(keys)).toEqual(new Set([Buffer.from(publicKey.spki).toString('hex')]));
    expect(await readdir(dir)).toEqual([KEY]);
  });

  it('is the same for many that open it at once in one process', async () => {
    const dir = await scratchFolder();
    const signers = await Promise.all(Array.from({ length: 10 }, () => LocalKeySigner.open(dir)));
    expect(new Set(signers.map(({ publicKey }) => Buffer.from(publicKey.spki).toString('hex'))).size).toBe(1);
  });

  it('may be a symbolic link to a file, as Kubernetes mounts a secret', async () => {
    const dir = await scratchFolder();
    await mkdir(join(dir, '..data'));
    await place(join(dir, '..data'), p256(), 0o400);
    await symlink(`..data/${KEY}`, join(dir, KEY));
    expect((await LocalKeySigner.open(dir)).publicKey.algorithm).toBe('ecdsa-p256');
  });

  it('leaves no unfinished key of a process that died an hour ago, and spares a younger one', async () => {
    const dir = await scratchFolder();
    const [old, young] = ['.signing-key-00.tmp', '.signing-key-01.tmp'] as const;
    for (const name of [old, young]) await writeFile(join(dir, name), 'x');
    await utimes(join(dir, old), new Date(), new Date(Date.now() - 3_700_000));
    await LocalKeySigner.open(dir);
    expect(await readdir(dir)).toEqual([young, KEY]);
  });
});

describe('a local key is refused', () => {
  const refusal = async (dir: string, open = LocalKeySigner.open.bind(LocalKeySigner)): Promise<SignerError> => {
    const error: unknown = await open(dir).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SignerError);
    return error as SignerError;
  };

  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])('with mode %o: open to other users', async (mode) => {
    const dir = await scratchFolder();
    const path = await place(dir, p256(), mode);
    expect((await refusal(dir)).message).toBe(
      `signing key ${path} is open to other users (mode 0${mode.toString(8)}): whoever could read it can sign in ` +
        `the log's name. If nobody did, run: chmod 600 ${path}`,
    );
  });

  it.each([
    ['an empty file', '', /not an unencrypted PKCS #8 private key/],
    ['text', 'not a key', /not an unencrypted PKCS #8 private key/],
    ['a torn key', p256().slice(0, 100), /not an unencrypted PKCS #8 private key/],
    ['a public key', generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(), /not an unencrypted PKCS #8 private key/],
    [
      'an encrypted key',
      generateKeyPairSync('ed25519')
        .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
        .toString(),
      /not an unencrypted PKCS #8 private key/,
    ],
    ['an RSA key', privatePem(generateKeyPairSync('rsa', { modulusLength: 2048 })), /is rsa; expected Ed25519 or ECDSA P-256/],
    ['a key on another curve', privatePem(generateKeyPairSync('ec', { namedCurve: 'P-384' })), /is ec \(secp384r1\); expected/],
    ['an X25519 key', privatePem(generateKeyPairSync('x25519')), /is x25519; expected/],
    ['too large a file', Buffer.alloc(100_000, 'x'), /is no key: it has 100000 bytes/],
    ['a P-256 key with the public key of another one', mismatchedKey(), /public key does not belong to its private key|not an unencrypted/],
  ])('that is %s', async (_, content, sentence) => {
    const dir = await scratchFolder();
    const path = await place(dir, content);
    const error = await refusal(dir);
    expect(error.message).toMatch(sentence);
    expect(error.message).toContain(path);
  });

  it('that is not a plain file, without waiting for anything', async () => {
    const dir = await scratchFolder();
    execFileSync('mkfifo', ['-m', '600', join(dir, KEY)]);
    expect((await refusal(dir)).message).toMatch(/is not a plain file/);
    const folder = await scratchFolder();
    await mkdir(join(folder, KEY), { mode: 0o700 });
    expect((await refusal(folder)).message).toMatch(/is not a plain file/);
  });

  it('that is not there, where one must exist; and none is made', async () => {
    const dir = await scratchFolder();
    const error = await refusal(dir, LocalKeySigner.openExisting.bind(LocalKeySigner));
    expect(error.message).toBe(`signing key ${join(dir, KEY)} can't be read: there is no such file`);
    expect(await readdir(dir)).toEqual([]);
  });

  it('in a folder that can not be made', async () => {
    expect((await refusal('/proc/indelible/keys')).message).toMatch(/can't be created/);
    const dir = await scratchFolder();
    await writeFile(join(dir, 'file'), '');
    expect((await refusal(join(dir, 'file'))).message).toMatch(/ENOTDIR/);
  });

  it('without a trace of its content in the error, however it is broken', async () => {
    const pem = p256();
    const [body = ''] = /[A-Za-z0-9+/=]{30,}/.exec(pem) ?? [];
    const lines = pem.split('\n');
    const broken = [pem.replace('BEGIN PRIVATE', 'BEGIN EC PRIVATE'), lines.slice(1).join('\n'), pem.replace(body, body.slice(4)), lines[1] ?? ''];
    for (const content of broken) {
      const dir = await scratchFolder();
      await place(dir, content);
      const error = await refusal(dir);
      const shown = [inspect(error, { depth: 10, showHidden: true }), error.stack, JSON.stringify(error)].join('\n');
      for (let i = 0; i + 12 <= body.length; i += 4) expect(shown).not.toContain(body.slice(i, i + 12));
    }
  });

  it('nor is there one in what a signer shows of itself', async () => {
    const dir = await scratchFolder();
    const path = await place(dir, p256());
    const signer = await LocalKeySigner.openExisting(dir);
    const [body = ''] = /[A-Za-z0-9+/=]{30,}/.exec(await readFile(path, 'utf8')) ?? [];
    const secret = Buffer.from(body, 'base64').toString('hex');
    const shown = inspect(signer, { depth: 10, showHidden: true }) + JSON.stringify(signer);
    expect(shown).not.toContain(body.slice(0, 20));
    expect(shown).not.toContain(secret.slice(72, 100));
  });
});

/** A SEC1 public key inside the file that is another key's: OpenSSL may take it as it is. */
function mismatchedKey(): string {
  const der = (): Buffer => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' });
  const [one, other] = [der(), der()];
  // The uncompressed point is the last 65 bytes of the PKCS #8 form.
  other.copy(one, one.length - 65, other.length - 65);
  return `-----BEGIN PRIVATE KEY-----\n${one.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}
