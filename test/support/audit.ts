/**
 * The independent audit used after almost every step: reads the stored segments one after another, from the
 * first, with nothing of the ledger's state, and checks what the chain must always be.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { emptyHead, originOf, segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import { readPayload } from '#indelible/core/entry.js';
import type { Envelope } from '#indelible/core/entry.js';
import { noteKey } from '#indelible/core/note.js';
import type { PublicKey } from '#indelible/core/note.js';
import { verifyReceipt } from '#indelible/core/receipt.js';
import type { Receipt } from '#indelible/core/receipt.js';
import { verifySegment } from '#indelible/core/verify-segment.js';

export interface AuditedChain {
  readonly payloads: readonly string[];
  readonly envelopes: readonly Envelope[];
  readonly segments: number;
}

/** Reads an object of a store by its key; `undefined` if it is not there. */
export type ReadObject = (key: string) => Promise<Uint8Array | undefined>;

export function folderObjects(worm: string): ReadObject {
  return (key) => readFile(join(worm, key)).catch(() => undefined);
}

/** Fails the test unless the chain is whole, and each receipt is of an entry that is there, unchanged. */
export async function auditChain(
  read: ReadObject,
  chain: { readonly deployment: string; readonly chainId: string; readonly publicKey: PublicKey },
  receipts: readonly Receipt[] = [],
): Promise<AuditedChain> {
  const { deployment, chainId, publicKey } = chain;
  const key = noteKey(originOf(deployment, chainId), publicKey);
  const payloads: string[] = [];
  const envelopes: Envelope[] = [];
  const ids = new Set<string>();
  let head = emptyHead(chainId);
  let segments = 0;
  for (;;) {
    const bytes = await read(segmentKey(chainId, head.size));
    if (bytes === undefined) break;
    segments += 1;
    const verified = verifySegment(bytes, { deployment, chainId, firstSequence: head.size, before: head }, [key]);
    if (verified.outcome === 'invalid') throw new Error(`at ${head.size}: ${verified.fault.code}: ${verified.fault.detail}`);
    for (const [i, start] of verified.starts.entries()) {
      const payload = Buffer.from(bytes.subarray(start, verified.ends[i])).toString('utf8');
      const envelope = readPayload(payload);
      if (envelope?.sequence !== payloads.length) throw new Error(`entry ${payloads.length} is not at its place`);
      if (ids.has(envelope.entryId)) throw new Error(`id ${envelope.entryId} is in the chain twice`);
      ids.add(envelope.entryId);
      payloads.push(payload);
      envelopes.push(envelope);
    }
    head = verified.after;
  }
  for (const receipt of receipts) {
    if (payloads[receipt.sequence] !== receipt.payload) throw new Error(`the acknowledged entry ${receipt.sequence} (${receipt.entryId}) is lost or changed`);
    expect(verifyReceipt(receipt, () => [key])).toMatchObject({ valid: true });
  }
  return { payloads, envelopes, segments };
}

/**
 * As above, and that each of the keys listed before is read by it: nothing of the chain lies beside it. What is appended after
 * the listing is read, too, and no stray.
 */
export async function auditListed(
  listed: readonly string[],
  read: ReadObject,
  chain: { readonly deployment: string; readonly chainId: string; readonly publicKey: PublicKey },
  receipts: readonly Receipt[] = [],
): Promise<AuditedChain> {
  const strays = new Set(listed);
  const readOne: ReadObject = async (key) => {
    const bytes = await read(key);
    if (bytes !== undefined) strays.delete(key);
    return bytes;
  };
  const audited = await auditChain(readOne, chain, receipts);
  if (strays.size > 0) throw new Error(`do not belong to the chain: a fork or a hole: ${[...strays].join(', ')}`);
  return audited;
}

/** As above, of a folder. */
export async function auditFolder(
  worm: string,
  chain: { readonly deployment: string; readonly chainId: string; readonly publicKey: PublicKey },
  receipts: readonly Receipt[] = [],
): Promise<AuditedChain> {
  const prefix = segmentPrefix(chain.chainId);
  const names = await readdir(join(worm, prefix)).catch(() => []);
  return auditListed(names.map((name) => `${prefix}${name}`), folderObjects(worm), chain, receipts);
}
