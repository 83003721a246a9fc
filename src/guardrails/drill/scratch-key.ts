/** A scratch signing key in KMS, with the key policy of the log's: only this one is ever attacked. */
import {
  CancelKeyDeletionCommand, CreateKeyCommand, DescribeKeyCommand, DisableKeyCommand, EnableKeyCommand, GetKeyPolicyCommand, KMSClient, PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import type { Config } from '../../config.js';
import { answerTo } from './answer.js';
import type { Answer } from './answer.js';
import type { Rights } from './attack.js';
import { guardKey } from './guard.js';
import type { Identity } from './scratch-bucket.js';

/** The shortest that KMS knows. */
const PENDING_DAYS = 7;

export class ScratchKey {
  readonly arn: string;
  /** Named so in requests: every KMS knows it by its id. */
  readonly #id: string;
  readonly policy: string;
  /** What differs from the log's key, a sentence each. */
  readonly notes: readonly string[];
  readonly #clients: Readonly<Record<Rights, KMSClient>>;

  private constructor({ arn, id }: { readonly arn: string; readonly id: string }, policy: string, notes: readonly string[], clients: Readonly<Record<Rights, KMSClient>>) {
    this.arn = arn;
    this.#id = id;
    this.policy = policy;
    this.notes = notes;
    this.#clients = clients;
  }

  /** Makes the key, with the administrator's rights. @throws KMS's refusal */
  static async make(config: Config, identities: Readonly<Record<Rights, Identity>>): Promise<ScratchKey> {
    const making = kmsClient(config, identities.administrator);
    const notes: string[] = [];
    const clients = { writer: kmsClient(config, identities.writer), administrator: kmsClient(config, identities.administrator) };
    try {
      const like = await policyOf(making, config.kmsKeyId ?? '');
      if (like === undefined) notes.push('The policy of the signing key can not be read with the administrator\'s credentials (kms:GetKeyPolicy): the scratch key has the policy that KMS gives by default.');
      const { KeyMetadata } = await making.send(
        new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', Description: 'scratch key of a guardrails drill; deleted after it', ...(like !== undefined && { Policy: like }) }),
      );
      const { Arn: arn, KeyId: id } = KeyMetadata ?? {};
      if (arn === undefined || id === undefined) throw new Error('KMS made a key and did not name it');
      for (const client of Object.values(clients)) guardKey(client, [arn, id]);
      return new ScratchKey({ arn, id }, (await policyOf(clients.administrator, id)) ?? '', notes, clients);
    } catch (error) {
      for (const client of Object.values(clients)) client.destroy();
      throw error;
    } finally {
      making.destroy();
    }
  }

  scheduleDeletion(rights: Rights): Promise<Answer> {
    return answerTo('ScheduleKeyDeletion', () => this.#clients[rights].send(new ScheduleKeyDeletionCommand({ KeyId: this.#id, PendingWindowInDays: PENDING_DAYS })));
  }

  disable(rights: Rights): Promise<Answer> {
    return answerTo('DisableKey', () => this.#clients[rights].send(new DisableKeyCommand({ KeyId: this.#id })));
  }

  putPolicy(rights: Rights, policy: string): Promise<Answer> {
    return answerTo('PutKeyPolicy', () => this.#clients[rights].send(new PutKeyPolicyCommand({ KeyId: this.#id, PolicyName: 'default', Policy: policy })));
  }

  async state(): Promise<string> {
    const { KeyMetadata } = await this.#clients.administrator.send(new DescribeKeyCommand({ KeyId: this.#id }));
    return KeyMetadata?.KeyState ?? 'unknown';
  }

  policyNow(): Promise<string | undefined> {
    return policyOf(this.#clients.administrator, this.#id);
  }

  async restore(): Promise<void> {
    const admin = this.#clients.administrator;
    if ((await this.state()) === 'PendingDeletion') await admin.send(new CancelKeyDeletionCommand({ KeyId: this.#id }));
    if ((await this.state()) === 'Disabled') await admin.send(new EnableKeyCommand({ KeyId: this.#id }));
    if (this.policy !== '' && (await this.policyNow()) !== this.policy) await admin.send(new PutKeyPolicyCommand({ KeyId: this.#id, PolicyName: 'default', Policy: this.policy }));
  }

  /** When it will be gone; `undefined` if it can not be deleted. */
  async remove(): Promise<string | undefined> {
    try {
      const { DeletionDate } = await this.#clients.administrator.send(new ScheduleKeyDeletionCommand({ KeyId: this.#id, PendingWindowInDays: PENDING_DAYS }));
      return DeletionDate?.toISOString();
    } catch {
      return undefined;
    }
  }

  close(): void {
    for (const client of Object.values(this.#clients)) client.destroy();
  }
}

function kmsClient({ kmsRegion, s3Region, kmsEndpoint }: Config, { credentials }: Identity): KMSClient {
  return new KMSClient({ region: kmsRegion ?? s3Region, maxAttempts: 1, ...(kmsEndpoint !== undefined && { endpoint: kmsEndpoint }), ...(credentials !== undefined && { credentials }) });
}

async function policyOf(client: KMSClient, key: string): Promise<string | undefined> {
  try {
    return (await client.send(new GetKeyPolicyCommand({ KeyId: key, PolicyName: 'default' }))).Policy;
  } catch {
    return undefined;
  }
}
