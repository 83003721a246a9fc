/** The versions and delete markers of a bucket, in order. */
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import type { StoredVersion } from '../worm-store.js';
import type { S3Connection } from './connection.js';

/** Of one listing; S3 gives no more. */
const PAGE = 1000;

export type ListedVersion = Omit<StoredVersion, 'retention'>;

export interface Listed {
  readonly key: string;
  readonly version: ListedVersion;
}

/** Of one key, oldest first. */
export async function versionsOf(connection: S3Connection, key: string): Promise<ListedVersion[]> {
  const found: ListedVersion[] = [];
  for await (const { key: listed, version } of everyVersion(connection, key)) {
    if (listed !== key) break;
    found.push(version);
  }
  // S3 names a key's versions newest first.
  return found.reverse();
}

/** Of each key, oldest first. */
export async function* byKey(all: AsyncIterable<Listed>): AsyncGenerator<{ readonly key: string; readonly versions: readonly ListedVersion[] }> {
  let key: string | undefined;
  let versions: ListedVersion[] = [];
  for await (const one of all) {
    if (key !== undefined && key !== one.key) {
      yield { key, versions: versions.reverse() };
      versions = [];
    }
    key = one.key;
    versions.push(one.version);
  }
  if (key !== undefined) yield { key, versions: versions.reverse() };
}

/** All versions and delete markers of the keys from `from` on, by key; of one key as S3 orders them, newest first. */
export async function* everyVersion(connection: S3Connection, prefix: string, from?: string): AsyncGenerator<Listed> {
  if (from !== undefined && from > prefix && !from.startsWith(prefix)) return;
  // A marker that does not begin with the prefix is more than MinIO knows to answer.
  let keyMarker = from === undefined || from <= prefix ? undefined : before(from);
  let versionMarker: string | undefined;
  for (;;) {
    const command = new ListObjectVersionsCommand({
      Bucket: connection.settings.bucket,
      Prefix: prefix,
      MaxKeys: PAGE,
      // A key may hold what XML can't: one such key would make the listing of all others unreadable.
      EncodingType: 'url',
      ...(keyMarker !== undefined && { KeyMarker: keyMarker }),
      ...(versionMarker !== undefined && { VersionIdMarker: versionMarker }),
    });
    const page: ListObjectVersionsCommandOutput = await connection.reading((client, options) => client.send(command, options));
    assertListing(page);
    yield* inOrder(page);
    if (page.IsTruncated !== true) return;
    if (page.NextKeyMarker === undefined || (plain(page.NextKeyMarker) === keyMarker && page.NextVersionIdMarker === versionMarker)) {
      throw new Error('the listing says that there is more, and not where it goes on');
    }
    keyMarker = plain(page.NextKeyMarker);
    versionMarker = page.NextVersionIdMarker;
  }
}

/** What is no listing reads as an empty one, and an empty one means that entries are missing. */
export class NotS3 extends Error {
  override readonly name = 'NotS3';
}

export function assertListing({ Name }: ListObjectVersionsCommandOutput): void {
  if (Name === undefined) throw new NotS3('the answer to a listing is not one of S3');
}

/**
 * Versions and delete markers come in two lists, each in order; together they are ordered by key, and for one key
 * newest first. Times have whole seconds on AWS, so the order within a list is kept and never made anew.
 */
function* inOrder({ Versions = [], DeleteMarkers = [] }: ListObjectVersionsCommandOutput): Generator<Listed> {
  const markers = DeleteMarkers.map((marker) => listed(marker, true));
  let next = 0;
  for (const version of Versions) {
    const one = listed(version, false);
    for (let marker = markers[next]; marker !== undefined && comesFirst(marker, one); marker = markers[++next]) yield marker;
    yield one;
  }
  yield* markers.slice(next);
}

function comesFirst(a: Listed, b: Listed): boolean {
  return a.key === b.key ? a.version.storedAt > b.version.storedAt : a.key < b.key;
}

interface Named {
  readonly Key?: string | undefined;
  readonly VersionId?: string | undefined;
  readonly LastModified?: Date | undefined;
  readonly ETag?: string | undefined;
  readonly Size?: number | undefined;
}

function listed({ Key, VersionId, LastModified, ETag, Size = 0 }: Named, deleteMarker: boolean): Listed {
  if (Key === undefined || VersionId === undefined || LastModified === undefined) throw new Error('the listing leaves out a key, a version or a time');
  return { key: plain(Key), version: { versionId: VersionId, deleteMarker, size: Size, storedAt: LastModified.toISOString(), ...(ETag !== undefined && { etag: ETag }) } };
}

/** As it was before it was encoded for a URL; what does not read so was not encoded. */
function plain(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return encoded;
  }
}

/** A marker after which `key` is the first that can come: S3 begins behind a marker, and keys hold no '~'. */
function before(key: string): string {
  const last = key.length - 1;
  return `${key.slice(0, last)}${String.fromCharCode(key.charCodeAt(last) - 1)}~`;
}
