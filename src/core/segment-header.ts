/** The first line of a segment (docs/format.md §5.1). */
import { isWriterId, parseHash } from './chain.js';

export const SEGMENT_FORMAT = 'indelible/segment/v1';

export interface SegmentHeader {
  readonly chainId: string;
  readonly count: number;
  readonly firstSequence: number;
  readonly frontier: readonly string[];
  readonly prevHash: string;
  readonly signerKeyId: string;
  readonly writerId: string;
}

/** Canonical because the members stand in order and no value holds a character that JSON escapes. */
export function formatHeader({ chainId, count, firstSequence, frontier, prevHash, signerKeyId, writerId }: SegmentHeader): string {
  return JSON.stringify({ chainId, count, firstSequence, format: SEGMENT_FORMAT, frontier, prevHash, signerKeyId, writerId });
}

/** The header's members, each of the right type; `undefined` if one is not. @throws SyntaxError */
export function readHeader(text: string): SegmentHeader | undefined {
  const value = JSON.parse(text) as Record<string, unknown> | null;
  if (typeof value !== 'object' || value === null || value['format'] !== SEGMENT_FORMAT) return undefined;
  const { chainId, count, firstSequence, frontier, prevHash, signerKeyId, writerId } = value;
  if (typeof chainId !== 'string' || !Number.isSafeInteger(count) || !Number.isSafeInteger(firstSequence)) return undefined;
  if (!Array.isArray(frontier) || !frontier.every((hash) => parseHash(hash) !== undefined)) return undefined;
  if (typeof signerKeyId !== 'string' || typeof prevHash !== 'string' || parseHash(prevHash) === undefined) return undefined;
  if (typeof writerId !== 'string' || !isWriterId(writerId)) return undefined;
  return {
    chainId,
    count: count as number,
    firstSequence: firstSequence as number,
    frontier: frontier as string[],
    prevHash,
    signerKeyId,
    writerId,
  };
}
