/** Attacks on a chain as a whole: order, end, existence, and what could pass for a part of it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { segmentKey } from '../../core/chain.js';
import { fingerprintOf, rootKeyObject } from '../../core/key-object.js';
import { LedgerError } from '../../ledger/errors.js';
import { deploymentObject, DEPLOYMENT_KEY, keyObjectName } from '../../ledger/key-objects.js';
import { FilesystemStore } from '../../storage/filesystem/store.js';
import { answerTo } from './answer.js';
import type { Answer } from './answer.js';
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import { ForeignKey } from './foreign-key.js';
import { changesAt } from './key-changes.js';
import { JUNK, ObjectHands } from './requests.js';
import type { WrittenSegment } from './scratch-chain.js';

const FAR_AHEAD = 5_000_000_000;

const common = { family: 'segments', rights: BOTH, needs: ['bucket'] } as const;

export const SEGMENT_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'swap-segments',
    title: 'Swap two segments',
    means: 'History in another order. Each segment says where it belongs and is signed, and continues the one before it, so no order but the first holds.',
    attempt: swap,
  },
  {
    ...common,
    id: 'cut-tail',
    title: 'Cut the tail of a chain',
    means: 'The newest entries disappear, and what is left is sound in itself. Only what was kept elsewhere shows it: receipts, checkpoints, a second bucket.',
    attempt: (ground) => away(ground, ground.chain.segments.slice(-1), 'The newest segment was deleted, and where that was refused, hidden.'),
  },
  {
    ...common,
    id: 'delete-chain',
    title: 'Delete a whole chain',
    means: 'A chain that is not there has nothing wrong with it. Only what was kept elsewhere shows that there was one.',
    attempt: (ground) => away(ground, ground.chain.segments, 'Every segment of a chain was deleted, and where that was refused, hidden.'),
  },
  {
    ...common,
    id: 'roll-back',
    title: 'Roll the log back to an older copy',
    means: 'An older copy of the objects is presented as the log, by another address or by whoever stands in between. Nothing in it is wrong; only what was kept elsewhere shows that it ends too early.',
    attempt: rollBack,
  },
  {
    ...common,
    id: 'junk-next',
    title: 'Put junk at the next key of a chain',
    means: 'It could stop the chain, whose next segment belongs there. The log writes over what nobody signed, on condition, and goes on.',
    attempt: async (ground) => goesOn(ground, await putAt(ground, ground.chain.nextKey, JUNK, 'An object that is no segment was put at the next key of a chain.')),
  },
  {
    ...common,
    id: 'junk-ahead',
    title: 'Put junk far ahead in a chain',
    means: 'It could make the chain look longer than it is, or the search for its end go astray.',
    attempt: async (ground) => goesOn(ground, await putAt(ground, segmentKey(ground.chain.chainId, FAR_AHEAD), JUNK, 'An object that is no segment was put at a key far ahead of a chain.')),
  },
  {
    ...common,
    id: 'forge-segment',
    title: 'Forge a segment',
    means: 'Entries that never were, in a segment that is right in everything but its signature, which is by a key that nobody of the log vouches for.',
    attempt: forge,
  },
];

async function swap({ rights, chain, parts: { bucket } }: Ground): Promise<Attempt> {
  const [one, other] = [chain.segment(0), chain.segment(1)];
  const hands = new ObjectHands(bucket, rights);
  const changes = await changesAt(bucket, [one.key, other.key], async () => [await hands.put(one.key, other.bytes), await hands.put(other.key, one.bytes)]);
  return { tried: 'The bytes of two segments were each put at the key of the other.', ...changes };
}

async function away({ rights, parts: { bucket } }: Ground, segments: readonly WrittenSegment[], tried: string): Promise<Attempt> {
  const hands = new ObjectHands(bucket, rights);
  const changes = await changesAt(bucket, segments.map(({ key }) => key), async () => {
    const answers: Answer[] = [];
    for (const { key, versionId } of segments) {
      // A bucket without a lock knows no bypass, and may refuse a request that asks for it.
      const deleted = await hands.deleteVersion(key, versionId, bucket.locked);
      answers.push(deleted);
      if (!deleted.done) answers.push(await hands.mark(key));
    }
    return answers;
  });
  return { tried, ...changes };
}

async function putAt({ rights, parts: { bucket } }: Ground, key: string, bytes: Uint8Array, tried: string): Promise<Attempt> {
  const hands = new ObjectHands(bucket, rights);
  return { tried, ...(await changesAt(bucket, [key], async () => [await hands.put(key, bytes, { ifNoneMatch: true })])) };
}

/** The chain must not stop: one more entry is appended, and counts as acknowledged from then on. */
async function goesOn({ chain, parts: { ledger } }: Ground, attempt: Attempt): Promise<Attempt> {
  const tried = `${attempt.tried} Then the log appended an entry to the chain.`;
  try {
    const [receipt] = await ledger.append(ledger.ledger, chain.chainId, 1);
    if (receipt !== undefined) chain.keep(receipt);
    return { ...attempt, tried };
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return { ...attempt, tried, effect: [attempt.effect, `the chain does not go on: ${error.message}`].filter((part) => part !== undefined).join('; ') };
  }
}

async function forge(ground: Ground): Promise<Attempt> {
  const { chain, parts: { ledger } } = ground;
  const { head } = await ledger.ledger.chain(chain.chainId);
  const forged = await new ForeignKey().segmentAfter(head, ledger.trust.deployment);
  return goesOn(ground, await putAt(ground, forged.key, forged.bytes, 'A segment signed with another key was put at the next key of a chain.'));
}

/** With these rights the objects are read as they were some entries ago; then they are all there is to be seen. */
async function rollBack({ rights, chain, parts: { bucket, ledger } }: Ground): Promise<Attempt> {
  const folder = await mkdtemp(join(tmpdir(), 'indelible-drill-copy-'));
  const old = chain.segments.slice(0, -1);
  const answers: Answer[] = [];
  for (const { key, versionId } of old) {
    answers.push(
      await answerTo('GetObject', async () => {
        const { Body } = await bucket.s3(rights).send(new GetObjectCommand({ Bucket: bucket.name, Key: key, VersionId: versionId }));
        await put(folder, key, (await Body?.transformToByteArray()) ?? new Uint8Array());
      }),
    );
  }
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const tried = 'The objects of a chain were copied without its newest segment, and the copy was presented as the log.';
  if (answers.some(({ done }) => !done)) {
    await close();
    return { tried, answers, effect: undefined };
  }
  const { publicKey } = ledger.signer;
  const now = new Date().toISOString();
  await put(folder, DEPLOYMENT_KEY, deploymentObject(ledger.trust.deployment, fingerprintOf(publicKey), now));
  await put(folder, keyObjectName(fingerprintOf(publicKey)), Buffer.from(rootKeyObject(publicKey, now)));
  const store = await FilesystemStore.open(folder, { readOnly: true });
  return {
    tried,
    answers,
    effect: `who reads the copy sees ${old.length} of ${chain.segments.length} segments`,
    presented: { store, close: async () => { await store.close(); await close(); } },
  };
}

async function put(folder: string, key: string, bytes: Uint8Array): Promise<void> {
  const file = join(folder, key);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
