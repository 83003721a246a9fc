/** Exports on behalf of HTTP clients: jobs that leave a file to download. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HashReader } from '../core/merkle.js';
import { LedgerError } from '../ledger/errors.js';
import { findHead } from '../ledger/head.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';
import { JobBoard } from '../verification/job-board.js';
import type { Job, JobLimits } from '../verification/job-board.js';
import { writeBundle } from './write-bundle.js';

export interface ExportRequest {
  readonly chainId: string;
  /** Default: the first entry. */
  readonly from?: number;
  /** Inclusive. Default: the last entry. */
  readonly to?: number;
  /** Others will come. */
  readonly format?: 'bundle';
}

export interface ExportProgress {
  readonly entries: number;
  readonly totalEntries: number;
}

export interface ExportResult {
  readonly chainId: string;
  readonly from: number;
  readonly to: number;
  readonly format: 'bundle';
  /** What to call the file where it is saved. */
  readonly fileName: string;
  /** Where it lies until it is forgotten. */
  readonly path: string;
  readonly bytes: number;
}

export type ExportJob = Job<ExportRequest, ExportProgress, ExportResult>;

export interface ExportJobsOptions extends JobLimits {
  /** Where files are kept. Everything in it is ours, and removed when it is forgotten. */
  readonly folder: string;
  readonly store: StoreReader;
  readonly trust: ChainTrust;
  /**
   * Hashes of a chain's tree, up to `size`. Where they reach the end of the chain, a bundle is tied to the
   * newest checkpoint; else to that of the segment that holds its last entry.
   */
  readonly hashes?: (chainId: string) => { readonly size: number; readonly reader: HashReader };
  readonly now?: () => Date;
}

export class ExportJobs {
  readonly #options: ExportJobsOptions;
  readonly #now: () => Date;
  readonly #board: JobBoard<ExportRequest, ExportProgress, ExportResult>;

  /** Opens the folder and clears away what an earlier process left: nobody remembers its jobs. */
  static async open(options: ExportJobsOptions): Promise<ExportJobs> {
    await mkdir(options.folder, { recursive: true });
    for (const name of await readdir(options.folder)) await rm(join(options.folder, name), { recursive: true, force: true });
    return new ExportJobs(options);
  }

  private constructor(options: ExportJobsOptions) {
    this.#options = options;
    this.#now = options.now ?? ((): Date => new Date());
    this.#board = new JobBoard((request, context) => this.#run(request, context), {
      ...options,
      onForgotten: (job) => {
        // Not waited for: a file that can't be removed now is removed at the next start.
        if (job.result !== undefined) void rm(job.result.path, { force: true }).catch(() => undefined);
      },
    });
  }

  /** @throws JobBoardFullError */
  start(request: ExportRequest): ExportJob {
    return this.#board.start(request);
  }

  get(id: string): ExportJob | undefined {
    return this.#board.get(id);
  }

  list(): readonly ExportJob[] {
    return this.#board.list();
  }

  cancel(id: string): boolean {
    return this.#board.cancel(id);
  }

  finished(id: string): Promise<void> {
    return this.#board.finished(id);
  }

  close(): Promise<void> {
    return this.#board.close();
  }

  async #run(
    request: ExportRequest,
    { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (progress: ExportProgress) => void },
  ): Promise<ExportResult> {
    const { folder, store, trust } = this.#options;
    const { chainId, from = 0 } = request;
    const { head, last } = await findHead(store, chainId, trust);
    if (last === undefined) throw new LedgerError('chain_not_found', `there is no chain ${chainId}`);
    const to = request.to ?? head.size - 1;
    const known = this.#options.hashes?.(chainId);
    const checkpoint = known !== undefined && known.size >= head.size && to < head.size ? { note: last.checkpoint, hashes: known.reader } : undefined;
    const path = join(folder, `${randomUUID()}.bundle`);
    const totalEntries = to + 1 - from;
    await writeFileAtomically(
      path,
      writeBundle({
        store,
        trust,
        chainId,
        from,
        to,
        createdAt: this.#now().toISOString(),
        ...(checkpoint === undefined ? {} : { checkpoint }),
        onProgress: (entries) => onProgress({ entries, totalEntries }),
      }),
      signal,
    );
    return { chainId, from, to, format: 'bundle', fileName: bundleName(chainId, from, to), path, bytes: (await stat(path)).size };
  }
}

/** What a bundle is called where people save it. */
export function bundleName(chainId: string, from: number, to: number): string {
  return `${chainId}-${from}-${to}.bundle.ndjson`;
}

/** The file appears under its name when it is whole and on disk, or not at all. */
export async function writeFileAtomically(path: string, chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  const temp = `${path}.part`;
  const file = await open(temp, 'w', 0o640);
  try {
    try {
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        await file.writeFile(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
}
