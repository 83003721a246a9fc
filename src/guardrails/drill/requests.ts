/** The requests that attacks on objects are made of. */
import { DeleteObjectCommand, PutObjectCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { utf8Encode } from '#platform';
import { answerTo } from './answer.js';
import type { Answer } from './answer.js';
import type { Rights } from './attack.js';
import { DAY_MS } from './scratch-bucket.js';
import type { ScratchBucket } from './scratch-bucket.js';

/** Looks like one of the log's at a first glance, and is signed by nobody. */
export const JUNK = utf8Encode('{"format":"indelible/segment/v1"}\n');

export interface PutOptions {
  readonly ifNoneMatch?: boolean;
  /** Without the headers of a retention, in a bucket that has a lock. */
  readonly unlocked?: boolean;
}

export class ObjectHands {
  readonly #bucket: ScratchBucket;
  readonly #rights: Rights;

  constructor(bucket: ScratchBucket, rights: Rights) {
    this.#bucket = bucket;
    this.#rights = rights;
  }

  put(key: string, bytes: Uint8Array, { ifNoneMatch = false, unlocked = false }: PutOptions = {}): Promise<Answer> {
    const locked = this.#bucket.locked && !unlocked;
    return this.#send(`PutObject${ifNoneMatch ? ' with If-None-Match: *' : ''}`, (client) =>
      client.send(
        new PutObjectCommand({
          Bucket: this.#bucket.name,
          Key: key,
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
          ...(ifNoneMatch && { IfNoneMatch: '*' }),
          ...(locked && { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: wholeSeconds(Date.now() + DAY_MS) }),
        }),
      ),
    );
  }

  /** A plain delete: where there are versions, it puts a marker. */
  mark(key: string): Promise<Answer> {
    return this.#send('DeleteObject', (client) => client.send(new DeleteObjectCommand({ Bucket: this.#bucket.name, Key: key })));
  }

  deleteVersion(key: string, versionId: string, bypass: boolean): Promise<Answer> {
    return this.#send(`DeleteObject of a version${bypass ? ' with bypass of governance' : ''}`, (client) =>
      client.send(new DeleteObjectCommand({ Bucket: this.#bucket.name, Key: key, VersionId: versionId, ...(bypass && { BypassGovernanceRetention: true }) })),
    );
  }

  /** `undefined`: no retention any more. */
  retain(key: string, versionId: string, retention: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly until: number } | undefined, bypass: boolean): Promise<Answer> {
    return this.#send(`PutObjectRetention${bypass ? ' with bypass of governance' : ''}`, (client) =>
      client.send(
        new PutObjectRetentionCommand({
          Bucket: this.#bucket.name,
          Key: key,
          VersionId: versionId,
          Retention: retention === undefined ? {} : { Mode: retention.mode, RetainUntilDate: wholeSeconds(retention.until) },
          ...(bypass && { BypassGovernanceRetention: true }),
        }),
      ),
    );
  }

  #send(request: string, send: (client: ReturnType<ScratchBucket['s3']>) => Promise<unknown>): Promise<Answer> {
    return answerTo(request, () => send(this.#bucket.s3(this.#rights)));
  }
}

/** Not every store keeps a fraction. */
function wholeSeconds(ms: number): Date {
  return new Date(Math.ceil(ms / 1000) * 1000);
}
