/** What the service is meant to reach, each against something measured in the same run. */
import type { Part } from './options.js';
import { batchRow } from './parts/batches.js';
import { APPEND_FLOOR, APPEND_FLOOR_ALL, HASH_FLOOR, NAIVE_IN_PROCESS } from './parts/floors.js';
import { CRASH_ROW, RESTART_ROW } from './parts/restart.js';
import { naiveRow, serviceRow, tesseraRow, tesseraSameRow } from './parts/single-appends.js';
import { FSCK_ROW, VERIFY_MEMORY, VERIFY_ROW } from './parts/verification.js';
import type { Report } from './report.js';
import { count } from './statistics.js';

export function judge(report: Report, parts: ReadonlySet<Part>): void {
  if (parts.has('single')) judgeSingleAppends(report);
  if (parts.has('batch')) judgeBatches(report);
  if (parts.has('verify')) judgeVerification(report);
  if (parts.has('restart')) {
    report.atMost('restart to first append: ≤ 1,000 ms', RESTART_ROW, 1000, 'ms');
    report.atMost('restart to first append after kill -9: ≤ 1,000 ms', CRASH_ROW, 1000, 'ms');
  }
}

function judgeSingleAppends(report: Report): void {
  report.ratioAtLeast('single appends, 64 clients: ≥ 100 × Tessera', serviceRow(64), tesseraRow(64), 100);
  report.ratioAtLeast('single appends, 1,024 clients: ≥ 1.3 × Tessera', serviceRow(1024), tesseraRow(1024), 1.3);
  report.compare('single appends, 256 clients: × Tessera', serviceRow(256), tesseraRow(256));
  for (const clients of [64, 1024]) {
    const target = `single appends, ${count(clients)} clients: × Tessera under the same load generator`;
    report.compare(target, serviceRow(clients), tesseraSameRow(clients));
  }
  report.compare('single appends, 1 client: × naive design', serviceRow(1), naiveRow(1));
  report.compare('single appends, 64 clients: × naive design', serviceRow(64), naiveRow(64));
}

function judgeBatches(report: Report): void {
  report.ratioAtLeast('batches of 100 (JSON): ≥ 0.5 × append floor, one core', batchRow('json'), APPEND_FLOOR, 0.5);
  report.ratioAtLeast('batches of 100 (NDJSON): ≥ 0.5 × append floor, one core', batchRow('ndjson'), APPEND_FLOOR, 0.5);
  report.compare('batches of 100 (JSON): × append floor, all cores', batchRow('json'), APPEND_FLOOR_ALL);
  report.compare('batches of 100 (JSON): × naive design in-process', batchRow('json'), NAIVE_IN_PROCESS);
}

function judgeVerification(report: Report): void {
  report.ratioAtLeast('verification: ≥ 0.7 × hash floor, all cores', VERIFY_ROW, HASH_FLOOR, 0.7);
  report.ratioAtLeast("verification: ahead of Tessera's fsck", VERIFY_ROW, FSCK_ROW, 1);
  report.atMost('memory while verifying: < 300 MB', VERIFY_MEMORY, 300, 'MB');
}
