/**
 * An account of the stand-in for AWS: credentials in it, and calls of services for which the project has no client. The
 * stand-in looks at neither signature nor date, only at the account and the service that the header names.
 */
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export class StandInAccount {
  readonly #endpoint: string;
  readonly #credentials: Credentials;

  private constructor(endpoint: string, credentials: Credentials) {
    this.#endpoint = endpoint;
    this.#credentials = credentials;
  }

  static async enter(endpoint: string, accountId: string): Promise<StandInAccount> {
    const nobody = new StandInAccount(endpoint, { accessKeyId: 'nobody', secretAccessKey: 'none', sessionToken: '' });
    const answer = await nobody.query('sts', { Action: 'AssumeRole', Version: '2011-06-15', RoleArn: `arn:aws:iam::${accountId}:role/reader`, RoleSessionName: 'reader' });
    const of = (name: string): string => new RegExp(`<${name}>([^<]+)<`).exec(answer)![1]!;
    return new StandInAccount(endpoint, { accessKeyId: of('AccessKeyId'), secretAccessKey: of('SecretAccessKey'), sessionToken: of('SessionToken') });
  }

  s3(region: string): S3Client {
    return new S3Client({ endpoint: this.#endpoint, region, forcePathStyle: true, credentials: this.#credentials });
  }

  kms(region: string): KMSClient {
    return new KMSClient({ endpoint: this.#endpoint, region, credentials: this.#credentials });
  }

  /** A service with the query protocol (STS, IAM, SNS); the XML it answers. */
  async query(service: string, parameters: Readonly<Record<string, string>>, region = 'us-east-1'): Promise<string> {
    const answer = await this.#fetch(service, region, '/', { method: 'POST', body: new URLSearchParams(parameters) }, 'application/x-www-form-urlencoded');
    return answer.text();
  }

  /** A service with the JSON protocol (Organizations, EventBridge, CloudTrail), by the name of its operation. */
  async json<T>(service: string, target: string, body: object, region = 'us-east-1'): Promise<T> {
    const answer = await this.#fetch(service, region, '/', { method: 'POST', body: JSON.stringify(body), headers: { 'x-amz-target': target } }, 'application/x-amz-json-1.1');
    return (await answer.json()) as T;
  }

  /** A service with paths (MSK). */
  async get<T>(service: string, path: string, region: string): Promise<T> {
    return (await (await this.#fetch(service, region, path, {}, 'application/json')).json()) as T;
  }

  async #fetch(service: string, region: string, path: string, init: RequestInit, contentType: string): Promise<Response> {
    const { accessKeyId, sessionToken } = this.#credentials;
    const answer = await fetch(`${this.#endpoint}${path}`, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string> | undefined),
        'content-type': contentType,
        authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
        ...(sessionToken !== '' && { 'x-amz-security-token': sessionToken }),
      },
    });
    if (!answer.ok) throw new Error(`${service} answered ${answer.status}: ${(await answer.text()).slice(0, 500)}`);
    return answer;
  }
}
