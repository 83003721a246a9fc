/** Exports on behalf of HTTP clients: jobs that leave a file to download. */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { HashReader } from '../core/merkle.js';
import { LedgerError } from '../ledger/errors.js';
import { findHead } from '../ledger/head.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { StoreReader } from '../storage/worm-store.js';
import { JobBoard, statusOf } from '../verification/job-board.js';
import type { Job, JobLimits, JobStatus } from '../verification/job-board.js';
import { writeBundle } from './write-bundle.js';

export interface ExportRequest {
  /** Default: the first entry. */
  readonly from?: number;
  /** Inclusive. Default: the last entry. */
  readonly to?: number;
  /** Others will come. */
  readonly format?: 'bundle';
}

export interface ExportJob extends JobStatus {
  /** Of the file, once it is done. */
  readonly bytes?: number;
  readonly sha256?: string;
  readonly fileName?: string;
}

export interface ExportFile {
  /** What to call it where it is saved. */
  readonly fileName: string;
  readonly bytes: number;
  readonly stream: Readable;
}

type ChainRequest = ExportRequest & { readonly chainId: string };

interface Progress {
  readonly entries: number;
  readonly totalEntries: number;
}

interface Exported {
  readonly from: number;
  readonly to: number;
  readonly fileName: string;
  /** Where it lies until the job is forgotten. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

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
  readonly #board: JobBoard<ChainRequest, Progress, Exported>;

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

  /** @throws TooManyJobsError */
  async start(chainId: string, request: ExportRequest = {}): Promise<ExportJob> {
    return Promise.resolve(jobOf(this.#board.start({ ...request, chainId })));
  }

  get(id: string): ExportJob | undefined {
    const job = this.#board.get(id);
    return job === undefined ? undefined : jobOf(job);
  }

  list(): readonly ExportJob[] {
    return this.#board.list().map(jobOf);
  }

  /** The file of a job that is done; `undefined` if there is none. Destroy the stream if it is not read. */
  async download(id: string): Promise<ExportFile | undefined> {
    const exported = this.#board.get(id)?.result;
    if (exported === undefined) return undefined;
    const { fileName, bytes, path } = exported;
    // Opened before it is answered: once a stream is given out, the job may be forgotten and the name go.
    const file = await open(path, 'r');
    return { fileName, bytes, stream: file.createReadStream() };
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
    { chainId, from = 0, to: wanted }: ChainRequest,
    { id, signal, onProgress }: { readonly id: string; readonly signal: AbortSignal; readonly onProgress: (progress: Progress) => void },
  ): Promise<Exported> {
    const { folder, store, trust } = this.#options;
    const { head, last } = await findHead(store, chainId, trust);
    if (last === undefined) throw new LedgerError('chain_not_found', `there is no chain ${chainId}`);
    const to = wanted ?? head.size - 1;
    const known = this.#options.hashes?.(chainId);
    const checkpoint = known !== undefined && known.size >= head.size && to < head.size ? { note: last.checkpoint, hashes: known.reader } : undefined;
    const path = join(folder, `${id}.bundle`);
    const totalEntries = to + 1 - from;
    const chunks = writeBundle({
      store,
      trust,
      chainId,
      from,
      to,
      createdAt: this.#now().toISOString(),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      onProgress: (entries) => onProgress({ entries, totalEntries }),
    });
    const written = await writeFileAtomically(path, chunks, signal);
    return { from, to, fileName: bundleName(chainId, from, to), path, ...written };
  }
}

function jobOf(job: Job<ChainRequest, Progress, Exported>): ExportJob {
  const { result, progress } = job;
  if (result === undefined) return statusOf(job, progress);
  const { from, to, bytes, sha256, fileName } = result;
  const entries = to + 1 - from;
  return { ...statusOf(job, { entries, totalEntries: entries }), from, to, bytes, sha256, fileName };
}

/** What a bundle is called where people save it. */
export function bundleName(chainId: string, from: number, to: number): string {
  return `${chainId}-${from}-${to}.bundle.ndjson`;
}

/** The file appears under its name when it is whole and on disk, or not at all. */
export async function writeFileAtomically(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const temp = `${path}.part`;
  const digest = createHash('sha256');
  let bytes = 0;
  const file = await open(temp, 'w', 0o640);
  try {
    try {
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        digest.update(chunk);
        bytes += chunk.length;
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
  return { bytes, sha256: digest.digest('hex') };
}
