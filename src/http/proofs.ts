/** What ties entries together: receipts, the checkpoint, consistency between sizes, the keys. */
import { keyViews } from '../ledger/key-view.js';
import { CHAIN_READ_PROBLEMS } from './entries.js';
import { acceptable, JSON_TYPE } from './media.js';
import { chainIdParameter, optional, sequenceParameter } from './parameters.js';
import { defineRoute } from './route.js';
import type { Route } from './route.js';
import { arrayOf, chainIdSchema, hashSchema, objectOf, ref, sequenceSchema } from './schemas.js';

const TEXT_TYPE = 'text/plain';
const TEXT_HEADERS = ['content-type', 'text/plain; charset=utf-8', 'cache-control', 'no-store'];

export const proofRoutes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/v1/chains/{chainId}/entries/{sequence}/proof',
    operationId: 'getProof',
    summary: 'The receipt of an entry, to the newest checkpoint',
    tag: 'Proofs',
    access: 'read',
    pathParameters: { chainId: chainIdParameter, sequence: sequenceParameter('Position in the chain, from 0.') },
    queryParameters: {},
    answers: { 200: { description: 'A receipt as of now: it ties the entry to all that came after.', content: { [JSON_TYPE]: ref('Receipt') } } },
    problems: [...CHAIN_READ_PROBLEMS, 'entry_not_found'],
    async handle({ exchange, path: { chainId, sequence }, deps: { ledger } }) {
      exchange.json(200, JSON.stringify(await ledger.freshReceipt(chainId, sequence)));
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/chains/{chainId}/checkpoint',
    operationId: 'getCheckpoint',
    summary: 'The signed checkpoint of the whole chain',
    description: 'A C2SP tlog-checkpoint. Keep one elsewhere: it is what shows later that the tail was cut off.',
    tag: 'Proofs',
    access: 'public',
    pathParameters: { chainId: chainIdParameter },
    queryParameters: {},
    answers: { 200: { description: 'A signed note.', content: { [TEXT_TYPE]: { type: 'string' } } } },
    problems: [...CHAIN_READ_PROBLEMS, 'not_acceptable'],
    async handle({ exchange, path: { chainId }, deps: { ledger } }) {
      acceptable(exchange.req.headers.accept, [TEXT_TYPE]);
      const { last } = await ledger.chain(chainId);
      exchange.send(200, TEXT_HEADERS, last.checkpoint);
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/chains/{chainId}/consistency',
    operationId: 'getConsistency',
    summary: 'Proof that the chain of one size begins with the chain of a smaller one',
    description: 'RFC 6962 §2.1.2. The checkpoint is that of the whole chain.',
    tag: 'Proofs',
    access: 'public',
    pathParameters: { chainId: chainIdParameter },
    queryParameters: { from: sequenceParameter('The smaller size.'), to: optional(sequenceParameter('The larger size. Default: all of the chain.')) },
    answers: { 200: { description: 'The proof.', content: { [JSON_TYPE]: ref('Consistency') } } },
    problems: [...CHAIN_READ_PROBLEMS, 'range_invalid', 'view_behind'],
    async handle({ exchange, path: { chainId }, query: { from, to }, deps: { ledger } }) {
      exchange.json(200, JSON.stringify(await ledger.consistency(chainId, from, to)));
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/keys',
    operationId: 'getKeys',
    summary: 'The public keys that sign checkpoints',
    description:
      'With `chainId`, the keys as note verifier keys of that chain too. As text: one such key a line with `chainId`, PEM without. ' +
      'Whoever must not trust the service gets the key from elsewhere and compares.',
    tag: 'Proofs',
    access: 'public',
    pathParameters: {},
    queryParameters: { chainId: optional(chainIdParameter) },
    answers: { 200: { description: 'The keys.', content: { [JSON_TYPE]: ref('Keys'), [TEXT_TYPE]: { type: 'string' } } } },
    problems: ['not_acceptable'],
    handle({ exchange, query: { chainId }, deps: { trust } }) {
      const type = acceptable(exchange.req.headers.accept, [JSON_TYPE, TEXT_TYPE]);
      const keys = keyViews(trust, chainId);
      if (type === JSON_TYPE) exchange.json(200, JSON.stringify({ deployment: trust.deployment, keys }));
      // A delegated key without its certificate would be trusted for ever.
      else exchange.send(200, TEXT_HEADERS, keys.filter(({ purpose }) => purpose !== 'delegated').map(({ vkey, publicKey }) => (vkey === undefined ? pem(publicKey) : `${vkey}\n`)).join(''));
    },
  }),
];

/** RFC 7468 §13. */
function pem(base64: string): string {
  return `-----BEGIN PUBLIC KEY-----\n${base64.replaceAll(/(.{64})(?=.)/g, '$1\n')}\n-----END PUBLIC KEY-----\n`;
}

export const proofSchemas = {
  Consistency: objectOf(
    {
      chainId: chainIdSchema,
      from: sequenceSchema,
      to: sequenceSchema,
      fromRoot: hashSchema,
      toRoot: hashSchema,
      proof: arrayOf(hashSchema),
      checkpoint: { type: 'string' },
    },
    [],
  ),
  Keys: objectOf(
    {
      deployment: { type: 'string' },
      keys: arrayOf(
        objectOf(
          {
            algorithm: { enum: ['ed25519', 'ecdsa-p256'] },
            fingerprint: hashSchema,
            publicKey: { type: 'string', description: 'Base64 of the DER SubjectPublicKeyInfo.' },
            purpose: { enum: ['root', 'rotation', 'delegated'], description: 'A root needs nobody to vouch for it; a rotation key may do all its certifier may; a delegated key signs segments of its time.' },
            createdAt: { type: 'string', format: 'date-time' },
            certifiedBy: { ...hashSchema, description: 'Fingerprint of the key that vouches for it.' },
            notBefore: { type: 'string', format: 'date-time' },
            notAfter: { type: 'string', format: 'date-time' },
            certificate: { type: 'string', description: 'The key object with its certificate, exactly as stored.' },
            vkey: { type: 'string', description: 'Note verifier key (C2SP signed-note) of the chain asked for.' },
          },
          ['createdAt', 'certifiedBy', 'notBefore', 'notAfter', 'certificate', 'vkey'],
        ),
      ),
    },
    [],
  ),
};
