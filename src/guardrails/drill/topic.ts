/** Attacks on the mirror: taking the topic or its records away, and putting in what the log does not say. */
import type { Message } from 'kafkajs';
import { canonicalize } from '../../core/canonical.js';
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import type { Extent, ScratchTopic, TopicHands } from './scratch-topic.js';

const common = { family: 'topic', rights: BOTH, needs: ['topic'] } as const;

export const TOPIC_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'purge-records',
    title: 'Purge the records of the topic',
    means: 'What reads the topic would miss entries. The topic is a copy: the log is in the bucket, and the mirror fills the topic again. Access lists without Delete refuse it.',
    attempt: (ground) => onTopic(ground, 'All records of the topic were deleted by DeleteRecords.', (hands, name) => hands.purge(name)),
  },
  {
    ...common,
    id: 'delete-topic',
    title: 'Delete the topic',
    means: 'As above, with the topic itself. The broker setting delete.topic.enable=false refuses it to everybody.',
    attempt: (ground) => onTopic(ground, 'The topic was deleted.', (hands, name) => hands.delete(name)),
  },
  {
    ...common,
    id: 'forge-messages',
    title: 'Put forged messages into the topic',
    means: 'What reads the topic and believes it would act on entries that never were. Consumers of the log check the segment\'s signature; a writer\'s own rights are enough to put messages.',
    attempt: (ground) => onTopic(ground, 'Messages that look like entries were put into the topic: another content for an entry, an entry behind the end, and one of a chain that does not exist.', (hands, name) => hands.put(name, forged(ground.chain.chainId, ground.chain.receipts.length))),
  },
];

function forged(chainId: string, size: number): Message[] {
  const message = (key: string, sequence: number): Message => ({
    key,
    value: canonicalize({ chainId: key, entryId: 'forged', event: { action: 'drill.forged' }, sequence }),
    headers: { sequence: String(sequence) },
  });
  return [message(chainId, 1), message(chainId, size), message(`${chainId}-forged`, 0)];
}

async function onTopic({ rights, parts: { topic } }: Ground, tried: string, work: (hands: TopicHands, name: string) => ReturnType<TopicHands['delete']>): Promise<Attempt> {
  if (topic === undefined) throw new RangeError('"topic" expected for an attack on it');
  const before = await topic.extents();
  const answers = [await work(topic.hands(rights), topic.name)];
  return { tried, answers, effect: await differences(topic, before) };
}

async function differences(topic: ScratchTopic, before: readonly Extent[] | undefined): Promise<string | undefined> {
  const after = await topic.extents();
  if (after === undefined) return before === undefined ? undefined : `the topic ${topic.name} is gone`;
  const changes = after.flatMap(({ partition, low, high }) => {
    const was = before?.find((one) => one.partition === partition);
    if (was?.low === low && was.high === high) return [];
    return [`partition ${partition} held offsets ${was?.low ?? 0} to ${was?.high ?? 0} and holds ${low} to ${high}`];
  });
  return changes.length === 0 ? undefined : changes.join('; ');
}
