/** Verifications and exports done on the spot: the HTTP interface is what is tested here. */
import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ExportFile, ExportJob, ExportService, SequenceRange, VerificationJob, VerificationReport, VerificationService } from '#indelible/http/deps.js';
import { runs } from '#indelible/http/reading.js';
import type { OpenLedger } from '#indelible/service.js';

const CREATED_AT = '2026-01-01T00:00:00Z';

export class TestVerification implements VerificationService {
  readonly #opened: OpenLedger;
  readonly #jobs = new Map<string, VerificationJob>();

  constructor(opened: OpenLedger) {
    this.#opened = opened;
  }

  async verifyRange(chainId: string, { from, to }: { readonly from: number; readonly to: number }): Promise<VerificationReport> {
    let entriesChecked = 0;
    for await (const { count } of runs(this.#opened.ledger, chainId, from, to + 1)) entriesChecked += count;
    return { verdict: 'intact', chainId, entriesChecked, findings: [], heldAgainst: [] };
  }

  async start(chainId: string, { from = 0, to }: SequenceRange): Promise<VerificationJob> {
    const last = to ?? (await this.#opened.ledger.chain(chainId)).head.size - 1;
    const report = await this.verifyRange(chainId, { from, to: last });
    const job: VerificationJob = {
      id: randomUUID(), chainId, state: 'done', from, to: last, entriesDone: report.entriesChecked, entriesTotal: report.entriesChecked, createdAt: CREATED_AT, finishedAt: CREATED_AT, report,
    };
    this.#jobs.set(job.id, job);
    return job;
  }

  get(id: string): VerificationJob | undefined {
    return this.#jobs.get(id);
  }
}

export class TestExports implements ExportService {
  readonly #opened: OpenLedger;
  readonly #files = new Map<string, { job: ExportJob; readonly text: string }>();
  /** While true, jobs stay as they are. */
  held = false;

  constructor(opened: OpenLedger) {
    this.#opened = opened;
  }

  async start(chainId: string, { from = 0, to }: SequenceRange): Promise<ExportJob> {
    const last = to ?? (await this.#opened.ledger.chain(chainId)).head.size - 1;
    let text = '';
    for await (const { segment, at, count } of runs(this.#opened.ledger, chainId, from, last + 1)) {
      for (let i = at; i < at + count; i++) text += `${segment.payloads[i]!}\n`;
    }
    const id = randomUUID();
    const entries = last - from + 1;
    const running: ExportJob = { id, chainId, state: 'running', from, to: last, entriesDone: 0, entriesTotal: entries, createdAt: CREATED_AT };
    const done: ExportJob = {
      ...running, state: 'done', entriesDone: entries, finishedAt: CREATED_AT, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex'),
    };
    this.#files.set(id, { job: this.held ? running : done, text });
    return this.held ? running : done;
  }

  get(id: string): ExportJob | undefined {
    return this.#files.get(id)?.job;
  }

  download(id: string): Promise<ExportFile | undefined> {
    const file = this.#files.get(id);
    if (file === undefined) return Promise.resolve(undefined);
    return Promise.resolve({ fileName: `${file.job.chainId}.bundle`, bytes: Buffer.byteLength(file.text), stream: Readable.from([file.text]) });
  }
}
