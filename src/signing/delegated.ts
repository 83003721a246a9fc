/**
 * Signs segments with a short-lived key of this process, which the real key certifies: one call to KMS every few
 * hours in place of one a commit. The private key is in memory alone and ends with the process; who steals it can
 * sign what was received within its time, and nothing else (docs/signing.md).
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { utf8Encode } from '#platform';
import { certificateText, certifiedKeyObject, fingerprintOf } from '../core/key-object.js';
import { SignerError, type PublicKey, type SegmentKey, type Signer } from './signer.js';
import type { TrustedKey, Validity } from '../core/public-key.js';

export interface DelegationOptions {
  /** The key that certifies. */
  readonly certifier: Signer;
  readonly deployment: string;
  readonly hours: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Makes the key object known: durable in the store, and believed. Before that nothing is signed with its key. */
  readonly state: (keyObject: string) => Promise<void>;
  /** Told when a key could not be renewed; the one before goes on to its end. */
  readonly onTrouble: (error: SignerError) => void;
}

const HOUR_MS = 3_600_000;
/** An append may have waited, and a clock may be set back, by so much. */
const SLACK_MS = 600_000;
/** Between tries to renew, at most; while appends come in. */
const RETRY_MS = 30_000;
/** Chains whose times are far apart need keys of their own. More than this many are not kept. */
const MAX_KEYS = 8;

interface LiveKey extends SegmentKey {
  readonly validity: Validity;
  /** From then on, by the time of entries, another one is made. */
  readonly renewAt: number;
}

export class DelegatedSigner implements Signer {
  readonly kind = 'kms';
  /** That of the certifier, which also signs all that is no segment. */
  readonly publicKey: PublicKey;
  readonly #options: DelegationOptions;
  /** The newest last. */
  readonly #keys: LiveKey[] = [];
  #making: Promise<void> | undefined;
  #retryAt = 0;

  constructor(options: DelegationOptions) {
    this.#options = options;
    this.publicKey = options.certifier.publicKey;
  }

  sign(message: Uint8Array): Promise<Uint8Array> {
    return this.#options.certifier.sign(message);
  }

  close(): void {
    this.#options.certifier.close?.();
  }

  async keyFor(receivedAt: string): Promise<SegmentKey> {
    // What is being made may be for a chain of another time.
    for (let round = 0; round < 3; round++) {
      const key = this.#keys.findLast(({ validity }) => validity.notBefore <= receivedAt && receivedAt <= validity.notAfter);
      if (key !== undefined) {
        if (Date.parse(receivedAt) >= key.renewAt) this.#renew(receivedAt);
        return key;
      }
      await this.#make(receivedAt);
    }
    throw new SignerError(`no delegated key is at hand for ${receivedAt}`);
  }

  /** Beside the appends, which go on with the key there is. */
  #renew(receivedAt: string): void {
    const { now, random, onTrouble } = this.#options;
    if (this.#making !== undefined || now() < this.#retryAt) return;
    this.#make(receivedAt).catch((error: unknown) => {
      this.#retryAt = now() + RETRY_MS * (0.5 + random() / 2);
      onTrouble(error as SignerError);
    });
  }

  /** One at a time; who asks meanwhile waits for it. @throws SignerError */
  #make(receivedAt: string): Promise<void> {
    this.#making ??= this.#certified(receivedAt)
      .then((key) => {
        this.#keys.push(key);
        if (this.#keys.length > MAX_KEYS) this.#keys.shift();
      })
      .catch((error: unknown) => {
        throw error instanceof SignerError ? error : new SignerError(`the delegated key could not be stated in the store: ${(error as Error).message}`, { cause: error });
      })
      .finally(() => {
        this.#making = undefined;
      });
    return this.#making;
  }

  async #certified(receivedAt: string): Promise<LiveKey> {
    const { certifier, deployment, hours, now, random, state } = this.#options;
    const at = Date.parse(receivedAt);
    const clock = now();
    const lifetime = hours * HOUR_MS;
    // Entries never run backwards: a chain may be ahead of this clock, by another writer's wrong one.
    const start = at < clock - SLACK_MS || at > clock + lifetime / 2 ? at : clock;
    const validity = { notBefore: timeText(start - SLACK_MS), notAfter: timeText(start + lifetime) };
    const { publicKey: made, privateKey } = generateKeyPairSync('ed25519');
    const publicKey: PublicKey = { algorithm: 'ed25519', spki: new Uint8Array(made.export({ type: 'spki', format: 'der' })) };
    const draft = { publicKey, createdAt: timeText(clock), purpose: 'delegated', certifiedBy: fingerprintOf(certifier.publicKey), deployment, validity } as const;
    const certificate = await certifier.sign(utf8Encode(certificateText(draft)));
    await state(certifiedKeyObject(draft, certificate));
    // Replicas that began together do not go on together to ask KMS.
    return liveKey({ ...publicKey, validity }, validity, privateKey, start + lifetime * (0.6 + 0.2 * random()));
  }
}

function liveKey(publicKey: TrustedKey, validity: Validity, privateKey: KeyObject, renewAt: number): LiveKey {
  return {
    publicKey,
    validity,
    renewAt,
    sign: (message) => Promise.resolve(sign(null, message, privateKey)),
  };
}

/** As `receivedAt` has it. */
function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
