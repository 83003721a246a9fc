/** Attacks on the versions of an object: taking one away, hiding it, putting something over it. */
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import type { Answer } from './answer.js';
import { changesAt } from './key-changes.js';
import { JUNK, ObjectHands } from './requests.js';

/** The middle segment: what comes before and after it stays. */
async function atMiddle({ rights, chain, parts: { bucket } }: Ground, tried: string, work: (hands: ObjectHands, key: string, versionId: string) => Promise<readonly Answer[]>): Promise<Attempt> {
  const { key, versionId } = chain.segment(1);
  return { tried, ...(await changesAt(bucket, [key], () => work(new ObjectHands(bucket, rights), key, versionId))) };
}

const common = { family: 'versions', rights: BOTH, needs: ['bucket'] } as const;

export const VERSION_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'delete-version',
    title: 'Delete a version of a segment',
    means: 'The entries of the segment would be gone for good. Object Lock refuses it while the retention lasts; in a bucket without a lock it can only be found.',
    attempt: (ground) => atMiddle(ground, 'The version of a segment was deleted by its id.', async (hands, key, versionId) => [await hands.deleteVersion(key, versionId, false)]),
  },
  {
    ...common,
    id: 'delete-version-bypass',
    title: 'Delete a version of a segment with bypass of governance',
    means: 'As above, with the right to bypass GOVERNANCE. A bucket in COMPLIANCE mode refuses it to everybody; the scratch bucket is in GOVERNANCE, so it may take effect here where it would not in the log bucket.',
    attempt: (ground) => atMiddle(ground, 'The version of a segment was deleted by its id, asking to bypass governance.', async (hands, key, versionId) => [await hands.deleteVersion(key, versionId, true)]),
  },
  {
    ...common,
    id: 'place-delete-marker',
    title: 'Place a delete marker',
    means: 'A plain delete hides the segment from whoever reads the newest version. The segment stays below the marker, and the log reads it there. Object Lock does not refuse markers; a policy can.',
    attempt: (ground) => atMiddle(ground, 'A segment was deleted without naming a version.', async (hands, key) => [await hands.mark(key)]),
  },
  {
    ...common,
    id: 'overwrite',
    title: 'Overwrite a segment',
    means: 'Other bytes would be served to whoever reads the newest version. The oldest valid version is the entry, so it stays what it was. Object Lock does not refuse newer versions; a policy that asks for If-None-Match does.',
    attempt: (ground) => atMiddle(ground, 'Other bytes were put at the key of a segment.', async (hands, key) => [await hands.put(key, JUNK)]),
  },
  {
    ...common,
    id: 'overwrite-conditional',
    title: 'Overwrite a segment with If-None-Match',
    means: 'The condition that the log itself writes with: a store that ignores it would let two writers believe that each has written the segment.',
    attempt: (ground) => atMiddle(ground, 'Other bytes were put at the key of a segment, on the condition that nothing is there.', async (hands, key) => [await hands.put(key, JUNK, { ifNoneMatch: true })]),
  },
  {
    ...common,
    id: 'put-over-marker',
    title: 'Put over a delete marker',
    means: 'Over a marker the condition holds again, so a second first version can be written, also where a policy asks for If-None-Match. The oldest valid version is the entry, so it stays what it was.',
    attempt: (ground) =>
      atMiddle(ground, 'A delete marker was placed, and other bytes put over it on the condition that nothing is there.', async (hands, key) => [await hands.mark(key), await hands.put(key, JUNK, { ifNoneMatch: true })]),
  },
];
