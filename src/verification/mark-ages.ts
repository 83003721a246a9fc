/**
 * How long ago the chains were verified, for metrics: the marks of a folder, read again once a minute. A mark that
 * nobody of the deployment signed counts for nothing.
 */
import type { ChainTrust } from '../ledger/trust.js';
import { openMark } from './mark.js';
import type { MarkFolder } from './mark.js';

const READ_AGAIN_MS = 60_000;

export class MarkAges {
  readonly #folder: MarkFolder;
  readonly #trust: ChainTrust;
  readonly #timer: NodeJS.Timeout;
  #verifiedAt = new Map<string, number>();

  constructor(folder: MarkFolder, trust: ChainTrust) {
    this.#folder = folder;
    this.#trust = trust;
    this.#timer = setInterval(() => void this.refresh(), READ_AGAIN_MS).unref();
    void this.refresh();
  }

  has(chainId: string): boolean {
    return this.#verifiedAt.has(chainId);
  }

  /** Since the verification that is longest ago, of those that are the last of their chain; 0 without any. */
  oldestSeconds(nowMs: number): number {
    let oldest = nowMs;
    for (const verifiedAt of this.#verifiedAt.values()) oldest = Math.min(oldest, verifiedAt);
    return (nowMs - oldest) / 1_000;
  }

  /** Never rejects: what can't be read is as if it were not there. */
  async refresh(): Promise<void> {
    const found = new Map<string, number>();
    try {
      for (const chainId of await this.#folder.chains()) {
        const verifiedAt = await verifiedAtOf(this.#folder, this.#trust, chainId);
        if (verifiedAt !== undefined) found.set(chainId, verifiedAt);
      }
    } catch {
      // The folder can't be read: no chain counts as verified.
    }
    this.#verifiedAt = found;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** When the chain was last verified, by a mark that the deployment signed; `undefined` without one. In milliseconds. */
export async function verifiedAtOf(folder: MarkFolder, trust: ChainTrust, chainId: string): Promise<number | undefined> {
  try {
    const note = await folder.read(chainId);
    const opened = note === undefined ? undefined : openMark(note, trust.keysOf(chainId));
    return opened === undefined ? undefined : Date.parse(opened.mark.verifiedAt);
  } catch {
    return undefined;
  }
}
