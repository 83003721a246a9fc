/** `indelible demo`: the tour. A day is appended, verified, tampered with, and caught; nothing is left behind. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { pino } from 'pino';
import { sha256Hex, utf8Encode } from '#platform';
import { loadConfig } from '../config.js';
import { canonicalize } from '../core/canonical.js';
import { segmentKey } from '../core/chain.js';
import { readPayload } from '../core/entry.js';
import { receiptOf, verifyReceipt } from '../core/receipt.js';
import type { PublicKey } from '../core/note.js';
import type { Receipt } from '../core/receipt.js';
import { dataPaths } from '../data-paths.js';
import { openLedger } from '../service.js';
import type { OpenLedger } from '../service.js';
import { firstSequencesCovering } from '../ledger/head.js';
import { readEvidence } from '../verification/evidence.js';
import type { Evidence } from '../verification/evidence.js';
import type { VerificationReport } from '../verification/report.js';
import { openStore } from '../verification/store-config.js';
import type { GivenKey } from '../verification/trust.js';
import { verifyAll } from '../verification/verify-all.js';
import type { CliContext } from './command.js';
import { exchangeDay } from './exchange-day.js';
import { integer } from './options.js';
import type { Output } from './output.js';
import { keysFor } from './public-keys.js';
import { reportText, verdictText } from './report-text.js';
import { counted, fields, grouped, safe, table } from './terminal.js';
import { openHints } from './view-hints.js';

interface Options {
  readonly events: number;
  readonly seed: number;
  readonly keep?: boolean;
}

const DEPLOYMENT = 'demo.exchange';
/** Events of one chain that are appended together. */
const BATCH = 40;

export function command({ output, exit }: CliContext): Command {
  return new Command('demo')
    .description('A tour in seconds: append a day of an exchange, verify it, change one byte on disk, cut off the tail, and see both caught. Needs no network and leaves nothing behind. Exit 0 if all was caught.')
    .addOption(new Option('--events <count>', 'events of the day').argParser(integer(200, 100_000)).default(1_200))
    .addOption(new Option('--seed <number>', 'another day').argParser(integer(0, 4_294_967_295)).default(1))
    .addOption(new Option('--keep', 'leave the folder for a look'))
    .action(async (options: Options) => {
      const dir = await mkdtemp(join(tmpdir(), 'indelible-demo-'));
      try {
        exit((await new Demo(output, dir, options).run()) ? 0 : 1);
      } finally {
        if (options.keep === true) output.line(`\nThe folder is left: ${dir}`);
        else await rm(dir, { recursive: true, force: true });
      }
    });
}

interface Kept {
  readonly receipt: Receipt;
  /** Of each chain. */
  readonly checkpoints: ReadonlyMap<string, string>;
}

class Demo {
  readonly #output: Output;
  readonly #dir: string;
  readonly #options: Options;
  #step = 0;
  readonly #outcomes: boolean[] = [];
  /** As a verifier elsewhere would hold it: not taken from the folder that is judged. */
  #publicKey: PublicKey | undefined;

  constructor(output: Output, dir: string, options: Options) {
    this.#output = output;
    this.#dir = dir;
    this.#options = options;
  }

  /** True if everything came out as it must. */
  async run(): Promise<boolean> {
    const kept = await this.#theDay();
    await this.#intact('The day is verified: every hash, link and signature.');
    const restore = await this.#oneByte(kept);
    await restore();
    await this.#intact('The byte is put back.');
    await this.#cutTail(kept);
    const right = this.#outcomes.filter(Boolean).length;
    const all = right === this.#outcomes.length;
    this.#output.line(`\n${this.#output.paint(all ? 'green' : 'red', `${right} of ${this.#outcomes.length} checks came out as they must.`)}`);
    return all;
  }

