/** What could be done to the log through S3, and what stops each of it besides the bucket's policy. */
import type { Keys, KeyValue } from './condition.js';
import type { Protection } from './report.js';

/** Object Lock, as it holds for the objects of the log. */
export type Lock = 'compliance' | 'governance' | 'none' | 'unknown';

export interface Without {
  readonly protection: Protection;
  /** What that means, or what protects instead. */
  readonly because: string;
}

export interface Attack {
  readonly name: string;
  readonly actions: readonly string[];
  readonly on: 'bucket' | 'objects';
  /** `somebody can …` */
  readonly does: string;
  readonly keys?: Readonly<Record<string, KeyValue>>;
  /** That a principal which the policy names can do it: as it should be, or a hole. */
  readonly exceptions: 'meant' | 'hole';
  /** Where the policy does not refuse it. */
  readonly without: (lock: Lock, bypassIsRefused: boolean) => Without;
}

const weak = (because: string) => (): Without => ({ protection: 'weak', because });

const removal = (lock: Lock, bypassIsRefused: boolean): Without => {
  switch (lock) {
    case 'compliance':
      return { protection: 'protected', because: 'Object Lock in mode COMPLIANCE refuses it until the retention ends' };
    case 'governance':
      return bypassIsRefused
        ? { protection: 'protected', because: 'Object Lock in mode GOVERNANCE refuses it until the retention ends, and the policy lets nobody bypass it' }
        : { protection: 'unprotected', because: 'Object Lock in mode GOVERNANCE yields to who may bypass it' };
    case 'none':
      return { protection: 'unprotected', because: 'there is no Object Lock' };
    case 'unknown':
      return { protection: 'unknown', because: 'whether Object Lock refuses it can not be seen' };
  }
};

/** Where a lock keeps the objects, it is a nuisance; else the way to remove them. */
const limited = (because: string) => (lock: Lock): Without => ({ protection: lock === 'none' ? 'unprotected' : 'weak', because });

const RIGHT_PUT = { 's3:objectcreationoperation': ['true'], 's3:if-none-match': ['*'], 's3:if-match': 'absent' } as const;

