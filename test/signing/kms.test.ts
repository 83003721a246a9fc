/**
 * What goes to KMS and what comes back, against a stand-in of a few lines: for what moto lacks (Ed25519 keys, disabled
 * ones, missing rights) and for answers that no KMS should give. It says nothing of the real AWS; the contract is
 * kept against moto in test/services/kms.test.ts.
 */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { hasLowS } from '#indelible/core/signature.js';
import { KmsSigner } from '#indelible/signing/kms.js';
import { SignerError } from '#indelible/signing/signer.js';

interface Call {
  readonly operation: string;
  readonly body: Readonly<Record<string, string>>;
}
type Answer = readonly [number, unknown] | 'hang';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function standIn(answer: (call: Call) => Answer): Promise<{ readonly endpoint: string; readonly calls: Call[] }> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const call = { operation: String(request.headers['x-amz-target']).replace('TrentService.', ''), body: JSON.parse(text) as Call['body'] };
      calls.push(call);
      const answered = answer(call);
      if (answered === 'hang') return;
      response.writeHead(answered[0], { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answered[1]));
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return { endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`, calls };
}

const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
const open = (endpoint: string, change: Partial<Parameters<typeof KmsSigner.open>[0]> = {}): Promise<KmsSigner> =>
  KmsSigner.open({ keyId: 'alias/log', region: 'eu-central-1', endpoint, timeoutMs: 30_000, credentials, ...change });

const ed = generateKeyPairSync('ed25519');
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const spki = ({ publicKey }: { publicKey: typeof ed.publicKey }): string => publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const fault = (name: string, message = 'because'): Answer => [400, { __type: name, message }];
const ARN = 'arn:aws:kms:eu-central-1:1:key/k';

function publicKey(pair: { publicKey: typeof ed.publicKey }, KeySpec: string, KeyUsage = 'SIGN_VERIFY'): Answer {
  return [200, { KeyId: ARN, KeySpec, KeyUsage, PublicKey: spki(pair) }];
}

function edKms({ operation, body }: Call): Answer {
  if (operation === 'GetPublicKey') return publicKey(ed, 'ECC_NIST_EDWARDS25519');
  return [200, { KeyId: ARN, SigningAlgorithm: body['SigningAlgorithm'], Signature: sign(null, Buffer.from(body['Message']!, 'base64'), ed.privateKey).toString('base64') }];
}

describe('the signer on KMS', () => {
  test('is known by its public half to a process that may not sign, and never asked for a signature there', async () => {
    const { endpoint, calls } = await standIn((call) => (call.operation === 'Sign' ? fault('AccessDeniedException') : edKms(call)));
    const signer = await open(endpoint, { trial: false });
    expect(Buffer.from(signer.publicKey.spki).toString('base64')).toBe(spki(ed));
    expect(calls.map(({ operation }) => operation)).toEqual(['GetPublicKey']);
    await expect(open(endpoint)).rejects.toThrow(/INDELIBLE_KMS_KEY_ID|kms:Sign/);
  });

  test('asks for an Ed25519 signature over the message itself, by the key and not its alias', async () => {
    const { endpoint, calls } = await standIn(edKms);
    const signer = await open(endpoint);
    expect(signer.publicKey.algorithm).toBe('ed25519');
    const signature = await signer.sign(Buffer.from('a checkpoint'));
    expect(signature).toHaveLength(64);
    expect(calls.map(({ operation }) => operation)).toEqual(['GetPublicKey', 'Sign', 'Sign']);
    expect(calls[0]!.body).toEqual({ KeyId: 'alias/log' });
    expect(calls[2]!.body).toEqual({ KeyId: ARN, Message: Buffer.from('a checkpoint').toString('base64'), MessageType: 'RAW', SigningAlgorithm: 'ED25519_SHA_512' });
    await expect(signer.sign(new Uint8Array(4_097))).rejects.toThrow(/at most 4096 bytes/);
  });

  test('asks for an ECDSA signature over the message, and hands out its one form', async () => {
    let high = 0;
    const { endpoint, calls } = await standIn(({ operation, body }) => {
      if (operation === 'GetPublicKey') return publicKey(ec, 'ECC_NIST_P256');
      const signature = sign('sha256', Buffer.from(body['Message']!, 'base64'), ec.privateKey);
      if (!hasLowS(signature)) high += 1;
      return [200, { KeyId: ARN, Signature: signature.toString('base64') }];
    });
    const signer = await open(endpoint);
    for (let i = 0; i < 24; i++) expect(hasLowS(await signer.sign(Buffer.from(`checkpoint ${i}`)))).toBe(true);
    expect(high).toBeGreaterThan(0);
    expect(calls[1]!.body).toMatchObject({ MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' });
  });

  test('hands out nothing that does not verify under its public key', async () => {
    const other = generateKeyPairSync('ed25519');
    let key = ed;
    const { endpoint } = await standIn((call) =>
      call.operation === 'GetPublicKey' ? publicKey(ed, 'ECC_NIST_EDWARDS25519') : [200, { Signature: sign(null, Buffer.from(call.body['Message']!, 'base64'), key.privateKey).toString('base64') }],
    );
    const signer = await open(endpoint);
    key = other;
    await expect(signer.sign(Buffer.from('x'))).rejects.toThrow(/no signature by key/);
    // At the start, too: it would be found with the first append otherwise.
    await expect(open(endpoint)).rejects.toThrow(/no signature by key/);
  });

  test.each<[string, (call: Call) => Answer, RegExp, number?]>([
    ['there is no such key', () => fault('NotFoundException'), /^INDELIBLE_KMS_KEY_ID: there is no key alias\/log in region eu-central-1 \(INDELIBLE_KMS_REGION\)/],
    ['the key is disabled', (call) => (call.operation === 'Sign' ? fault('DisabledException') : edKms(call)), /^INDELIBLE_KMS_KEY_ID: key alias\/log is disabled/],
    ['the key is about to be deleted', () => fault('KMSInvalidStateException', 'pending deletion'), /^INDELIBLE_KMS_KEY_ID: .*pending deletion/],
    ['there is no right to sign', (call) => (call.operation === 'Sign' ? fault('AccessDeniedException') : edKms(call)), /^INDELIBLE_KMS_KEY_ID: .*kms:Sign/],
    ['the key encrypts', () => publicKey(ed, 'ECC_NIST_EDWARDS25519', 'ENCRYPT_DECRYPT'), /^INDELIBLE_KMS_KEY_ID: key alias\/log is ECC_NIST_EDWARDS25519 for ENCRYPT_DECRYPT; expected/],
    ['the key is of another kind', () => publicKey(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }), 'ECC_NIST_P384'), /^INDELIBLE_KMS_KEY_ID: key alias\/log is ECC_NIST_P384 for SIGN_VERIFY; expected/],
    ['the key is symmetric', () => fault('UnsupportedOperationException'), /^INDELIBLE_KMS_KEY_ID: .*can not sign/],
    ['its id is malformed', () => fault('ValidationException'), /^INDELIBLE_KMS_KEY_ID: alias\/log is no id/],
    ['the credentials are wrong', () => fault('UnrecognizedClientException'), /^no valid AWS credentials .*AWS_ACCESS_KEY_ID/],
    ['something else answers', () => [404, { hello: 'world' }], /^INDELIBLE_KMS_ENDPOINT: .*answered 404/],
    ['nothing is answered', () => 'hang', /^INDELIBLE_KMS_ENDPOINT: .*does not answer/, 800],
  ])('refuses to start, naming the setting, when %s', async (_, answer, sentence, timeoutMs = 30_000) => {
    const { endpoint } = await standIn(answer);
    const error = await open(endpoint, { timeoutMs }).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toBeInstanceOf(SignerError);
    expect(error?.message).toMatch(sentence);
    expect(error?.message).not.toMatch(/\n/);
  });

  test('refuses to start where nobody listens, without credentials, and with a key of another region', async () => {
    await expect(open('http://127.0.0.1:1')).rejects.toThrow(/^INDELIBLE_KMS_ENDPOINT: .*does not answer/);
    const none = (): Promise<never> => Promise.reject(Object.assign(new Error('none found'), { name: 'CredentialsProviderError' }));
    await expect(open('http://127.0.0.1:1', { credentials: none })).rejects.toThrow(/^no valid AWS credentials/);
    await expect(open('http://127.0.0.1:1', { keyId: 'arn:aws:kms:us-east-1:1:key/k' })).rejects.toThrow(/^INDELIBLE_KMS_REGION: the key is in region us-east-1/);
  });

  test('repeats what may pass, within its time, and says so when it does not', async () => {
    let failing = 0;
    const { endpoint, calls } = await standIn((call) => {
      if (call.operation === 'Sign' && failing-- > 0) return [500, { __type: 'KMSInternalException', message: 'try again' }];
      return edKms(call);
    });
    const signer = await open(endpoint);
    failing = 2;
    await expect(signer.sign(Buffer.from('x'))).resolves.toHaveLength(64);
    failing = 100;
    const before = calls.length;
    const error = await signer.sign(Buffer.from('x')).catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({ name: 'SignerError', message: expect.stringMatching(/^KMS did not sign: /) as string });
    // The exchange, with what authorises it, is not for a log.
    expect(Object.keys((error as Error).cause as object)).toEqual(['name']);
    expect(calls.length - before).toBeLessThanOrEqual(3);
    expect(createPublicKey({ key: Buffer.from(signer.publicKey.spki), format: 'der', type: 'spki' }).asymmetricKeyType).toBe('ed25519');
  });
});
