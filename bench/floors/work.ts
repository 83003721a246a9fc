/** The two floors as loops over real bytes: what no correct service or verifier can do without. */
import { hash } from 'node:crypto';

import { EVENT_BYTES, eventText } from '../event.js';
import { canonical } from './canonical.js';

export type Floor = 'append' | 'hashes' | 'hashes as buffers';

const BATCH = 100;
const HASH_BYTES = 32;

/**
 * A digest as a 32-character string, one byte a character: a Buffer result costs more than the hash
 * itself (an allocation outside the heap), and a floor has to be the cheapest way there is.
 */
function sha256(bytes: Buffer): string {
  return hash('sha256', bytes, 'binary');
}

function envelope(event: unknown, sequence: number): object {
  return {
    chainId: 'bench',
    entryId: '01958e3c-7a10-7c3e-9f5b-3d2a6c1e8b47',
    event,
    format: 'indelible/entry/v1',
    receivedAt: '2026-03-14T09:26:53.589793Z',
    sequence,
  };
}

/**
 * 0x00 ‖ prevHash ‖ payload in one buffer: the tree leaf hashes all of it, the chain all but the
 * first byte.
 */
function leafBuffer(previous: string, payload: string): Buffer {
  const leaf = Buffer.allocUnsafe(1 + HASH_BYTES + Buffer.byteLength(payload));
  leaf[0] = 0x00;
  leaf.write(previous, 1, 'latin1');
  leaf.write(payload, 1 + HASH_BYTES, 'utf8');
  return leaf;
}

/** Append floor: parse a batch of 100, canonical bytes and three hashes an entry, chained. */
function appendLoop(): () => number {
  const body = Buffer.from(`[${Array.from({ length: BATCH }, (_, n) => eventText(n)).join(',')}]`);
  const node = Buffer.alloc(1 + 2 * HASH_BYTES, 0x01);
  let previous = '\0'.repeat(HASH_BYTES);
  let tree = previous;
  let sequence = 0;
  return () => {
    for (const event of JSON.parse(body.toString('utf8')) as unknown[]) {
      const leaf = leafBuffer(previous, canonical(envelope(event, sequence)));
      previous = sha256(leaf.subarray(1));
      node.write(tree, 1, 'latin1');
      node.write(sha256(leaf), 1 + HASH_BYTES, 'latin1');
      tree = sha256(node);
      sequence += 1;
    }
    return BATCH;
  };
}

/** Verification floor: the three hashes an entry and nothing else, not even reading. */
function hashLoop(digest: (bytes: Buffer) => unknown): () => number {
  const entries = Array.from({ length: BATCH }, (_, n) => {
    const leaf = leafBuffer(sha256(Buffer.of(n)), canonical(envelope(JSON.parse(eventText(n)), n)));
    return { leaf, link: leaf.subarray(1) };
  });
  const node = Buffer.alloc(1 + 2 * HASH_BYTES, 0x01);
  return () => {
    for (const { leaf, link } of entries) {
      digest(link);
      digest(leaf);
      digest(node);
    }
    return entries.length;
  };
}

function loopOf(floor: Floor): () => number {
  switch (floor) {
    case 'append':
      return appendLoop();
    case 'hashes':
      return hashLoop(sha256);
    case 'hashes as buffers':
      return hashLoop((bytes) => hash('sha256', bytes, 'buffer'));
  }
}

/** Entries a second over `seconds`, after a warm-up long enough for the optimising compiler. */
export function measure(floor: Floor, seconds: number): number {
  const step = loopOf(floor);
  const warm = performance.now() + 500;
  while (performance.now() < warm) step();
  const started = performance.now();
  const end = started + seconds * 1000;
  let entries = 0;
  while (performance.now() < end) entries += step();
  return (entries / (performance.now() - started)) * 1000;
}

/** Bytes the two long hashes run over, for the report. */
export function leafBytes(): number {
  return 1 + HASH_BYTES + Buffer.byteLength(canonical(envelope(JSON.parse(eventText(0)), 123_456)));
}

export function describeEntry(): string {
  return `event ${EVENT_BYTES} bytes, leaf ${leafBytes()} bytes`;
}
