/** Attacks on the retention of objects: what is no longer kept can be deleted later, when nobody looks. */
import type { StoredVersion } from '../../storage/worm-store.js';
import { refusalBehind } from './answer.js';
import type { Answer } from './answer.js';
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import { ObjectHands } from './requests.js';
import { DAY_MS } from './scratch-bucket.js';
import { UnlockedStore } from './unlocked-store.js';

const HOUR_MS = 3_600_000;

/** Looks at the retention of one version before and after. */
async function atRetention({ rights, chain, parts: { bucket } }: Ground, tried: string, work: (hands: ObjectHands, key: string, versionId: string) => Promise<readonly Answer[]>): Promise<Attempt> {
  const { key, versionId } = chain.segment(1);
  const before = await bucket.eyes.retentionOf(key, versionId);
  const answers = await work(new ObjectHands(bucket, rights), key, versionId);
  const after = await bucket.eyes.retentionOf(key, versionId);
  const weaker = textOf(after) !== textOf(before) ? `the retention of ${key} was ${textOf(before)} and is ${textOf(after)}` : undefined;
  return { tried, answers, effect: weaker };
}

function textOf(retention: StoredVersion['retention']): string {
  return typeof retention === 'string' ? (retention === 'unknown' ? 'none that is shown' : retention) : `${retention.mode} until ${retention.retainUntil.replace(/\.\d+Z$/, 'Z')}`;
}

const common = { family: 'retention', rights: BOTH, needs: ['bucket'], needsLock: true } as const;

export const RETENTION_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'shorten-retention',
    title: 'Shorten a retention',
    means: 'A segment that is kept for an hour instead of for years can be deleted in an hour. Object Lock refuses it.',
    attempt: (ground) =>
      atRetention(ground, 'The retention of a segment was set to end in an hour.', async (hands, key, versionId) => [await hands.retain(key, versionId, { mode: 'GOVERNANCE', until: Date.now() + HOUR_MS }, false)]),
  },
  {
    ...common,
    id: 'shorten-retention-bypass',
    title: 'Shorten a retention with bypass of governance',
    means: 'As above, with the right to bypass GOVERNANCE. COMPLIANCE mode refuses it to everybody; the scratch bucket is in GOVERNANCE.',
    attempt: (ground) =>
      atRetention(ground, 'The retention of a segment was set to end in an hour, asking to bypass governance.', async (hands, key, versionId) => [await hands.retain(key, versionId, { mode: 'GOVERNANCE', until: Date.now() + HOUR_MS }, true)]),
  },
  {
    ...common,
    id: 'lower-mode',
    title: 'Lower the mode of a retention',
    means: 'From COMPLIANCE to GOVERNANCE, or from GOVERNANCE to none: what nobody could delete, somebody could then. Object Lock refuses the first to everybody, the second to who may not bypass it.',
    compliance: true,
    attempt: lowerMode,
  },
  {
    ...common,
    id: 'put-without-retention',
    title: 'Write an entry without a retention',
    means: 'A writer that leaves the retention out writes entries that are acknowledged and can be deleted. The default retention of the bucket stands in for what is left out; a policy can refuse the request.',
    attempt: putWithoutRetention,
  },
];

/** COMPLIANCE can't be tried on what is to be removed again in time; so it is kept for a minute alone. */
async function lowerMode(ground: Ground): Promise<Attempt> {
  if (ground.chain.asked.mode === 'compliance') {
    return atRetention(ground, 'A segment that is in COMPLIANCE mode for a minute was set to GOVERNANCE, asking to bypass governance.', async (hands, key, versionId) => [
      await hands.retain(key, versionId, { mode: 'GOVERNANCE', until: Date.now() + DAY_MS }, true),
    ]);
  }
  return atRetention(ground, 'The retention of a segment in GOVERNANCE mode was taken off, asking to bypass governance; the bucket does not take a minute of COMPLIANCE.', async (hands, key, versionId) => [await hands.retain(key, versionId, undefined, true)]);
}

async function putWithoutRetention({ rights, chain, parts: { bucket, ledger } }: Ground): Promise<Attempt> {
  const key = chain.nextKey;
  const store = new UnlockedStore(bucket.eyes, bucket.s3(rights), { bucket: bucket.name, singleWriter: bucket.singleWriter });
  const answers: Answer[] = [];
  try {
    const [receipt] = await ledger.writer(store, (writer) => ledger.append(writer, chain.chainId, 1));
    if (receipt !== undefined) chain.keep(receipt);
    answers.push({ request: 'PutObject without a retention', done: true });
  } catch (error) {
    answers.push(refusalBehind('PutObject without a retention', error));
  }
  const [version] = await bucket.versions(key);
  const retention = version === undefined ? undefined : await bucket.eyes.retentionOf(key, version.versionId);
  const tried = 'An entry was appended by a writer with the signing key that asks for no retention.';
  if (version === undefined || (typeof retention === 'object' && Date.parse(retention.retainUntil) > Date.now() + HOUR_MS)) {
    return { tried, answers, effect: undefined, ...(retention !== undefined && { stoppedBy: `the default retention of the bucket, which gave it ${textOf(retention)}` }) };
  }
  return { tried, answers, effect: `an acknowledged entry lies at ${key} with the retention ${textOf(retention ?? 'none')}` };
}
