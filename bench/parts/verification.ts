/** Verification against the hash floor and Tessera's fsck, in turns. */
import { onCores } from '../floors/cores.js';
import { type ServiceOptions, verifyChain } from '../service.js';
import { type Bench, say } from './bench.js';
import { HASH_FLOOR } from './floors.js';
import { MILLION_CHAIN } from './million.js';

export const VERIFY_ROW = 'indelible verify, whole command';
export const VERIFY_MEMORY = 'indelible verify, peak memory';
export const FSCK_ROW = "Tessera's fsck, whole command";

/** fsck is given a log large enough that starting the process does not decide its rate. */
const FSCK_ENTRIES = 300_000;
const FSCK_GROW_SECONDS = 60;

export async function measureVerification(bench: Bench, serviceOptions: ServiceOptions | undefined): Promise<void> {
  const { options, report, tessera, cores } = bench;
  if (tessera !== undefined) {
    if (!options.quick) await tessera.grow(FSCK_ENTRIES, FSCK_GROW_SECONDS);
    // Its server is done with; the last checkpoint has to be on disk before it ends.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await tessera.stop();
  }
  for (let round = 1; round <= options.rounds; round += 1) {
    say(`verification, round ${round} of ${options.rounds}`);
    if (serviceOptions !== undefined) {
      const seen = await verifyChain(serviceOptions, MILLION_CHAIN);
      if (seen.verdict !== 'intact' || seen.code !== 0 || seen.entries < options.entries) {
        throw new Error(`verify: ${seen.verdict}, exit ${String(seen.code)}, ${seen.entries} entries`);
      }
      report.add(VERIFY_ROW, 'entries/s', seen.entries / seen.seconds, `${seen.entries.toLocaleString('en-US')} entries`);
      report.add(VERIFY_MEMORY, 'MB', (seen.peakMemoryMiB * 2 ** 20) / 1e6);
      report.add(HASH_FLOOR, 'entries/s', await onCores('hashes', cores, options.quick ? 1 : 2));
    }
    if (tessera !== undefined) {
      const seen = await tessera.fsck(cores);
      if (!seen.intact) throw new Error(`Tessera's fsck did not call its log intact (exit ${String(seen.code)})`);
      report.add(FSCK_ROW, 'entries/s', seen.entries / seen.seconds, `${seen.entries.toLocaleString('en-US')} entries`);
    }
  }
}
