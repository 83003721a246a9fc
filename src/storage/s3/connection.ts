/**
 * The connection to one S3: every request bounded in time, TLS 1.3 at least where it is TLS, and the store's clock as
 * its answers tell it. Reads are repeated here; a write never is, because whoever writes must know what is under way.
 */
import { S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing } from './errors.js';

/** Where a bucket is and how to talk to it. Can be handed to a worker thread. */
export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Another service than AWS. */
  readonly endpoint?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  /** Encrypt with this KMS key; else as the bucket says. */
  readonly kmsKeyId?: string | undefined;
  /** Of one request, from its first byte to its last; for a read, of all its tries together. */
  readonly requestTimeoutMs: number;
  /** What the names of its settings begin with, for messages. Default: `INDELIBLE_S3`. */
  readonly settingPrefix?: string | undefined;
}

export interface Credentials {
  /** Default: as the AWS SDK finds them (environment, profile, role). */
  readonly credentials?: S3ClientConfig['credentials'];
}

/** Sends with `options`: with the signal that ends it in time. */
export type S3Request<T> = (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** As many as one process may have under way: a commit a chain, and what readers and a verification ask. */
const SOCKETS = 256;
const TRIES = 4;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 500;

/** No answer within the time; the request may have arrived. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export class S3Connection {
  readonly settings: S3Settings;
  readonly #client: S3Client;
  #clockSkewMs: number | undefined;
  #closed = false;

  constructor(settings: S3Settings, { credentials }: Credentials = {}) {
    this.settings = settings;
    const { region, endpoint, forcePathStyle, requestTimeoutMs } = settings;
    this.#client = new S3Client({
      region,
      maxAttempts: 1,
      // The one checksum we ask for is in the request; others would only cost, and some stores refuse them.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: new NodeHttpHandler({
        connectionTimeout: requestTimeoutMs,
        httpAgent: { keepAlive: true, maxSockets: SOCKETS },
        httpsAgent: { keepAlive: true, maxSockets: SOCKETS, minVersion: 'TLSv1.3' },
      }),
      ...(endpoint !== undefined && { endpoint }),
      ...(forcePathStyle !== undefined && { forcePathStyle }),
      ...(credentials !== undefined && { credentials }),
    });
    // Before the answer is understood: a refusal tells the time, too.
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        const sent = Date.now();
        const result = await next(args);
        const { headers } = result.response as { readonly headers?: Readonly<Record<string, string>> };
        const date = Date.parse(headers?.['date'] ?? '');
        // Of whole seconds: the middle of it, against the middle of the exchange.
        if (!Number.isNaN(date)) this.#clockSkewMs = Math.round(date + 500 - (sent + Date.now()) / 2);
        return result;
      },
      { step: 'deserialize', priority: 'low', name: 'storeClock' },
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How far the store's clock is ahead of ours, by its last answer; `undefined` if none told. */
  get clockSkewMs(): number | undefined {
    return this.#clockSkewMs;
  }

  /** One try. */
  once<T>(request: S3Request<T>): Promise<T> {
    return this.#within(this.settings.requestTimeoutMs, request);
  }

  /** Repeated where that may help, inside the time of one request: full jitter, so that clients do not return in step. */
  async reading<T>(request: S3Request<T>): Promise<T> {
    const deadline = performance.now() + this.settings.requestTimeoutMs;
    for (let failures = 1; ; failures++) {
      try {
        return await this.#within(deadline - performance.now(), request);
      } catch (error) {
        const wait = Math.random() * Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
        if (this.#closed || failures === TRIES || !isPassing(error) || performance.now() + wait >= deadline) throw error;
        await sleep(wait);
      }
    }
  }

  close(): void {
    if (!this.#closed) this.#client.destroy();
    this.#closed = true;
  }

  async #within<T>(milliseconds: number, request: S3Request<T>): Promise<T> {
    if (this.#closed) throw new Error('the store is closed');
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    // The signal ends the request; this answers even where a body that never ends does not heed it.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new NoAnswer(`no answer within ${this.settings.requestTimeoutMs} ms`));
        controller.abort();
      }, milliseconds);
    });
    try {
      return await Promise.race([request(this.#client, { abortSignal: controller.signal }), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