  async #theDay(): Promise<Kept> {
    const config = loadConfig({}, { dataDir: this.#dir, deployment: DEPLOYMENT }, join(this.#dir, 'no-config.json'));
    const opened = await openLedger(config, pino({ level: 'silent' }));
    try {
      this.#title('A ledger is opened.');
      this.#rows([['folder', this.#dir], ['deployment', opened.trust.deployment], ['signing key', `SHA-256 ${sha256Hex(opened.signer.publicKey.spki)}`]]);
      const { events, seed } = this.#options;
      const day = exchangeDay(seed, events);
      const started = performance.now();
      const receipts = await appendDay(opened, day);
      this.#title(`A day is appended: ${grouped(day.length)} events in ${((performance.now() - started) / 1000).toFixed(2)} s, each durable before it is acknowledged.`);
      const chains = [...new Set(day.map(({ chainId }) => chainId))].sort();
      const count = (chainId: string, holds: (event: (typeof day)[number]['event']) => boolean): number => day.filter((it) => it.chainId === chainId && holds(it.event)).length;
      this.#output.line(
        table(
          [
            ['chain', 'entries', 'financial', 'user', 'system', 'denied'],
            ...chains.map((chainId) => [
              chainId,
              count(chainId, () => true),
              ...['financial', 'user', 'system'].map((category) => count(chainId, (event) => event.category === category)),
              count(chainId, (event) => event.outcome === 'denied'),
            ]),
          ],
          '   ',
        ),
      );
      const withdrawals = receipts.filter(({ payload }) => payload.includes('"action":"withdrawal.request"') && payload.includes('"outcome":"success"'));
      const receipt = withdrawals[Math.floor(withdrawals.length / 2)] as Receipt;
      const checkpoints = new Map<string, string>();
      for (const chainId of chains) checkpoints.set(chainId, (await opened.ledger.chain(chainId)).last.checkpoint);
      this.#title('The customer keeps the receipt of one withdrawal; an auditor keeps a checkpoint of each chain.');
      this.#rows([['receipt', `${receipt.chainId} #${receipt.sequence}, amount ${amountOf(receipt.payload)} EUR`], ['entry hash', receipt.entryHash]]);
      this.#publicKey = opened.signer.publicKey;
      return { receipt, checkpoints };
    } finally {
      await opened.close();
    }
  }

