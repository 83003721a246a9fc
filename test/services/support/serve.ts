/** The service on a real bucket, as a process of its own; and producers that talk to it over HTTP. */
import { Agent, request } from 'node:http';
import { ended, start } from '../../cli/cli.js';
import type { Ended } from '../../cli/cli.js';

export const TOKEN = 'a-token-for-this-test-alone';

export interface Bucket {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export function environment({ endpoint, credentials }: Bucket, bucket: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    INDELIBLE_STORE: 's3',
    INDELIBLE_S3_BUCKET: bucket,
    INDELIBLE_S3_ENDPOINT: endpoint,
    INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ...more,
  };
}

export interface Running {
  readonly url: string;
  /** What stood on its standard output when it was ready. */
  readonly said: string;
  stop(signal: NodeJS.Signals): Promise<Ended>;
}

/** Returns once it listens. @throws Error with what it said, if it ends before */
export async function serve(dataDir: string, env: Readonly<Record<string, string>>): Promise<Running> {
  const child = start(['serve', '--data-dir', dataDir, '--port', '0'], { INDELIBLE_ADMIN_TOKEN: TOKEN, ...env });
  const end = ended(child);
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const match = /^indelible: listening on (\S+) /m.exec(said);
      if (match?.[1] !== undefined) resolve(match[1]);
    });
    void end.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  });
  return { url, said, stop: (signal) => (child.kill(signal), end) };
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A producer's connections. */
export class Producer {
  readonly #agent = new Agent({ keepAlive: true });

  /** One append with an id of its own. @throws Node's error, where the connection breaks */
  append(url: string, chainId: string, entryId: string): Promise<Answer> {
    const body = JSON.stringify({ entryId, action: 'order.place', actor: { type: 'user', id: entryId }, metadata: { filler: 'x'.repeat(200) } });
    return new Promise((resolve, reject) => {
      const req = request(
        `${url}/v1/chains/${chainId}/entries`,
        { agent: this.#agent, method: 'POST', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } },
        (res) => {
          let text = '';
          res.setEncoding('utf8');
          res.on('data', (chunk: string) => (text += chunk));
          res.on('end', () => resolve({ status: res.statusCode ?? 0, body: text }));
          res.on('error', reject);
        },
      );
      req.on('error', reject);
      req.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** All samples of `/metrics`, by name with labels as they stand there. */
export async function metricsOf({ url }: Pick<Running, 'url'>): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}
