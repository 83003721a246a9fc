/** The naive design as a contestant: over HTTP under the same load, and in-process. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { eventTemplate, eventText } from '../event.js';
import type { LoadTarget } from '../load/phase.js';
import { freePort, Server } from '../processes.js';
import { NaiveLog } from './naive-log.js';

const SERVER = fileURLToPath(new URL('naive-server.js', import.meta.url));

export class NaivePeer {
  private readonly server: Server;
  private readonly port: number;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
  }

  static async start(folder: string): Promise<NaivePeer> {
    const log = join(folder, 'naive');
    mkdirSync(log);
    const port = await freePort();
    const server = await Server.start('the naive server', process.execPath, [SERVER, log, String(port)], {
      logFile: join(folder, 'naive.log'),
    });
    const peer = new NaivePeer(server, port);
    await server.until(async () => (await peer.entries()) >= 0, 10);
    return peer;
  }

  target(): LoadTarget {
    return { port: this.port, path: '/', headers: { 'content-type': 'application/json' }, ...eventTemplate() };
  }

  async entries(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port}/`);
    return Number(await response.text());
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/** Without HTTP: what the disk and the design allow. */
export async function naiveInProcess(folder: string, seconds: number): Promise<number> {
  const path = join(folder, 'naive-in-process');
  mkdirSync(path);
  const log = await NaiveLog.open(path);
  const started = performance.now();
  const end = started + seconds * 1000;
  while (performance.now() < end) await log.append(eventText(log.size));
  const rate = (log.size / (performance.now() - started)) * 1000;
  await log.close();
  return rate;
}
