/** Attacks on what protects the bucket: they change no entry, and open the way for somebody who will. */
import {
  DeleteBucketLifecycleCommand, DeleteBucketPolicyCommand, GetBucketLifecycleConfigurationCommand, GetBucketVersioningCommand, GetObjectLockConfigurationCommand,
  PutBucketLifecycleConfigurationCommand, PutBucketPolicyCommand, PutBucketVersioningCommand, PutObjectLockConfigurationCommand,
} from '@aws-sdk/client-s3';
import { statusOf } from '../../storage/s3/errors.js';
import { answerTo } from './answer.js';
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import type { ScratchBucket } from './scratch-bucket.js';
import { withoutDenials } from './scratch-policy.js';

const common = { family: 'configuration', rights: BOTH, needs: ['bucket'] } as const;

export const CONFIGURATION_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'suspend-versioning',
    title: 'Suspend versioning',
    means: 'What is put over an object would take its place. A bucket with Object Lock refuses it.',
    attempt: suspendVersioning,
  },
  {
    ...common,
    id: 'change-lock',
    needsLock: true,
    title: 'Change the lock configuration',
    means: 'Without a default retention, an object that is put without one is not kept at all. A policy can reserve the change for whoever sets up the bucket.',
    prepare: defaultRetention,
    attempt: changeLock,
  },
  {
    ...common,
    id: 'add-expiration',
    title: 'Add an expiration rule',
    means: 'The store itself would hide every entry after a day, and delete what is not locked any more.',
    attempt: addExpiration,
  },
  {
    ...common,
    id: 'replace-policy',
    title: 'Replace the bucket policy',
    means: 'A policy that denies nothing: all that the policy stops could be done from then on.',
    prepare: somePolicy,
    attempt: (ground) => changePolicy(ground, 'replace'),
  },
  {
    ...common,
    id: 'delete-policy',
    title: 'Delete the bucket policy',
    means: 'All that the policy stops could be done from then on.',
    prepare: somePolicy,
    attempt: (ground) => changePolicy(ground, 'delete'),
  },
];

async function suspendVersioning({ rights, parts: { bucket } }: Ground): Promise<Attempt> {
  const Bucket = bucket.name;
  const admin = bucket.s3('administrator');
  const state = async (): Promise<string> => (await admin.send(new GetBucketVersioningCommand({ Bucket }))).Status ?? 'never enabled';
  const set = (Status: 'Enabled' | 'Suspended') => new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } });
  const tried = 'Versioning was suspended.';
  const before = await state();
  if (before !== 'Enabled') return { tried, answers: [], effect: undefined, pointless: `the bucket keeps no versions (versioning is ${before})` };
  const answers = [await answerTo('PutBucketVersioning', () => bucket.s3(rights).send(set('Suspended')))];
  const after = await state();
  if (after === before) return { tried, answers, effect: undefined };
  return { tried, answers, effect: `versioning was ${before} and is ${after}`, undo: async () => { await admin.send(set('Enabled')); } };
}

const RULE = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const;

function lockWith(Bucket: string, rule: boolean): PutObjectLockConfigurationCommand {
  return new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', ...(rule && { Rule: RULE }) } });
}

async function ruleOf(bucket: ScratchBucket): Promise<string> {
  const { ObjectLockConfiguration } = await bucket.s3('administrator').send(new GetObjectLockConfigurationCommand({ Bucket: bucket.name }));
  return JSON.stringify(ObjectLockConfiguration?.Rule ?? 'none');
}

/** Where the log bucket has none, one is set, so that there is something to take away. */
async function defaultRetention({ parts: { bucket } }: Ground): Promise<void> {
  if ((await ruleOf(bucket)) === '"none"') await bucket.s3('administrator').send(lockWith(bucket.name, true));
}

async function changeLock({ rights, parts: { bucket } }: Ground): Promise<Attempt> {
  const before = await ruleOf(bucket);
  const answers = [await answerTo('PutObjectLockConfiguration', () => bucket.s3(rights).send(lockWith(bucket.name, false)))];
  const after = await ruleOf(bucket);
  const had = bucket.protection.defaultRetention !== undefined;
  const undo = async (): Promise<void> => {
    await bucket.s3('administrator').send(lockWith(bucket.name, had));
  };
  const tried = 'The default retention was taken out of the lock configuration.';
  return { tried, answers, effect: after === before ? undefined : `the default retention was ${before} and is ${after}`, undo };
}

async function addExpiration({ rights, parts: { bucket } }: Ground): Promise<Attempt> {
  const Bucket = bucket.name;
  const admin = bucket.s3('administrator');
  const before = await rulesOf(bucket);
  const expire = { ID: 'drill', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } } as const;
  const answers = [await answerTo('PutBucketLifecycleConfiguration', () => bucket.s3(rights).send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [expire] } })))];
  const after = await rulesOf(bucket);
  const tried = 'A lifecycle rule was added that expires every object after a day.';
  if (after === before) return { tried, answers, effect: undefined };
  return { tried, answers, effect: `the lifecycle rules were ${before} and are ${after}`, undo: async () => { await admin.send(new DeleteBucketLifecycleCommand({ Bucket })); } };
}

async function rulesOf(bucket: ScratchBucket): Promise<string> {
  try {
    const { Rules = [] } = await bucket.s3('administrator').send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket.name }));
    return Rules.length === 0 ? 'none' : JSON.stringify(Rules);
  } catch (error) {
    if (statusOf(error) === 404) return 'none';
    throw error;
  }
}

/** One that denies to everybody what the drill itself does not need: so that there is a policy to attack. */
function policyFor(bucket: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Sid: 'DrillNoDelete', Effect: 'Deny', Principal: { AWS: ['*'] }, Action: ['s3:DeleteObjectVersion'], Resource: [`arn:aws:s3:::${bucket}/*`] }],
  });
}

/** Denies nothing that matters, and lets nobody in: where it is replaced by nothing but this, nothing is denied any more. */
function harmless(bucket: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Sid: 'DrillReplaced', Effect: 'Deny', Principal: { AWS: ['*'] }, Action: ['s3:GetObjectTagging'], Resource: [`arn:aws:s3:::${bucket}/drill-nothing`] }],
  });
}

/** Where the log bucket has none, the scratch bucket is given one, so that there is something to take away. */
async function somePolicy({ parts: { bucket } }: Ground): Promise<void> {
  if ((await bucket.policy()) === undefined) await bucket.putPolicy(policyFor(bucket.name));
}

async function changePolicy({ rights, parts: { bucket } }: Ground, how: 'replace' | 'delete'): Promise<Attempt> {
  const Bucket = bucket.name;
  const before = await bucket.policy();
  const Policy = (before === undefined ? undefined : withoutDenials(before)) ?? harmless(Bucket);
  const answers = [
    how === 'delete'
      ? await answerTo('DeleteBucketPolicy', () => bucket.s3(rights).send(new DeleteBucketPolicyCommand({ Bucket })))
      : await answerTo('PutBucketPolicy', () => bucket.s3(rights).send(new PutBucketPolicyCommand({ Bucket, Policy }))),
  ];
  const after = await bucket.policy();
  const tried = how === 'delete' ? 'The bucket policy was deleted.' : 'The bucket policy was replaced by one that denies nothing.';
  const had = bucket.protection.policy.state !== 'none';
  return {
    tried: had ? tried : `${tried} (The bucket had none, so it was given one that denies the deletion of versions.)`,
    answers,
    effect: after === before ? undefined : after === undefined ? 'the bucket has no policy any more' : 'the bucket has another policy, which denies nothing',
    undo: () => bucket.putPolicy(had ? before : undefined),
  };
}
