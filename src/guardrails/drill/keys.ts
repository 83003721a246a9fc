/** Attacks on who may sign: a key of one's own, another root, and the end of the log's. */
import { utf8Encode } from '#platform';
import { fingerprintOf, rootKeyObject } from '../../core/key-object.js';
import { deploymentObject, DEPLOYMENT_KEY, keyObjectName } from '../../ledger/key-objects.js';
import { textOf } from './answer.js';
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import { ForeignKey } from './foreign-key.js';
import { changesAt } from './key-changes.js';
import { ObjectHands } from './requests.js';
import type { ScratchKey } from './scratch-key.js';

const inBucket = { family: 'keys', rights: BOTH, needs: ['bucket'] } as const;
const inKms = { family: 'keys', rights: BOTH, needs: ['signingKey'] } as const;

export const KEY_ATTACKS: readonly Attack[] = [
  {
    ...inBucket,
    id: 'slip-key',
    title: 'Slip a key into keys/',
    means: 'Whoever may write to the bucket can put a key there, and would sign with it. A key counts only if it is the root that deployment.json names, or carries a certificate by one that counts.',
    attempt: async (ground) => {
      const { publicKey } = new ForeignKey();
      return put(ground, keyObjectName(fingerprintOf(publicKey)), utf8Encode(rootKeyObject(publicKey, now())), 'A public key that nobody certified was put below keys/.');
    },
  },
  {
    ...inBucket,
    id: 'replace-root',
    title: 'Name another root key',
    means: 'deployment.json names the key that vouches for all others. Put over it, another would name the attacker\'s; the oldest version is the statement, so it stays what it was.',
    attempt: (ground) => {
      const { publicKey } = new ForeignKey();
      return put(ground, DEPLOYMENT_KEY, deploymentObject(ground.parts.ledger.trust.deployment, fingerprintOf(publicKey), now()), 'A deployment.json that names another root key was put over the one of the log.');
    },
  },
  {
    ...inKms,
    id: 'schedule-key-deletion',
    title: 'Schedule the deletion of the signing key',
    means: 'Nothing can be signed any more from that moment, and for ever after the waiting period. What was signed can still be verified. A key policy can deny it to all but one role.',
    attempt: (ground) => onKey(ground, 'The scratch key was scheduled for deletion.', (key) => key.scheduleDeletion(ground.rights)),
  },
  {
    ...inKms,
    id: 'disable-key',
    title: 'Disable the signing key',
    means: 'Nothing can be signed, and so nothing appended, until somebody enables it again. What was signed can still be verified.',
    attempt: (ground) => onKey(ground, 'The scratch key was disabled.', (key) => key.disable(ground.rights)),
  },
  {
    ...inKms,
    id: 'weaken-key-policy',
    title: 'Weaken the policy of the signing key',
    prepare: somePolicy,
    means: 'Whoever may do anything with the key may sign for the log, and schedule its deletion.',
    attempt: (ground) => onKey(ground, 'The policy of the scratch key was replaced by one that lets every principal of the account do anything.', (key) => key.putPolicy(ground.rights, openPolicy(key.arn))),
  },
];

async function put({ rights, parts: { bucket } }: Ground, key: string, bytes: Uint8Array, tried: string): Promise<Attempt> {
  const before = await bucket.eyes.read(key);
  const hands = new ObjectHands(bucket, rights);
  const changes = await changesAt(bucket, [key], async () => [await hands.put(key, bytes)]);
  // It would be found again by every later verification: away with it, where that can be.
  const undo = async (): Promise<void> => {
    const newest = (await bucket.versions(key)).at(-1);
    if (changes.effect === undefined || newest === undefined) return;
    const admin = new ObjectHands(bucket, 'administrator');
    await admin.deleteVersion(key, newest.versionId, bucket.locked);
    // A bucket without versions has nothing below it.
    if (before !== undefined && (await bucket.eyes.read(key)) === undefined) await admin.put(key, before);
  };
  return { tried, ...changes, undo };
}

async function onKey({ parts: { signingKey } }: Ground, tried: string, work: (key: ScratchKey) => ReturnType<ScratchKey['disable']>): Promise<Attempt> {
  if (signingKey === undefined) throw new RangeError('"signingKey" expected for an attack on it');
  const before = await stateOf(signingKey);
  const answers = [await work(signingKey)];
  const after = await stateOf(signingKey);
  return { tried, answers, effect: changeOf(before, after), undo: () => signingKey.restore() };
}

interface KeyState {
  readonly state: string;
  readonly policy: string | undefined;
}

async function stateOf(key: ScratchKey): Promise<KeyState> {
  return { state: await key.state(), policy: await key.policyNow() };
}

function changeOf(before: KeyState, after: KeyState): string | undefined {
  if (before.state !== after.state) return `the key was ${before.state} and is ${after.state}`;
  return before.policy === after.policy ? undefined : 'the key has another policy';
}

/** Where the policy of the key denies nothing, it is given something to lose. */
async function somePolicy({ parts: { signingKey } }: Ground): Promise<void> {
  const policy = await signingKey?.policyNow();
  if (signingKey === undefined || policy === undefined || policy.includes('"Deny"')) return;
  const { Statement, ...rest } = JSON.parse(policy) as { readonly Statement: unknown };
  const deny = { Sid: 'DrillNoDeletion', Effect: 'Deny', Principal: { AWS: '*' }, Action: ['kms:ScheduleKeyDeletion', 'kms:DisableKey', 'kms:DeleteImportedKeyMaterial'], Resource: '*' };
  const answer = await signingKey.putPolicy('administrator', JSON.stringify({ ...rest, Statement: [Statement, deny].flat() }));
  if (!answer.done) throw new Error(`the scratch key can not be given a policy that denies its deletion: ${textOf(answer)}`);
}

/** Of the account in the ARN: nobody outside of it is let in. */
function openPolicy(arn: string): string {
  const [, partition = 'aws', , , account = ''] = arn.split(':');
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Sid: 'DrillOpen', Effect: 'Allow', Principal: { AWS: `arn:${partition}:iam::${account}:root` }, Action: 'kms:*', Resource: '*' }] });
}

function now(): string {
  return new Date().toISOString();
}
