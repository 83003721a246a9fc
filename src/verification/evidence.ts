/**
 * What was kept outside the store: receipts, checkpoints, marks, bundles. A chain that is consistent in
 * itself may still lack its newest entries, or be another history; only this shows it.
 */
import { open, readFile } from 'node:fs/promises';
import { hexEncode, utf8Decode } from '#platform';
import { parseHash } from '../core/chain.js';
import { openCheckpoint, parseCheckpointText } from '../core/checkpoint.js';
import { verifyConsistency } from '../core/merkle.js';
import { NoteFormatError, parseNote } from '../core/note.js';
import type { NoteKey } from '../core/note.js';
import { RECEIPT_FORMAT, verifyReceiptText } from '../core/receipt.js';
import { MARK_FORMAT, openMark, parseMarkText } from './mark.js';

/** Read, but not believed yet: `check` says what it proves. */
export interface Evidence {
  /** What the caller calls it, for example the name of the file. */
  readonly source: string;
  /** Of a file with a receipt a line, from 1. */
  readonly line?: number;
  readonly kind: 'receipt' | 'checkpoint' | 'mark' | 'bundle';
  /** `<deployment>/<chainId>` */
  readonly origin: string;
  /** `keys`: trusted ones, under `origin`. Never throws. */
  check(keys: readonly NoteKey[]): EvidenceCheck;
}

export type EvidenceCheck =
  | { readonly usable: true; readonly size: number; readonly facts: readonly Fact[] }
  | { readonly usable: false; readonly reason: string };

/** What the key that signed it vouches for. Hashes in hexadecimal. */
export type Fact =
  | { readonly kind: 'root'; readonly size: number; readonly root: string }
  | { readonly kind: 'entry'; readonly sequence: number; readonly entryHash: string };

/** The text is no evidence of a known kind. The message says why. */
export class EvidenceFormatError extends Error {
  override readonly name = 'EvidenceFormatError';
}

const BUNDLE_FORMAT = 'indelible/bundle/v1';
/** Larger than any header or manifest of a bundle, any receipt or note. */
const MAX_TEXT_BYTES = 1_048_576;
/** Some hundred thousand receipts: all of them are kept while the chain is read. */
const MAX_RECEIPTS_BYTES = 536_870_912;

/**
 * A file of any of the four kinds, or of receipts, one a line; of a bundle only its two ends are read.
 * @throws EvidenceFormatError, I/O errors
 */
export async function readEvidenceFile(path: string, source = path): Promise<readonly Evidence[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > MAX_TEXT_BYTES) {
      const start = Buffer.alloc(MAX_TEXT_BYTES);
      await file.read(start, 0, MAX_TEXT_BYTES, 0);
      const first = parse(source, () => firstLine(start));
      if (formatOf(first) !== RECEIPT_FORMAT) {
        const end = Buffer.alloc(MAX_TEXT_BYTES);
        await file.read(end, 0, MAX_TEXT_BYTES, size - MAX_TEXT_BYTES);
        return [parse(source, () => bundleEvidence(source, first, lastLine(end)))];
      }
      if (size > MAX_RECEIPTS_BYTES) throw new EvidenceFormatError(`${source}: ${size} bytes of receipts, at most ${MAX_RECEIPTS_BYTES} are read at once: split the file`);
    }
  } finally {
    await file.close();
  }
  const content = await readFile(path);
  return receiptLines(content, source) ?? [readEvidence(content, source)];
}

/** `undefined` unless the content is several receipts, one a line. @throws EvidenceFormatError naming the line */
function receiptLines(content: Uint8Array, source: string): Evidence[] | undefined {
  if (formatOf(parse(source, () => firstLine(content))) !== RECEIPT_FORMAT) return undefined;
  const lines: Evidence[] = [];
  for (let start = 0, line = 1; start < content.length; line++) {
    const next = content.indexOf(0x0a, start);
    const end = next < 0 ? content.length : next;
    const text = content.subarray(start, end);
    start = end + 1;
    if (text.some((byte) => byte > 0x20)) lines.push({ ...parse(`${source}, line ${line}`, () => receiptEvidence(source, utf8Decode(text))), line });
  }
  return lines.length > 1 ? lines : undefined;
}

/** @throws EvidenceFormatError */
export function readEvidence(content: Uint8Array, source: string): Evidence {
  return parse(source, () => {
    const text = utf8Decode(content);
    if (!/^\s*\{/.test(text)) return text.startsWith(`${MARK_FORMAT}\n`) ? markEvidence(source, text) : checkpointEvidence(source, text);
    const line = firstLine(content);
    if (formatOf(line) === BUNDLE_FORMAT) return bundleEvidence(source, line, lastLine(content));
    return receiptEvidence(source, text);
  });
}

function parse<T>(source: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new EvidenceFormatError(`${source}: no receipt, checkpoint, mark or bundle: ${(error as Error).message}`, { cause: error });
  }
}

