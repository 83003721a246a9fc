/** Starts the bundled generator (client.ts): the fallback for throughput, and the exact audits. */
import { fileURLToPath } from 'node:url';

import { run } from '../processes.js';
import type { ClientJob, ClientReport } from './client.js';
import type { LoadGenerator } from './phase.js';

const CLIENT = fileURLToPath(new URL('client.js', import.meta.url));

export async function runClient(job: ClientJob): Promise<ClientReport> {
  const { code, stdout, stderr } = await run(process.execPath, [CLIENT], {
    input: JSON.stringify(job),
    deadlineSeconds: job.seconds + 30,
  });
  if (code !== 0) throw new Error(`the load generator ended with ${String(code)}: ${stderr}`);
  return JSON.parse(stdout) as ClientReport;
}

export function bundledGenerator(): LoadGenerator {
  return {
    name: 'bundled (Node sockets)',
    async run({ target, clients, seconds, firstCounter }) {
      const report = await runClient({
        target,
        clients,
        seconds,
        firstCounter,
        maxRequests: null,
        collectSequences: false,
      });
      return { ...report, cutOff: 0 };
    },
  };
}
