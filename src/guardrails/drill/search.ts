/** Attacks on the search index: what can't be found is not seen, and what is edited is believed. */
import type { Attack, Attempt, Ground } from './attack.js';
import { BOTH } from './attack.js';
import type { IndexHands, ScratchIndex } from './scratch-index.js';

const common = { family: 'search', rights: BOTH, needs: ['index'] } as const;

export const SEARCH_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'edit-document',
    title: 'Edit a document of the index',
    means: 'A search would show another actor for an entry. Hits are shown from the index; the entry itself is read from the log. A role that may only create refuses it.',
    attempt: (ground) => onDocument(ground, 'The actor in the document of an entry was replaced.', (hands, index, id) => hands.edit(index, id, { user: { id: 'somebody-else' } })),
  },
  {
    ...common,
    id: 'drop-document',
    title: 'Drop a document from the index',
    means: 'A search would not find the entry. A role that may only create refuses it.',
    attempt: (ground) => onDocument(ground, 'The document of an entry was deleted.', (hands, index, id) => hands.drop(index, id)),
  },
  {
    ...common,
    id: 'delete-index',
    title: 'Delete the index',
    means: 'Searches would find nothing, or fail. The index is a copy, and is made again from the log. A role without the right to delete indexes refuses it.',
    attempt: (ground) => onDocument(ground, 'The index was deleted.', (hands, index) => hands.delete(index)),
  },
];

const SEQUENCE = 1;

async function onDocument({ rights, chain, parts }: Ground, tried: string, work: (hands: IndexHands, index: string, id: string) => ReturnType<IndexHands['delete']>): Promise<Attempt> {
  const scratch = indexOf(parts);
  const index = await scratch.behind();
  const before = await scratch.document(index, chain.chainId, SEQUENCE);
  const answers = [await work(scratch.hands(rights), index, `${chain.chainId}:${SEQUENCE}`)];
  const after = await scratch.document(index, chain.chainId, SEQUENCE);
  const effect = after === before ? undefined : after === undefined ? `the document of entry ${SEQUENCE} is not in the index any more` : `the document of entry ${SEQUENCE} says something else`;
  return { tried, answers, effect };
}

function indexOf({ index }: Ground['parts']): ScratchIndex {
  if (index === undefined) throw new RangeError('"index" expected for an attack on it');
  return index;
}
