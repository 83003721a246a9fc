/** Loaded into a process under measurement with `--import`: leaves its peak resident KiB in a file. */
import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['INDELIBLE_BENCH_PEAK_FILE'];
// Worker threads inherit --import; the figure is one of the whole process, so only one may write it.
if (file !== undefined && isMainThread) {
  process.once('exit', () => writeFileSync(file, String(process.resourceUsage().maxRSS)));
}
