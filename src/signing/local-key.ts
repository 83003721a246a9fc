/**
 * The signing key in a file next to the service. Whoever can read the file can sign: for a key that nobody
 * can take away, see kms.ts.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fingerprintOf } from '../core/key-object.js';
import { withLowS } from '../core/signature.js';
import { SignerError, type PublicKey, type Signer } from './signer.js';

const KEY_FILE = 'signing-key.pem';
const NEXT_KEY_FILE = 'signing-key-next.pem';
const UNFINISHED = /^\.signing-key-[0-9a-f]+\.tmp$/;
const UNFINISHED_AGE_MS = 3_600_000;
/** A PEM of either kind has about 200 bytes. */
const MAX_PEM_BYTES = 65_536;

export class LocalKeySigner implements Signer {
  readonly kind = 'local';
  readonly publicKey: PublicKey;
  readonly #privateKey: KeyObject;
  /** Ed25519 takes the message itself. */
  readonly #digest: 'sha256' | null;

  private constructor(privateKey: KeyObject, publicKey: PublicKey) {
    this.#privateKey = privateKey;
    this.publicKey = publicKey;
    this.#digest = publicKey.algorithm === 'ed25519' ? null : 'sha256';
  }

  /**
   * The key in `<dir>/signing-key.pem`; if there is none, a new Ed25519 key, stored durably before this
   * returns. An existing file is never overwritten, and processes that start at once end with the same
   * key. @throws SignerError
   */
  static async open(dir: string): Promise<LocalKeySigner> {
    const path = join(dir, KEY_FILE);
    try {
      await stat(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw new SignerError(`signing key ${path}: ${messageOf(error)}`, { cause: error });
      await createKeyFile(dir, path);
    }
    // Also right after making one: only what the file holds is shared with the other processes.
    return LocalKeySigner.openExisting(dir);
  }

  /** The key in `<dir>/signing-key.pem`: Ed25519 or ECDSA P-256, PKCS #8. Writes nothing. @throws SignerError */
  static openExisting(dir: string): Promise<LocalKeySigner> {
    return LocalKeySigner.#read(join(dir, KEY_FILE));
  }

  /** The key that is to follow the one of the folder: the same at each call until it is promoted. @throws SignerError */
  static async next(dir: string): Promise<LocalKeySigner> {
    const path = join(dir, NEXT_KEY_FILE);
    try {
      await stat(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw new SignerError(`signing key ${path}: ${messageOf(error)}`, { cause: error });
      await createKeyFile(dir, path);
    }
    return LocalKeySigner.#read(path);
  }

  /**
   * Makes the next key that of the folder. The one before stays beside it under a name of its own, which is given
   * back: it may be taken away once no process signs with it any more. @throws SignerError
   */
  static async promoteNext(dir: string): Promise<string> {
    const path = join(dir, KEY_FILE);
    const { publicKey } = await LocalKeySigner.openExisting(dir);
    const kept = join(dir, `signing-key-${fingerprintOf(publicKey).slice(0, 16)}.pem`);
    try {
      await link(path, kept).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      // At no moment is there no key: a service that starts now would make one of its own.
      await rename(join(dir, NEXT_KEY_FILE), path);
      await syncFolder(dir);
    } catch (error) {
      throw new SignerError(`signing key ${path} can't be replaced: ${messageOf(error)}`, { cause: error });
    }
    return kept;
  }

  static async #read(path: string): Promise<LocalKeySigner> {
    const privateKey = parsePrivateKey(path, await readPrivateFile(path));
    const publicKey = publicKeyOf(path, privateKey);
    const signer = new LocalKeySigner(privateKey, publicKey);
    // An ECDSA file names its public key beside the private one; if they don't belong together, nobody
    // could check what we sign.
    const message = Buffer.from('indelible signing key self-test');
    const signature = sign(signer.#digest, message, privateKey);
    const spki = createPublicKey({ key: Buffer.from(publicKey.spki), format: 'der', type: 'spki' });
    if (!verify(signer.#digest, message, spki, signature)) {
      throw new SignerError(`signing key ${path}: its public key does not belong to its private key; restore the file from a backup`);
    }
    return signer;
  }

  /** Runs on this thread: 42 µs are less than the way to another one. */
  sign(message: Uint8Array): Promise<Uint8Array> {
    try {
      const signature = sign(this.#digest, message, this.#privateKey);
      return Promise.resolve(this.#digest === null ? signature : withLowS(signature));
    } catch (error) {
      return Promise.reject(new SignerError(`signing failed: ${messageOf(error)}`, { cause: error }));
    }
  }
}

async function createKeyFile(dir: string, path: string): Promise<void> {
  const temp = join(dir, `.signing-key-${randomBytes(8).toString('hex')}.tmp`);
  try {
    await makeFolder(dir);
    await removeUnfinished(dir);
    const { privateKey } = generateKeyPairSync('ed25519');
    const file = await open(temp, 'wx', 0o600);
    try {
      await file.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }));
      await file.sync();
    } finally {
      await file.close();
    }
    try {
      // A link, not a rename: it fails if the name is taken, so the loser of a race can't replace the
      // key that the winner has perhaps signed with already.
      await link(temp, path).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    } finally {
      await unlink(temp);
    }
    // The loser too: it is about to sign with a key whose name the winner may not have flushed yet.
    await syncFolder(dir);
  } catch (error) {
    throw new SignerError(`signing key ${path} can't be created: ${messageOf(error)}`, { cause: error });
  }
}

/** Not by `mkdir` with `recursive`: that loops for ever where a folder refuses new ones with ENOENT (/proc). */
async function makeFolder(path: string): Promise<void> {
  const make = (): Promise<void> => mkdir(path, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make().catch((again: unknown) => {
      if (codeOf(again) !== 'EEXIST') throw again; // another process was quicker
    });
  }
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Keys that a crash left before they got their name. Nothing was ever signed with them. */
async function removeUnfinished(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!UNFINISHED.test(name)) continue;
    const path = join(dir, name);
    const status = await stat(path).catch(() => undefined);
    if (status !== undefined && Date.now() - status.mtimeMs > UNFINISHED_AGE_MS) await unlink(path).catch(() => undefined);
  }
}

async function readPrivateFile(path: string): Promise<string> {
  try {
    // O_NONBLOCK: a FIFO at this place must not hang the start. Symbolic links are followed: that is how
    // Kubernetes mounts a secret.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw new SignerError(`signing key ${path} is not a plain file`);
      const mode = status.mode & 0o777;
      if ((mode & 0o077) !== 0) {
        throw new SignerError(
          `signing key ${path} is open to other users (mode 0${mode.toString(8)}): whoever could read it can ` +
            `sign in the log's name. If nobody did, run: chmod 600 ${path}`,
        );
      }
      if (status.size > MAX_PEM_BYTES) throw new SignerError(`signing key ${path} is no key: it has ${status.size} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SignerError) throw error;
    const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new SignerError(`signing key ${path} can't be read: ${why}`, { cause: error });
  }
}

function parsePrivateKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch (error) {
    // The cause is OpenSSL's: a library and a reason, never a part of the file.
    throw new SignerError(
      `signing key ${path} is not an unencrypted PKCS #8 private key in PEM; restore it from a backup, or ` +
        `generate one: openssl genpkey -algorithm ed25519`,
      { cause: error },
    );
  }
}

function publicKeyOf(path: string, privateKey: KeyObject): PublicKey {
  const spki = (): Uint8Array => new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
  if (privateKey.asymmetricKeyType === 'ed25519') return { algorithm: 'ed25519', spki: spki() };
  const curve = privateKey.asymmetricKeyDetails?.namedCurve;
  if (privateKey.asymmetricKeyType === 'ec' && curve === 'prime256v1') return { algorithm: 'ecdsa-p256', spki: spki() };
  throw new SignerError(
    `signing key ${path} is ${privateKey.asymmetricKeyType ?? 'of an unknown kind'}${curve === undefined ? '' : ` (${curve})`}; ` +
      `expected Ed25519 or ECDSA P-256`,
  );
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
