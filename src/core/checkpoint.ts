/** C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint@v1.0.0), without extension lines. */
import { base64Encode } from '#platform';
import { isChainId, isDeployment } from './chain.js';
import { EMPTY_ROOT, equalBytes, HASH_BYTES } from './merkle.js';
import { NoteFormatError, noteSigners, parseNote, strictBase64 } from './note.js';
import type { NoteKey } from './note.js';

export interface Checkpoint {
  readonly origin: string;
  /** Number of leaves. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** The text that is signed. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${base64Encode(root)}\n`;
}

/** @throws NoteFormatError naming the rule */
export function parseCheckpointText(text: string): Checkpoint {
  const lines = text.split('\n');
  const [origin, sizeText, rootText] = lines;
  if (lines.length !== 4 || lines[3] !== '' || !origin || sizeText === undefined || rootText === undefined) {
    throw new NoteFormatError('checkpoint: expected exactly origin, size and root, a line each');
  }
  const slash = origin.lastIndexOf('/');
  if (!isDeployment(origin.slice(0, Math.max(slash, 0))) || !isChainId(origin.slice(slash + 1))) {
    throw new NoteFormatError('checkpoint: origin is not <deployment>/<chainId>');
  }
  if (!/^(0|[1-9][0-9]{0,15})$/.test(sizeText)) throw new NoteFormatError('checkpoint: size is not a decimal number');
  const size = Number(sizeText);
  if (!Number.isSafeInteger(size)) throw new NoteFormatError('checkpoint: size is over 2^53−1');
  const root = strictBase64(rootText, 'checkpoint root');
  if (root.length !== HASH_BYTES) throw new NoteFormatError(`checkpoint: root expected 32 bytes, got ${root.length}`);
  if (size === 0 && !equalBytes(root, EMPTY_ROOT)) throw new NoteFormatError('checkpoint: size 0 with another root than that of no leaves');
  return { origin, size, root };
}

/**
 * The checkpoint in a note signed by at least one of `keys`; `undefined` if none of them signed it
 * rightly. @throws NoteFormatError if it is not a note or not a checkpoint
 */
export function openCheckpoint(
  note: string,
  keys: readonly NoteKey[],
): { readonly checkpoint: Checkpoint; readonly signers: readonly NoteKey[] } | undefined {
  const parsed = parseNote(note);
  const signers = noteSigners(parsed, keys);
  if (signers.length === 0) return undefined;
  return { checkpoint: parseCheckpointText(parsed.text), signers };
}
