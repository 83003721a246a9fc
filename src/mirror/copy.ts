/**
 * The topic as a copy of the log, for reconciliation: every message of a chain, in order of its sequence. The topic is
 * in that order already, but for what was refilled after a loss; so it is read in windows of sequences, of each of
 * which little more than hashes is kept.
 */
import { sha256Hex } from '#platform';
import type { CopyItem, ReconciledCopy } from '../reconcile/copies.js';
import { partitionOf } from './kafka.js';
import { readEntryRecord } from './messages.js';
import type { PartitionReader } from './partition-reader.js';

const WINDOW = 200_000;

/** The mirror fills itself from the log, and nothing can be taken out of it: there is nothing to repair here. */
export function topicCopy(reader: PartitionReader, topic: string, window = WINDOW): ReconciledCopy {
  return {
    name: 'mirror',
    // Without `through`: what it lacks at its end can not be told from what was cut off.
    async *items(chainId) {
      const partition = partitionOf(chainId, await reader.partitions(topic));
      const extent = (await reader.extents(topic, [partition])).get(partition);
      if (extent === undefined) return;
      for (let low = 0, from: number | undefined = extent.start; from !== undefined; low += window) {
        const items: ReturnType<typeof itemOf>[] = [];
        let later: number | undefined;
        for await (const record of reader.read(topic, partition, from, extent.end)) {
          const entry = readEntryRecord(record);
          if (entry?.chainId !== chainId) continue;
          if (entry.sequence >= low + window) later ??= record.offset;
          else if (entry.sequence >= low) items.push(itemOf(entry.sequence, `${partition}/${record.offset}`, entry.payload));
        }
        yield* items.sort((a, b) => a.sequence - b.sequence);
        from = later;
      }
    },
    async *strays(known) {
      const chains = new Set(known);
      const count = await reader.partitions(topic);
      const partitions = Array.from({ length: count }, (_, partition) => partition);
      for (const [partition, { start, end }] of await reader.extents(topic, partitions)) {
        for await (const record of reader.read(topic, partition, start, end)) {
          const entry = readEntryRecord(record);
          const isKnown = entry !== undefined && chains.has(entry.chainId) && partitionOf(entry.chainId, count) === partition;
          if (!isKnown) yield { sequence: entry?.sequence, id: `${partition}/${record.offset}`, place: undefined, agrees: () => false };
        }
      }
    },
  };
}

function itemOf(sequence: number, id: string, payload: Uint8Array): CopyItem & { readonly sequence: number } {
  const hash = sha256Hex(payload);
  return { sequence, id, place: sequence, agrees: (expected) => sha256Hex(Buffer.from(expected)) === hash };
}
