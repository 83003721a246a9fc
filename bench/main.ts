/** `npm run bench`: one run, one machine, the same 413-byte event for everyone. See README.md. */
import { mkdirSync, writeFileSync } from 'node:fs';

import { assertEventSize } from './event.js';
import { bundledGenerator } from './load/bundled.js';
import type { LoadGenerator } from './load/phase.js';
import { wrkGenerator, wrkIsHere } from './load/wrk.js';
import { describeMachine, isMemoryFileSystem } from './machine.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { measureBatches } from './parts/batches.js';
import { type Bench, Counters, say } from './parts/bench.js';
import { measureFloors, measureNaiveInProcess } from './parts/floors.js';
import { buildLargeChain } from './parts/million.js';
import { measureRestarts } from './parts/restart.js';
import { measureSingleAppends } from './parts/single-appends.js';
import { measureVerification } from './parts/verification.js';
import { NaivePeer } from './peers/naive.js';
import { installTessera, TesseraPeer } from './peers/tessera.js';
import { endEverything, endEverythingOnSignals, scratchFolder } from './processes.js';
import { Report } from './report.js';
import { Service, type ServiceOptions } from './service.js';
import { judge } from './targets.js';

async function chooseGenerator(options: Options, folder: string): Promise<LoadGenerator> {
  if (options.generator === 'node') return bundledGenerator();
  if (await wrkIsHere()) return wrkGenerator(folder);
  if (options.generator === 'wrk') throw new Error('--generator wrk: wrk is not on PATH');
  return bundledGenerator();
}

async function startTessera(report: Report, folder: string): Promise<TesseraPeer | undefined> {
  say('Tessera: looking for its tools (a first build takes about a minute)');
  const tools = await installTessera();
  if (tools.here) return TesseraPeer.start(tools.folder, folder);
  report.absent(`Tessera: not measured (${tools.why})`);
  return undefined;
}

async function prepare(options: Options): Promise<Bench> {
  mkdirSync(options.workFolder, { recursive: true });
  const folder = scratchFolder(options.workFolder);
  const machine = describeMachine(folder);
  if (isMemoryFileSystem(machine)) {
    say('WARNING: the work folder is in memory, where fsync is free. Name a real disk with --work-dir.');
  }
  const generator = await chooseGenerator(options, folder);
  const report = new Report(machine, generator.name, options.quick);
  const wants = (part: 'naive' | 'tessera'): boolean => options.parts.has(part);
  const serviceIsBuilt = Service.isBuilt(options.cli);
  if (!serviceIsBuilt) report.absent(`indelible: not measured (${options.cli} is not there)`);
  return {
    options,
    report,
    generator,
    folder,
    cores: machine.cores,
    naive: wants('naive') ? await NaivePeer.start(folder) : undefined,
    tessera: wants('tessera') ? await startTessera(report, folder) : undefined,
    serviceIsBuilt,
  };
}

async function measure(bench: Bench): Promise<void> {
  const { parts, cli, profileFolder } = bench.options;
  const { folder, report } = bench;
  const counters = new Counters();
  const wantsLargeChain = parts.has('verify') || parts.has('restart');
  const wantsService = wantsLargeChain || parts.has('single') || parts.has('batch');
  const serviceOptions: ServiceOptions = { cli, folder, profileFolder };
  const service = wantsService && bench.serviceIsBuilt ? await Service.start(serviceOptions) : undefined;

  if (parts.has('floors')) await measureFloors(bench);
  if (parts.has('naive')) await measureNaiveInProcess(bench);
  await measureSingleAppends(bench, parts.has('single') ? service : undefined, counters);
  await bench.naive?.stop();
  if (service !== undefined) {
    if (parts.has('batch')) await measureBatches(bench, service, counters);
    if (wantsLargeChain) await buildLargeChain(bench, service, counters);
    const peak = service.peakMemoryMiB();
    if (peak !== undefined) report.add('indelible serve, peak memory', 'MB', (peak * 2 ** 20) / 1e6);
    if (parts.has('restart')) await measureRestarts(bench, service, serviceOptions);
    else await service.stop();
  }
  if (parts.has('verify') || bench.tessera !== undefined) {
    await measureVerification(bench, parts.has('verify') && service !== undefined ? serviceOptions : undefined);
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    say(USAGE);
    return;
  }
  assertEventSize();
  endEverythingOnSignals();
  try {
    const bench = await prepare(options);
    await measure(bench);
    judge(bench.report, options.parts);
    bench.report.print();
    if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(bench.report, null, 2)}\n`);
  } catch (error) {
    // A failed audit ends the run: figures from a log that lost something are worth nothing.
    console.error(`\nbench failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  } finally {
    endEverything();
  }
}

await main();
