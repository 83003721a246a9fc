/**
 * Bearer tokens, of which only the hash is kept: who reads the file can't use one.
 *
 * The file is read once, at start. SHA-256 without salt or stretching is right for tokens made here, which are
 * 256 random bits; one set by the operator is only as good as the operator chose it.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { SCOPES } from './authenticator.js';
import type { Authenticator, Principal, Scope } from './authenticator.js';

const FORMAT = 'indelible/tokens/v1';
const FILE = 'tokens.json';
/** The one token that exists from the first start on. */
const ADMIN = 'admin';
export const MIN_ADMIN_TOKEN_LENGTH = 16;
/** A longer one is not looked at: it would only cost time to hash. */
const MAX_TOKEN_LENGTH = 1_024;
/** What fits a header without being quoted: a little more than RFC 6750 §2.1 has. */
const TOKEN = /^[\x21-\x7e]+$/;

const fileSchema = z.strictObject({
  format: z.literal(FORMAT),
  tokens: z.array(
    z.strictObject({
      id: z.string().regex(/^[0-9a-f]{12}$/),
      name: z.string().min(1).max(100),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      scopes: z.array(z.enum(SCOPES)),
      createdAt: z.string(),
    }),
  ),
});

type TokenRecord = z.infer<typeof fileSchema>['tokens'][number];

/** The file, or a token given by the operator, is not usable. The message names it, never the token. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

export interface OpenedTokens {
  readonly tokens: Tokens;
  /** The admin token, if this call made it. It is kept nowhere: show it now or never. */
  readonly issued?: string;
}

interface Known {
  readonly sha256: Buffer;
  readonly principal: Principal;
}

/** Scratch: used and done with before anything else can run. */
const digest = Buffer.alloc(32);

export class Tokens implements Authenticator {
  readonly #file: string;
  #records: readonly TokenRecord[];
  #known: readonly Known[];

  /**
   * Opens the tokens in `dir`; at first start makes the admin token. One given as `adminToken`
   * (`INDELIBLE_ADMIN_TOKEN`) takes the place of the one on file, so that a lost one can be replaced.
   * @throws TokenError
   */
  static async open(dir: string, options: { readonly adminToken?: string | undefined; readonly now: string }): Promise<OpenedTokens> {
    const { adminToken, now } = options;
    if (adminToken !== undefined) checkAdminToken(adminToken);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const file = path.join(dir, FILE);
    for (;;) {
      const records = await read(file);
      if (records === undefined) {
        const token = adminToken ?? newToken();
        const first = [recordOf(ADMIN, token, SCOPES, now)];
        // Two processes may start at once: one makes the file, the other reads it.
        if (!(await write(file, first, 'create'))) continue;
        return { tokens: new Tokens(file, first), ...(adminToken === undefined && { issued: token }) };
      }
      const tokens = new Tokens(file, records);
      const admin = records.find((record) => record.name === ADMIN);
      if (adminToken !== undefined && admin?.sha256 !== sha256(adminToken)) {
        await tokens.#save([recordOf(ADMIN, adminToken, SCOPES, now), ...records.filter((record) => record !== admin)]);
      }
      return { tokens };
    }
  }

  private constructor(file: string, records: readonly TokenRecord[]) {
    this.#file = file;
    this.#records = records;
    this.#known = records.map(known);
  }

  authenticate(token: string): Principal | undefined {
    if (token.length > MAX_TOKEN_LENGTH) return undefined;
    // One string and one copy: a digest returned as a Buffer costs a native allocation each.
    digest.write(hash('sha256', token, 'binary'), 'latin1');
    let found: Principal | undefined;
    // All of them, always: the time says nothing about which one came close.
    for (const { sha256: expected, principal } of this.#known) {
      if (timingSafeEqual(digest, expected)) found = principal;
    }
    return found;
  }

  list(): readonly { readonly id: string; readonly name: string; readonly scopes: readonly Scope[]; readonly createdAt: string }[] {
    return this.#records.map(({ id, name, scopes, createdAt }) => ({ id, name, scopes, createdAt }));
  }

  /** Makes a token. The result is kept nowhere. @throws TokenError if the name is taken */
  async create(name: string, scopes: readonly Scope[], now: string): Promise<string> {
    if (this.#records.some((record) => record.name === name)) throw new TokenError(`there is a token named ${JSON.stringify(name)} already`);
    const token = newToken();
    await this.#save([...this.#records, recordOf(name, token, scopes, now)]);
    return token;
  }

  /** False if there is none of that name. */
  async revoke(name: string): Promise<boolean> {
    const rest = this.#records.filter((record) => record.name !== name);
    if (rest.length === this.#records.length) return false;
    await this.#save(rest);
    return true;
  }

  async #save(records: readonly TokenRecord[]): Promise<void> {
    await write(this.#file, records, 'replace');
    this.#records = records;
    this.#known = records.map(known);
  }
}

function checkAdminToken(token: string): void {
  if (token.length < MIN_ADMIN_TOKEN_LENGTH || token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) {
    throw new TokenError(
      `INDELIBLE_ADMIN_TOKEN expected ${MIN_ADMIN_TOKEN_LENGTH} to ${MAX_TOKEN_LENGTH} printable ASCII characters without spaces, got ${token.length}`,
    );
  }
}

function newToken(): string {
  return `ind_${randomBytes(32).toString('base64url')}`;
}

function sha256(token: string): string {
  return hash('sha256', token, 'hex');
}

function recordOf(name: string, token: string, scopes: readonly Scope[], now: string): TokenRecord {
  return { id: randomBytes(6).toString('hex'), name, sha256: sha256(token), scopes: [...scopes], createdAt: now };
}

function known({ id, name, sha256: hex, scopes }: TokenRecord): Known {
  return { sha256: Buffer.from(hex, 'hex'), principal: { id, name, scopes: new Set(scopes) } };
}

async function read(file: string): Promise<readonly TokenRecord[] | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TokenError(`${file} can not be read`, { cause });
  }
  try {
    return fileSchema.parse(JSON.parse(text)).tokens;
  } catch (cause) {
    // Never started with no or half of the tokens: nobody could say why access is refused.
    throw new TokenError(`${file} is not of ${FORMAT}; to start over with a new admin token, move it away`, { cause });
  }
}

/** The file is there whole or not at all. `create`: false if it exists already. */
async function write(file: string, tokens: readonly TokenRecord[], mode: 'create' | 'replace'): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ format: FORMAT, tokens }, undefined, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (mode === 'replace') {
    await rename(temporary, file);
    return true;
  }
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(temporary);
  }
}
