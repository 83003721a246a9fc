/**
 * `npm run bench:s3`: the log in an S3 bucket with Object Lock (a real MinIO), against the naive design (one chained
 * PUT an entry) in the same run; then a steady load with Kafka, with Elasticsearch and with both, and how far mirror and
 * search lag. Ratios count; absolute figures are of one machine on one day. Exit code 2: a target was not reached.
 *
 *   --quick        shorter   --no-steady    designs alone   --no-designs    steady load alone
 */
import { endEverything, endEverythingOnSignals } from './processes.js';
import { compareDesigns } from './s3/designs.js';
import { startServer } from './s3/servers.js';
import { steadyLoads } from './s3/steady.js';

endEverythingOnSignals();
const minio = await startServer('minio');
try {
  const met = process.argv.includes('--no-designs') || (await compareDesigns(minio));
  if (!met) process.exitCode = 2;
  if (!process.argv.includes('--no-steady')) await steadyLoads(minio);
} finally {
  await minio.dispose();
  endEverything();
}