export const ATTACKS: readonly Attack[] = [
  { name: 'delete-marker', actions: ['s3:DeleteObject'], on: 'objects', does: 'hide an entry below a delete marker', exceptions: 'hole', without: limited('verification finds it, and reads below it') },
  { name: 'governance-bypass', actions: ['s3:BypassGovernanceRetention'], on: 'objects', does: 'set a GOVERNANCE lock aside', exceptions: 'hole', without: (lock) => (lock === 'compliance' ? { protection: 'protected', because: 'the objects are locked in mode COMPLIANCE, which nobody can bypass' } : { ...removal(lock, false), ...(lock === 'none' && { because: 'there is no Object Lock that would need it' }) }) },
  { name: 'version-removal', actions: ['s3:DeleteObjectVersion'], on: 'objects', does: 'delete a version of an object', exceptions: 'hole', without: removal },
  { name: 'foreign-write', actions: ['s3:PutObject'], on: 'objects', does: 'write objects beside the service', keys: RIGHT_PUT, exceptions: 'meant', without: weak('what it writes has no signature, and is reported; it can stop a chain where writing over debris is not possible') },
  { name: 'overwrite', actions: ['s3:PutObject'], on: 'objects', does: 'put a version over an entry, without the condition that nothing is there', keys: { ...RIGHT_PUT, 's3:if-none-match': 'absent' }, exceptions: 'hole', without: limited('the oldest valid version stays the entry; verification finds the other') },
  { name: 'retention-change', actions: ['s3:PutObjectRetention'], on: 'objects', does: 'set another retention', exceptions: 'meant', without: (lock, bypassIsRefused) => (removal(lock, bypassIsRefused).protection === 'protected' ? { protection: 'weak', because: 'Object Lock refuses to shorten it; lengthening it can not be undone, and costs' } : removal(lock, bypassIsRefused)) },
  { name: 'legal-hold', actions: ['s3:PutObjectLegalHold'], on: 'objects', does: 'set or lift a legal hold', exceptions: 'meant', without: weak('a hold that keeps evidence beyond its retention can be lifted') },
  { name: 'replication-inward', actions: ['s3:ReplicateObject', 's3:ReplicateDelete'], on: 'objects', does: 'write into the bucket by replication from another one, past every condition on a PUT', exceptions: 'meant', without: limited('verification finds what came in so') },
  { name: 'object-access', actions: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'], on: 'objects', does: 'open objects to others by an access list', exceptions: 'hole', without: weak('the log could be read by others') },
  { name: 'lifecycle-change', actions: ['s3:PutLifecycleConfiguration'], on: 'bucket', does: 'add a rule that expires the log, which no policy stops then', exceptions: 'meant', without: limited('Object Lock keeps versions until their retention ends; delete markers over every entry are not refused') },
  { name: 'versioning-change', actions: ['s3:PutBucketVersioning'], on: 'bucket', does: 'suspend versioning', exceptions: 'meant', without: (lock) => (lock === 'none' ? { protection: 'unprotected', because: 'without Object Lock nothing else refuses it' } : lock === 'unknown' ? removal(lock, false) : { protection: 'protected', because: 'S3 refuses it in a bucket with Object Lock' }) },
  { name: 'lock-change', actions: ['s3:PutBucketObjectLockConfiguration'], on: 'bucket', does: 'weaken the default retention', exceptions: 'meant', without: weak('each object has a retention of its own; only what is written without one is concerned') },
  { name: 'replication-change', actions: ['s3:PutReplicationConfiguration'], on: 'bucket', does: 'stop the replication, or send the log elsewhere', exceptions: 'meant', without: weak('the copies end, or somebody else gets them') },
  { name: 'encryption-change', actions: ['s3:PutEncryptionConfiguration'], on: 'bucket', does: 'have new objects encrypted with a key of his own', exceptions: 'meant', without: weak('who deletes that key makes them unreadable') },
  { name: 'public-access-change', actions: ['s3:PutBucketPublicAccessBlock'], on: 'bucket', does: 'turn off the block of public access', exceptions: 'meant', without: weak('the log could be opened to the public') },
  { name: 'ownership-change', actions: ['s3:PutBucketOwnershipControls', 's3:PutBucketAcl'], on: 'bucket', does: 'turn on access lists, and open the bucket by one', exceptions: 'meant', without: weak('the log could be opened to others') },
  { name: 'policy-change', actions: ['s3:PutBucketPolicy', 's3:DeleteBucketPolicy'], on: 'bucket', does: 'change or remove this policy', exceptions: 'meant', without: weak('what it denies is then denied no more') },
  { name: 'bucket-removal', actions: ['s3:DeleteBucket'], on: 'bucket', does: 'delete the bucket', exceptions: 'meant', without: (lock) => (lock === 'none' ? { protection: 'unprotected', because: 'once it is emptied' } : { protection: 'protected', because: 'S3 refuses it while there are objects, which the lock keeps' }) },
];

/** A PUT with this retention, and all else as the service does it. */
export function putWith(mode: string | undefined, days: number | undefined): Readonly<Record<string, KeyValue>> {
  return {
    ...RIGHT_PUT,
    's3:object-lock-mode': mode === undefined ? 'absent' : [mode],
    's3:object-lock-remaining-retention-days': days === undefined ? 'absent' : [String(days)],
    's3:object-lock-retain-until-date': days === undefined ? 'absent' : 'free',
  };
}

/** Of every request, and chosen by who sends it. */
const ALWAYS_FREE = ['s3:authtype', 's3:signatureversion', 's3:signatureage', 's3:tlsversion', 's3:versionid', 's3:x-amz-content-sha256', 's3:accessgrantsinstancearn'];
/** Of the request's target, which can't be told here. */
const OF_TARGET = /^s3:(resourceaccount|existingobjecttag\/.*|dataaccesspoint.*|accesspoint.*|bucketversioningconfiguration|inventory.*)$/;
const WITH_HEADERS = new Set(['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectLegalHold', 's3:ReplicateObject', 's3:PutObjectAcl', 's3:PutObjectVersionAcl', 's3:PutBucketAcl']);

/** The keys of a request for that action: headers are chosen by who sends it, and are absent where there is none such. */
export function requestKeys(actions: readonly string[], keys: Readonly<Record<string, KeyValue>> = {}): Keys {
  const hasHeaders = actions.some((action) => WITH_HEADERS.has(action));
  return (key) => {
    if (Object.hasOwn(keys, key)) return keys[key] ?? 'unknown';
    if (!key.startsWith('s3:') || OF_TARGET.test(key)) return 'unknown';
    return hasHeaders || ALWAYS_FREE.includes(key) ? 'free' : 'absent';
  };
}
