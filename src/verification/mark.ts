/**
 * Verified-through marks (docs/format.md §9): what an earlier verification signed for, so that the next
 * one reads only what is new.
 */
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { base64Encode, hexDecode, utf8Encode } from '#platform';
import { isChainId, originOf, parseHash } from '../core/chain.js';
import { parseCheckpointText } from '../core/checkpoint.js';
import { isReceivedAt } from '../core/entry.js';
import { formatNote, noteKey, NoteFormatError, noteSigners, parseNote } from '../core/note.js';
import type { NoteKey } from '../core/note.js';
import type { Signer } from '../signing/signer.js';
import type { VerificationReport } from './report.js';

export const MARK_FORMAT = 'indelible/verified-through/v1';

export interface Mark {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Of the last entry. */
  readonly entryHash: Uint8Array;
  readonly receivedAt: string;
  readonly verifiedAt: string;
}


const RFC3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

/**
 * The mark in a note that at least one of `keys` signed; `undefined` if none did.
 * @throws NoteFormatError if it is no mark
 */
export function openMark(note: string, keys: readonly NoteKey[]): { readonly mark: Mark; readonly signers: readonly NoteKey[] } | undefined {
  const parsed = parseNote(note);
  const mark = parseMarkText(parsed.text);
  // A delegated key vouches for segments alone.
  const signers = noteSigners(parsed, keys.filter((key) => key.name === mark.origin && key.publicKey.validity === undefined));
  return signers.length === 0 ? undefined : { mark, signers };
}

/** @throws NoteFormatError */
export function parseMarkText(text: string): Mark {
  const lines = text.split('\n');
  const [format, origin, size, root, entryHash, receivedAt, verifiedAt] = lines;
  if (lines.length !== 8 || lines[7] !== '' || format !== MARK_FORMAT) throw new NoteFormatError(`mark: expected the seven lines of ${MARK_FORMAT}`);
  const checkpoint = parseCheckpointText(`${origin}\n${size}\n${root}\n`);
  const hash = parseHash(entryHash);
  if (hash === undefined) throw new NoteFormatError('mark: the entry hash is not 64 hexadecimal digits');
  if (receivedAt === undefined || !isReceivedAt(receivedAt)) throw new NoteFormatError('mark: the time of the last entry is malformed');
  if (verifiedAt === undefined || !RFC3339.test(verifiedAt)) throw new NoteFormatError('mark: the time of verification is malformed');
  return { ...checkpoint, entryHash: hash, receivedAt, verifiedAt };
}

export function markText({ origin, size, root, entryHash, receivedAt, verifiedAt }: Omit<Mark, 'root' | 'entryHash'> & { readonly root: Uint8Array; readonly entryHash: string }): string {
  return `${MARK_FORMAT}\n${origin}\n${size}\n${base64Encode(root)}\n${entryHash}\n${receivedAt}\n${verifiedAt}\n`;
}

/**
 * Signs for what `report` says of a whole chain.
 * @throws RangeError unless the verdict is intact, the end was reached, and nothing before was left out that
 *   no earlier mark stands for
 */
export async function signMark(signer: Signer, report: VerificationReport): Promise<string> {
  const { head, deployment, chainId, range, restsOnMark } = report;
  if (report.verdict !== 'intact' || head === undefined || deployment === undefined) {
    throw new RangeError(`"report" expected one of an intact chain up to its end, got ${report.verdict}`);
  }
  if (range.from !== (restsOnMark?.size ?? 0)) throw new RangeError(`"report" expected one from the first entry on, got one from ${range.from}`);
  const origin = originOf(deployment, chainId);
  const key = noteKey(origin, signer.publicKey);
  const text = markText({
    origin,
    size: head.size,
    root: hexDecode(head.rootHash),
    entryHash: head.entryHash,
    receivedAt: head.receivedAt,
    verifiedAt: report.finishedAt,
  });
  const signature = await signer.sign(utf8Encode(text));
  return formatNote(text, [{ name: key.name, keyId: key.keyId, signature }]);
}

/** Marks as files, one a chain: `<dir>/<chainId>.note`. Losing them costs a full verification, nothing else. */
export class MarkFolder {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async read(chainId: string): Promise<string | undefined> {
    try {
      return await readFile(this.#path(chainId), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** The chains that have one. */
  async chains(): Promise<readonly string[]> {
    try {
      return (await readdir(this.#dir)).flatMap((name) => (name.endsWith('.note') && isChainId(name.slice(0, -5)) ? [name.slice(0, -5)] : []));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Replaces the chain's mark, whole or not at all. */
  async write(chainId: string, note: string): Promise<void> {
    const path = this.#path(chainId);
    await mkdir(this.#dir, { recursive: true });
    const file = await open(`${path}.tmp`, 'w', 0o640);
    try {
      await file.writeFile(note);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.tmp`, path);
  }

  #path(chainId: string): string {
    if (!isChainId(chainId)) throw new RangeError(`"chainId" expected a chain id, got ${JSON.stringify(chainId)}`);
    return join(this.#dir, `${chainId}.note`);
  }
}
