/** Collects what was seen and sets it against the targets; prints the tables, or JSON. */
import type { Machine } from './machine.js';
import { count, median, spread } from './statistics.js';

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** One value a round. */
  readonly values: readonly number[];
  readonly note?: string;
}

export type Verdict = 'met' | 'not met' | 'not measured' | 'for comparison';

export interface TargetResult {
  readonly target: string;
  readonly reached: string;
  readonly verdict: Verdict;
}

function times(ratio: number): string {
  return `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)}×`;
}

function format(unit: string): (value: number) => string {
  if (unit === 'ms') return (value) => (value < 100 ? value.toPrecision(3) : value.toFixed(0));
  return count;
}

export class Report {
  private readonly measurements = new Map<string, Measurement>();
  private readonly targets: TargetResult[] = [];
  private readonly absences: string[] = [];

  private readonly machine: Machine;
  private readonly generator: string;
  private readonly quick: boolean;

  constructor(machine: Machine, generator: string, quick: boolean) {
    this.machine = machine;
    this.generator = generator;
    this.quick = quick;
  }

  /** Adds one value to a row; the row comes into being with its first. */
  add(name: string, unit: string, value: number, note?: string): void {
    const row = this.measurements.get(name);
    this.measurements.set(name, {
      name,
      unit,
      values: [...(row?.values ?? []), value],
      ...(note === undefined ? {} : { note }),
    });
  }

  /** Something that should have been measured and could not be, and why. */
  absent(sentence: string): void {
    this.absences.push(sentence);
    console.log(`  ${sentence}`);
  }

  value(name: string): number | undefined {
    const row = this.measurements.get(name);
    return row === undefined ? undefined : median(row.values);
  }

  /** `a` must be at least `wanted` times `b`. */
  ratioAtLeast(target: string, a: string, b: string, wanted: number): void {
    const ratio = this.ratio(a, b);
    if (ratio === undefined) this.targets.push({ target, reached: '–', verdict: 'not measured' });
    else this.targets.push({ target, reached: times(ratio), verdict: ratio >= wanted ? 'met' : 'not met' });
  }

  /** How many times `b` is `a`; left out when either was not measured. */
  compare(name: string, a: string, b: string): void {
    const ratio = this.ratio(a, b);
    if (ratio !== undefined) this.targets.push({ target: name, reached: times(ratio), verdict: 'for comparison' });
  }

  atMost(target: string, name: string, wanted: number, unit: string): void {
    const value = this.value(name);
    if (value === undefined) this.targets.push({ target, reached: '–', verdict: 'not measured' });
    else this.targets.push({ target, reached: `${format(unit)(value)} ${unit}`, verdict: value <= wanted ? 'met' : 'not met' });
  }

  /** Round by round where both have the same rounds: what slowed one round down slowed both in it. */
  private ratio(a: string, b: string): number | undefined {
    const [top, bottom] = [this.measurements.get(a)?.values, this.measurements.get(b)?.values];
    if (top === undefined || bottom === undefined) return undefined;
    const ratio =
      top.length === bottom.length
        ? median(top.map((value, round) => value / (bottom[round] ?? Number.NaN)))
        : median(top) / median(bottom);
    return Number.isFinite(ratio) ? ratio : undefined;
  }

  print(): void {
    const { machine } = this;
    console.log(
      `\n${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, ` +
        `${machine.fileSystem}; load average before the run ${machine.loadBefore}; load from ${this.generator}`,
    );
    console.log('Medians, with the lowest and highest round in brackets.\n');
    const cell = (name: string): string => {
      const row = this.measurements.get(name);
      return row === undefined ? '' : format(row.unit)(median(row.values));
    };
    printTable(
      ['measured', 'value', 'unit', 'p50 ms', 'p99 ms', ''],
      [...this.measurements.values()]
        .filter(({ name }) => !/: p\d+$/.test(name))
        .map((row) => [
          ...[row.name, spread(row.values, format(row.unit)), row.unit],
          ...[cell(`${row.name}: p50`), cell(`${row.name}: p99`), row.note ?? ''],
        ]),
    );
    if (this.targets.length > 0) {
      console.log('');
      printTable(
        ['target', 'reached', ''],
        this.targets.map((row) => [row.target, row.reached, row.verdict]),
      );
    }
    for (const sentence of this.absences) console.log(`\n${sentence}`);
    if (this.quick) console.log('\n--quick: one short round; these figures only show that the bench runs.');
  }

  toJSON(): object {
    return {
      machine: this.machine,
      generator: this.generator,
      quick: this.quick,
      measurements: [...this.measurements.values()].map((row) => ({ ...row, median: median(row.values) })),
      targets: this.targets,
      notMeasured: this.absences,
    };
  }
}

/** Markdown, so that a run can be pasted into docs/performance.md as it is. */
function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  console.log(line(head));
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  for (const row of rows) console.log(line(row));
}
