/** Every option of `npm run bench`, once, with its default. */
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const PARTS = ['floors', 'naive', 'tessera', 'single', 'batch', 'verify', 'restart'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly parts: ReadonlySet<Part>;
  /** Short phases and one round: proves that the bench runs, its figures are not for quoting. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Measured seconds of one load phase, after its warm-up. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Entries in the chain that is verified and restarted on. */
  readonly entries: number;
  readonly generator: 'wrk' | 'node' | 'auto';
  readonly workFolder: string;
  readonly jsonFile: string | undefined;
  readonly profileFolder: string | undefined;
  /** The command that is measured: another build can be put in its place for a before/after. */
  readonly cli: string;
}

export const USAGE = `npm run bench -- [options]

  --only PARTS       comma-separated: ${PARTS.join(', ')} (default: all)
  --quick            one short round, 100,000 entries: does it run at all?
  --rounds N         rounds a median is taken over (default 3)
  --seconds N        measured seconds of a load phase (default 6)
  --entries N        chain size for verify and restart (default 1000000)
  --generator NAME   wrk | node | auto (default auto: wrk where it is on PATH)
  --work-dir DIR     where logs are written; must be a real disk (default: the system's temp folder)
  --json FILE        also write the results as JSON
  --profile DIR      run the service under --cpu-prof; see "npm run bench:profile -- FILE"
  --cli FILE         the service's main.js (default dist/cli/main.js)`;

function integer(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`"--${name}" expected a positive integer, got ${text}`);
  return value;
}

function isPart(name: string): name is Part {
  return (PARTS as readonly string[]).includes(name);
}

function parts(text: string | undefined): ReadonlySet<Part> {
  if (text === undefined) return new Set(PARTS);
  const chosen = new Set<Part>();
  for (const name of text.split(',')) {
    if (!isPart(name)) throw new RangeError(`"--only" expected some of ${PARTS.join(', ')}, got ${name}`);
    chosen.add(name);
  }
  return chosen;
}

function generator(name: string): Options['generator'] {
  if (name === 'wrk' || name === 'node' || name === 'auto') return name;
  throw new RangeError(`"--generator" expected wrk, node or auto, got ${name}`);
}

/** undefined when only the usage was asked for. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      entries: { type: 'string' },
      generator: { type: 'string', default: 'auto' },
      'work-dir': { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
      cli: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    parts: parts(values.only),
    quick: values.quick,
    rounds: integer('rounds', values.rounds, values.quick ? 1 : 3),
    seconds: integer('seconds', values.seconds, values.quick ? 2 : 6),
    warmUpSeconds: values.quick ? 1 : 2,
    entries: integer('entries', values.entries, values.quick ? 100_000 : 1_000_000),
    generator: generator(values.generator),
    workFolder: resolve(values['work-dir'] ?? tmpdir()),
    jsonFile: values.json === undefined ? undefined : resolve(values.json),
    profileFolder: values.profile === undefined ? undefined : resolve(values.profile),
    cli: resolve(values.cli ?? 'dist/cli/main.js'),
  };
}
