/**
 * What S3 alone can be tried for: conditions of both kinds, versions and their order, delete markers, Object Lock.
 * What is tried is judged by what lies in the bucket afterwards, because a request can be refused for many reasons.
 */
import { DeleteObjectCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import { equalBytes } from '../../core/merkle.js';
import { StoreError, type CreateOutcome, type Retention, type StoredVersion, type StorePromise } from '../worm-store.js';
import type { S3Connection, S3Request } from './connection.js';
import { codeOf, statusOf } from './errors.js';
import type { Condition, S3Store } from './store.js';

type Put = (key: string, bytes: Uint8Array, retention: Retention, condition: Condition) => Promise<CreateOutcome>;

/** Long enough for the trial, short enough to be gone soon. */
const LOCK_MS = 60_000;
/** No content has it. */
const OTHER_ETAG = `"${'0'.repeat(32)}"`;

/** What follows for many writers where nothing can be written over debris; one writer does it without the condition. */
const STOPS = 'with many writers, an object that somebody without the signing key puts at the next key of a chain stops the chain';
/** Trials, each with a key of its own: where an answer was lost, what lies at the key can't be judged. */
const TRIALS = 3;

/** @param put past everything that makes up for a store's faults. @throws StoreError when there was no answer */
export async function tryPromises(store: S3Store, connection: S3Connection, prefix: string, retention: Retention, put: Put): Promise<StorePromise[]> {
  for (let trial = 1; ; trial++) {
    try {
      return await tryKey(store, connection, `${prefix}versions-${trial}`, retention, put);
    } catch (error) {
      if (!(error instanceof StoreError) || error.stored === 'no' || trial === TRIALS) throw error;
    }
  }
}

async function tryKey(store: S3Store, connection: S3Connection, key: string, retention: Retention, put: Put): Promise<StorePromise[]> {
  const first = bytesOf('first');
  // Of its own: the trial's may end while this is tried.
  const lock: Retention = { mode: retention.mode, retainUntil: laterOf(retention.retainUntil, new Date(Date.now() + LOCK_MS).toISOString()) };
  if ((await put(key, first, lock, { IfNoneMatch: '*' })).outcome !== 'created') throw new StoreError('promises', key, 'no', 'a new key was reported as taken');
  const found = [
    await triedCreate(put, key, lock),
    await triedCreateOver(store, put, key, lock),
  ];
  const hidden = await answerTo(connection, (client, options) => client.send(new DeleteObjectCommand({ Bucket: connection.settings.bucket, Key: key }), options));
  const versions = await store.versions(key);
  const oldest = versions[0];
  found.push(await triedOrder(store, key, first, versions), await triedMarker(store, key, first, versions, hidden));
  if (oldest === undefined) throw new StoreError('promises', key, 'no', 'what was written is not listed');
  return [...found, recorded(oldest, lock), ...(await triedLock(store, connection, key, first, oldest))];
}

async function triedCreate(put: Put, key: string, lock: Retention): Promise<StorePromise> {
  const promise = 'a PUT on the condition that nothing is there (If-None-Match) is refused where something is';
  const { outcome } = await put(key, bytesOf('second'), lock, { IfNoneMatch: '*' });
  return outcome === 'exists'
    ? { promise, kept: 'yes', essential: 'many-writers', detail: 'tried: answered 412' }
    : { promise, kept: 'no', essential: 'many-writers', detail: 'tried: the store ignored the condition and wrote a second version' };
}

async function triedCreateOver(store: S3Store, put: Put, key: string, lock: Retention): Promise<StorePromise> {
  const promise = 'a PUT on the condition that a certain content is there (If-Match) is refused where another is, else done';
  try {
    if ((await put(key, bytesOf('over another'), lock, { IfMatch: OTHER_ETAG })).outcome === 'created') {
      return { promise, kept: 'no', essential: 'many-writers', detail: 'tried: the store ignored the condition and wrote a version over another content' };
    }
    const { etag } = (await store.versions(key, { retention: false })).at(-1) ?? {};
    if (etag === undefined) return { promise, kept: 'unknown', detail: `the store names no ETag; ${STOPS}` };
    const { outcome } = await put(key, bytesOf('over the first'), lock, { IfMatch: etag });
    if (outcome === 'created') return { promise, kept: 'yes', essential: 'many-writers', detail: 'tried: refused with 412, then done' };
    return { promise, kept: 'no', detail: `tried: refused with the right ETag, too; ${STOPS}` };
  } catch (error) {
    if (!(error instanceof StoreError) || error.stored !== 'no') throw error;
    return { promise, kept: 'unknown', detail: `tried: answered ${codeOf(error.cause)}; ${STOPS}` };
  }
}

async function triedOrder(store: S3Store, key: string, first: Uint8Array, versions: readonly StoredVersion[]): Promise<StorePromise> {
  const promise = 'whatever is written over an object, the object stays, and stays the oldest version of its key';
  const essential = 'always';
  const [oldest, ...later] = versions.filter(({ deleteMarker }) => !deleteMarker);
  const bytes = oldest && (await store.read(key, oldest.versionId));
  if (bytes === undefined || !equalBytes(bytes, first)) return { promise, kept: 'no', essential, detail: 'tried: the oldest version listed is not what was written first' };
  if (later.length === 0) return { promise, kept: 'unknown', detail: 'no second version could be written, so there was nothing to put in order' };
  return { promise, kept: 'yes', essential, detail: `tried with ${later.length + 1} versions` };
}

async function triedMarker(store: S3Store, key: string, first: Uint8Array, versions: readonly StoredVersion[], hidden: string): Promise<StorePromise> {
  const promise = 'a delete marker does not hide an object from who reads its versions';
  if (hidden !== 'done') return { promise, kept: 'unknown', detail: `not to be tried, and well so: these credentials may not delete (answered ${hidden})` };
  const marked = versions.at(-1)?.deleteMarker === true;
  const bytes = await store.read(key);
  if (!marked || bytes === undefined || !equalBytes(bytes, first)) {
    return { promise, kept: 'no', essential: 'always', detail: marked ? 'tried: the object can not be read any more' : 'tried: the marker is not listed as the newest version' };
  }
  return { promise, kept: 'yes', essential: 'always', detail: 'tried: the object was read from below a delete marker' };
}

/** What was asked for is what is shown; what is not shown may be nothing. */
function recorded({ retention }: StoredVersion, asked: Retention): StorePromise {
  const promise = 'an object has the retention that was asked for';
  const essential = 'always';
  if (typeof retention === 'string') return { promise, kept: 'unknown', essential, detail: 'the store does not show it; these credentials need s3:GetObjectRetention' };
  const kept = retention.mode === asked.mode && Date.parse(retention.retainUntil) >= Date.parse(asked.retainUntil);
  return { promise, kept: kept ? 'yes' : 'no', essential, detail: `asked for ${asked.mode} until ${asked.retainUntil}, found ${retention.mode} until ${retention.retainUntil}` };
}

async function triedLock(store: S3Store, connection: S3Connection, key: string, first: Uint8Array, oldest: StoredVersion): Promise<StorePromise[]> {
  const { versionId, retention } = oldest;
  const object = { Bucket: connection.settings.bucket, Key: key, VersionId: versionId };
  const deleting = await answerTo(connection, (client, options) => client.send(new DeleteObjectCommand(object), options));
  const bytes = await store.read(key, versionId);
  const isThere = bytes !== undefined && equalBytes(bytes, first);
  const found = [judged('a version under retention can not be deleted', deleting, isThere)];
  if (!isThere || typeof retention === 'string') return found;
  // Still to come, so that it is a shortening and not a mistake.
  const earlier = new Date((Date.now() + Date.parse(retention.retainUntil)) / 2);
  const shortening = await answerTo(connection, (client, options) =>
    client.send(new PutObjectRetentionCommand({ ...object, Retention: { Mode: retention.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE', RetainUntilDate: earlier } }), options),
  );
  const after = (await store.versions(key)).find((version) => version.versionId === versionId)?.retention;
  const isSame = typeof after === 'object' && after.mode === retention.mode && after.retainUntil >= retention.retainUntil;
  return [...found, judged('a retention can not be shortened', shortening, isSame)];
}

function judged(promise: string, answer: string, unchanged: boolean): StorePromise {
  const essential = 'always';
  if (unchanged && answer !== 'done') return { promise, kept: 'yes', essential, detail: `tried without the right to bypass governance: refused (${answer}), and nothing had changed` };
  return { promise, kept: 'no', essential, detail: `tried without asking to bypass governance: the store ${unchanged ? 'said that it was done' : 'did it'}; Object Lock is not enforced` };
}

/** `done`, or what the refusal is called. @throws what is no answer */
async function answerTo(connection: S3Connection, request: S3Request<unknown>): Promise<string> {
  try {
    await connection.reading(request);
    return 'done';
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || status >= 500) throw new StoreError('promises', '', 'no', error);
    return codeOf(error);
  }
}

function laterOf(a: string, b: string): string {
  return Date.parse(a) > Date.parse(b) ? a : b;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(`indelible store self-test: ${text}\n`);
}
