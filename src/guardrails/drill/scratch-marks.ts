/** Verified-through marks of scratch chains, a folder for each, as a verifier keeps them; and how old they are found to be. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChainTrust } from '../../ledger/trust.js';
import type { Signer } from '../../signing/signer.js';
import { MarkAges } from '../../verification/mark-ages.js';
import { MarkFolder, signMark } from '../../verification/mark.js';
import type { VerificationReport } from '../../verification/report.js';

/** When the alert IndelibleVerificationStale fires, and IndelibleNeverVerified for a chain without a mark (docs/monitoring/alerts.yml). */
export const STALE_AFTER_SECONDS = 2 * 86_400;

export class ScratchMarks {
  readonly #dir: string;
  readonly #trust: ChainTrust;

  constructor(dir: string, trust: ChainTrust) {
    this.#dir = dir;
    this.#trust = trust;
  }

  /** What a verifier leaves after it has found the chain intact, signed by `signer`. */
  async leave(chainId: string, report: VerificationReport, signer: Signer): Promise<void> {
    await mkdir(this.#folderOf(chainId), { recursive: true });
    await new MarkFolder(this.#folderOf(chainId)).write(chainId, await signMark(signer, report));
  }

  async remove(chainId: string): Promise<void> {
    await rm(this.#folderOf(chainId), { recursive: true, force: true });
  }

  read(chainId: string): Promise<string | undefined> {
    return new MarkFolder(this.#folderOf(chainId)).read(chainId);
  }

  /** As the metrics of a service tell it: seconds since the chain was verified, `undefined` if it never was. */
  async ageSeconds(chainId: string, nowMs: number): Promise<number | undefined> {
    const ages = new MarkAges(new MarkFolder(this.#folderOf(chainId)), this.#trust);
    try {
      await ages.refresh();
      return ages.has(chainId) ? ages.oldestSeconds(nowMs) : undefined;
    } finally {
      ages.close();
    }
  }

  #folderOf(chainId: string): string {
    return join(this.#dir, chainId);
  }
}
