/**
 * Signs with a key in AWS KMS, which nobody can take away, this process included. Each signature costs a call, a few
 * milliseconds and a fraction of a cent; for high rates see delegated.ts.
 */
import { Agent } from 'node:https';
import { GetPublicKeyCommand, KMSClient, SignCommand } from '@aws-sdk/client-kms';
import type { KMSClientConfig } from '@aws-sdk/client-kms';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { readPublicKey } from '../core/public-key.js';
import { isSignatureBy, withLowS } from '../core/signature.js';
import { SignerError, type PublicKey, type Signer } from './signer.js';

export interface KmsOptions {
  /** Id, ARN or alias. */
  readonly keyId: string;
  readonly region: string;
  /** Another service than AWS. */
  readonly endpoint?: string | undefined;
  /** Of one signature, tries and all. */
  readonly timeoutMs: number;
  /** Default true: it signs once, and what hinders it is told at once. False: only the public key is asked for. */
  readonly trial?: boolean;
  /** Default: as the AWS SDK finds them. */
  readonly credentials?: KMSClientConfig['credentials'];
}

/** The first try and two more, with jittered pauses between them (the SDK's standard mode). */
const TRIES = 3;
/** Of a message that KMS takes and hashes itself: for Ed25519 the only way. What is signed here has some hundred bytes. */
const MAX_RAW_BYTES = 4_096;

export class KmsSigner implements Signer {
  readonly kind = 'kms';
  readonly publicKey: PublicKey;
  readonly #client: KMSClient;
  readonly #keyId: string;
  readonly #timeoutMs: number;

  private constructor(client: KMSClient, keyId: string, timeoutMs: number, publicKey: PublicKey) {
    this.#client = client;
    this.#keyId = keyId;
    this.#timeoutMs = timeoutMs;
    this.publicKey = publicKey;
  }

  /** @throws SignerError naming the setting that is wrong */
  static async open(options: KmsOptions): Promise<KmsSigner> {
    const { keyId, region, endpoint, timeoutMs, credentials } = options;
    const named = /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1];
    if (named !== undefined && named !== region) throw new SignerError(`INDELIBLE_KMS_REGION: the key is in region ${named} by its ARN, the region is set to ${region}`);
    const client = new KMSClient({
      region,
      maxAttempts: TRIES,
      requestHandler: new NodeHttpHandler({
        connectionTimeout: timeoutMs / 4,
        requestTimeout: timeoutMs / 2,
        throwOnRequestTimeout: true,
        httpsAgent: new Agent({ keepAlive: true, maxSockets: 50, minVersion: 'TLSv1.3' }),
      }),
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials !== undefined && { credentials }),
    });
    try {
      const answer = await client.send(new GetPublicKeyCommand({ KeyId: keyId }), { abortSignal: AbortSignal.timeout(timeoutMs) });
      const kind = `${answer.KeySpec ?? 'of another kind'} for ${answer.KeyUsage ?? 'an unknown use'}`;
      const publicKey = answer.PublicKey === undefined ? 'no public key' : readPublicKey(answer.PublicKey);
      if (typeof publicKey === 'string' || answer.KeyUsage !== 'SIGN_VERIFY') {
        throw new SignerError(`INDELIBLE_KMS_KEY_ID: key ${keyId} is ${kind}; expected ECC_NIST_P256 or ECC_NIST_EDWARDS25519 for SIGN_VERIFY`);
      }
      // By its own id from now on: an alias may be turned to another key behind our back.
      const signer = new KmsSigner(client, answer.KeyId ?? keyId, timeoutMs, publicKey);
      // Rights and state of the key show only when it is used.
      if (options.trial ?? true) await signer.#sign(Buffer.from('indelible signing key self-test'));
      return signer;
    } catch (error) {
      client.destroy();
      throw error instanceof SignerError ? error : startError(error, options);
    }
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#sign(message);
    } catch (error) {
      throw error instanceof SignerError ? error : new SignerError(`KMS did not sign: ${nameOf(error)}: ${messageOf(error)}`, { cause: bare(error) });
    }
  }

  close(): void {
    this.#client.destroy();
  }

  /** @throws SignerError, or the client's error */
  async #sign(message: Uint8Array): Promise<Uint8Array> {
    if (message.length > MAX_RAW_BYTES) throw new SignerError(`KMS signs at most ${MAX_RAW_BYTES} bytes, got ${message.length}`);
    const { algorithm } = this.publicKey;
    const abortSignal = AbortSignal.timeout(this.#timeoutMs);
    const { Signature: made } = await this.#client.send(
      new SignCommand({ KeyId: this.#keyId, Message: message, MessageType: 'RAW', SigningAlgorithm: algorithm === 'ed25519' ? 'ED25519_SHA_512' : 'ECDSA_SHA_256' }),
      { abortSignal },
    );
    const signature = made === undefined || algorithm === 'ed25519' ? made : withLowS(made);
    // What nobody can verify must not get into the chain, whatever went wrong there.
    if (signature === undefined || !isSignatureBy(this.publicKey, message, signature)) {
      throw new SignerError(`KMS answered with what is no signature by key ${this.#keyId}`);
    }
    return signature;
  }
}

