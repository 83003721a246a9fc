/** A key that nobody of the log vouches for, and what its holder can make with it. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { utf8Encode } from '#platform';
import { canonicalize } from '../../core/canonical.js';
import { originOf } from '../../core/chain.js';
import type { ChainHead } from '../../core/chain.js';
import { formatPayload } from '../../core/entry.js';
import { noteKey } from '../../core/note.js';
import type { PublicKey } from '../../core/note.js';
import { draftSegment } from '../../core/segment.js';
import type { Segment } from '../../core/segment.js';
import { formatMicros, newWriterId, systemHost } from '../../ledger/host.js';
import type { Signer } from '../../signing/signer.js';

export class ForeignKey implements Signer {
  readonly kind = 'local';
  readonly publicKey: PublicKey;
  readonly #key: KeyObject;

  constructor() {
    this.#key = generateKeyPairSync('ed25519').privateKey;
    this.publicKey = { algorithm: 'ed25519', spki: createPublicKey(this.#key).export({ format: 'der', type: 'spki' }) };
  }

  sign(message: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(sign(null, message, this.#key));
  }

  /** What would go on with the chain, if its signature counted: right in every other respect. */
  async segmentAfter(head: ChainHead, deployment: string): Promise<Segment> {
    const receivedAt = formatMicros(systemHost.micros());
    const payload = formatPayload({
      chainId: head.chainId,
      entryId: systemHost.newEntryId(),
      event: canonicalize({ action: 'drill.forged', actor: { type: 'drill', id: 'attacker' }, category: 'system' }),
      receivedAt,
      sequence: head.size,
      writerId: newWriterId(),
    });
    const draft = draftSegment(head, [payload], receivedAt, newWriterId(), noteKey(originOf(deployment, head.chainId), this.publicKey));
    return draft.seal(await this.sign(utf8Encode(draft.checkpointText)));
  }
}