  /** Changes the first digit of the amount, and shows what is seen of it. */
  async #oneByte({ receipt }: Kept): Promise<() => Promise<void>> {
    const { chainId, sequence, payload } = receipt;
    const file = await this.#segmentOf(chainId, sequence);
    const bytes = await readFile(file);
    const original = Buffer.from(bytes);
    const line = bytes.indexOf(payload);
    const at = line + Buffer.byteLength(payload.slice(0, payload.indexOf(`"amount":"${amountOf(payload)}"`))) + '"amount":"'.length;
    const before = String.fromCharCode(bytes[at] as number);
    const after = before === '9' ? '1' : '9';
    bytes.write(after, at);
    await overwrite(file, bytes);
    const changed = bytes.subarray(line, line + Buffer.byteLength(payload)).toString();
    this.#title('Somebody with the disk in hand changes ONE byte: the amount of that withdrawal.');
    this.#rows([
      ['file', file],
      ['byte', `${at}: '${before}' becomes '${after}'`],
      ['before', `"amount":"${amountOf(payload)}"`],
      ['after', `"amount":"${amountOf(changed)}"`],
    ]);

    this.#title('It is verified again.');
    const report = (await this.#verify()).find((it) => it.chainId === chainId) as VerificationReport;
    this.#report(report);
    const finding = report.findings.find((it) => it.code === 'hash_mismatch');
    this.#expect(report.verdict === 'tampered' && finding?.sequence === sequence, `caught: hash_mismatch at ${chainId} #${sequence}, in the file that was changed`);

    this.#title('The receipt, with the public key alone, says what was committed.');
    const trusted = keysFor(this.#keys(), DEPLOYMENT);
    const check = verifyReceipt(receipt, trusted);
    const forged = verifyReceipt({ ...receipt, payload: changed }, trusted);
    this.#rows([
      ['receipt', check.valid ? `VALID, amount ${amountOf(receipt.payload)} EUR, signed by key ${check.signedBy.join(', ')}` : `INVALID: ${check.reason}`],
      ['entry hash', receipt.entryHash],
      ['on disk now', sha256Hex(Buffer.concat([Buffer.from(receipt.prevHash, 'hex'), utf8Encode(changed)]))],
      ['forged receipt', forged.valid ? 'VALID' : `INVALID: ${forged.reason}`],
    ]);
    this.#expect(check.valid && !forged.valid, 'the kept receipt proves the true amount; one with the changed amount is refused');
    return () => overwrite(file, original);
  }

  async #cutTail({ receipt, checkpoints }: Kept): Promise<void> {
    const { chainId } = receipt;
    const note = checkpoints.get(chainId) as string;
    const size = Number(note.split('\n')[1]);
    const file = await this.#segmentOf(chainId, size - 1);
    const first = Number(/(\d{20})\.ndjson$/.exec(file)?.[1]);
    await rm(file);
    this.#title(`The newest segment of ${chainId} is deleted: sequences ${first} to ${size - 1}.`);
    this.#rows([['file', file]]);
    const alone = (await this.#verify()).find((it) => it.chainId === chainId) as VerificationReport;
    this.#expect(alone.verdict === 'intact', 'by itself the shorter chain is consistent: a folder keeps no trace of what was cut off');
    const held = (await this.#verify([...checkpoints].map(([id, text]) => readEvidence(utf8Encode(text), `${id}.checkpoint`)))).find((it) => it.chainId === chainId) as VerificationReport;
    this.#title('It is held against the checkpoint that the auditor kept (verify --against).');
    this.#report(held);
    const finding = held.findings.find((it) => it.code === 'truncated_tail');
    this.#expect(held.verdict === 'tampered' && finding?.sequence === first, `caught: truncated_tail from ${chainId} #${first} on`);
  }

  async #intact(title: string): Promise<void> {
    this.#title(title);
    const reports = await this.#verify();
    for (const { chainId, verdict, entriesChecked } of reports) this.#output.line(`   ${verdictText(this.#output, verdict)}  ${safe(chainId)}: ${counted(entriesChecked, 'entry', 'entries')}`);
    this.#expect(reports.length > 0 && reports.every(({ verdict }) => verdict === 'intact'), 'all chains are intact');
  }

  async #verify(against: readonly Evidence[] = []): Promise<readonly VerificationReport[]> {
    const store = await openStore({ kind: 'filesystem', root: dataPaths(this.#dir).worm });
    const hints = openHints(this.#dir);
    try {
      const reports: VerificationReport[] = [];
      for await (const report of verifyAll({ store, against, trust: { keys: this.#keys(), deployment: DEPLOYMENT }, workers: 0, hints })) reports.push(report);
      return reports;
    } finally {
      await hints.close();
      await store.close();
    }
  }

  #keys(): readonly GivenKey[] {
    return this.#publicKey === undefined ? [] : [{ publicKey: this.#publicKey }];
  }

  async #segmentOf(chainId: string, sequence: number): Promise<string> {
    const store = await openStore({ kind: 'filesystem', root: dataPaths(this.#dir).worm });
    const [first] = await firstSequencesCovering(store, chainId, sequence);
    await store.close();
    return join(dataPaths(this.#dir).worm, segmentKey(chainId, first ?? 0));
  }

  #title(text: string): void {
    this.#step += 1;
    this.#output.line(`${this.#step === 1 ? '' : '\n'}${this.#output.paint('bold', `${this.#step}. ${text}`)}`);
  }

  #rows(rows: readonly (readonly [string, string])[]): void {
    this.#output.line(fields(rows, '   '));
  }

  #report(report: VerificationReport): void {
    this.#output.line(reportText(this.#output, report, dataPaths(this.#dir).worm).replace(/^/gm, '   '));
  }

  #expect(holds: boolean, text: string): void {
    this.#outcomes.push(holds);
    this.#output.line(`   ${holds ? this.#output.paint('green', 'as it must:') : this.#output.paint('red', 'NOT AS IT MUST:')} ${text}`);
  }
}

async function appendDay({ ledger }: OpenLedger, day: ReturnType<typeof exchangeDay>): Promise<readonly Receipt[]> {
  const queues = new Map<string, (typeof day)[number]['event'][]>();
  for (const { chainId, event } of day) queues.set(chainId, [...(queues.get(chainId) ?? []), event]);
  const receipts: Receipt[] = [];
  for (const [chainId, events] of queues) {
    for (let at = 0; at < events.length; at += BATCH) {
      const entries = await ledger.append(chainId, events.slice(at, at + BATCH).map((event) => ({ event: canonicalize(event) })));
      receipts.push(...entries.map((entry) => receiptOf(entry.segment, entry.at)));
    }
  }
  return receipts;
}

/** The files are read-only, and their access time is their retention: whoever tampers gets around that, too. */
async function overwrite(file: string, bytes: Uint8Array): Promise<void> {
  await chmod(file, 0o600);
  await writeFile(file, bytes);
  await chmod(file, 0o400);
}

function amountOf(payload: string): string {
  const { metadata } = JSON.parse(readPayload(payload)?.event ?? '{}') as { readonly metadata?: { readonly amount?: string } };
  return metadata?.amount ?? '';
}
