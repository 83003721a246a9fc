/** Sums a .cpuprofile up by function: `npm run bench:profile -- FILE`. The full picture: DevTools. */
import { readFileSync } from 'node:fs';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SHOWN = 40;

const [, , file] = process.argv;
if (file === undefined) throw new TypeError('expected the path of a .cpuprofile file');
const profile = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;

const names = new Map(
  profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
    const place = url === '' ? '' : ` ${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`;
    return [id, `${functionName === '' ? '(anonymous)' : functionName}${place}`];
  }),
);
const selfTime = new Map<string, number>();
let total = 0;
profile.samples.forEach((id, index) => {
  const name = names.get(id) ?? '?';
  if (name === '(idle)') return;
  const microseconds = profile.timeDeltas[index] ?? 0;
  selfTime.set(name, (selfTime.get(name) ?? 0) + microseconds);
  total += microseconds;
});

console.log(`busy ${(total / 1e6).toFixed(2)} s; self time by function:`);
for (const [name, microseconds] of [...selfTime].sort(([, a], [, b]) => b - a).slice(0, SHOWN)) {
  console.log(`${((100 * microseconds) / total).toFixed(1).padStart(5)} %  ${name}`);
}
