/** Load from wrk: it costs the machine far less than a generator in JavaScript would. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { COUNTER_DIGITS } from '../event.js';
import { run } from '../processes.js';
import type { LoadGenerator, LoadPhase, LoadResult } from './phase.js';

// Raw requests, put together by one concatenation: wrk.format() would build the headers anew each
// time. The counter of each thread has its own range, so no two requests of a run are the same.
const SCRIPT = `
local threads = 0
function setup(thread)
  thread:set("offset", threads * 1000000000)
  threads = threads + 1
end
local head, tail, n
local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end
function init(args)
  head = slurp(args[1])
  if args[2] ~= "-" then tail = slurp(args[2]) end
  n = tonumber(args[3]) + offset
end
function request()
  if tail == nil then return head end
  n = n + 1
  return head .. string.format("%0${COUNTER_DIGITS}.0f", n) .. tail
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"status":%d,"broken":%d,"microseconds":%d,"p50":%d,"p99":%d}\\n',
    summary.requests, e.status, e.connect + e.read + e.write + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
`;

interface Summary {
  readonly requests: number;
  readonly status: number;
  readonly broken: number;
  readonly microseconds: number;
  readonly p50: number;
  readonly p99: number;
}

export async function wrkIsHere(): Promise<boolean> {
  // "wrk --version" prints the version and exits with 1.
  return run('wrk', ['--version'], { deadlineSeconds: 5 }).then(
    ({ stdout, stderr }) => (stdout + stderr).startsWith('wrk '),
    () => false,
  );
}

export function wrkGenerator(folder: string): LoadGenerator {
  const script = join(folder, 'post.lua');
  const headFile = join(folder, 'request.head');
  const tailFile = join(folder, 'request.tail');
  writeFileSync(script, SCRIPT);
  return {
    name: 'wrk',
    async run(phase: LoadPhase): Promise<LoadResult> {
      const { target, clients } = phase;
      const length =
        Buffer.byteLength(target.head) + (target.tail === null ? 0 : COUNTER_DIGITS + Buffer.byteLength(target.tail));
      const headers = Object.entries({ ...target.headers, 'content-length': String(length) });
      writeFileSync(
        headFile,
        `POST ${target.path} HTTP/1.1\r\nhost: 127.0.0.1:${target.port}\r\n` +
          headers.map(([name, value]) => `${name}: ${value}\r\n`).join('') +
          `\r\n${target.head}`,
      );
      if (target.tail !== null) writeFileSync(tailFile, target.tail);
      const threads = Math.min(clients, Math.max(1, Math.floor(availableParallelism() / 2)));
      const perThread = Math.floor(clients / threads);
      const { code, stdout, stderr } = await run(
        'wrk',
        [
          ...['-t', String(threads), '-c', String(perThread * threads), '-d', `${phase.seconds}s`, '--timeout', '10s'],
          ...['-s', script, `http://127.0.0.1:${target.port}${target.path}`],
          ...['--', headFile, target.tail === null ? '-' : tailFile, String(phase.firstCounter)],
        ],
        { deadlineSeconds: phase.seconds + 30 },
      );
      const line = /^RESULT (.*)$/m.exec(stdout)?.[1];
      if (code !== 0 || line === undefined) throw new Error(`wrk ended with ${String(code)}: ${stdout}${stderr}`);
      const summary = JSON.parse(line) as Summary;
      const acknowledged = summary.requests - summary.status;
      return {
        acknowledged,
        failed: summary.status + summary.broken,
        cutOff: clients,
        requestsPerSecond: (acknowledged / summary.microseconds) * 1e6,
        p50Ms: summary.p50 / 1000,
        p99Ms: summary.p99 / 1000,
      };
    },
  };
}