const CREDENTIALS = new Set([
  'CredentialsProviderError', 'UnrecognizedClientException', 'InvalidSignatureException', 'ExpiredTokenException', 'InvalidClientTokenId',
  'IncompleteSignature', 'MissingAuthenticationToken', 'MissingAuthenticationTokenException', 'ExpiredToken', 'SignatureDoesNotMatch', 'InvalidIdentityToken',
]);

/** One sentence that names the setting, for who starts the service. */
function startError(error: unknown, { keyId, region, endpoint }: KmsOptions): SignerError {
  const where = endpoint ?? `KMS of AWS in ${region}`;
  const because = (sentence: string): SignerError => new SignerError(sentence, { cause: bare(error) });
  const name = nameOf(error);
  if (CREDENTIALS.has(name)) return because(`no valid AWS credentials for ${where} (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role): ${messageOf(error)}`);
  switch (name) {
    case 'NotFoundException':
      return because(`INDELIBLE_KMS_KEY_ID: there is no key ${keyId} in region ${region} (INDELIBLE_KMS_REGION) at ${where}`);
    case 'DisabledException':
    case 'KMSInvalidStateException':
      return because(`INDELIBLE_KMS_KEY_ID: key ${keyId} is disabled or about to be deleted: ${messageOf(error)}`);
    case 'AccessDeniedException':
      return because(`INDELIBLE_KMS_KEY_ID: the credentials have no right to use key ${keyId}; they need kms:GetPublicKey and kms:Sign: ${messageOf(error)}`);
    case 'InvalidKeyUsageException':
    case 'UnsupportedOperationException':
      return because(`INDELIBLE_KMS_KEY_ID: key ${keyId} can not sign; expected ECC_NIST_P256 or ECC_NIST_EDWARDS25519 for SIGN_VERIFY: ${messageOf(error)}`);
    case 'InvalidArnException':
    case 'ValidationException':
      return because(`INDELIBLE_KMS_KEY_ID: ${keyId} is no id, ARN or alias (alias/name) of a key: ${messageOf(error)}`);
  }
  const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (status !== undefined) return because(`INDELIBLE_KMS_ENDPOINT: ${where} answered ${status} as no KMS does that is well: ${name}: ${messageOf(error)}`);
  if (/^(EPROTO|ERR_SSL|ERR_TLS_PROTOCOL)/.test(String((error as NodeJS.ErrnoException).code))) return because(`INDELIBLE_KMS_ENDPOINT: ${where} does not speak TLS 1.3, the least that is accepted: ${messageOf(error)}`);
  return because(`INDELIBLE_KMS_ENDPOINT: ${where} does not answer (or INDELIBLE_KMS_REGION is wrong): ${messageOf(error)}`);
}

/** The SDK's errors carry the whole exchange, with the credentials' session token in its headers: not for a log. */
function bare(error: unknown): Error {
  return Object.assign(new Error(messageOf(error)), { name: nameOf(error) });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** Its first line: the SDK adds where in the error to look further. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
