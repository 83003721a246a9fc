/** The keys without which the log can't be continued (signing) or read (encryption): whether they are there to stay. */
import { DescribeKeyCommand, GetKeyPolicyCommand, GetKeyRotationStatusCommand, KMSClient } from '@aws-sdk/client-kms';
import type { KeyMetadata, KMSClientConfig } from '@aws-sdk/client-kms';
import { OUTSIDER, standingOf } from './attack.js';
import type { Keys } from './condition.js';
import { readPolicy } from './policy-document.js';
import type { Policy } from './policy-document.js';
import { judgeOf } from './report.js';
import type { GuardrailCheck, Judge } from './report.js';

export interface KmsKey {
  readonly keyId: string;
  readonly purpose: 'signing' | 'store';
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly timeoutMs: number;
  readonly credentials?: KMSClientConfig['credentials'];
  readonly signal?: AbortSignal;
}

type Ask = <T>(right: string, request: (client: KMSClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>) => Promise<T>;

export async function* keyChecks({ keyId, purpose, region, endpoint, timeoutMs, credentials, signal }: KmsKey): AsyncGenerator<GuardrailCheck> {
  const judge = judgeOf(`${purpose} key ${keyId}`);
  const named = /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1];
  const client = new KMSClient({ region: named ?? region, maxAttempts: 2, ...(endpoint !== undefined && { endpoint }), ...(credentials !== undefined && { credentials }) });
  const ask: Ask = async (right, request) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await request(client, { abortSignal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) });
    } catch (error) {
      throw new NotTold(right, error);
    }
  };
  try {
    yield* whole(judge, purpose, keyId, ask);
  } finally {
    client.destroy();
  }
}

/** What KMS does not tell, and the right that it needs. */
class NotTold extends Error {
  override readonly name = 'NotTold';
  readonly advice: string;

  constructor(right: string, cause: unknown) {
    const { name } = cause as Error;
    super(`KMS does not tell it (${name})`, { cause });
    this.advice = name === 'AccessDeniedException' ? `give these credentials the right ${right} on the key, in its policy or their own` : `see why KMS does not answer ${right}, then check again`;
  }
}

async function* whole(judge: Judge, purpose: KmsKey['purpose'], keyId: string, ask: Ask): AsyncGenerator<GuardrailCheck> {
  let metadata: KeyMetadata;
  try {
    const { KeyMetadata: found } = await ask('kms:DescribeKey', (client, options) => client.send(new DescribeKeyCommand({ KeyId: keyId }), options));
    if (found === undefined) throw new Error('no key is described');
    metadata = found;
  } catch (error) {
    if ((error as Error).cause instanceof Error && ((error as Error).cause as Error).name === 'NotFoundException') {
      yield judge.unprotected('key-state', 'there is no such key: what needs it does not work', 'name the right key, or start the incident procedure for a lost key');
    } else yield asUnknown(judge, 'key-state', 'the state of the key', error);
    return;
  }
  yield state(judge, metadata, purpose);
  yield usage(judge, metadata, purpose);
  if (purpose === 'store' && metadata.KeySpec === 'SYMMETRIC_DEFAULT' && metadata.KeyManager !== 'AWS') yield await rotation(judge, metadata, ask);
  if (metadata.KeyManager === 'AWS') {
    yield judge.weak('key-policy', 'the key is managed by AWS: its policy is not yours to write, and another account can not be let in', 'encrypt with a key of your own, whose policy denies its removal (policies/kms)');
    return;
  }
  try {
    const { Policy: text } = await ask('kms:GetKeyPolicy', (client, options) => client.send(new GetKeyPolicyCommand({ KeyId: metadata.Arn ?? metadata.KeyId, PolicyName: 'default' }), options));
    yield* removals(judge, readPolicy(text ?? ''), metadata);
  } catch (error) {
    yield asUnknown(judge, 'key-policy', 'the policy of the key', error);
  }
}

function asUnknown(judge: Judge, name: string, what: string, error: unknown): GuardrailCheck {
  const advice = error instanceof NotTold ? error.advice : 'mend that, then check again';
  return judge.unknown(name, `${what} can not be seen: ${(error as Error).message}`, advice);
}

function state(judge: Judge, { KeyState, DeletionDate }: KeyMetadata, purpose: KmsKey['purpose']): GuardrailCheck {
  const name = 'key-state';
  const loss = purpose === 'store' ? 'every object encrypted with it becomes unreadable, locked or not' : 'nothing can be appended; what it signed stays valid';
  switch (KeyState) {
    case 'Enabled':
      return judge.protects(name, 'the key is enabled');
    case 'PendingDeletion':
    case 'PendingReplicaDeletion':
      return judge.unprotected(name, `the key is to be deleted${DeletionDate === undefined ? '' : ` on ${DeletionDate.toISOString()}`}: then ${loss}`, 'cancel the deletion now (aws kms cancel-key-deletion, then enable-key), and find out who asked for it');
    case 'Disabled':
      return judge.unprotected(name, `the key is disabled: while it is, ${purpose === 'store' ? 'no object encrypted with it can be read or written' : 'nothing can be appended'}`, 'enable it (aws kms enable-key), and find out who disabled it');
    case 'PendingImport':
      return judge.unprotected(name, 'the key has no key material: it was imported, and is gone', 'import the same key material again');
    default:
      return judge.unknown(name, `the key is in the state ${KeyState ?? 'unknown'}`, 'see what the state means in the documentation of KMS');
  }
}

