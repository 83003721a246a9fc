/** Child processes that print one JSON value a line. */
import { spawn, type ChildProcess, type SpawnOptionsWithoutStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Child<T> {
  readonly process: ChildProcess;
  /** What it has printed so far. */
  readonly lines: readonly T[];
  /** What it wrote to its standard error output. */
  readonly errors: readonly string[];
  /** Its exit code, or the signal that ended it, once all it printed is in `lines`. */
  readonly ended: Promise<number | string>;
}

export function startChild<T>(command: string, args: readonly string[], options: SpawnOptionsWithoutStdio = {}): Child<T> {
  const child = spawn(command, args, options);
  const lines: T[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    // The last line of a process that was killed may be torn.
    if (line.startsWith('{') && line.endsWith('}')) lines.push(JSON.parse(line) as T);
  });
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { process: child, lines, errors, ended };
}
