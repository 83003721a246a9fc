/** /v1/chains: which chains there are, and how far they go. */
import { LedgerError } from '../ledger/errors.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ReplicaService } from './deps.js';
import { acceptable, JSON_TYPE } from './media.js';
import { chainIdParameter, integerParameter, optional, withDefault } from './parameters.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, objectOf, ref, sequenceSchema, timeSchema } from './schemas.js';

type ChainState =
  | { readonly chainId: string; readonly state: 'open'; readonly size: number; readonly lastReceivedAt: string; readonly replicatedThrough?: number }
  | { readonly chainId: string; readonly state: 'halted'; readonly detail: string };

export const chainsRoute: Route = defineRoute({
  method: 'GET',
  path: '/v1/chains',
  operationId: 'listChains',
  summary: 'The chains, in order of their ids',
  description: 'A halted chain is one whose objects contradict each other; an operator must look.',
  tag: 'Entries',
  access: 'read',
  pathParameters: {},
  queryParameters: {
    after: optional({ ...chainIdParameter, description: 'Chains behind this one: `next` of the page before.' }),
    limit: withDefault(integerParameter('Chains at most.', 1, 1_000), 100),
  },
  answers: { 200: { description: 'A page.', content: { [JSON_TYPE]: ref('ChainPage') } } },
  problems: ['store_unavailable', 'shutting_down', 'not_acceptable'],
  async handle({ exchange, query: { after, limit }, deps: { ledger, replica } }) {
    acceptable(exchange.req.headers.accept, [JSON_TYPE]);
    const chains: ChainState[] = [];
    let next: string | null = null;
    for await (const chainId of ledger.reader.chains()) {
      if (after !== undefined && chainId <= after) continue;
      if (chains.length === limit) {
        next = chains.at(-1)?.chainId ?? null;
        break;
      }
      const state = await stateOf(ledger, chainId, replica);
      if (state !== undefined) chains.push(state);
    }
    exchange.json(200, JSON.stringify({ chains, next }));
  },
});

/** `undefined`: a name alone makes no chain. */
async function stateOf(ledger: Ledger, chainId: string, replica: ReplicaService | undefined): Promise<ChainState | undefined> {
  try {
    const { head } = await ledger.chain(chainId);
    return { chainId, state: 'open', size: head.size, lastReceivedAt: head.lastReceivedAt, ...(replica !== undefined && { replicatedThrough: Math.min(head.size, replica.replicatedThrough(chainId)) }) };
  } catch (error) {
    // One chain in trouble must not hide the others.
    if (error instanceof LedgerError && error.code === 'chain_halted') return { chainId, state: 'halted', detail: error.message };
    if (error instanceof LedgerError && error.code === 'chain_not_found') return undefined;
    throw error;
  }
}

export const chainSchemas = {
  Chain: objectOf(
    { chainId: chainIdSchema, state: { enum: ['open', 'halted'] }, size: sequenceSchema, lastReceivedAt: timeSchema, replicatedThrough: { ...sequenceSchema, description: 'Leading entries known to be in the second bucket, too. Absent without one.' }, detail: { type: 'string' } },
    ['size', 'lastReceivedAt', 'replicatedThrough', 'detail'],
  ),
  ChainPage: objectOf({ chains: arrayOf(ref('Chain')), next: { type: ['string', 'null'] } }, []),
};