function usage(judge: Judge, { KeyUsage, KeySpec, Origin, ExpirationModel, ValidTo }: KeyMetadata, purpose: KmsKey['purpose']): GuardrailCheck {
  const name = 'key-kind';
  const wanted = purpose === 'signing' ? 'SIGN_VERIFY' : 'ENCRYPT_DECRYPT';
  if (KeyUsage === undefined) return judge.unknown(name, 'KMS does not say what the key is for', 'see by hand whether it is of the right kind');
  if (KeyUsage !== wanted) return judge.unprotected(name, `the key is for ${KeyUsage}, needed is ${wanted}`, 'name a key of the right kind');
  if (ExpirationModel === 'KEY_MATERIAL_EXPIRES') return judge.weak(name, `the imported key material ends on ${ValidTo?.toISOString() ?? 'some day'}`, 'import it again without an end');
  if (Origin === 'EXTERNAL') return judge.weak(name, 'the key material was imported: who may delete it needs no waiting period', 'use a key that KMS made, or deny kms:DeleteImportedKeyMaterial to everybody');
  return judge.protects(name, `the key is ${KeySpec ?? 'one'} for ${KeyUsage}, made by ${Origin === 'AWS_KMS' || Origin === undefined ? 'KMS, which lets nobody take it away' : Origin}`);
}

async function rotation(judge: Judge, { KeyId, Origin }: KeyMetadata, ask: Ask): Promise<GuardrailCheck> {
  const name = 'key-rotation';
  if (Origin !== undefined && Origin !== 'AWS_KMS') return judge.protects(name, `a key of origin ${Origin} is not rotated by KMS; data stays readable`);
  try {
    const { KeyRotationEnabled } = await ask('kms:GetKeyRotationStatus', (client, options) => client.send(new GetKeyRotationStatusCommand({ KeyId }), options));
    return KeyRotationEnabled === true
      ? judge.protects(name, 'KMS rotates the key material; older data stays readable')
      : judge.weak(name, 'the key material is never rotated', 'turn on rotation (aws kms enable-key-rotation)');
  } catch (error) {
    return asUnknown(judge, name, 'whether the key is rotated', error);
  }
}

const REMOVALS = [
  { name: 'key-removal', actions: ['kms:ScheduleKeyDeletion', 'kms:DisableKey', 'kms:DeleteImportedKeyMaterial'], does: 'delete or disable the key', exceptions: 'hole' },
  { name: 'key-policy', actions: ['kms:PutKeyPolicy'], does: 'write the key another policy', exceptions: 'meant' },
  { name: 'key-grants', actions: ['kms:CreateGrant'], does: 'let others use the key by a grant, past its policy', exceptions: 'meant' },
] as const;

function removals(judge: Judge, policy: Policy, { Arn = '', AWSAccountId }: KeyMetadata): GuardrailCheck[] {
  const guarded = { policy, account: AWSAccountId, partition: Arn.split(':')[1] ?? 'aws', undeniedIs: 'refused' } as const;
  // Headers and waiting periods are chosen by who asks.
  const keys: Keys = (key) => (key.startsWith('kms:') ? (key === 'kms:viaservice' ? 'absent' : key === 'kms:calleraccount' ? 'unknown' : 'free') : 'unknown');
  return REMOVALS.map(({ name, actions, does, exceptions }) => {
    const standing = standingOf(guarded, { actions, resource: Arn, keys });
    const advice = `deny ${actions.join(', ')} in the policy of the key (policies/kms)`;
    const who = [...standing.openTo, ...(exceptions === 'hole' ? standing.exceptions : [])];
    if (standing.openTo.includes(OUTSIDER)) return judge.unprotected(name, `${standing.openTo.join(' and ')} can ${does}`, advice);
    if (who.length > 0) return judge.weak(name, `${who.join(', ')} can ${does}${name === 'key-removal' ? '; a deletion takes 7 to 30 days, in which it can be cancelled' : ''}`, advice);
    if (standing.unknown.length > 0) return judge.unknown(name, `whether anybody can ${does} can not be told from the policy of the key (${standing.unknown.join('; ')})`, advice);
    const by = standing.refusedBy.length === 0 ? 'its policy allows it to nobody else' : `denied by ${standing.refusedBy.join(', ')}`;
    return judge.protects(name, `nobody${standing.exceptions.length === 0 ? '' : ` but ${standing.exceptions.join(', ')}`} can ${does} (${by})`);
  });
}