function checkpointEvidence(source: string, note: string): Evidence {
  const { origin } = parseCheckpointText(parseNote(note).text);
  return { source, kind: 'checkpoint', origin, check: (keys) => checkSigned(() => openCheckpoint(note, keys)?.checkpoint, rootOnly) };
}

function markEvidence(source: string, note: string): Evidence {
  const { origin } = parseMarkText(parseNote(note).text);
  return {
    source,
    kind: 'mark',
    origin,
    check: (keys) =>
      checkSigned(
        () => openMark(note, keys)?.mark,
        ({ size, root, entryHash }) => [
          ...rootOnly({ size, root }),
          ...(size === 0 ? [] : [{ kind: 'entry' as const, sequence: size - 1, entryHash: hexEncode(entryHash) }]),
        ],
      ),
  };
}

function receiptEvidence(source: string, text: string): Evidence {
  const receipt = JSON.parse(text) as { readonly format?: unknown; readonly checkpoint?: unknown };
  if (receipt.format !== RECEIPT_FORMAT || typeof receipt.checkpoint !== 'string') throw new EvidenceFormatError(`format expected ${RECEIPT_FORMAT} or ${BUNDLE_FORMAT}`);
  const { origin } = parseCheckpointText(parseNote(receipt.checkpoint).text);
  return {
    source,
    kind: 'receipt',
    origin,
    check(keys) {
      const checked = verifyReceiptText(text, () => keys);
      if (!checked.valid) return { usable: false, reason: checked.reason };
      const { sequence, entryHash } = checked.receipt;
      return { usable: true, size: checked.checkpoint.size, facts: [...rootOnly(checked.checkpoint), { kind: 'entry', sequence, entryHash }] };
    },
  };
}

/** Its entries are not read here (`verifyBundle` does that): what ties them to the signature is compared. */
function bundleEvidence(source: string, headerLine: string, manifestLine: string): Evidence {
  const header = JSON.parse(headerLine) as { readonly format?: unknown; readonly range?: { readonly to?: unknown } };
  const manifest = JSON.parse(manifestLine) as { readonly checkpoint?: unknown; readonly rangeRoot?: unknown; readonly consistencyProof?: unknown };
  const to = header.range?.to;
  const rangeRoot = parseHash(manifest.rangeRoot);
  const proof = Array.isArray(manifest.consistencyProof) ? manifest.consistencyProof.map(parseHash) : [undefined];
  if (header.format !== BUNDLE_FORMAT || typeof to !== 'number' || typeof manifest.checkpoint !== 'string' || rangeRoot === undefined) {
    throw new EvidenceFormatError('the bundle lacks its header or its manifest');
  }
  const note = manifest.checkpoint;
  const { origin } = parseCheckpointText(parseNote(note).text);
  return {
    source,
    kind: 'bundle',
    origin,
    check(keys) {
      const hashes = proof.filter((hash) => hash !== undefined);
      return checkSigned(
        () => openCheckpoint(note, keys)?.checkpoint,
        (checkpoint) => {
          if (hashes.length !== proof.length || !verifyConsistency(to + 1, checkpoint.size, rangeRoot, checkpoint.root, hashes)) {
            throw new NoteFormatError('the bundle does not show that its range lies in its checkpoint');
          }
          return [...rootOnly({ size: to + 1, root: rangeRoot }), ...(checkpoint.size === to + 1 ? [] : rootOnly(checkpoint))];
        },
      );
    },
  };
}

function checkSigned<T extends { readonly size: number }>(open: () => T | undefined, facts: (signed: T) => readonly Fact[]): EvidenceCheck {
  try {
    const signed = open();
    if (signed === undefined) return { usable: false, reason: 'not signed by a trusted key' };
    return { usable: true, size: signed.size, facts: facts(signed) };
  } catch (error) {
    return { usable: false, reason: (error as Error).message };
  }
}

function rootOnly({ size, root }: { readonly size: number; readonly root: Uint8Array }): readonly Fact[] {
  return [{ kind: 'root', size, root: hexEncode(root) }];
}

function formatOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { readonly format?: unknown }).format;
  } catch {
    return undefined;
  }
}

function firstLine(content: Uint8Array): string {
  const end = content.indexOf(0x0a);
  return utf8Decode(content.subarray(0, end < 0 ? content.length : end));
}

function lastLine(content: Uint8Array): string {
  const end = content.at(-1) === 0x0a ? content.length - 1 : content.length;
  return utf8Decode(content.subarray(content.lastIndexOf(0x0a, end - 1) + 1, end));
}
